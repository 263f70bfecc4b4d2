"""The time of a training step, beside loops without a framework and Lightning's example: suites `overhead` and `train`.

`overhead` is a network so small that a step's own work is two milliseconds: what is measured is the framework. `train` is DCGAN
at 64×64 with the published width, where the convolutions take the time. `gan_lightning` runs as gan-train does by default:
with TensorBoard, the bar, alarms, sample pictures; `without callbacks` is its Trainer alone.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import loops
from benchmarks.report import Row, Suite
from benchmarks.timing import Times, Variant, interleave, measured, ratios, spread
from gan_lightning.config import instantiate
from gan_lightning.config.compose import Composer
from gan_lightning.config.resolve import Plain
from gan_lightning.config.validate import validate
from gan_lightning.run.directory import Run
from gan_lightning.training.trainer import build_trainer

WARM_UP = 5  # steps
COMMON = ["loss=non_saturating", "regularizer=none", "optimizer=adam_dcgan", "optimizer/schedule=constant", "prior=gaussian"]
COMMON += ["metric=none", "callback=default", "trainer.accelerator=cpu", "threads=1"]
TINY = ["experiment=ring", *COMMON, "model=mlp", "data.batch_size=128", "gan.latent_dim=64"]
DCGAN = [
    "experiment=anime_faces",
    *COMMON,
    "model=dcgan",
    "gan.latent_dim=100",
    "augmentation=none",
    "feature=raw",
    "data=array",
]
DCGAN += ["data.sample_shape=[3,64,64]", "data.num_classes=0", "data.batch_size=64"]
BF16 = "trainer.precision=bf16-mixed"


class Clock(pl.Callback):
    """Measure the steps between two, and stop there."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.stack = contextlib.ExitStack()
        self.times: list[Times] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Begin after the warm-up; end after as many steps as are measured."""
        if trainer.fit_loop.total_batch_idx + 1 == WARM_UP:
            self.times = self.stack.enter_context(measured(self.steps))
        if trainer.fit_loop.total_batch_idx + 1 == WARM_UP + self.steps:
            self.stack.close()
            trainer.should_stop = True


def raw(plain: Plain, make: loops.MakeLoop, steps: int) -> Variant:
    """Return a variant that goes on with the same loop in each round."""
    generator, discriminator = networks(plain)
    step = make(
        generator, discriminator, batches(plain), plain["gan"]["latent_dim"], plain["trainer"]["precision"] != "32-true"
    )

    def run() -> Times:
        for _ in range(WARM_UP):
            step()
        with measured(steps) as times:
            for _ in range(steps):
                step()
        return times[0]

    return run


def lightning_example(plain: Plain, steps: int) -> Variant:
    """Return a variant that fits Lightning's example anew in each round."""

    def run() -> Times:
        clock = Clock(steps)
        module = loops.LightningExample(*networks(plain), plain["gan"]["latent_dim"])
        with quiet(), tempfile.TemporaryDirectory() as folder:
            trainer = pl.Trainer(
                accelerator="cpu",
                precision=plain["trainer"]["precision"],
                default_root_dir=folder,
                callbacks=[clock],
                max_steps=-1,
                max_epochs=1,
                enable_model_summary=False,
            )
            trainer.fit(module, torch.utils.data.DataLoader(Batches(plain), batch_size=None))
        return clock.times[0]

    return run


def ours(plain: Plain, steps: int, bare: bool) -> Variant:
    """Return a variant that trains a new run in each round, in the way of gan-train, or `bare` without its callbacks."""

    def run() -> Times:
        clock, data, gan = Clock(steps), instantiate.build_data(plain), instantiate.build_gan(plain)
        with quiet(), tempfile.TemporaryDirectory() as folder:
            if bare:
                arguments: dict[str, Any] = {"logger": False, "callbacks": [clock], "enable_progress_bar": False}
                trainer = instantiate.build_bare_trainer(plain, default_root_dir=folder, **arguments)
            else:
                trainer = build_trainer(plain, Run.begin(folder, OmegaConf.create(plain), []), data)
                trainer.callbacks.append(clock)  # type: ignore[attr-defined]
            trainer.fit(gan, data)
        return clock.times[0]

    return run


class Batches(torch.utils.data.IterableDataset[Tensor]):
    """Yield the samples of the stream's batches."""

    def __init__(self, plain: Plain) -> None:
        self.plain = plain

    def __iter__(self) -> Iterator[Tensor]:
        return batches(self.plain)


def batches(plain: Plain) -> Iterator[Tensor]:  # (N, *sample_shape) each
    """Yield the samples of the stream's batches, without end."""
    source = instantiate.build_data(plain).splits.train
    return (source.batch(0, i, plain["data"]["batch_size"]).real for i in itertools.count())


def networks(plain: Plain) -> tuple[nn.Module, nn.Module]:
    """Build new networks, of the same initial weights every time."""
    torch.manual_seed(0)
    built = instantiate.build_networks(plain)
    return built.generator.train(), built.discriminator.train()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send the bar and Lightning's messages to nowhere: they are written, as in a terminal, and not seen."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere), contextlib.redirect_stdout(nowhere):
        yield


def flops(plain: Plain) -> int:
    """Return the floating-point operations of a step of the loop with our maths; a multiplication and an addition are two."""
    generator, discriminator = networks(plain)
    step = loops.same_maths(generator, discriminator, batches(plain), plain["gan"]["latent_dim"], bf16=False)
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def peak(bf16: bool) -> Variant:
    """Return a variant that measures the seconds of a floating-point operation in convolutions of oneDNN's best case."""
    dtype = torch.bfloat16 if bf16 else torch.float32
    convolution = nn.Conv2d(256, 256, 3, padding=1, bias=False).to(dtype).to(memory_format=torch.channels_last)
    x = torch.randn(16, 256, 32, 32, dtype=dtype).contiguous(memory_format=torch.channels_last)
    operations = 2 * 16 * 32 * 32 * 256 * 256 * 9

    @torch.inference_mode()
    def run() -> Times:
        convolution(x)
        with measured(3 * operations) as times:
            for _ in range(3):
                convolution(x)
        return times[0]

    return run


def variants(plain: Plain, steps: int) -> dict[str, Variant]:
    """Return what is compared, the baseline and its copy first."""
    return {
        "tutorial's loop": raw(plain, loops.tutorial, steps),
        "the same again (A/A)": raw(plain, loops.tutorial, steps),
        "raw loop, our maths": raw(plain, loops.same_maths, steps),
        "lean raw loop": raw(plain, loops.lean, steps),
        "Lightning's example": lightning_example(plain, steps),
        "gan_lightning": ours(plain, steps, bare=False),
        "gan_lightning without callbacks": ours(plain, steps, bare=True),
    }


def measure(overrides: Sequence[str], steps: int, rounds: int) -> list[Row]:
    """Measure a config's variants and the machine's peak in the same rounds."""
    plain = validate(Composer().compose([*overrides, f"trainer.max_steps={10 * (WARM_UP + steps)}"]))
    bf16 = BF16 in overrides
    times = interleave({**variants(plain, steps), "peak": peak(bf16)}, rounds)
    per_operation, operations, batch = times.pop("peak"), flops(plain), plain["data"]["batch_size"]
    baseline, rows = times["tutorial's loop"], []
    for name, measured_times in times.items():
        cpu = spread([time.cpu for time in measured_times])
        share = spread([operations * p.cpu / t.cpu for p, t in zip(per_operation, measured_times, strict=True)])
        rows.append(
            Row(
                name,
                ratios(measured_times, baseline),
                {
                    "ms a step": 1e3 * cpu.median,
                    "samples/s": batch / cpu.median,
                    "GFLOP/s": operations / cpu.median / 1e9,
                    "share of the peak": share.median,
                },
            )
        )
    return rows


def overhead(rounds: int) -> list[Suite]:
    """Measure the network of points."""
    return [Suite("Overhead: an MLP on the ring, batch 128", "tutorial's loop", measure(TINY, 500, rounds))]


def train(rounds: int) -> list[Suite]:
    """Measure DCGAN in fp32 and in bf16."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.npy"
        np.save(file, np.random.default_rng(0).integers(0, 256, (2048, 3, 64, 64), dtype=np.uint8))
        overrides = [*DCGAN, f"data.file={file}"]
        title = "DCGAN 64×64, width 64, batch 64"
        return [
            Suite(f"{title}, fp32", "tutorial's loop", measure(overrides, 8, rounds)),
            Suite(f"{title}, bf16", "tutorial's loop", measure([*overrides, BF16], 8, rounds)),
        ]
