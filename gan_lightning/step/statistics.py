"""Statistics that steer the training, such as the mean logit of LeCam or the mean slope of path length: of all ranks together.

Where each rank had its own statistic, its loss would be another than one process's with the whole batch, and a checkpoint
would hold that of rank 0 alone. With one process nothing is communicated.
"""

from typing import Annotated

import torch
import torch.distributed as dist
from pydantic import Field
from torch import Tensor, nn

Decay = Annotated[float, Field(ge=0, lt=1)]


def gather_ranks(x: Tensor) -> Tensor:  # (n, …) -> (n · ranks, …)
    """Return the detached rows of all ranks, the same on each of them, rank by rank."""
    x = x.detach()
    if not (dist.is_available() and dist.is_initialized()):
        return x
    of_ranks = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(of_ranks, x.contiguous())
    return torch.cat(of_ranks)


class RunningMean(nn.Module):
    """Keep the exponential moving average of a statistic's mean over all ranks: value ← decay · value + (1 − decay) · mean.

    `value` is a buffer: a checkpoint holds it, and a resumed run continues from it. `initial` is its first value.
    """

    value: Tensor  # ()

    def __init__(self, decay: Decay, initial: float = 0.0) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("value", torch.tensor(float(initial)))

    @torch.no_grad()
    def update(self, x: Tensor) -> Tensor:  # (n, …) -> ()
        """Add the mean of this iteration's values, and return the new average, without a gradient."""
        mean = gather_ranks(x.detach().float().mean().reshape(1)).mean()  # ranks have equally many values
        return self.value.lerp_(mean, 1 - self.decay).clone()
