"""Train the two classifiers of `feature=digits` on the training split of scikit-learn's digits, and write their weights.

python scripts/train_digits_classifiers.py          (100 seconds, one thread; writes to gan_lightning/metric/feature/weights)

In every step most digits are rotated, sheared, scaled and shifted by a random affine map, and noise is added to all. The
weights are a running average. The settings were chosen by validation accuracy; test accuracy is only printed. On the same
machine, another run writes the same bytes.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from gan_lightning.data.digits import SIZES, Digits
from gan_lightning.data.stream import Source
from gan_lightning.metric.feature.digits import WEIGHTS, Architecture, Classifier
from gan_lightning.step.ema import EMA
from gan_lightning.step.progress import Progress

STEPS, BATCH, LEARNING_RATE, WEIGHT_DECAY, AVERAGE = 3000, 128, 2e-3, 0.02, 0.998
ANGLE, SHEAR, SCALE, SHIFT = 0.18, 0.12, 0.1, 0.15  # standard deviations: radians, tangent, log, half widths
UNTRANSFORMED = 0.3  # share of samples without an affine map
LEVEL = 2 / 16  # difference of two grey levels
NOISE = 0.25  # largest standard deviation of the Gaussian noise


def main() -> None:
    """Train both classifiers, and print their accuracy on each split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--folder", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for architecture in get_args(Architecture):
        weights = train_classifier(architecture, arguments.steps, arguments.seed)
        path = arguments.folder / f"digits_{architecture}.safetensors"
        save_file(dict(weights), path)
        shares = ", ".join(f"{split} {share:.4f}" for split, share in accuracies(architecture, weights).items())
        print(f"{architecture}: {shares}; {path.stat().st_size / 1000:.0f} kB", flush=True)


def train_classifier(architecture: Architecture, steps: int, seed: int) -> Mapping[str, Tensor]:
    """Return the averaged weights after `steps` steps."""
    torch.manual_seed(seed)
    average = fit(Classifier(architecture), digits().splits.train, lambda real: add_noise(transform(real)), steps, seed)
    return standardise(average).state_dict()


def fit(
    classifier: nn.Module, train: Source, change: Callable[[Tensor], Tensor], steps: int, seed: int
) -> nn.Module:  # change: (N, C, H, W) -> (N, C, H, W)
    """Train a classifier, which returns features and logits, on changed images, and return the average of its weights."""
    average = EMA(classifier, AVERAGE)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * (1 + math.cos(math.pi * step / steps)) / 2
        real, labels = train.batch(seed, step, BATCH)
        assert labels is not None
        _, logits = classifier(change(real))
        optimizer.zero_grad()
        cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        average.advance(Progress(step, steps))
        average.update(classifier)
    return average.average


@torch.no_grad()
def standardise(classifier: nn.Module) -> Classifier:
    """Scale the features to unit variance without changing the logits; possible because ReLU(c · x) = c · ReLU(x) for c > 0."""
    assert isinstance(classifier, Classifier)
    spread = classifier(digits().splits.train.part(0, SIZES.train).real)[0].var(0).mean().sqrt()
    last = [layer for layer in classifier.body if isinstance(layer, nn.Linear)][-1]
    last.weight.div_(spread)
    last.bias.div_(spread)
    classifier.head.weight.mul_(spread)
    return classifier


def transform(x: Tensor) -> Tensor:  # (N, 1, 8, 8) -> (N, 1, 8, 8)
    """Apply a random affine map to each image, except to a share UNTRANSFORMED of them; pixels from outside are black."""
    n = len(x)
    angle, shear = torch.randn(n) * ANGLE, torch.randn(n) * SHEAR
    scale, shift = (torch.randn(2, n) * SCALE).exp(), torch.randn(2, n) * SHIFT
    cos, sin = angle.cos(), angle.sin()
    rows = [scale[0] * cos, scale[0] * (shear * cos - sin), shift[0], scale[1] * sin, scale[1] * (shear * sin + cos), shift[1]]
    grid = affine_grid(torch.stack(rows, 1).view(n, 2, 3), list(x.shape), align_corners=False)
    transformed = grid_sample(x + 1, grid, align_corners=False) - 1
    return torch.where(torch.rand(n, 1, 1, 1) < UNTRANSFORMED, x, transformed)


def add_noise(x: Tensor) -> Tensor:  # (N, 1, 8, 8) -> (N, 1, 8, 8) in [-1, 1]
    """Add uniform noise of the width of a grey level, and Gaussian noise of a random strength for each image."""
    spread = (torch.rand_like(x) - 0.5) * LEVEL
    strength = torch.rand(len(x), 1, 1, 1) * NOISE
    return (x + spread + strength * torch.randn_like(x)).clamp(-1, 1)


@torch.no_grad()
def accuracies(architecture: Architecture, weights: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the accuracy on each split, by name."""
    classifier, shares = Classifier(architecture), {}
    classifier.load_state_dict(weights)
    for split, source in digits().splits._asdict().items():
        real, labels = source.part(0, SIZES.train)
        shares[split] = float((classifier(real)[1].argmax(1) == labels).float().mean())
    return shares


def digits() -> Digits:
    """Return the digits at their original size."""
    return Digits(sample_shape=(1, 8, 8), num_classes=10)


if __name__ == "__main__":
    main()
