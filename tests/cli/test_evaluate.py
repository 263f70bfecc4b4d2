"""gan-evaluate: a run's scores and a folder's, and the protocol that travels with them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_gan import trained

RING = ("experiment=ring", "trainer.max_steps=4", "data.batch_size=16", "model.width=8", "trainer.accelerator=cpu")
DIGITS = ("experiment=digits_fast", "model.width=4", "trainer.max_steps=4", "data.batch_size=16", "trainer.accelerator=cpu")


@pytest.fixture
def evaluate(command, monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path / "cache"))

    def call(*line):
        return command("gan-evaluate", *line)

    return call


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two runs, to copy."""
    folder = tmp_path_factory.mktemp("finished")
    trained(folder / "ring", *RING, "checkpoint.every_n_steps=2")
    trained(folder / "digits", *DIGITS)
    return folder


@pytest.fixture
def ring(finished, tmp_path):
    return Path(shutil.copytree(finished / "ring", tmp_path / "ring"))


@pytest.fixture
def digits(finished, tmp_path):
    return Path(shutil.copytree(finished / "digits", tmp_path / "digits"))


def told(folder, name="scores.json"):
    return json.loads((folder / name).read_text())


def folder(path, n=40, seed=0, side=8):
    path.mkdir()
    random = np.random.default_rng(seed)
    for i in range(n):
        Image.fromarray(random.integers(0, 256, (side, side), dtype=np.uint8)).save(path / f"{i:03d}.png")
    return path


def test_a_run_is_scored_by_its_own_metrics_on_the_test_split(ring, evaluate):
    done = evaluate("run=ring")
    assert done.code == 0, done.err
    found = told(ring)
    protocol = found["protocol"]
    assert (protocol["step"], protocol["weights"], protocol["seed"], protocol["batch_norm"]) == (4, "ema", 0, "none")
    assert protocol["samples"] == {"mode_coverage": 2500}
    assert protocol["reference"] == {"split": "test", "samples": 10000, "available": None, "selection": "drawn at random"}
    assert protocol["compared_with"] == {"mode_coverage": {"reference": 2500}}
    assert protocol["floor"] == {"mode_coverage": {"split": "train", "samples": 2500, "selection": "drawn at random"}}
    assert found["scores"]["modes"]["real"] == 8
    assert found["scores"]["high_quality"]["real"] == pytest.approx(0.989, abs=0.006)
    assert found["provenance"]["versions"].keys() >= {"torch", "gan-lightning"}
    for word in ("generated", "real", "modes", "high_quality", "2500 for mode_coverage", "test split", "scores.json"):
        assert word in done.out
    assert evaluate("run=ring").code == 0
    assert told(ring)["scores"] == found["scores"]


def test_what_changes_a_number_changes_the_protocol(ring, evaluate):
    seen = []
    for words in ([], ["seed=1"], ["weights=raw"], ["checkpoint=2"], ["num=500"], ["split=validation"]):
        assert evaluate("run=ring", "metric=distance", *words, "out=told.json").code == 0
        found = told(ring.parent, "told.json")
        seen.append((json.dumps(found["protocol"]), found["scores"]["distance"]["generated"]))
    assert len({protocol for protocol, _ in seen}) == len(seen)
    assert len({value for _, value in seen}) == len(seen) - 1  # the split is all that the distance does not depend on


def test_the_z_of_a_report_are_not_those_of_training(ring, evaluate):
    in_training = json.loads((ring / "result.json").read_text())["metrics"]["reverse_kl"]
    assert evaluate("run=ring", "split=validation").code == 0
    assert told(ring)["scores"]["reverse_kl"]["generated"] != in_training


def test_other_metrics_and_another_extractor(digits, evaluate):
    done = evaluate("run=digits", "metric=[fid,class_accuracy]", "feature=digits", "num=200")
    assert done.code == 0, done.err
    found = told(digits)
    assert found["protocol"]["feature"].startswith("digits")
    assert found["protocol"]["resizer"]
    assert found["protocol"]["batch_norm"] == "running statistics"
    fid = found["scores"]["fid"]
    assert fid["excess"] == pytest.approx(fid["generated"] - fid["real"])
    assert fid["real"] < fid["generated"]
    assert found["scores"]["class_accuracy"]["real"] > 0.97
    assert evaluate("run=digits", "metric=fid", "feature=digits", "batch_norm=batch").code == 0
    assert told(digits)["protocol"]["batch_norm"] == "batch statistics"
    assert told(digits)["scores"]["fid"]["generated"] != fid["generated"]


def test_two_folders(evaluate, tmp_path):
    folder(tmp_path / "one"), folder(tmp_path / "two", seed=1), folder(tmp_path / "dark", seed=2)
    for path in (tmp_path / "dark").iterdir():
        Image.eval(Image.open(path), lambda value: value // 4).save(path)
    found = {}
    for name in ("one", "two", "dark"):
        done = evaluate("real=one", f"fake={name}", "metric=fid", "feature=raw", "out=told.json")
        assert done.code == 0, done.err
        found[name] = told(tmp_path, "told.json")["scores"]["fid"]["generated"]
    assert found["one"] == pytest.approx(0, abs=1e-6)
    assert 0 < found["two"] < found["dark"]
    assert told(tmp_path, "told.json")["protocol"]["shape"] == [1, 8, 8]


def test_a_run_and_the_folder_that_it_draws_score_alike_in_kind(digits, command, evaluate, tmp_path):
    """From gan-sample to two folders: what a person would do with any generator's output."""
    assert command("gan-sample", "run=digits", "num=60", "out=drawn/").code == 0
    done = evaluate("real=drawn", "fake=drawn", "metric=fid", "feature=digits", "out=told.json")
    assert done.code == 0, done.err
    assert told(tmp_path, "told.json")["scores"]["fid"]["generated"] == pytest.approx(0, abs=1e-6)


MISTAKES = {
    (): "run=: missing; give run=RUN_DIR, or real=DIR and fake=DIR",
    ("real=a",): "run=: missing; give run=RUN_DIR, or real=DIR and fake=DIR",
    ("run=ring", "real=a"): "run=, real=: score a run, or a folder against another; not both",
    ("real=a", "fake=b"): "real=a: does not exist; give a folder of images",
    ("run=nowhere",): "run=nowhere: no run directory; it does not exist",
    ("run=ring", "metric=fdi"): "metric=fdi: no such option; did you mean fid? allowed: ",
    ("run=ring", "feature=dgits"): "feature=dgits: no such option; did you mean digits? allowed: ",
    ("run=ring", "split=tset"): "split=tset: ",
    ("run=ring", "num=0"): "num=0: ",
    ("run=ring", "checkpoint=3"): "checkpoint=3: not in this run; there are: latest, best, 2, 4",
    ("run=ring", "metric=class_accuracy"): "metric.class_accuracy: ",
    ("run=ring", "metric=fid", "feature=digits"): "metric.fid: ",
    ("run=ring", "metric=fid", "num=1"): "fid: ",
    ("run=ring", "metric=nearest_neighbour", "split=train"): "metric=nearest_neighbour: compares training samples",
    ("run=ring", "nmu=3"): "nmu=3: no such argument; did you mean num? allowed: ",
}


def test_a_mistake_is_one_line(ring, evaluate):
    for line, expected in MISTAKES.items():
        done = evaluate(*line)
        assert done.code == 2, line
        assert done.err.startswith(expected), (line, done.err)
        assert len(done.err.splitlines()) == 1, done.err


def test_folders_that_can_not_be_scored(evaluate, tmp_path):
    folder(tmp_path / "one"), (tmp_path / "empty").mkdir()
    for line in (
        ("real=empty", "fake=one"),
        ("real=one", "fake=empty"),
        ("real=one", "fake=one", "feature=raw", "shape=[3,8]"),
    ):
        done = evaluate(*line, "metric=fid")
        assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    shutil.copy(tmp_path / "one" / "000.png", tmp_path / "empty")
    done = evaluate("real=one", "fake=empty", "feature=raw", "metric=fid")
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err


def test_a_run_without_metrics_asks_for_some(command, evaluate):
    assert command("gan-train", *RING, "metric=none", "hydra.run.dir=plain").code == 0
    done = evaluate("run=plain")
    assert (done.code, done.err) == (2, "metric: this run was trained with metric=none; choose: metric=[…]\n")
    assert evaluate("run=plain", "metric=mode_coverage").code == 0


def test_a_config_of_strangers_is_refused(ring, evaluate):
    text = (ring / "config.yaml").read_text()
    (ring / "config.yaml").write_text(text.replace("gan_lightning.metric.feature.raw.Raw", "os.system"))
    done = evaluate("run=ring")
    assert done.code == 2
    assert "os.system" in done.err


@pytest.mark.parametrize("sampler", ["rejection", "metropolis_hastings"])
def test_samples_that_d_selects_are_scored(ring, evaluate, sampler):
    plain = evaluate("run=ring", "num=200", "out=plain.json")
    assert plain.code == 0, plain.err
    done = evaluate("run=ring", "num=200", f"sampler={sampler}")
    assert done.code == 0, done.err
    found, without = told(ring), told(ring.parent, "plain.json")
    assert found["scores"]["energy"]["generated"] != without["scores"]["energy"]["generated"]
    assert found["scores"]["energy"]["real"] == without["scores"]["energy"]["real"]
    assert "sampler" not in without["protocol"]
    assert " kept; log density ratio " in found["protocol"]["sampler"]
    assert found["protocol"]["sampler"] in done.out
    assert evaluate("run=ring", "num=200", f"sampler={sampler}", "out=again.json").code == 0
    assert told(ring.parent, "again.json")["scores"] == found["scores"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "run=ring sampler=rejectoin",
            "sampler=rejectoin: no such option; did you mean rejection? allowed: metropolis_hastings, ",
        ),
        ("run=ring sampler.steps=9", "sampler.steps: there is no sampler; choose one, such as sampler=rejection"),
        (
            "run=ring sampler=rejection sampler.steps=9",
            "sampler.steps: no such key; did you mean sampler.max_attempts? allowed: ",
        ),
        ("run=ring sampler=rejection sampler.percentile=101", "sampler.percentile: 101.0 should be less than or equal to 100"),
        ("run=ring sampler=metropolis_hastings sampler.steps=0", "sampler.steps: 0 should be greater than or equal to 1"),
        ("run=ring sampler=rejection batch_norm=batch", "batch_norm=batch: a sampler draws batches of any size; use "),
        ("real=a fake=b sampler=rejection", "sampler: is for a run's samples; the folders are given by real=DIR and fake=DIR"),
    ],
)
def test_samplers_that_are_refused(ring, evaluate, line, said):
    done = evaluate(*line.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(said)
    assert done.err.count("\n") == 1
