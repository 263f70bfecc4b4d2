"""Corrupt real samples on purpose, measure which scores detect it, and write docs/sabotage.md.

python scripts/sabotage.py [--table]

Real samples are split into training samples, reference samples, and a pool from which DRAWS + 1 sets are drawn. A score detects
a corruption if its number is more than THRESHOLD standard deviations away from the mean over DRAWS sets. The last set is the
control, which no score may report, and it is the set that is corrupted. `--table` only prints. Takes a minute on one thread.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from gan_lightning.data.base import Data, Splits, SplitSizes
from gan_lightning.data.digits import Digits
from gan_lightning.data.ring import Ring
from gan_lightning.data.store import Store
from gan_lightning.metric.base import GenerativeMetric
from gan_lightning.metric.class_accuracy import ClassAccuracy
from gan_lightning.metric.distance import Distance
from gan_lightning.metric.factor_coverage import FactorCoverage
from gan_lightning.metric.feature.base import Feature
from gan_lightning.metric.feature.digits import Digits as DigitsFeature
from gan_lightning.metric.feature.raw import Raw
from gan_lightning.metric.fid import FID
from gan_lightning.metric.inception_score import InceptionScore
from gan_lightning.metric.kid import KID
from gan_lightning.metric.mode_coverage import ModeCoverage
from gan_lightning.metric.nearest_neighbour import NearestNeighbour
from gan_lightning.metric.precision_recall import PrecisionRecall
from gan_lightning.metric.reference import Reference
from gan_lightning.step.types import Batch

PAGE = Path(__file__).resolve().parent.parent / "docs" / "sabotage.md"
THRESHOLD = 4  # standard deviations
DRAWS = 20
CONTROL = "real, another draw"
REMOVED = 3  # the class or mode that one corruption removes

HEAD = """# What the scores detect

`python scripts/sabotage.py` writes this page; no figure was entered by hand. Real samples were corrupted on purpose
and scored like generated ones. The first row is the mean ± standard deviation over {draws} draws of real samples. A
number in **bold** is more than {threshold} of these standard deviations away from that mean, so the score detects the
corruption. No score detects all of them.
"""


class Bench(NamedTuple):
    """Hold draws of real samples, the corrupted ones, and the scores that measure them."""

    title: str
    text: str
    scores: list[GenerativeMetric]
    draws: list[Batch]
    spoilt: dict[str, Batch]


class Resplit(Data):
    """Provide given samples as the splits, with the shape and the classes of other data."""

    def __init__(self, data: Data, train: Batch, held_out: Batch) -> None:
        super().__init__(sample_shape=data.sample_shape, num_classes=data.num_classes)
        self.train, self.held_out = train, held_out

    def count(self) -> SplitSizes:
        return SplitSizes(len(self.train.real), len(self.held_out.real), len(self.held_out.real))

    def load(self) -> Splits:
        train, held_out = (Store(x.numpy(), None if y is None else y.numpy()) for x, y in (self.train, self.held_out))
        return Splits(train, held_out, held_out)


def feature_scores(feature: Feature) -> list[GenerativeMetric]:
    """Return the scores that fit any data."""
    return [FID(feature), KID(feature), PrecisionRecall(feature), NearestNeighbour(feature)]


def corrupt(
    draw: Batch, spare: Batch, train: Batch, modes: tuple[Tensor, Tensor], centres: Tensor, size: float
) -> dict[str, Batch]:  # modes (N,), (M,), centres (modes, *sample_shape)
    """Return the corruptions that apply to any data, by name.

    `spare` is another draw, `modes` are the classes or modes of the samples of both draws, and `size` is the size of the noise
    and of the shift.
    """
    mode, spare_mode = modes
    samples, labels = draw
    noise = torch.randn(samples.shape, generator=torch.Generator().manual_seed(0))
    remaining, n = mode != REMOVED, len(samples)
    missing = n - int(remaining.sum())
    fill = spare.real[spare_mode != REMOVED][:missing]
    if labels is None or spare.condition is None:
        remaining_labels = None
    else:
        remaining_labels = torch.cat([labels[remaining], spare.condition[spare_mode != REMOVED][:missing]])
    return {
        "without one class or mode": Batch(torch.cat([samples[remaining], fill]), remaining_labels),
        "copies of training samples": Batch(train.real[:n], None if train.condition is None else train.condition[:n]),
        "half the variance": Batch(centres[mode] + (samples - centres[mode]) / math.sqrt(2), labels),
        "noise": Batch(samples + size * noise, labels),
        "mean shifted": Batch(samples + size, labels),
    }


def digits() -> Bench:
    """Return the digits: all 1797, shuffled, so that training and held-out samples have the same distribution."""
    data = Digits(sample_shape=(1, 8, 8), num_classes=10)
    parts = [split.part(0, 2000) for split in data.splits]
    samples, labels = torch.cat([p.real for p in parts]), torch.cat([p.condition for p in parts if p.condition is not None])
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(samples), generator=generator)
    train, held_out = (Batch(samples[i], labels[i]) for i in (order[:300], order[300:600]))
    choices = [order[600:][torch.randperm(len(order) - 600, generator=generator)[:200]] for _ in range(DRAWS + 1)]
    draws = [Batch(samples[i], labels[i]) for i in choices]
    centres = torch.stack([samples[labels == k].mean(0) for k in range(10)])
    control = choices[DRAWS]
    spare = order[600:][~torch.isin(order[600:], control)][:200]
    spoilt = corrupt(draws[DRAWS], Batch(samples[spare], labels[spare]), train, (labels[control], labels[spare]), centres, 0.3)
    spoilt["labels shuffled"] = Batch(samples[control], labels[control][torch.randperm(200, generator=generator)])
    feature = DigitsFeature()
    class_scores = [ClassAccuracy(feature, control=DigitsFeature("dense")), FactorCoverage(feature), InceptionScore(feature)]
    scores: list[GenerativeMetric] = [*feature_scores(feature), *class_scores]
    for score in scores:
        score.set_reference(Reference(Resplit(data, train, held_out), "test"))
    text = (
        "8×8 digits, `feature=digits`; 200 samples per draw, 300 reference and 300 training samples.\n"
        "The noise has a standard deviation of 0.3, and the shift is 0.3, for values in [-1, 1]."
    )
    return Bench("Digits", text, scores, draws, spoilt)


def ring(n: int = 2500) -> Bench:
    """Return eight Gaussians, with noise and shift of the size of their standard deviation."""
    data = Ring(sample_shape=(2,), num_classes=0)
    points = data.splits.train.part(0, n * (DRAWS + 3)).real
    train, held_out, *draws = (Batch(x, None) for x in points.split(n))  # type: ignore[no-untyped-call]
    draw, spare = draws[DRAWS], draws[0]
    mode, spare_mode = (torch.cdist(x.real, data.modes).argmin(1) for x in (draw, spare))
    spoilt = corrupt(draw, spare, train, (mode, spare_mode), data.modes, data.std)
    mode_scores: list[GenerativeMetric] = [ModeCoverage(), Distance()]
    other_scores = feature_scores(Raw())
    for score in mode_scores:
        score.set_reference(Reference(data, "test"))
    for score in other_scores:
        score.set_reference(Reference(Resplit(data, train, held_out), "test"))
    text = (
        f"`data=ring`, `feature=raw`; {n} samples per draw, {n} reference and {n} training samples.\n"
        "Noise and shift have the size of one standard deviation of a mode."
    )
    return Bench("Ring", text, [*mode_scores, *other_scores], draws, spoilt)


def numbers(bench: Bench, batch: Batch) -> dict[str, float]:
    """Return all numbers that the scores compute for these samples."""
    values: dict[str, float] = {}
    for score in bench.scores:
        score.reset()
        score.update(*batch)
        values |= {key: float(value) for key, value in score.compute().items()}
    return values


def noticed(real: list[dict[str, float]], other: Mapping[str, float]) -> set[str]:
    """Return the names of the numbers that differ from those of the real draws by more than THRESHOLD deviations."""
    names = set()
    for key, value in other.items():
        real_values = [row[key] for row in real]
        if not abs(value - statistics.fmean(real_values)) <= THRESHOLD * statistics.stdev(real_values) + 1e-6:
            names.add(key)
    return names


def tried(bench: Bench) -> tuple[list[dict[str, float]], dict[str, dict[str, float]]]:
    """Return the numbers of DRAWS real draws, and those of the control and each corruption, by name."""
    others = {CONTROL: bench.draws[DRAWS]} | bench.spoilt
    return [numbers(bench, draw) for draw in bench.draws[:DRAWS]], {name: numbers(bench, x) for name, x in others.items()}


def page(bench: Bench) -> str:
    """Return a section of the page: its text and one table."""
    real, others = tried(bench)
    keys = list(real[0])
    first = [f"{statistics.fmean(r[k] for r in real):.3g} ± {statistics.stdev(r[k] for r in real):.1g}" for k in keys]
    rows = [["real", *first]]
    for name, values in others.items():
        detected = noticed(real, values)
        rows.append([name, *(f"**{values[k]:.3g}**" if k in detected else f"{values[k]:.3g}" for k in keys)])
    lines = ["| | " + " | ".join(f"`{k}`" for k in keys) + " |", "|---|" + "---|" * len(keys)]
    return "\n".join([f"## {bench.title}", "", bench.text, "", *lines, *("| " + " | ".join(row) + " |" for row in rows)])


def main() -> None:
    """Print the page, and write it unless --table is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the page without writing it")
    only_print = parser.parse_args().table
    torch.set_num_threads(1)
    text = "\n\n".join([HEAD.format(threshold=THRESHOLD, draws=DRAWS).rstrip(), page(digits()), page(ring())]) + "\n"
    print(text)
    if not only_print:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
