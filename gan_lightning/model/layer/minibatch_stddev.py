"""The minibatch standard deviation: a map of how much the samples of a group differ, as one more channel of D.

    map of a group = mean over channels and pixels of √(variance over the group's samples + ε)

Without it the logit of a sample does not depend on the others, and D can't punish a generator that draws the same sample again
and again. Karras et al. 2018, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lightning.step.types import Count

EPSILON = 1e-8


class MinibatchStandardDeviation(nn.Module):
    """Append the map of each sample's group to its channels.

    Groups have `group` samples, or all where the batch has fewer. In training the group must divide what D receives at once,
    the batch over `gan.accumulate_grad_batches`, processes and packing; logits depend on how it is split. In eval mode, where
    a metric may pass any number of samples, the group is the largest divisor of their number up to `group`.
    """

    def __init__(self, group: Count = 4) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C + 1, H, W)
        """Return the maps with one more channel. Raises ValueError in training if the group does not divide N."""
        n, *shape = x.shape
        group = min(self.group, n)
        if n % group:
            if self.training:
                raise ValueError(f"the minibatch standard deviation has groups of {group} samples, which do not divide {n}")
            group = next(size for size in range(group, 0, -1) if n % size == 0)
        groups = x.reshape(group, n // group, *shape)  # sample i is in group i mod (n / group)
        deviation = (groups.var(0, correction=0) + EPSILON).sqrt().mean((1, 2, 3))  # (n / group,)
        column = deviation.repeat(group).reshape(n, 1, 1, 1)
        return torch.cat([x, column.expand(-1, -1, *shape[1:])], 1)
