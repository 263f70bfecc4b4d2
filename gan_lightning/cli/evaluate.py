"""gan-evaluate: score a run's samples, or those of a folder; each report contains the protocol of its scores."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gan_lightning.cli.arguments import dotted_arguments, parse_arguments
from gan_lightning.cli.exit_codes import exit_codes
from gan_lightning.cli.sampler_request import build_sampler, select_samples
from gan_lightning.cli.score_request import Request, check_request, require_output, select_metrics
from gan_lightning.cli.score_table import score_table
from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.outside_places import require_typed_places, without_download
from gan_lightning.config.resolve import Plain

if TYPE_CHECKING:
    from gan_lightning.data.base import Data
    from gan_lightning.data.stream import Source
    from gan_lightning.gan import GAN
    from gan_lightning.metric.base import GenerativeMetric
    from gan_lightning.metric.evaluation import GeneratedSamples, SampleSource
    from gan_lightning.metric.reference import Reference
    from gan_lightning.sampler.base import Sampler
    from gan_lightning.sampler.selected_samples import SelectedSamples


FOLDER_METRICS = ["fid", "kid", "precision_recall"]  # the default metrics of two folders


def main() -> None:
    """Run the console script `gan-evaluate`."""
    with exit_codes():
        request = parse_arguments(Request, sys.argv[1:])
        check_request(request)
        from gan_lightning.training.threads import run_thread_limit

        with run_thread_limit(request.run):
            report, out = evaluate_run(request) if request.run is not None else evaluate_folders(request)
        print(score_table(report))
        if out is not None:
            from gan_lightning.storage.atomic import write_text

            write_text(out, json.dumps(report, indent=2) + "\n")
            print(f"\n{out}")


def evaluate_run(request: Request) -> tuple[Plain, Path]:
    """Score a run's generator at a checkpoint, and return the report and the file to write it to. Raises UserError."""
    from gan_lightning.config.instantiate import build_data
    from gan_lightning.metric.evaluation import batch_norm_layers, discriminator_function
    from gan_lightning.metric.reference import Reference
    from gan_lightning.run.directory import Run
    from gan_lightning.training.data_change import ACCEPT, print_changes, require_same_data
    from gan_lightning.training.restore import load_gan

    assert request.run is not None
    run = Run(request.run)
    out = request.out or run.path / "scores.json"
    require_output(out, request)
    sampler = build_sampler(request)
    plain = select_metrics(run.config, request)
    typed = {key for key, value in dotted_arguments(request).items() if value is not None}
    require_typed_places({"data": plain["data"]}, typed, f"run={request.run}")
    plain = without_download(plain, typed)
    data_changes = print_changes(require_same_data(run, plain, request.data_changed is not None, f"add {ACCEPT}"))
    gan, step = load_gan(run, request.checkpoint)
    data = build_data(plain)
    metrics = build_fitting_metrics(plain, data)
    source = sample_source(gan, data, sampler, request)
    protocol = {
        "run": str(run.path),
        "step": step,
        "seed": request.seed,
        "weights": request.weights,
        "batch_norm": f"{request.batch_norm} statistics" if batch_norm_layers(source.network) else "none",
        **({"data_changed": data_changes} if data_changes else {}),
    }
    reference = Reference(data, request.split, discriminator_function(gan), request.seed)
    report = score_samples(metrics, source, reference, request.num, protocol)
    report["protocol"] |= {"sampler": source.selection} if source.selection else {}
    return report, out


def sample_source(gan: GAN, data: Data, sampler: Sampler | None, request: Request) -> GeneratedSamples | SelectedSamples:
    """Return the samples to score: all that the generator draws, or those that a sampler selects. Raises UserError."""
    from gan_lightning.metric.evaluation import GeneratedSamples
    from gan_lightning.step.seeding import Purpose

    if sampler is None:
        return GeneratedSamples(gan, data.conditions, request.seed, Purpose.REPORT, request.weights, request.batch_norm)
    return select_samples(gan, data, sampler, request.seed, Purpose.REPORT, request.weights)


def evaluate_folders(request: Request) -> tuple[Plain, Path | None]:
    """Score one folder of images against another, and return the report and the file to write it to, if requested.

    Raises UserError.
    """
    from gan_lightning.data.image_folder import ImageFolder
    from gan_lightning.data.selection import Selection
    from gan_lightning.metric.reference import Reference, reference_size

    assert request.real is not None and request.fake is not None  # noqa: PT018
    for name, folder in (("real", request.real), ("fake", request.fake)):
        if not folder.is_dir():
            raise UserError(f"{name}={folder}: {'is a file' if folder.exists() else 'does not exist'}; give a folder of images")
    if request.out is not None:
        require_output(request.out, request)
    shape = request.shape or first_image_shape(request.real)
    plain = select_metrics(Composer().compose(["metric=none", "feature=inception"]), request, FOLDER_METRICS)
    cache = None if request.data_cache is None else str(request.data_cache)
    real, fake = (
        ImageFolder(str(root), cache, 0.0, 0.0, request.data_range, False, sample_shape=tuple(shape), num_classes=0)
        for root in (request.real, request.fake)
    )
    metrics = build_fitting_metrics(plain, real)
    _, generated = load_folder("real", real), load_folder("fake", fake)
    protocol: Plain = {"real": str(request.real), "fake": str(request.fake), "shape": shape, "seed": request.seed}
    num = request.num or reference_size(generated)
    reference = Reference(real, "train", seed=request.seed)
    return score_samples(metrics, Selection(generated, num, request.seed), reference, num, protocol), request.out


def load_folder(name: str, images: Data) -> Source:
    """Load all images of the folder `real=` or `fake=`. Raises UserError, in the names of this command's arguments."""
    try:
        return load_split(images, "train")
    except UserError as error:
        renamed = (line.replace("data.root", name).replace("data.sample_shape", "shape") for line in error.lines)
        raise UserError(*renamed) from None


def first_image_shape(folder: Path) -> list[int]:
    """Return the shape [C, H, W] of a folder's first image. Raises UserError."""
    from PIL import Image

    from gan_lightning.data.base import DataError
    from gan_lightning.data.image_folder import list_images
    from gan_lightning.data.image_formats import FORMATS

    try:
        with Image.open(folder / list_images(folder)[0], formats=FORMATS) as first:
            return [1 if first.mode in ("1", "L", "I;16") else 3, first.height, first.width]
    except DataError as error:
        raise UserError(*(line.replace("data.root", "real") for line in error.lines)) from None
    except (IndexError, OSError) as error:
        why = "it holds no images" if isinstance(error, IndexError) else one_line(error)
        raise UserError(f"real={folder}: the size of its images is unknown ({why}); give shape=[C,H,W]") from None


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
    from gan_lightning.metric.protocol import describe_protocol
    from gan_lightning.run.provenance import provenance
    from gan_lightning.run.result import finite

    scores = compute_scores(metrics, source, reference, num)
    protocol |= describe_protocol(metrics, source, reference)
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
