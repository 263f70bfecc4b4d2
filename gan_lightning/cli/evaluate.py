"""gan-evaluate: how good are a run's samples, or a folder's; the protocol travels with the number."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from gan_lightning.cli.arguments import parse_arguments
from gan_lightning.cli.exit_codes import exit_codes, require_writable
from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.resolve import Plain

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from gan_lightning.data.base import Data
    from gan_lightning.data.stream import Source
    from gan_lightning.metric.base import GenerativeMetric
    from gan_lightning.metric.evaluation import SampleSource
    from gan_lightning.metric.reference import Reference


class Request(BaseModel):
    """Score a trained run, or one folder of images against another.

    gan-evaluate run=RUN_DIR [metric=[fid,…]] [feature=] [num=] [checkpoint=latest] [split=test] [seed=0] [weights=ema]
    gan-evaluate real=DIR fake=DIR [metric=[fid,kid,precision_recall]] [feature=inception] [num=] [shape=[C,H,W]] [out=]

    metric      options of conf/metric; without it, a run's own
    feature     an option of conf/feature, what samples are compared by; without it, a run's own
    num         generated samples; without it, what each metric's option says
    checkpoint  latest, best (by the run's objective on the validation split) or a step
    split       the real samples to compare with: test, validation or train
    seed        of the z: other ones than in training
    weights     ema: the running average's; raw: the generator's own
    batch_norm  running: by running statistics; batch: by those of 500 samples at a time
    out         where the scores go: RUN_DIR/scores.json, or for folders nowhere unless asked
    """

    run: Path | None = None
    real: Path | None = None
    fake: Path | None = None
    metric: list[str] | str | None = None
    feature: str | None = None
    num: Annotated[int, Field(ge=1)] | None = None
    checkpoint: str = "latest"
    split: Literal["test", "validation", "train"] = "test"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    weights: Literal["ema", "raw"] = "ema"
    batch_norm: Literal["running", "batch"] = "running"
    shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=3, max_length=3)] | None = None
    out: Path | None = None


FOLDERS = ["fid", "kid", "precision_recall"]  # the scores of two folders, unless others are asked for


def main() -> None:
    """The console script."""
    with exit_codes():
        request: Request = parse_arguments(Request, sys.argv[1:])
        if request.run is not None and (request.real or request.fake):
            raise UserError("run=, real=: score a run, or a folder against another; not both")
        if request.run is None and not (request.real and request.fake):
            raise UserError("run=: missing; give run=RUN_DIR, or real=DIR and fake=DIR")
        found, out = evaluate_run(request) if request.run is not None else evaluate_folders(request)
        print(score_table(found))
        if out is not None:
            from gan_lightning.storage.atomic import write_text

            write_text(out, json.dumps(found, indent=2) + "\n")
            print(f"\n{out}")


def evaluate_run(request: Request) -> tuple[Plain, Path]:
    """The scores of a run's generator at a checkpoint, and where they go. Raises UserError."""
    from gan_lightning.config import instantiate
    from gan_lightning.metric.evaluation import GeneratedSamples, batch_norm_layers, discriminator_function
    from gan_lightning.metric.reference import Reference
    from gan_lightning.run.directory import Run
    from gan_lightning.step.seeding import Purpose
    from gan_lightning.training.restore import load_gan

    assert request.run is not None
    run = Run(request.run)
    out = request.out or run.path / "scores.json"
    require_writable(out, made=False)
    plain = select_metrics(run.config, request)
    gan, step = load_gan(run, request.checkpoint)
    data = instantiate.build_data(plain)
    scores = build_fitting_metrics(plain, data)
    source = GeneratedSamples(gan, data.num_classes, request.seed, Purpose.REPORT, request.weights, request.batch_norm)
    sampled = f"{request.batch_norm} statistics" if batch_norm_layers(source.network) else "none"
    who = {"run": str(run.path), "step": step, "seed": request.seed, "weights": request.weights, "batch_norm": sampled}
    reference = Reference(data, request.split, discriminator_function(gan))
    return score_samples(scores, source, reference, request.num, who), out


def evaluate_folders(request: Request) -> tuple[Plain, Path | None]:
    """The scores of one folder of images against another, and where they go. Raises UserError."""
    from gan_lightning.data.image_folder import ImageFolder
    from gan_lightning.metric.reference import Reference

    assert request.real is not None and request.fake is not None  # noqa: PT018
    for name, folder in (("real", request.real), ("fake", request.fake)):
        if not folder.is_dir():
            raise UserError(f"{name}={folder}: {'is a file' if folder.exists() else 'does not exist'}; give a folder of images")
    if request.out is not None:
        require_writable(request.out, made=False)
    shape = request.shape or first_image_shape(request.real)
    plain = select_metrics(Composer().compose(["metric=none", "feature=inception"]), request, FOLDERS)
    real, fake = (
        ImageFolder(root=str(root), validation=0.0, test=0.0, sample_shape=tuple(shape), num_classes=0)
        for root in (request.real, request.fake)
    )
    scores = build_fitting_metrics(plain, real)
    who = {"real": str(request.real), "fake": str(request.fake), "shape": shape}
    return score_samples(scores, load_split(fake, "train"), Reference(real, "train"), request.num, who), request.out


def first_image_shape(folder: Path) -> list[int]:
    """That of a folder's first image. Raises UserError."""
    from PIL import Image

    from gan_lightning.data.image_folder import list_images

    try:
        with Image.open(folder / list_images(folder)[0]) as first:
            return [1 if first.mode in ("1", "L", "I;16") else 3, first.height, first.width]
    except (IndexError, OSError) as error:
        why = "it holds no images" if isinstance(error, IndexError) else one_line(error)
        raise UserError(f"real={folder}: the size of its images can't be told ({why}); give shape=[C,H,W]") from None


def select_metrics(config: DictConfig, request: Request, otherwise: Sequence[str] = ()) -> Plain:
    """A config with the metrics and the extractor that were asked for, checked. Raises UserError."""
    from gan_lightning.config.validate import validate

    named = [request.metric] if isinstance(request.metric, str) else request.metric or list(otherwise)
    words = [f"metric=[{','.join(named)}]"] if named else []
    words += [f"feature={request.feature}"] if request.feature else []
    composed = Composer().compose(words)
    for group in [word.partition("=")[0] for word in words]:
        config[group] = composed[group]
    plain = validate(config)
    if not plain["metric"]:
        raise UserError("metric: this run was trained with metric=none; choose: metric=[…]")
    return plain


def build_fitting_metrics(plain: Plain, data: Data) -> dict[str, GenerativeMetric]:
    """The scores, not yet bound. Raises UserError, saying which do not fit and why."""
    from gan_lightning.config import instantiate

    scores = instantiate.build_metrics(plain)
    if lines := [f"metric.{name}: {why}" for name, score in scores.items() if (why := score.incompatibility(data))]:
        raise UserError(*lines)
    return scores


def load_split(data: Data, name: str) -> Source:
    """A split, loaded. Raises UserError."""
    from gan_lightning.data.base import DataError

    try:
        found: Source = getattr(data.splits, name)
    except DataError as error:
        raise UserError(*error.lines) from None
    return found


def score_samples(
    scores: dict[str, GenerativeMetric], source: SampleSource, reference: Reference, num: int | None, who: Plain
) -> Plain:
    """Each number beside the floor that real samples set, and all that it depends on. Raises UserError."""
    from gan_lightning.data.base import DataError
    from gan_lightning.metric.base import TooFewSamplesError
    from gan_lightning.metric.evaluation import evaluate_floor, evaluate_metrics
    from gan_lightning.metric.reference import reference_size
    from gan_lightning.run.provenance import provenance
    from gan_lightning.run.result import finite

    if reference.split == "train" and (aware := [name for name, score in scores.items() if score.uses_train_split]):
        raise UserError(f"metric={aware[0]}: compares training samples with held-out ones; use split=test or split=validation")
    feature = next((score.feature for score in scores.values() if hasattr(score, "feature")), None)
    try:
        for score in scores.values():
            score.num_samples = num or score.num_samples
            score.set_reference(reference)
        generated, real = evaluate_metrics(scores, source), evaluate_floor(scores, reference)
    except TooFewSamplesError as error:
        raise UserError(str(error)) from None
    except DataError as error:
        raise UserError(*error.lines) from None
    floored = {name for score in scores.values() for name in score.nonzero_floor}
    rows = {
        name: {"generated": value}
        | ({"real": real[name]} if name in real else {})
        | ({"excess": value - real[name]} if name in floored and name in real else {})
        for name, value in generated.items()
    }
    return finite(
        {
            "scores": rows,
            "protocol": who
            | {
                "samples": {name: score.num_samples for name, score in scores.items()},
                "reference": {"split": reference.split, "samples": reference_size(reference.source)},
                "feature": feature and feature.name,
                "resizer": feature and feature.resizer,
            },
            "provenance": provenance(who.get("seed", 0), "cpu"),
        }
    )


def score_table(found: Plain) -> str:
    """What a person reads: the numbers, then how they came about."""
    rows = [("", "generated", "real", "excess")]
    for name, row in found["scores"].items():
        rows.append((name, *(format_score(row[c]) if c in row else "" for c in rows[0][1:])))
    wide = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        "  ".join([name.ljust(wide[0]), *(cell.rjust(w) for cell, w in zip(cells, wide[1:], strict=True))])
        for name, *cells in rows
    ]
    said = found["protocol"]
    against = f"{said['reference']['samples']} real samples of the {said['reference']['split']} split"
    samples = ", ".join(f"{n} for {name}" for name, n in said["samples"].items())
    told = [("samples", samples), ("against", against), ("feature", f"{said['feature']}, resizer: {said['resizer']}")]
    told += [(k, str(said[k])) for k in ("step", "seed", "weights", "batch_norm") if k in said]
    told = [(k, v) for k, v in told if not v.startswith("None")]
    return "\n".join([*lines, "", *(f"  {k:<10}  {v}" for k, v in told)])


def format_score(value: float | None) -> str:
    """Four significant digits."""
    return "not a number" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    main()
