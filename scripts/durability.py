"""The cost of durability relative to training: a save every 500 steps, and a check for signals in every step.

python scripts/durability.py [model=dcgan …]     (overrides, as for gan-train; by default DCGAN at 64×64 with batches of 64)

Everything runs on one thread. No run of 500 steps is trained: a step, a save and a check are each measured several times, and
their medians are combined.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, IterableDataset

from gan_lightning.callback.checkpoint import Checkpoint
from gan_lightning.callback.preemption import Preemption, SynchronizedStop
from gan_lightning.config import instantiate
from gan_lightning.config.compose import Composer
from gan_lightning.config.validate import validate
from gan_lightning.run.directory import Run
from gan_lightning.step.types import Batch
from gan_lightning.storage.checkpoint_io import DurableCheckpointIO
from gan_lightning.training.fit import silence_lightning

DEFAULT = ["experiment=digits", "model=dcgan", "loss=non_saturating", "regularizer=none", "metric=none", "data.num_classes=0"]
DEFAULT += ["data.sample_shape=[3,64,64]", "data.batch_size=64", "trainer.accelerator=cpu", "trainer.max_steps=8"]
SAVE_INTERVAL, SAVES, SIGNAL_CHECKS = 500, 5, 20_000


class Noise(IterableDataset[Batch]):
    """Yield random batches of the given shape."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield Batch(torch.rand(self.shape) * 2 - 1, None)


class Stopwatch(pl.Callback):
    """Measure the seconds of each step, of a save, and of a check for signals."""

    def __init__(self, run: Run, stop: SynchronizedStop, checkpoint: Checkpoint) -> None:
        self.run, self.stop, self.checkpoint = run, stop, checkpoint
        self.began, self.steps, self.saves, self.signal_check = 0.0, list[float](), list[float](), 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        self.began = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        self.steps.append(time.perf_counter() - self.began)
        if trainer.global_step == trainer.max_steps:
            self.saves = [measure_seconds(lambda: self.checkpoint._save(trainer, module)) for _ in range(SAVES)]
            began = time.perf_counter()
            for _i in range(SIGNAL_CHECKS):
                self.stop.on_train_batch_end(trainer, module)
            self.signal_check = (time.perf_counter() - began) / SIGNAL_CHECKS


def measure_seconds(work: Callable[[], Any]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure the parts and print one line."""
    silence_lightning()
    torch.set_num_threads(1)
    config = Composer().compose([*DEFAULT, *sys.argv[1:]])
    plain = validate(config)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        run = Run.begin(Path(folder) / "run", config, [])
        (run.path / "checkpoints").mkdir(exist_ok=True)
        stop, checkpoint = SynchronizedStop(run, Preemption()), Checkpoint(run)
        stopwatch = Stopwatch(run, stop, checkpoint)
        trainer = instantiate.build_bare_trainer(
            plain, logger=False, callbacks=[stop, stopwatch], plugins=[DurableCheckpointIO()], enable_progress_bar=False
        )
        batches = DataLoader(Noise(plain["data"]["batch_size"], *plain["data"]["sample_shape"]), batch_size=None)
        trainer.fit(instantiate.build_gan(plain), batches)
    step, save = statistics.median(stopwatch.steps[2:]), statistics.median(stopwatch.saves)
    overhead = (save / SAVE_INTERVAL + stopwatch.signal_check) / step
    costs = (
        f"a save {save * 1e3:.0f} ms every {SAVE_INTERVAL} steps, a signal check {stopwatch.signal_check * 1e6:.1f} µs per step"
    )
    print(f"a step {step * 1e3:.0f} ms, {costs}: {overhead:.2%} overhead")


if __name__ == "__main__":
    main()
