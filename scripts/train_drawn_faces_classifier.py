"""Train the classifier of drawn faces (`feature=drawn_faces`) and write its weights in half precision.

python scripts/train_drawn_faces_classifier.py FOLDER [--skip 12000] [--out FILE] [--report]   (FOLDER.csv: the parts)

The first `--skip` faces of the table are held out: GANs are trained on them, and the accuracy is measured on the first HELD_OUT
of them. The other faces are seen at 32×32, half of them pooled from 64×64 and half as `data=image_folder` scales them. They are
shifted, blurred and noisy. A quarter of them is blended with another face, and the labels are mixed in the same proportion
(mixup, Zhang et al. 2018), so that the classifier is not confident on a blend of two faces. On one thread of the same machine,
another run writes the same file.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d
from tqdm import tqdm
from train_cartoon_faces_classifier import mixup_loss, read, standardise, write_half

from gan_lightning.data.decode import decode
from gan_lightning.metric.feature.drawn_faces import GROUPS, PARTS, WEIGHTS, Network, merge
from gan_lightning.metric.feature.face_parts import SIDE
from gan_lightning.step.schedule import Cosine

HELD_OUT, BATCH, STEPS, RATE = 4_000, 128, 2_500, 2e-3
CONFUSED = 0.1  # share of two drawings' faces, above which `metric.feature.drawn_faces` takes the two for one value


def read_parts(folder: Path) -> tuple[list[Path], Tensor]:  # -> M files, (M, parts)
    """Return the faces in the order of the table beside the folder, and the index of each part's value."""
    with folder.with_name(folder.name + ".csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    values = [[known.index(row[part]) for part, known in PARTS.items()] for row in rows]
    return [folder / row["file"] for row in rows], torch.tensor(values)


def load_faces(files: list[Path], desc: str) -> tuple[Tensor, Tensor]:  # -> (M, 3, 32, 32) uint8, twice
    """Return the faces pooled to 32×32, and as a folder of images is scaled to 32×32."""
    pooled, scaled = torch.empty(2, len(files), 3, SIDE, SIDE, dtype=torch.uint8)
    for i, file in enumerate(tqdm(files, desc, mininterval=5)):
        large = torch.from_numpy(decode(file, (3, 2 * SIDE, 2 * SIDE)))
        pooled[i] = avg_pool2d(large.float(), 2).round().byte()
        scaled[i] = torch.from_numpy(decode(file, (3, SIDE, SIDE)))
    return pooled, scaled


def to_range(x: Tensor) -> Tensor:  # (N, 3, 32, 32) uint8 -> (N, 3, 32, 32) in [-1, 1]
    """Return the pixels as a data set gives them."""
    return x.float() / 127.5 - 1


def report(logits: Sequence[Tensor], parts: Tensor) -> None:  # (M, drawings) for each part, (M, parts)
    """Print for each part the accuracy and, in brackets, the share read with confidence; at the end that of whole faces.

    Drawings that look alike are one value.
    """
    read_parts = merge(logits)
    confident = torch.stack([x.softmax(1).amax(1) for x in read_parts]) > 0.7
    for k, (name, groups) in enumerate(GROUPS.items()):
        value = torch.tensor([next(g for g, group in enumerate(groups) if i in group) for i in range(len(PARTS[name]))])
        accuracy = (read_parts[k].argmax(1) == value[parts[:, k]]).float().mean()
        print(f"{name} {accuracy:.4f} ({confident[k].float().mean():.4f})", end=", ")
    print(f"confident (p > 0.7 on every part) {confident.all(0).float().mean():.4f}", flush=True)


def report_confusions(logits: Sequence[Tensor], parts: Tensor) -> None:  # (M, drawings) for each part, (M, parts)
    """Print the pairs of drawings of which more than CONFUSED of the faces are taken for the other."""
    for k, (name, drawings) in enumerate(PARTS.items()):
        size = len(drawings)
        table = (parts[:, k] * size + logits[k].argmax(1)).bincount(minlength=size**2).view(size, size)
        total = table.sum(1)
        for i, j in itertools.combinations(range(size), 2):
            share = (table[i, j] + table[j, i]) / (total[i] + total[j]).clamp(min=1)
            if share > CONFUSED:
                print(f"{name}: {drawings[i]} and {drawings[j]} are confused in {share:.2f} of their faces")


def fit(network: Network, views: tuple[Tensor, Tensor], parts: Tensor, held_out: tuple[Tensor, Tensor]) -> None:
    """Train for STEPS steps; `views` are the faces (M, 3, 32, 32) uint8 pooled and scaled, one of them at random."""
    optimizer, cosine = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01), Cosine()
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * cosine(step / STEPS)
        indices = torch.randint(0, len(parts), (BATCH,))
        pooled = (torch.rand(BATCH) < 0.5).view(-1, 1, 1, 1)
        x = to_range(torch.where(pooled, views[0][indices], views[1][indices]))
        optimizer.zero_grad()
        loss = mixup_loss(network, x, parts[indices], blur_power=2.0)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % 250 == 249:
            print(f"step {step + 1}: loss {loss.item():.3f}; ", end="")
            report(read(network.eval(), held_out[0]), held_out[1])
            network.train()


def train(out: Path, files: list[Path], parts: Tensor, held_out: tuple[Tensor, Tensor]) -> None:
    """Train on the faces of `files` with these `parts` (M, parts), and write the weights."""
    network = Network()
    fit(network, load_faces(files, "faces"), parts, held_out)
    standardise(network.eval(), held_out[0])
    write_half(network, out)


def main() -> None:
    """Train and write the weights, or with --report only read them, and report on held-out faces."""
    parser = argparse.ArgumentParser(description="Train the classifier of drawn faces.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--skip", type=int, default=12_000, help="the first faces, which GANs are trained on")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--report", action="store_true", help="train nothing; report on the weights in --out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    files, parts = read_parts(arguments.folder)
    tests = [to_range(view) for view in load_faces(files[: min(HELD_OUT, arguments.skip)], "held-out faces")]
    held_out = parts[: len(tests[0])]
    if not arguments.report:
        train(arguments.out, files[arguments.skip :], parts[arguments.skip :], (tests[1], held_out))
    network = Network().eval()
    network.load_state_dict(safetensors.torch.load_file(arguments.out))
    print(f"{arguments.out}: {arguments.out.stat().st_size:,} bytes, {len(held_out):,} held-out faces")
    for name, x in zip(("pooled from 64×64", "scaled to 32×32"), tests, strict=True):
        print(f"{name}: ", end="")
        report(read(network, x), held_out)
    report_confusions(read(network, tests[1]), held_out)


if __name__ == "__main__":
    main()
