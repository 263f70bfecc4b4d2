"""Whether samples are copies of training samples, and whether a nearest neighbour tells them from real ones.

copying = median distance of generated samples to the nearest training sample / the same of held-out real samples, in the
data's own values (images are averaged down to 32×32 at most): far below 1 where a generator remembers. After the data
copying test of Meehan et al. 2020.

two_sample = how often the nearest other sample, of generated and real features in equal numbers, is of the same side:
0.5 where the distributions agree, 1 where they are apart. Lopez-Paz & Oquab 2017; Xu et al. 2018. Of
the larger side no choice is made: it is the mean over all choices of as many as there are of the smaller, in closed form.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.metric.base import FeatureMetric, NumSamples, evenly_spaced
from gan_lightning.metric.feature.base import Feature
from gan_lightning.metric.pairs import PART, distances
from gan_lightning.metric.reference import Reference, iterate_batches

SIDE = 32
HELD_OUT = 2000


class NearestNeighbour(FeatureMetric):
    """`copying` is about 1 without copies, and below 0.9 suspicious; `two_sample` is an accuracy."""

    maximize: ClassVar[dict[str, bool]] = {"copying": True, "two_sample": False}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("two_sample",)
    uses_train_split: ClassVar[bool] = True
    from_train: list[Tensor]  # (n,) each

    def __init__(self, feature: Feature, num_samples: NumSamples = 1000) -> None:
        super().__init__(feature, num_samples)
        self.train_values, self.held_out = torch.empty(0, 0), torch.tensor(float("nan"))
        self.add_state("from_train", [], dist_reduce_fx="cat")

    def set_reference(self, reference: Reference) -> None:
        super().set_reference(reference)
        self.train_values = torch.cat([values(batch.real) for batch in iterate_batches(reference.data.splits.train)])
        held_out = [values(batch.real) for batch in iterate_batches(reference.source)]
        if held_out:
            self.held_out = nearest(evenly_spaced(torch.cat(held_out), HELD_OUT), self.train_values).median()

    def update(self, samples: Tensor, labels: Tensor | None) -> None:
        super().update(samples, labels)
        self.from_train.append(nearest(values(samples), self.train_values))

    def compare(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        real = evenly_spaced(real, len(fake))
        return {
            "copying": dim_zero_cat(self.from_train).median() / self.held_out,
            "two_sample": leave_one_out(real, fake),
        }


def values(samples: Tensor) -> Tensor:  # (N, *sample_shape) -> (N, V)
    """What copies are looked for in."""
    if samples.dim() == 4:
        samples = adaptive_avg_pool2d(samples, (min(SIDE, samples.shape[2]), min(SIDE, samples.shape[3])))
    return samples.flatten(1).cpu()


def nearest(x: Tensor, among: Tensor) -> Tensor:  # (N, V), (M, V) -> (N,) float64
    """The distance to the nearest, to full precision."""
    found = torch.cat([torch.cdist(part, among).argmin(1) for part in torch.split(x, PART)])
    return (x.double() - among[found].double()).norm(dim=1)


def leave_one_out(few: Tensor, many: Tensor) -> Tensor:  # (n, F), (N, F), n ≤ N -> ()
    """The expected accuracy of the nearest neighbour among `few` and n of `many`, drawn without regard to what they are."""
    n, total = len(few), len(many)
    nearest_few = torch.cat([distance.amin(1) for distance in distances(few, few)])
    right_few = none_chosen(closer(few, many, nearest_few), n, total)
    nearest_few = torch.cat([distance.amin(1) for distance in distances(many, few)])
    right_many = 1 - none_chosen(closer(many, many, nearest_few), n - 1, total - 1)
    return (right_few.mean() + right_many.mean()) / 2


def closer(x: Tensor, others: Tensor, than: Tensor) -> Tensor:  # (n, F), (N, F), (n,) -> (n,)
    """How many of the others lie nearer than that."""
    bounds = torch.split(than.unsqueeze(1), PART)
    return torch.cat([(d < bound).sum(1) for d, bound in zip(distances(x, others), bounds, strict=True)])


def none_chosen(k: Tensor, n: int, total: int) -> Tensor:  # (N,) -> (N,)
    """The probability that n of `total`, chosen at random, leave out k given ones."""
    rest = (total - k - n).double()
    there = rest >= 0
    rest = rest.clamp(min=0)
    log = torch.lgamma(rest + n + 1) - torch.lgamma(rest + 1)
    whole = torch.lgamma(torch.tensor([total + 1.0, total - n + 1.0], dtype=torch.float64))
    return torch.where(there, (log - whole[0] + whole[1]).exp(), 0.0)
