"""Class conditioning: a one-hot label beside z for G, label projection for D."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lightning.step.types import Output


def concat_class(z: Tensor, labels: Tensor | None, num_classes: int) -> Tensor:  # (N, Z), (N,) -> (N, Z + num_classes)
    """Append the one-hot label to z (Mirza & Osindero 2014); return z itself if there are no classes.

    Raises ValueError without labels.
    """
    if not num_classes:
        return z
    if labels is None:
        raise ValueError(f"a network of {num_classes} classes was given no labels")
    one_hot = labels.unsqueeze(1) == torch.arange(num_classes, device=labels.device)  # torch's one_hot calls item() on a CPU
    return torch.cat([z, one_hot.to(z.dtype)], 1)


class Projection(nn.Module):
    """Map features to a logit: linear, plus ⟨embedding of the label, features⟩ if there are classes.

    The log-likelihood ratio of a conditional model has this form: Miyato & Koyama 2018, eq. 4.
    """

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, 1)
        self.embedding = nn.Embedding(num_classes, num_features) if num_classes else None

    def forward(self, features: Tensor, labels: Tensor | None) -> Output:  # (N, F), (N,) -> (N,), (N, F)
        """Return the logits and the features. Raises ValueError without labels if there are classes."""
        logits = self.linear(features).squeeze(1)
        if self.embedding is not None:
            if labels is None:
                raise ValueError(f"a network of {self.embedding.num_embeddings} classes was given no labels")
            logits = logits + (self.embedding(labels) * features).sum(1)
        return Output(logits, features)
