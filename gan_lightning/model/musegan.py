"""MuseGAN with binary neurons: piano rolls (voices, steps, pitches) from one z, by convolutions over time and pitch.

The form with a single generator for all voices ("composer", Dong et al. 2018, section 3.1), adapted to small rolls. G: shared
layers from z to feature maps, in which time is doubled step by step, then a private layer for each voice, which turns octaves
into semitones by a transposed convolution over twelve pitches; binary neurons at the end (Dong & Yang 2018). D sees rolls
through convolutions over pitch before time and time before pitch, and in two further streams (Dong & Yang 2018, section 3):

onset    x[t] − x[t − 1], where notes begin and end, summed over each octave
chroma   the sum over octaves: which pitch classes sound together

D has no normalisation, so that a gradient penalty applies to each sample independently.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.annealed_slope import Slope
from gan_lightning.model.layer.binary_neurons import BinaryNeurons
from gan_lightning.model.layer.condition import Projection
from gan_lightning.model.layer.monophonic_neurons import MonophonicNeurons
from gan_lightning.step.types import Count, Output, Shape

OCTAVE = 12
SHORTEST = 4  # steps of the first feature maps, at least
START_LOGIT = -2.0  # mean of a cell's logit, whose deviation begins at about 1: 2 % of the cells sound, as in real rolls


class RollSize(NamedTuple):
    """Hold a roll's voices, octaves, the steps of the shortest feature maps, and how often they are doubled."""

    voices: int
    octaves: int
    steps: int
    times: int


def roll_size(sample_shape: Shape) -> RollSize:
    """Return the sizes of a roll, with as many doublings as leave at least SHORTEST steps, but at least one.

    Raises ValueError for a shape of another kind, an odd number of steps, or pitches that are no whole octaves.
    """
    if len(sample_shape) != 3:
        raise ValueError(f"{list(sample_shape)} is no piano roll; MuseGAN needs (voices, steps, pitches)")
    voices, steps, pitches = sample_shape
    if pitches % OCTAVE:
        raise ValueError(f"{pitches} pitches are no whole octaves; they must be a multiple of {OCTAVE}")
    if steps % 2:
        raise ValueError(f"{steps} steps are not reached by doubling: they must be even")
    times = 1
    while steps % 2 ** (times + 1) == 0 and steps // 2 ** (times + 1) >= SHORTEST:
        times += 1
    return RollSize(voices, pitches // OCTAVE, steps // 2**times, times)


class Generator(nn.Module):
    """Draw piano rolls from z; `width` is the number of feature maps of each voice's last layer.

    The neurons are binary, or `monophonic` ones; `stochastic` and `final_slope` are theirs.
    """

    def __init__(
        self,
        latent_dim: Count,
        sample_shape: Shape,
        width: Count = 32,
        monophonic: bool = False,
        stochastic: bool = False,
        final_slope: Slope = 1.0,
    ) -> None:
        super().__init__()
        voices, octaves, steps, times = roll_size(sample_shape)
        shared, private = 4 * width, voices * width
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, shared * steps * octaves, bias=False),
            nn.Unflatten(1, (shared, steps, octaves)),
            *activation(shared),
        ]
        for outputs in [*[shared] * (times - 1), private]:
            layers += [nn.ConvTranspose2d(shared, outputs, (4, 3), (2, 1), 1, bias=False), *activation(outputs)]
        self.shared = nn.Sequential(*layers)
        self.private = nn.ConvTranspose2d(private, voices, (1, OCTAVE), (1, OCTAVE), groups=voices)  # a group for each voice
        self.rest = nn.Conv2d(private, voices, (1, octaves), groups=voices) if monophonic else None
        self.binary = None if monophonic else BinaryNeurons(stochastic, final_slope)
        self.monophonic = MonophonicNeurons(stochastic, final_slope) if monophonic else None
        nn.init.normal_(self.private.weight, 0.0, (2 / width) ** 0.5)
        nn.init.constant_(self.private.bias, 0.0 if monophonic else START_LOGIT)  # type: ignore[arg-type]

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z) -> (N, V, T, P), −1 or 1
        maps = self.shared(z)
        logits = self.private(maps)
        if self.monophonic is not None and self.rest is not None:
            return self.monophonic(logits, self.rest(maps))
        assert self.binary is not None
        return self.binary(logits)


class Discriminator(nn.Module):
    """Score each roll independently of the others in the batch; `width` is the number of feature maps of the first layers."""

    def __init__(self, sample_shape: Shape, width: Count = 32) -> None:
        super().__init__()
        voices, octaves, steps, times = roll_size(sample_shape)
        inner = 2 * width
        time = ((4, 1), (4, 1), (0, 0)) if times > 1 else ((2, 1), (2, 1), (0, 0))
        self.pitch_first = nn.Sequential(
            *convolution(voices, width, (1, OCTAVE), (1, OCTAVE)), *convolution(width, inner, *time)
        )
        self.time_first = nn.Sequential(
            *convolution(voices, width, *time), *convolution(width, inner, (1, OCTAVE), (1, OCTAVE))
        )
        self.onset = nn.Sequential(*convolution(voices, width, *time))
        self.chroma = nn.Sequential(*convolution(voices, width, (1, OCTAVE)), *convolution(width, inner, *time))
        layers: list[nn.Module] = []
        sizes = [3 * inner + width, *[2 * inner] * max(times - 2, 0)]
        for inputs, outputs in itertools.pairwise(sizes):
            layers += convolution(inputs, outputs, (4, 3), (2, 1), (1, 1))
        self.merged = nn.Sequential(*layers, nn.Flatten())
        self.num_features = sizes[-1] * steps * octaves
        self.head = Projection(self.num_features, 0)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, V, T, P) -> (N,), (N, F)
        octaves = x.reshape(*x.shape[:3], -1, OCTAVE)  # (N, V, T, octaves, 12)
        onset = self.onset(torch.diff(octaves.sum(4), dim=2, prepend=octaves[:, :, :1].sum(4)))
        chroma = self.chroma(octaves.sum(3)).expand(-1, -1, -1, octaves.shape[3])
        streams = [self.pitch_first(x), self.time_first(x), onset, chroma]
        return self.head(self.merged(torch.cat(streams, 1)), None)


def activation(maps: int) -> list[nn.Module]:
    """Return the layers after each of G's convolutions."""
    return [nn.BatchNorm2d(maps), nn.LeakyReLU(0.2)]


def convolution(
    inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1), padding: tuple[int, int] = (0, 0)
) -> list[nn.Module]:
    """Return one of D's convolutions over (time, pitch), with its activation."""
    return [nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.LeakyReLU(0.2)]
