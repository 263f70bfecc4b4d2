"""Measure the loading of a batch, beside torchvision's data sets in a DataLoader: suite `data`."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.report import Row, Suite
from benchmarks.timing import Variant, interleave, ratios, repeated, spread
from gan_lightning.data.image_folder import ImageFolder as OurImageFolder

BATCH, BATCHES, IMAGES, SIDE = 64, 16, 1024, 64


def data(rounds: int) -> list[Suite]:
    """Measure a folder of JPEG files of 96×96, resized to 64×64: one epoch, after the first has been cached."""
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "images" / "one")
        steps = [transforms.Resize(SIDE), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
        theirs = ImageFolder(str(Path(folder) / "images"), transforms.Compose(steps))
        loader = DataLoader(theirs, BATCH, shuffle=True, drop_last=True)
        ours = OurImageFolder(
            root=str(Path(folder) / "images"),
            cache=str(Path(folder) / "cache"),
            sample_shape=(3, SIDE, SIDE),
            num_classes=0,
            validation=0,
            test=0,
            batch_size=BATCH,
        )
        source = ours.splits.train
        memory = torch.stack([x for x, _ in theirs])
        shuffled = (memory[torch.randperm(IMAGES)[:BATCH]] for _ in itertools.count())
        variants = {
            "torchvision's ImageFolder in a DataLoader": batches(endless(loader)),
            "the same again (A/A)": batches(endless(loader)),
            "a float tensor in memory": batches(shuffled),
            "gan_lightning": batches(source.batch(0, i, BATCH) for i in itertools.count()),
        }
        times = interleave(variants, rounds)
    baseline = times["torchvision's ImageFolder in a DataLoader"]
    rows = [
        Row(name, ratios(t, baseline), {"samples/s": BATCH / spread([time.cpu for time in t]).median})
        for name, t in times.items()
    ]
    return [Suite("Data: a folder of JPEG files, 64×64, batch 64", "ImageFolder", rows)]


def write_images(folder: Path) -> None:
    """Write JPEG files of coloured noise."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for i in range(IMAGES):
        pixels = random.integers(0, 256, (12, 12, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(pixels).save(folder / f"{i}.jpg")


def endless(loader: DataLoader[Any]) -> Iterator[Any]:
    """Yield the batches of epoch after epoch."""
    while True:
        yield from loader


def batches(source: Iterator[Any]) -> Variant:
    """Return a variant that takes the next batches."""
    return repeated(lambda: next(source), BATCHES)
