"""The mapping network of StyleGAN: latents, and the class if there are any, to a style w.

    w = MLP(normalised z, normalised embedding of the class),    x normalised = x / √(mean of x² + ε)

The styles need not have the fixed density of z, so that they can follow the factors of variation of the data. Karras et al.
2019, section 2; with classes as in Karras et al. 2020b (ADA).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.condition import concat_class
from gan_lightning.model.layer.equalized import EqualizedLinear
from gan_lightning.model.layer.scaled_leaky_relu import ScaledLeakyReLU

EPSILON = 1e-8
LR_MULTIPLIER = 0.01


def normalize_second_moment(x: Tensor) -> Tensor:  # (N, F) -> (N, F)
    """Scale each row to a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + EPSILON).rsqrt()


class Mapping(nn.Module):
    """Map z and the class to a style by `depth` layers; `latent_dim` 0: the class alone.

    With `num_styles` the style is repeated for so many layers of a synthesis network.
    """

    def __init__(self, latent_dim: int, num_classes: int, style_dim: int, depth: int, num_styles: int | None = None) -> None:
        super().__init__()
        self.num_classes, self.num_styles = num_classes, num_styles
        self.embedding = EqualizedLinear(num_classes, style_dim) if num_classes else None
        inputs = latent_dim + (style_dim if num_classes else 0)
        layers: list[nn.Module] = []
        for size in [inputs, *[style_dim] * (depth - 1)]:
            layers += [EqualizedLinear(size, style_dim, lr_multiplier=LR_MULTIPLIER), ScaledLeakyReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        # (N, latent_dim), (N,) -> (N, style_dim) or (N, num_styles, style_dim)
        """Return the styles. Raises ValueError without classes if the network has some."""
        parts = [normalize_second_moment(z)] if z.shape[1] else []
        if self.embedding is not None:
            one_hot = concat_class(z[:, :0], condition, self.num_classes)
            parts.append(normalize_second_moment(self.embedding(one_hot)))
        w = self.layers(torch.cat(parts, 1))
        return w if self.num_styles is None else w.unsqueeze(1).expand(-1, self.num_styles, -1)

    def style_of(self, condition: Tensor) -> Tensor:  # (N,) -> (N, style_dim)
        """Return the styles of classes, of a mapping without z."""
        return self(torch.empty(len(condition), 0, device=condition.device), condition)
