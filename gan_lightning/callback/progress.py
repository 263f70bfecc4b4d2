"""The bar: d_loss, g_loss, images a second and the time left, read from the device only when it is redrawn."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import pytorch_lightning as pl
from pydantic import Field
from pytorch_lightning.callbacks import TQDMProgressBar
from tqdm import tqdm

from gan_lightning.step.types import Batch


class Progress(TQDMProgressBar):
    """Redrawn every so many steps; in a log file, where each redrawing stays, 20 times a run."""

    def __init__(self, every_n_steps: Annotated[int, Field(ge=1)] = 20) -> None:
        super().__init__(refresh_rate=every_n_steps)
        self.bar: Any = None
        self.since, self.seen = 0.0, 0

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if not sys.stderr.isatty():
            self._refresh_rate = max(self.refresh_rate, trainer.max_steps // 20)
        self.bar = tqdm(
            desc="training",
            total=trainer.max_steps,
            initial=trainer.global_step,
            disable=self.is_disabled,
            dynamic_ncols=True,
            mininterval=0,
            unit="step",
            bar_format="{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]",
        )
        self.since = time.monotonic()

    def on_train_epoch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """There are no epochs to announce."""

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Batch, i: int) -> None:
        step = trainer.global_step
        self.seen += len(batch.real) * trainer.world_size
        if (step % self.refresh_rate == 0 or step == trainer.max_steps) and not self.bar.disable:
            speed = self.seen / (time.monotonic() - self.since)
            kind = "images" if batch.real.dim() == 4 else "samples"
            terms = {name: float(outputs[f"loss/{name[0]}"].mean()) for name in ("d_loss", "g_loss")}
            said = [f"{name}={value:.3f}" for name, value in terms.items()]
            self.bar.set_postfix_str(", ".join([*said, f"{speed:.0f} {kind}/s"]), refresh=False)
            self.bar.n = step
            self.bar.refresh()
            self.since, self.seen = time.monotonic(), 0

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """There are no epochs to sum up."""

    def on_train_end(self, *_: Any) -> None:
        self.bar.close()

    def on_exception(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.close()
