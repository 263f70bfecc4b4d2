"""Any folder of images as data, each image decoded once to the requested size.

`decode` holds the rules of conversion, `decoded_cache` stores the result, `split` assigns each file to train, validation or
test by its name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gan_lightning.data.base import Data, DataError, Share, Splits, SplitSizes, require_training_share
from gan_lightning.data.decode import SUFFIXES, require_image_shape
from gan_lightning.data.decoded_cache import DecodedCache, Listing
from gan_lightning.data.fingerprint import Fingerprint, file_entries
from gan_lightning.data.split import split_by_name
from gan_lightning.data.store import Store
from gan_lightning.step.types import PathText
from gan_lightning.storage.home import cache_folder, expand_home

MAX_NAMES = 5  # of files or folders in one message


class ImageFolder(Data):
    """Load the images below `root`, whatever their size: in one folder, nested, or in one subfolder per class.

    With `num_classes` the classes are the subfolders of `root` that hold images at any depth, in the order of their names
    ("10" before "2"); with 0 every image is taken, unlabelled. Hidden files are skipped, links are followed.

    The decoded images are stored in `cache` (default: the environment variable GAN_LIGHTNING_CACHE, else
    ~/.cache/gan_lightning), under a fingerprint of the files' names, sizes and modification times, of `sample_shape`,
    `num_classes` and the rules of decoding. The cache may be deleted at any time. `validation` and `test` are the approximate
    shares of the images.
    """

    def __init__(
        self, root: PathText, cache: PathText | None = None, validation: Share = 0.05, test: Share = 0.05, **shared: Any
    ) -> None:
        super().__init__(**shared)
        self.root, self.cache = expand_home(root), cache_folder(cache)
        self.validation, self.test = validation, test

    def count(self) -> SplitSizes:
        return SplitSizes(*map(len, self.split(self.listing())))

    def load(self) -> Splits:
        cache = self.decoded_cache()
        samples, labels = cache.load(), cache.listing.labels
        return Splits(*(Store(samples, labels, index) for index in self.split(cache.listing)))

    def split(self, listing: Listing) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the indices of train, validation and test."""
        return split_by_name((file.as_posix() for file in listing.files), self.validation, self.test)

    def fingerprint(self) -> Fingerprint | None:
        listing = self.listing()
        names = [file.as_posix() for file in listing.files]
        labels = [None] * len(names) if listing.labels is None else listing.labels.tolist()
        entries = file_entries([os.path.join(self.root, name) for name in names], names, labels)  # noqa: PTH118 (fast)
        kind, counts = type(self).__name__, {"images": len(names)}
        return Fingerprint(kind=kind, counts=counts, classes=listing.classes, entries=entries, probes={})

    def decoded_cache(self) -> DecodedCache:
        """Return the cache of the images in their current state; nothing is decoded yet. Raises DataError."""
        return DecodedCache(self.cache, self.root, self.listing(), self.sample_shape, self.num_classes)

    def listing(self) -> Listing:
        """Return the images in the folder without opening any. Raises DataError unless they match the config."""
        require_image_shape(self.sample_shape)
        require_training_share(self.validation, self.test)
        if not self.root.is_dir():
            problem = "is a file, not a folder; unpack it" if self.root.exists() else "does not exist"
            raise DataError(f"data.root: {self.root.absolute()} {problem}; set data.root to a folder of images")
        files = list_images(self.root)
        if not files:
            raise DataError(
                f"data.root: {self.root.absolute()} holds no images ({' '.join(sorted(SUFFIXES))}), nor do its subfolders; "
                "set data.root to a folder of images"
            )
        return self._labelled(files) if self.num_classes else Listing(files, None, [])

    def _labelled(self, files: list[Path]) -> Listing:
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


def list_images(root: Path) -> list[Path]:
    """Return all images below `root`, relative to it and sorted; hidden files and folders are skipped.

    Raises one DataError for all folders that can't be read.
    """
    unreadable: list[str] = []

    def images_below(folder: Path, ancestors: frozenset[tuple[int, int]]) -> Iterator[Path]:
        try:
            status = folder.stat()
            with os.scandir(folder) as iterator:
                entries = [entry for entry in iterator if not entry.name.startswith(".")]
        except OSError as error:
            unreadable.append(f"data.root: {folder} can't be read ({error.strerror}); change its permissions")
            return
        identity = (status.st_dev, status.st_ino)
        if identity in ancestors:  # a circular link
            return
        for entry in entries:
            if Path(entry.path).is_dir():  # not entry.is_dir(): it raises for a link to itself
                yield from images_below(folder / entry.name, ancestors | {identity})
            elif Path(entry.name).suffix.lower() in SUFFIXES:
                yield (folder / entry.name).relative_to(root)

    files = sorted(images_below(root, frozenset()))
    if unreadable:
        raise DataError("\n".join(unreadable))
    return files


def abbreviate(names: list[str]) -> str:
    """Join the first few names, and the number of the others."""
    more = [f"and {len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else []
    return ", ".join(names[:MAX_NAMES] + more)
