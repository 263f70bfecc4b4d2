"""More than one process: who starts them, how they agree to end, and which one is to blame when they don't.

Each rank is a command such as `gan-train run=RUN`, so all read one config. A rank that dies takes the others with it within
seconds. No rank may leave alone, since the others would wait for its gradients for ever: one that wants to end says so, and all
end two steps on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import pytorch_lightning as pl
from pydantic import Field
from pytorch_lightning.strategies import DDPStrategy

from gan_lightning.model.layer.sync_batch_norm import synchronize_batch_norm


class Parallel(DDPStrategy):
    """Every rank has the whole game and its own batch; gradients are averaged (Li et al. 2020).

    `timeout`: seconds that a rank waits for the others before it gives them up. `sync_batchnorm`: batch statistics are those of
    all ranks' samples, so that they play the game of one process with the whole batch; else each normalises by its own.
    """

    def __init__(self, timeout: Annotated[float, Field(gt=0)] = 600.0, sync_batchnorm: bool = True) -> None:
        super().__init__(find_unused_parameters=True, timeout=timedelta(seconds=timeout))
        self.sync_batchnorm = sync_batchnorm

    def setup(self, trainer: pl.Trainer) -> None:
        """Beforehand: the players' batch normalisation, not the average's, which never trains."""
        if self.sync_batchnorm and isinstance(self.model, pl.LightningModule):
            for name in ("generator", "discriminator"):
                synchronize_batch_norm(getattr(self.model, name))
        super().setup(trainer)
