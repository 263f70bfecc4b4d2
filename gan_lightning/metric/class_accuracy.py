"""Does a conditional sample show the class that was asked? The share that a classifier of real samples reads so.

The classifier is scikit-learn's support vector machine (RBF kernel, C = 10), fitted on at most 5000 training samples that are
first pooled to at most 8×8. `class_accuracy_real`, the same of real validation samples, stands beside the score as its ceiling.
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
from gan_lightning.metric.base import Samples, Score

FITTED_ON = 5000


class ClassAccuracy(Score):
    """Accuracy in [0, 1]."""

    higher: ClassVar[dict[str, bool]] = {"class_accuracy": True}
    conditional: ClassVar[bool] = True
    right: Tensor
    seen: Tensor

    def __init__(self, num_samples: Samples = 1000) -> None:
        super().__init__(num_samples)
        self.classifier = SVC(C=10)
        self.ceiling = torch.tensor(float("nan"))
        self.add_state("right", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("seen", torch.tensor(0), dist_reduce_fx="sum")

    def unfit(self, data: Data) -> str | None:
        if not data.num_classes:
            return "class accuracy needs labels, but the data are unlabelled (data.num_classes=0); use metric=none"
        return None

    def bind(self, data: Data) -> None:
        train, held_out = (
            _by_class(split, data.num_classes, FITTED_ON) for split in (data.splits.train, data.splits.validation)
        )
        if len(set(train[1])) < 2:
            raise DataError("metric.class_accuracy: the training samples show fewer than two classes; use metric=none")
        self.classifier.fit(*train)
        if len(held_out[1]):
            self.ceiling = torch.tensor(self.classifier.score(*held_out), dtype=torch.float64)

    def update(self, samples: Tensor, labels: Tensor | None) -> None:
        assert labels is not None, "class accuracy is asked of conditional samples"
        self.seen += len(labels)
        readable = samples.flatten(1).isfinite().all(1)  # what is no image shows no class
        if readable.any():
            read = torch.from_numpy(self.classifier.predict(seen(samples[readable]))).to(labels.device)
            self.right += (read == labels[readable]).sum()

    def compute(self) -> dict[str, Tensor]:
        return {"class_accuracy": self.right.double() / self.seen, "class_accuracy_real": self.ceiling}


def seen(samples: Tensor) -> np.ndarray:  # (N, *sample_shape) -> (N, F)
    """What the classifier looks at."""
    if samples.dim() == 4:
        samples = adaptive_avg_pool2d(samples, (min(8, samples.shape[2]), min(8, samples.shape[3])))
    return samples.float().flatten(1).cpu().numpy()


def _by_class(source: Source, num_classes: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    parts = [source.first(most // num_classes, label) for label in range(num_classes)]
    if not sum(map(len, parts)):
        return np.empty((0, 1)), np.empty(0)
    labels = np.repeat(np.arange(num_classes), [len(part) for part in parts])
    return seen(torch.cat(parts)), labels
