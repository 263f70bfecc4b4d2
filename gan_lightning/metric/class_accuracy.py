"""The share of conditional samples that a classifier assigns to the requested class.

class_accuracy = mean(argmax logits = label)

The classifier is the feature extractor if the class is its only factor. Otherwise it is scikit-learn's support vector machine
(RBF kernel, C = 10), fitted on at most 5000 training samples, with images average-pooled to at most 8×8. A generator that
learned to satisfy one classifier need not satisfy another, so a second one, `control`, can be evaluated too. After Shmelkov et
al. 2018 and Ravuri & Vinyals 2019, reversed: the classifier is trained on real samples and evaluated on generated ones.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from sklearn.svm import SVC
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from gan_lightning.data.base import Data, DataError
from gan_lightning.data.selection import select_by_class
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.feature.base import Feature
from gan_lightning.metric.reference import Reference

MAX_FIT_SAMPLES = 5000


class ClassAccuracy(GenerativeMetric):
    """Measure accuracy in [0, 1]; `class_accuracy_control` is the control's, if there is one."""

    maximize: ClassVar[dict[str, bool]] = {"class_accuracy": True}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("class_accuracy", "class_accuracy_control")
    conditional: ClassVar[bool] = True
    uses_train_split: ClassVar[bool] = True  # to fit the classifier
    correct: Tensor
    control_correct: Tensor
    count: Tensor

    def __init__(self, feature: Feature, num_samples: NumSamples = 1000, control: Feature | None = None) -> None:
        super().__init__(num_samples)
        self.feature, self.control = feature, control
        self.svm: SVC | None = None  # None: the extractor is the classifier
        self.num_fitted = 0
        for state in ("correct", "control_correct", "count"):
            self.add_state(state, torch.tensor(0), dist_reduce_fx="sum")

    def incompatibility(self, data: Data) -> str | None:
        if not data.num_classes:
            return "class accuracy needs a class for each sample, but the data have none; use metric=none"
        if self.control is not None and not reads_classes(self.control, data):
            return f"the control does not read the {data.num_classes} classes of samples of shape {list(data.sample_shape)}"
        return None

    def set_reference(self, reference: Reference) -> None:
        """Fit the support vector machine if the extractor can't classify. Raises DataError for fewer than two classes."""
        data = reference.data
        if reads_classes(self.feature, data):
            return
        parts = select_by_class(
            data.splits.train, max(MAX_FIT_SAMPLES // data.num_classes, 1), data.num_classes, reference.seed
        )
        inputs = svm_inputs(torch.cat(parts))
        labels = np.repeat(np.arange(data.num_classes), [len(part) for part in parts])
        self.num_fitted = len(labels)
        if len(set(labels)) < 2:
            raise DataError("metric.class_accuracy: the training samples show fewer than two classes; use metric=none")
        self.svm = SVC(C=10).fit(inputs, labels)

    def real_samples(self, num_generated: int) -> dict[str, int]:
        return {"train": self.num_fitted} if self.num_fitted else {}

    def update(self, samples: Tensor, condition: Tensor | None) -> None:
        assert condition is not None, "class accuracy needs labels"
        self.count += len(condition)
        finite = samples.flatten(1).isfinite().all(1)  # any other sample counts as wrong
        if not finite.any():
            return
        if not finite.all():  # otherwise keep the tensor object itself, by which the extractor recognises the last batch
            samples, condition = samples[finite], condition[finite]
        condition = condition.cpu()
        predicted = self.feature(samples).logits[0].argmax(1) if self.svm is None else predict_classes(self.svm, samples)
        self.correct += (predicted == condition).sum()
        if self.control is not None:
            self.control_correct += (self.control(samples).logits[0].argmax(1) == condition).sum()

    def compute(self) -> dict[str, Tensor]:
        if not self.count:
            raise TooFewSamplesError("class_accuracy: at least 1 generated sample is needed, not 0")
        numbers = {"class_accuracy": self.correct.double() / self.count}
        if self.control is not None:
            numbers["class_accuracy_control"] = self.control_correct.double() / self.count
        return numbers


def reads_classes(feature: Feature, data: Data) -> bool:
    """Return whether the extractor's only factor is the class of these data."""
    return list(feature.factors.values()) == [data.num_classes] and feature.incompatibility(data.sample_shape) is None


def predict_classes(svm: SVC, samples: Tensor) -> Tensor:  # (N, *sample_shape) -> (N,)
    """Return the classes that the support vector machine predicts."""
    return torch.from_numpy(svm.predict(svm_inputs(samples)))


def svm_inputs(samples: Tensor) -> np.ndarray:  # (N, *sample_shape) -> (N, V)
    """Return flat float32 vectors; images are average-pooled to at most 8×8."""
    if samples.dim() == 4:
        samples = adaptive_avg_pool2d(samples, (min(8, samples.shape[2]), min(8, samples.shape[3])))
    return samples.float().flatten(1).cpu().numpy()
