"""Spoil real samples on purpose, see which scores notice, and write docs/sabotage.md.

python scripts/sabotage.py [--table]

Real samples are split into training samples, reference, and a pool that DRAWS + 1 sets are drawn from. A score notices a
sabotage if its number lies more than FAR standard deviations from the mean of DRAWS sets; the last set is the control, which
none should notice, and what is spoilt. `--table` only prints. A minute on one thread.
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

from gan_lightning.data.base import Data, Splits
from gan_lightning.data.digits import Digits
from gan_lightning.data.ring import Ring
from gan_lightning.data.store import Store
from gan_lightning.metric.base import GenerativeMetric
from gan_lightning.metric.class_accuracy import ClassAccuracy
from gan_lightning.metric.distance import Distance
from gan_lightning.metric.factor_coverage import FactorCoverage
from gan_lightning.metric.feature.base import Feature
from gan_lightning.metric.feature.digits import Digits as Reader
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
FAR = 4  # standard deviations
DRAWS = 20
CONTROL = "real, another draw"

HEAD = """# What the scores see

Written by `python scripts/sabotage.py`; no figure here was typed. Real samples were spoilt on purpose and scored like
generated ones. The first row is the mean ± standard deviation of {draws} draws of real samples; a number in **bold** lies more
than {far} of those deviations from that mean: the score saw the sabotage. No score sees all of them.
"""


class Bench(NamedTuple):
    """Real draws, spoilt ones, and who looks at them."""

    title: str
    text: str
    scores: list[GenerativeMetric]
    draws: list[Batch]
    spoilt: dict[str, Batch]


class Given(Data):
    """Data of another kind, split otherwise."""

    def __init__(self, like: Data, train: Batch, held_out: Batch) -> None:
        super().__init__(sample_shape=like.sample_shape, num_classes=like.num_classes)
        self.train, self.held_out = train, held_out

    def count(self) -> int:
        return len(self.train.real)

    def load(self) -> Splits:
        train, held_out = (Store(x.numpy(), None if y is None else y.numpy()) for x, y in (self.train, self.held_out))
        return Splits(train, held_out, held_out)


def compared(feature: Feature) -> list[GenerativeMetric]:
    """The scores that any data have."""
    return [FID(feature), KID(feature), PrecisionRecall(feature), NearestNeighbour(feature)]


def spoil(
    draw: Batch, spare: Batch, train: Batch, kinds: tuple[Tensor, Tensor], centres: Tensor, size: float
) -> dict[str, Batch]:
    """What any data can suffer; `kinds` are the classes or modes of both draws, `size` that of a noise which matters."""
    kind, spare_kind = kinds
    samples, labels = draw
    noise = torch.randn(samples.shape, generator=torch.Generator().manual_seed(0))
    kept, n = kind != 3, len(samples)
    others = spare.real[spare_kind != 3][: n - int(kept.sum())]
    fill = None if labels is None or spare.labels is None else spare.labels[spare_kind != 3][: n - int(kept.sum())]
    rest = None if labels is None or fill is None else torch.cat([labels[kept], fill])
    return {
        "without one class or mode": Batch(torch.cat([samples[kept], others]), rest),
        "copies of training samples": Batch(train.real[:n], None if train.labels is None else train.labels[:n]),
        "half the variance": Batch(centres[kind] + (samples - centres[kind]) / math.sqrt(2), labels),
        "noise": Batch(samples + size * noise, labels),
        "mean shifted": Batch(samples + size, labels),
    }


def digits() -> Bench:
    """All 1797, shuffled, so that nothing tells training from held-out ones but who holds them."""
    data = Digits(sample_shape=(1, 8, 8), num_classes=10)
    parts = [split.part(0, 2000) for split in data.splits]
    samples, labels = torch.cat([p.real for p in parts]), torch.cat([p.labels for p in parts if p.labels is not None])
    source = torch.Generator().manual_seed(0)
    order = torch.randperm(len(samples), generator=source)
    train, held_out = (Batch(samples[i], labels[i]) for i in (order[:300], order[300:600]))
    choices = [order[600:][torch.randperm(len(order) - 600, generator=source)[:200]] for _ in range(DRAWS + 1)]
    draws = [Batch(samples[i], labels[i]) for i in choices]
    centres = torch.stack([samples[labels == k].mean(0) for k in range(10)])
    chosen = choices[DRAWS]
    others = order[600:][~torch.isin(order[600:], chosen)][:200]
    spoilt = spoil(draws[DRAWS], Batch(samples[others], labels[others]), train, (labels[chosen], labels[others]), centres, 0.3)
    spoilt["labels shuffled"] = Batch(samples[chosen], labels[chosen][torch.randperm(200, generator=source)])
    feature = Reader()
    asked = [ClassAccuracy(feature, control=Reader("dense")), FactorCoverage(feature), InceptionScore(feature)]
    scores: list[GenerativeMetric] = [*compared(feature), *asked]
    for score in scores:
        score.set_reference(Reference(Given(data, train, held_out), "test"))
    text = (
        "8×8 digits, `feature=digits`; 200 samples a draw, 300 reference and 300 training samples. "
        "Noise and shift are 0.3 of [-1, 1]."
    )
    return Bench("Digits", text, scores, draws, spoilt)


def ring(n: int = 2500) -> Bench:
    """Eight Gaussians; noise and shift are as large as their standard deviation."""
    data = Ring(sample_shape=(2,), num_classes=0)
    points = data.splits.train.part(0, n * (DRAWS + 3)).real
    train, held_out, *draws = (Batch(x, None) for x in points.split(n))  # type: ignore[no-untyped-call]
    draw, spare = draws[DRAWS], draws[0]
    mode, spare_mode = (torch.cdist(x.real, data.modes).argmin(1) for x in (draw, spare))
    spoilt = spoil(draw, spare, train, (mode, spare_mode), data.modes, data.std)
    known: list[GenerativeMetric] = [ModeCoverage(), Distance()]
    others = compared(Raw())
    for score in known:
        score.set_reference(Reference(data, "test"))
    for score in others:
        score.set_reference(Reference(Given(data, train, held_out), "test"))
    text = (
        f"`data=ring`, `feature=raw`; {n} samples a draw, {n} reference and {n} training samples. "
        "Noise and shift are one standard deviation of a mode."
    )
    return Bench("Ring", text, [*known, *others], draws, spoilt)


def numbers(bench: Bench, batch: Batch) -> dict[str, float]:
    """All that the scores say of these samples."""
    found: dict[str, float] = {}
    for score in bench.scores:
        score.reset()
        score.update(*batch)
        found |= {key: float(value) for key, value in score.compute().items()}
    return found


def noticed(real: list[dict[str, float]], other: Mapping[str, float]) -> set[str]:
    """The numbers that lie outside of real draws' spread."""
    found = set()
    for key, value in other.items():
        known = [row[key] for row in real]
        if not abs(value - statistics.fmean(known)) <= FAR * statistics.stdev(known) + 1e-6:
            found.add(key)
    return found


def tried(bench: Bench) -> tuple[list[dict[str, float]], dict[str, dict[str, float]]]:
    """The numbers of five real draws, and of the control and each sabotage."""
    others = {CONTROL: bench.draws[DRAWS]} | bench.spoilt
    return [numbers(bench, draw) for draw in bench.draws[:DRAWS]], {name: numbers(bench, x) for name, x in others.items()}


def page(bench: Bench) -> str:
    """One table in Markdown."""
    real, others = tried(bench)
    keys = list(real[0])
    first = [f"{statistics.fmean(r[k] for r in real):.3g} ± {statistics.stdev(r[k] for r in real):.1g}" for k in keys]
    rows = [["real", *first]]
    for name, found in others.items():
        seen = noticed(real, found)
        rows.append([name, *(f"**{found[k]:.3g}**" if k in seen else f"{found[k]:.3g}" for k in keys)])
    lines = ["| | " + " | ".join(f"`{k}`" for k in keys) + " |", "|---|" + "---|" * len(keys)]
    return "\n".join([f"## {bench.title}", "", bench.text, "", *lines, *("| " + " | ".join(row) + " |" for row in rows)])


def main() -> None:
    """Print both tables, and keep them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="only print")
    only_print = parser.parse_args().table
    torch.set_num_threads(1)
    text = "\n\n".join([HEAD.format(far=FAR, draws=DRAWS).rstrip(), page(digits()), page(ring())]) + "\n"
    print(text)
    if not only_print:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
