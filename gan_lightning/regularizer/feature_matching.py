"""Feature matching: G matches the mean of D's features on real samples.

    generator  mean over features (mean f(x) − mean f(G(z)))²

f are the maps of D's inner layers if it returns any, otherwise the input of its last layer; both means are of the micro-batch.
Salimans et al. 2016, section 3.1.
"""

import torch
from torch import Tensor

from gan_lightning.regularizer.base import Regularizer
from gan_lightning.step.types import Output, StepContext


class FeatureMatching(Regularizer):
    """Penalise the distance between the mean features of real and generated samples."""

    def generator(self, context: StepContext) -> Tensor:  # -> ()
        with torch.no_grad():
            real = context.real_output or context.discriminate(context.real, context.condition)
        pairs = zip(inner(real), inner(context.fake_output), strict=True)
        distances = [(x.mean(0).detach() - y.mean(0)).square().mean() for x, y in pairs]
        return torch.stack(distances).mean()


def inner(output: Output) -> tuple[Tensor, ...]:  # (N, …) each
    """Return what D's inner layers return. Raises ValueError if D shows nothing of it."""
    if output.maps:
        return output.maps
    if output.features is None:
        raise ValueError("feature matching needs a discriminator that returns features or maps")
    return (output.features,)
