"""Any folder of images: decoded once to the size asked for, read from a memory map ever after.

A JPEG costs far more to decode than a small GAN's step takes; as uint8 on disk, samples come some twenty times faster and
all processes of a machine share one copy in memory. `decode` says what becomes of each kind of image. The split into train,
validation and test is one fixed shuffle of the files in the order of their names.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from pydantic import Field
from tqdm import tqdm

from gan_lightning.data.base import Data, DataError, Splits
from gan_lightning.data.decode import RULES, SUFFIXES, decode, require_image_shape
from gan_lightning.data.store import Store, split_indices

CACHE = "~/.cache/gan_lightning"
MEBIBYTE = 2**20
BLOCK = 64  # images a thread decodes before it reports
NAMED = 5  # of many files or folders in a message

log = logging.getLogger("gan_lightning")


class Listing(NamedTuple):
    """The images of a folder."""

    files: list[Path]  # relative to the root, in order
    labels: np.ndarray | None  # (M,) int64
    classes: list[str]  # the names of labels 0, 1, …; empty: unlabelled


class ImageFolder(Data):
    """The images of `root`, whatever their size: flat, nested, or one subfolder a class.

    With `num_classes` the classes are the subfolders of `root` that hold images, however deep, in the order of their names
    ("10" before "2"); with 0 every image is taken, unlabelled. Hidden files are skipped, links are followed. The decoded
    images are kept in `cache` (default: the folder in the environment variable GAN_LIGHTNING_CACHE, else
    ~/.cache/gan_lightning), in a place that depends on the files' names, sizes and times of change, on `sample_shape`,
    `num_classes` and the rules of decoding; it may be deleted at any time. `validation` and `test` are shares of the images.
    """

    def __init__(
        self,
        root: str,
        cache: str | None = None,
        validation: Annotated[float, Field(ge=0, lt=1)] = 0.05,
        test: Annotated[float, Field(ge=0, lt=1)] = 0.05,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.root = Path(root).expanduser()
        self.cache = Path(cache or os.environ.get("GAN_LIGHTNING_CACHE") or CACHE).expanduser()
        self.validation, self.test = validation, test

    def count(self) -> int:
        return len(split_indices(len(self.listing().files), self.validation, self.test)[0])

    def load(self) -> Splits:
        listing = self.listing()
        fingerprint = self.fingerprint(listing)
        folder = self.cache.absolute() / "image_folder" / fingerprint
        samples = self.opened(folder, len(listing.files))
        if samples is None:
            with one_writer(folder):
                samples = self.opened(folder, len(listing.files))  # another process may have been here
                if samples is None:
                    self.write(folder, listing, fingerprint)
                    samples = self.opened(folder, len(listing.files))
        if samples is None:
            raise DataError(
                f"data.cache: {folder} was written and can't be read back; check the disk, or set data.cache=FOLDER"
            )
        return Splits(
            *(Store(samples, listing.labels, index) for index in split_indices(len(samples), self.validation, self.test))
        )

    def listing(self) -> Listing:
        """The images that are there, without opening any. Raises DataError unless they fit the config."""
        require_image_shape(self.sample_shape)
        if self.validation + self.test >= 1:
            raise DataError(
                f"data.validation and data.test: {self.validation} and {self.test} leave nothing to train on; "
                "allowed: two shares whose sum is below 1, such as 0.05 and 0.05"
            )
        if not self.root.is_dir():
            found = "is a file, not a folder; unpack it" if self.root.exists() else "does not exist"
            raise DataError(f"data.root: {self.root.absolute()} {found}; set data.root to a folder of images")
        files = list_images(self.root)
        if not files:
            raise DataError(
                f"data.root: {self.root.absolute()} holds no images ({' '.join(sorted(SUFFIXES))}), nor do its subfolders; "
                "set data.root to a folder of images"
            )
        if not self.num_classes:
            return Listing(files, None, [])
        classes = sorted({file.parts[0] for file in files if len(file.parts) > 1})
        if len(classes) != self.num_classes:
            raise DataError(
                f"data.num_classes: {self.num_classes}, but {len(classes)} subfolders of {self.root.absolute()} hold images"
                f"{': ' + abbreviate(classes) if classes else ''}; set data.num_classes={len(classes)}"
                f"{', or 0 to take all images unlabelled' if classes else ' to take the images unlabelled'}"
            )
        loose = [str(file) for file in files if len(file.parts) == 1]
        if loose:
            raise DataError(
                f"data.root: {len(loose)} images lie in {self.root.absolute()} itself and so in no class: {abbreviate(loose)}; "
                "move them into the folder of a class, or set data.num_classes=0 to take all images unlabelled"
            )
        number = {name: label for label, name in enumerate(classes)}
        return Listing(files, np.array([number[file.parts[0]] for file in files], dtype=np.int64), classes)

    def fingerprint(self, listing: Listing) -> str:
        """What the decoded images depend on, hashed; the same for a copy of the folder that kept the times of change."""
        found = hashlib.sha256(json.dumps([RULES, self.sample_shape, self.num_classes]).encode())
        for file in listing.files:
            try:
                state = (self.root / file).stat()
                size, changed = state.st_size, state.st_mtime_ns
            except OSError:  # a link to nowhere: decoding will name it
                size, changed = -1, -1
            found.update(os.fsencode(file.as_posix()) + f"\0{size}\0{changed}\0".encode())
        return found.hexdigest()

    def opened(self, folder: Path, count: int) -> np.ndarray | None:  # -> (count, C, H, W) uint8
        """The decoded images, if they are there and whole."""
        try:
            samples = np.load(folder / "samples.npy", mmap_mode="r")
        except (OSError, ValueError, EOFError):
            return None
        return samples if samples.shape == (count, *self.sample_shape) and samples.dtype == np.uint8 else None

    def write(self, folder: Path, listing: Listing, fingerprint: str) -> None:
        """Decode all images beside `folder`, then give the result its name: a process that is killed leaves no half."""
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed: nobody else is here
        shutil.rmtree(folder, ignore_errors=True)  # not whole, or we would not be here
        count = len(listing.files)
        size = count * int(np.prod(self.sample_shape))
        free = shutil.disk_usage(folder.parent).free
        if size + MEBIBYTE + 8 * count > free:
            raise DataError(
                f"data.cache: {count:,} decoded images need {format_mebibytes(size)} in {folder.parent}, where {format_mebibytes(free)} are "
                "free; free some space, set data.cache=FOLDER on a larger disk, or choose a smaller data.sample_shape"
            )
        log.info("decoding %s images once into %s at %s", f"{count:,}", format_mebibytes(size), folder)
        recipe = {
            "root": str(self.root.absolute()),
            "count": count,
            "sample_shape": self.sample_shape,
            "num_classes": self.num_classes,
            "classes": listing.classes,
            "rules": RULES,
            "fingerprint": fingerprint,
        }
        try:
            partial.mkdir()
            self.decode(partial / "samples.npy", listing.files)
            if listing.labels is not None:
                np.save(partial / "labels.npy", listing.labels)  # for other readers: here, the folders say it
            (partial / "fingerprint.json").write_text(json.dumps(recipe, indent=2) + "\n")
            partial.replace(folder)
        except OSError as error:
            raise DataError(f"data.cache: {partial} can't be written ({error.strerror}); set data.cache=FOLDER") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def decode(self, target: Path, files: list[Path]) -> None:
        """Decode `files` into one array on disk. Raises one DataError for all that are broken."""
        samples = np.lib.format.open_memmap(target, mode="w+", dtype=np.uint8, shape=(len(files), *self.sample_shape))
        if hasattr(os, "posix_fallocate"):  # a disk that fills up is told here, and not by a SIGBUS in the midst of the work
            with target.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, target.stat().st_size)

        def block(start: int) -> list[str]:
            mistakes = []
            for i, file in enumerate(files[start : start + BLOCK], start):
                try:
                    samples[i] = decode(self.root / file, self.sample_shape)
                except DataError as error:
                    mistakes.append(str(error))
            return mistakes

        broken: list[str] = []
        threads = min(32, os.cpu_count() or 1)
        hidden = len(files) <= 2000
        with ThreadPoolExecutor(threads) as pool, tqdm(total=len(files), unit=" images", mininterval=1, disable=hidden) as bar:
            try:
                for mistakes in pool.map(block, range(0, len(files), BLOCK)):
                    broken += mistakes
                    bar.update(min(BLOCK, len(files) - bar.n))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        samples.flush()
        if broken:
            head = f"data.root: {len(broken)} of {len(files)} images can't be decoded; repair or remove them"
            raise DataError("\n".join([head, *(f"data.root: {line}" for line in broken)]))


def list_images(root: Path) -> list[Path]:
    """All images below `root`, relative to it, in order; hidden files and folders are skipped."""
    closed: list[str] = []

    def below(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
        try:
            state = folder.stat()
            with os.scandir(folder) as found:
                entries = [entry for entry in found if not entry.name.startswith(".")]
        except OSError as error:
            closed.append(f"data.root: {folder} can't be read ({error.strerror}); change its permissions")
            return
        here = (state.st_dev, state.st_ino)
        if here in above:  # a link that runs in a circle
            return
        for entry in entries:
            if Path(entry.path).is_dir():  # not the entry's own word: that raises for a link to itself
                yield from below(folder / entry.name, above | {here})
            elif Path(entry.name).suffix.lower() in SUFFIXES:
                yield (folder / entry.name).relative_to(root)

    found = sorted(below(root, frozenset()))
    if closed:
        raise DataError("\n".join(closed))
    return found


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Of all processes that would write `folder`, let in one at a time."""
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


def abbreviate(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    more = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join(names[:NAMED] + more)


def format_mebibytes(size: int) -> str:
    """Bytes, for people."""
    return f"{size / MEBIBYTE:,.0f} MiB" if size >= 10 * MEBIBYTE else f"{size / MEBIBYTE:.1f} MiB"
