"""MNIST: 70,000 handwritten digits of 28×28 (LeCun, Bottou, Bengio & Haffner 1998), from the four files it is published as.

The files stand where torchvision puts them, `<root>/MNIST/raw/`, unpacked or as `.gz`. Train is the first 11/12 of the train
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
from torch.nn.functional import interpolate, pad
from torchvision import datasets

from gan_lightning.data.base import Data, DataError, Splits
from gan_lightning.data.store import Store

SIDE = 28
PUBLISHED = 60_000  # in the train file
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
IMAGES, LABELS = 0x803, 0x801  # an IDX file's first four bytes: unsigned bytes, in three dimensions or in one


class MNIST(Data):
    """At 28×28 the originals, at 32×32 with a border of 2 black pixels, at other sizes resized (bilinear, antialiased).

    `download` fetches the files through torchvision if they are not below `root`.
    """

    def __init__(self, root: str = "data", download: bool = False, **shared: Any) -> None:
        super().__init__(**shared)
        self.root, self.download = Path(root).expanduser(), download

    @property
    def raw(self) -> Path:
        """The folder of the four files."""
        return self.root / "MNIST" / "raw"

    def count(self) -> int:
        shape = self.sample_shape
        if len(shape) != 3 or shape[0] != 1 or shape[1] != shape[2]:
            raise DataError(
                f"data.sample_shape: {list(shape)} is no size of MNIST, which is grey and square; "
                "allowed: [1,28,28], [1,32,32] or any other [1,S,S]"
            )
        if self.num_classes not in (0, 10):
            raise DataError(f"data.num_classes: MNIST has 10 classes, not {self.num_classes}; 0 hides them")
        missing = self.missing()
        if missing and self.download:
            return train_share(PUBLISHED)
        if missing:
            raise DataError(
                f"data.root: {', '.join(missing)} not found in {self.raw.absolute()}, packed (.gz) or not; "
                "set data.download=true to fetch MNIST, or put its four files there"
            )
        path = self.raw / FILES[0]
        with read_errors(path), open_idx(path) as file:
            return train_share(read_header(file, path, IMAGES))

    def load(self) -> Splits:
        self.count()
        self.complete()
        images, labels = self.part(*FILES[:2])
        reported, reported_labels = self.part(*FILES[2:])
        cut = train_share(len(images))
        train, validation = np.arange(cut), np.arange(cut, len(images))
        return Splits(Store(images, labels, train), Store(images, labels, validation), Store(reported, reported_labels))

    def missing(self) -> list[str]:
        """Which of the four files are there neither unpacked nor packed."""
        return [name for name in FILES if not (self.raw / name).is_file() and not packed_path(self.raw / name).is_file()]

    def complete(self) -> None:
        """Download what is missing and unpack what is packed, one process at a time."""
        if all((self.raw / name).is_file() for name in FILES):
            return
        try:
            self.raw.mkdir(parents=True, exist_ok=True)
            with FileLock(self.root / ".mnist.lock"):
                if self.missing():
                    self.fetch()
                for path in (self.raw / name for name in FILES):
                    if not path.is_file():
                        unpack(path)
        except OSError as error:
            raise DataError(f"data.root: {self.raw.absolute()} can't be written ({error}); set data.root=FOLDER") from error

    def fetch(self) -> None:
        """Let torchvision download the four files."""
        try:
            datasets.MNIST(str(self.root), download=True)
        except (RuntimeError, OSError, HTTPException) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[
                -1
            ]  # torchvision's message is a list of mirrors
            raise DataError(
                f"data.download: MNIST could not be fetched ({reason}); "
                f"check the network, or put its four files into {self.raw.absolute()}"
            ) from error
        if missing := self.missing():
            raise DataError(
                f"data.download: torchvision left no {', '.join(missing)} in {self.raw.absolute()}; put the four files there"
            )

    def part(self, images_name: str, labels_name: str) -> tuple[np.ndarray, np.ndarray | None]:
        """The images (N, 1, S, S) at the size asked for, and their labels (N,)."""
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
        sized = resized(torch.from_numpy(images).view(count, 1, SIDE, SIDE), self.sample_shape[1])
        return sized.numpy(), labels.astype(np.int64) if self.num_classes else None


def train_share(total: int) -> int:
    """How many samples of the train file are trained on: all but the last 1/12."""
    return total - total // 12


def resized(images: Tensor, side: int) -> Tensor:  # (N, 1, 28, 28) -> (N, 1, side, side) uint8
    """The originals, padded to 32, or resized."""
    if side == SIDE:
        return images
    if side == 32:
        return pad(images, (2, 2, 2, 2))
    parts = (interpolate(part.float(), (side, side), mode="bilinear", antialias=True) for part in images.chunk(16))
    return torch.cat([part.round().to(torch.uint8) for part in parts])


def packed_path(path: Path) -> Path:
    """Where the packed file of that name lies."""
    return path.with_name(path.name + ".gz")


def open_idx(path: Path) -> BufferedIOBase:
    """The file's bytes, from the packed one if it is not there unpacked."""
    return path.open("rb") if path.is_file() else gzip.open(packed_path(path), "rb")


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """What goes wrong while a file is read is said with its name."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"data.root: {path} can't be read ({error}); replace the file") from error


def read_header(file: BufferedIOBase, path: Path, magic: int) -> int:
    """How many images or labels an IDX file says it holds; `file` is left where they begin."""
    size = 4 + 4 * (magic & 0xFF)  # the last byte is the number of dimensions, each four bytes
    start = file.read(size)
    if len(start) < size or start[:4] != magic.to_bytes(4, "big"):
        raise DataError(
            f"data.root: {path} is no IDX file of {'images' if magic == IMAGES else 'labels'}: "
            f"it starts with {start[:4].hex() or 'nothing'}, not with {magic:08x} and its sizes; replace the file"
        )
    count, *sides = struct.unpack(f">{magic & 0xFF}I", start[4:])
    if magic == IMAGES and sides != [SIDE, SIDE]:
        raise DataError(f"data.root: {path} holds images of {sides[0]} by {sides[1]}, MNIST's are 28 by 28; replace the file")
    if not count:
        raise DataError(f"data.root: {path} holds nothing; replace the file")
    return count


def read_idx(path: Path, magic: int) -> np.ndarray:  # -> (N * 28 * 28,) or (N,) uint8
    """All bytes after the header, as many as it promises."""
    with read_errors(path), open_idx(path) as file:
        expected = read_header(file, path, magic) * (SIDE**2 if magic == IMAGES else 1)
        found = np.frombuffer(bytearray(file.read()), dtype=np.uint8)
    if len(found) != expected:
        raise DataError(f"data.root: {path} holds {len(found):,} bytes, its header promises {expected:,}; replace the file")
    return found


def unpack(path: Path) -> None:
    """Unpack the `.gz` beside `path`: under another name first, so that no half file ever has this one."""
    with read_errors(packed_path(path)), open_idx(path) as file:
        data = file.read()
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
