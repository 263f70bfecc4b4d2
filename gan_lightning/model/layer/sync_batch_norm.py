"""Batch normalisation by the statistics of all ranks' samples, as one process with the whole batch computes them.

    mean = Σ nᵣ meanᵣ / Σ nᵣ,    var = Σ nᵣ (varᵣ + (meanᵣ − mean)²) / Σ nᵣ,    r the ranks

`torch.nn.SyncBatchNorm` rejects CPU tensors, and its backward pass has no derivative, so that it does not work under a gradient
penalty. Here each layer exchanges one differentiable sum. Ioffe & Szegedy 2015, algorithm 1.
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
    """Normalise by all ranks' statistics when training in several processes, otherwise like the layer that it replaces.

    The keys of its state dict are those of that layer.
    """

    def __init__(self, local: nn.modules.batchnorm._BatchNorm) -> None:
        """Share the parameters and buffers of `local`."""
        super().__init__(local.num_features, local.eps, local.momentum, local.affine, local.track_running_stats)
        self._parameters, self._buffers, self.training = local._parameters, local._buffers, local.training
        self.local_type, self.synchronized = type(local), True

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - the base's name
        self.local_type._check_input_dim(self, input)  # type: ignore[no-untyped-call]

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # (N, C, …) -> (N, C, …)
        if not (self.training and self.synchronized and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(input)
        self._check_input_dim(input)
        x = input.float()
        mean, var, n = global_moments(x)
        if self.track_running_stats:
            self._update_running_statistics(mean.detach(), var.detach() * n / (n - 1))
        shape = (1, -1, *[1] * (x.dim() - 2))
        scale = (var + self.eps).rsqrt() * (1 if self.weight is None else self.weight)
        out = (x - mean.view(shape)) * scale.view(shape)
        return (out if self.bias is None else out + self.bias.view(shape)).to(input.dtype)

    @torch.no_grad()
    def _update_running_statistics(self, mean: Tensor, unbiased_var: Tensor) -> None:
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        for running, current in ((self.running_mean, mean), (self.running_var, unbiased_var)):
            assert running is not None
            running.lerp_(current, weight)


class Sum(torch.autograd.Function):
    """Sum a tensor over all ranks, differentiably any number of times.

    Every rank's loss depends on the sum, so its gradient is the sum of the ranks' gradients. The results are those of
    `torch.distributed.nn.functional.all_reduce`, which is deprecated, warns on every rank, and is replaced by a private module.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004  # any shape -> the same shape (*x.shape)
        total = x.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004  # (*x.shape) -> (*x.shape)
        total: Tensor = Sum.apply(gradient)
        return total


def global_moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # (N, C, …) -> (C,), (C,), ()
    """Return each channel's mean and biased variance over all ranks, and the number of values of a channel."""
    rank, world, channels = dist.get_rank(), dist.get_world_size(), x.shape[1]
    dims = [d for d in range(x.dim()) if d != 1]
    var, mean = torch.var_mean(x, dims, correction=0)
    local = torch.cat([mean, var, x.new_full((1,), x.numel() / channels)])
    padded = nn.functional.pad(local.unsqueeze(0), (0, 0, rank, world - rank - 1))  # its sum over the ranks has a row per rank
    means, variances, counts = Sum.apply(padded).split([channels, channels, 1], dim=1)
    n = counts.sum()
    mean = (counts * means).sum(0) / n
    return mean, (counts * (variances + (means - mean).square())).sum(0) / n, n.detach()


def synchronize_batch_norm(network: nn.Module) -> None:
    """Replace every batch normalisation inside the network, in place, by one over all ranks."""
    for module in list(network.modules()):
        for name, inner in module.named_children():
            if type(inner) in LOCAL:
                setattr(module, name, SyncBatchNorm(inner))  # type: ignore[arg-type]


@contextmanager
def local_batch_norm(network: nn.Module) -> Iterator[None]:
    """Use local batch statistics inside this block, because only this rank runs the forward pass."""
    layers = [m for m in network.modules() if isinstance(m, SyncBatchNorm)]
    for layer in layers:
        layer.synchronized = False
    try:
        yield
    finally:
        for layer in layers:
            layer.synchronized = True
