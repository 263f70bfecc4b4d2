"""Compare a run's drawn faces with real ones: which parts are drawn, which are read with confidence, and a picture of both.

python scripts/compare_drawn_faces.py RUN_DIR [--num 10000] [--out faces.png]

A value of a part counts if at least 2 % of the training faces have it. It is drawn if a face whose every part is read with more
than CONFIDENCE has it, as in metric=factor_coverage. The picture has real test faces on the left and the same number of
generated ones on the right, neither selected.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_lightning.config.instantiate import build_data
from gan_lightning.config.validate import validate
from gan_lightning.data.base import Data
from gan_lightning.data.format.picture import save_image
from gan_lightning.gan import GAN
from gan_lightning.metric.evaluation import GeneratedSamples
from gan_lightning.metric.factor_coverage import CONFIDENCE
from gan_lightning.metric.feature.drawn_faces import VALUES, DrawnFaces
from gan_lightning.metric.reference import Reference
from gan_lightning.run.directory import Run
from gan_lightning.step.seeding import Purpose
from gan_lightning.training.restore import load_gan

MIN_SHARE = 0.02  # of the training faces
ROWS, COLUMNS, GAP, BATCH = 6, 6, 10, 500


def generate(gan: GAN, data: Data, num: int) -> Tensor:  # -> (num, 3, S, S)
    """Return generated faces, the ones that gan-evaluate draws."""
    source = GeneratedSamples(gan, data.conditions, 0, Purpose.REPORT)
    return torch.cat([source.part(start, min(BATCH, num - start)).real for start in range(0, num, BATCH)])


@torch.inference_mode()
def read(feature: DrawnFaces, faces: Tensor) -> tuple[Tensor, Tensor]:  # (N, 3, S, S) -> (N, parts), (N, parts) bool
    """Return the most likely value of each part, and whether it is read with confidence."""
    parts = [feature(batch).logits for batch in torch.split(faces, BATCH)]
    best = [torch.cat(logits).softmax(1).max(1) for logits in zip(*parts, strict=True)]
    return torch.stack([value for _, value in best], 1), torch.stack([p > CONFIDENCE for p, _ in best], 1)


def report(shares: list[Tensor], generated: tuple[Tensor, Tensor], real: tuple[Tensor, Tensor]) -> list[str]:
    """Return a line for each part, and one for whole faces; `shares` are those of the values in the training faces."""
    values, sure = generated
    drawn_in = values[sure.all(1)]
    lines = []
    for k, (part, names) in enumerate(VALUES.items()):
        counted = [i for i in range(len(names)) if shares[k][i] >= MIN_SHARE]
        drawn = set(drawn_in[:, k].tolist())
        missing = [names[i] for i in counted if i not in drawn]
        lines.append(
            f"{part}: {len(counted) - len(missing)} of {len(counted)} values drawn"
            f"{', missing ' + ' '.join(missing) if missing else ''}; read with confidence: "
            f"generated {sure[:, k].float().mean():.3f}, real {real[1][:, k].float().mean():.3f}"
        )
    return [
        *lines,
        f"all parts with confidence: generated {sure.all(1).float().mean():.3f}, real {real[1].all(1).float().mean():.3f}",
    ]


def side_by_side(data: Data, real: Tensor, generated: Tensor) -> np.ndarray:  # (N, 3, S, S) twice -> (height, width, 3) uint8
    """Return a picture of both, real faces on the left."""
    left, right = (data.render(faces[: ROWS * COLUMNS], COLUMNS) for faces in (real, generated))
    return np.concatenate([left, np.full((len(left), GAP, 3), 255, np.uint8), right], axis=1)


def main() -> None:
    """Print the report, and write the picture if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--num", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    gan, step = load_gan(Run(arguments.run))
    data = build_data(validate(Run(arguments.run).config))
    feature = DrawnFaces()
    train = [logits.argmax(1) for logits in Reference(data, "train").reading(feature).logits]
    shares = [x.bincount(minlength=len(names)) / len(x) for x, names in zip(train, VALUES.values(), strict=True)]
    faces = generate(gan, data, arguments.num)
    held_out = Reference(data, "test").samples().real
    print(f"step {step}, {len(faces):,} generated faces, {len(held_out):,} real test faces")
    print("\n".join(report(shares, read(feature, faces), read(feature, held_out))))
    if arguments.out is not None:
        shown = torch.randperm(len(faces), generator=torch.Generator().manual_seed(0))  # not in the order of the classes
        save_image(side_by_side(data, held_out, faces[shown]), arguments.out)


if __name__ == "__main__":
    main()
