"""The progress bar: d_loss, g_loss, samples per second and the time left, read from the device only when it is redrawn."""

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
    """Redraw the bar every `every_n_steps` steps; about 20 times a run in a log file, where each adds a line."""

    def __init__(self, every_n_steps: Annotated[int, Field(ge=1)] = 20) -> None:
        super().__init__(refresh_rate=every_n_steps)
        self.bar: Any = None
        self.last_refresh, self.samples_since = 0.0, 0

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
        self.last_refresh = time.monotonic()

    def on_train_epoch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Do nothing, unlike the base: the stream of batches has no epochs."""

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Batch, i: int) -> None:
        step = trainer.global_step
        self.samples_since += len(batch.real) * trainer.world_size
        if (step % self.refresh_rate == 0 or step == trainer.max_steps) and not self.bar.disable:
            speed = self.samples_since / (time.monotonic() - self.last_refresh)
            kind = "images" if batch.real.dim() == 4 else "samples"
            losses = {name: float(outputs[f"loss/{name[0]}"].mean()) for name in ("d_loss", "g_loss")}
            parts = [f"{name}={value:.3f}" for name, value in losses.items()]
            self.bar.set_postfix_str(", ".join([*parts, f"{speed:.0f} {kind}/s"]), refresh=False)
            self.bar.n = step
            self.bar.refresh()
            self.last_refresh, self.samples_since = time.monotonic(), 0

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Do nothing, unlike the base: the stream of batches has no epochs."""

    def on_train_end(self, *_: Any) -> None:
        self.bar.close()

    def on_exception(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.close()
