"""The evaluation of metrics on generated samples, the same during training and in reports.

A generated sample is a function of (seed, position), so that any batch size and any number of ranks evaluates the same
samples, each once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sized
from typing import Literal, Protocol

import torch
import torch.distributed
from torch import Tensor, nn

from gan_lightning.data.base import DataError
from gan_lightning.data.stream import BLOCK, draw_blocks
from gan_lightning.gan import GAN
from gan_lightning.metric.base import GenerativeMetric
from gan_lightning.metric.reference import DiscriminatorFunction, Reference
from gan_lightning.step.latents import Latents
from gan_lightning.step.seeding import Purpose, seeded_generator
from gan_lightning.step.types import Batch

BATCH_SIZE = 500

Conditions = Callable[[int, int], Tensor | None]  # start, n -> (n, …): `Data.conditions`
Weights = Literal["ema", "raw"]
BatchNorm = Literal["running", "batch"]


class SampleSource(Protocol):
    """Provide a fixed sample at each position: a generator, a split of the data, a folder of images."""

    def part(self, start: int, n: int) -> Batch:
        """Return samples start … start + n − 1 and their conditions."""
        ...


class GeneratedSamples:
    """Draw samples from a generator, under the conditions that the data give at their positions."""

    selection: str | None = None  # how samples are selected, for a protocol; None: each is used

    def __init__(
        self,
        gan: GAN,
        conditions: Conditions,
        seed: int,
        purpose: Purpose = Purpose.SCORE,
        weights: Weights = "ema",
        batch_norm: BatchNorm = "running",
    ) -> None:
        """Select the generator's averaged (ema) or current (raw) weights, and running or per-batch statistics."""
        self.network = gan.ema.average if weights == "ema" else gan.generator
        if weights == "raw" or batch_norm == "batch":
            self.network = copy.deepcopy(self.network).eval()
        if batch_norm == "batch":
            for module in batch_norm_layers(self.network):
                module.train()
        self.gan, self.conditions, self.seed, self.purpose = gan, conditions, seed, purpose

    def part(self, start: int, n: int) -> Batch:
        """Return samples start … start + n − 1 and the conditions that they were generated for, on the CPU."""
        return self.draw(start, n)

    @torch.inference_mode()
    def draw(
        self, start: int, n: int, chosen: Tensor | slice = slice(None), attempt: int = 0
    ) -> Batch:  # chosen: (m,) -> m samples
        """Return the `chosen` ones of samples start … start + n − 1; in each attempt others, for the same conditions."""
        condition = self.conditions(start, n)
        condition = None if condition is None else condition[chosen]
        z = self._z(start, n, attempt)[chosen].to(self.gan.device)
        samples: Tensor = self.network(z, None if condition is None else condition.to(self.gan.device))
        return Batch(samples.float().cpu(), condition)

    def latents(self, start: int, n: int) -> Latents:
        """Return the z of samples start … start + n − 1, on the generator's device, and the generator."""
        return Latents(self._z(start, n).to(self.gan.device), self.network)

    def _z(self, start: int, n: int, attempt: int = 0) -> Tensor:  # -> (n, latent_dim), on the CPU
        def draw_block(i: int) -> Tensor:  # -> (BLOCK, latent_dim)
            generator = seeded_generator(self.purpose, self.seed, i, attempt)
            return self.gan.prior.sample(BLOCK, self.gan.latent_dim, torch.device("cpu"), generator)

        return draw_blocks(start, n, draw_block)


def batch_norm_layers(network: nn.Module) -> list[nn.Module]:
    """Return the layers that use batch statistics in training mode and running statistics otherwise."""
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def discriminator_function(gan: GAN) -> DiscriminatorFunction:
    """Return a function that evaluates the discriminator without augmentation and leaves its buffers unchanged."""

    @torch.inference_mode()
    def discriminate(samples: Tensor, condition: Tensor | None) -> Tensor:  # (N, C, …), (N, …) -> (N // packing,)
        n, training = len(samples) // gan.packing * gan.packing, gan.discriminator.training
        gan.discriminator.eval()
        own_condition = None if condition is None else condition[:n].to(gan.device)
        output = gan.discriminate.unaugmented(samples[:n].to(gan.device), own_condition)
        gan.discriminator.train(training)
        return output.mean_logits.cpu()

    return discriminate


@torch.inference_mode()
def evaluate_metrics(metrics: Mapping[str, GenerativeMetric], source: SampleSource) -> dict[str, float]:
    """Return all numbers of all metrics; each batch is drawn once for all of them, and split between the ranks.

    Raises TooFewSamplesError, and DataError for a metric of the latents if the samples have none.
    """
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    rank, world = (torch.distributed.get_rank(), torch.distributed.get_world_size()) if distributed else (0, 1)
    num_samples = samples_used(metrics, source)
    total = max(num_samples.values(), default=0)
    for metric in metrics.values():
        metric.reset()
    for start in range(0, total, BATCH_SIZE):
        n = min(BATCH_SIZE, total - start)
        first, end = start + n * rank // world, start + n * (rank + 1) // world
        batch = source.part(first, end - first)
        for name, metric in metrics.items():
            used = min(max(num_samples[name] - first, 0), len(batch.real))
            latents = {"latents": latents_of(source, name, first, used)} if metric.uses_latents else {}
            if used < len(batch.real):
                metric.update(batch.real[:used], None if batch.condition is None else batch.condition[:used], **latents)
            else:  # the tensor object itself, by which a feature extractor recognises the last batch
                metric.update(batch.real, batch.condition, **latents)
    return {key: float(value) for metric in metrics.values() for key, value in metric.compute().items()}


def latents_of(source: SampleSource, name: str, start: int, n: int) -> Latents:
    """Return what the source's samples were generated from. Raises DataError if they were not."""
    if not isinstance(source, GeneratedSamples):
        raise DataError(f"metric.{name}: needs the generator, but there is none here; score a run, or leave it out")
    return source.latents(start, n)


def samples_used(metrics: Mapping[str, GenerativeMetric], source: SampleSource) -> dict[str, int]:
    """Return how many samples of the source each metric uses: as many as it is set to, or all if there are fewer."""
    available = len(source) if isinstance(source, Sized) else None
    return {name: m.num_samples if available is None else min(m.num_samples, available) for name, m in metrics.items()}


def evaluate_floor(metrics: Mapping[str, GenerativeMetric], reference: Reference) -> dict[str, float]:
    """Return the numbers of real samples in place of generated ones, which a perfect generator would reach.

    A metric is left out if the split that its floor is measured on has too few samples, or if it needs latents.
    """
    numbers: dict[str, float] = {}
    given = {name: metric for name, metric in metrics.items() if not metric.uses_latents}
    for uses_train_split in (False, True):
        group = {name: metric for name, metric in given.items() if metric.uses_train_split == uses_train_split}
        wanted = max((metric.num_samples for metric in group.values()), default=0)
        selection = reference.floor(uses_train_split, wanted)
        group = {name: metric for name, metric in group.items() if metric.min_samples <= len(selection)}
        numbers |= evaluate_metrics(group, selection)
    return numbers
