"""Train the two classifiers of `feature=mnist` or `feature=fashion_mnist` on the training images, and write their weights.

python scripts/train_mnist_classifiers.py mnist ROOT         (2 CPU minutes each; ROOT/MNIST/raw holds the four files)
python scripts/train_mnist_classifiers.py fashion_mnist ROOT

In every step most digits, and some clothes, are rotated, sheared, scaled and shifted by a random affine map. Half of the images
are blurred by a size between 12 and 28 pixels, and noise is added to all. The weights are a running average; those of `strided`
are in half precision. On the same machine, another run writes the same bytes. The accuracy on each split is printed; no setting
was chosen by that of the test split.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

import torch
from safetensors.torch import save_file
from torch import Tensor
from train_digits_classifiers import fit, transform

from gan_lightning.data.fashion_mnist import FashionMNIST
from gan_lightning.data.mnist import MNIST
from gan_lightning.metric.feature.digits import WEIGHTS
from gan_lightning.metric.feature.mnist import SIDE, Architecture, Classifier, resize

STEPS = 2500
TRANSFORMED = 0.4  # share of the clothes that are transformed at all, because they lie alike in all images
SIDES = (12, 28)  # of the smaller size that blurs
NOISE = 0.2  # largest standard deviation of the Gaussian noise


def main() -> None:
    """Train the classifiers, and print their accuracy on each split, also at 16×16."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=DATA)
    parser.add_argument("root", type=Path)
    parser.add_argument("--architecture", choices=get_args(Architecture), nargs="+", default=get_args(Architecture))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--folder", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    kind, change = DATA[arguments.data]
    data = kind(root=str(arguments.root), sample_shape=(1, SIDE, SIDE), num_classes=10)
    for architecture in arguments.architecture:
        weights = dict(train_classifier(architecture, data, change, arguments.steps, arguments.seed))
        if architecture == "strided":
            weights = {name: weight.half() for name, weight in weights.items()}
        path = arguments.folder / f"{arguments.data}_{architecture}.safetensors"
        save_file(weights, path)
        for side in (SIDE, 16):
            shares = accuracies(architecture, weights, data, side)
            line = ", ".join(f"{split} {share:.4f}" for split, share in shares.items())
            print(f"{architecture} {side}×{side}: {line}; {path.stat().st_size / 1000:.0f} kB", flush=True)


def train_classifier(
    architecture: Architecture, data: MNIST, change: Callable[[Tensor], Tensor], steps: int, seed: int
) -> Mapping[str, Tensor]:  # change: (N, 1, 28, 28) -> (N, 1, 28, 28)
    """Return the averaged weights after `steps` steps."""
    torch.manual_seed(seed)
    average = fit(Classifier(architecture), data.splits.train, lambda real: degrade(change(real)), steps, seed)
    return average.state_dict()


def transform_some(x: Tensor) -> Tensor:  # (N, 1, 28, 28) -> (N, 1, 28, 28)
    """Apply `transform` to a share TRANSFORMED of the images."""
    return torch.where(torch.rand(len(x), 1, 1, 1) < TRANSFORMED, transform(x), x)


def degrade(x: Tensor) -> Tensor:  # (N, 1, 28, 28) -> (N, 1, 28, 28) in [-1, 1]
    """Blur the first half of the batch by a smaller size, and add Gaussian noise of a random strength to each image."""
    side = int(torch.randint(*SIDES, ()))
    half = len(x) // 2
    blurred = torch.cat([resize(resize(x[:half], side), SIDE), x[half:]])
    return (blurred + torch.rand(len(x), 1, 1, 1) * NOISE * torch.randn_like(x)).clamp(-1, 1)


@torch.no_grad()
def accuracies(architecture: Architecture, weights: Mapping[str, Tensor], data: MNIST, side: int) -> dict[str, float]:
    """Return the accuracy on each split, by name, of images of a size; of at most 10,000 images each."""
    classifier, shares = Classifier(architecture), {}
    classifier.load_state_dict(dict(weights))
    for split, source in data.splits._asdict().items():
        correct = total = 0
        for start in range(0, 10_000, 500):
            real, labels = source.part(start, 500)
            correct += int((classifier(resize(resize(real, side), SIDE))[1].argmax(1) == labels).sum())
            total += len(real)
        shares[split] = correct / total
    return shares


DATA: dict[str, tuple[type[MNIST], Callable[[Tensor], Tensor]]] = {
    "mnist": (MNIST, transform),
    "fashion_mnist": (FashionMNIST, transform_some),
}

if __name__ == "__main__":
    main()
