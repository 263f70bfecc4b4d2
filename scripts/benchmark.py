"""What the framework costs: time per step of the game under Lightning over a bare loop with the same networks and maths.

python scripts/benchmark.py [model=dcgan_small …]     (overrides as gan-train takes them)

Both train in turns, in rounds, on one thread; printed are the medians and the median of the rounds' ratios.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch

from gan_lightning.config import instantiate
from gan_lightning.config.compose import Composer
from gan_lightning.config.resolve import Plain
from gan_lightning.config.validate import validate
from gan_lightning.training.fit import silence_lightning

ROUNDS, WARM, STEPS = 7, 10, 60
DEFAULT = ["experiment=digits_fast", "loss=non_saturating", "regularizer=none", "metric=none"]


class Clock(pl.Callback):
    """Seconds per step after the first few."""

    def __init__(self) -> None:
        self.began = self.seconds = 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == WARM:
            self.began = time.perf_counter()
        if trainer.global_step == WARM + STEPS:
            self.seconds = (time.perf_counter() - self.began) / STEPS


def framework(plain: Plain) -> float:
    """Through the Trainer, as gan-train does it, without what watches."""
    clock = Clock()
    trainer = instantiate.build_bare_trainer(plain, logger=False, callbacks=[clock], enable_progress_bar=False)
    trainer.fit(instantiate.build_gan(plain), instantiate.build_data(plain))
    return clock.seconds


def bare(plain: Plain) -> float:
    """The same game written out: non-saturating, one D step, one G step, the fakes shared, a running average."""
    generator, discriminator = instantiate.build_networks(plain)
    average = instantiate.build_networks(plain).generator
    d = instantiate.instantiate(plain["optimizer"]["discriminator"])(list(discriminator.parameters()))
    g = instantiate.instantiate(plain["optimizer"]["generator"])(list(generator.parameters()))
    source, n = instantiate.build_data(plain).splits.train, plain["data"]["batch_size"]
    softplus, began = torch.nn.functional.softplus, 0.0
    for step in range(WARM + STEPS):
        if step == WARM:
            began = time.perf_counter()
        real, labels = source.batch(0, step, n)
        fake = generator(torch.randn(n, plain["gan"]["latent_dim"]), labels)
        d.zero_grad()
        on_real, on_fake = discriminator(real, labels).logits, discriminator(fake.detach(), labels).logits
        torch.autograd.backward((softplus(-on_real) + softplus(on_fake)).mean())
        d.step()
        discriminator.requires_grad_(False)
        g.zero_grad()
        torch.autograd.backward(softplus(-discriminator(fake, labels).logits).mean())
        g.step()
        discriminator.requires_grad_(True)
        with torch.no_grad():
            for mine, theirs in zip(average.parameters(), generator.parameters(), strict=True):
                mine.lerp_(theirs, 0.01)
            for copied, buffer in zip(average.buffers(), generator.buffers(), strict=True):
                copied.copy_(buffer)
    return (time.perf_counter() - began) / STEPS


def main() -> None:
    """Print one line."""
    silence_lightning()
    torch.set_num_threads(1)
    plain = validate(
        Composer().compose([*DEFAULT, f"trainer.max_steps={WARM + STEPS}", "trainer.accelerator=cpu", *sys.argv[1:]])
    )
    rounds = [(framework(plain), bare(plain)) for _ in range(ROUNDS)]
    ours, theirs = (statistics.median(times) * 1e3 for times in zip(*rounds, strict=True))
    ratio = statistics.median(one / other for one, other in rounds)
    print(f"framework {ours:.2f} ms a step, bare loop {theirs:.2f} ms, ratio {ratio:.3f} ({ROUNDS} rounds of {STEPS} steps)")


if __name__ == "__main__":
    main()
