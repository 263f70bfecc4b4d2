"""Reference samples: the real samples of one split, and an extractor's features of them.

Features are cached on disk under a fingerprint of the samples' bytes, the extractor's name and the number of threads, so that
a sweep extracts them once: the first job writes the file while the others wait for it. A file whose checksum does not match its
content is replaced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sized
from pathlib import Path
from typing import Literal, get_args

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gan_lightning.data.base import Data, DataError
from gan_lightning.data.selection import Selection
from gan_lightning.data.stream import Source
from gan_lightning.metric.feature.base import Feature, Reading
from gan_lightning.step.types import Batch
from gan_lightning.storage import atomic
from gan_lightning.storage.data_file import require_regular
from gan_lightning.storage.home import CACHE_VARIABLE, cache_folder, is_writable

FORMAT = 3  # of the cached files; part of the fingerprint
MAX_SAMPLES = 50_000
ENDLESS_SAMPLES = 10_000  # of a source without a length

Split = Literal["train", "validation", "test"]
DiscriminatorFunction = Callable[[Tensor, Tensor | None], Tensor]  # (N, *sample_shape), (N, …) -> (N // packing,)


class Reference:
    """Provide what metrics compare generated samples with: the real samples of `split`, and the discriminator, if any.

    Of a split with more than MAX_SAMPLES samples a selection is used, which depends on `seed`.
    """

    def __init__(
        self,
        data: Data,
        split: Split = "validation",
        discriminator_function: DiscriminatorFunction | None = None,
        seed: int = 0,
    ) -> None:
        self.data, self.split, self.discriminator_function, self.seed = data, split, discriminator_function, seed
        self._selections: dict[Split, Selection] = {}

    @property
    def selection(self) -> Selection:
        """Return the reference samples. Raises DataError if there are none."""
        selection = self.select(self.split)
        if not len(selection):
            others = ", ".join(f"split={split}" for split in get_args(Split) if len(self.select(split)))
            raise DataError(f"split={self.split}: this split of the data is empty; use {others}")
        return selection

    def select(self, split: Split) -> Selection:
        """Return the samples of any split, selected like the reference samples."""
        if split not in self._selections:
            source: Source = getattr(self.data.splits, split)
            self._selections[split] = Selection(source, reference_size(source), self.seed)
        return self._selections[split]

    def floor_split(self, uses_train_split: bool) -> Split:
        """Return the split whose real samples give a metric's floor: train, or a held-out one other than the reference split.

        The latter is for a metric that itself uses training samples, and for a comparison with the training split.
        """
        if self.split != "train" and not uses_train_split:
            return "train"
        return "test" if self.split == "validation" else "validation"

    def floor(self, uses_train_split: bool, n: int) -> Selection:
        """Return n samples of the split that `floor_split` names, or all if there are fewer."""
        source: Source = getattr(self.data.splits, self.floor_split(uses_train_split))
        return Selection(source, n, self.seed)

    def samples(self, n: int | None = None) -> Batch:
        """Return all reference samples, or the n first of their random order."""
        batches = list(self.selection.batches()) if n is None else [self.selection.part(0, n)]
        conditions = [batch.condition for batch in batches if batch.condition is not None]
        return Batch(torch.cat([batch.real for batch in batches]), torch.cat(conditions) if conditions else None)

    def reading(self, feature: Feature) -> Reading:
        """Return the extractor's features and logits of all reference samples, in their random order."""
        return read_features(self.selection, feature)

    def features(self, feature: Feature) -> Tensor:  # -> (N, F)
        """Return the features of all reference samples, in their random order: any beginning of them is a random selection."""
        return self.reading(feature).features


def reference_size(source: object) -> int:
    """Return how many samples of a source are used: at most 50 000, or 10 000 of a source without a length."""
    return min(len(source), MAX_SAMPLES) if isinstance(source, Sized) else ENDLESS_SAMPLES


def read_features(selection: Selection, feature: Feature) -> Reading:
    """Return the features and logits of the selected samples, from the cache if possible. Raises DataError.

    They are extracted and cached in the source's own order, so that all seeds share one file where all samples are selected.
    """
    ordered, place = selection.in_index_order()
    reading = _read_in_order(ordered, feature)
    return Reading(reading.features[place], tuple(logits[place] for logits in reading.logits))


def _read_in_order(selection: Selection, feature: Feature) -> Reading:
    threads = torch.get_num_threads()  # features of one number of threads may be rounded otherwise than those of another
    fingerprint = hashlib.sha256(f"{FORMAT} {feature.name} {feature.resizer} {threads}".encode())
    for batch in selection.batches():
        fingerprint.update(batch.real.contiguous().numpy().data)
    folder = cache_folder() / "reference"
    path = folder / f"{fingerprint.hexdigest()}.safetensors"
    if (cached := load_reading(path, len(selection))) is not None:
        return cached
    if not is_writable(folder):
        raise DataError(f"{CACHE_VARIABLE}: {folder} can't be written; set {CACHE_VARIABLE}=FOLDER")
    with FileLock(path.with_suffix(".lock")):
        if (cached := load_reading(path, len(selection))) is not None:  # written during the wait for the lock
            return cached
        parts = [feature(batch.real) for batch in selection.batches()]
        logits = tuple(torch.cat(factor).contiguous() for factor in zip(*(part.logits for part in parts), strict=True))
        features = torch.cat([part.features for part in parts]).contiguous()
        tensors = {"features": features} | {f"logits.{i:03d}": x for i, x in enumerate(logits)}
        atomic.write_bytes(path, save(tensors, {"checksum": checksum(tensors)}))
    return Reading(features, logits)


def load_reading(path: Path, n: int | None = None) -> Reading | None:
    """Return the cached features and logits, of `n` samples if given; None if the file is missing or damaged by one bit."""
    try:
        require_regular(path)
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
            metadata = file.metadata() or {}
    except (OSError, SafetensorError):
        return None
    if metadata.get("checksum") != checksum(tensors) or "features" not in tensors:
        return None
    n = len(tensors["features"]) if n is None else n
    if any(x.dim() != 2 or len(x) != n or not x.is_floating_point() for x in tensors.values()):
        return None
    return Reading(tensors.pop("features"), tuple(tensors[name] for name in sorted(tensors)))


def checksum(tensors: dict[str, Tensor]) -> str:  # name → (…)
    """Return a hash of the tensors' names, shapes and bytes: safetensors has none of its own."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {list(tensors[name].shape)} {tensors[name].dtype}".encode())
        digest.update(tensors[name].contiguous().numpy().data)
    return digest.hexdigest()
