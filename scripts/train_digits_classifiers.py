"""The weights of `feature=digits`: two classifiers of scikit-learn's digits, trained on the training split alone.

python scripts/train_digits_classifiers.py          (100 seconds on one thread; writes gan_lightning/metric/feature/weights)

Every step sees digits turned, sheared, scaled and shifted at random by an affine map, some left as they are, and noise over
all; the weights that are kept are a running average. Validation accuracy chose these settings, test accuracy is only printed.
Run again on the same machine it writes the same bytes.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from gan_lightning.data.digits import TRAIN, Digits
from gan_lightning.metric.feature.digits import WEIGHTS, Architecture, Classifier
from gan_lightning.step.ema import EMA

STEPS, BATCH, LEARNING_RATE, WEIGHT_DECAY, AVERAGE = 3000, 128, 2e-3, 0.02, 0.998
ANGLE, SHEAR, SCALE, SHIFT = 0.18, 0.12, 0.1, 0.15  # standard deviations: radians, tangent, log, half widths
UNTOUCHED = 0.3  # share of samples that are not moved
LEVEL = 2 / 16  # between two grey levels
NOISE = 0.25  # the most that Gaussian noise has as its standard deviation


def main() -> None:
    """Train both and say how well they read each split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--folder", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    asked.folder.mkdir(parents=True, exist_ok=True)
    for architecture in get_args(Architecture):
        weights = trained(architecture, asked.steps, asked.seed)
        path = asked.folder / f"digits_{architecture}.safetensors"
        save_file(dict(weights), path)
        told = ", ".join(f"{split} {share:.4f}" for split, share in accuracies(architecture, weights).items())
        print(f"{architecture}: {told}; {path.stat().st_size / 1000:.0f} kB", flush=True)


def trained(architecture: Architecture, steps: int, seed: int) -> Mapping[str, Tensor]:
    """The averaged weights after so many steps."""
    torch.manual_seed(seed)
    classifier, train = Classifier(architecture), digits().splits.train
    average = EMA(classifier, AVERAGE)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * (1 + math.cos(math.pi * step / steps)) / 2
        real, labels = train.batch(seed, step, BATCH)
        assert labels is not None
        _, logits = classifier(noisy(moved(real)))
        optimizer.zero_grad()
        cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        average.advance(step)
        average.update(classifier)
    return scaled(average.average).state_dict()


@torch.no_grad()
def scaled(classifier: nn.Module) -> Classifier:
    """The same function with features of unit variance: ReLU lets a factor through."""
    assert isinstance(classifier, Classifier)
    unit = classifier(digits().splits.train.first(TRAIN))[0].var(0).mean().sqrt()
    last = [layer for layer in classifier.body if isinstance(layer, nn.Linear)][-1]
    last.weight.div_(unit)
    last.bias.div_(unit)
    classifier.head.weight.mul_(unit)
    return classifier


def moved(x: Tensor) -> Tensor:  # (N, 1, 8, 8) -> (N, 1, 8, 8)
    """Each under an affine map of its own; what comes in from outside is black."""
    n = len(x)
    angle, shear = torch.randn(n) * ANGLE, torch.randn(n) * SHEAR
    scale, shift = (torch.randn(2, n) * SCALE).exp(), torch.randn(2, n) * SHIFT
    cos, sin = angle.cos(), angle.sin()
    rows = [scale[0] * cos, scale[0] * (shear * cos - sin), shift[0], scale[1] * sin, scale[1] * (shear * sin + cos), shift[1]]
    grid = affine_grid(torch.stack(rows, 1).view(n, 2, 3), list(x.shape), align_corners=False)
    found = grid_sample(x + 1, grid, align_corners=False) - 1
    return torch.where(torch.rand(n, 1, 1, 1) < UNTOUCHED, x, found)


def noisy(x: Tensor) -> Tensor:  # (N, 1, 8, 8) -> (N, 1, 8, 8) in [-1, 1]
    """Grey levels spread over their width, and Gaussian noise, weak and strong."""
    spread = (torch.rand_like(x) - 0.5) * LEVEL
    strength = torch.rand(len(x), 1, 1, 1) * NOISE
    return (x + spread + strength * torch.randn_like(x)).clamp(-1, 1)


@torch.no_grad()
def accuracies(architecture: Architecture, weights: Mapping[str, Tensor]) -> dict[str, float]:
    """Split → the share that is read rightly."""
    classifier, found = Classifier(architecture), {}
    classifier.load_state_dict(weights)
    for split, source in digits().splits._asdict().items():
        real, labels = source.part(0, TRAIN)
        found[split] = float((classifier(real)[1].argmax(1) == labels).float().mean())
    return found


def digits() -> Digits:
    """As they were recorded."""
    return Digits(sample_shape=(1, 8, 8), num_classes=10)


if __name__ == "__main__":
    main()
