"""The base of callbacks that measure: rows of numbers, stored as a table, logged as scalars and drawn as one figure.

`RUN/<name>.csv` grows row by row, and a resumed run continues after the rows up to its step; `RUN/<name>.png` is drawn at the
end of training. A measurement leaves the run unchanged: see `state_restored`.
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

from gan_lightning.callback import media_logging
from gan_lightning.gan import GAN
from gan_lightning.model.layer.sync_batch_norm import local_batch_norm
from gan_lightning.run import csv_metrics
from gan_lightning.run.directory import Run

Row = dict[str, float]  # "step" first


class Table(pl.Callback):
    """Measure a row of numbers at every step where one is due. Override `due`, `measure` and `figure`."""

    name: ClassVar[str]  # of the files, and the prefix of the scalars' tags

    def __init__(self, run: Run) -> None:
        self.run = run
        self.rows: list[Row] = []

    def due(self, step: int, gan: GAN) -> bool:
        """Return whether to measure a row at `step`; at step 0 nothing has been trained."""
        raise NotImplementedError

    def measure(self, gan: GAN) -> Row:
        """Return the numbers of one row, without its step."""
        raise NotImplementedError

    def figure(self, gan: GAN) -> Figure:
        """Draw all rows in one figure."""
        raise NotImplementedError

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, GAN)
        if trainer.is_global_zero:
            saved = [row for row in self._read() if row["step"] <= trainer.global_step]
            self.run.path.joinpath(f"{self.name}.csv").unlink(missing_ok=True)
            self.rows = []
            for row in saved:
                self._append(row)
            self._measure_if_due(trainer, module)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        assert isinstance(module, GAN)
        if trainer.is_global_zero:
            self._measure_if_due(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.is_global_zero and self.rows:
            assert isinstance(module, GAN)
            path = self.run.path / f"{self.name}.png"
            with local_batch_norm(module):
                self.figure(module).savefig(path)
            image = np.asarray(Image.open(path, formats=("PNG",)).convert("RGB"))
            for logger in trainer.loggers:
                media_logging.log_image(logger, self.name, image, trainer.global_step)

    def _measure_if_due(self, trainer: pl.Trainer, gan: GAN) -> None:
        step = trainer.global_step
        if self.due(step, gan) and (not self.rows or self.rows[-1]["step"] < step):
            with state_restored(gan):
                values = self.measure(gan)
            self._append({"step": step} | values)
            for logger in trainer.loggers:
                logger.log_metrics({f"{self.name}/{key}": value for key, value in values.items()}, step)

    def _append(self, row: Row) -> None:
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
        with csv_metrics.read_errors(path):
            # a killed process may leave its last row incomplete
            complete = [row for row in csv.DictReader(csv_metrics.open_table(path)) if None not in row.values()]
            return [{"step": int(row.pop("step"))} | {key: float(value) for key, value in row.items()} for row in complete]


@contextmanager
def state_restored(gan: GAN) -> Iterator[None]:
    """Restore, after the block, what a measurement changes: the buffers (running statistics) and the random state.

    Batch normalisation uses local statistics inside the block, because only rank 0 measures.
    """
    saved_buffers = [(buffer, buffer.clone()) for buffer in gan.buffers()]
    with local_batch_norm(gan), torch.random.fork_rng(devices=[gan.device] if gan.device.type == "cuda" else []):
        yield
    for buffer, saved in saved_buffers:
        buffer.copy_(saved)
