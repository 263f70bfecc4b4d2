"""Any folder of images as data, each image decoded once to the requested size.

`image_listing` finds the images, `folder_layout` their splits and labels, `decode` holds the rules of conversion, and
`decoded_cache` stores the result. Without folders for the splits, `split` assigns each file to train, validation or test by its
name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_lightning.data.base import Data, DataError, Share, Splits, SplitSizes, require_training_share
from gan_lightning.data.decode import require_image_shape
from gan_lightning.data.decoded_cache import DecodedCache, Listing
from gan_lightning.data.fingerprint import Fingerprint, file_entries, stored_name
from gan_lightning.data.folder_layout import arrange, split_listing
from gan_lightning.data.image_formats import SUFFIXES
from gan_lightning.data.image_listing import ImageListing
from gan_lightning.data.label_columns import LabelColumns
from gan_lightning.data.notices import print_notice
from gan_lightning.data.selection import seeded_order
from gan_lightning.data.store import Store
from gan_lightning.data.wide_values import require_value_range
from gan_lightning.step.types import FiniteFloat, NumValues, PathText
from gan_lightning.storage.home import cache_folder, expand_home


class ImageFolder(Data):
    """Load the images below `root`, whatever their size: in one folder, nested, or in one subfolder per class.

    With `labels`, FILE:COLUMN, the classes are the values of that column of a table (`label_columns`). With FILE:COLUMN,COLUMN
    they are attributes, and `num_classes` is a list: how many values each has. Otherwise, with
    `num_classes`, the labels come from a file (`label_files`), or the classes are the subfolders of `root` that hold images
    at any depth, in the order of their names ("10" before "2"); with 0 every image is taken, unlabelled. Hidden files and the
    folders of runs are skipped, links are followed.

    Folders named train and val or test are the splits if there are no others, unless `split_folders` is false. `validation` and
    `test` are shares of the images, or of train, for a split without a folder.

    The decoded images are stored in `cache` (default: the environment variable GAN_LIGHTNING_CACHE, else
    ~/.cache/gan_lightning), under a fingerprint of the files' names, sizes and modification times, of their labels, of
    `sample_shape`, `num_classes`, `range` and the rules of decoding. The cache may be deleted at any time.

    `range` is the two values that become black and white in images with more than 8 bits; None: 0 and 65535.
    """

    def __init__(
        self,
        root: PathText,
        cache: PathText | None = None,
        validation: Share = 0.05,
        test: Share = 0.05,
        range: list[FiniteFloat] | None = None,  # noqa: A002 (the name of the config's key)
        split_folders: bool = True,
        labels: PathText | None = None,
        num_classes: NumValues = 0,
        **shared: Any,
    ) -> None:
        super().__init__(num_classes=num_classes if isinstance(num_classes, int) else 0, **shared)
        self.num_values = num_classes if isinstance(num_classes, int) else tuple(num_classes)  # a config has a list
        self.root, self.cache = expand_home(root), cache_folder(cache)
        self.validation, self.test = validation, test
        self.range, self.split_folders, self.labels = range, split_folders, labels
        self._attributes: Tensor | None = None  # (training images, A)

    def count(self) -> SplitSizes:
        return SplitSizes(*map(len, self.split(self.listing())))

    def load(self) -> Splits:
        cache = self.decoded_cache()
        samples, listing = cache.load(), cache.listing
        return Splits(*(Store(samples, conditions_of(listing), index) for index in self.split(listing)))

    def conditions(self, start: int, n: int) -> Tensor | None:  # -> (n,) or (n, A)
        """Return all classes in turn, or the attributes of training images in a random order. Raises DataError."""
        if isinstance(self.num_values, int):
            return super().conditions(start, n)
        if self._attributes is None:
            listing = self.listing()
            attributes = torch.as_tensor(conditions_of(listing))[torch.from_numpy(self.split(listing)[0])]
            self._attributes = attributes[seeded_order(len(attributes), None, 0)]
        return self._attributes[torch.arange(start, start + n) % len(self._attributes)]

    def split(self, listing: Listing) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the sorted indices of train, validation and test."""
        return split_listing(listing, self.validation, self.test)

    def fingerprint(self) -> Fingerprint | None:
        listing = self.listing()
        names = [file.as_posix() for file in listing.files]
        labels = [None] * len(names) if listing.labels is None else listing.labels.tolist()
        entries = file_entries([os.path.join(self.root, name) for name in names], names, labels)  # noqa: PTH118 (fast)
        kind, counts, classes = type(self).__name__, {"images": len(names)}, [stored_name(name) for name in listing.classes]
        return Fingerprint(kind=kind, counts=counts, classes=classes, entries=entries, probes={})

    def decoded_cache(self) -> DecodedCache:
        """Return the cache of the images in their current state; nothing is decoded yet. Raises DataError."""
        value_range = require_value_range(self.range)
        return DecodedCache(self.cache, self.root, self.listing(), self.sample_shape, self.num_values, value_range)

    def listing(self) -> Listing:
        """Return the images in the folder without decoding any, and name on stderr what is left out.

        Raises DataError unless they match the config.
        """
        require_image_shape(self.sample_shape)
        require_training_share(self.validation, self.test)
        require_value_range(self.range)
        if not self.root.is_dir():
            problem = "is a file, not a folder; unpack it" if self.root.exists() else "does not exist"
            raise DataError(f"data.root: {self.root.absolute()} {problem}; set data.root to a folder of images")
        found = ImageListing(self.root)
        if left_out := found.left_out():
            print_notice(left_out)
        if not found.files:
            raise DataError(
                f"data.root: {self.root.absolute()} holds no images ({' '.join(sorted(SUFFIXES))}), nor do its subfolders; "
                "set data.root to a folder of images"
            )
        columns = None if self.labels is None else LabelColumns(self.labels)
        return arrange(self.root, found.files, self.num_values, self.split_folders, columns)


def conditions_of(listing: Listing) -> np.ndarray | None:  # -> (M,) or (M, A)
    """Return each image's class, or its attributes."""
    return listing.labels if listing.attributes is None else listing.attributes[listing.labels]


def list_images(root: Path) -> list[Path]:
    """Return all images below `root`, relative to it and sorted. Raises one DataError for all folders that can't be read."""
    return ImageListing(root).files
