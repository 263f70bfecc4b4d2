"""The real side of a score: one split of the data, the training samples, and what an extractor says of them.

Readings are kept on disk under a fingerprint of the samples' bytes and the extractor's name, so that a sweep computes them
once: the first job writes, others wait for it or find the file whole.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sized
from pathlib import Path
from typing import Literal

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from gan_lightning.data.base import Data
from gan_lightning.data.stream import Source
from gan_lightning.metric.feature.base import Feature, Reading
from gan_lightning.step.types import Batch
from gan_lightning.storage import atomic

CACHE = "~/.cache/gan_lightning"
FORMAT = 1  # of the files; part of the fingerprint
PART = 500
MOST = 50_000  # reference samples
DRAWN = 10_000  # of a source that does not end

Split = Literal["train", "validation", "test"]
DiscriminatorFunction = Callable[[Tensor, Tensor | None], Tensor]  # samples, labels -> D's logits


class Reference:
    """Real samples of `split`; `judge` is the discriminator's word on a batch, None where there is no discriminator."""

    def __init__(self, data: Data, split: Split = "validation", judge: DiscriminatorFunction | None = None) -> None:
        self.data, self.split, self.judge = data, split, judge

    @property
    def source(self) -> Source:
        """Where the reference samples come from."""
        found: Source = getattr(self.data.splits, self.split)
        return found

    @property
    def floor(self) -> Source:
        """Held-out real samples beside the reference split."""
        return self.data.splits.test if self.split == "validation" else self.data.splits.validation

    def real(self, n: int | None = None) -> Batch:
        """The reference samples in their order, or n of them at even distances: a folder's stand class by class."""
        return gather_samples(self.source, n)

    def train(self, n: int | None = None) -> Batch:
        """Training samples, likewise."""
        return gather_samples(self.data.splits.train, n)

    def reading(self, feature: Feature) -> Reading:
        """What an extractor says of the reference samples."""
        return read_features(self.source, feature)

    def features(self, feature: Feature) -> Tensor:  # -> (N, F)
        """The features alone."""
        return self.reading(feature).features

    def train_features(self, feature: Feature) -> Tensor:  # -> (N, F)
        """Those of training samples."""
        return read_features(self.data.splits.train, feature).features


def reference_size(source: object) -> int:
    """How many samples of a source are looked at."""
    return min(len(source), MOST) if isinstance(source, Sized) else DRAWN


def iterate_batches(source: Source, n: int | None = None) -> Iterator[Batch]:
    """All samples that are looked at, or the first n, a part at a time."""
    total = reference_size(source) if n is None else n
    for start in range(0, total, PART):
        yield source.part(start, min(PART, total - start))


def gather_samples(source: Source, n: int | None = None) -> Batch:
    """All of them in one batch, or n."""
    total = reference_size(source) if n is None or isinstance(source, Sized) else n
    chosen = torch.arange(min(n or total, total)) * total // min(n or total, total)
    real: list[Tensor] = []
    labels: list[Tensor] = []
    for i, batch in enumerate(iterate_batches(source, total)):
        here = chosen[(chosen >= i * PART) & (chosen < (i + 1) * PART)] - i * PART
        real.append(batch.real[here])
        if batch.labels is not None:
            labels.append(batch.labels[here])
    return Batch(torch.cat(real), torch.cat(labels) if labels else None)


def read_features(source: Source, feature: Feature) -> Reading:
    """The reading of a whole source, from the cache if it is there."""
    told = hashlib.sha256(f"{FORMAT} {feature.name} {feature.resizer}".encode())
    for batch in iterate_batches(source):
        told.update(batch.real.contiguous().numpy().data)
    folder = Path(os.environ.get("GAN_LIGHTNING_CACHE") or CACHE).expanduser() / "reference"
    path = folder / f"{told.hexdigest()}.safetensors"
    if (known := load_reading(path)) is not None:
        return known
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if (known := load_reading(path)) is not None:  # another process was here
            return known
        said = [feature(batch.real) for batch in iterate_batches(source)]
        logits = tuple(torch.cat(factor).contiguous() for factor in zip(*(r.logits for r in said), strict=True))
        found = Reading(torch.cat([r.features for r in said]).contiguous(), logits)
        atomic.write_bytes(path, save({"features": found.features} | {f"logits.{i:03d}": x for i, x in enumerate(logits)}))
    return found


def load_reading(path: Path) -> Reading | None:
    """A reading that was kept; None: there is none, or it is damaged."""
    try:
        held = load_file(path)
    except (OSError, SafetensorError):
        return None
    return Reading(held.pop("features"), tuple(held[name] for name in sorted(held)))
