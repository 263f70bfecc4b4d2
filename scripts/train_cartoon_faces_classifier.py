"""Train the classifier of cartoon faces (`feature=cartoon_faces`) and write its weights in half precision.

python scripts/train_cartoon_faces_classifier.py [--out FILE]

The faces are drawn from seeds that no data set uses by default, at 32×32, half of them pooled from 64×64. They are shifted,
blurred and noisy. A quarter of them is blended with another face, and the labels are mixed in the same proportion (mixup, Zhang
et al. 2018), so that the classifier is not confident on a blend of two faces. On one thread of the same machine, another run
writes the same file.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import cast

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, one_hot, pad

from gan_lightning.data.cartoon_face_drawing import FACTORS, draw_face, sample_face
from gan_lightning.metric.feature.cartoon_faces import WEIGHTS, Network
from gan_lightning.metric.feature.face_parts import SIDE, FacePartsNetwork
from gan_lightning.step.schedule import Cosine

TRAIN_SEED, HELD_OUT_SEED = 1_000_001, 1_000_002
FACES, HELD_OUT, BATCH, STEPS, RATE = 16_000, 5_000, 128, 700, 2e-3
BLENDED, SHIFT, NOISE = 0.25, 2, 0.2  # share of a batch; pixels; largest standard deviation


def draw_faces(seed: int, count: int) -> tuple[Tensor, Tensor]:  # -> (M, 3, 32, 32) in [-1, 1], (M, factors)
    """Return M = `count` faces and the values of their factors."""
    faces = [sample_face(seed, i) for i in range(count)]
    images = [to_tensor(np.asarray(draw_face(face, 32 if i % 2 else 64))) for i, face in enumerate(faces)]
    return torch.stack(images), torch.tensor([face.factors for face in faces])


def to_tensor(pixels: np.ndarray) -> Tensor:  # (S, S, 3) uint8 -> (3, 32, 32) in [-1, 1]
    """Return an image as the feature extractor pools it."""
    x = torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 127.5 - 1
    return avg_pool2d(x, x.shape[-1] // 32)


def augment(x: Tensor, blur_power: float) -> Tensor:  # (N, 3, 32, 32) -> (N, 3, 32, 32)
    """Shift, blur and add noise, with random strengths for each face; blur's is a uniform number to the power `blur_power`."""
    n = len(x)
    wide = pad(x, (SHIFT,) * 4, mode="replicate")
    rows, columns = torch.randint(0, 2 * SHIFT + 1, (2, n)).tolist()
    x = torch.stack([image[:, i : i + SIDE, j : j + SIDE] for image, i, j in zip(wide, rows, columns, strict=True)])
    x = torch.lerp(x, avg_pool2d(pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1), torch.rand(n, 1, 1, 1) ** blur_power)
    x = x + NOISE * torch.rand(n, 1, 1, 1).square() * torch.randn_like(x)
    return (x * (1 + 0.1 * torch.randn(n, 1, 1, 1)) + 0.05 * torch.randn(n, 3, 1, 1)).clamp(-1, 1)


def mixup_loss(
    network: FacePartsNetwork, x: Tensor, parts: Tensor, blur_power: float = 1.0
) -> Tensor:  # (N, 3, 32, 32), (N, parts) -> ()
    """Return the cross entropy on blended and augmented faces, summed over the parts."""
    blended = int(BLENDED * len(x))
    share, other = torch.ones(len(x)), torch.arange(len(x)).roll(1)
    share[:blended] = torch.rand(blended)
    x = torch.lerp(x[other], x, share.view(-1, 1, 1, 1))
    total = torch.zeros(())
    for logits, values in zip(network(augment(x, blur_power)).logits, parts.T, strict=True):
        target = one_hot(values, logits.shape[1]).float()
        total = total + cross_entropy(logits, torch.lerp(target[other], target, share[:, None]))
    return total


@torch.inference_mode()
def standardise(network: FacePartsNetwork, x: Tensor) -> None:  # (M, 3, 32, 32)
    """Scale the features to a mean variance of 1, so that Fréchet distances have a readable size; the logits do not change."""
    spread = torch.cat([network(part).features for part in torch.split(x, 500)]).var(0).mean().sqrt()
    hidden = cast("nn.Linear", network.body[-2])
    hidden.weight.mul_(1 / spread)
    hidden.bias.mul_(1 / spread)
    for head in cast("list[nn.Linear]", list(network.heads)):
        head.weight.mul_(spread)


def write_half(network: FacePartsNetwork, out: Path) -> None:
    """Write the weights in half precision."""
    stored = {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(stored, out)


@torch.inference_mode()
def read(network: FacePartsNetwork, x: Tensor) -> tuple[Tensor, ...]:  # (M, 3, 32, 32) -> (M, values) for each part
    """Return the logits of all faces."""
    return tuple(torch.cat(part) for part in zip(*(network(batch).logits for batch in torch.split(x, 500)), strict=True))


@torch.inference_mode()
def report(network: Network, x: Tensor, factors: Tensor) -> None:  # (M, 3, 32, 32), (M, factors)
    """Print the accuracy for each factor, and the share of faces that are classified with confidence."""
    logits = read(network, x)
    for k, name in enumerate(FACTORS):
        print(f"{name} {(logits[k].argmax(1) == factors[:, k]).float().mean():.4f}", end=", ")
    confidence = torch.stack([of_factor.softmax(1).amax(1) for of_factor in logits]).amin(0)
    print(f"confident (p > 0.7 on every factor) {(confidence > 0.7).float().mean():.4f}", flush=True)


def main() -> None:
    """Train, write the weights, and report on held-out faces."""
    parser = argparse.ArgumentParser(description="Train the classifier of cartoon faces.")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network, cosine = Network(), Cosine()
    x, factors = draw_faces(TRAIN_SEED, FACES)
    held_out = draw_faces(HELD_OUT_SEED, HELD_OUT)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * cosine(step / STEPS)
        indices = torch.randint(0, len(x), (BATCH,))
        optimizer.zero_grad()
        loss = mixup_loss(network, x[indices], factors[indices])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item():.3f}; ", end="")
            report(network.eval(), *held_out)
            network.train()
    standardise(network.eval(), x)
    write_half(network, arguments.out)
    network.load_state_dict(safetensors.torch.load_file(arguments.out))
    print(f"{arguments.out}: {arguments.out.stat().st_size:,} bytes; ", end="")
    report(network.eval(), *held_out)


if __name__ == "__main__":
    main()
