"""gan-sample: a trained run's generator draws."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

from gan_lightning.cli.arguments import parse_arguments
from gan_lightning.cli.exit_codes import exit_codes, require_writable
from gan_lightning.config.errors import UserError
from gan_lightning.storage import atomic

if TYPE_CHECKING:
    from torch import Tensor

    from gan_lightning.training.restore import Sampler

BATCH = 256
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


class Request(BaseModel):
    """Draw samples from a trained run.

    gan-sample run=RUN_DIR [num=64] [out=grid.png] [labels=[0,1,…]] [truncation=] [seed=0] [checkpoint=latest]

    out         grid.png: one picture; DIR/: one file a sample; x.npy: float32 (num, *sample_shape), in the network's range
    labels      the classes asked for, repeated up to num; without it all classes in turn
    truncation  cut a Gaussian prior's tails at this many standard deviations: better samples, less variety
    checkpoint  latest, best (by the run's objective) or a step
    """

    run: Path
    num: Annotated[int, Field(ge=1)] = 64
    out: str = "grid.png"
    labels: list[Annotated[int, Field(ge=0)]] | None = None
    truncation: Annotated[float, Field(gt=0)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    checkpoint: str = "latest"


def main() -> None:
    """The console script."""
    with exit_codes():
        request: Request = parse_arguments(Request, sys.argv[1:])
        out = Path(request.out)
        kind, folder = out.suffix.lower(), request.out.endswith("/") or out.is_dir()
        if not (folder or kind in (".npy", *PICTURES)):
            allowed = "a folder ending in /, .npy, or a picture: " + ", ".join(PICTURES)
            raise UserError(f"out={request.out}: {kind or 'no ending'} is nothing that can be written; allowed: {allowed}")
        require_writable(out, folder)
        from gan_lightning.run.directory import Run
        from gan_lightning.training.restore import load_sampler

        sampler = load_sampler(Run(request.run), request.checkpoint)
        samples, grid_columns = draw_samples(sampler, request)
        (out if folder else out.parent).mkdir(parents=True, exist_ok=True)
        print(write_samples(samples, grid_columns, out, folder))


def draw_samples(sampler: Sampler, request: Request) -> tuple[Tensor, int]:
    """The samples, and how many stand in a row of a grid. Raises UserError."""
    import torch

    from gan_lightning.config import instantiate
    from gan_lightning.step.seeding import Purpose, seeded_generator

    plain, device = sampler.plain, "cuda" if torch.cuda.is_available() else "cpu"
    classes = plain["data"]["num_classes"]
    conditional = plain["model"]["generator"].get("num_classes", classes)
    if request.labels is not None and not conditional:
        raise UserError("labels: this run's generator is unconditional: it can't be asked for a class")
    if request.labels is not None and (not request.labels or max(request.labels) >= classes):
        raise UserError(f"labels={request.labels}: the run has {classes} classes; allowed: 0 to {classes - 1}")
    asked = request.labels or list(range(classes))
    labels = torch.tensor(asked).repeat(-(-request.num // len(asked)))[: request.num] if classes else None
    prior, dim, source = (
        instantiate.build_prior(plain),
        plain["gan"]["latent_dim"],
        seeded_generator(Purpose.PICTURE, request.seed),
    )
    try:
        if request.truncation is None:
            z = prior.sample(request.num, dim, torch.device("cpu"), source)
        else:
            z = prior.sample_truncated(request.num, dim, request.truncation, source)
    except ValueError as error:
        raise UserError(f"truncation={request.truncation}: {error}") from None
    network = sampler.generator.to(device)
    with torch.inference_mode():
        parts = [
            network(z[i : i + BATCH].to(device), None if labels is None else labels[i : i + BATCH].to(device)).float().cpu()
            for i in range(0, request.num, BATCH)
        ]
    return torch.cat(parts), grid_columns(len(asked)) if conditional else 8


def grid_columns(classes: int) -> int:
    """Of a grid, so that a column shows one class: as many as there are classes, few ones repeated."""
    return classes * (10 // classes) if classes <= 10 else classes if classes <= 16 else 8


def write_samples(samples: Tensor, grid_columns: int, out: Path, folder: bool) -> str:
    """One file a sample, or all in one, as the ending of `out` says. Returns what to tell. Raises OSError."""
    from gan_lightning.data import render

    if folder:
        for i, sample in enumerate(samples):
            if samples.dim() == 4:
                atomic.write_bytes(out / f"{i:06d}.png", render.encode_image(render.to_array(sample), ".png"), flushed=False)
            else:
                write_numbers(sample, out / f"{i:06d}.npy")
        return f"{len(samples)} samples: {out}/"
    if out.suffix.lower() == ".npy":
        write_numbers(samples, out)
    else:
        atomic.write_bytes(out, render.encode_image(render.render(samples, grid_columns), out.suffix), flushed=False)
    return f"{len(samples)} samples: {out}"


def write_numbers(samples: Tensor, path: Path) -> None:
    """As numpy's file, without a copy in memory; `numpy.save` hides what the disk said."""
    import numpy as np

    array = np.ascontiguousarray(samples.numpy())
    with atomic.open_atomic(path, lambda: array.nbytes, flushed=False) as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)


if __name__ == "__main__":
    main()
