"""The overhead of the framework: the time per step with Lightning, divided by that of a bare loop with the same computation.

python scripts/benchmark.py [model=dcgan_small …]     (overrides, as for gan-train)

Both train alternately, in rounds, on one thread. The script prints the median times and the median of the rounds' ratios.
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

ROUNDS, WARM_UP_STEPS, STEPS = 7, 10, 60
DEFAULT = ["experiment=digits_fast", "loss=non_saturating", "regularizer=none", "metric=none"]


class Clock(pl.Callback):
    """Measure the seconds per step after WARM_UP_STEPS."""

    def __init__(self) -> None:
        self.began = self.seconds = 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == WARM_UP_STEPS:
            self.began = time.perf_counter()
        if trainer.global_step == WARM_UP_STEPS + STEPS:
            self.seconds = (time.perf_counter() - self.began) / STEPS


def time_framework(plain: Plain) -> float:
    """Return the seconds per step with the Trainer, as in gan-train, but without logging and the run's callbacks."""
    clock = Clock()
    trainer = instantiate.build_bare_trainer(plain, logger=False, callbacks=[clock], enable_progress_bar=False)
    trainer.fit(instantiate.build_gan(plain), instantiate.build_data(plain))
    return clock.seconds


def time_bare_loop(plain: Plain) -> float:
    """Return the seconds per step of a loop: non-saturating loss, one D step, one G step on D's fakes, a running average."""
    generator, discriminator = instantiate.build_networks(plain)
    average = instantiate.build_networks(plain).generator
    d_optimizer = instantiate.instantiate(plain["optimizer"]["discriminator"])(list(discriminator.parameters()))
    g_optimizer = instantiate.instantiate(plain["optimizer"]["generator"])(list(generator.parameters()))
    source, n = instantiate.build_data(plain).splits.train, plain["data"]["batch_size"]
    softplus, began = torch.nn.functional.softplus, 0.0
    for step in range(WARM_UP_STEPS + STEPS):
        if step == WARM_UP_STEPS:
            began = time.perf_counter()
        real, condition = source.batch(0, step, n)
        fake = generator(torch.randn(n, plain["gan"]["latent_dim"]), condition)
        d_optimizer.zero_grad()
        real_logits, fake_logits = discriminator(real, condition).logits, discriminator(fake.detach(), condition).logits
        torch.autograd.backward((softplus(-real_logits) + softplus(fake_logits)).mean())
        d_optimizer.step()
        discriminator.requires_grad_(False)
        g_optimizer.zero_grad()
        torch.autograd.backward(softplus(-discriminator(fake, condition).logits).mean())
        g_optimizer.step()
        discriminator.requires_grad_(True)
        with torch.no_grad():
            for averaged, parameter in zip(average.parameters(), generator.parameters(), strict=True):
                averaged.lerp_(parameter, 0.01)
            for copied, buffer in zip(average.buffers(), generator.buffers(), strict=True):
                copied.copy_(buffer)
    return (time.perf_counter() - began) / STEPS


def main() -> None:
    """Run both and print one line."""
    silence_lightning()
    torch.set_num_threads(1)
    overrides = [*DEFAULT, f"trainer.max_steps={WARM_UP_STEPS + STEPS}", "trainer.accelerator=cpu", *sys.argv[1:]]
    plain = validate(Composer().compose(overrides))
    rounds = [(time_framework(plain), time_bare_loop(plain)) for _ in range(ROUNDS)]
    framework, bare = (statistics.median(times) * 1e3 for times in zip(*rounds, strict=True))
    ratio = statistics.median(with_framework / without for with_framework, without in rounds)
    times = f"framework {framework:.2f} ms per step, bare loop {bare:.2f} ms per step, ratio {ratio:.3f}"
    print(f"{times} ({ROUNDS} rounds of {STEPS} steps)")


if __name__ == "__main__":
    main()
