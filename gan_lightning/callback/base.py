"""What a watcher that measures leaves behind: a row of numbers now and then, as a table, as scalars and as one picture.

`RUN/<name>.csv` grows row by row, and a resumed run goes on with the rows up to its step; `RUN/<name>.png` is drawn at the end.
Measuring changes nothing in the run that is measured: see `state_restored`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from PIL import Image

from gan_lightning.callback import image_logging
from gan_lightning.gan import GAN
from gan_lightning.model.layer.sync_batch_norm import local_batch_norm
from gan_lightning.run.directory import Run

Row = dict[str, float]  # "step" first


class Table(pl.Callback):
    """Subclasses say when (`due`), what (`measure`) and how it looks (`figure`)."""

    name: ClassVar[str]  # of the files, and before the slash of the scalars

    def __init__(self, run: Run) -> None:
        self.run = run
        self.rows: list[Row] = []

    def due(self, step: int, gan: GAN) -> bool:
        """Whether there is a row at this step; 0 is before the first."""
        raise NotImplementedError

    def measure(self, gan: GAN) -> Row:
        """The row, without its step."""
        raise NotImplementedError

    def figure(self, gan: GAN) -> Figure:
        """All rows in one picture."""
        raise NotImplementedError

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, GAN)
        if trainer.is_global_zero:
            kept = [row for row in self._read() if row["step"] <= trainer.global_step]
            self.run.path.joinpath(f"{self.name}.csv").unlink(missing_ok=True)
            self.rows = []
            for row in kept:
                self._keep(row)
            self._look(trainer, module)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        assert isinstance(module, GAN)
        if trainer.is_global_zero:
            self._look(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.is_global_zero and self.rows:
            assert isinstance(module, GAN)
            path = self.run.path / f"{self.name}.png"
            with local_batch_norm(module):
                self.figure(module).savefig(path)
            image = np.asarray(Image.open(path).convert("RGB"))
            for logger in trainer.loggers:
                image_logging.log_image(logger, self.name, image, trainer.global_step)

    def _look(self, trainer: pl.Trainer, gan: GAN) -> None:
        step = trainer.global_step
        if self.due(step, gan) and (not self.rows or self.rows[-1]["step"] < step):
            with state_restored(gan):
                found = self.measure(gan)
            self._keep({"step": step} | found)
            for logger in trainer.loggers:
                logger.log_metrics({f"{self.name}/{key}": value for key, value in found.items()}, step)

    def _keep(self, row: Row) -> None:
        self.rows.append(row)
        with self.run.path.joinpath(f"{self.name}.csv").open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, row, lineterminator="\n")
            if len(self.rows) == 1:
                writer.writeheader()
            writer.writerow(row)

    def _read(self) -> list[Row]:
        path = self.run.path / f"{self.name}.csv"
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            whole = [row for row in csv.DictReader(file) if None not in row.values()]  # the last may have been cut off
        return [{key: int(value) if key == "step" else float(value) for key, value in row.items()} for row in whole]


@contextmanager
def state_restored(gan: GAN) -> Iterator[None]:
    """What looking changes is put back: running statistics, and the state of the random numbers."""
    kept = [(buffer, buffer.clone()) for buffer in gan.buffers()]
    with local_batch_norm(gan), torch.random.fork_rng(devices=[gan.device] if gan.device.type == "cuda" else []):
        yield
    for buffer, before in kept:
        buffer.copy_(before)
