"""A folder of sound files as data: WAV, FLAC and what else libsndfile reads, each as a mono wave of the same length.

`sound_listing` finds the files and their classes, `sound_file` holds the rules of conversion, and `split` assigns each file to
train, validation or test by its name. All files are decoded into memory when the data are loaded: some thousand a second.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from gan_lightning.data.base import Data, DataError, Share, Splits, SplitSizes, require_training_share
from gan_lightning.data.fingerprint import Fingerprint, file_entries, stored_name
from gan_lightning.data.format.base import SampleFormat
from gan_lightning.data.format.sound import SoundFormat
from gan_lightning.data.sound_file import read_wave
from gan_lightning.data.sound_listing import SoundListing, list_sounds
from gan_lightning.data.split import split_by_name
from gan_lightning.data.store import Store
from gan_lightning.data.tones import SampleRate
from gan_lightning.step.types import PathText
from gan_lightning.storage.home import expand_home
from gan_lightning.storage.memory import machine_memory

MAX_LINES = 20  # broken files that an error names
QUIET = 1e-4  # the largest value of a file that is not made louder


class Waveforms(Data):
    """Load the sounds below `root`, at any depth, as waves of T values at `sample_rate` in Hz, where `sample_shape` is [1, T].

    With `num_classes` each subfolder of `root` is a class, in the order of their names ("10" before "2"); with 0 all are taken,
    unlabelled. `peak` is the largest value of each wave: quieter and louder ones are scaled to it; None: as they are.
    """

    def __init__(
        self,
        root: PathText,
        sample_rate: SampleRate = 16_000,
        peak: Annotated[float, Field(gt=0, le=1)] | None = None,
        validation: Share = 0.05,
        test: Share = 0.05,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.root, self.sample_rate, self.peak = expand_home(root), sample_rate, peak
        self.validation, self.test = validation, test

    @property
    def sample_format(self) -> SampleFormat:
        return SoundFormat(self.sample_rate)

    def count(self) -> SplitSizes:
        return SplitSizes(*map(len, self.split(self.listing())))

    def load(self) -> Splits:
        listing = self.listing()
        require_memory(len(listing.files) * self.sample_shape[1] * 4, len(listing.files))
        samples = read_waves(self.root, listing.files, self.sample_shape[1], self.sample_rate)
        if self.peak is not None:
            largest = np.abs(samples).max(2, keepdims=True)
            samples *= np.where(largest > QUIET, self.peak / largest.clip(QUIET), 1).astype(np.float32)
        return Splits(*(Store(samples, listing.labels, index) for index in self.split(listing)))

    def listing(self) -> SoundListing:
        """Return the sound files and their labels without decoding any. Raises DataError unless they match the config."""
        if len(self.sample_shape) != 2 or self.sample_shape[0] != 1:
            raise DataError(
                f"data.sample_shape: {list(self.sample_shape)} is no shape of mono sounds; "
                "allowed: [1,T], T / data.sample_rate seconds long, such as [1,16384]"
            )
        require_training_share(self.validation, self.test)
        return list_sounds(self.root, self.num_classes)

    def split(self, listing: SoundListing) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the sorted indices of train, validation and test."""
        return split_by_name([file.as_posix() for file in listing.files], self.validation, self.test)

    def fingerprint(self) -> Fingerprint:
        listing = self.listing()
        names = [file.as_posix() for file in listing.files]
        labels = [None] * len(names) if listing.labels is None else listing.labels.tolist()
        entries = file_entries([str(self.root / name) for name in names], names, labels)
        kind, classes = type(self).__name__, [stored_name(name) for name in listing.classes]
        return Fingerprint(kind=kind, counts={"sounds": len(names)}, classes=classes, entries=entries, probes={})


def read_waves(root: Path, files: Sequence[Path], length: int, rate: int) -> np.ndarray:  # -> (M, 1, length) float32
    """Return the waves of all files. Raises one DataError for all that are broken."""
    samples = np.empty((len(files), 1, length), np.float32)

    def read(i: int) -> list[str]:
        try:
            samples[i, 0] = read_wave(root / files[i], length, rate)
        except DataError as error:
            return error.lines
        return []

    with ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool:
        broken = [line for lines in pool.map(read, range(len(files))) for line in lines]
    if broken:
        more = [f"data.root: and {len(broken) - MAX_LINES:,} more"] if len(broken) > MAX_LINES else []
        first = f"data.root: {len(broken)} of {len(files)} sounds can't be decoded; repair or remove them"
        raise DataError(first, *(f"data.root: {line}" for line in broken[:MAX_LINES]), *more)
    return samples


def require_memory(size: int, count: int) -> None:
    """Raise DataError if waves of `size` bytes do not fit into half of the machine's memory."""
    memory = machine_memory()
    if memory is not None and size > memory // 2:
        raise DataError(
            f"data.sample_shape: {count:,} waves of this length need {size / 2**30:.1f} GiB, more than half of this machine's "
            f"{memory / 2**30:.1f} GiB of memory; choose a shorter one, or fewer files"
        )
