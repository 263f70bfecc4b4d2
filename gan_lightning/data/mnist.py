"""MNIST: 70,000 handwritten digits of 28×28 pixels (LeCun et al. 1998), read from the four published files.

The files are where torchvision stores them, `<root>/MNIST/raw/`, unpacked or as `.gz`. Train is the first 11/12 of the train
file (55,000 of 60,000), validation its last 1/12 (5,000), test the t10k file (10,000).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor
from torch.nn.functional import pad
from torchvision import datasets

from gan_lightning.data.base import Data, DataError, Splits, SplitSizes
from gan_lightning.data.fingerprint import Entry, Fingerprint, hash_bytes
from gan_lightning.data.resize import resize
from gan_lightning.data.store import Store
from gan_lightning.step.types import PathText
from gan_lightning.storage import atomic
from gan_lightning.storage.home import expand_home

SIDE = 28
TRAIN_FILE_IMAGES, TEST_FILE_IMAGES = 60_000, 10_000
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
MAX_ITEMS = 2**20  # of a file: a packed one of 19 MB may promise, and hold, 4 GiB
IMAGES, LABELS = 0x803, 0x801  # the first four bytes of an IDX file: unsigned bytes in three dimensions, or in one


class MNIST(Data):
    """Load MNIST at 28×28 as published, at 32×32 with a border of 2 black pixels, at other sizes resized.

    `download` fetches missing files through torchvision. With `num_classes` 0 the images are unlabelled.
    """

    def __init__(self, root: PathText = "data", download: bool = False, **shared: Any) -> None:
        super().__init__(**shared)
        self.root, self.download = expand_home(root), download

    @property
    def raw(self) -> Path:
        """Return the folder of the four files."""
        return self.root / "MNIST" / "raw"

    def count(self) -> SplitSizes:
        shape = self.sample_shape
        if len(shape) != 3 or shape[0] != 1 or shape[1] != shape[2]:
            raise DataError(
                f"data.sample_shape: {list(shape)} is no size of MNIST, which is grey and square; "
                "allowed: [1,28,28], [1,32,32] or any other [1,S,S]"
            )
        if self.num_classes not in (0, 10):
            raise DataError(f"data.num_classes: MNIST has 10 classes, not {self.num_classes}; 0 hides them")
        if missing := self.missing_files():
            if self.download:
                return SplitSizes(*cut(TRAIN_FILE_IMAGES), TEST_FILE_IMAGES)
            raise DataError(
                f"data.root: {', '.join(missing)} not found in {self.raw.absolute()}, packed (.gz) or not; "
                "set data.download=true to fetch MNIST, or put its four files there"
            )
        total, test = (count_images(self.raw / name) for name in (FILES[0], FILES[2]))
        return SplitSizes(*cut(total), test)

    def load(self) -> Splits:
        self.count()
        self.provide_files()
        images, labels = self.read_pair(*FILES[:2])
        test_images, test_labels = self.read_pair(*FILES[2:])
        num_train, _ = cut(len(images))
        train, validation = np.arange(num_train), np.arange(num_train, len(images))
        return Splits(Store(images, labels, train), Store(images, labels, validation), Store(test_images, test_labels))

    def fingerprint(self) -> Fingerprint:
        self.count()  # nothing is fetched without `download`
        self.provide_files()
        entries = {}
        for path in (self.raw / name for name in FILES):
            with read_errors(path):
                content = path.read_bytes()
            entries[path.name] = Entry(len(content), None, hash_bytes(content))
        return Fingerprint(kind=type(self).__name__, counts={"files": len(FILES)}, classes=[], entries=entries, probes={})

    def missing_files(self) -> list[str]:
        """Return the names of those of the four files that exist neither unpacked nor packed."""
        return [name for name in FILES if not (self.raw / name).is_file() and not packed_path(self.raw / name).is_file()]

    def provide_files(self) -> None:
        """Download missing files and unpack packed ones, one process at a time. Raises DataError."""
        if all((self.raw / name).is_file() for name in FILES):
            return
        try:
            self.raw.mkdir(parents=True, exist_ok=True)
            with FileLock(self.root / ".mnist.lock"):
                if self.missing_files():
                    self.fetch()
                for path in (self.raw / name for name in FILES):
                    if not path.is_file():
                        unpack(path)
        except OSError as error:
            raise DataError(f"data.root: {self.raw.absolute()} can't be written ({error}); set data.root=FOLDER") from error

    def fetch(self) -> None:
        """Download the four files through torchvision. Raises DataError if one is missing afterwards."""
        try:
            datasets.MNIST(str(self.root), download=True)
        except (RuntimeError, OSError, HTTPException) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]  # torchvision's message is a list of mirrors
            raise DataError(
                f"data.download: MNIST could not be fetched ({lines[-1]}); "
                f"check the network, or put its four files into {self.raw.absolute()}"
            ) from error
        if missing := self.missing_files():
            raise DataError(
                f"data.download: torchvision left no {', '.join(missing)} in {self.raw.absolute()}; put the four files there"
            )

    def read_pair(self, images_name: str, labels_name: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the images (N, 1, S, S) uint8 at the requested size, and their labels (N,) int64. Raises DataError."""
        images_path, labels_path = self.raw / images_name, self.raw / labels_name
        images, labels = read_idx(images_path, IMAGES), read_idx(labels_path, LABELS)
        count = len(images) // SIDE**2
        if len(labels) != count:
            raise DataError(
                f"data.root: {images_path} holds {count:,} images and {labels_path} {len(labels):,} labels; "
                "put the files of one data set there"
            )
        if labels.max() > 9:
            raise DataError(f"data.root: {labels_path} holds the label {labels.max()}, MNIST's are 0 to 9; replace the file")
        resized = fit(torch.from_numpy(images).view(count, 1, SIDE, SIDE), self.sample_shape[1])
        return resized.numpy(), labels.astype(np.int64) if self.num_classes else None


def cut(total: int) -> tuple[int, int]:
    """Return how many of the `total` samples in the train file are for training and for validation: the last 1/12."""
    return total - total // 12, total // 12


def count_images(path: Path) -> int:
    """Return the number of images in the header of an IDX file. Raises DataError."""
    with read_errors(path), open_idx(path) as file:
        return read_header(file, path, IMAGES)


def fit(images: Tensor, side: int) -> Tensor:  # (N, 1, 28, 28) -> (N, 1, side, side) uint8
    """Return the images unchanged at 28, padded at 32, and resized at other sizes."""
    return pad(images, (2, 2, 2, 2)) if side == 32 else resize(images, side)


def packed_path(path: Path) -> Path:
    """Return the path of the packed file."""
    return path.with_name(path.name + ".gz")


def open_idx(path: Path) -> BufferedIOBase:
    """Open the file, or the packed one if it is not unpacked."""
    return path.open("rb") if path.is_file() else gzip.open(packed_path(path), "rb")


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Report an error in reading `path` with its name. Raises DataError for a missing, truncated or corrupt file."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"data.root: {path} can't be read ({error}); replace the file") from error


def read_header(file: BufferedIOBase, path: Path, magic: int) -> int:
    """Return the number of images or labels in the header of an IDX file, and leave `file` after the header.

    Raises DataError unless the header has this magic number and, for images, the size 28 × 28.
    """
    size = 4 + 4 * (magic & 0xFF)  # the last byte of the magic number counts the dimensions; each size takes four bytes
    header = file.read(size)
    if len(header) < size or header[:4] != magic.to_bytes(4, "big"):
        raise DataError(
            f"data.root: {path} is no IDX file of {'images' if magic == IMAGES else 'labels'}: "
            f"it starts with {header[:4].hex() or 'nothing'}, not with {magic:08x} and its sizes; replace the file"
        )
    count, *sides = struct.unpack(f">{magic & 0xFF}I", header[4:])
    if magic == IMAGES and sides != [SIDE, SIDE]:
        raise DataError(f"data.root: {path} holds images of {sides[0]} by {sides[1]}, MNIST's are 28 by 28; replace the file")
    if not 0 < count <= MAX_ITEMS:
        held = f"{count:,} items, more than the {MAX_ITEMS:,} that are read" if count else "nothing"
        raise DataError(f"data.root: {path} holds {held}; replace the file")
    return count


def read_idx(path: Path, magic: int) -> np.ndarray:  # -> (N * 28 * 28,) or (N,) uint8
    """Return the bytes after the header. Raises DataError if their number does not match the header."""
    with read_errors(path if path.is_file() else packed_path(path)), open_idx(path) as file:
        expected = read_header(file, path, magic) * (SIDE**2 if magic == IMAGES else 1)
        data = np.frombuffer(bytearray(file.read(expected + 1)), dtype=np.uint8)
    if len(data) != expected:
        held = f"{len(data):,}" if len(data) < expected else f"more than {expected:,}"
        raise DataError(f"data.root: {path} holds {held} bytes, its header promises {expected:,}; replace the file")
    return data


def unpack(path: Path) -> None:
    """Unpack the `.gz` beside `path` into a temporary file, then rename it, so that `path` is never incomplete."""
    magic = IMAGES if path.name in FILES[::2] else LABELS
    data = read_idx(path, magic)
    sizes = (len(data) // SIDE**2, SIDE, SIDE) if magic == IMAGES else (len(data),)
    partial = path.with_name(path.name + ".partial")
    try:
        with atomic.create_file(partial) as file:
            file.write(struct.pack(f">{1 + len(sizes)}I", magic, *sizes))
            file.write(data.data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
