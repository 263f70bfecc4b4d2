"""The GAN: alternating updates of a discriminator D and a generator G, by Lightning's manual optimization.

Algorithm 1 of Goodfellow et al. 2014. One iteration is k = `d_steps_per_g_step` updates of D and one update of G, one batch of
the loader, and one `global_step` on every axis:

    for k steps: sample z, draw fakes G(z), update D on real and fake samples;  then update G on the fakes that D scores

Everything random or scheduled in it is a function of (seed, step, rank). It logs nothing: `training_step` returns the detached
per-sample terms to the callbacks, and the gradients stay in `.grad` until the next update.
"""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Annotated, cast

import pytorch_lightning as pl
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from gan_lightning.augmentation.base import Augmentation
from gan_lightning.loss.base import AdversarialLoss
from gan_lightning.prior.base import Prior
from gan_lightning.regularizer.base import Regularizer
from gan_lightning.step.augmented_discriminator import AugmentedDiscriminator
from gan_lightning.step.autograd import frozen, full_precision
from gan_lightning.step.ema import EMA
from gan_lightning.step.optimization import PLAYERS, Player, PlayerOptimizer
from gan_lightning.step.progress import Progress, advance
from gan_lightning.step.seeding import Purpose, derive_seed, reseed, shared_generator
from gan_lightning.step.statistics import gather_ranks
from gan_lightning.step.types import Batch, Count, StepContext, per_sample

Terms = dict[str, Tensor]  # name → (N,)


class GAN(pl.LightningModule):
    """Train `generator` against `discriminator`; `optimizers` has each player's."""

    shared_noise: torch.Generator | None = None  # the source of z with several processes; None: torch's default generator

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        regularizers: Mapping[str, Regularizer],
        augmentation: Augmentation,
        prior: Prior,
        ema: EMA,
        optimizers: Mapping[Player, PlayerOptimizer],
        latent_dim: Count,
        d_steps_per_g_step: Count = 1,
        discriminator_warmup_steps: Annotated[int, Field(ge=0)] = 0,  # iterations in which G's update is computed, not applied
        accumulate_grad_batches: Count = 1,  # micro-batches per update, to save memory: their gradients sum to the batch's
        packing: Count = 1,  # samples per logit (PacGAN, Lin et al. 2018)
        resample_z: bool = False,  # sample z again for G's update, as in the paper, instead of reusing D's last fakes
        fresh_real: bool = False,  # G's update has real samples, conditions and z of its own (R3GAN, Huang et al. 2024)
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator, self.loss, self.prior, self.ema = generator, discriminator, loss, prior, ema
        self.regularizers = cast("Mapping[str, Regularizer]", nn.ModuleDict(dict(regularizers)))
        self.augmentation, self.player_optimizers = augmentation, optimizers
        self.latent_dim, self.packing, self.seed = latent_dim, packing, seed
        self.d_steps_per_g_step, self.accumulate_grad_batches = d_steps_per_g_step, accumulate_grad_batches
        self.batches_per_step, self.resample_z = d_steps_per_g_step + fresh_real, resample_z or fresh_real
        self.discriminator_warmup_steps = discriminator_warmup_steps
        for regularizer in regularizers.values():
            regularizer.setup(generator, discriminator)

    def configure_optimizers(self) -> tuple[Optimizer, Optimizer]:
        """Return D's optimizer, which also trains the regularizers' heads, and G's."""
        heads = [p for regularizer in self.regularizers.values() for p in regularizer.parameters()]
        d_optimizer = self.player_optimizers["discriminator"].build(self.discriminator, heads)
        return d_optimizer, self.player_optimizers["generator"].build(self.generator)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set everything that is a function of the step: the noise, the optimizers' settings, what the parts schedule."""
        reseed(derive_seed(Purpose.NOISE, self.seed, self.global_step, self.global_rank), self.device)
        distributed = self.trainer.world_size > 1
        self.shared_noise = shared_generator(self.seed, self.global_step, self.device) if distributed else None
        progress = Progress(self.global_step, self.trainer.max_steps)
        advance(self, progress)
        for player, optimizer in zip(PLAYERS, self._optimizers(), strict=True):
            self.player_optimizers[player].advance(optimizer, progress)

    def training_step(self, batch: Batch, batch_idx: int) -> Terms:
        """Run one iteration and count it as one global step; by default Lightning counts each optimizer's step."""
        terms = self.iteration(batch, {name: r for name, r in self.regularizers.items() if self.global_step % r.interval == 0})
        counted = cast("list[pl.core.optimizer.LightningOptimizer]", self.optimizers())[1]
        counted._on_before_step()
        counted._on_after_step()
        return terms

    def iteration(self, batch: Batch, active_regularizers: Mapping[str, Regularizer]) -> Terms:  # real (k · N, *sample_shape)
        """Update D k times, then G once, and return the detached terms. No host sync: one CUDA graph can hold it."""
        d_optimizer, g_optimizer = self._optimizers()
        warmup = self.global_step < self.discriminator_warmup_steps
        saved_buffers = [buffer.clone() for buffer in self.generator.buffers()] if warmup else []  # G's running statistics

        # Discriminator phase: for k steps …
        parts = batch.chunk(self.batches_per_step)  # real (N, *sample_shape); the last is that of G's update
        for part in parts[: self.d_steps_per_g_step]:
            draws = self.sample_latents(part)  # … sample z and real x …
            shares_graph = part is parts[-1] and self.accumulate_grad_batches == 1 and not self.resample_z
            with torch.set_grad_enabled(shares_graph):  # the last fakes serve G's update too
                fakes = [self.generator(z, b.condition) for z, b in draws]  # (n, *sample_shape) each
            contexts = (
                self.discriminator_context(z, b, x, active_regularizers) for (z, b), x in zip(draws, fakes, strict=True)
            )
            terms = self.update_player("discriminator", d_optimizer, contexts, active_regularizers)  # … and update D
            for regularizer in self.regularizers.values():
                regularizer.project(self.discriminator)
        self.augmentation.update(gather_ranks(terms["logits/real"]))

        # Generator phase: sample z, update G while D's weights are frozen
        draws = self.sample_latents(parts[-1]) if self.resample_z else draws
        with frozen(d_optimizer):
            generator_fakes = fakes if shares_graph else (self.generator(z, b.condition) for z, b in draws)
            contexts = (self.generator_context(z, b, x) for (z, b), x in zip(draws, generator_fakes, strict=True))
            terms |= self.update_player("generator", g_optimizer, contexts, active_regularizers)
        for buffer, saved in zip(self.generator.buffers(), saved_buffers, strict=False):
            buffer.copy_(saved)
        self.ema.update(self.generator)
        return terms

    def update_player(
        self, player: Player, optimizer: Optimizer, contexts: Iterable[StepContext], active: Mapping[str, Regularizer]
    ) -> Terms:
        """Take one optimizer step of `player` on mean loss + Σ scale · mean penalty, summed over the micro-batches."""
        collected: dict[str, list[Tensor]] = {}
        optimizer.zero_grad()
        for context in contexts:
            real_logits, fake_logits = context.real_output and context.real_output.logits, context.fake_output.logits
            terms = {f"loss/{player[0]}": getattr(self.loss, player)(real_logits, fake_logits)}  # (n, …)
            total = terms[f"loss/{player[0]}"].mean()
            for name, regularizer in active.items():
                with full_precision(self.device.type):
                    term = getattr(regularizer, player)(context)  # (n, …) or ()
                if term is not None:
                    terms[f"regularizer/{name}/{player[0]}"] = term
                    total = total + regularizer.scale * term.mean()
            self.manual_backward(total / self.accumulate_grad_batches)
            if player == "discriminator" and real_logits is not None:
                terms |= {"logits/real": real_logits, "logits/fake": fake_logits}
            for name, term in terms.items():
                collected.setdefault(name, []).append(per_sample(term.detach()))
        if player == "discriminator" or self.global_step >= self.discriminator_warmup_steps:
            optimizer.step()
        return {name: torch.cat(parts) for name, parts in collected.items()}

    def discriminator_context(
        self, z: Tensor, batch: Batch, fake: Tensor, active: Mapping[str, Regularizer]
    ) -> StepContext:  # (n, latent_dim), real and fake (n, *sample_shape)
        """Return D's view of a micro-batch; the forward pass under a gradient penalty runs in full precision."""
        inputs = {name for regularizer in active.values() for name in regularizer.needs_input_gradient}
        real = batch.real.detach().requires_grad_("real" in inputs)
        fake = fake.detach().float().requires_grad_("fake" in inputs)  # G may run in half precision
        with full_precision(self.device.type) if inputs else nullcontext():
            outputs = self.discriminate.for_discriminator(real, fake, batch.condition)
        return StepContext(self.generator, self.discriminate, z, batch.condition, real, fake, *outputs)

    def generator_context(self, z: Tensor, batch: Batch, fake: Tensor) -> StepContext:  # (n, Z), (n, *sample_shape)
        """Return G's view of a micro-batch: D's output on its samples, and on real ones if the loss is relativistic."""
        outputs = self.discriminate.for_generator(batch.real, fake, batch.condition, self.loss.relativistic)
        return StepContext(self.generator, self.discriminate, z, batch.condition, batch.real, fake, *outputs)

    @property
    def discriminate(self) -> AugmentedDiscriminator:
        """Return D as both players' updates apply it."""
        return AugmentedDiscriminator(self.discriminator, self.augmentation, self.packing)

    def sample_latents(self, batch: Batch) -> list[tuple[Tensor, Batch]]:  # -> (n, latent_dim), real (n, *sample_shape) each
        """Sample one z per real sample, and split both into micro-batches of n = N / `accumulate_grad_batches`.

        Each of several processes takes its own rows of the z that one process would sample for all of them.
        """
        n, world = len(batch.real), self.trainer.world_size if self.shared_noise else 1
        z = self.prior.sample(n * world, self.latent_dim, self.device, self.shared_noise)[self.global_rank * n :][:n]
        return list(zip(z.chunk(self.accumulate_grad_batches), batch.chunk(self.accumulate_grad_batches), strict=True))

    def _optimizers(self) -> list[Optimizer]:
        return cast("list[Optimizer]", self.optimizers(use_pl_optimizer=False))
