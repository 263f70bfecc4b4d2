"""gan-sample: draw samples from a trained run's generator into a picture, a file of their native format, or single files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from gan_lightning.cli.arguments import parse_arguments
from gan_lightning.cli.exit_codes import exit_codes, require_writable
from gan_lightning.cli.sampler_request import SamplerRequest, build_sampler, select_samples
from gan_lightning.config.errors import UserError
from gan_lightning.run import outputs
from gan_lightning.storage import atomic
from gan_lightning.storage.home import expand_home

if TYPE_CHECKING:
    from torch import Tensor

    from gan_lightning.config.resolve import Plain
    from gan_lightning.data.base import Data
    from gan_lightning.run.directory import Run
    from gan_lightning.sampler.base import Sampler
    from gan_lightning.training.restore import TrainedGenerator

BATCH = 256
ARRAY = ".npy"
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


Label = Annotated[int, Field(ge=0)]


class Request(SamplerRequest):
    """Draw samples from a trained run.

    gan-sample run=RUN_DIR [num=64] [out=grid.png] [labels=[0,1,…]] [truncation=] [seed=0] [checkpoint=latest] [force=]
               [sampler=none] [sampler.percentile=] [sampler.max_attempts=] [sampler.steps=]

    out         grid.png: one picture; DIR/: one file a sample; x.npy: float32 (num, *sample_shape), in the network's range
                and one file of the samples: points and signals .csv, sound .wav, music .mid, text .txt, tables .csv
                a PNG file of gan-sample is replaced; any other file, and the samples in a folder, only with force=true
    labels      the classes asked for, repeated up to num; without it all classes in turn
                of attributes one list each, such as [[3,0],[3,1]]; without it those of training samples
    truncation  cut a Gaussian prior's tails at this many standard deviations: better samples, less variety
    checkpoint  latest, best (by the run's objective) or a step
    sampler     an option of conf/sampler: rejection and metropolis_hastings select samples by D; with values of their keys
    """

    run: Path
    num: Annotated[int, Field(ge=1)] = 64
    out: str = "grid.png"
    labels: list[Label] | list[list[Label]] | None = None
    truncation: Annotated[float, Field(gt=0)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    checkpoint: str = "latest"
    force: bool = False


def main() -> None:
    """Run the console script `gan-sample`."""
    with exit_codes():
        request = parse_arguments(Request, sys.argv[1:])
        out, folder = check_output(request)
        from gan_lightning.config.instantiate import build_unloaded_data
        from gan_lightning.run.directory import Run
        from gan_lightning.training.restore import load_generator
        from gan_lightning.training.threads import run_thread_limit

        run = Run(request.run)
        with run_thread_limit(run):
            trained = load_generator(run, request.checkpoint)
            data = build_unloaded_data(trained.plain)
            if not folder:
                require_ending(out, data.sample_format.collections)
            if data.sample_format.reads_data and (folder or out.suffix.lower() != ARRAY):
                require_unchanged(run, trained.plain)
            samples, columns = draw_samples(run, trained, request)
            (out if folder else out.parent).mkdir(parents=True, exist_ok=True)
            print(write_samples(data, samples, columns, out, folder))


def check_output(request: Request) -> tuple[Path, bool]:
    """Return the output's path and whether it is a folder. Raises UserError if it can't be written, or must not be."""
    out = expand_home(request.out)
    folder = request.out.endswith("/") or out.is_dir()
    require_writable(out, folder)
    if folder:
        outputs.require_sample_folder(out, request.run, request.force)
    else:
        outputs.require_replaceable(out, "gan-sample", outputs.is_sample_picture, request.run, request.force)
    return out, folder


def require_ending(out: Path, collections: tuple[str, ...]) -> None:
    """Raise UserError if the ending names no file that samples can be written to; `collections`: those of their format."""
    if (ending := out.suffix.lower()) not in (ARRAY, *PICTURES, *collections):
        kinds = "".join(f"{kind}, " for kind in (*collections, ARRAY))
        allowed = f"a folder ending in /, {kinds}or a picture: {', '.join(PICTURES)}"
        raise UserError(f"out={out}: {ending or 'no ending'} is nothing that can be written; allowed: {allowed}")


def require_unchanged(run: Run, plain: Plain) -> None:
    """Check that the data, with which samples are decoded, are those that the run was trained on. Raises UserError."""
    from gan_lightning.training.data_change import require_same_data

    if changes := require_same_data(run, plain, accepted=True):
        why = f"samples are decoded with its data, which are not those that it was trained on ({changes[0]})"
        raise UserError(f"run={run.path}: {why}; restore them, or write undecoded samples: out=FILE{ARRAY}")


def draw_samples(run: Run, trained: TrainedGenerator, request: Request) -> tuple[Tensor, int]:  # -> (num, *sample_shape)
    """Draw the samples on a GPU if there is one, and return them on the CPU with the number of columns of a grid.

    Raises UserError for labels, a truncation and a sampler that the run does not support.
    """
    plain, num_classes = trained.plain, trained.plain["data"]["num_classes"]
    conditional = plain["model"]["generator"].get("num_classes", num_classes)
    condition = requested_condition(plain, request, bool(conditional))
    sampler = build_sampler(request)
    if sampler is None:
        samples = draw_directly(trained, request, condition)
    elif request.truncation is not None:
        raise UserError(f"truncation={request.truncation}: a sampler needs samples of the whole prior; use sampler=none")
    else:
        samples = draw_selected(run, plain, request, sampler, condition)
    shown = len(request.labels) if request.labels else num_classes if isinstance(num_classes, int) else 8
    return samples, grid_columns(shown) if conditional else 8


def requested_condition(plain: Plain, request: Request, conditional: bool) -> Tensor | None:  # -> (num, …)
    """Return the condition of each sample; None: the run is unconditional. Raises UserError for labels that can't be."""
    import torch

    from gan_lightning.config.instantiate import build_unloaded_data

    if request.labels is None:
        return build_unloaded_data(plain).conditions(0, request.num)
    if not conditional:
        raise UserError("labels: this run's generator is unconditional: no class can be chosen")
    require_labels(request.labels, plain["data"]["num_classes"])
    return torch.tensor(request.labels)[torch.arange(request.num) % len(request.labels)]


def draw_directly(trained: TrainedGenerator, request: Request, condition: Tensor | None) -> Tensor:  # (num, …) -> (num, *shape)
    """Draw z from the prior, truncated if requested, and return G(z). Raises UserError for a prior without tails."""
    import torch

    from gan_lightning.config.instantiate import build_prior
    from gan_lightning.step.seeding import Purpose, seeded_generator

    device = "cuda" if torch.cuda.is_available() else "cpu"
    prior, latent_dim = build_prior(trained.plain), trained.plain["gan"]["latent_dim"]
    generator = seeded_generator(Purpose.PICTURE, request.seed)
    try:
        if request.truncation is None:
            z = prior.sample(request.num, latent_dim, torch.device("cpu"), generator)
        else:
            z = prior.sample_truncated(request.num, latent_dim, request.truncation, generator)
    except ValueError as error:
        raise UserError(f"truncation={request.truncation}: {error}") from None
    network = trained.generator.to(device)
    with torch.inference_mode():
        batches = [
            network(z[i : i + BATCH].to(device), None if condition is None else condition[i : i + BATCH].to(device))
            .float()
            .cpu()
            for i in range(0, request.num, BATCH)
        ]
    return torch.cat(batches)


def draw_selected(
    run: Run, plain: Plain, request: Request, sampler: Sampler, condition: Tensor | None
) -> Tensor:  # (num, …) -> (num, *sample_shape)
    """Draw samples by a sampler, and print on stderr what it did. Raises UserError, also if the run's data have changed."""
    import torch

    from gan_lightning.config.instantiate import build_data
    from gan_lightning.step.seeding import Purpose
    from gan_lightning.training.data_change import require_same_data
    from gan_lightning.training.restore import load_gan

    if changes := require_same_data(run, plain, accepted=True):
        raise UserError(f"sampler={request.sampler}: D is calibrated on the run's data, but {changes[0]}; use sampler=none")
    gan, data = load_gan(run, request.checkpoint)[0], build_data(plain)
    own = None if condition is None else (lambda start, n: condition[start : start + n])
    selected = select_samples(gan, data, sampler, request.seed, Purpose.PICTURE, conditions=own)
    batches = [selected.part(i, min(BATCH, request.num - i)).real for i in range(0, request.num, BATCH)]
    print(selected.selection, file=sys.stderr)
    return torch.cat(batches)


def require_labels(labels: Sequence[int] | Sequence[Sequence[int]], num_classes: int | Sequence[int]) -> None:
    """Raise UserError unless each label is a class of the run, or has a value of each of its attributes."""
    if isinstance(num_classes, int):
        if not all(isinstance(label, int) and label < num_classes for label in labels) or not labels:
            raise UserError(f"labels={labels}: the run has {num_classes} classes; allowed: 0 to {num_classes - 1}")
        return
    for label in labels or [()]:
        values = [] if isinstance(label, int) else label
        if len(values) != len(num_classes) or any(value >= size for value, size in zip(values, num_classes, strict=True)):
            raise UserError(
                f"labels={labels}: the run has attributes of {', '.join(map(str, num_classes))} values; "
                f"allowed: a list of numbers from 0 for each sample, such as labels=[{[0] * len(num_classes)}]"
            )


def grid_columns(num_classes: int) -> int:
    """Return a number of columns at which each column shows one class, few classes repeated; 8 for more than 16 classes."""
    return num_classes * (10 // num_classes) if num_classes <= 10 else num_classes if num_classes <= 16 else 8


def write_samples(data: Data, samples: Tensor, columns: int, out: Path, folder: bool) -> str:  # (num, *sample_shape)
    """Write one file per sample into a folder, or all samples into one file, and return the line to print.

    The folder's earlier samples, and what a killed command left there, are removed first. Raises OSError, and UserError if the
    data that samples are decoded with can't be read.
    """
    from gan_lightning.data.base import DataError
    from gan_lightning.data.format.picture import encode_image
    from gan_lightning.storage.array_file import write_array

    software, ending = outputs.SAMPLE_SOFTWARE, out.suffix.lower()
    atomic.remove_orphans(out if folder else out.parent)
    try:
        if folder:
            outputs.remove_samples(out)
            for i, sample in enumerate(samples):
                data.write(sample, out / f"{i:06d}", software)
        elif ending == ARRAY:
            write_array(samples, out)
        elif ending in PICTURES:
            atomic.write_bytes(out, encode_image(data.render(samples, columns), ending, software), flushed=False)
        else:
            atomic.write_bytes(out, data.sample_format.encode_samples(samples, ending), flushed=False)
    except DataError as error:
        raise UserError(*error.lines) from None
    return f"{len(samples)} samples: {out}{'/' if folder else ''}"


if __name__ == "__main__":
    main()
