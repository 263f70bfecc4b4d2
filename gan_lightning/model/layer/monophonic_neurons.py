"""Monophonic neurons: one pitch of a voice at a time, or a rest, with the gradient of a softmax in the backward pass.

p = softmax(slope · [logits, rest]);  output = 2 · onehot(argmax p) − 1, without the rest;  its gradient is that of 2p

Binary neurons of a voice know nothing of each other, so that a voice of several pitches or none is what they draw at first; in
music for one singer per voice it never occurs. A stochastic neuron draws from p in training, by the Gumbel-max trick. The
straight-through estimator of a categorical variable: Jang et al. 2017, section 2.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lightning.model.layer.annealed_slope import AnnealedSlope


class MonophonicNeurons(AnnealedSlope):
    """Choose a pitch or the rest."""

    def forward(self, logits: Tensor, rest: Tensor) -> Tensor:  # (N, V, T, P), (N, V, T, 1) -> (N, V, T, P), −1 or 1
        scaled = self.slope * torch.cat([logits, rest], 3)
        drawn = scaled
        if self.draws:
            drawn = scaled - (-torch.rand_like(scaled).clamp_min(1e-20).log()).log()
        soft = scaled.softmax(3)
        choices = torch.arange(scaled.shape[3], device=scaled.device)
        hard = (drawn.argmax(3, keepdim=True) == choices).to(soft.dtype)
        return 2 * (soft + (hard - soft).detach())[..., :-1] - 1
