"""An array in a file as data: images (N, C, H, W), signals (N, C, T) or points (N, D), from .npy, .npz or .csv.

`array_file` reads the file. Its first axis counts the samples; the others are `sample_shape`, or have as many values. The rows
have no names, so train, validation and test are exact shares of one fixed shuffle.
"""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gan_lightning.data.array_file import array_names, read_array
from gan_lightning.data.base import Data, DataError, Share, Splits, SplitSizes, require_training_share
from gan_lightning.data.fingerprint import Fingerprint, file_entries
from gan_lightning.data.store import Store, split_indices
from gan_lightning.step.types import FiniteFloat, PathText
from gan_lightning.storage.home import expand_home


class Array(Data):
    """Load the samples in `file`; of a .npz with several arrays, the one called `array`.

    `range` is the two values that become -1 and 1. Without it, whole numbers of 8 bits in images are 0 to 255, images and
    signals must lie in [-1, 1], and points are taken as they are. With `num_classes`, `labels` is a file of whole numbers (N,),
    or the name of another array in the same .npz.
    """

    def __init__(
        self,
        file: PathText,
        array: PathText | None = None,
        labels: PathText | None = None,
        range: list[FiniteFloat] | None = None,  # noqa: A002 (the name of the config's key)
        validation: Share = 0.05,
        test: Share = 0.05,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.file, self.array, self.label_source, self.range = expand_home(file), array, labels, range
        self.validation, self.test = validation, test

    def count(self) -> SplitSizes:
        return SplitSizes(*map(len, self.split()))

    def load(self) -> Splits:
        return Splits(*(Store(self.samples, self.labels, index) for index in self.split()))

    def split(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the sorted indices of train, validation and test. Raises DataError."""
        require_training_share(self.validation, self.test)
        _ = self.labels
        return split_indices(len(self.samples), self.validation, self.test)

    @cached_property
    def samples(self) -> np.ndarray:  # -> (N, *sample_shape) uint8 or float32
        """Return all samples, as a store takes them. Raises DataError."""
        found = self._read("data.file", self.file, self.array)
        size = math.prod(self.sample_shape)
        if found.ndim < 1 or not len(found) or found.size != len(found) * size:
            raise DataError(
                f"data.sample_shape: {list(self.sample_shape)}, but {self.file} holds an array of shape {list(found.shape)}, "
                f"whose first axis should count samples of {size} values; set data.sample_shape={list(found.shape[1:])}"
            )
        found = found.reshape(len(found), *self.sample_shape)
        if self.range is None and found.dtype == np.uint8 and len(self.sample_shape) == 3:
            return np.ascontiguousarray(found)
        return self._scaled(found)

    @cached_property
    def labels(self) -> np.ndarray | None:  # -> (N,) int64
        """Return the labels; None without classes. Raises DataError."""
        if not self.num_classes:
            return None
        if self.label_source is None:
            raise DataError(
                f"data.labels: none, but data.num_classes is {self.num_classes}; set data.labels, or data.num_classes=0"
            )
        if self.label_source in array_names(self.file):
            found = self._read("data.labels", self.file, self.label_source)
        else:
            found = self._read("data.labels", expand_home(self.label_source), None)
        if found.size != len(self.samples) or not np.array_equal(found, np.floor(found)):
            raise DataError(
                f"data.labels: {self.label_source} holds an array of shape {list(found.shape)} of {found.dtype}; "
                f"allowed: one whole number for each of the {len(self.samples):,} samples"
            )
        if found.min() < 0 or found.max() >= self.num_classes:
            raise DataError(
                f"data.labels: {self.label_source} holds labels from {found.min():g} to {found.max():g}; "
                f"allowed with data.num_classes={self.num_classes}: 0 to {self.num_classes - 1}"
            )
        return found.reshape(-1).astype(np.int64)

    def fingerprint(self) -> Fingerprint:
        files = [self.file]
        if self.num_classes and self.label_source and self.label_source not in array_names(self.file):
            files.append(expand_home(self.label_source))
        entries = file_entries([str(file) for file in files], [file.name for file in files], [None] * len(files))
        counts = {"samples": len(self.samples)}
        return Fingerprint(kind=type(self).__name__, counts=counts, classes=[], entries=entries, probes={})

    def _read(self, key: str, file: Path, name: str | None) -> np.ndarray:
        try:
            found = read_array(file, name)
        except DataError as error:
            raise DataError(*(f"{key}: {line}" for line in error.lines)) from error
        if not np.isfinite(found).all():
            raise DataError(f"{key}: {file} holds values that are not finite; remove those samples")
        return found

    def _scaled(self, samples: np.ndarray) -> np.ndarray:  # (N, *sample_shape) -> (N, *sample_shape) float32
        """Return the samples with `range` as [-1, 1]. Raises DataError for images and signals beyond it."""
        if self.range is not None:
            if len(self.range) != 2 or not self.range[0] < self.range[1]:
                raise DataError(f"data.range: {self.range} is no range; allowed: two values, the lower first, such as [0,255]")
            low, high = self.range
            with np.errstate(over="ignore", invalid="ignore"):
                samples = (samples.astype(np.float32) - low) * (2 / (high - low)) - 1
        with np.errstate(over="ignore"):
            samples = samples.astype(np.float32)
        if not np.isfinite(samples).all():
            raise DataError(
                f"data.file: {self.file} holds values that float32 can't hold{' after scaling' if self.range else ''}; "
                "scale them to about -1 to 1"
            )
        low, high = float(samples.min()), float(samples.max())
        if len(self.sample_shape) > 1 and (low < -1.001 or high > 1.001):
            raise DataError(
                f"data.range: {self.file} holds values from {low:g} to {high:g}{' after scaling' if self.range else ''}; "
                "set data.range to the two values that become -1 and 1, such as the smallest and the largest"
            )
        return np.ascontiguousarray(samples)
