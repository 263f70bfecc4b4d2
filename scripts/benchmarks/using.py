"""Measure what is done with a trained network and its samples: suites `sample` and `metrics`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import _compute_fid

from benchmarks.report import Row, Suite
from benchmarks.timing import interleave, ratios, repeated, spread
from benchmarks.training import DCGAN, networks
from gan_lightning.config import instantiate
from gan_lightning.config.compose import Composer
from gan_lightning.config.validate import validate
from gan_lightning.metric.evaluation import GeneratedSamples
from gan_lightning.metric.fid import covariance_root, frechet_distance
from gan_lightning.step.seeding import Purpose

BATCH, BATCHES = 64, 4
FEATURES, SAMPLES = 2048, 10_000


def sample(rounds: int) -> list[Suite]:
    """Measure images of DCGAN 64×64: a loop of `G(z).detach()`, what can make it faster, and gan_lightning's samples."""
    plain = validate(Composer().compose([*DCGAN, "data.file=unread.npy"]))
    generator = networks(plain)[0].eval()
    gan = instantiate.build_gan(plain).eval()
    source = GeneratedSamples(gan, lambda *_: None, 0, Purpose.REPORT)
    channels_last = networks(plain)[0].eval().to(memory_format=torch.channels_last)

    def ours() -> None:
        source.part(0, BATCH)

    variants = {
        "`G(z).detach()`": repeated(lambda: generator(torch.randn(BATCH, 100)).detach(), BATCHES),
        "the same again (A/A)": repeated(lambda: generator(torch.randn(BATCH, 100)).detach(), BATCHES),
        "inference mode, channels_last": repeated(lambda: inferred(channels_last, bf16=False), BATCHES),
        "inference mode, channels_last, bf16": repeated(lambda: inferred(channels_last, bf16=True), BATCHES),
        "gan_lightning": repeated(ours, BATCHES),
    }
    times = interleave(variants, rounds)
    baseline = times["`G(z).detach()`"]
    rows = [
        Row(name, ratios(t, baseline), {"samples/s": BATCH / spread([time.cpu for time in t]).median})
        for name, t in times.items()
    ]
    return [Suite("Sampling: DCGAN 64×64, width 64, batch 64", "`G(z).detach()`", rows)]


@torch.inference_mode()
def inferred(generator: nn.Module, bf16: bool) -> Tensor:  # -> (BATCH, 3, 64, 64)
    """Draw a batch without recording operations."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        samples: Tensor = generator(torch.randn(BATCH, 100)).float()
    return samples


def metrics(rounds: int) -> list[Suite]:
    """Measure the Fréchet distance of 10,000 features of 2048 dimensions, without and with what the reference gives."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(FEATURES, FEATURES, generator=generator, dtype=torch.float64) / FEATURES**0.5
    real, fake = (torch.randn(SAMPLES, FEATURES, generator=generator, dtype=torch.float64) @ mixing for _ in range(2))
    root = covariance_root(real - real.mean(0))

    def torchmetrics() -> Tensor:
        return _compute_fid(fake.mean(0), torch.cov(fake.T), real.mean(0), torch.cov(real.T))

    first = torchmetrics()
    torch.testing.assert_close(frechet_distance(fake, real, root), first, rtol=1e-6, atol=0)
    variants = {
        "torchmetrics": repeated(torchmetrics, 1),
        "the same again (A/A)": repeated(torchmetrics, 1),
        "gan_lightning, first": repeated(lambda: frechet_distance(fake, real, covariance_root(real - real.mean(0))), 1),
        "gan_lightning, reference known": repeated(lambda: frechet_distance(fake, real, root), 1),
    }
    times = interleave(variants, rounds)
    baseline = times["torchmetrics"]
    rows = [Row(name, ratios(t, baseline), {"s": spread([time.cpu for time in t]).median}) for name, t in times.items()]
    return [Suite(f"Fréchet distance: {SAMPLES:,} × {FEATURES}", "torchmetrics", rows)]
