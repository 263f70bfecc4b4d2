"""One array of numbers from a file: .npy, .npz or .csv, read without running anything that it holds.

- A file must be a regular one. Its header is checked before its values are read: numbers, and no more of them than fit into
  half of the machine's memory, or than the file has.
- .npz: the array is named, or it is the only one.
- .csv: rows of numbers separated by commas, semicolons or tabs, one row a line; a first row of names is skipped.
"""

from __future__ import annotations

import csv
import math
import zipfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import IO, NamedTuple

import numpy as np

from gan_lightning.data.base import DataError
from gan_lightning.data.notices import abbreviate
from gan_lightning.storage.data_file import MEBIBYTE
from gan_lightning.storage.memory import machine_memory

SUFFIXES = (".npy", ".npz", ".csv")
MAX_CSV = 1024 * MEBIBYTE
MAX_LINE = 16 * MEBIBYTE  # characters, of a .csv file
KINDS = "biuf"  # booleans, whole numbers and floats


class Header(NamedTuple):
    """Describe an array without its values."""

    shape: tuple[int, ...]
    dtype: np.dtype


def read_array(path: Path, name: str | None = None) -> np.ndarray:
    """Return the array in a file, or the one called `name` in a .npz. Raises DataError, with the file's name."""
    with one_line(path):
        return read_by_suffix(path, name)


@contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Raise a DataError of one line, with the file's name, for an error of a reader of this file."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # of broken bytes, zipfile, its decoders, NumPy and csv raise what they do not document
        raise DataError(f"{path}: {' '.join(str(error).split()) or type(error).__name__}") from error


def read_by_suffix(path: Path, name: str | None) -> np.ndarray:
    """Return the array in a file. Raises ValueError, OSError, and what a broken archive makes zipfile raise."""
    require_seekable(path)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return read_csv(path)
    if suffix == ".npz":
        return read_npz(path, name)
    if suffix == ".npy":
        with path.open("rb") as file:
            return read_npy(file, path.stat().st_size)
    raise ValueError(f"no {', '.join(SUFFIXES)} file")


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays in a .npz file; none of any other file. Raises DataError."""
    if path.suffix.lower() != ".npz":
        return []
    with one_line(path):
        require_seekable(path)
        with zipfile.ZipFile(path) as archive:
            return members(archive)


def members(archive: zipfile.ZipFile) -> list[str]:
    """Return the names of the arrays in an open .npz file: its members that end in .npy."""
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def require_seekable(path: Path) -> None:
    """Raise ValueError unless the path, or what it links to, is a regular file: opening a pipe would block."""
    if not S_ISREG(path.stat().st_mode):
        raise ValueError("no file that can be read from its start to its end")


def read_npy(file: IO[bytes], size: int) -> np.ndarray:
    """Return the array of an open .npy file of `size` bytes. Raises ValueError."""
    header = read_header(file)
    promised = math.prod(header.shape) * header.dtype.itemsize
    if promised > size:
        raise ValueError(f"its header promises {promised:,} bytes, but it holds {size:,}")
    require_numbers(header)
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def read_header(file: IO[bytes]) -> Header:
    """Return the header of an open .npy file. Raises ValueError."""
    major, _ = np.lib.format.read_magic(file)
    read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}.get(major)
    if read is None:
        raise ValueError(f"a .npy file of version {major}, which only names of columns need")
    shape, _, dtype = read(file)
    return Header(shape, dtype)


def read_npz(path: Path, name: str | None) -> np.ndarray:
    """Return one array of a .npz file. Raises ValueError."""
    with zipfile.ZipFile(path) as archive:
        names = members(archive)
        if name is None and len(names) != 1:
            raise ValueError(f"holds {len(names)} arrays: {abbreviate(names)}; set data.array to the name of one")
        if name is not None and name not in names:
            raise ValueError(f"holds no array {name}, but {abbreviate(names)}")
        member = f"{names[0] if name is None else name}.npy"
        with archive.open(member) as file:
            return read_npy(file, archive.getinfo(member).file_size)


def read_csv(path: Path) -> np.ndarray:  # -> (rows, columns)
    """Return the numbers of a .csv file. Raises ValueError, with the row that is no row of numbers."""
    if path.stat().st_size > MAX_CSV:
        raise ValueError(f"larger than {MAX_CSV // MEBIBYTE} MiB; convert it to .npy")
    limit = (machine_memory() or MAX_CSV * 16) // 2
    values, width, delimiter = array("d"), 0, None
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), ""), 1):
            if len(line) == MAX_LINE:
                raise ValueError(f"row {number} has more than {MAX_LINE // MEBIBYTE} Mi characters")
            delimiter = delimiter or max(",;\t", key=line.count)
            quoted = '"' in line  # csv is slow for single lines
            row = next(csv.reader([line], delimiter=delimiter), []) if quoted else line.split(delimiter)
            if not any(cell.strip() for cell in row):
                continue
            try:
                found = array("d", map(float, row))
            except ValueError:
                if number == 1:  # names of columns
                    continue
                raise ValueError(f"row {number} is no row of numbers") from None
            width = width or len(found)
            if len(found) != width:
                raise ValueError(f"row {number} has {len(found)} values, the first has {width}")
            values.extend(found)
            if len(values) * values.itemsize > limit:
                raise ValueError(f"its first {number:,} rows need more than half of the memory")
    if not values:
        raise ValueError("holds no numbers")
    return np.frombuffer(values).reshape(-1, width)


def require_numbers(header: Header) -> None:
    """Raise ValueError unless the header describes numbers that fit into half of the machine's memory as floats."""
    if header.dtype.kind not in KINDS:
        raise ValueError(f"holds {header.dtype}, not numbers")
    memory, needed = machine_memory(), math.prod(header.shape) * 4
    if memory is not None and needed > memory // 2:
        raise ValueError(f"an array of {list(header.shape)} needs {needed / 2**30:.1f} GiB, more than half of the memory")
