"""A data set of your own: any map-style `torch.utils.data.Dataset`, its items read when they are needed.

What a person has already written for another project trains a GAN without a copy on disk and may be larger than memory.
What it draws at random (crops, flips: with torch, NumPy or `random`) is drawn from (seed, step, rank) like all else.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from gan_lightning.data.base import Data, DataError, Splits
from gan_lightning.data.decode import decode, require_image_shape
from gan_lightning.data.store import split_indices
from gan_lightning.data.stream import batch_positions
from gan_lightning.step.seeding import Purpose, derive_seed
from gan_lightning.step.types import Batch

SAMPLE_KEYS = ("image", "x", "real")
LABEL_KEYS = ("label", "y", "labels")
TOLERANCE = 1e-3  # of floats, beyond [-1, 1]
NO_STEP = 2**32 - 1  # what is drawn outside the stream: no batch has this number


class SplitPart(NamedTuple):
    """Which items of which data set."""

    key: str  # as it is typed
    dataset: Dataset[Any]
    numbers: np.ndarray


class UserDataset(Data):
    """An item is x, (x, y), or a mapping with "image", "x" or "real" and perhaps "label", "y" or "labels".

    x is a PIL image, which becomes `sample_shape` as `decode` says; a uint8 array or tensor (C, H, W), (H, W, C) or (H, W) of
    exactly that size, scaled to [-1, 1]; or floats of exactly `sample_shape`, taken as they are: images in [-1, 1].
    y is a whole number below `num_classes`; with `num_classes` 0 labels are ignored. `validation` and `test` are shares of
    `dataset`, for each split that has no data set of its own.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        validation_dataset: Dataset[Any] | None = None,
        test_dataset: Dataset[Any] | None = None,
        validation: Annotated[float, Field(ge=0, lt=1)] = 0.05,
        test: Annotated[float, Field(ge=0, lt=1)] = 0.05,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.dataset, self.validation_dataset, self.test_dataset = dataset, validation_dataset, test_dataset
        self.validation, self.test = validation, test

    def count(self) -> int:
        return len(self.parts()[0].numbers)

    def load(self) -> Splits:
        items = [Items(part, self.sample_shape, self.num_classes) for part in self.parts()]
        for some in items:
            some.check()
        return Splits(*items)

    def parts(self) -> list[SplitPart]:
        """What belongs to train, validation and test. Raises DataError unless each data set can be read by number."""
        validation = self.validation if self.validation_dataset is None else 0.0
        test = self.test if self.test_dataset is None else 0.0
        if validation + test >= 1:
            raise DataError(
                f"data.validation and data.test: {validation} and {test} leave nothing to train on; "
                "allowed: two shares whose sum is below 1, such as 0.05 and 0.05"
            )
        train, held_out, reported = split_indices(dataset_length("data.dataset", self.dataset), validation, test)
        found = [SplitPart("data.dataset", self.dataset, train)]
        others = (("validation", self.validation_dataset, held_out), ("test", self.test_dataset, reported))
        for name, own, share in others:
            if own is None:
                found.append(SplitPart("data.dataset", self.dataset, share))
            else:
                key = f"data.{name}_dataset"
                found.append(SplitPart(key, own, np.arange(dataset_length(key, own))))
        return found


class Items:
    """A source that reads each item when it is asked for."""

    def __init__(self, part: SplitPart, sample_shape: tuple[int, ...], num_classes: int) -> None:
        self.key, self.dataset, self.index = part
        self.sample_shape, self.num_classes = sample_shape, num_classes

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, seed: int, i: int, n: int, rank: int = 0, world: int = 1, rounds: int = 1) -> Batch:
        """Batch i: see `stream`."""
        with seeded_rng(derive_seed(Purpose.REAL, seed, i, rank)):
            items = [self.item(int(at)) for at in batch_positions(seed, i, n, rank, world, len(self), rounds)]
        labels = torch.tensor([label for _, label in items]) if self.num_classes else None
        return Batch(torch.stack([x for x, _ in items]), labels)

    def part(self, start: int, n: int) -> Batch:
        """N samples from place `start` on."""
        with seeded_rng(derive_seed(Purpose.REAL, 0, NO_STEP, start)):
            items = [self.item(at) for at in range(start, min(start + n, len(self)))]
        labels = torch.tensor([label for _, label in items]) if self.num_classes else None
        return Batch(torch.stack([x for x, _ in items]), labels)

    def first(self, n: int, label: int | None = None) -> Tensor:
        """The first n, of one class if asked; nothing after the last of them is read."""
        wanted = label if self.num_classes else None
        found: list[Tensor] = []
        with seeded_rng(derive_seed(Purpose.REAL, 0, NO_STEP)):
            for at in range(len(self)):
                if len(found) >= n:
                    break
                x, own = self.item(at)
                if wanted is None or own == wanted:
                    found.append(x)
        return torch.stack(found) if found else torch.empty(0, *self.sample_shape)

    def check(self) -> None:
        """Read the first item, so that what is wrong with all of them is said before step 1."""
        if not len(self):
            return
        with seeded_rng(derive_seed(Purpose.REAL, 0, NO_STEP)):
            x, _ = self.item(0)
        if x.dim() == 3 and not x.abs().max() <= 1 + TOLERANCE:
            raise DataError(
                f"{self.key}: the values of item {self.index[0]} lie in [{x.min():.4g}, {x.max():.4g}]; "
                "floats are taken as they are, so scale images to [-1, 1], or return them as uint8"
            )

    def item(self, at: int) -> tuple[Tensor, int]:  # -> (*sample_shape) float32, label
        """The sample at this place of the split, and its label, 0 where there are none."""
        number = int(self.index[at])
        name = f"{self.key}: item {number}"
        x, y = split_item(self.dataset[number], name)
        found = to_sample(x, self.sample_shape, name)
        if not found.isfinite().all():
            raise DataError(f"{name} holds {int((~found.isfinite()).sum())} values that are not finite; repair or leave it out")
        return found, self.label(y, name) if self.num_classes else 0

    def label(self, y: Any, name: str) -> int:
        """A whole number below `num_classes`."""
        if y is None:
            raise DataError(
                f"{name} has no label, but data.num_classes is {self.num_classes}; "
                "return (x, y) or a mapping with 'label', or set data.num_classes=0"
            )
        try:
            label = operator.index(y)  # an int, of NumPy too, or an integer tensor of one element
        except TypeError:
            raise DataError(f"{name} has the label {y!r}; a label is one whole number, 0 to {self.num_classes - 1}") from None
        if not 0 <= label < self.num_classes:
            raise DataError(
                f"{name} has the label {label}, but data.num_classes is {self.num_classes}: "
                f"labels are 0 to {self.num_classes - 1}; correct the labels or data.num_classes"
            )
        return label


def dataset_length(key: str, dataset: Dataset[Any]) -> int:
    """How many items it has. Raises DataError if it has none, or can't be read by number."""
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
    """Sample and label of an item; the label is None if it has none."""
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
    """An image, array or tensor as the GAN sees it."""
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
    if x.dtype != torch.uint8:
        fitted = x if tuple(x.shape) == sample_shape else None
    else:
        fitted = next((way for way in layouts(x) if tuple(way.shape) == sample_shape), None)
    if fitted is None:
        ways = "a PIL image is resized to it, floats and uint8 are not"
        raise DataError(f"{name} has the shape {list(x.shape)}, but data.sample_shape is {list(sample_shape)}; {ways}")
    return fitted.float().div(127.5).sub(1) if x.dtype == torch.uint8 else fitted.float()


def layouts(x: Tensor) -> Iterator[Tensor]:
    """Bytes as they are, with their channels brought to the front, or with a channel."""
    yield x
    if x.dim() == 3:
        yield x.permute(2, 0, 1)
    if x.dim() == 2:
        yield x.unsqueeze(0)


@contextmanager
def seeded_rng(seed: int) -> Iterator[None]:
    """What is drawn at random inside comes from this seed; outside, nothing is changed."""
    with isolate_rng(include_cuda=False):
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (the generator that data sets use)
        random.seed(seed)
        yield
