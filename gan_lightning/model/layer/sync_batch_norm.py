"""Batch normalisation over the batches of all ranks: what one process would do with all their samples.

    mean = Σ nᵣ meanᵣ / Σ nᵣ,    var = Σ nᵣ (varᵣ + (meanᵣ − mean)²) / Σ nᵣ,    r the ranks

`torch.nn.SyncBatchNorm` takes no CPU tensors, and its backward pass has no derivative, so that a gradient penalty can't go
through it. Here all that the ranks exchange is one differentiable sum a layer. Ioffe & Szegedy 2015, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

LOCAL = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class SyncBatchNorm(nn.modules.batchnorm._BatchNorm):
    """In training among several ranks; else what it was made of. Its state has the same names."""

    def __init__(self, local: nn.modules.batchnorm._BatchNorm) -> None:
        """Takes the place of `local`, and its parameters and buffers."""
        super().__init__(local.num_features, local.eps, local.momentum, local.affine, local.track_running_stats)
        self._parameters, self._buffers, self.training = local._parameters, local._buffers, local.training
        self.kind, self.together = type(local), True

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - the base's word
        self.kind._check_input_dim(self, input)  # type: ignore[no-untyped-call]

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        if not (self.training and self.together and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(input)
        self._check_input_dim(input)
        x = input.float()
        mean, var, n = global_moments(x)
        if self.track_running_stats:
            self._remember(mean.detach(), var.detach() * n / (n - 1))
        shape = (1, -1, *[1] * (x.dim() - 2))
        scale = (var + self.eps).rsqrt() * (1 if self.weight is None else self.weight)
        out = (x - mean.view(shape)) * scale.view(shape)
        return (out if self.bias is None else out + self.bias.view(shape)).to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, unbiased: Tensor) -> None:
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        for running, now in ((self.running_mean, mean), (self.running_var, unbiased)):
            assert running is not None
            running.lerp_(now, share)


class Sum(torch.autograd.Function):
    """Over all ranks. Every rank's loss hears of the sum, so its gradient is the sum of theirs; and so on, however often."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        total = x.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        found: Tensor = Sum.apply(gradient)
        return found


def global_moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # (N, C, …) -> (C,), (C,), ()
    """Mean and variance of each channel over all ranks, and of how many values they are."""
    rank, world, channels = dist.get_rank(), dist.get_world_size(), x.shape[1]
    over = [d for d in range(x.dim()) if d != 1]
    var, mean = torch.var_mean(x, over, correction=0)
    own = torch.cat([mean, var, x.new_full((1,), x.numel() / channels)])
    told = nn.functional.pad(own.unsqueeze(0), (0, 0, rank, world - rank - 1))  # the sum over the ranks has a row of each
    means, variances, counts = Sum.apply(told).split([channels, channels, 1], dim=1)
    n = counts.sum()
    mean = (counts * means).sum(0) / n
    return mean, (counts * (variances + (means - mean).square())).sum(0) / n, n.detach()


def synchronize_batch_norm(network: nn.Module) -> None:
    """Let every batch normalisation inside the network speak for all ranks."""
    for module in list(network.modules()):
        for name, inner in module.named_children():
            if type(inner) in LOCAL:
                setattr(module, name, SyncBatchNorm(inner))  # type: ignore[arg-type]


@contextmanager
def local_batch_norm(network: nn.Module) -> Iterator[None]:
    """Meanwhile this rank asks the network without the others, who would not answer."""
    layers = [m for m in network.modules() if isinstance(m, SyncBatchNorm)]
    for layer in layers:
        layer.together = False
    try:
        yield
    finally:
        for layer in layers:
            layer.together = True
