"""Measure the cost and the gain of a second thread by the size of the networks, for the rule of `threads: auto`.

python scripts/threads.py [--rounds 7] [--seconds 0.5]

Each model trains in turn on one thread and on two: first alone on the machine, then beside one other process per CPU that
computes on one thread all the time, as other jobs do. The script prints tables of ratios of two threads to one, of wall time
and of CPU time: medians over the rounds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable

import torch

from gan_lightning.config import instantiate
from gan_lightning.config.compose import Composer
from gan_lightning.config.resolve import Plain
from gan_lightning.config.validate import validate
from gan_lightning.training.threads import available_cpus, forward_flops

FACES_64 = ("experiment=cartoon_faces", "model=dcgan", "data.sample_shape=[3,64,64]")
MODELS = {
    "ring, MLP": ("experiment=ring",),
    "digits 8×8": ("experiment=digits_fast",),
    "digits 16×16": ("experiment=digits",),
    "MNIST 28×28": ("experiment=mnist",),
    "cartoon faces 32×32, dcgan": ("experiment=cartoon_faces", "model=dcgan"),
    "64×64, dcgan, batch 16": (*FACES_64, "data.batch_size=16"),
    "64×64, dcgan, batch 64": (*FACES_64, "data.batch_size=64"),
}


def training_step(plain: Plain) -> Callable[[], None]:
    """Return a function that updates D on random samples and then G: non-saturating loss, without penalties."""
    generator, discriminator = instantiate.build_networks(plain)
    optimizers = [torch.optim.Adam(network.parameters(), 1e-4) for network in (discriminator, generator)]
    n, softplus = plain["data"]["batch_size"], torch.nn.functional.softplus
    z, real = torch.randn(n, plain["gan"]["latent_dim"]), torch.randn(n, *plain["data"]["sample_shape"])
    condition = torch.zeros(n, dtype=torch.long) if plain["data"]["num_classes"] else None

    def step() -> None:
        fake = generator(z, condition)
        loss = softplus(-discriminator(real, condition).logits) + softplus(discriminator(fake.detach(), condition).logits)
        for optimizer, term in ((optimizers[0], lambda: loss), (optimizers[1], lambda: -discriminator(fake, condition).logits)):
            optimizer.zero_grad()
            torch.autograd.backward(term().mean())
            optimizer.step()

    return step


def measure(step: Callable[[], None], threads: int, seconds: float) -> tuple[float, float]:
    """Return wall and CPU seconds per step, over at least one step and about so many seconds."""
    torch.set_num_threads(threads)
    step()
    steps, wall, cpu = 0, time.perf_counter(), time.process_time()
    while not steps or time.perf_counter() - wall < seconds:
        step()
        steps += 1
    return (time.perf_counter() - wall) / steps, (time.process_time() - cpu) / steps


def ratios(step: Callable[[], None], rounds: int, seconds: float) -> tuple[float, float]:
    """Return the median ratios of two threads to one, of wall and of CPU time."""
    pairs = [(measure(step, 1, seconds), measure(step, 2, seconds)) for _ in range(rounds)]
    wall, cpu = zip(*((two[0] / one[0], two[1] / one[1]) for one, two in pairs), strict=True)
    return statistics.median(wall), statistics.median(cpu)


def other_job() -> None:
    """Compute on one thread until this process is terminated."""
    torch.set_num_threads(1)
    x = torch.randn(256, 256)
    while True:
        x = torch.nn.functional.normalize(x @ x)


def main() -> None:
    """Measure all models, alone and beside other jobs, and print two tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5)
    arguments = parser.parse_args()
    plains = {name: validate(Composer().compose([*line, "metric=none"])) for name, line in MODELS.items()}
    for load in (0, available_cpus()):
        print(f"\n| networks, beside {load} other processes | GFLOP forward | wall | CPU |\n|---|---|---|---|")
        others = [multiprocessing.get_context("spawn").Process(target=other_job, daemon=True) for _ in range(load)]
        for process in others:
            process.start()
        time.sleep(10 if others else 0)  # they import torch
        for name, plain in plains.items():
            wall, cpu = ratios(training_step(plain), arguments.rounds, arguments.seconds)
            print(f"| {name} | {forward_flops(plain) / 1e9:.3f} | {wall:.2f} | {cpu:.2f} |", flush=True)
        for process in others:
            process.terminate()


if __name__ == "__main__":
    main()
