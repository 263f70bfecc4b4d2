"""Packing: m samples share one logit of the discriminator, which so sees how much they vary (PacGAN, Lin et al. 2018)."""

from torch import Tensor


def pack_samples(x: Tensor, m: int) -> Tensor:  # (N, C, …) -> (N / m, m · C, …)
    """Return each m consecutive samples as one, joined along the channels."""
    return x.reshape(len(x) // m, m * x.shape[1], *x.shape[2:])


def pack_condition(condition: Tensor | None, m: int) -> Tensor | None:  # (N, …) -> (N / m, m, …)
    """Return the conditions of each m consecutive samples in one row; unchanged if m is 1."""
    return condition if condition is None or m == 1 else condition.reshape(len(condition) // m, m, *condition.shape[1:])
