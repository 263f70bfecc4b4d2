"""Train the classifier of `feature=mnist` on MNIST's training images, and write its weights.

python scripts/train_mnist_classifier.py ROOT         (2 CPU minutes; ROOT/MNIST/raw holds the four files)

In every step most images are rotated, sheared, scaled and shifted by a random affine map, half are blurred by a size between 12
and 28 pixels, and noise is added to all. The weights are a running average. On the same machine, another run writes the same
bytes. The accuracy on each split is printed; no setting was chosen by that of the test split.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from train_digits_classifiers import fit, transform

from gan_lightning.data.mnist import MNIST
from gan_lightning.metric.feature.digits import WEIGHTS
from gan_lightning.metric.feature.mnist import SIDE, Classifier, resize

STEPS = 2500
SIDES = (12, 28)  # of the smaller size that blurs
NOISE = 0.2  # largest standard deviation of the Gaussian noise


def main() -> None:
    """Train the classifier, and print its accuracy on each split, also at 16×16."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--folder", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    weights = train_classifier(arguments.root, arguments.steps, arguments.seed)
    path = arguments.folder / "mnist.safetensors"
    save_file(dict(weights), path)
    for side in (SIDE, 16):
        shares = ", ".join(f"{split} {share:.4f}" for split, share in accuracies(weights, arguments.root, side).items())
        print(f"{side}×{side}: {shares}; {path.stat().st_size / 1000:.0f} kB", flush=True)


def train_classifier(root: Path, steps: int, seed: int) -> Mapping[str, Tensor]:
    """Return the averaged weights after `steps` steps."""
    torch.manual_seed(seed)
    train = mnist(root, SIDE).splits.train
    return fit(Classifier(), train, lambda real: degrade(transform(real)), steps, seed).state_dict()


def degrade(x: Tensor) -> Tensor:  # (N, 1, 28, 28) -> (N, 1, 28, 28) in [-1, 1]
    """Blur the first half of the batch by a smaller size, and add Gaussian noise of a random strength to each image."""
    side = int(torch.randint(*SIDES, ()))
    half = len(x) // 2
    blurred = torch.cat([resize(resize(x[:half], side), SIDE), x[half:]])
    return (blurred + torch.rand(len(x), 1, 1, 1) * NOISE * torch.randn_like(x)).clamp(-1, 1)


@torch.no_grad()
def accuracies(weights: Mapping[str, Tensor], root: Path, side: int) -> dict[str, float]:
    """Return the accuracy on each split, by name, of images of a size; of at most 10,000 images each."""
    classifier, shares = Classifier(), {}
    classifier.load_state_dict(weights)
    for split, source in mnist(root, side).splits._asdict().items():
        correct = total = 0
        for start in range(0, 10_000, 500):
            real, labels = source.part(start, 500)
            correct += int((classifier(resize(real, SIDE))[1].argmax(1) == labels).sum())
            total += len(real)
        shares[split] = correct / total
    return shares


def mnist(root: Path, side: int) -> MNIST:
    """Return MNIST at a size."""
    return MNIST(root=str(root), sample_shape=(1, side, side), num_classes=10)


if __name__ == "__main__":
    main()
