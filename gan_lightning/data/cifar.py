"""CIFAR-10 and CIFAR-100: 60,000 colour photographs of 32×32 pixels (Krizhevsky 2009), read from the published binary files.

A file is a row of records: the label, one byte, then 1024 bytes each of red, green and blue, row by row. CIFAR-100 has two
labels, the superclass and the class. The version in Python's pickles is not read, because a pickle can run code. The files are
in `<root>/cifar-10-batches-bin/` or `<root>/cifar-100-binary/`, or in the published archive in `<root>`. Validation is the last
tenth of the train files (5,000 of 50,000), test the test file (10,000).
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from filelock import FileLock
from torchvision.datasets import utils

from gan_lightning.data.base import Data, DataError, Share, Splits, SplitSizes
from gan_lightning.data.fingerprint import Entry, Fingerprint, hash_bytes
from gan_lightning.data.resize import resize
from gan_lightning.data.store import Store
from gan_lightning.step.types import PathText
from gan_lightning.storage import atomic
from gan_lightning.storage.home import expand_home

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32  # bytes of an image
ADDRESS = "https://www.cs.toronto.edu/~kriz/"


class Layout(NamedTuple):
    """Describe the published files of a set."""

    name: str
    folder: str
    archive: str
    md5: str  # of the archive, as on the page of the set
    train: tuple[str, ...]
    test: str
    label_bytes: int  # of a record; the last one is the class
    num_classes: int
    published: tuple[int, int]  # images of the train files together, and of the test file


class CIFAR(Data):
    """Load a set at 32×32 as published, at other sizes resized.

    `download` fetches the archive if the files are missing, and `validation` is the share of the train files that is held out;
    0 trains on all of them, as the papers do. With `num_classes` 0 the images are unlabelled.
    """

    layout: ClassVar[Layout]

    def __init__(self, root: PathText = "data", download: bool = False, validation: Share = 0.1, **shared: Any) -> None:
        super().__init__(**shared)
        self.root, self.download, self.validation = expand_home(root), download, validation

    @property
    def folder(self) -> Path:
        """Return the folder of the files."""
        return self.root / self.layout.folder

    @property
    def files(self) -> list[Path]:
        """Return the paths of the train files, then that of the test file."""
        return [self.folder / name for name in (*self.layout.train, self.layout.test)]

    def count(self) -> SplitSizes:
        shape, layout = self.sample_shape, self.layout
        if len(shape) != 3 or shape[0] != 3 or shape[1] != shape[2]:
            raise DataError(
                f"data.sample_shape: {list(shape)} is no size of {layout.name}, which is coloured and square; "
                "allowed: [3,32,32] or any other [3,S,S]"
            )
        if self.num_classes not in (0, layout.num_classes):
            raise DataError(
                f"data.num_classes: {layout.name} has {layout.num_classes} classes, not {self.num_classes}; 0 hides them"
            )
        if missing := self.missing_files():
            if not (self.download or (self.root / layout.archive).is_file()):
                raise DataError(
                    f"data.root: {', '.join(missing)} not found in {self.folder.absolute()}, and no {layout.archive}; "
                    f"set data.download=true to fetch {layout.name}, or put its binary files there"
                )
            return self.cut(*layout.published)
        *train, test = (self.count_records(path) for path in self.files)
        if len(set(train)) > 1:
            counts = ", ".join(f"{count:,}" for count in train)
            raise DataError(
                f"data.root: the train files in {self.folder.absolute()} hold {counts} images; replace the shorter ones"
            )
        return self.cut(sum(train), test)

    def load(self) -> Splits:
        self.count()
        self.provide_files()
        *train, test = (self.read_file(path) for path in self.files)
        images = np.concatenate([part for part, _ in train])
        labels = np.concatenate([part for _, part in train]) if self.num_classes else None
        num_train = self.cut(len(images), 0).train
        parts = np.arange(num_train), np.arange(num_train, len(images))
        test_labels = test[1] if self.num_classes else None
        return Splits(Store(images, labels, parts[0]), Store(images, labels, parts[1]), Store(test[0], test_labels))

    def fingerprint(self) -> Fingerprint:
        self.count()  # nothing is fetched without `download`
        self.provide_files()
        entries = {}
        for path in self.files:
            with read_errors(path):
                content = path.read_bytes()
            entries[path.name] = Entry(len(content), None, hash_bytes(content))
        return Fingerprint(kind=type(self).__name__, counts={"files": len(entries)}, classes=[], entries=entries, probes={})

    def cut(self, total: int, test: int) -> SplitSizes:
        """Return the sizes of the splits, with `total` images in the train files."""
        held_out = int(total * self.validation)
        return SplitSizes(total - held_out, held_out, test)

    def missing_files(self) -> list[str]:
        """Return the names of the files that are not in the folder."""
        return [path.name for path in self.files if not path.is_file()]

    def provide_files(self) -> None:
        """Take missing files from the archive, downloaded if it is missing, one process at a time. Raises DataError."""
        if not self.missing_files():
            return
        archive = self.root / self.layout.archive
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.root / f".{self.layout.folder}.lock"):
                if missing := self.missing_files():
                    if not archive.is_file():
                        self.fetch(archive)
                    self.unpack(archive, missing)
        except OSError as error:
            raise DataError(f"data.root: {self.folder.absolute()} can't be written ({error}); set data.root=FOLDER") from error

    def fetch(self, archive: Path) -> None:
        """Download the archive through torchvision. Raises DataError."""
        try:
            utils.download_url(ADDRESS + archive.name, str(self.root), archive.name, self.layout.md5)
        except (RuntimeError, OSError, HTTPException) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise DataError(
                f"data.download: {self.layout.name} could not be fetched ({lines[-1]}); "
                f"check the network, or put {archive.name} into {self.root.absolute()}"
            ) from error

    def unpack(self, archive: Path, names: list[str]) -> None:
        """Write these files of the archive. Raises DataError unless it is the published archive."""
        with read_errors(archive):
            if not utils.check_md5(str(archive), self.layout.md5):
                raise DataError(f"data.root: {archive} is not the published archive (its MD5 is another); replace the file")
            with tarfile.open(archive) as opened:
                members = {name: opened.extractfile(f"{self.layout.folder}/{name}") for name in names}
                contents = {name: member.read() for name, member in members.items() if member is not None}
        for name, content in contents.items():
            atomic.write_bytes(self.folder / name, content)

    def count_records(self, path: Path) -> int:
        """Return the number of images in a file, by its size. Raises DataError."""
        size = self.layout.label_bytes + PIXELS
        with read_errors(path):
            length = path.stat().st_size
        if length % size or not length:
            raise DataError(
                f"data.root: {path} holds {length:,} bytes, {self.layout.name}'s files a multiple of {size:,}; replace the file"
            )
        most = max(self.layout.published)
        if length > size * most:
            raise DataError(f"data.root: {path} holds {length // size:,} images, more than {most:,}; replace the file")
        return length // size

    def read_file(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Return the images (N, 3, S, S) uint8 at the requested size, and their labels (N,) int64. Raises DataError."""
        layout, count = self.layout, self.count_records(path)
        with read_errors(path):
            records = np.fromfile(path, np.uint8).reshape(count, -1)
        labels = records[:, layout.label_bytes - 1].astype(np.int64)
        if labels.max() >= layout.num_classes:
            allowed = f"{layout.name}'s are 0 to {layout.num_classes - 1}"
            raise DataError(f"data.root: {path} holds the label {labels.max()}, {allowed}; replace the file")
        images = torch.from_numpy(records[:, layout.label_bytes :].reshape(count, *SHAPE))
        return resize(images, self.sample_shape[1]).numpy(), labels


class CIFAR10(CIFAR):
    """CIFAR-10: 60,000 colour photographs of 32×32 pixels in 10 classes (Krizhevsky 2009), from the binary files."""

    layout = Layout(
        "CIFAR-10",
        "cifar-10-batches-bin",
        "cifar-10-binary.tar.gz",
        "c32a1d4ab5d03f1284b67883e8d87530",
        train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        test="test_batch.bin",
        label_bytes=1,
        num_classes=10,
        published=(50_000, 10_000),
    )


class CIFAR100(CIFAR):
    """CIFAR-100: 60,000 colour photographs in 100 classes (Krizhevsky 2009); the 20 superclasses are not read."""

    layout = Layout(
        "CIFAR-100",
        "cifar-100-binary",
        "cifar-100-binary.tar.gz",
        "03b5dce01913d631647c71ecec9e9cb8",
        train=("train.bin",),
        test="test.bin",
        label_bytes=2,
        num_classes=100,
        published=(50_000, 10_000),
    )


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Report an error in reading `path` with its name. Raises DataError for a missing, truncated or corrupt file."""
    try:
        yield
    except (OSError, EOFError, KeyError, ValueError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"data.root: {path} can't be read ({error}); replace the file") from error
