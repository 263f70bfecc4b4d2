"""Spectral normalisation: divide each weight, as a matrix W with a row per output, by its largest singular value σ.

    v ← normalise(Wᵀ u),    u ← normalise(W v),    σ = uᵀ W v

So a linear layer never enlarges distances, and D's slopes stay bounded. Each forward pass in training mode takes one step of
this power iteration; u and v are buffers, so they are in the checkpoint, and a resumed run continues with them. In eval mode
they do not change. Miyato et al. 2018, algorithm 1. The parametrization is torch's; under bf16 autocast its σ has the precision
of bf16.
"""

from __future__ import annotations

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

WEIGHTED = (nn.modules.conv._ConvNd, nn.Linear, nn.Embedding)


def normalize_spectra(network: nn.Module, skip: tuple[type[nn.Module], ...] = ()) -> None:
    """Normalise every convolution, linear layer and embedding of the network in place, except those inside a `skip` module.

    Layers that are normalised already stay as they are; so do weights on the meta device, which have no singular values.
    """
    modules = list(network.modules())
    skipped = {inner for outer in modules if isinstance(outer, skip) for inner in outer.modules()}
    skipped |= {module for module in modules if is_parametrized(module)}
    for module in modules:
        if isinstance(module, WEIGHTED) and not module.weight.is_meta and module not in skipped:
            spectral_norm(module)
