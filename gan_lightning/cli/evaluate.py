"""gan-evaluate: score a run's samples, or those of a folder; each report contains the protocol of its scores."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from gan_lightning.cli.arguments import parse_arguments
from gan_lightning.cli.exit_codes import exit_codes, require_writable
from gan_lightning.cli.score_table import score_table
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
    data.changed  accept: score the run although its data are not those that it was trained on
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
    data_changed: Literal["accept"] | None = Field(None, alias="data.changed")
    shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=3, max_length=3)] | None = None
    out: Path | None = None


FOLDER_METRICS = ["fid", "kid", "precision_recall"]  # the default metrics of two folders


def main() -> None:
    """Run the console script `gan-evaluate`."""
    with exit_codes():
        request = parse_arguments(Request, sys.argv[1:])
        check_request(request)
        report, out = evaluate_run(request) if request.run is not None else evaluate_folders(request)
        print(score_table(report))
        if out is not None:
            from gan_lightning.storage.atomic import write_text

            write_text(out, json.dumps(report, indent=2) + "\n")
            print(f"\n{out}")


def check_request(request: Request) -> None:
    """Check that either a run or two folders are requested. Raises UserError."""
    if request.run is not None and (request.real or request.fake):
        raise UserError("run=, real=: score a run, or a folder against another; not both")
    if request.run is None and not (request.real and request.fake):
        raise UserError("run=: missing; give run=RUN_DIR, or real=DIR and fake=DIR")


def evaluate_run(request: Request) -> tuple[Plain, Path]:
    """Score a run's generator at a checkpoint, and return the report and the file to write it to. Raises UserError."""
    from gan_lightning.config.instantiate import build_data
    from gan_lightning.metric.evaluation import GeneratedSamples, batch_norm_layers, discriminator_function
    from gan_lightning.metric.reference import Reference
    from gan_lightning.run.directory import Run
    from gan_lightning.step.seeding import Purpose
    from gan_lightning.training.data_change import ACCEPT, print_changes, require_same_data
    from gan_lightning.training.restore import load_gan

    assert request.run is not None
    run = Run(request.run)
    out = request.out or run.path / "scores.json"
    require_writable(out, create_folders=False)
    plain = select_metrics(run.config, request)
    data_changes = print_changes(require_same_data(run, plain, request.data_changed is not None, f"add {ACCEPT}"))
    gan, step = load_gan(run, request.checkpoint)
    data = build_data(plain)
    metrics = build_fitting_metrics(plain, data)
    source = GeneratedSamples(gan, data.num_classes, request.seed, Purpose.REPORT, request.weights, request.batch_norm)
    protocol = {
        "run": str(run.path),
        "step": step,
        "seed": request.seed,
        "weights": request.weights,
        "batch_norm": f"{request.batch_norm} statistics" if batch_norm_layers(source.network) else "none",
        **({"data_changed": data_changes} if data_changes else {}),
    }
    reference = Reference(data, request.split, discriminator_function(gan))
    return score_samples(metrics, source, reference, request.num, protocol), out


def evaluate_folders(request: Request) -> tuple[Plain, Path | None]:
    """Score one folder of images against another, and return the report and the file to write it to, if requested.

    Raises UserError.
    """
    from gan_lightning.data.image_folder import ImageFolder
    from gan_lightning.metric.reference import Reference

    assert request.real is not None and request.fake is not None  # noqa: PT018
    for name, folder in (("real", request.real), ("fake", request.fake)):
        if not folder.is_dir():
            raise UserError(f"{name}={folder}: {'is a file' if folder.exists() else 'does not exist'}; give a folder of images")
    if request.out is not None:
        require_writable(request.out, create_folders=False)
    shape = request.shape or first_image_shape(request.real)
    plain = select_metrics(Composer().compose(["metric=none", "feature=inception"]), request, FOLDER_METRICS)
    real, fake = (
        ImageFolder(root=str(root), validation=0.0, test=0.0, sample_shape=tuple(shape), num_classes=0)
        for root in (request.real, request.fake)
    )
    metrics = build_fitting_metrics(plain, real)
    protocol = {"real": str(request.real), "fake": str(request.fake), "shape": shape}
    return score_samples(metrics, load_split(fake, "train"), Reference(real, "train"), request.num, protocol), request.out


def first_image_shape(folder: Path) -> list[int]:
    """Return the shape [C, H, W] of a folder's first image. Raises UserError."""
    from PIL import Image

    from gan_lightning.data.image_folder import list_images

    try:
        with Image.open(folder / list_images(folder)[0]) as first:
            return [1 if first.mode in ("1", "L", "I;16") else 3, first.height, first.width]
    except (IndexError, OSError) as error:
        why = "it holds no images" if isinstance(error, IndexError) else one_line(error)
        raise UserError(f"real={folder}: the size of its images is unknown ({why}); give shape=[C,H,W]") from None


def select_metrics(config: DictConfig, request: Request, default: Sequence[str] = ()) -> Plain:
    """Return the validated config with the requested metrics and feature extractor in place of its own. Raises UserError."""
    from gan_lightning.config.validate import validate

    names = [request.metric] if isinstance(request.metric, str) else request.metric or list(default)
    overrides = [f"metric=[{','.join(names)}]"] if names else []
    overrides += [f"feature={request.feature}"] if request.feature else []
    composed = Composer().compose(overrides)
    for group in [override.partition("=")[0] for override in overrides]:
        config[group] = composed[group]
    plain = validate(config)
    if not plain["metric"]:
        raise UserError("metric: this run was trained with metric=none; choose: metric=[…]")
    return plain


def build_fitting_metrics(plain: Plain, data: Data) -> dict[str, GenerativeMetric]:
    """Build the metrics, without a reference yet. Raises UserError with a line for each that does not fit the data."""
    from gan_lightning.config.instantiate import build_metrics

    metrics = build_metrics(plain)
    if lines := [f"metric.{name}: {why}" for name, metric in metrics.items() if (why := metric.incompatibility(data))]:
        raise UserError(*lines)
    return metrics


def load_split(data: Data, name: str) -> Source:
    """Load a split of the data. Raises UserError."""
    from gan_lightning.data.base import DataError

    try:
        split: Source = getattr(data.splits, name)
    except DataError as error:
        raise UserError(*error.lines) from None
    return split


def score_samples(
    metrics: dict[str, GenerativeMetric], source: SampleSource, reference: Reference, num: int | None, protocol: Plain
) -> Plain:
    """Return the report: the scores, the protocol with all that they depend on, and the provenance.

    `num` replaces each metric's number of samples. Raises UserError.
    """
    from gan_lightning.metric.reference import reference_size
    from gan_lightning.run.provenance import provenance
    from gan_lightning.run.result import finite

    scores = compute_scores(metrics, source, reference, num)
    feature = next((metric.feature for metric in metrics.values() if hasattr(metric, "feature")), None)
    protocol = protocol | {
        "samples": {name: metric.num_samples for name, metric in metrics.items()},
        "reference": {"split": reference.split, "samples": reference_size(reference.source)},
        "feature": feature and feature.name,
        "resizer": feature and feature.resizer,
    }
    return finite({"scores": scores, "protocol": protocol, "provenance": provenance(protocol.get("seed", 0), "cpu")})


def compute_scores(
    metrics: dict[str, GenerativeMetric], source: SampleSource, reference: Reference, num: int | None
) -> dict[str, dict[str, float]]:
    """Return each score of the generated samples beside that of real ones, its floor, and the excess over a nonzero floor.

    Raises UserError.
    """
    from gan_lightning.data.base import DataError
    from gan_lightning.metric.base import TooFewSamplesError
    from gan_lightning.metric.evaluation import evaluate_floor, evaluate_metrics

    if reference.split == "train" and (held_out := [name for name, metric in metrics.items() if metric.uses_train_split]):
        cure = "use split=test or split=validation"
        raise UserError(f"metric={held_out[0]}: compares training samples with held-out ones; {cure}")
    try:
        for metric in metrics.values():
            metric.num_samples = num or metric.num_samples
            metric.set_reference(reference)
        generated, real = evaluate_metrics(metrics, source), evaluate_floor(metrics, reference)
    except TooFewSamplesError as error:
        raise UserError(str(error)) from None
    except DataError as error:
        raise UserError(*error.lines) from None
    nonzero_floor = {name for metric in metrics.values() for name in metric.nonzero_floor}
    return {
        name: {"generated": value}
        | ({"real": real[name]} if name in real else {})
        | ({"excess": value - real[name]} if name in nonzero_floor and name in real else {})
        for name, value in generated.items()
    }


if __name__ == "__main__":
    main()
