"""Embedding of the classes that a discriminator receives: one of each sample, or m where m samples share a logit."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def embed_classes(
    embed: Callable[[Tensor], Tensor], condition: Tensor | None, num_classes: int
) -> Tensor:  # (N,) or (N, m) -> (N, F)
    """Return the embeddings of classes; those of packed samples, which are independent, are added (`layer.condition`).

    Raises ValueError without labels.
    """
    if condition is None:
        raise ValueError(f"a network of {num_classes} classes was given no labels")
    if condition.dim() == 1:
        return embed(condition)
    return embed(condition.flatten()).reshape(*condition.shape, -1).sum(1)
