"""The cartoon faces: what each shows is known, shows, and hangs on nothing else; drawn once, whoever asks and however often."""

import csv
import importlib.util
import itertools
import multiprocessing
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from waiting import HANG

from gan_lightning.data import cartoon_face_drawing, cartoon_faces
from gan_lightning.data.base import DataError
from gan_lightning.data.cartoon_face_drawing import FACTORS, JITTER, Face, draw_face, sample_face
from gan_lightning.data.cartoon_faces import CartoonFaces, export_faces
from gan_lightning.data.image_folder import ImageFolder

SCRIPT = Path(__file__).parents[2] / "scripts" / "draw_cartoon_faces.py"
PLAIN = Face((1, 0, 0, 1, 0, 1, 0), (0.0,) * len(JITTER))
forked = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="a spawned process imports torch: slow"
)


def faces(cache, **changes):
    given = {"count": 20, "cache": str(cache), "sample_shape": (3, 32, 32), "num_classes": 0}
    return CartoonFaces(**(given | changes))


def pixels(one, side=32):
    return np.asarray(draw_face(one, side)).astype(float)


@pytest.fixture
def drawn(monkeypatch):
    """All faces that are drawn from here on."""
    seen, original = [], cartoon_face_drawing.draw_face

    def watched(one, side):
        seen.append(one)
        return original(one, side)

    monkeypatch.setattr(cartoon_faces, "draw_face", watched)
    return seen


@pytest.fixture(scope="module")
def many():
    """The factors of 20,000 faces."""
    return np.array([sample_face(0, i).factors for i in range(20000)])


def test_a_face_is_a_function_of_seed_and_index():
    assert sample_face(3, 5) == sample_face(3, 5)
    assert sample_face(3, 5) != sample_face(5, 3)
    assert len({sample_face(seed, i).jitter for seed in range(10) for i in range(10)}) == 100
    assert (pixels(sample_face(3, 5)) == pixels(sample_face(3, 5))).all()


def test_the_faces_stay_what_they_are():
    """Another numpy, another order of drawing: the factors are the same for ever."""
    assert [sample_face(0, i).factors for i in range(3)] == [
        (1, 0, 2, 0, 1, 2, 0),
        (2, 2, 2, 2, 1, 1, 2),
        (3, 0, 2, 2, 1, 1, 2),
    ]
    assert sample_face(0, 0).jitter[:2] == pytest.approx((-0.88970675, -0.45006126))


def test_every_value_is_equally_likely(many):
    for k, values in enumerate(FACTORS.values()):
        expected = len(many) / len(values)
        found = np.bincount(many[:, k], minlength=len(values))
        assert (np.abs(found - expected) < 4.5 * np.sqrt(expected)).all()


def test_factors_are_independent(many):
    sizes = [len(values) for values in FACTORS.values()]
    for a, b in itertools.combinations(range(len(sizes)), 2):
        cells = sizes[a] * sizes[b]
        found = np.bincount(many[:, a] * sizes[b] + many[:, b], minlength=cells)
        chi = ((found - len(many) / cells) ** 2).sum() * cells / len(many)
        assert chi < cells - 1 + 4.5 * np.sqrt(2 * (cells - 1))
    joint = np.ravel_multi_index(tuple(many.T), sizes)
    cells = int(np.prod(sizes))
    assert cells == 4374
    found = np.bincount(joint, minlength=cells)
    chi = ((found - len(many) / cells) ** 2).sum() * cells / len(many)
    assert abs(chi - cells + 1) < 4.5 * np.sqrt(2 * (cells - 1))


def test_jitter_fills_its_range_and_hangs_on_no_factor(many):
    jitter = np.array([sample_face(0, i).jitter for i in range(5000)])
    assert np.abs(jitter.mean(0)).max() < 4.5 / np.sqrt(3 * 5000)
    assert jitter.min() < -0.99
    assert jitter.max() > 0.99
    correlation = np.corrcoef(jitter.T, many[:5000].T) - np.eye(len(JITTER) + len(FACTORS))
    assert np.abs(correlation).max() < 4.5 / np.sqrt(5000)


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("name", FACTORS)
def test_every_value_of_every_factor_shows(name, side):
    k = list(FACTORS).index(name)
    for values in itertools.combinations(range(len(FACTORS[name])), 2):
        one, other = (pixels(Face((*PLAIN.factors[:k], v, *PLAIN.factors[k + 1 :]), PLAIN.jitter), side) for v in values)
        changed = np.abs(one - other).max(2)
        assert changed.max() > 30, values
        assert (changed > 10).mean() > 0.01, values


@pytest.mark.parametrize("name", JITTER)
def test_every_jitter_shows(name):
    k = list(JITTER).index(name)
    one, other = (pixels(Face(PLAIN.factors, (*PLAIN.jitter[:k], u, *PLAIN.jitter[k + 1 :]))) for u in (-1.0, 1.0))
    assert np.abs(one - other).mean() > 0.02


def test_no_two_faces_are_alike():
    images = np.stack([pixels(sample_face(0, i)).ravel() for i in range(300)])
    assert len(np.unique(images, axis=0)) == 300


@pytest.mark.parametrize("side", [32, 64, 128])
def test_a_face_has_the_size_asked_for_and_is_the_same_at_all(side):
    image = draw_face(sample_face(0, 7), side)
    assert (image.mode, image.size) == ("RGB", (side, side))
    small = np.asarray(image.reduce(side // 16)).astype(float)
    assert np.abs(small - np.asarray(draw_face(sample_face(0, 7), 128).reduce(8))).mean() < 4


def test_the_exported_folder(tmp_path):
    export_faces(tmp_path / "faces", 12, 64, face_seed=4)
    names = [f"{i:06}.png" for i in range(12)]
    assert sorted(path.name for path in (tmp_path / "faces").iterdir()) == [*names, "factors.csv"]
    with (tmp_path / "faces" / "factors.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for i, row in enumerate(rows):
        assert row["file"] == names[i]
        assert list(row)[1:] == list(FACTORS)
        assert tuple(FACTORS[name].index(row[name]) for name in FACTORS) == sample_face(4, i).factors
        with Image.open(tmp_path / "faces" / names[i]) as image:
            assert (np.asarray(image) == np.asarray(draw_face(sample_face(4, i), 64))).all()


def test_any_reader_of_folders_reads_it(tmp_path):
    export_faces(tmp_path / "faces", 12, 64)
    read = ImageFolder(str(tmp_path / "faces"), str(tmp_path / "cache"), 0, 0, sample_shape=(3, 64, 64), num_classes=0)
    assert read.count().train == 12
    assert (read.splits.train.samples[5].transpose(1, 2, 0) == np.asarray(draw_face(sample_face(0, 5), 64))).all()


def test_the_script_draws_what_anime_faces_trains_on(command, tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("draw_cartoon_faces", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(tmp_path / "faces"), "--count", "40"])
    script.main()
    with pytest.raises(SystemExit):  # never into what is there
        script.main()
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path / "cache"))
    words = [f"data.root={tmp_path / 'faces'}", "data.batch_size=4", "model.width=8", "trainer.max_steps=1"]
    done = command("gan-train", "experiment=anime_faces", "trainer.accelerator=cpu", "hydra.run.dir=run", *words)
    assert done.code == 0, done.err
    assert list((tmp_path / "run" / "samples").glob("*.png"))


def test_counting_draws_nothing(tmp_path, drawn):
    assert faces(tmp_path / "cache", count=100_000).count().train == 90_000
    assert drawn == []
    assert not (tmp_path / "cache").exists()


def test_the_splits_are_the_faces(tmp_path):
    data = faces(tmp_path)
    assert tuple(len(part) for part in data.splits) == data.count() == (18, 1, 1)
    assert sorted(np.concatenate([part.index for part in data.splits])) == list(range(20))
    for part in data.splits:
        for i, x in zip(part.index, part.part(0, 20).real, strict=True):
            expected = torch.from_numpy(pixels(sample_face(0, i))).permute(2, 0, 1) / 127.5 - 1
            torch.testing.assert_close(x, expected.float())
    assert data.splits.train.batch(seed=0, i=0, n=4).condition is None


def test_the_second_time_nothing_is_drawn(tmp_path, drawn):
    first, second = faces(tmp_path).splits, faces(tmp_path).splits
    assert len(drawn) == 20
    assert (first.train.samples == second.train.samples).all()
    assert isinstance(second.train.samples, np.memmap)


@pytest.mark.parametrize("changes", [{"count": 21}, {"sample_shape": (3, 64, 64)}, {"face_seed": 1}])
def test_other_faces_lie_elsewhere(tmp_path, drawn, changes):
    faces(tmp_path).load()
    faces(tmp_path, **changes).load()
    assert len(drawn) == 20 + changes.get("count", 20)
    faces(tmp_path).load()
    assert len(drawn) == 20 + changes.get("count", 20)


def test_another_order_of_the_same_faces_draws_none(tmp_path, drawn):
    faces(tmp_path).load()
    faces(tmp_path, seed=5, validation=0.3).load()
    assert len(drawn) == 20


def test_another_way_of_drawing_draws_anew(tmp_path, drawn, monkeypatch):
    faces(tmp_path).load()
    monkeypatch.setattr(cartoon_faces, "DRAWING", cartoon_faces.DRAWING + 1)
    faces(tmp_path).load()
    assert len(drawn) == 40


def test_a_folder_that_lost_a_face_is_drawn_anew(tmp_path, drawn):
    before = faces(tmp_path).splits.train.samples.copy()
    (tmp_path / "cartoon_faces" / faces(tmp_path).root.name / "000003.png").unlink()
    assert (faces(tmp_path).splits.train.samples == before).all()
    assert len(drawn) == 40


@forked
def test_processes_that_start_at_once_draw_once(tmp_path, monkeypatch):
    original = cartoon_face_drawing.draw_face

    def counted(one, side):
        with (tmp_path / "counter").open("ab", buffering=0) as file:
            file.write(b".")
        return original(one, side)

    monkeypatch.setattr(cartoon_faces, "draw_face", counted)
    context = multiprocessing.get_context("fork")
    start = context.Barrier(3)

    def work(number):
        start.wait(HANG)
        (tmp_path / f"result{number}").write_bytes(faces(tmp_path / "cache").load().train.samples.tobytes())

    processes = [context.Process(target=work, args=(number,)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(HANG)
    assert [process.exitcode for process in processes] == [0] * 3
    expected = b"".join(np.asarray(original(sample_face(0, i), 32)).transpose(2, 0, 1).tobytes() for i in range(20))
    assert {(tmp_path / f"result{number}").read_bytes() for number in range(3)} == {expected}
    assert (tmp_path / "counter").stat().st_size == 20


@forked
def test_a_process_that_is_killed_while_it_draws_leaves_no_half(tmp_path, monkeypatch):
    context, last = multiprocessing.get_context("fork"), sample_face(0, 11)

    def work():
        original = cartoon_face_drawing.draw_face
        monkeypatch.setattr(cartoon_faces, "draw_face", lambda one, side: os._exit(9) if one == last else original(one, side))
        faces(tmp_path).load()

    process = context.Process(target=work)
    process.start()
    process.join(HANG)
    assert process.exitcode == 9
    assert [path.suffix for path in (tmp_path / "cartoon_faces").iterdir() if path.is_dir()] == [".partial"]
    assert len(faces(tmp_path).splits.train) == 18


def test_a_cache_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DataError, match=r"^data\.cache: .*cache.*can't be written \(.*\); set data\.cache=FOLDER"):
        faces(tmp_path / "cache").load()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sample_shape": (1, 32, 32)}, r"^data\.sample_shape: \[1, 32, 32\] is no size of the faces; allowed: \[3,32,32\], "),
        ({"sample_shape": (3, 48, 48)}, r"^data\.sample_shape: "),
        ({"num_classes": 6}, r"^data\.num_classes: the faces have no classes, not 6; allowed: 0$"),
        ({"validation": 0.5, "test": 0.5}, r"^data\.validation and data\.test: 0\.5 and 0\.5 leave nothing to train on"),
    ],
)
def test_what_faces_do_not_have_is_told(tmp_path, drawn, changes, said):
    with pytest.raises(DataError, match=said):
        faces(tmp_path, **changes).count()
    with pytest.raises(DataError, match=said):
        faces(tmp_path, **changes).load()
    assert drawn == []
