"""Reference samples: the real samples of one split, and an extractor's features of them.

Features are cached on disk under a fingerprint of the samples' bytes and the extractor's name, so that a sweep extracts them
once: the first job writes the file while the others wait for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sized
from pathlib import Path
from typing import Literal

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from gan_lightning.data.base import Data, DataError
from gan_lightning.data.stream import Source
from gan_lightning.metric.feature.base import Feature, Reading
from gan_lightning.step.types import Batch
from gan_lightning.storage import atomic
from gan_lightning.storage.home import CACHE_VARIABLE, cache_folder, is_writable

FORMAT = 1  # of the cached files; part of the fingerprint
BATCH_SIZE = 500
MAX_SAMPLES = 50_000
ENDLESS_SAMPLES = 10_000  # of a source without a length

Split = Literal["train", "validation", "test"]
DiscriminatorFunction = Callable[[Tensor, Tensor | None], Tensor]  # (N, *sample_shape), (N,) -> logits (N // packing,)


class Reference:
    """Provide what metrics compare generated samples with: the real samples of `split`, and the discriminator, if any."""

    def __init__(
        self, data: Data, split: Split = "validation", discriminator_function: DiscriminatorFunction | None = None
    ) -> None:
        self.data, self.split, self.discriminator_function = data, split, discriminator_function

    @property
    def source(self) -> Source:
        """Return the source of the reference samples."""
        source: Source = getattr(self.data.splits, self.split)
        return source

    @property
    def floor_source(self) -> Source:
        """Return a held-out split other than the reference split, on which a metric's floor is measured."""
        return self.data.splits.test if self.split == "validation" else self.data.splits.validation

    def samples(self, n: int | None = None) -> Batch:
        """Return all reference samples in order, or n evenly spaced ones."""
        return gather_samples(self.source, n)

    def reading(self, feature: Feature) -> Reading:
        """Return the extractor's features and logits of all reference samples."""
        return read_features(self.source, feature)

    def features(self, feature: Feature) -> Tensor:  # -> (N, F)
        """Return the features of all reference samples."""
        return self.reading(feature).features


def reference_size(source: object) -> int:
    """Return how many samples of a source are used: at most 50 000, or 10 000 of a source without a length."""
    return min(len(source), MAX_SAMPLES) if isinstance(source, Sized) else ENDLESS_SAMPLES


def iterate_batches(source: Source, n: int | None = None) -> Iterator[Batch]:
    """Yield the first n samples in batches; None: all that `reference_size` counts."""
    total = reference_size(source) if n is None else n
    for start in range(0, total, BATCH_SIZE):
        yield source.part(start, min(BATCH_SIZE, total - start))


def gather_samples(source: Source, n: int | None = None) -> Batch:
    """Return n samples in one batch: evenly spaced, because a folder is sorted by class, or the first of an endless source.

    None: all that `reference_size` counts.
    """
    total = reference_size(source) if n is None or isinstance(source, Sized) else n
    size = min(n or total, total)
    positions = torch.arange(size) * total // size
    real: list[Tensor] = []
    labels: list[Tensor] = []
    for i, batch in enumerate(iterate_batches(source, total)):
        chosen = positions[(positions >= i * BATCH_SIZE) & (positions < (i + 1) * BATCH_SIZE)] - i * BATCH_SIZE
        real.append(batch.real[chosen])
        if batch.labels is not None:
            labels.append(batch.labels[chosen])
    return Batch(torch.cat(real), torch.cat(labels) if labels else None)


def read_features(source: Source, feature: Feature) -> Reading:
    """Return the features and logits of a source's samples, from the cache if possible. Raises DataError."""
    fingerprint = hashlib.sha256(f"{FORMAT} {feature.name} {feature.resizer}".encode())
    for batch in iterate_batches(source):
        fingerprint.update(batch.real.contiguous().numpy().data)
    folder = cache_folder() / "reference"
    path = folder / f"{fingerprint.hexdigest()}.safetensors"
    if (cached := load_reading(path)) is not None:
        return cached
    if not is_writable(folder):
        raise DataError(f"{CACHE_VARIABLE}: {folder} can't be written; set {CACHE_VARIABLE}=FOLDER")
    with FileLock(path.with_suffix(".lock")):
        if (cached := load_reading(path)) is not None:  # written by another process during the wait for the lock
            return cached
        parts = [feature(batch.real) for batch in iterate_batches(source)]
        logits = tuple(torch.cat(factor).contiguous() for factor in zip(*(part.logits for part in parts), strict=True))
        features = torch.cat([part.features for part in parts]).contiguous()
        atomic.write_bytes(path, save({"features": features} | {f"logits.{i:03d}": x for i, x in enumerate(logits)}))
    return Reading(features, logits)


def load_reading(path: Path) -> Reading | None:
    """Return the cached features and logits; None if the file is missing or damaged."""
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError):
        return None
    return Reading(tensors.pop("features"), tuple(tensors[name] for name in sorted(tensors)))
