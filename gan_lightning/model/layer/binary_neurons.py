"""Binary neurons: outputs of −1 and 1 in the forward pass, with the gradient of a sigmoid in the backward pass.

p = sigmoid(slope · logit);  output = 2 · [p > u] − 1;  ∂ output / ∂ logit = ∂ 2p / ∂ logit

u is ½ for a deterministic neuron, and uniform in [0, 1] for a stochastic one (Bernoulli sampling). So D never sees a value that
a real sample does not have, and G still learns. The straight-through estimator with the sigmoid's slope: Bengio et al. 2013;
slope annealing, which brings the sigmoid near the step function: Chung et al. 2017; both in GANs: Dong & Yang 2018.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.step.progress import Progress

Slope = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class BinaryNeurons(nn.Module):
    """Binarize logits; the slope goes from 1 at the beginning of a run to `final_slope` at its end, by equal ratios.

    `stochastic` neurons draw from torch's default generator in training, which each step reseeds; in eval mode all neurons are
    deterministic.
    """

    slope: Tensor  # (), a buffer, so that an iteration reads nothing from the host

    def __init__(self, stochastic: bool = False, final_slope: Slope = 1.0) -> None:
        super().__init__()
        self.stochastic, self.final_slope = stochastic, final_slope
        self.register_buffer("slope", torch.ones(()), persistent=False)

    def advance(self, progress: Progress) -> None:
        """Set the slope of the step that follows."""
        self.slope.fill_(self.final_slope**progress.fraction)

    def forward(self, logits: Tensor) -> Tensor:  # (…) -> (…), −1 or 1
        soft = torch.sigmoid(self.slope * logits)
        threshold = torch.rand_like(soft) if self.stochastic and self.training else 0.5
        hard = (soft > threshold).to(soft.dtype)
        return 2 * (soft + (hard - soft).detach()) - 1
