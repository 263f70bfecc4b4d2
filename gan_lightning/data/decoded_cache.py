"""A cache of decoded images: one uint8 array on disk per folder of images, memory-mapped by every process that reads it.

A JPEG takes far longer to decode than one step of a small GAN. Samples from the memory map load some twenty times faster,
and all processes of a machine share one copy in memory.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from gan_lightning.data.base import DataError
from gan_lightning.data.cache_record import damage, read_wide_summary, write_record
from gan_lightning.data.decode import RULES
from gan_lightning.data.decode_files import decode_files
from gan_lightning.data.notices import print_notice
from gan_lightning.data.wide_values import ValueRange, WideSummary, WideValues
from gan_lightning.step.types import NumValues

MEBIBYTE = 2**20

log = logging.getLogger("gan_lightning")


class Listing(NamedTuple):
    """Hold the names and labels of M images in one folder."""

    files: list[Path]  # relative to the root, in order
    labels: np.ndarray | None  # (M,) int64
    classes: list[str]  # the names of labels 0, 1, …; empty: unlabelled
    splits: np.ndarray | None = None  # (M,) of 0, 1, 2: train, validation, test; None: the folder has no splits of its own
    attributes: np.ndarray | None = None  # (classes, A) int64: where a class is a combination, its value of each attribute


class DecodedCache:
    """Decode the images of `root` once, and map the result into memory from then on.

    The array is stored in a subfolder of `cache` that is named by the fingerprint: a hash of everything that the pixels and
    labels depend on. An array that was altered is decoded anew (`cache_record`).
    """

    def __init__(
        self,
        cache: Path,
        root: Path,
        listing: Listing,
        sample_shape: tuple[int, ...],
        num_classes: NumValues,
        value_range: ValueRange | None = None,
    ) -> None:
        self.root, self.listing, self.sample_shape, self.num_classes = root, listing, sample_shape, num_classes
        self.value_range = value_range
        self.shape = (len(listing.files), *sample_shape)
        self.fingerprint = self._fingerprint()
        self.folder = cache.absolute() / "image_folder" / self.fingerprint

    def load(self) -> np.ndarray:  # -> (M, C, H, W) uint8
        """Return the decoded images, decoded first if they are missing or damaged. Raises DataError.

        Values with more than 8 bits that do not fit `value_range` are named on stderr.
        """
        samples = self.open()
        if samples is None:
            with one_writer(self.folder):
                samples = self.open()  # another process may have written it in the meantime
                if samples is None:
                    self.write()
                    samples = self.open()
        if samples is None:
            raise DataError(
                f"data.cache: {self.folder} was written and can't be read back; check the disk, or set data.cache=FOLDER"
            )
        notice = self.wide_summary().notice(self.root.absolute(), len(samples), self.value_range)
        if notice:
            print_notice(notice)
        return samples

    def wide_summary(self) -> WideSummary:
        """Return the summary of the images' values with more than 8 bits, as decoding found it."""
        return read_wide_summary(self.folder)

    def open(self) -> np.ndarray | None:  # -> (M, C, H, W) uint8
        """Return the decoded images, or None if they are missing or damaged; a damaged array is named on stderr."""
        array = self.folder / "samples.npy"
        if not array.exists():
            return None
        why = damage(array)
        if why is None:
            try:
                samples = np.lib.format.open_memmap(array, mode="r")
            except (OSError, ValueError, EOFError) as error:
                why = str(error)
            else:
                if samples.shape == self.shape and samples.dtype == np.uint8:
                    return samples
                why = f"it holds {samples.dtype} of shape {list(samples.shape)}"
        print_notice(f"data.cache: {array} is not used: {why}; decoding the images anew")
        return None

    def write(self) -> None:
        """Decode all images into a temporary folder, then rename it: a killed process leaves no partial result.

        Call it inside `one_writer`. Raises DataError.
        """
        partial = self.folder.with_name(self.folder.name + ".partial")
        remove_orphans(self.folder.parent, partial)
        shutil.rmtree(self.folder, ignore_errors=True)  # damaged, otherwise nothing would be written
        count = len(self.listing.files)
        size = format_mebibytes(self.require_space())
        log.info("decoding %s images once into %s at %s", f"{count:,}", size, self.folder)
        recipe = {
            "root": str(self.root.absolute()),
            "count": count,
            "sample_shape": self.sample_shape,
            "num_classes": self.num_classes,
            "classes": self.listing.classes,
            "range": self.value_range,
            "rules": RULES,
            "fingerprint": self.fingerprint,
        }
        try:
            partial.mkdir()
            summary = self.decode_into(partial / "samples.npy")
            if self.listing.labels is not None:
                np.save(partial / "labels.npy", self.listing.labels)  # for other programs; the labels come from the listing
            write_record(partial / "samples.npy", recipe, summary)
            partial.replace(self.folder)
        except OSError as error:
            raise DataError(f"data.cache: {partial} can't be written ({error.strerror}); set data.cache=FOLDER") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def require_space(self) -> int:
        """Return the size of the decoded images in bytes. Raises DataError if the disk has less free space."""
        count, size = len(self.listing.files), int(np.prod(self.shape))
        free = shutil.disk_usage(self.folder.parent).free
        if size + MEBIBYTE + 8 * count > free:  # 8 bytes a label
            raise DataError(
                f"data.cache: {count:,} decoded images need {format_mebibytes(size)} in {self.folder.parent}, "
                f"where {format_mebibytes(free)} are free; "
                "free some space, set data.cache=FOLDER on a larger disk, or choose a smaller data.sample_shape"
            )
        return size

    def decode_into(self, target: Path) -> WideSummary:
        """Decode the images into one array on disk, and return the summary of their values with more than 8 bits.

        Raises one DataError for all images that are broken.
        """
        samples = np.lib.format.open_memmap(target, mode="w+", dtype=np.uint8, shape=self.shape)
        if hasattr(os, "posix_fallocate"):  # a full disk raises OSError now, instead of SIGBUS while images are decoded
            with target.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, target.stat().st_size)
        wide = WideValues(self.value_range)
        decode_files(self.root, self.listing.files, samples, wide, self.folder.with_name(f"{self.fingerprint}.errors.txt"))
        samples.flush()
        return wide.summary

    def _fingerprint(self) -> str:
        # relative names and times of change: a copy of the folder that kept its times has the same fingerprint
        digest = hashlib.sha256(json.dumps([RULES, self.sample_shape, self.num_classes, self.value_range]).encode())
        digest.update(json.dumps(self.listing.classes).encode())
        digest.update(b"" if self.listing.labels is None else self.listing.labels.tobytes())
        for file in self.listing.files:
            try:
                status = (self.root / file).stat()
                size, modified = status.st_size, status.st_mtime_ns
            except OSError:  # a dangling link: decoding reports it by its name
                size, modified = -1, -1
            digest.update(os.fsencode(file.as_posix()) + f"\0{size}\0{modified}\0".encode())
        return digest.hexdigest()


def remove_orphans(folder: Path, own: Path) -> None:
    """Remove the partial results of killed processes: `own`, whose lock is held, and those whose lock is free."""
    shutil.rmtree(own, ignore_errors=True)
    for partial in folder.glob("*.partial"):
        with suppress(Timeout, OSError), FileLock(partial.with_suffix(".lock"), timeout=0):
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Hold a file lock beside `folder`, so that one process at a time writes it. Raises DataError if that is impossible."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(folder.name + ".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("waiting for another process that decodes the images into %s", folder)
            lock.acquire()
    except OSError as error:
        raise DataError(f"data.cache: {folder.parent} can't be written ({error.strerror}); set data.cache=FOLDER") from error
    try:
        yield
    finally:
        lock.release()


def format_mebibytes(size: int) -> str:
    """Format a number of bytes in MiB."""
    return f"{size / MEBIBYTE:,.0f} MiB" if size >= 10 * MEBIBYTE else f"{size / MEBIBYTE:.1f} MiB"
