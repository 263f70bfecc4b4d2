"""Training loops without a framework, and Lightning's own way to write one, to compare gan_lightning with.

All train the same networks on the same batches with Adam and the non-saturating loss; what differs is how:

tutorial     the common tutorial's loop: binary cross-entropy, D's passes over real and fake samples apart, fakes scored twice
same_maths   as gan_lightning: one D step, one G step on the same fakes, D frozen meanwhile, a running average of G
lean         the same with channels_last, fused Adam, and a foreach average: what a loop written for speed does
Lightning    its GAN example's form: manual optimization, toggled optimizers, `self.log` in every step
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

LR, BETAS = 2e-4, (0.5, 0.999)
DECAY = 0.999  # of the average of G
Step = Callable[[], None]
Batches = Iterator[Tensor]  # (N, *sample_shape) each
MakeLoop = Callable[[nn.Module, nn.Module, Batches, int, bool], Step]  # G, D, batches, latent_dim, bf16


def precision(bf16: bool) -> AbstractContextManager[Any]:
    """Return the autocast of bf16, or nothing."""
    return torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext()


def optimizers(generator: nn.Module, discriminator: nn.Module, **options: Any) -> tuple[torch.optim.Adam, torch.optim.Adam]:
    """Return D's and G's Adam."""
    d, g = (torch.optim.Adam(network.parameters(), LR, BETAS, **options) for network in (discriminator, generator))
    return d, g


def tutorial(generator: nn.Module, discriminator: nn.Module, batches: Batches, latent_dim: int, bf16: bool) -> Step:
    """Return the step of the common tutorial (Inkawhich, "DCGAN Tutorial", pytorch.org)."""
    d_optimizer, g_optimizer = optimizers(generator, discriminator)

    def step() -> None:
        real = next(batches)
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        discriminator.zero_grad()
        with precision(bf16):
            loss = binary_cross_entropy_with_logits(discriminator(real).logits.float(), ones)
        loss.backward()  # type: ignore[no-untyped-call]
        with precision(bf16):
            fake = generator(torch.randn(len(real), latent_dim))
            loss = binary_cross_entropy_with_logits(discriminator(fake.detach()).logits.float(), zeros)
        loss.backward()  # type: ignore[no-untyped-call]
        d_optimizer.step()
        generator.zero_grad()
        with precision(bf16):
            loss = binary_cross_entropy_with_logits(discriminator(fake).logits.float(), ones)
        loss.backward()  # type: ignore[no-untyped-call]
        g_optimizer.step()

    return step


def same_maths(generator: nn.Module, discriminator: nn.Module, batches: Batches, latent_dim: int, bf16: bool) -> Step:
    """Return a step with the maths of gan_lightning, its average parameter by parameter."""
    average = copy.deepcopy(generator)
    d_optimizer, g_optimizer = optimizers(generator, discriminator)

    def update_average() -> None:
        for averaged, parameter in zip(average.parameters(), generator.parameters(), strict=True):
            averaged.lerp_(parameter, 1 - DECAY)

    return alternate(generator, discriminator, batches, latent_dim, bf16, d_optimizer, g_optimizer, update_average, average)


def lean(generator: nn.Module, discriminator: nn.Module, batches: Batches, latent_dim: int, bf16: bool) -> Step:
    """Return the same step with what makes a loop fast on a CPU."""
    for network in (generator, discriminator):
        network.to(memory_format=torch.channels_last)
    average = copy.deepcopy(generator)
    d_optimizer, g_optimizer = optimizers(generator, discriminator, fused=True)
    averaged: list[Tensor] = list(average.parameters())
    parameters: list[Tensor] = list(generator.parameters())

    def update_average() -> None:
        torch._foreach_lerp_(averaged, parameters, 1 - DECAY)

    return alternate(
        *(generator, discriminator, (channels_last(batch) for batch in batches), latent_dim, bf16),
        *(d_optimizer, g_optimizer, update_average, average),
    )


def channels_last(batch: Tensor) -> Tensor:
    """Return images with their channels last in memory; other samples as they are."""
    return batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch


def alternate(
    generator: nn.Module,
    discriminator: nn.Module,
    batches: Batches,
    latent_dim: int,
    bf16: bool,
    d_optimizer: torch.optim.Optimizer,
    g_optimizer: torch.optim.Optimizer,
    update_average: Callable[[], None],
    average: nn.Module,
) -> Step:
    """Return the step that both loops of this maths share."""

    def step() -> None:
        real = next(batches)
        d_optimizer.zero_grad()
        with precision(bf16):
            fake = generator(torch.randn(len(real), latent_dim))
            real_logits, fake_logits = discriminator(real).logits, discriminator(fake.detach()).logits
        torch.autograd.backward((softplus(-real_logits.float()) + softplus(fake_logits.float())).mean())
        d_optimizer.step()
        discriminator.requires_grad_(False)
        g_optimizer.zero_grad()
        with precision(bf16):
            fake_logits = discriminator(fake).logits
        torch.autograd.backward(softplus(-fake_logits.float()).mean())
        g_optimizer.step()
        discriminator.requires_grad_(True)
        with torch.no_grad():
            update_average()
            for copied, buffer in zip(average.buffers(), generator.buffers(), strict=True):
                copied.copy_(buffer)

    return step


class LightningExample(pl.LightningModule):
    """Train a GAN in the form of Lightning's example: manual optimization, toggled optimizers, a log in every step."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, latent_dim: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator, self.latent_dim = generator, discriminator, latent_dim

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return G's and D's optimizers."""
        d, g = optimizers(self.generator, self.discriminator)
        return [g, d]

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        """Update G, then D, each on fakes of its own."""
        g_optimizer, d_optimizer = cast("list[Any]", self.optimizers())
        ones, zeros = torch.ones(len(batch)), torch.zeros(len(batch))
        self.toggle_optimizer(g_optimizer)
        z = torch.randn(len(batch), self.latent_dim)
        loss = binary_cross_entropy_with_logits(self.discriminator(self.generator(z)).logits.float(), ones)
        self.log("g_loss", loss, prog_bar=True)
        self.manual_backward(loss)
        g_optimizer.step()
        g_optimizer.zero_grad()
        self.untoggle_optimizer(g_optimizer)
        self.toggle_optimizer(d_optimizer)
        real_loss = binary_cross_entropy_with_logits(self.discriminator(batch).logits.float(), ones)
        fake = self.generator(torch.randn(len(batch), self.latent_dim)).detach()
        fake_loss = binary_cross_entropy_with_logits(self.discriminator(fake).logits.float(), zeros)
        loss = (real_loss + fake_loss) / 2
        self.log("d_loss", loss, prog_bar=True)
        self.manual_backward(loss)
        d_optimizer.step()
        d_optimizer.zero_grad()
        self.untoggle_optimizer(d_optimizer)
