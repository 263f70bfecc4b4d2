"""How a network is told which class is asked."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lightning.step.types import Output


def concat_class(z: Tensor, labels: Tensor | None, num_classes: int) -> Tensor:  # (N, Z), (N,) -> (N, Z + num_classes)
    """Z with the class beside it, one-hot (Mirza & Osindero 2014); z itself where there are no classes."""
    if not num_classes:
        return z
    if labels is None:
        raise ValueError(f"a network of {num_classes} classes was given no labels")
    one_hot = labels.unsqueeze(1) == torch.arange(num_classes, device=labels.device)  # torch's own asks the host on a CPU
    return torch.cat([z, one_hot.to(z.dtype)], 1)


class Projection(nn.Module):
    """Features → logit: linear, and with classes ⟨embedding of the label, features⟩ on top.

    The log-likelihood ratio of a conditional model has just this form: Miyato & Koyama 2018, eq. 4.
    """

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, 1)
        self.embedding = nn.Embedding(num_classes, num_features) if num_classes else None

    def forward(self, features: Tensor, labels: Tensor | None) -> Output:  # (N, F), (N,) -> (N,), (N, F)
        """The discriminator's last word, and what it read."""
        logits = self.linear(features).squeeze(1)
        if self.embedding is not None:
            if labels is None:
                raise ValueError(f"a network of {self.embedding.num_embeddings} classes was given no labels")
            logits = logits + (self.embedding(labels) * features).sum(1)
        return Output(logits, features)
