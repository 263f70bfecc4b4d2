"""Orthogonal regularization of G: the filters of each layer become orthogonal to each other, while their norms stay free.

    generator  Σ over layers ‖W Wᵀ ∘ (1 − I)‖²    W with one row per filter

It lets a generator be sampled from truncated z. Brock et al. 2019, eq. 3; β = 1e-4 there.
"""

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.equalized import EqualizedConv2d, EqualizedLinear
from gan_lightning.model.layer.modulated_convolution import ModulatedConvolution
from gan_lightning.regularizer.base import Interval, Regularizer, Weight
from gan_lightning.step.schedule import Schedule
from gan_lightning.step.types import StepContext

EQUALIZED = (EqualizedConv2d, EqualizedLinear, ModulatedConvolution)  # their weights are scaled when they are used
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)


class Orthogonal(Regularizer):
    """Penalise the inner products of the filters of G's dense and convolutional layers; `weight` is β."""

    def __init__(self, weight: Weight = 1e-4, interval: Interval = 1, schedule: Schedule | None = None) -> None:
        super().__init__(weight, interval, schedule)

    def setup(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Check that G's weights are used as they are stored. Raises ValueError for equalized learning rates."""
        if any(isinstance(layer, EQUALIZED) for layer in generator.modules()):
            raise ValueError(
                "the generator's learning rates are equalized, so its stored weights are not those that it applies"
            )

    def generator(self, context: StepContext) -> Tensor:  # -> ()
        layers = [layer for layer in context.generator.modules() if isinstance(layer, LAYERS)]
        terms = [off_diagonal(filters(layer)).square().sum() for layer in layers]
        return torch.stack(terms).sum() if terms else context.fake.new_zeros(())


def filters(layer: nn.Module) -> Tensor:  # -> (outputs, values of a filter)
    """Return a layer's weights with one row per output."""
    weight: Tensor = layer.weight  # type: ignore[assignment]
    transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d)
    return (weight.transpose(0, 1) if transposed else weight).flatten(1)


def off_diagonal(rows: Tensor) -> Tensor:  # (n, v) -> (n, n)
    """Return the inner products of the rows, 0 on the diagonal."""
    products = rows @ rows.T
    return products - torch.diag(products.diagonal())
