"""Every cure that a message names: the command takes it, and gets past the mistake."""

import ast
import re
import shlex
import shutil
import sys
import wave
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from cure_cases import CASES, SWEEP
from kinds import kinds
from PIL import Image
from tiny_gan import trained

from gan_lightning.data.format.midi import encode_midi
from gan_lightning.data.format.piece import Note, Piece

PACKAGE = Path(__file__).parent.parent / "gan_lightning"

# ── the cures in the package's strings ───────────────────────────────────────────────────────────────────────────────────
HEAD = re.compile(r"\S+: ")  # what the message is about
BEGINS = re.compile(  # what a cure begins with; a string of settings alone is one
    r"\b(?:use|set|give|by|it needs|choose|correct|smaller|such as|alone) |gan-\w+ |"
    r"(?<=[a-z\]]): (?=['+]*[a-z_.]+=|['+]*\{)|^(?=['a-z_.]+=\S* )"
)
SETTING = re.compile(r"(?<![\w.{}\[])([a-z_]+(?:[./][a-z_]+)*)=(?!=)")  # trainer=ddp
NAMED = re.compile(r"(?:use|set|smaller|correct|,|or) ([a-z_]+(?:\.[a-z_]+)+)(?![\w.=(])")  # set data.root to a folder
COMPUTED = re.compile(
    r"\b(?:use|set|choose|give|option:|add it:|allow it:|again:|own:|needed:|them:) ['+]*(\{[^}]*\})(?![×\w])"
)  # use {new}
REFUSALS = ("no such argument", "no such key", "no such option", "not in this config", "what may change", "not an option here")


def strings(tree):
    """Every string of a module, docstrings and parts of f-strings apart; in an f-string each value is its source in braces."""
    apart = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node) if part is not node
    }
    apart |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in apart:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(p.value if isinstance(p, ast.Constant) else f"{{{ast.unparse(p.value)}}}" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def cures(text):
    """The keys that the end of a message, from its first cure on, tells a person to set."""
    head = HEAD.match(text)
    begins = BEGINS.search(text, head.end() if head else 0) if " " in text else None
    part = text[begins.start() :] if begins else ""
    return {*SETTING.findall(part), *NAMED.findall(part), *COMPUTED.findall(text)}


@cache
def found(package):
    """Every `module: key` that a cure of the package names."""
    files = {".".join(path.relative_to(package).with_suffix("").parts): path for path in package.rglob("*.py")}
    trees = ((module, ast.parse(path.read_text(encoding="utf-8"))) for module, path in files.items())
    return frozenset(f"{module}: {key}" for module, tree in trees for text in strings(tree) for key in cures(text))


# ── one case for each: a line that is refused, what it says, and lines that follow its cure ──────────────────────────────
APART = {  # no cure of a mistake, or one that another test follows
    "cli.sample: labels": "a run with attributes: tests/data/test_label_columns.py",
    "cli.sample: out": "a table that has changed: tests/training/test_text_and_tables.py",
    "config.preflight: {cure}": "the cure is one of model.num_classes",
    "config.interpolations: {TRUST_VARIABLE}": "of a run directory: tests/config/test_interpolations.py",
    "data.base: data.num_workers": "where processes are not forked: tests/data/test_workers.py",
    "data.folder_layout: data.labels": "a table of one's own: tests/data/test_label_columns.py",
    "data.image_listing: {abbreviate([str(file) for file in self.unread])}": "the names of files, which are not read",
    "distributed.rendezvous: trainer": "test_the_number_of_processes",
    "distributed.rendezvous: trainer.devices": "test_the_number_of_processes",
    "distributed.rendezvous: trainer.num_nodes": "test_the_number_of_processes",
    "distributed.rendezvous: {cure}": "test_the_number_of_processes",
    "sampler.selected_samples: sampler": "a run without a validation split: tests/sampler",
    "sampler.selected_samples: checkpoint": "a run whose weights are NaN: tests/sampler",
    "run.begin: hydra.run.dir": "needs two machines: tests/distributed",
    "sweep.search.best: {command}": "tests/sweep/test_search.py",
    "sweep.search.best: hydra.searchpath": "an override that is written, not a message",
    "sweep.report.write: {retry}": "test_the_retry_of_a_report",
}
LABELLED = """
import numpy as np
from torch.utils.data import Dataset
class Labelled(Dataset):
    def __len__(self): return 40
    def __getitem__(self, i): return np.zeros((1, 8, 8), np.uint8), 5
class Unlabelled(Labelled):
    def __getitem__(self, i): return np.zeros((1, 8, 8), np.uint8)
class Positive(Labelled):
    def __getitem__(self, i): return np.full((1, 8, 8), 0.5, np.float32)
class Wide(Labelled):
    def __getitem__(self, i): return np.full((1, 8, 8), 200, np.float32)
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Runs whose data are there, were moved, and were never downloaded; images; a folder in which things lie."""
    folder = tmp_path_factory.mktemp("places")
    (folder / "images").mkdir()
    for i in range(40):
        Image.new("L", (8, 8), i).save(folder / "images" / f"{i:02d}.png")
    tiny = ("experiment=digits_fast", "metric=none", "model.width=4", "trainer.accelerator=cpu", "data.batch_size=4")
    trained(folder / "run", *tiny, "trainer.max_steps=2")
    images = ("data=image_folder", "data.sample_shape=[1,8,8]", f"data.cache={folder / 'cache'}", "trainer.max_steps=1")
    images += ("data.validation=0.2", "data.test=0.2")
    trained(folder / "moved", *tiny, *images, f"data.root={folder / 'images'}")
    make_folders(folder)
    trained(folder / "classed", *tiny, *images, f"data.root={folder / 'classes'}", "data.num_classes=2")
    for name in ("config.yaml", "config.resolved.yaml"):
        path = folder / "moved" / name
        text = path.read_text().replace(str(folder / "images"), "elsewhere").replace(str(folder / "cache"), "null")
        path.write_text(text)
        classed = folder / "classed" / name
        classed.write_text(classed.read_text().replace(str(folder / "cache"), "null"))  # a cache would have to be typed again
    shutil.copytree(folder / "moved", folder / "undivided")
    path = folder / "undivided" / "config.yaml"
    path.write_text(path.read_text().replace("test: 0.2", "test: 0.0"))
    shutil.copytree(folder / "moved", folder / "mnist")
    text = (folder / "mnist" / "config.yaml").read_text().replace("image_folder.ImageFolder", "mnist.MNIST")
    text = re.sub(r"\n  (cache|validation|test|range|split_folders|labels): .*", "", text)
    (folder / "mnist" / "config.yaml").write_text(text)
    trained(folder / "damaged", *tiny, "trainer.max_steps=2", "checkpoint.every_n_steps=1")
    (folder / "damaged" / "checkpoints" / "step=00000002.ckpt").write_bytes(b"cut off")
    (folder / "broken").mkdir()
    (folder / "broken" / "0.png").write_bytes(b"no image")
    (folder / "notes").mkdir()
    (folder / "notes" / "notes.txt").write_text("mine")
    (folder / "mine.npy").write_text("mine")
    torch.save({"a": torch.zeros(1)}, folder / "weights.pth")
    (folder / "mylab.py").write_text(LABELLED)
    return folder


def make_folders(folder):
    """Images in the layouts that `num_classes`, `split_folders` and `range` decide about."""
    images = folder / "images"
    for name, parts in {
        "grown": ("",),
        "classes": ("a", "b"),
        "regrouped": ("a", "b", "c"),
        "divided": ("train", "val"),
    }.items():
        for part in parts:
            shutil.copytree(images, folder / name / part)
    shutil.copy(images / "00.png", folder / "grown" / "more.png")
    shutil.copy(images / "00.png", folder / "divided" / "loose.png")
    for name in ("listed", "null"):
        shutil.copytree(images, folder / name)
    (folder / "null" / "dataset.json").write_text('{"labels": null}')
    (folder / "listed" / "labels.csv").write_text("".join(f"{i:02d}.png,{i % 2}\n" for i in range(40)))
    shutil.copytree(folder / "listed", folder / "halflisted")
    (folder / "halflisted" / "labels.csv").write_text("00.png,0\n01.png,1\n")
    waves = np.linspace(-1, 1, 640, dtype=np.float32).reshape(40, 1, 16)
    np.save(folder / "waves.npy", waves)
    np.save(folder / "loud.npy", 9 * waves)
    np.save(folder / "labels.npy", np.arange(40) % 2)
    np.savez(folder / "two.npz", x=waves, y=waves)
    for i in range(40):
        path = folder / "sounds" / str(i % 2) / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
            file.writeframes(bytes(range(200)))
    (folder / "words.txt").write_text("".join(f"{a}{b}{c}\n" for a in "bcdgh" for b in "aeiou" for c in "lmnpt"))
    (folder / "rows.csv").write_text("size,colour\n" + "".join(f"{i * 0.5},{'rgb'[i % 3]}\n" for i in range(80)))
    (folder / "pieces").mkdir()
    for i in range(40):
        piece = Piece([[Note(0, 32, 48 + i % 12 + 4 * voice)] for voice in range(4)], "4/4")
        (folder / "pieces" / f"{i}.mid").write_bytes(encode_midi(piece))
    (folder / "dark").mkdir()
    for i in range(8):
        Image.fromarray(np.full((8, 8), 4000 + i, np.uint16)).save(folder / "dark" / f"{i}.png")


@pytest.fixture
def typed(command, places, tmp_path, monkeypatch):
    """Type a line beside copies of what it names; gan-train loads its data in place of training, unless `fits`."""
    from torchvision import datasets

    from gan_lightning.cli import search, train
    from gan_lightning.config.compose import Composer
    from gan_lightning.config.errors import UserError
    from gan_lightning.config.instantiate import build_data
    from gan_lightning.config.validate import validate
    from gan_lightning.data.base import DataError
    from gan_lightning.data.notices import print_notice
    from gan_lightning.sweep import execute

    def offline(*_, **__):
        raise RuntimeError("no network")

    def load(**_):
        def begin():
            words = [word for word in sys.argv[1:] if not word.startswith("hydra.")]
            try:
                build_data(validate(Composer().compose(words))).splits.train.batch(0, 0, 4)
            except DataError as error:
                raise UserError(*error.lines) from None

        return lambda _: begin

    def call(line, fits=False):
        name, *words = shlex.split(line)
        text = " ".join(words)
        for place in places.iterdir():
            if re.search(rf"[=./ :]{place.stem}\b", text) and not (tmp_path / place.name).exists():
                (shutil.copytree if place.is_dir() else shutil.copy)(place, tmp_path / place.name)
        if "swept" in text and not (tmp_path / "swept").exists():
            shutil.copytree(places / "run", tmp_path / "swept" / "metric=none,seed=5")
        if "lost" in text and not (tmp_path / "search").exists():
            shutil.copytree(places / "run", tmp_path / "search" / "lost" / "trials" / "0")
        with monkeypatch.context() as patch:
            if not fits:
                patch.setattr(train.hydra, "main", load)
            patch.setattr(datasets, "MNIST", offline)
            patch.setattr(datasets.utils, "download_url", offline)
            patch.setattr(execute, "launch_jobs", lambda *_: None)
            patch.setattr(search, "run_trials", lambda _: None)
            print_notice.cache_clear()
            return command(name, *words)

    return call


def set_environment(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)


FIRST = (
    "gan-evaluate run=moved",
    "gan-replay run=moved",
    "gan-train run=moved",
    "gan-evaluate run=mnist",
    "gan-sample run=run",
    "gan-train run=classed",
)
ALWAYS = [case for case in CASES if case.refused.startswith(FIRST) or "feature=inception" in case.refused]


@pytest.mark.parametrize("case", kinds(CASES, *ALWAYS), ids=str)
def test_a_cure_works(typed, monkeypatch, tmp_path, caplog, case):
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path / "cache"))
    set_environment(monkeypatch, case.env)
    done = typed(case.refused, case.fits)
    said = done.out + done.err + caplog.text
    assert case.says in said, said
    assert all(any(key in cures(text) for text in said.splitlines()) for key in keys_of(case) if "{" not in key)
    set_environment(monkeypatch, case.cured_env)
    for line in case.cured:
        caplog.clear()
        done = typed(line, case.fits)
        said = done.out + done.err + caplog.text
        assert not [refusal for refusal in REFUSALS if refusal in said], (line, said)
        if case.then:
            assert case.then in said, (line, said)
        elif line.startswith(("gan-search", SWEEP)):
            assert done.code in (0, 1), (line, said)  # no job was launched
            assert case.says not in said
        else:
            assert done.code == 0, (line, said)
            assert case.says not in said or case.fits, (line, said)  # a notice, too, is silent then


def keys_of(case):
    return [cover.partition(": ")[2] for cover in case.covers.split("; ")]


def test_every_cure_has_a_case():
    covered = {cover for case in CASES for cover in case.covers.split("; ")} | {*APART}
    assert found(PACKAGE) - covered == set(), "a cure that no case follows: add a Case that types it"
    assert covered - found(PACKAGE) == set(), "no message names these any more"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('raise UserError(f"x: {y} is wrong; use colour.depth=3")', {"colour.depth"}),
        ('raise DataError("colour: wrong; set colour.depth to a number")', {"colour.depth"}),
        ('mistakes.append("x: wrong; choose a smaller colour.depth or colour.width")', {"colour.depth", "colour.width"}),
        ('cure = f"colour=red colour.depth={depth}"', {"colour", "colour.depth"}),
        ('print(f"to go on: gan-train run={run} colour=red")', {"run", "colour"}),
        ('raise UserError(f"colour={colour}: there is no such colour")', set()),
        ('"""Set colour.depth, or use colour=red."""', set()),
    ],
)
def test_a_new_cure_is_seen(tmp_path, text, keys):
    """The negative control: a cure that was made up has no case."""
    (tmp_path / "new.py").write_text(text)
    assert found(tmp_path) == {f"new: {key}" for key in keys}


def test_the_number_of_processes(monkeypatch):
    """Of ranks that torchrun has started; typed as the message says, the config asks for as many."""
    from gan_lightning.config.compose import Composer
    from gan_lightning.config.errors import UserError
    from gan_lightning.distributed.rendezvous import join_srun_step

    set_environment(monkeypatch, {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"})
    with pytest.raises(UserError) as error:
        join_srun_step(Composer().compose([]))
    words = str(error.value).partition("; use ")[2].split()
    assert words == ["trainer=ddp", "trainer.devices=2", "trainer.num_nodes=2"]
    join_srun_step(Composer().compose(words))


def test_the_retry_of_a_report(command, places, tmp_path, monkeypatch, capfd):
    from gan_lightning.sweep.report import write

    shutil.copytree(places / "run", tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(write, "write_report", lambda *_: 1 / 0)
        assert write.try_write_report(Path("run")) is None
    name, *words = shlex.split(capfd.readouterr().err.partition("to try again: ")[2])
    assert command(name, *words).code == 0
