"""The two stages of a style-based generator, z → w → samples; of any other generator w is z itself.

A generator may have the methods `mapping(z, condition) -> w` and `synthesis(w, condition) -> samples` (Karras et al. 2019,
section 2), with forward = synthesis ∘ mapping. What works on w, such as path length, truncation or interpolation, takes the two
stages from here and so works for every generator.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

Stage = Callable[[Tensor, Tensor | None], Tensor]  # (N, …), condition (N, …) -> (N, …)


class Stages(NamedTuple):
    """Hold the two stages of a generator."""

    mapping: Stage  # z (N, latent_dim) -> w (N, …)
    synthesis: Stage  # w (N, …) -> samples (N, *sample_shape)


def split_generator(generator: nn.Module) -> Stages:
    """Return the generator's own `mapping` and `synthesis`, or the identity and the generator itself."""
    mapping, synthesis = getattr(generator, "mapping", None), getattr(generator, "synthesis", None)
    if callable(mapping) and callable(synthesis):
        return Stages(mapping, synthesis)
    return Stages(identity, generator)


def identity(z: Tensor, condition: Tensor | None) -> Tensor:  # noqa: ARG001 (the signature of a mapping)
    """Return z itself."""
    return z


class Latents(NamedTuple):
    """Hold what generated samples come from."""

    z: Tensor  # (N, latent_dim)
    generator: nn.Module  # in eval mode
