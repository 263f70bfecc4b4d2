"""One array of numbers from a file: .npy, .npz or .csv, read without running anything that it holds.

- A file must be a regular one. Its header is checked before its values are read: numbers, and no more of them than fit into
  half of the machine's memory, or than the file has.
- .npz: the array is named, or it is the only one.
- .csv: rows of numbers separated by commas, semicolons or tabs; a first row of names is skipped.
"""

from __future__ import annotations

import csv
import io
import math
import zipfile
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
KINDS = "biuf"  # booleans, whole numbers and floats


class Header(NamedTuple):
    """Describe an array without its values."""

    shape: tuple[int, ...]
    dtype: np.dtype


def read_array(path: Path, name: str | None = None) -> np.ndarray:
    """Return the array in a file, or the one called `name` in a .npz. Raises DataError, with the file's name."""
    try:
        return read_by_suffix(path, name)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError, MemoryError) as error:
        raise DataError(f"{path}: {' '.join(str(error).split()) or type(error).__name__}") from error


def read_by_suffix(path: Path, name: str | None) -> np.ndarray:
    """Return the array in a file. Raises ValueError, OSError, and what a broken archive makes zipfile raise."""
    if not S_ISREG(path.stat().st_mode):  # opening a pipe would block
        raise ValueError("no file that can be read from its start to its end")
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
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: {error}") from error


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
        names = [member.removesuffix(".npy") for member in archive.namelist()]
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
    text = path.read_bytes().decode("utf-8-sig")
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    rows: list[np.ndarray] = []
    for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), 1):
        if not any(cell.strip() for cell in row):
            continue
        try:
            values = np.array([float(cell) for cell in row])
        except ValueError:
            if number == 1:  # names of columns
                continue
            raise ValueError(f"row {number} is no row of numbers") from None
        if rows and len(values) != len(rows[0]):
            raise ValueError(f"row {number} has {len(values)} values, the first has {len(rows[0])}")
        rows.append(values)
    if not rows:
        raise ValueError("holds no numbers")
    return np.stack(rows)


def require_numbers(header: Header) -> None:
    """Raise ValueError unless the header describes numbers that fit into half of the machine's memory as floats."""
    if header.dtype.kind not in KINDS:
        raise ValueError(f"holds {header.dtype}, not numbers")
    memory, needed = machine_memory(), math.prod(header.shape) * 4
    if memory is not None and needed > memory // 2:
        raise ValueError(f"an array of {list(header.shape)} needs {needed / 2**30:.1f} GiB, more than half of the memory")
