"""Nearest-neighbour tests: whether generated samples copy training samples, and whether they differ from real samples.

copying = median distance of generated samples from the nearest training sample / the same of held-out real samples

It is measured on the sample values, with images average-pooled to at most 32×32, and is far below 1 for a generator that
memorises. After the data-copying test of Meehan et al. 2020.

two_sample = share of samples whose nearest other sample in feature space is of the same set, generated or reference

The two sets are equally large: of a larger set, the mean over all subsets of the smaller set's size is computed in closed form.
The share is 0.5 where the distributions agree and 1 where they are disjoint. Lopez-Paz & Oquab 2017; Xu et al. 2018.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.metric.base import FeatureMetric, NumSamples
from gan_lightning.metric.feature.base import Feature
from gan_lightning.metric.pairs import CHUNK_SIZE, pair_distances
from gan_lightning.metric.reference import Reference

MAX_SIDE = 32
MAX_HELD_OUT = 2000


class NearestNeighbour(FeatureMetric):
    """Measure `copying`, about 1 without copies and suspicious below 0.9, and the accuracy `two_sample`."""

    maximize: ClassVar[dict[str, bool]] = {"copying": True, "two_sample": False}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("two_sample",)
    uses_train_split: ClassVar[bool] = True
    train_distances: list[Tensor]  # (n,) each

    def __init__(self, feature: Feature, num_samples: NumSamples = 1000) -> None:
        super().__init__(feature, num_samples)
        self.train_vectors, self.held_out_distance = torch.empty(0, 0), torch.tensor(float("nan"))
        self.num_held_out = 0
        self.add_state("train_distances", [], dist_reduce_fx="cat")

    def set_reference(self, reference: Reference) -> None:
        super().set_reference(reference)
        self.train_vectors = torch.cat([to_vectors(batch.real) for batch in reference.select("train").batches()])
        held_out = to_vectors(reference.samples(MAX_HELD_OUT).real)
        self.num_held_out = len(held_out)
        if len(held_out):
            self.held_out_distance = nearest_distance(held_out, self.train_vectors).median()

    def real_samples(self, num_generated: int) -> dict[str, int]:
        reference = min(len(self.reference_features), num_generated)
        return {"reference": reference, "train": len(self.train_vectors), "held out": self.num_held_out}

    def update(self, samples: Tensor, condition: Tensor | None) -> None:
        super().update(samples, condition)
        self.train_distances.append(nearest_distance(to_vectors(samples), self.train_vectors))

    def compare(self, generated: Tensor, reference: Tensor) -> dict[str, Tensor]:
        reference = reference[: len(generated)]
        return {
            "copying": dim_zero_cat(self.train_distances).median() / self.held_out_distance,
            "two_sample": leave_one_out(reference, generated),
        }


def to_vectors(samples: Tensor) -> Tensor:  # (N, *sample_shape) -> (N, V)
    """Return flat vectors on the CPU; images are average-pooled to at most 32×32."""
    if samples.dim() == 4:
        samples = adaptive_avg_pool2d(samples, (min(MAX_SIDE, samples.shape[2]), min(MAX_SIDE, samples.shape[3])))
    return samples.flatten(1).cpu()


def nearest_distance(x: Tensor, others: Tensor) -> Tensor:  # (N, V), (M, V) -> (N,) float64
    """Return the distance of each row from the nearest other; in float64, so that it is 0 for an exact copy."""
    nearest = torch.cat([torch.cdist(chunk, others).argmin(1) for chunk in torch.split(x, CHUNK_SIZE)])
    return (x.double() - others[nearest].double()).norm(dim=1)


def leave_one_out(few: Tensor, many: Tensor) -> Tensor:  # (n, F), (N, F), n ≤ N -> ()
    """Return the expected accuracy of leave-one-out nearest-neighbour classification of `few` and n random rows of `many`."""
    n, total = len(few), len(many)
    nearest_few = torch.cat([distance.amin(1) for distance in pair_distances(few, few)])
    few_accuracy = probability_none_chosen(count_closer(few, many, nearest_few), n, total)
    nearest_few = torch.cat([distance.amin(1) for distance in pair_distances(many, few)])
    many_accuracy = 1 - probability_none_chosen(count_closer(many, many, nearest_few), n - 1, total - 1)
    return (few_accuracy.mean() + many_accuracy.mean()) / 2


def count_closer(x: Tensor, others: Tensor, bound: Tensor) -> Tensor:  # (n, F), (N, F), (n,) -> (n,)
    """Return for each row of `x` how many of the others are closer than its bound."""
    bounds = torch.split(bound.unsqueeze(1), CHUNK_SIZE)
    return torch.cat([(d < bound).sum(1) for d, bound in zip(pair_distances(x, others), bounds, strict=True)])


def probability_none_chosen(k: Tensor, n: int, total: int) -> Tensor:  # (N,) -> (N,)
    """Return the probability that n of `total` items, chosen at random, contain none of k given ones."""
    rest = (total - k - n).double()
    possible = rest >= 0
    rest = rest.clamp(min=0)
    log_k = torch.lgamma(rest + n + 1) - torch.lgamma(rest + 1)
    log_total = torch.lgamma(torch.tensor([total + 1.0, total - n + 1.0], dtype=torch.float64))
    return torch.where(possible, (log_k - log_total[0] + log_total[1]).exp(), 0.0)
