"""gan-evaluate: how good are a run's samples, or a folder's; the protocol travels with the number."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from gan_lightning.cli.arguments import arguments
from gan_lightning.cli.exit_codes import ending, writable
from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import Refused, one_line
from gan_lightning.config.resolve import Plain

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from gan_lightning.data.base import Data
    from gan_lightning.data.stream import Source
    from gan_lightning.metric.base import Score
    from gan_lightning.metric.evaluation import Samples
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
    with ending():
        request: Request = arguments(Request, sys.argv[1:])
        if request.run is not None and (request.real or request.fake):
            raise Refused("run=, real=: score a run, or a folder against another; not both")
        if request.run is None and not (request.real and request.fake):
            raise Refused("run=: missing; give run=RUN_DIR, or real=DIR and fake=DIR")
        found, out = evaluate_run(request) if request.run is not None else evaluate_folders(request)
        print(table(found))
        if out is not None:
            from gan_lightning.storage.atomic import write_text

            write_text(out, json.dumps(found, indent=2) + "\n")
            print(f"\n{out}")


def evaluate_run(request: Request) -> tuple[Plain, Path]:
    """The scores of a run's generator at a checkpoint, and where they go. Raises Refused."""
    from gan_lightning.config import instantiate
    from gan_lightning.metric.evaluation import Generated, judging, normalising
    from gan_lightning.metric.reference import Reference
    from gan_lightning.run.directory import Run
    from gan_lightning.step.seeding import Purpose

    assert request.run is not None
    run = Run(request.run)
    out = request.out or run.path / "scores.json"
    writable(out, made=False)
    plain = chosen(run.config, request)
    gan, step = run.game(request.checkpoint)
    data = instantiate.data(plain)
    scores = fitting(plain, data)
    source = Generated(gan, data.num_classes, request.seed, Purpose.REPORT, request.weights, request.batch_norm)
    sampled = f"{request.batch_norm} statistics" if normalising(source.network) else "none"
    who = {"run": str(run.path), "step": step, "seed": request.seed, "weights": request.weights, "batch_norm": sampled}
    reference = Reference(data, request.split, judging(gan))
    return reported(scores, source, reference, request.num, who), out


def evaluate_folders(request: Request) -> tuple[Plain, Path | None]:
    """The scores of one folder of images against another, and where they go. Raises Refused."""
    from gan_lightning.data.image_folder import ImageFolder
    from gan_lightning.metric.reference import Reference

    assert request.real is not None and request.fake is not None  # noqa: PT018
    for name, folder in (("real", request.real), ("fake", request.fake)):
        if not folder.is_dir():
            raise Refused(f"{name}={folder}: {'is a file' if folder.exists() else 'does not exist'}; give a folder of images")
    if request.out is not None:
        writable(request.out, made=False)
    shape = request.shape or first_shape(request.real)
    plain = chosen(Composer().compose(["metric=none", "feature=inception"]), request, FOLDERS)
    real, fake = (
        ImageFolder(root=str(root), validation=0.0, test=0.0, sample_shape=tuple(shape), num_classes=0)
        for root in (request.real, request.fake)
    )
    scores = fitting(plain, real)
    who = {"real": str(request.real), "fake": str(request.fake), "shape": shape}
    return reported(scores, split(fake, "train"), Reference(real, "train"), request.num, who), request.out


def first_shape(folder: Path) -> list[int]:
    """That of a folder's first image. Raises Refused."""
    from PIL import Image

    from gan_lightning.data.image_folder import images

    try:
        with Image.open(folder / images(folder)[0]) as first:
            return [1 if first.mode in ("1", "L", "I;16") else 3, first.height, first.width]
    except (IndexError, OSError) as error:
        why = "it holds no images" if isinstance(error, IndexError) else one_line(error)
        raise Refused(f"real={folder}: the size of its images can't be told ({why}); give shape=[C,H,W]") from None


def chosen(config: DictConfig, request: Request, otherwise: Sequence[str] = ()) -> Plain:
    """A config with the metrics and the extractor that were asked for, checked. Raises Refused."""
    from gan_lightning.config.validate import check

    named = [request.metric] if isinstance(request.metric, str) else request.metric or list(otherwise)
    words = [f"metric=[{','.join(named)}]"] if named else []
    words += [f"feature={request.feature}"] if request.feature else []
    composed = Composer().compose(words)
    for group in [word.partition("=")[0] for word in words]:
        config[group] = composed[group]
    plain = check(config)
    if not plain["metric"]:
        raise Refused("metric: this run was trained with metric=none; choose: metric=[…]")
    return plain


def fitting(plain: Plain, data: Data) -> dict[str, Score]:
    """The scores, not yet bound. Raises Refused, saying which do not fit and why."""
    from gan_lightning.config import instantiate

    scores = instantiate.metrics(plain)
    if lines := [f"metric.{name}: {why}" for name, score in scores.items() if (why := score.unfit(data))]:
        raise Refused(*lines)
    return scores


def split(data: Data, name: str) -> Source:
    """A split, loaded. Raises Refused."""
    from gan_lightning.data.base import DataError

    try:
        found: Source = getattr(data.splits, name)
    except DataError as error:
        raise Refused(*error.lines) from None
    return found


def reported(scores: dict[str, Score], source: Samples, reference: Reference, num: int | None, who: Plain) -> Plain:
    """Each number beside the floor that real samples set, and all that it depends on. Raises Refused."""
    from gan_lightning.data.base import DataError
    from gan_lightning.metric.base import TooFew
    from gan_lightning.metric.evaluation import floor, measure
    from gan_lightning.metric.reference import size
    from gan_lightning.run.directory import finite
    from gan_lightning.run.provenance import provenance

    if reference.split == "train" and (aware := [name for name, score in scores.items() if score.knows_train]):
        raise Refused(f"metric={aware[0]}: compares training samples with held-out ones; use split=test or split=validation")
    feature = next((score.feature for score in scores.values() if hasattr(score, "feature")), None)
    try:
        for score in scores.values():
            score.num_samples = num or score.num_samples
            score.bind(reference)
        generated, real = measure(scores, source), floor(scores, reference)
    except TooFew as error:
        raise Refused(str(error)) from None
    except DataError as error:
        raise Refused(*error.lines) from None
    floored = {name for score in scores.values() for name in score.floored}
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
                "reference": {"split": reference.split, "samples": size(reference.source)},
                "feature": feature and feature.name,
                "resizer": feature and feature.resizer,
            },
            "provenance": provenance(who.get("seed", 0), "cpu"),
        }
    )


def table(found: Plain) -> str:
    """What a person reads: the numbers, then how they came about."""
    rows = [("", "generated", "real", "excess")]
    for name, row in found["scores"].items():
        rows.append((name, *(shown(row[c]) if c in row else "" for c in rows[0][1:])))
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


def shown(value: float | None) -> str:
    """Four significant digits."""
    return "not a number" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    main()
