"""A run whose data have changed: refused by every command that reads them, until the change is accepted."""

import gzip
import json
import shutil

import pytest
from PIL import Image

from gan_lightning.data.image_folder import ImageFolder
from gan_lightning.sweep.job import train_run

TINY = (
    "experiment=digits_fast",
    "data=image_folder",
    "data.sample_shape=[1,8,8]",
    "data.batch_size=8",
    "model.width=4",
    "feature=raw",
    "trainer.accelerator=cpu",
    "trainer.max_steps=2",
    "metric=none",
)
ACCEPT = "data.changed=accept"


def picture(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), value).save(path)


def train(folder, monkeypatch, *line):
    """Train a run in the folder `r` beside its data."""
    from hydra.core.global_hydra import GlobalHydra

    from gan_lightning.cli import train

    GlobalHydra.instance().clear()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(folder / "cache"))
    monkeypatch.setattr("sys.argv", ["gan-train", *TINY, *line, "hydra.run.dir=r"])
    train.main()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run on forty images in one folder, and one on twenty cats and twenty dogs."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("flat", "classes")}
    for i in range(40):
        picture(folders["flat"] / "images" / f"{i:03}x.png", i)
        picture(folders["classes"] / "cls" / ("cat", "dog")[i % 2] / f"{i:03}.png", i)
    with pytest.MonkeyPatch.context() as patch:
        train(folders["flat"], patch, "data.root=images", "data.num_classes=0", "model.num_classes=0", "data.test=0.3")
        train(folders["classes"], patch, "data.root=cls", "data.num_classes=2")
    return folders


@pytest.fixture
def flat(finished, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path / "cache"))
    shutil.copytree(finished["flat"], tmp_path, dirs_exist_ok=True)


@pytest.fixture
def classes(finished, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path / "cache"))
    shutil.copytree(finished["classes"], tmp_path, dirs_exist_ok=True)


def result(run):
    return json.loads((run / "result.json").read_text())


def files(run):
    """The content of a run's own files."""
    return {path.name: path.read_bytes() for path in run.iterdir() if path.suffix in (".json", ".yaml", ".gz")}


def reported(root):
    """The names of the files in the test split."""
    data = ImageFolder(root=str(root), sample_shape=(1, 8, 8), num_classes=0, test=0.3)
    files = data.listing().files
    return {files[i].name for i in data.splits.test.index}


def test_one_more_image_is_refused_and_moves_no_other(command, flat, tmp_path):
    before, members = files(tmp_path / "r"), reported("images")
    picture(tmp_path / "images" / "000.png", 255)  # its name sorts first
    longer = ("gan-train", "run=r", "trainer.max_steps=4")
    done = command(*longer)
    assert done.code == 2
    head, *lines = done.err.splitlines()
    assert head.startswith("run=r: the data are not those that it was trained on; ")
    assert head.endswith(f"to go on with them as they are: gan-train run=r trainer.max_steps=4 {ACCEPT}")
    assert lines == ["changed: 1 file added: 000.png"]
    assert files(tmp_path / "r") == before  # a refused command changes nothing
    done = command(*longer, ACCEPT)
    assert done.code == 0, done.err
    assert "changed: 1 file added: 000.png" in done.out
    assert result(tmp_path / "r")["data_changed"] == [{"step": 2, "changed": ["1 file added: 000.png"]}]
    assert members
    assert reported("images") - {"000.png"} == members
    assert "changed=accept" not in (tmp_path / "r" / "config.yaml").read_text()
    assert ACCEPT not in result(tmp_path / "r")["overrides"]
    assert command("gan-train", "run=r", "trainer.max_steps=5").code == 0  # the new set is the run's own now
    (tmp_path / "images" / "001x.png").unlink()
    done = command("gan-train", "run=r", "trainer.max_steps=6")
    assert (done.code, done.err.splitlines()[1:]) == (2, ["changed: 1 file removed: 001x.png"])


def test_a_renamed_class_is_refused_by_every_command(command, classes, tmp_path):
    before = files(tmp_path / "r")
    (tmp_path / "cls" / "cat").rename(tmp_path / "cls" / "zcat")
    score = ("gan-evaluate", "run=r", "metric=fid", "feature=raw", "num=10")
    lines = (
        ("gan-train", "run=r", "trainer.max_steps=4"),
        ("gan-train", "fork=r", "step=2", "trainer.max_steps=3", "hydra.run.dir=child"),
        ("gan-replay", "run=r", "step=1"),
        score,
    )
    for line in lines:
        done = command(*line)
        assert done.code == 2, (line, done.out)
        assert done.err.startswith(f"{'fork' if 'fork=r' in line else 'run'}=r: the data are not those that it was trained on")
        assert "changed: class 0: cat → dog, class 1: dog → zcat" in done.err.splitlines()
        assert "changed: 20 files added: zcat/000.png, zcat/002.png, zcat/004.png, and 17 more" in done.err.splitlines()
    assert files(tmp_path / "r") == before
    assert not (tmp_path / "child").exists()
    for line in lines[1:]:
        done = command(*line, ACCEPT)
        assert done.code == (1 if line[0] == "gan-replay" else 0), done.err  # the step is of other labels
        assert "changed: class 0: cat → dog, class 1: dog → zcat" in done.out
    scores = json.loads((tmp_path / "r" / "scores.json").read_text())
    assert "class 0: cat → dog, class 1: dog → zcat" in scores["protocol"]["data_changed"]
    assert {name: text for name, text in files(tmp_path / "r").items() if name != "scores.json"} == before
    assert "class 0: cat → dog, class 1: dog → zcat" in result(tmp_path / "child")["data_changed"][0]["changed"]
    assert command("gan-train", "run=child", "trainer.max_steps=4").code == 0
    assert command(*score).code == 2  # accepted for one command only


def test_another_number_of_classes_can_not_be_accepted(command, classes, tmp_path):
    """The cure of a new run, another data.num_classes, is none of a run that has begun: its networks have their classes."""
    before = files(tmp_path / "r")
    picture(tmp_path / "cls" / "horse" / "0.png", 1)
    for line in (
        ("gan-train", "run=r", "trainer.max_steps=4"),
        ("gan-train", "fork=r", "step=2", "trainer.max_steps=3", "hydra.run.dir=child"),
        ("gan-replay", "run=r", "step=1"),
        ("gan-evaluate", "run=r", "metric=fid", "feature=raw", "num=10"),
    ):
        for accepted in ((), (ACCEPT,)):
            done = command(*line, *accepted)
            assert done.code == 2, (line, done.out)
            head, *lines = done.err.splitlines()
            assert head == (
                f"{'fork' if 'fork=r' in line else 'run'}=r: the data are not those that it was trained on, and no longer fit "
                "its config; restore them, set data.root to a folder where they are, or train a new run"
            )
            assert lines == [
                f"changed: data.num_classes: 2, but 3 subfolders of {tmp_path / 'cls'} hold images: cat, dog, horse"
            ]
    assert files(tmp_path / "r") == before
    assert not (tmp_path / "child").exists()
    (tmp_path / "r" / "data.json.gz").unlink()  # an old run, whose data may never have fitted
    assert "set data.num_classes=3" in command("gan-train", "run=r", "trainer.max_steps=4").err


def test_a_copy_elsewhere_and_an_old_run_go_on_silently(command, flat, tmp_path):
    shutil.copytree(tmp_path / "images", tmp_path / "elsewhere", copy_function=shutil.copyfile)
    shutil.rmtree(tmp_path / "images")
    done = command("gan-train", "run=r", "trainer.max_steps=3", "data.root=elsewhere")
    assert done.code == 0, done.err
    assert "file" not in done.out
    (tmp_path / "r" / "data.json.gz").unlink()
    (tmp_path / "elsewhere" / "000x.png").unlink()
    assert command("gan-train", "run=r", "trainer.max_steps=4").code == 0  # a run of an earlier version
    assert "data_changed" not in result(tmp_path / "r")
    picture(tmp_path / "elsewhere" / "000x.png", 0)
    assert command("gan-train", "run=r", "trainer.max_steps=5").code == 2


def test_a_damaged_record_is_refused_and_replaced(command, flat, tmp_path):
    record = tmp_path / "r" / "data.json.gz"
    good = record.read_bytes()
    record.write_bytes(gzip.compress(b"{}"))
    done = command("gan-train", "run=r", "trainer.max_steps=3")
    assert done.code == 2
    assert done.err.startswith("run=r: what the data were is not known: data.json.gz is no fingerprint (kind")
    assert command("gan-train", "run=r", "trainer.max_steps=3", ACCEPT).code == 0
    assert record.read_bytes() == good


def test_a_fork_that_chooses_other_data_is_not_compared(command, flat, tmp_path):
    for i in range(40):
        picture(tmp_path / "others" / f"{i}.png", 200 + i)
    fork = ("gan-train", "fork=r", "step=2", "trainer.max_steps=3")
    assert command(*fork, "data.root=others", "hydra.run.dir=child").code == 0
    assert "data_changed" not in result(tmp_path / "child")
    picture(tmp_path / "images" / "000.png", 255)
    done = command(*fork, "data.batch_size=4", "hydra.run.dir=other")
    assert (done.code, done.err.partition(":")[0]) == (2, "fork=r")


@pytest.mark.parametrize("status", ["preempted", "running"])
def test_a_job_of_a_sweep_is_refused_and_says_why(flat, tmp_path, capsys, monkeypatch, status):
    monkeypatch.chdir(tmp_path)
    stopped = result(tmp_path / "r") | {"status": status, "step": 1}
    (tmp_path / "r" / "result.json").write_text(json.dumps(stopped))
    picture(tmp_path / "images" / "000.png", 255)
    assert train_run(tmp_path / "r") == 2
    head, *lines = capsys.readouterr().err.splitlines()
    assert head.endswith(f"gan-train run={tmp_path}/r {ACCEPT}")
    assert lines == ["changed: 1 file added: 000.png"]
    # a killed process has left "running"; the table of the sweep says why nothing runs
    assert result(tmp_path / "r") == stopped | ({"status": "failed", "reason": head} if status == "running" else {})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ((ACCEPT,), f"{ACCEPT}: a new run has no earlier data to compare with; leave it out; "),
        (("-m", "seed=0,1", ACCEPT), f"{ACCEPT}: a new run has no earlier data to compare with; leave it out; "),
        (("data.changed=yes",), "data.changed=yes: the data of a run are accepted as they are now, or not; allowed: "),
    ],
)
def test_where_nothing_can_be_accepted(command, tmp_path, line, said):
    done = command("gan-train", *line)
    assert (done.code, done.err.startswith(said)) == (2, True), done.err
    assert done.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_another_value_is_refused_by_every_command(command, flat):
    for line in (("gan-train",), ("gan-evaluate",), ("gan-replay", "step=1")):
        done = command(*line, "run=r", "data.changed=keep")
        assert (done.code, done.err.startswith("data.changed=keep: ")) == (2, True), done.err
        assert "accept" in done.err


def test_accepting_what_has_not_changed_changes_nothing(command, flat, tmp_path):
    record = (tmp_path / "r" / "data.json.gz").read_bytes()
    assert command("gan-train", "run=r", "trainer.max_steps=3", ACCEPT).code == 0
    assert "data_changed" not in result(tmp_path / "r")
    assert (tmp_path / "r" / "data.json.gz").read_bytes() == record
