"""The strategy of training in several processes: data parallelism with batch normalisation over all ranks.

Averaged gradients alone would not reproduce one process with the whole batch, because each rank would normalise by the
statistics of its own samples.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import pytorch_lightning as pl
from pydantic import Field
from pytorch_lightning.strategies import DDPStrategy

from gan_lightning.model.layer.sync_batch_norm import synchronize_batch_norm


class Parallel(DDPStrategy):
    """Replicate the GAN on every rank, give each its own batch, and average the gradients (Li et al. 2020).

    `timeout`: seconds that a rank waits for the others before it fails. `sync_batchnorm`: normalise by the statistics of all
    ranks' samples, as one process with the whole batch does; otherwise each rank normalises by its own.
    """

    def __init__(self, timeout: Annotated[float, Field(gt=0)] = 600.0, sync_batchnorm: bool = True) -> None:
        super().__init__(find_unused_parameters=True, timeout=timedelta(seconds=timeout))
        self.sync_batchnorm = sync_batchnorm

    def setup(self, trainer: pl.Trainer) -> None:
        """Synchronise the batch normalisation of G and D first; the EMA's average never trains and stays as it is."""
        if self.sync_batchnorm and isinstance(self.model, pl.LightningModule):
            for name in ("generator", "discriminator"):
                synchronize_batch_norm(getattr(self.model, name))
        super().setup(trainer)
