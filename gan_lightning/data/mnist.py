"""MNIST: 70,000 handwritten digits of 28×28 pixels (LeCun et al. 1998), read from the four published files.

The files are where torchvision stores them, `<root>/MNIST/raw/`, or in `<root>` itself, unpacked or as `.gz`. The files of
several sets have the same names: those in `<root>` itself are taken unless their labels are another set's. Train is the
first 11/12 of the train file (55,000 of 60,000), validation its last 1/12 (5,000), test the t10k file (10,000).
"""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor
from torch.nn.functional import pad
from torchvision import datasets

from gan_lightning.data.base import Data, DataError, Splits, SplitSizes
from gan_lightning.data.fingerprint import Entry, Fingerprint, hash_bytes
from gan_lightning.data.first_labels import is_another_set
from gan_lightning.data.idx import IMAGES, LABELS, count_images, is_present, read_content, read_images, read_labels
from gan_lightning.data.resize import resize
from gan_lightning.data.store import Store
from gan_lightning.step.types import PathText
from gan_lightning.storage.home import expand_home

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class Published(NamedTuple):
    """Describe a set that is published as four IDX files, in torchvision's names."""

    name: str
    folder: str  # below the root; torchvision's class has the same name
    files: tuple[str, ...] = FILES  # images and labels for training, then for testing
    train_images: int = 60_000
    test_images: int = 10_000
    num_classes: int = 10
    first_label: int = 0  # in the files
    transposed: bool = False  # whether the files hold columns where the others hold rows
    options: Mapping[str, str] = MappingProxyType({})  # of torchvision's class


class MNIST(Data):
    """Load MNIST at 28×28 as published, at 32×32 with a border of 2 black pixels, at other sizes resized.

    `download` fetches missing files through torchvision. With `num_classes` 0 the images are unlabelled. Subclasses override
    `published`.
    """

    def __init__(self, root: PathText = "data", download: bool = False, **shared: Any) -> None:
        super().__init__(**shared)
        self.root, self.download = expand_home(root), download

    @property
    def published(self) -> Published:
        """Return the description of the four files."""
        return Published("MNIST", "MNIST")

    @property
    def raw(self) -> Path:
        """Return the folder of the four files: torchvision's, or the root itself if one of the set's files is there."""
        nested = self.root / self.published.folder / "raw"
        direct = not nested.is_dir() and any(is_present(self.root / name) for name in self.published.files)
        return nested if not direct or self.holds_another_set() else self.root

    def holds_another_set(self) -> bool:
        """Return whether the files in the root itself are those of another set, which have the same names."""
        return is_another_set(self.root / self.published.files[1], self.published.folder)

    def count(self) -> SplitSizes:
        shape, (name, *_), classes = self.sample_shape, self.published, self.published.num_classes
        if len(shape) != 3 or shape[0] != 1 or shape[1] != shape[2]:
            raise DataError(
                f"data.sample_shape: {list(shape)} is no size of {name}, which is grey and square; "
                "allowed: [1,28,28], [1,32,32] or any other [1,S,S]"
            )
        if self.num_classes not in (0, classes):
            raise DataError(f"data.num_classes: {name} has {classes} classes, not {self.num_classes}; 0 hides them")
        if missing := self.missing_files():
            if self.download:
                return SplitSizes(*cut(self.published.train_images), self.published.test_images)
            others = f", and the files in {self.root} itself are another set's" if self.holds_another_set() else ""
            raise DataError(
                f"data.root: {', '.join(missing)} not found in {self.raw.absolute()}, packed (.gz) or not{others}; "
                f"set data.download=true to fetch {name}, or put its four files there"
            )
        total, test = (count_images(self.raw / file) for file in self.published.files[::2])
        return SplitSizes(*cut(total), test)

    def load(self) -> Splits:
        self.count()
        self.provide_files()
        images, labels = self.read_pair(*self.published.files[:2])
        test_images, test_labels = self.read_pair(*self.published.files[2:])
        num_train, _ = cut(len(images))
        train, validation = np.arange(num_train), np.arange(num_train, len(images))
        return Splits(Store(images, labels, train), Store(images, labels, validation), Store(test_images, test_labels))

    def fingerprint(self) -> Fingerprint:
        self.count()  # nothing is fetched without `download`
        self.provide_files()
        entries = {}
        for name, magic in zip(self.published.files, (IMAGES, LABELS) * 2, strict=True):
            content = read_content(self.raw / name, magic)
            entries[name] = Entry(len(content), None, hash_bytes(content))
        return Fingerprint(kind=type(self).__name__, counts={"files": len(entries)}, classes=[], entries=entries, probes={})

    def missing_files(self) -> list[str]:
        """Return the names of those of the four files that exist neither unpacked nor packed."""
        return [name for name in self.published.files if not is_present(self.raw / name)]

    def provide_files(self) -> None:
        """Download missing files, one process at a time. Raises DataError."""
        if not self.missing_files():
            return
        try:
            self.raw.mkdir(parents=True, exist_ok=True)
            with FileLock(self.root / f".{self.published.folder.lower()}.lock"):
                if self.missing_files():
                    self.fetch()
        except OSError as error:
            raise DataError(f"data.root: {self.raw.absolute()} can't be written ({error}); set data.root=FOLDER") from error

    def fetch(self) -> None:
        """Download the four files through torchvision. Raises DataError if one is missing afterwards."""
        name, folder = self.published.name, self.raw.absolute()
        try:
            getattr(datasets, self.published.folder)(str(self.root), download=True, **self.published.options)
        except (RuntimeError, OSError, HTTPException) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]  # torchvision's message is a list of mirrors
            raise DataError(
                f"data.download: {name} could not be fetched ({lines[-1]}); "
                f"check the network, or put its four files into {folder}"
            ) from error
        if missing := self.missing_files():
            raise DataError(f"data.download: torchvision left no {', '.join(missing)} in {folder}; put the four files there")

    def read_pair(self, images_name: str, labels_name: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the images (N, 1, S, S) uint8 at the requested size, and their labels (N,) int64. Raises DataError."""
        images_path, labels_path = self.raw / images_name, self.raw / labels_name
        images, labels = read_images(images_path), read_labels(labels_path).astype(np.int64) - self.published.first_label
        if len(labels) != len(images):
            raise DataError(
                f"data.root: {images_path} holds {len(images):,} images and {labels_path} {len(labels):,} labels; "
                "put the files of one data set there"
            )
        self.check_labels(labels, labels_path)
        if self.published.transposed:
            images = images.transpose(0, 2, 1).copy()
        resized = fit(torch.from_numpy(images).unsqueeze(1), self.sample_shape[1])
        return resized.numpy(), labels if self.num_classes else None

    def check_labels(self, labels: np.ndarray, path: Path) -> None:  # (N,)
        """Raise DataError if a label is no class of the set; labels count from 0 here."""
        first, classes = self.published.first_label, self.published.num_classes
        if len(outside := labels[(labels < 0) | (labels >= classes)]):
            raise DataError(
                f"data.root: {path} holds the label {outside[0] + first}, "
                f"{self.published.name}'s are {first} to {first + classes - 1}; replace the file"
            )


def cut(total: int) -> tuple[int, int]:
    """Return how many of the `total` samples in the train file are for training and for validation: the last 1/12."""
    return total - total // 12, total // 12


def fit(images: Tensor, side: int) -> Tensor:  # (N, 1, 28, 28) -> (N, 1, side, side) uint8
    """Return the images unchanged at 28, padded at 32, and resized at other sizes."""
    return pad(images, (2, 2, 2, 2)) if side == 32 else resize(images, side)
