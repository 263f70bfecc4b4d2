"""Samples over a run: real samples, samples of the same z from step 0 on, and an interpolation of z at the end."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
from pydantic import Field
from torch import Tensor
from tqdm import tqdm

from gan_lightning.callback import media_logging
from gan_lightning.data.base import Data
from gan_lightning.data.format.picture import save_image
from gan_lightning.data.selection import Selection, select_by_class
from gan_lightning.gan import GAN
from gan_lightning.run.directory import Run
from gan_lightning.step.seeding import Purpose, seeded_generator

COLUMNS, ROWS = 10, 8  # of the grid
INTERPOLATIONS = 5  # rows


class Samples(pl.Callback):
    """Save `samples/step=….png` in the run directory; log `sample/ema`, `sample/real` and `sample/interpolation`.

    Sound and text are logged, too, and saved in their native format beside the picture.
    With classes, each column shows one class. At most `max_image_mb` megabytes (10⁶ bytes) per run are logged to TensorBoard,
    because its pages load all images at once.
    """

    def __init__(
        self,
        run: Run,
        data: Data,
        every_n_steps: Annotated[int, Field(ge=1)] = 250,
        max_image_mb: Annotated[float, Field(ge=0)] = 64.0,
    ) -> None:
        self.run, self.data, self.every_n_steps, self.max_image_mb = run, data, every_n_steps, max_image_mb
        self.reported_limit, self.form = False, data.sample_format

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.is_global_zero and trainer.global_step == self.run.first_step:
            assert isinstance(module, GAN)
            self._log(trainer, "sample/real", self._real_samples(), self._columns(), "_real")
            self._draw(trainer, module)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        step = trainer.global_step
        if trainer.is_global_zero and (step % self.every_n_steps == 0 or step == trainer.max_steps):
            assert isinstance(module, GAN)
            self._draw(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.is_global_zero and self.form.interpolates and trainer.global_step:
            assert isinstance(module, GAN)
            self._log(trainer, "sample/interpolation", self._interpolation(module), COLUMNS, "_interpolation")

    def _columns(self) -> int:
        return min(self.data.num_classes, COLUMNS) or COLUMNS

    def _conditions(self) -> Tensor | None:  # -> (N, …), one for each column
        conditions, n = self.data.conditions(0, self._columns()), self._num_samples()
        return None if conditions is None else torch.cat([conditions] * -(-n // len(conditions)))[:n]

    def _num_samples(self) -> int:
        return self.form.num_shown or ROWS * self._columns()

    def _real_samples(self) -> Tensor:  # -> (N, *sample_shape)
        if not self.data.num_classes:
            return self._select_real(self._num_samples())
        columns = select_by_class(self.data.splits.train, ROWS, self._columns(), self.data.seed)
        padded = [torch.cat([c, c.new_full((ROWS - len(c), *c.shape[1:]), -1)]) for c in columns]  # a class may have too few
        return torch.stack(padded, 1).flatten(0, 1)

    def _select_real(self, n: int) -> Tensor:  # -> (≤ n, *sample_shape)
        return Selection(self.data.splits.train, n, self.data.seed).part(0, n).real

    @torch.inference_mode()
    def _draw(self, trainer: pl.Trainer, gan: GAN) -> None:
        source = seeded_generator(Purpose.PICTURE, gan.seed)
        z = gan.prior.sample(self._num_samples(), gan.latent_dim, torch.device("cpu"), source).to(gan.device)
        condition = self._conditions()
        samples = gan.ema.average(z, None if condition is None else condition.to(gan.device))
        real = self._select_real(self._num_samples()) if self.form.shows_real else None
        self._log(trainer, "sample/ema", samples, self._columns(), real=real)

    @torch.inference_mode()
    def _interpolation(self, gan: GAN) -> Tensor:  # -> (N, *sample_shape)
        """Return rows of samples whose z moves from one draw of the prior to another through points as likely as both."""
        source = seeded_generator(Purpose.PICTURE, gan.seed, 1)
        start, end = (gan.prior.sample(INTERPOLATIONS, gan.latent_dim, torch.device("cpu"), source) for _ in range(2))
        fraction = torch.linspace(0, 1, COLUMNS).repeat(INTERPOLATIONS)
        z = gan.prior.interpolate(start.repeat_interleave(COLUMNS, 0), end.repeat_interleave(COLUMNS, 0), fraction)
        condition = self.data.conditions(0, INTERPOLATIONS)
        condition = None if condition is None else condition.repeat_interleave(COLUMNS, 0)
        return gan.ema.average(z.to(gan.device), None if condition is None else condition.to(gan.device))

    def _log(
        self,
        trainer: pl.Trainer,
        tag: str,
        samples: Tensor,
        columns: int,
        suffix: str = "",
        real: Tensor | None = None,
    ) -> None:
        image = self.form.render(samples, columns, real)
        sound, text = self.form.sound(samples), self.form.text(samples)
        step = trainer.global_step
        path = self.run.sample_path(step, suffix)
        save_image(image, path)
        if ending := self.form.companion:
            self.run.sample_path(step, suffix, ending).write_bytes(self.form.encode_samples(samples, ending))
        size = path.stat().st_size + (0 if sound is None else 2 * len(sound.samples))  # as 16-bit numbers
        for logger in trainer.loggers:
            if media_logging.logged_bytes(logger) + size <= self.max_image_mb * 1e6:
                media_logging.log_image(logger, tag, image, step)
                if sound is not None:
                    media_logging.log_sound(logger, tag, sound, step)
                if text is not None:
                    media_logging.log_text(logger, tag, text, step)
            elif not self.reported_limit:
                self.reported_limit = True
                limit = f"{self.max_image_mb:g} MB of pictures are in TensorBoard (callback.samples.max_image_mb)"
                tqdm.write(f"step {step}: {limit}; from now on they are in {path.parent} alone", file=sys.stderr)
