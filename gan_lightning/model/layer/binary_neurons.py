"""Binary neurons: outputs of −1 and 1 in the forward pass, with the gradient of a sigmoid in the backward pass.

p = sigmoid(slope · logit);  output = 2 · [p > u] − 1;  ∂ output / ∂ logit = ∂ 2p / ∂ logit

u is ½ for a deterministic neuron, and uniform in [0, 1] for a stochastic one (Bernoulli sampling). So D never sees a value that
a real sample does not have, and G still learns. The straight-through estimator with the sigmoid's slope: Bengio et al. 2013;
slope annealing, which brings the sigmoid near the step function: Chung et al. 2017; both in GANs: Dong & Yang 2018.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lightning.model.layer.annealed_slope import AnnealedSlope


class BinaryNeurons(AnnealedSlope):
    """Binarize logits."""

    def forward(self, logits: Tensor) -> Tensor:  # (…) -> (…), −1 or 1
        soft = torch.sigmoid(self.slope * logits)
        threshold = torch.rand_like(soft) if self.draws else 0.5
        hard = (soft > threshold).to(soft.dtype)
        return 2 * (soft + (hard - soft).detach()) - 1
