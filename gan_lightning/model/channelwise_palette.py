"""The networks of flat colours with the same weights for every channel, for images with channels of one kind: stacked digits.

G: one linear layer maps z to a code per channel, and one generator of `palette` with a single channel draws each of them. D:
the layers of one discriminator of `palette` read each channel, and two hidden layers of 4 · `width` and 2 · `width` units join
what they read, LeakyReLU 0.2; linear with label projection. As in `channelwise`, G learns each digit once, not once per
channel, and the codes learn which digits occur together: all codes are functions of the same z.
"""

from __future__ import annotations

from torch import Tensor, nn

from gan_lightning.model import palette
from gan_lightning.model.layer.condition import Projection, concat_class, one_hot_size
from gan_lightning.model.layer.doubling import image_shape
from gan_lightning.step.types import Count, NumValues, Output, Shape


class Generator(nn.Module):
    """Draw every channel from a code of its own, of `code_dim` coordinates."""

    def __init__(
        self,
        latent_dim: Count,
        sample_shape: Shape,
        num_classes: NumValues = 0,
        width: Count = 48,
        colours: Count = 8,
        code_dim: Count = 64,
    ) -> None:
        super().__init__()
        channels, h, w = image_shape(sample_shape)
        self.num_classes = num_classes
        self.codes = nn.Sequential(
            nn.Linear(latent_dim + one_hot_size(num_classes), channels * code_dim), nn.Unflatten(1, (channels, code_dim))
        )
        self.decoder = palette.Generator(code_dim, (1, h, w), 0, width, colours)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W) in [-1, 1]
        codes = self.codes(concat_class(z, condition, self.num_classes))
        channels: Tensor = self.decoder(codes.flatten(0, 1))  # (N · C, 1, H, W)
        return channels.reshape(*codes.shape[:2], *channels.shape[2:])


class Discriminator(nn.Module):
    """Score each sample independently of the others in the batch."""

    def __init__(self, sample_shape: Shape, num_classes: NumValues = 0, width: Count = 48) -> None:
        super().__init__()
        channels, h, w = image_shape(sample_shape)
        reader = palette.Discriminator((1, h, w), 0, width)
        self.reader, self.num_features = reader.layers, 2 * width
        self.together = nn.Sequential(
            *(nn.Linear(channels * reader.num_features, 4 * width), nn.LeakyReLU(0.2)),
            *(nn.Linear(4 * width, self.num_features), nn.LeakyReLU(0.2)),
        )
        self.head = Projection(self.num_features, num_classes)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        read = self.reader(x.flatten(0, 1).unsqueeze(1)).unflatten(0, x.shape[:2])
        return self.head(self.together(read.flatten(1)), condition)
