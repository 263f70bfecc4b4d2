"""Weight clipping of WGAN: each of D's weights is moved into [−`limit`, `limit`] after every update of D.

It keeps D Lipschitz continuous, for some constant that depends on the network. Arjovsky et al. 2017, algorithm 1, `limit` 0.01.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from gan_lightning.regularizer.base import Regularizer


class WeightClip(Regularizer):
    """Clip D's weights; no term is added to a loss."""

    def __init__(self, limit: Annotated[float, Field(gt=0)] = 0.01) -> None:
        super().__init__()
        self.limit = limit

    @torch.no_grad()
    def project(self, discriminator: nn.Module) -> None:
        for parameter in discriminator.parameters():
            if parameter.requires_grad:  # not those of frozen features
                parameter.clamp_(-self.limit, self.limit)
