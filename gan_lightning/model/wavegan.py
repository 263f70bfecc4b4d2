"""WaveGAN: DCGAN for waveforms, with convolutions of length 25 and stride 4 (Donahue et al. 2019, section 3).

G projects z to short feature maps, and transposed convolutions quadruple their length up to the sample's; ReLU, tanh at the
end. D is its mirror image with LeakyReLU 0.2. No batch normalisation. 16384 values are 16 quadrupled five times, as published;
any multiple of 4 is possible. The paper draws z from the uniform prior with latent_dim 100, and trains with the Wasserstein
loss and the gradient penalty. The published model has no classes; with `num_classes`, G gets the one-hot class beside z and D
projects the class onto its features (Mirza & Osindero 2014; Miyato & Koyama 2018).

Phase shuffle (section 3.3): between D's layers the maps are shifted by −n to n values, drawn anew for each layer and batch, so
that D can't recognise the artefacts of transposed convolutions by their phase.
"""

from __future__ import annotations

import itertools
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.model.layer.condition import Projection, concat_class
from gan_lightning.step.types import Count, NumClasses, Output, Shape

KERNEL, STRIDE = 25, 4
PADDING = (KERNEL - STRIDE + 1) // 2
SHORTEST = 16  # maps, where the length allows it
QUIET = 0.2  # G's last layer at first, so that tanh does not saturate


class Quadrupling(NamedTuple):
    """Hold a signal's channels, the length of the shortest feature maps, and how often it is quadrupled."""

    channels: int
    length: int
    times: int


def quadrupling(sample_shape: Shape) -> Quadrupling:
    """Return as many quadruplings as leave the shortest maps at least SHORTEST values, but at least one.

    Raises ValueError if the shape is not that of a signal, or the length is no multiple of 4.
    """
    if len(sample_shape) != 2:
        raise ValueError(f"{list(sample_shape)} is no signal; WaveGAN needs (channels, length)")
    channels, length = sample_shape
    if length % STRIDE:
        near = max(STRIDE, round(length / STRIDE) * STRIDE)
        raise ValueError(f"length {length} is not reached by quadrupling: it must be a multiple of {STRIDE}; near it: {near}")
    times = 1
    while length % STRIDE ** (times + 1) == 0 and length // STRIDE ** (times + 1) >= SHORTEST:
        times += 1
    return Quadrupling(channels, length // STRIDE**times, times)


@torch.no_grad()
def initialize(module: nn.Module) -> None:
    """Set G's weights so that they keep the variance of a layer's input (He et al. 2015), and its biases to 0.

    Each output of a transposed convolution is a sum over KERNEL / STRIDE positions. PyTorch's own weights divide a signal by
    about three in each of these layers, so that G would be all but independent of z and of the class at first.
    """
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5)
    elif isinstance(module, nn.ConvTranspose1d):
        nn.init.normal_(module.weight, std=(2 / (module.in_channels * KERNEL / STRIDE)) ** 0.5)
    else:
        return
    assert module.bias is not None
    nn.init.zeros_(module.bias)


class PhaseShuffle(nn.Module):
    """Shift all maps of a batch by the same random number of values, at most `most`; their ends are filled by reflection.

    In eval mode nothing is shifted. The shift is drawn from torch's default generator, which each training step reseeds.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, x: Tensor) -> Tensor:  # (N, C, T) -> (N, C, T)
        if not (self.training and self.most):
            return x
        shift = torch.randint(-self.most, self.most + 1, (1,), device=x.device)  # stays on the device
        period = 2 * (x.shape[2] - 1)
        position = (torch.arange(x.shape[2], device=x.device) + shift) % period
        return x.index_select(2, torch.minimum(position, period - position))


class Generator(nn.Module):
    """Draw waveforms from z; 19,065,345 parameters for 1×16384 and latent_dim 100."""

    def __init__(self, latent_dim: Count, sample_shape: Shape, num_classes: NumClasses = 0, width: Count = 64) -> None:
        super().__init__()
        self.num_classes = num_classes
        channels, length, times = quadrupling(sample_shape)
        maps = [width * 2**i for i in reversed(range(times))]
        projection = nn.Linear(latent_dim + num_classes, maps[0] * length)
        layers: list[nn.Module] = [projection, nn.Unflatten(1, (maps[0], length))]
        for inputs, outputs in itertools.pairwise([*maps, channels]):
            layers += [nn.ReLU(), nn.ConvTranspose1d(inputs, outputs, KERNEL, STRIDE, PADDING, output_padding=1)]
        self.layers = nn.Sequential(*layers)
        self.apply(initialize)
        assert isinstance(layers[-1], nn.ConvTranspose1d)
        with torch.no_grad():
            layers[-1].weight.mul_(QUIET)
            if num_classes:  # a one-hot class is one value of 1: its weights are those of an embedding
                projection.weight[:, latent_dim:].normal_()

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, T) in [-1, 1]
        return torch.tanh(self.layers(concat_class(z, condition, self.num_classes)))


class Discriminator(nn.Module):
    """Score each sample independently of the others in the batch; 17,427,969 parameters for 1×16384.

    `phase_shuffle` is the largest shift in values; 0: none.
    """

    def __init__(
        self,
        sample_shape: Shape,
        num_classes: NumClasses = 0,
        width: Count = 64,
        phase_shuffle: Annotated[int, Field(ge=0)] = 2,
    ) -> None:
        super().__init__()
        channels, length, times = quadrupling(sample_shape)
        maps = [width * 2**i for i in range(times)]
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise([channels, *maps]):
            layers += [nn.Conv1d(inputs, outputs, KERNEL, STRIDE, PADDING), nn.LeakyReLU(0.2), PhaseShuffle(phase_shuffle)]
        self.layers = nn.Sequential(*layers[:-1], nn.Flatten())  # the last layer's maps are not shifted
        self.num_features = maps[-1] * length
        self.head = Projection(self.num_features, num_classes)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, T), (N,) -> (N,), (N, F)
        return self.head(self.layers(x), condition)
