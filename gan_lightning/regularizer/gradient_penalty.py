"""The gradient penalty of WGAN-GP: (|∇D(x̂)| − 1)², x̂ = real + u · (fake − real), u uniform in [0, 1].

An optimal Wasserstein critic has gradient norm 1 almost everywhere on such lines. Gulrajani et al. 2017, eq. 3. One-sided,
relu(|∇D(x̂)| − 1)², only norms above 1 are penalised (ibid., section 4; Petzka et al. 2018, eq. 8).
"""

import torch
from torch import Tensor

from gan_lightning.regularizer.base import Interval, Regularizer, Weight
from gan_lightning.step.schedule import Schedule
from gan_lightning.step.types import StepContext


class GradientPenalty(Regularizer):
    """Penalise D's gradient norm between real and fake samples; `weight` is λ, 10 in the paper."""

    def __init__(
        self, weight: Weight = 10.0, interval: Interval = 1, schedule: Schedule | None = None, one_sided: bool = False
    ) -> None:
        super().__init__(weight, interval, schedule)
        self.one_sided = one_sided

    def discriminator(self, context: StepContext) -> Tensor:
        logits = len(context.fake_output.logits)  # N / packing: packed samples share one u
        u = torch.rand(logits, device=context.real.device).repeat_interleave(len(context.real) // logits)
        u = u.view(-1, *[1] * (context.real.dim() - 1))  # (N, 1, …)
        between = torch.lerp(context.real.detach(), context.fake.detach(), u)
        excess = gradient_norms(context, between) - 1
        return (excess.relu() if self.one_sided else excess).square()


def gradient_norms(context: StepContext, x: Tensor) -> Tensor:  # (N, *sample_shape) -> (N / packing,)
    """Return |∇D| at samples, one norm per logit, differentiable with respect to D's weights."""
    output = context.discriminate(x.requires_grad_(), context.condition)
    (gradient,) = torch.autograd.grad(output.mean_logits.sum(), x, create_graph=True)
    return gradient.reshape(len(output.logits), -1).norm(dim=1)
