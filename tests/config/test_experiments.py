"""Every experiment trains for two steps, and every option of every group composes."""

import gzip
import json
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from kinds import kinds
from PIL import Image

from gan_lightning.config.compose import Composer, config_dir
from gan_lightning.data.format.midi import encode_midi
from gan_lightning.data.format.piece import Note, Piece

FILES = {path.stem: path.read_text() for path in sorted((config_dir() / "experiment").glob("*.yaml"))}
EXPERIMENTS = list(FILES)
TRAINED = [name for name, text in FILES.items() if "not trained here" not in text]  # the others: training/test_recipes.py


def idx(path, array):
    """MNIST's own format: two zeros, the kind (8: uint8), the number of dimensions, their sizes, the bytes."""
    with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
        file.write(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


@pytest.fixture(scope="session")
def mnist(tmp_path_factory):
    raw = tmp_path_factory.mktemp("mnist") / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for name, n in (("train", 240), ("t10k", 40)):
        idx(raw / f"{name}-images-idx3-ubyte", random.integers(0, 256, (n, 28, 28), dtype=np.uint8))
        idx(raw / f"{name}-labels-idx1-ubyte", (np.arange(n) % 10).astype(np.uint8))
    return raw.parent.parent


@pytest.fixture(scope="session")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    random = np.random.default_rng(0)
    for i in range(40):
        image = random.integers(0, 256, (70 + i, 80, 3), dtype=np.uint8)
        Image.fromarray(image).save(folder / f"{i}.{'jpg' if i % 2 else 'png'}")
    rows = [f"{i}.{'jpg' if i % 2 else 'png'},{'long' if i % 3 else 'short'}\n" for i in range(40)]
    (folder / "parts.csv").write_text("file,hair\n" + "".join(rows))
    return folder


@pytest.fixture(scope="session")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(0)
    for i in range(80):
        path = folder / str(i % 10) / f"{i}.wav"
        path.parent.mkdir(exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", None))
            file.writeframes(random.integers(-9000, 9000, 2000 + 10 * i).astype("<i2").tobytes())
    return folder


@pytest.fixture(scope="session")
def words(tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "list.txt"
    path.write_text("".join(f"{a}{b}{c}\n" for a in "bcdgh" for b in "aeiou" for c in "lmnpt"))
    return path


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "rows.csv"
    path.write_text("size,colour\n" + "".join(f"{i * 0.5},{'rgb'[i % 3]}\n" for i in range(80)))
    return path


@pytest.fixture(scope="session")
def pieces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pieces")
    for i in range(40):
        content = encode_midi(Piece([[Note(0, 16, 48 + i % 12 + 4 * voice)] for voice in range(4)], "4/4"))
        (folder / f"{i}.mid").write_bytes(content)
    return folder


def test_there_are_experiments():
    assert {"digits", "digits_fast", "ring", "grid", "dirac", "mnist", "anime_faces"} <= set(EXPERIMENTS)


# points; images that are read from files, with classes, and from a folder
KINDS = ("ring_fast", "mnist", "anime_faces")


@pytest.mark.parametrize("name", kinds(TRAINED, *KINDS))
def test_an_experiment_trains(command, tmp_path, monkeypatch, mnist, faces, sounds, pieces, words, table, name):
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path / "cache"))
    if name in ("spoken_digits", "waveforms"):
        pytest.importorskip("soundfile")
    hair = ("data.labels=parts.csv:hair", "data.num_classes=2", "data.validation=0.2")
    own = {
        **{name: [f"data.root={mnist}/MNIST/raw", "data.batch_size=8"] for name in EXPERIMENTS if "mnist" in name},
        "anime_faces": [f"data.root={faces}", "data.batch_size=4", "model.width=8"],
        "drawn_faces": [f"data.root={faces}", "data.batch_size=4", "model.width=4", *hair],
        "drawn_faces_32": [f"data.root={faces}", "data.batch_size=4", "model.width=4", *hair],
        "chorales": [f"data.root={pieces}", "data.batch_size=4", "model.width=4"],
        "digits": ["data.batch_size=8"],
        "signals": ["data.count=200", "model.width=2"],
        "spoken_digits": [f"data.root={sounds}", "data.validation=0.2", "data.batch_size=8", "model.width=2"],
        "tones": ["data.count=200", "model.width=2"],
        "waveforms": [f"data.root={sounds}", "data.validation=0.2", "data.batch_size=8", "model.width=2"],
        "words": [f"data.root={words}", "data.batch_size=8", "metric.ngram.num_samples=20"],
        "syllables_vi": [f"data.root={words}", "data.batch_size=8", "metric.ngram.num_samples=20"],
        "table_csv": [f"data.root={table}", "data.batch_size=8", "data.sample_shape=[2,6]"],
        "cartoon_faces": ["data.count=40", "data.batch_size=8", "model.width=4"],
    }
    done = command("gan-train", f"experiment={name}", "trainer.max_steps=2", "hydra.run.dir=run", *own.get(name, []))
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (found["status"], found["step"]) == ("finished", 2)
    assert (tmp_path / "run" / "samples" / "step=00000002.png").stat().st_size > 500
    assert command("gan-sample", "run=run", "num=3", "out=x.npy").code == 0
    shape = np.load(tmp_path / "x.npy").shape
    assert shape[0] == 3
    shapes = Composer().compose([f"experiment={name}", *[word for word in own.get(name, []) if "sample_shape" in word]])
    assert list(shape[1:]) == shapes.data.sample_shape


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_says_its_command_time_and_figure(name):
    text = FILES[name]
    assert text.startswith("# @package _global_\n")
    header = text.partition("defaults:")[0]
    assert f"experiment={name}" in header or name == "digits"
    for word in ("gan-train", "Time:", "Expected:"):
        assert word in header, f"{name} does not say its {word}"


def test_dirac_circles_without_r1_and_converges_with_it(command, tmp_path):
    distances = {}
    for name in ("r1", "none"):
        line = (
            "experiment=dirac",
            f"regularizer={name}",
            "trainer.max_steps=500",
            "optimizer.lr=0.3",
            "callback.samples.every_n_steps=500",
        )
        assert command("gan-train", *line, f"hydra.run.dir={name}").code == 0
        distances[name] = json.loads((tmp_path / name / "result.json").read_text())["metrics"]["distance"]
    assert distances["r1"] < 1e-3
    assert 0.1 < distances["none"] < 2


OPTIONS = [
    (str(path.parent.relative_to(config_dir())), path.stem)
    for path in sorted(config_dir().rglob("*/*.yaml"))
    if path.parts[-2] not in ("experiment", "sampler")  # samplers are no part of a run's config: tests/sampler
]


@pytest.fixture(scope="module")
def composer():
    return Composer()


@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=lambda text: text)
def test_every_option_composes_and_is_checked(composer, group, option):
    from gan_lightning.config.validate import validate

    needed = {
        "image_folder": ["data.root=x"],
        "table_csv": ["data.root=x"],
        "dataset": ["data.dataset={_target_: torchvision.datasets.FakeData}"],
    }
    needed["dataset"].append("data.sample_shape=[3,8,8]")
    needed |= {
        "array": ["data.file=x.npy", "data.sample_shape=[1,8,8]"],
        "waveforms": ["data.root=x"],
        "piano_roll": ["data.root=x"],
    }
    assert validate(composer.compose([f"{group}={option}", *(needed.get(option, []) if group == "data" else [])]))


def test_loggers_get_scalars_and_pictures(command, tmp_path):
    """csv, and mlflow in a folder; wandb wants an account, so offline."""
    tiny = ("experiment=digits_fast", "model.width=4", "trainer.max_steps=2", "data.batch_size=8")
    assert command("gan-train", *tiny, "logger=csv", "hydra.run.dir=csv").code == 0
    header, *rows = (tmp_path / "csv" / "metrics.csv").read_text().splitlines()
    assert {"loss/d", "metric/class_accuracy", "step"} <= set(header.split(","))
    assert len(rows) >= 2
    assert (tmp_path / "csv" / "pictures" / "sample" / "ema" / "step=00000002.png").exists()
    assert command("gan-train", *tiny, "logger=none", "hydra.run.dir=none").code == 0
    assert not list((tmp_path / "none").glob("events*"))


def test_the_mlflow_logger(command, tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="pip install gan-lightning[mlflow]")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tiny = ("experiment=digits_fast", "model.width=4", "trainer.max_steps=2", "data.batch_size=8")
    done = command("gan-train", *tiny, "logger=mlflow", "hydra.run.dir=run")
    assert done.code == 0, done.err
    files = {path.name for path in Path(tmp_path / "run").rglob("*")}
    assert "step=00000002.png" in files
    assert "class_accuracy" in files


def test_the_wandb_logger(command, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="pip install gan-lightning[wandb]")
    monkeypatch.setenv("WANDB_SILENT", "true")
    tiny = ("experiment=digits_fast", "model.width=4", "trainer.max_steps=2", "data.batch_size=8")
    done = command("gan-train", *tiny, "logger=wandb", "logger.offline=true", "hydra.run.dir=run")
    assert done.code == 0, done.err
    pictures = [path for path in Path(tmp_path / "run").rglob("*.png") if "media" in path.parts]
    assert len(pictures) >= 3
