"""Class conditioning: a one-hot class beside z for G, class projection for D."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lightning.step.types import Output


def concat_class(z: Tensor, condition: Tensor | None, num_classes: int) -> Tensor:  # (N, Z), (N,) -> (N, Z + num_classes)
    """Append the one-hot class to z (Mirza & Osindero 2014); return z itself if there are no classes.

    Raises ValueError without labels.
    """
    if not num_classes:
        return z
    if condition is None:
        raise ValueError(f"a network of {num_classes} classes was given no labels")
    one_hot = condition.unsqueeze(1) == torch.arange(
        num_classes, device=condition.device
    )  # torch's one_hot calls item() on a CPU
    return torch.cat([z, one_hot.to(z.dtype)], 1)


class Projection(nn.Module):
    """Map features to a logit: linear, plus ⟨embedding of the class, features⟩ if there are classes.

    The log-likelihood ratio of a conditional model has this form: Miyato & Koyama 2018, eq. 4. Of packed samples, which are
    independent, it is a sum: the embeddings of their m classes are added.
    """

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, 1)
        self.embedding = nn.Embedding(num_classes, num_features) if num_classes else None

    def forward(self, features: Tensor, condition: Tensor | None) -> Output:  # (N, F), (N,) or (N, m) -> (N,), (N, F)
        """Return the logits and the features. Raises ValueError without labels if there are classes."""
        logits = self.linear(features).squeeze(1)
        if self.embedding is not None:
            if condition is None:
                raise ValueError(f"a network of {self.embedding.num_embeddings} classes was given no labels")
            embedded = self.embedding(condition)
            logits = logits + ((embedded.sum(1) if condition.dim() == 2 else embedded) * features).sum(1)
        return Output(logits, features)
