"""Train the classifier of `feature=spoken_digits` on the words of `scripts/make_spoken_digits.py`, and write its weights.

python scripts/train_spoken_digits_classifier.py FOLDER [OTHER …]       (1 CPU minute)

In every step each word begins later or earlier by up to 0.06 s, is louder or quieter, is filtered by a random line through its
spectrum, and gets noise; the weights are a running average. On the same machine, another run writes the same bytes. The
accuracy on each split of FOLDER is printed, and on all words of each OTHER folder, such as those of voices that FOLDER lacks.
No setting was chosen by that of the test split.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor
from train_digits_classifiers import fit

from gan_lightning.data.base import Splits
from gan_lightning.data.stream import Source
from gan_lightning.data.waveforms import Waveforms
from gan_lightning.metric.feature.digits import WEIGHTS
from gan_lightning.metric.feature.spoken_digits import LENGTH, RATE, Classifier

STEPS = 500
SHIFT = 240  # values: 0.06 s
LOUDNESS = 0.5  # standard deviation of its logarithm
TILT = 0.3  # of the filter's next and next but one value
NOISE = 0.05  # largest standard deviation of the noise


def main() -> None:
    """Train the classifier, and print its accuracy on each split and on each other folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(arguments.seed)
    splits = words(arguments.folders[0])
    classifier = fit(Classifier(), splits.train, degrade, arguments.steps, arguments.seed)
    path = arguments.out / "spoken_digits.safetensors"
    path.write_bytes(save(classifier.state_dict()))
    shares = [f"{split} {accuracy(classifier, source):.4f}" for split, source in splits._asdict().items()]
    shares += [f"{folder.name} {accuracy(classifier, words(folder).train):.4f}" for folder in arguments.folders[1:]]
    print(f"{', '.join(shares)}; {path.stat().st_size / 1000:.0f} kB")


def words(folder: Path) -> Splits:
    """Return the words in a folder, as the experiment reads them."""
    return Waveforms(root=str(folder), sample_rate=RATE, sample_shape=(1, LENGTH), num_classes=10).splits


def degrade(x: Tensor) -> Tensor:  # (N, 1, T) -> (N, 1, T) in [-1, 1]
    """Shift, filter and scale each word by random amounts, and add noise of a random strength."""
    n, length = len(x), x.shape[2]
    position = torch.arange(length) - torch.randint(-SHIFT, SHIFT + 1, (n, 1))
    inside = (position >= 0) & (position < length)
    shifted = x[:, 0].gather(1, position.clamp(0, length - 1)) * inside
    one, two = TILT * torch.randn(2, n, 1)
    filtered = shifted + one * shifted.roll(1, 1) + two * shifted.roll(2, 1)
    louder = filtered * (LOUDNESS * torch.randn(n, 1)).exp()
    return (louder + NOISE * torch.rand(n, 1) ** 2 * torch.randn(n, length)).clamp(-1, 1).unsqueeze(1)


@torch.no_grad()
def accuracy(classifier: torch.nn.Module, source: Source) -> float:
    """Return the share of words that are read as what they are, of at most 10,000."""
    correct = total = 0
    for start in range(0, 10_000, 500):
        real, labels = source.part(start, 500)
        if not len(real):
            break
        correct += int((classifier(real)[1].argmax(1) == labels).sum())
        total += len(real)
    return correct / total


if __name__ == "__main__":
    main()
