"""How a score comes about: whose samples, how many, from which z, against which real ones; in training and in reports alike.

A sample is a function of (seed, its place), so that batches and ranks of any size hear the same ones, each once.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sized
from typing import Literal, Protocol

import torch
import torch.distributed
from torch import Tensor, nn

from gan_lightning.data.stream import BLOCK, draw_blocks
from gan_lightning.gan import GAN
from gan_lightning.metric.base import GenerativeMetric
from gan_lightning.metric.reference import DiscriminatorFunction, Reference, reference_size
from gan_lightning.step.seeding import Purpose, seeded_generator
from gan_lightning.step.types import Batch

BATCH = 500

Weights = Literal["ema", "raw"]
BatchNorm = Literal["running", "batch"]


class SampleSource(Protocol):
    """Anything that has a sample in each place: a generator, a split of the data, a folder."""

    def part(self, start: int, n: int) -> Batch:
        """Samples start … start + n − 1 and their labels."""
        ...


class GeneratedSamples:
    """What a generator draws; the classes are asked for in turn."""

    def __init__(
        self,
        gan: GAN,
        num_classes: int,
        seed: int,
        purpose: Purpose = Purpose.SCORE,
        weights: Weights = "ema",
        batch_norm: BatchNorm = "running",
    ) -> None:
        """`weights`: the running average's or the generator's own; `batch_norm`: by running or by the batch's statistics."""
        self.network = gan.ema.average if weights == "ema" else gan.generator
        if weights == "raw" or batch_norm == "batch":
            self.network = copy.deepcopy(self.network).eval()
        if batch_norm == "batch":
            for module in batch_norm_layers(self.network):
                module.train()
        self.gan, self.num_classes, self.seed, self.purpose = gan, num_classes, seed, purpose

    @torch.inference_mode()
    def part(self, start: int, n: int) -> Batch:
        """Samples start … start + n − 1 and the labels they were asked for."""
        z = draw_blocks(start, n, self._block).to(self.gan.device)
        labels = torch.arange(start, start + n) % self.num_classes if self.num_classes else None
        samples: Tensor = self.network(z, None if labels is None else labels.to(self.gan.device))
        return Batch(samples.float().cpu(), labels)

    def _block(self, i: int) -> Tensor:  # -> (BLOCK, latent_dim)
        return self.gan.prior.sample(
            BLOCK, self.gan.latent_dim, torch.device("cpu"), seeded_generator(self.purpose, self.seed, i)
        )


def batch_norm_layers(network: nn.Module) -> list[nn.Module]:
    """Its layers whose output depends on the batch's statistics in training and on running ones afterwards."""
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def discriminator_function(gan: GAN) -> DiscriminatorFunction:
    """The discriminator's word outside of training: it remembers nothing, and sees samples as they are, not augmented."""

    @torch.inference_mode()
    def judge(samples: Tensor, labels: Tensor | None) -> Tensor:  # (N, C, …), (N,) -> (N / packing,), a rest is left out
        m, trained = gan.packing, gan.discriminator.training
        x = samples[: len(samples) // m * m].to(gan.device)
        gan.discriminator.eval()
        said = gan.discriminator(
            x.reshape(len(x) // m, m * x.shape[1], *x.shape[2:]), None if labels is None else labels.to(gan.device)
        )
        gan.discriminator.train(trained)
        logits: Tensor = said.logits
        return logits.float().cpu()

    return judge


@torch.inference_mode()
def evaluate_metrics(scores: Mapping[str, GenerativeMetric], source: SampleSource) -> dict[str, float]:
    """Every number of every score, each batch drawn once for all of them; the ranks share the work.

    Raises TooFew.
    """
    shared = torch.distributed.is_available() and torch.distributed.is_initialized()
    rank, world = (torch.distributed.get_rank(), torch.distributed.get_world_size()) if shared else (0, 1)
    held = reference_size(source) if isinstance(source, Sized) else None
    wanted = {name: min(s.num_samples, held or s.num_samples) for name, s in scores.items()}
    for score in scores.values():
        score.reset()
    for start in range(0, max(wanted.values(), default=0), BATCH):
        n = min(BATCH, max(wanted.values()) - start)
        mine = start + n * rank // world, start + n * (rank + 1) // world
        batch = source.part(mine[0], mine[1] - mine[0])
        for name, score in scores.items():
            heard = min(max(wanted[name] - mine[0], 0), len(batch.real))
            whole = heard == len(batch.real)
            score.update(
                batch.real if whole else batch.real[:heard],
                batch.labels if whole or batch.labels is None else batch.labels[:heard],
            )
    return {key: float(value) for score in scores.values() for key, value in score.compute().items()}


def evaluate_floor(scores: Mapping[str, GenerativeMetric], reference: Reference) -> dict[str, float]:
    """The same numbers of real samples in place of generated ones: what a perfect generator would get.

    Training samples, or held-out ones where training samples are what is compared with. Nothing where none are held out.
    """
    held_out = {n: score for n, score in scores.items() if score.uses_train_split or reference.split == "train"}
    others = {n: score for n, score in scores.items() if n not in held_out}
    found = evaluate_metrics(others, reference.data.splits.train)
    return found | (evaluate_metrics(held_out, reference.floor) if reference_size(reference.floor) else {})
