"""What it costs that nothing is lost: a save every 500 steps, and an ear for signals in each, over the steps themselves.

python scripts/durability.py [model=dcgan …]     (overrides as gan-train takes them; without any, DCGAN on 64×64, 64 at a time)

One thread. A run of that many steps isn't trained: the parts are measured, medians of several, and set in proportion.
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
EVERY, SAVES, HEARD = 500, 5, 20_000


class Noise(IterableDataset[Batch]):
    """Batches of the right shape."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield Batch(torch.rand(self.shape) * 2 - 1, None)


class Stopwatch(pl.Callback):
    """Seconds of each step, of a save, and of a look whether a signal came."""

    def __init__(self, run: Run, ending: SynchronizedStop, checkpoint: Checkpoint) -> None:
        self.run, self.ending, self.checkpoint = run, ending, checkpoint
        self.began, self.steps, self.saves, self.heard = 0.0, list[float](), list[float](), 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        self.began = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        self.steps.append(time.perf_counter() - self.began)
        if trainer.global_step == trainer.max_steps:
            self.saves = [timed(lambda: self.checkpoint._save(trainer, module)) for _ in range(SAVES)]
            began = time.perf_counter()
            for _again in range(HEARD):
                self.ending.on_train_batch_end(trainer, module)
            self.heard = (time.perf_counter() - began) / HEARD


def timed(work: Callable[[], Any]) -> float:
    """Its seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Print one line."""
    silence_lightning()
    torch.set_num_threads(1)
    config = Composer().compose([*DEFAULT, *sys.argv[1:]])
    plain = validate(config)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        run = Run.begin(Path(folder) / "run", config, [])
        (run.path / "checkpoints").mkdir(exist_ok=True)
        ending, checkpoint = SynchronizedStop(run, Preemption()), Checkpoint(run)
        watch = Stopwatch(run, ending, checkpoint)
        trainer = instantiate.build_bare_trainer(
            plain, logger=False, callbacks=[ending, watch], plugins=[DurableCheckpointIO()], enable_progress_bar=False
        )
        batches = DataLoader(Noise(plain["data"]["batch_size"], *plain["data"]["sample_shape"]), batch_size=None)
        trainer.fit(instantiate.build_gan(plain), batches)
    step, save = statistics.median(watch.steps[2:]), statistics.median(watch.saves)
    more = (save / EVERY + watch.heard) / step
    heard = f"signals {watch.heard * 1e6:.1f} µs a step"
    print(f"a step {step * 1e3:.0f} ms, a save {save * 1e3:.0f} ms every {EVERY} steps, {heard}: {more:.2%} more")


if __name__ == "__main__":
    main()
