"""Train every pair of options of two groups for two steps, and print which train and how the others are refused.

    python scripts/pairwise.py --out docs/pairwise.md

The options are found in conf/; those of one group that differ only in numbers share a row. Networks are as small as their keys
allow. Exit code 1 if a pair fails in another way than by a refusal in one sentence, or has numbers that are not finite.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import os
import struct
import sys
import tempfile
import traceback
import wave
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from gan_lightning.config.compose import Composer, config_dir
from gan_lightning.config.errors import UserError
from gan_lightning.config.instantiate import build_bare_trainer, build_data, build_gan
from gan_lightning.config.parent import NO_EXPERIMENT
from gan_lightning.config.preflight import validate_and_preflight
from gan_lightning.config.purity import require_pure_generator
from gan_lightning.config.targets import TRUST_VARIABLE
from gan_lightning.data.base import DataError
from gan_lightning.data.cifar import CIFAR10, CIFAR100, PIXELS, Layout
from gan_lightning.data.emnist import EMNIST
from gan_lightning.data.format.midi import encode_midi
from gan_lightning.data.format.piece import Note, Piece
from gan_lightning.data.mnist import FILES
from gan_lightning.training.fit import silence_lightning

NUM_SAMPLES = 60  # of the data sets that are written here
SMALL = {  # values of keys that networks have, at the top of a model or of one of its players
    **dict.fromkeys(("width", "group_width", "colours"), 4),
    **dict.fromkeys(("max_width", "style_dim", "shared_dim"), 8),
    **dict.fromkeys(("depth", "mapping_depth", "blocks"), 1),
    "side": 64,
}
BASE = [
    *(
        "model=resize_convolution",
        "loss=non_saturating",
        "regularizer=none",
        "augmentation=none",
        "data=digits",
        "prior=gaussian",
    ),
    *("data.batch_size=8", "gan.latent_dim=16", "metric=none", "logger=none", "threads=1", "trainer.accelerator=cpu"),
    *("trainer.max_steps=2", NO_EXPERIMENT),
]
BEGIN = """\
# What can be combined

Made by `python scripts/pairwise.py --out docs/pairwise.md`. Each pair was trained for two steps with networks of width 4 and
batches of 8 samples, and everything else as in `conf/train.yaml`. ✓: all terms and weights were finite. A number: the pair is
refused before training, with the sentence below the table. Options that differ only in numbers share a row. A model has the
first of these data that it accepts: digits, points of `ring`, numbers of `line`, signals of 64 values, `cadences`,
`grammar`. Where the data have no classes, a conditional model ignores them.
"""


class Signals(Dataset[tuple[Tensor, int]]):
    """Hold sine waves of two frequencies, the classes; the stand-in for a data set of sounds."""

    def __init__(self, size: int = NUM_SAMPLES) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, i: int) -> tuple[Tensor, int]:  # -> (1, 64) in [-1, 1]
        return torch.sin(torch.arange(64.0) * 0.1 * (1 + i % 2) + i).unsqueeze(0), i % 2


class Choice(NamedTuple):
    """Hold what one row or column of a table stands for: options by group, and values by key."""

    label: str
    options: Mapping[str, str]
    values: Mapping[str, Any] = {}


class Table(NamedTuple):
    """Hold the two lists of choices of which all pairs are trained."""

    title: str
    rows: list[Choice]
    columns: list[Choice]


class NotFiniteError(Exception):
    """Signal a term or a weight that is NaN or infinite; its name is the message."""


class FiniteTerms(pl.Callback):
    """Raise NotFiniteError after a step with a term that is not finite."""

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, i: int) -> None:
        """Check the terms of the step, then all weights and buffers."""
        for name, value in [*outputs.items(), *module.state_dict().items()]:
            if not bool(torch.isfinite(value).all()):
                raise NotFiniteError(f"{name} at step {trainer.global_step}")


# ── the choices ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@cache
def composed(*words: str) -> DictConfig:
    """Return the config of `BASE` and these words."""
    return composer().compose([*BASE, *words])


@cache
def composer() -> Composer:
    """Return the composer of all configs."""
    return Composer()


def without_numbers(node: Any) -> Any:
    """Return plain data with each number replaced by 0."""
    if isinstance(node, dict):
        return {key: without_numbers(value) for key, value in node.items()}
    if isinstance(node, list):
        return [without_numbers(value) for value in node]
    return 0 if isinstance(node, int | float) and not isinstance(node, bool) else node


def choices(group: str) -> list[Choice]:
    """Return the options of a group; of those that differ only in numbers the first one, named after all."""
    found: dict[str, list[str]] = {}
    for path in sorted((config_dir() / group).glob("*.yaml")):
        node = OmegaConf.to_container(composed(f"{group}={path.stem}"), resolve=False)
        assert isinstance(node, dict)
        found.setdefault(repr(without_numbers(node[group])), []).append(path.stem)
    return [Choice(", ".join(names), {group: names[0]}) for names in found.values()]


SIGNALS = {"sample_shape": [1, 64], "num_classes": 2, "dataset": {"_target_": "pairwise.Signals"}}
KINDS = [  # of samples, in the order in which a model tries them
    Choice("digits", {"data": "digits"}),
    Choice("points", {"data": "ring"}),
    Choice("numbers", {"data": "line"}),
    Choice("signals", {"data": "dataset"}, {f"data.{key}": value for key, value in SIGNALS.items()}),
    Choice("piano rolls", {"data": "cadences"}),
    Choice("text", {"data": "grammar"}),
]


@cache
def models() -> list[Choice]:
    """Return the models, each with samples that it accepts."""
    return [with_samples(model) for model in choices("model")]


def with_samples(model: Choice) -> Choice:
    """Return a model with the first kind of samples that it accepts."""
    tried = (join(model, kind) for kind in KINDS)
    return next((both for both in tried if refusal(both) is None), model)._replace(label=model.label)


CONDITIONING = [
    Choice("no classes", {"model": "mlp"}, {"model.num_classes": 0}),
    Choice("concatenation, projection", {"model": "mlp"}),
    Choice("conditional batch normalisation", {"model": "sngan"}),
    Choice("shared embedding", {"model": "biggan"}),
    Choice("style of the class", {"model": "stylegan2"}),
    Choice(
        "auxiliary classifier",
        {"model": "mlp", "regularizer": "auxiliary_classifier"},
        {"model.discriminator.num_classes": 0},
    ),
    Choice("codes", {"model": "mlp", "prior": "coded_gaussian", "regularizer": "info"}, {"model.num_classes": 0}),
]
PACKING = [Choice(str(m), {}, {"gan.packing": m}) for m in (1, 2, 3, 4)]


def data(folder: Path) -> list[Choice]:
    """Return all data; files of those that read some are written to the folder."""
    for name in ("MNIST", "FashionMNIST", "KMNIST"):
        write_mnist(folder / name / "raw", FILES)
    emnist = EMNIST(root=str(folder), sample_shape=(1, 28, 28), num_classes=0)
    write_mnist(emnist.raw, emnist.published.files)
    write_images(folder / "images")
    write_sounds(folder / "sounds")
    np.save(folder / "array.npy", np.random.default_rng(0).integers(0, 256, (NUM_SAMPLES, 3, 16, 16), dtype=np.uint8))
    write_pieces(folder / "pieces")
    syllables = ["".join(letters) for letters in itertools.product("bcdgh", "aeiou", "lmnpt")]
    (folder / "words.txt").write_text("\n".join(syllables), encoding="utf-8")
    (folder / "rows.csv").write_text("size,colour\n" + "".join(f"{i / 2},{'rgb'[i % 3]}\n" for i in range(NUM_SAMPLES)))
    for cifar in (CIFAR10.layout, CIFAR100.layout):
        write_cifar(folder, cifar)
    fake = {"_target_": "torchvision.datasets.FakeData", "size": NUM_SAMPLES, "image_size": [3, 16, 16]}
    needed: dict[str, dict[str, Any]] = {
        **{
            key: {"root": str(folder)}
            for key in ("mnist", "emnist", "fashion_mnist", "kmnist", "stacked_mnist", "cifar10", "cifar100")
        },
        **{key: {"root": str(folder / "words.txt")} for key in ("words", "syllables_vi")},
        "table_csv": {"root": str(folder / "rows.csv"), "sample_shape": [2, 6]},
        "image_folder": {"root": str(folder / "images"), "sample_shape": [3, 16, 16], "num_classes": 2, "cache": str(folder)},
        "dataset": {"dataset": fake, "sample_shape": [3, 16, 16], "num_classes": 10},
        "array": {"file": str(folder / "array.npy"), "sample_shape": [3, 16, 16]},
        "cartoon_faces": {"count": NUM_SAMPLES, "cache": str(folder)},
        "heartbeats": {"count": NUM_SAMPLES},
        "signals": {"count": NUM_SAMPLES},
        "tones": {"count": NUM_SAMPLES},
        "waveforms": {"root": str(folder / "sounds"), "sample_shape": [1, 256], "num_classes": 2},
        "piano_roll": {"root": str(folder / "pieces")},
    }
    names = sorted(path.stem for path in (config_dir() / "data").glob("*.yaml"))
    shares = {"validation": 0.1, "test": 0.1}
    found = [Choice(n, {"data": n}, {f"data.{k}": v for k, v in needed.get(n, {}).items()}) for n in names]
    found.append(KINDS[3]._replace(label="dataset of signals"))
    for i, choice in enumerate(found):
        known = composed(f"data={choice.options['data']}").data
        values = {f"data.{key}": share for key, share in shares.items() if key in known}
        found[i] = choice._replace(values={**values, **choice.values})
    return found


def write_sounds(folder: Path) -> None:
    """Write few .wav files of noise in two classes."""
    random = np.random.default_rng(0)
    for i in range(NUM_SAMPLES):
        path = folder / str(i % 2) / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
            file.writeframes(random.integers(-9000, 9000, 300).astype("<i2").tobytes())


def write_mnist(folder: Path, names: Sequence[str]) -> None:
    """Write the four files of MNIST, or of a set like it, with few random images."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in names:
        shape = (NUM_SAMPLES, 28, 28) if "images" in name else (NUM_SAMPLES,)
        values = rng.integers(0, 10, shape, dtype=np.uint8)
        header = struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape)
        (folder / name).write_bytes(header + values.tobytes())


def write_cifar(folder: Path, layout: Layout) -> None:
    """Write the binary files of CIFAR-10 or CIFAR-100 with few random images."""
    (folder / layout.folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in (*layout.train, layout.test):
        records = rng.integers(0, 256, (NUM_SAMPLES, layout.label_bytes + PIXELS), dtype=np.uint8)
        records[:, : layout.label_bytes] %= 10
        (folder / layout.folder / name).write_bytes(records.tobytes())


def write_images(folder: Path) -> None:
    """Write a folder of random images with a subfolder for each of two classes."""
    rng = np.random.default_rng(0)
    for i in range(NUM_SAMPLES):
        path = folder / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)


def write_pieces(folder: Path) -> None:
    """Write a folder of MIDI files of four voices, which hold one note each."""
    folder.mkdir(parents=True)
    for i in range(NUM_SAMPLES):
        content = encode_midi(Piece([[Note(0, 16, 48 + i % 12 + 4 * voice)] for voice in range(4)], "4/4"))
        (folder / f"{i}.mid").write_bytes(content)


def tables(folder: Path) -> list[Table]:
    """Return all tables; files of data are written to the folder."""
    return [
        Table("model × loss", models(), choices("loss")),
        Table("model × regularizer", models(), choices("regularizer")),
        Table("loss × regularizer", choices("loss"), choices("regularizer")),
        Table("model × augmentation", models(), choices("augmentation")),
        Table("data × conditioning", data(folder), CONDITIONING),
        Table("conditioning × packing", CONDITIONING, PACKING),
    ]


# ── one pair ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def join(row: Choice, column: Choice) -> Choice:
    """Return both choices as one."""
    return Choice(f"{row.label} + {column.label}", {**row.options, **column.options}, {**row.values, **column.values})


def config_of(choice: Choice) -> DictConfig:
    """Return the config of a choice with small networks."""
    config = copy.deepcopy(composed())
    for group, option in choice.options.items():
        config[group] = copy.deepcopy(composed(f"{group}={option}")[group])
    config.data.batch_size = 8
    for node in (config.model, config.model.generator, config.model.discriminator):
        for key in SMALL.keys() & node.keys():
            if not OmegaConf.is_interpolation(node, key):
                node[key] = SMALL[key]
    for key, value in choice.values.items():
        OmegaConf.update(config, key, value, force_add=True)
    return config


def refusal(choice: Choice) -> str | None:
    """Return the lines with which a choice is refused before training; None if it is accepted."""
    try:
        validate_and_preflight(config_of(choice))
    except (UserError, DataError) as error:
        return str(error)
    return None


def attempt(choice: Choice) -> str | None:
    """Return the lines with which a choice is refused; None if it has trained. Raises NotFiniteError, and anything else."""
    try:
        plain = validate_and_preflight(config_of(choice))
        gan, samples = build_gan(plain), build_data(plain)
        require_pure_generator(gan, samples)
        samples.setup("fit")
    except (UserError, DataError) as error:
        return str(error)
    trainer = build_bare_trainer(plain, logger=False, callbacks=[FiniteTerms()], enable_progress_bar=False)
    trainer.fit(gan, samples)
    assert trainer.global_step == 2, "two steps"
    return None


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def render(table: Table, results: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """Yield the lines of a table; a result is ✓ or a sentence."""
    sentences = list(dict.fromkeys(text for text in results.values() if text != "✓"))
    cells = {pair: text if text == "✓" else str(1 + sentences.index(text)) for pair, text in results.items()}
    first, _, second = table.title.partition(" × ")
    yield from ("", f"## {table.title}", "")
    yield f"| {first} \\ {second} | " + " | ".join(column.label for column in table.columns) + " |"
    yield "|---" * (1 + len(table.columns)) + "|"
    for row in table.rows:
        yield f"| {row.label} | " + " | ".join(cells[row.label, column.label] for column in table.columns) + " |"
    yield from [""] if sentences else []
    yield from (f"{i}. `{text}`" for i, text in enumerate(sentences, 1))


def measure(table: Table) -> tuple[dict[tuple[str, str], str], int]:
    """Train all pairs of a table, and return the results and the number of failures, each of which is printed."""
    results, failures = {}, 0
    for row, column in itertools.product(table.rows, table.columns):
        both = join(row, column)
        try:
            said = attempt(both) or "✓"
            failed = "several lines" if "\n" in said else ""
        except Exception as error:  # the page says of each pair what happened
            said = f"{type(error).__name__}: {error}"
            failed = traceback.format_exc()
        if failed:
            failures += 1
            print(f"{both.label}: {said}: {failed}", file=sys.stderr)
        results[row.label, column.label] = said
    return results, failures


def prepare() -> None:
    """Set what a process needs to train pairs: one thread, quiet libraries, trust in the data set of this file."""
    torch.set_num_threads(1)
    silence_lightning()
    os.environ[TRUST_VARIABLE] = "pairwise"


def main(line: Sequence[str] | None = None) -> int:
    """Train all pairs, print the page or write it to `--out`, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, help="a file for the page; without it the page is printed")
    parser.add_argument("--only", help="the tables whose titles contain this text")
    arguments = parser.parse_args(line)
    prepare()
    page, failures = [BEGIN.rstrip("\n")], 0
    with tempfile.TemporaryDirectory() as folder:
        for table in tables(Path(folder)):
            if arguments.only is None or arguments.only in table.title:
                results, failed = measure(table)
                page += render(table, results)
                failures += failed
    text = "\n".join(page) + "\n"
    if arguments.out is None:
        print(text, end="")
    else:
        arguments.out.write_text(text, encoding="utf-8")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
