"""Conditional batch normalisation: scale and shift are linear functions of a vector, such as a one-hot class or a part of z.

    out = (1 + gain(condition)) · (x − mean) / √(var + eps) + bias(condition)

For a one-hot class this is a scale and a shift per class. De Vries et al. 2017, section 3.2.
"""

from __future__ import annotations

from torch import Tensor, nn

from gan_lightning.model.layer.condition import concat_class


class ConditionalBatchNorm(nn.Module):
    """Normalise maps by batch statistics, with scale and shift from the condition; an ordinary layer if `condition_dim` is 0.

    Scales start at 1 and shifts at 0. The normalisation itself is a layer that `synchronize_batch_norm` can replace.
    """

    def __init__(self, num_features: int, condition_dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_features, affine=not condition_dim)
        self.gain, self.bias = None, None
        if condition_dim:
            self.gain = nn.Linear(condition_dim, num_features, bias=False)
            self.bias = nn.Linear(condition_dim, num_features, bias=False)
            nn.init.zeros_(self.gain.weight)
            nn.init.zeros_(self.bias.weight)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:  # (N, C, H, W), (N, condition_dim) -> (N, C, H, W)
        x = self.norm(x)
        if self.gain is None or self.bias is None:
            return x
        return x * (1 + self.gain(condition))[..., None, None] + self.bias(condition)[..., None, None]


def one_hot(z: Tensor, condition: Tensor | None, num_classes: int) -> Tensor:  # (N, Z), (N,) -> (N, num_classes)
    """Return the condition alone, in the form and dtype that `concat_class` appends to z; (N, 0) if there are no classes.

    Raises ValueError without a condition if there are classes.
    """
    return concat_class(z[:, :0], condition, num_classes)
