"""A user's own data set: any map-style `torch.utils.data.Dataset`, its items read when they are needed.

A data set that was written for another project needs no copy on disk and may be larger than memory. Its random augmentation
(crops, flips; by torch, NumPy or `random`) is seeded with (seed, step, rank), like everything random in a run.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, Subset

from gan_lightning.data.base import Data, DataError, Share, Splits, SplitSizes, require_training_share
from gan_lightning.data.dataset_fingerprint import fingerprint_datasets, item_names
from gan_lightning.data.fingerprint import Fingerprint
from gan_lightning.data.global_rng import isolate_rng, seed_all
from gan_lightning.data.item import Range, is_float, split_item, to_sample
from gan_lightning.data.selection import seeded_order
from gan_lightning.data.split import split_by_name
from gan_lightning.data.stream import batch_positions
from gan_lightning.step.seeding import Purpose, derive_seed
from gan_lightning.step.types import Batch, FiniteFloat

TOLERANCE = 1e-3  # of floats, beyond [-1, 1]
NUM_CHECKED = 16  # items that are read before step 1, at most
NO_STEP = 2**32 - 1  # seeds what is read outside the stream: no batch has this number

log = logging.getLogger("gan_lightning")


class SplitPart(NamedTuple):
    """Select the items of one split."""

    key: str  # the config key of the data set
    dataset: Dataset[Any]
    indices: np.ndarray  # (N,), of items in the data set


class UserDataset(Data):
    """Load a data set whose item is x, (x, y), or a mapping with "image", "x" or "real" and perhaps "label", "y" or "labels".

    x is a PIL image, which `decode` converts to `sample_shape`; a uint8 array or tensor (C, H, W), (H, W, C) or (H, W) of
    exactly that size, scaled to [-1, 1]; or floats of exactly `sample_shape`, which are not changed: images in [-1, 1]. With
    `range` floats are scaled: its two values become -1 and 1.
    y is an integer below `num_classes`; with `num_classes` 0 labels are ignored. `validation` and `test` are
    approximate shares of `dataset`, each used unless that split has a data set of its own.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        validation_dataset: Dataset[Any] | None = None,
        test_dataset: Dataset[Any] | None = None,
        validation: Share = 0.05,
        test: Share = 0.05,
        range: tuple[FiniteFloat, FiniteFloat] | None = None,  # noqa: A002 (the key of the config)
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.range = range
        self.dataset, self.validation_dataset, self.test_dataset = dataset, validation_dataset, test_dataset
        self.validation, self.test = validation, test

    def count(self) -> SplitSizes:
        return SplitSizes(*(len(part.indices) for part in self.parts()))

    def load(self) -> Splits:
        sources = [DatasetSource(part, self.sample_shape, self.num_classes, self.range) for part in self.parts()]
        for source in sources:
            source.check_values()
        if self.range is None:
            sources[0].check_sign()
        return Splits(*sources)

    def fingerprint(self) -> Fingerprint:
        named = {"dataset": self.dataset, "validation_dataset": self.validation_dataset, "test_dataset": self.test_dataset}
        datasets = {name: dataset for name, dataset in named.items() if dataset is not None}
        return fingerprint_datasets(type(self).__name__, datasets, self.num_classes)

    def parts(self) -> list[SplitPart]:
        """Return the items of train, validation and test. Raises DataError unless each data set can be indexed."""
        if self.range is not None and self.range[0] >= self.range[1]:
            raise DataError(f"data.range: {list(self.range)} should be the lowest and the highest value, such as [0,1]")
        validation = self.validation if self.validation_dataset is None else 0.0
        test = self.test if self.test_dataset is None else 0.0
        require_training_share(validation, test)
        dataset_length("data.dataset", self.dataset)
        train, *shares = split_by_name(item_names(self.dataset), validation, test)
        parts = [SplitPart("data.dataset", self.dataset, train)]
        datasets = {"data.validation_dataset": self.validation_dataset, "data.test_dataset": self.test_dataset}
        for (key, dataset), share in zip(datasets.items(), shares, strict=True):
            if dataset is None:
                parts.append(SplitPart("data.dataset", self.dataset, share))
            else:
                parts.append(SplitPart(key, dataset, np.arange(dataset_length(key, dataset))))
        return parts


class DatasetSource:
    """Read each item of a split from the data set when it is needed."""

    def __init__(self, part: SplitPart, sample_shape: tuple[int, ...], num_classes: int, limits: Range | None = None) -> None:
        """`limits` are the values of floats that become −1 and 1."""
        self.key, self.dataset, self.index = part
        self.sample_shape, self.num_classes, self.limits = sample_shape, num_classes, limits
        targets = known_targets(self.dataset) if num_classes else None
        self.strata = None if targets is None else targets[torch.from_numpy(self.index)]

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, seed: int, i: int, n: int, rank: int = 0, world_size: int = 1, batches_per_step: int = 1) -> Batch:
        """Return batch i of one rank, in the order that `stream` defines. Raises DataError."""
        positions = batch_positions(seed, i, n, rank, world_size, len(self), batches_per_step)
        with isolate_rng():
            seed_all(derive_seed(Purpose.REAL, seed, i, rank))
            return self._collate([self.item(int(position)) for position in positions])

    def part(self, start: int, n: int) -> Batch:
        """Return at most n samples from position `start` on. Raises DataError."""
        return self.take(torch.arange(start, max(start, min(start + n, len(self)))))

    def take(self, positions: Tensor) -> Batch:  # (n,) -> (n, *sample_shape)
        """Return the samples at these positions; the random augmentation of each depends on its position only.

        Raises DataError.
        """
        return self._collate(self._read(positions, self.item))

    def _read(self, positions: Tensor, read: Callable[[int], Any]) -> list[Any]:
        found = []
        with isolate_rng():
            for position in positions.tolist():
                seed_all(derive_seed(Purpose.REAL, 0, NO_STEP, position))
                found.append(read(position))
        return found

    def check_values(self) -> None:
        """Read the first item, so that an error in all items is reported before step 1. Raises DataError."""
        if not len(self):
            return
        x = self.part(0, 1).real[0]
        if x.dim() == 3 and not x.abs().max() <= 1 + TOLERANCE:
            raw = to_sample(self._read(torch.arange(1), self.raw)[0], self.sample_shape, self.key)
            low, high = raw.min(), raw.max()
            cure = "floats are taken as they are" if self.limits is None else f"data.range is {list(self.limits)}"
            raise DataError(
                f"{self.key}: the values of item {self.index[0]} lie in [{low:.4g}, {high:.4g}]; {cure}, so scale images to "
                "[-1, 1], return them as uint8, or set their lowest and highest value, such as data.range=[0,255]"
            )

    def check_sign(self) -> None:
        """Warn if images of floats never fall below 0: their range is then probably [0, 1], not [-1, 1]."""
        if len(self.sample_shape) != 3 or not len(self):
            return
        positions = seeded_order(len(self), None, 0)[:NUM_CHECKED]
        for position in positions.unsqueeze(1):
            (x,) = self._read(position, self.raw)
            if not is_float(x) or x.min() < 0:
                return
        log.warning(
            "%s: no value of %d items is below 0, but images of floats are expected in [-1, 1]; "
            "if theirs lie in [0, 1], as after ToTensor without Normalize: data.range=[0,1]; if not: data.range=[-1,1]",
            self.key,
            len(positions),
        )

    def raw(self, position: int) -> Any:
        """Return the sample at a position of the split as the data set returns it. Raises DataError."""
        number = int(self.index[position])
        return split_item(self.dataset[number], f"{self.key}: item {number}")[0]

    def item(self, position: int) -> tuple[Tensor, int]:  # -> (*sample_shape) float32
        """Return the sample at a position of the split and its label, 0 if unlabelled. Raises DataError."""
        number = int(self.index[position])
        name = f"{self.key}: item {number}"
        x, y = split_item(self.dataset[number], name)
        sample = to_sample(x, self.sample_shape, name, self.limits)
        if not sample.isfinite().all():
            raise DataError(
                f"{name} holds {int((~sample.isfinite()).sum())} values that are not finite; repair or leave it out"
            )
        return sample, self.label(y, name) if self.num_classes else 0

    def label(self, y: Any, name: str) -> int:
        """Return the label as an int. Raises DataError unless it is an integer in [0, num_classes)."""
        if y is None:
            raise DataError(
                f"{name} has no label, but data.num_classes is {self.num_classes}; "
                "return (x, y) or a mapping with 'label', or set data.num_classes=0"
            )
        try:
            label = operator.index(y)  # also of a NumPy integer or an integer tensor with one element
        except TypeError:
            raise DataError(f"{name} has the label {y!r}; a label is one whole number, 0 to {self.num_classes - 1}") from None
        if not 0 <= label < self.num_classes:
            raise DataError(
                f"{name} has the label {label}, but data.num_classes is {self.num_classes}: "
                f"labels are 0 to {self.num_classes - 1}; correct the labels or data.num_classes"
            )
        return label

    def _collate(self, items: list[tuple[Tensor, int]]) -> Batch:
        labels = torch.tensor([label for _, label in items], dtype=torch.long) if self.num_classes else None
        samples = [sample for sample, _ in items]
        return Batch(torch.stack(samples) if samples else torch.empty(0, *self.sample_shape), labels)


def dataset_length(key: str, dataset: Dataset[Any]) -> int:
    """Return the number of items. Raises DataError if there are none, or if they can't be indexed."""
    name = type(dataset).__name__
    try:
        total = None if isinstance(dataset, IterableDataset) else len(dataset)  # type: ignore[arg-type]
    except (TypeError, NotImplementedError):
        total = None
    if total is None or not hasattr(dataset, "__getitem__"):
        raise DataError(f"{key}: {name} can't be read by number; allowed: a map-style Dataset, with __len__ and __getitem__")
    if not total:
        raise DataError(f"{key}: {name} is empty; check the folder or the arguments it was made with")
    return total


def known_targets(dataset: Dataset[Any]) -> Tensor | None:  # -> (N,)
    """Return the items' classes where the data set lists them, as those of torchvision do in `targets`; None elsewhere.

    They are used only to choose which items to read: the label of a sample is that of its item.
    """
    if isinstance(dataset, Subset):
        inner = known_targets(dataset.dataset)
        return None if inner is None else inner[torch.as_tensor(dataset.indices)]
    try:
        targets = torch.as_tensor(dataset.targets)  # type: ignore[attr-defined]
        return targets.long() if targets.shape == (len(dataset),) else None  # type: ignore[arg-type]
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return None
