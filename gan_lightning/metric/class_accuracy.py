"""Does a conditional sample show the class that was asked? The share that a classifier of real samples reads so.

The classifier is the run's extractor if its one factor is the class; otherwise scikit-learn's support vector machine (RBF
kernel, C = 10), fitted on at most 5000 training samples that are first pooled to at most 8×8. A generator that learned to
please one classifier need not please another, so `control`, a second one, may be asked too. After Shmelkov et al. 2018 and
Ravuri & Vinyals 2019, turned round: trained on real samples, asked of generated ones.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from sklearn.svm import SVC
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from gan_lightning.data.base import Data, DataError
from gan_lightning.data.stream import Source
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.feature.base import Feature
from gan_lightning.metric.reference import Reference

FITTED_ON = 5000


class ClassAccuracy(GenerativeMetric):
    """Accuracy in [0, 1]; `class_accuracy_control` is that of the control, where there is one."""

    maximize: ClassVar[dict[str, bool]] = {"class_accuracy": True}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("class_accuracy", "class_accuracy_control")
    conditional: ClassVar[bool] = True
    uses_train_split: ClassVar[bool] = True  # the classifier learned from them
    right: Tensor
    control_right: Tensor
    seen: Tensor

    def __init__(self, feature: Feature, num_samples: NumSamples = 1000, control: Feature | None = None) -> None:
        super().__init__(num_samples)
        self.feature, self.control = feature, control
        self.machine: SVC | None = None  # where the extractor does not read the class
        for state in ("right", "control_right", "seen"):
            self.add_state(state, torch.tensor(0), dist_reduce_fx="sum")

    def incompatibility(self, data: Data) -> str | None:
        if not data.num_classes:
            return "class accuracy needs labels, but the data are unlabelled (data.num_classes=0); use metric=none"
        if self.control is not None and not reads(self.control, data):
            return f"the control does not read the {data.num_classes} classes of samples of shape {list(data.sample_shape)}"
        return None

    def set_reference(self, reference: Reference) -> None:
        data = reference.data
        if reads(self.feature, data):
            return
        samples, labels = _by_class(data.splits.train, data.num_classes, FITTED_ON)
        if len(set(labels)) < 2:
            raise DataError("metric.class_accuracy: the training samples show fewer than two classes; use metric=none")
        self.machine = SVC(C=10).fit(samples, labels)

    def update(self, samples: Tensor, labels: Tensor | None) -> None:
        assert labels is not None, "class accuracy is asked of conditional samples"
        self.seen += len(labels)
        readable = samples.flatten(1).isfinite().all(1)  # what is no image shows no class
        if not readable.any():
            return
        shown, asked = samples if readable.all() else samples[readable], labels[readable].cpu()
        read = self.feature(shown).logits[0].argmax(1) if self.machine is None else machine_read(self.machine, shown)
        self.right += (read == asked).sum()
        if self.control is not None:
            self.control_right += (self.control(shown).logits[0].argmax(1) == asked).sum()

    def compute(self) -> dict[str, Tensor]:
        if not self.seen:
            raise TooFewSamplesError("class_accuracy: at least 1 generated sample is needed, not 0")
        found = {"class_accuracy": self.right.double() / self.seen}
        return found | ({"class_accuracy_control": self.control_right.double() / self.seen} if self.control else {})


def reads(feature: Feature, data: Data) -> bool:
    """Whether the extractor tells these data's classes apart."""
    return list(feature.factors.values()) == [data.num_classes] and feature.incompatibility(data.sample_shape) is None


def machine_read(machine: SVC, samples: Tensor) -> Tensor:  # (N, *sample_shape) -> (N,)
    """The classes that the support vector machine reads."""
    return torch.from_numpy(machine.predict(pooled(samples)))


def pooled(samples: Tensor) -> np.ndarray:  # (N, *sample_shape) -> (N, V)
    """What the support vector machine looks at."""
    if samples.dim() == 4:
        samples = adaptive_avg_pool2d(samples, (min(8, samples.shape[2]), min(8, samples.shape[3])))
    return samples.float().flatten(1).cpu().numpy()


def _by_class(source: Source, num_classes: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    parts = [source.first(most // num_classes, label) for label in range(num_classes)]
    if not sum(map(len, parts)):
        return np.empty((0, 1)), np.empty(0)
    return pooled(torch.cat(parts)), np.repeat(np.arange(num_classes), [len(part) for part in parts])
