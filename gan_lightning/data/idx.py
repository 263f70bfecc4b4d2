"""The IDX format, in which MNIST and the sets after it are published: images of 28×28 pixels, or labels, unpacked or as `.gz`.

A file begins with two zero bytes, the type of its values (8: unsigned byte) and the number of its dimensions; then the size of
each dimension, four bytes with the highest first; then the values (LeCun et al. 1998, http://yann.lecun.com/exdb/mnist).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from gan_lightning.data.base import DataError

SIDE = 28
MAX_ITEMS = 2**20  # of a file: a packed one of 19 MB may promise, and hold, 4 GiB
IMAGES, LABELS = 0x803, 0x801  # the first four bytes of an IDX file: unsigned bytes in three dimensions, or in one


def is_present(path: Path) -> bool:
    """Return whether the file exists, unpacked or packed."""
    return path.is_file() or packed_path(path).is_file()


def packed_path(path: Path) -> Path:
    """Return the path of the packed file."""
    return path.with_name(path.name + ".gz")


@contextmanager
def open_idx(path: Path) -> Iterator[BufferedIOBase]:
    """Open the file, or the packed one if it is not unpacked.

    Raises DataError, with the file's name, for a missing, truncated or corrupt file.
    """
    found = path if path.is_file() else packed_path(path)
    try:
        with found.open("rb") if found == path else gzip.open(found, "rb") as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"data.root: {found} can't be read ({error}); replace the file") from error


def read_header(file: BufferedIOBase, path: Path, magic: int) -> tuple[bytes, int]:
    """Return the header of an IDX file and the number of its images or labels, and leave `file` after the header.

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
        raise DataError(f"data.root: {path} holds images of {sides[0]} by {sides[1]}, not of 28 by 28; replace the file")
    if not 0 < count <= MAX_ITEMS:
        held = f"{count:,} items, more than the {MAX_ITEMS:,} that are read" if count else "nothing"
        raise DataError(f"data.root: {path} holds {held}; replace the file")
    return header, count


def count_images(path: Path) -> int:
    """Return the number of images in the header of an IDX file. Raises DataError."""
    with open_idx(path) as file:
        return read_header(file, path, IMAGES)[1]


def read_content(path: Path, magic: int) -> bytes:
    """Return the unpacked content with its header. Raises DataError if its length does not match the header."""
    with open_idx(path) as file:
        header, count = read_header(file, path, magic)
        expected = count * (SIDE**2 if magic == IMAGES else 1)
        content = file.read(expected + 1)
    if len(content) != expected:
        held = f"{len(content):,}" if len(content) < expected else f"more than {expected:,}"
        raise DataError(f"data.root: {path} holds {held} bytes, its header promises {expected:,}; replace the file")
    return header + content


def read_images(path: Path) -> np.ndarray:  # -> (N, 28, 28) uint8
    """Return the images of an IDX file. Raises DataError."""
    return np.frombuffer(bytearray(read_content(path, IMAGES)), np.uint8, offset=16).reshape(-1, SIDE, SIDE)


def read_labels(path: Path) -> np.ndarray:  # -> (N,) uint8
    """Return the labels of an IDX file. Raises DataError."""
    return np.frombuffer(bytearray(read_content(path, LABELS)), np.uint8, offset=8)
