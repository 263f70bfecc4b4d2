"""Conditioning on a class or on several attributes: their one-hot vectors beside z for G, projection for D.

With an int as `num_values`, a condition is a class (N,); with a tuple it is one value of each attribute (N, A).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from gan_lightning.step.types import NumValues, Output


def one_hot_size(num_values: NumValues) -> int:
    """Return the number of coordinates that `concat_class` appends."""
    return num_values if isinstance(num_values, int) else sum(num_values)


def concat_class(
    z: Tensor, condition: Tensor | None, num_values: NumValues
) -> Tensor:  # (N, Z), (N,) or (N, A) -> (N, Z + one_hot_size)
    """Append the one-hot class or attributes to z (Mirza & Osindero 2014); return z itself if there are no classes.

    Raises ValueError without labels.
    """
    if not num_values:
        return z
    if condition is None:
        raise ValueError(f"a network of {one_hot_size(num_values)} classes was given no labels")
    sizes = (num_values,) if isinstance(num_values, int) else num_values
    parts = condition.unsqueeze(1).unbind(1) if condition.dim() == 1 else condition.unbind(1)
    one_hots = [  # torch's one_hot calls item() on a CPU
        part.unsqueeze(1) == torch.arange(size, device=condition.device) for part, size in zip(parts, sizes, strict=True)
    ]
    return torch.cat([z, *(one_hot.to(z.dtype) for one_hot in one_hots)], 1)


class Projection(nn.Module):
    """Map features to a logit: linear, plus ⟨embedding of the class, features⟩ if there are classes.

    The log-likelihood ratio of a conditional model has this form: Miyato & Koyama 2018, eq. 4. Of packed samples, which are
    independent, and of independent attributes it is a sum: the embeddings of m classes, or of A values, are added.
    """

    def __init__(self, num_features: int, num_values: NumValues) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, 1)
        self.embedding = nn.Embedding(one_hot_size(num_values), num_features) if num_values else None
        first = None if isinstance(num_values, int) else torch.tensor([0, *itertools.accumulate(num_values[:-1])])
        self.register_buffer("first", first, persistent=False)  # (A,): the row of each attribute's first value
        self.first: Tensor | None

    def forward(
        self, features: Tensor, condition: Tensor | None
    ) -> Output:  # (N, F), (N,), (N, m), (N, A) or (N, m, A) -> (N,), (N, F)
        """Return the logits and the features. Raises ValueError without labels if there are classes."""
        logits = self.linear(features).squeeze(1)
        if self.embedding is not None:
            if condition is None:
                raise ValueError(f"a network of {self.embedding.num_embeddings} classes was given no labels")
            embedded = self.embedding(condition if self.first is None else condition + self.first)
            logits = logits + ((embedded if condition.dim() == 1 else embedded.flatten(1, -2).sum(1)) * features).sum(1)
        return Output(logits, features)
