"""A user's own data set: any map-style `torch.utils.data.Dataset`, its items read when they are needed.

A data set that was written for another project needs no copy on disk and may be larger than memory. Its random augmentation
(crops, flips; by torch, NumPy or `random`) is seeded with (seed, step, rank), like everything random in a run.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from gan_lightning.data.base import Data, DataError, Share, Splits, require_training_share
from gan_lightning.data.dataset_fingerprint import fingerprint_datasets, item_names
from gan_lightning.data.decode import decode, require_image_shape
from gan_lightning.data.fingerprint import Fingerprint
from gan_lightning.data.global_rng import seeded_rng
from gan_lightning.data.split import split_by_name
from gan_lightning.data.stream import batch_positions
from gan_lightning.step.seeding import Purpose, derive_seed
from gan_lightning.step.types import Batch

SAMPLE_KEYS = ("image", "x", "real")
LABEL_KEYS = ("label", "y", "labels")
TOLERANCE = 1e-3  # of floats, beyond [-1, 1]
NO_STEP = 2**32 - 1  # seeds what is read outside the stream: no batch has this number


class SplitPart(NamedTuple):
    """Select the items of one split."""

    key: str  # the config key of the data set
    dataset: Dataset[Any]
    indices: np.ndarray  # (N,), of items in the data set


class UserDataset(Data):
    """Load a data set whose item is x, (x, y), or a mapping with "image", "x" or "real" and perhaps "label", "y" or "labels".

    x is a PIL image, which `decode` converts to `sample_shape`; a uint8 array or tensor (C, H, W), (H, W, C) or (H, W) of
    exactly that size, scaled to [-1, 1]; or floats of exactly `sample_shape`, which are not changed: images in [-1, 1].
    y is an integer below `num_classes`; with `num_classes` 0 labels are ignored. `validation` and `test` are approximate
    shares of `dataset`, each used unless that split has a data set of its own.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        validation_dataset: Dataset[Any] | None = None,
        test_dataset: Dataset[Any] | None = None,
        validation: Share = 0.05,
        test: Share = 0.05,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.dataset, self.validation_dataset, self.test_dataset = dataset, validation_dataset, test_dataset
        self.validation, self.test = validation, test

    def count(self) -> int:
        return len(self.parts()[0].indices)

    def load(self) -> Splits:
        sources = [DatasetSource(part, self.sample_shape, self.num_classes) for part in self.parts()]
        for source in sources:
            source.check()
        return Splits(*sources)

    def fingerprint(self) -> Fingerprint:
        named = {"dataset": self.dataset, "validation_dataset": self.validation_dataset, "test_dataset": self.test_dataset}
        datasets = {name: dataset for name, dataset in named.items() if dataset is not None}
        return fingerprint_datasets(type(self).__name__, datasets, self.num_classes)

    def parts(self) -> list[SplitPart]:
        """Return the items of train, validation and test. Raises DataError unless each data set can be indexed."""
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

    def __init__(self, part: SplitPart, sample_shape: tuple[int, ...], num_classes: int) -> None:
        self.key, self.dataset, self.index = part
        self.sample_shape, self.num_classes = sample_shape, num_classes

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, seed: int, i: int, n: int, rank: int = 0, world_size: int = 1, batches_per_step: int = 1) -> Batch:
        """Return batch i of one rank, in the order that `stream` defines. Raises DataError."""
        positions = batch_positions(seed, i, n, rank, world_size, len(self), batches_per_step)
        with seeded_rng(derive_seed(Purpose.REAL, seed, i, rank)):
            return self._collate([self.item(int(position)) for position in positions])

    def part(self, start: int, n: int) -> Batch:
        """Return at most n samples from position `start` on. Raises DataError."""
        with seeded_rng(derive_seed(Purpose.REAL, 0, NO_STEP, start)):
            return self._collate([self.item(position) for position in range(start, min(start + n, len(self)))])

    def first(self, n: int, label: int | None = None) -> Tensor:  # -> (≤ n, *sample_shape)
        """Return the first n samples, of one class if `label` is given; later items are not read. Raises DataError."""
        samples: list[Tensor] = []
        with seeded_rng(derive_seed(Purpose.REAL, 0, NO_STEP)):
            for position in range(len(self)):
                if len(samples) >= n:
                    break
                x, y = self.item(position)
                if label is None or not self.num_classes or y == label:
                    samples.append(x)
        return torch.stack(samples) if samples else torch.empty(0, *self.sample_shape)

    def check(self) -> None:
        """Read the first item, so that an error in all items is reported before step 1. Raises DataError."""
        if not len(self):
            return
        with seeded_rng(derive_seed(Purpose.REAL, 0, NO_STEP)):
            x, _ = self.item(0)
        if x.dim() == 3 and not x.abs().max() <= 1 + TOLERANCE:
            raise DataError(
                f"{self.key}: the values of item {self.index[0]} lie in [{x.min():.4g}, {x.max():.4g}]; "
                "floats are taken as they are, so scale images to [-1, 1], or return them as uint8"
            )

    def item(self, position: int) -> tuple[Tensor, int]:  # -> (*sample_shape) float32
        """Return the sample at a position of the split and its label, 0 if unlabelled. Raises DataError."""
        number = int(self.index[position])
        name = f"{self.key}: item {number}"
        x, y = split_item(self.dataset[number], name)
        sample = to_sample(x, self.sample_shape, name)
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
        labels = torch.tensor([label for _, label in items]) if self.num_classes else None
        return Batch(torch.stack([sample for sample, _ in items]), labels)


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


def split_item(item: Any, name: str) -> tuple[Any, Any]:
    """Split an item into sample and label; the label is None if the item has none.

    Raises DataError for an item of another form.
    """
    if isinstance(item, Mapping):
        sample_keys = [key for key in SAMPLE_KEYS if key in item]
        if not sample_keys:
            raise DataError(f"{name} has the keys {', '.join(map(repr, item))}; its sample must be 'image', 'x' or 'real'")
        return item[sample_keys[0]], next((item[key] for key in LABEL_KEYS if key in item), None)
    if isinstance(item, tuple | list):
        if len(item) not in (1, 2):
            raise DataError(f"{name} is a {type(item).__name__} of {len(item)}; allowed: x, (x, y) or a mapping")
        return item[0], item[1] if len(item) == 2 else None
    return item, None


def to_sample(x: Any, sample_shape: tuple[int, ...], name: str) -> Tensor:  # -> (*sample_shape) float32
    """Convert an image, array or tensor to a sample; uint8 is scaled to [-1, 1], floats are not changed.

    Raises DataError if the type or the shape does not fit.
    """
    if isinstance(x, Image.Image):
        require_image_shape(sample_shape)
        try:
            x = decode(x, sample_shape)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error
    if isinstance(x, np.ndarray) and x.dtype.kind in "buif":
        x = torch.from_numpy(np.array(x, order="C"))  # a copy: the original may be read-only
    if not isinstance(x, Tensor) or not (x.dtype == torch.uint8 or x.is_floating_point()):
        kind = f"of {x.dtype}" if isinstance(x, Tensor | np.ndarray) else f"a {type(x).__name__}"
        raise DataError(f"{name} is {kind}; allowed: a PIL image, or an array or tensor of uint8 or floats")
    x = x.detach()
    candidates = layouts(x) if x.dtype == torch.uint8 else [x]
    sample = next((candidate for candidate in candidates if tuple(candidate.shape) == sample_shape), None)
    if sample is None:
        raise DataError(
            f"{name} has the shape {list(x.shape)}, but data.sample_shape is {list(sample_shape)}; "
            "a PIL image is resized to it, floats and uint8 are not"
        )
    return sample.float().div(127.5).sub(1) if x.dtype == torch.uint8 else sample.float()


def layouts(x: Tensor) -> Iterator[Tensor]:  # (C, H, W), (H, W, C) or (H, W)
    """Yield the tensor, then with its last dimension moved to the front, or with a channel dimension added."""
    yield x
    if x.dim() == 3:
        yield x.permute(2, 0, 1)
    if x.dim() == 2:
        yield x.unsqueeze(0)
