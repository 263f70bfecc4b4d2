"""`out=` replaces only files of the same command; all others are kept, and a run's own files even with `force=true`."""

import shutil
from pathlib import Path

import pytest
from kinds import kinds
from PIL import Image
from tiny_gan import trained

from gan_lightning.run import outputs

TINY = ("experiment=digits_fast", "model.width=4", "data.batch_size=16", "trainer.accelerator=cpu", "metric=class_accuracy")
KINDS = {  # the command, with a file or a folder that it may write
    "picture": ("gan-sample", "num=2", "out=grid.png"),
    "jpeg": ("gan-sample", "num=2", "out=grid.jpg"),
    "numbers": ("gan-sample", "num=2", "out=x.npy"),
    "scores": ("gan-evaluate", "num=50", "metric=class_accuracy", "out=scores.txt"),
    "onnx": ("gan-export", "out=g.onnx"),
    "safetensors": ("gan-export", "out=g.safetensors"),
    "page": ("gan-report", "out=page.html"),
    "step": ("gan-replay", "step=2", "out=seen"),
}
OWN = [kind for kind in KINDS if kind not in ("jpeg", "numbers")]  # kinds of files that are recognised
HELD = {"page": "page.csv", "step": "seen/mine.png"}  # the file of another origin, if it isn't `out` itself

LINES = [  # that would destroy a file of a run, or be mixed with its files
    "gan-evaluate run=run num=50 out=run/config.yaml",
    "gan-evaluate run=run num=50 out=run/result.json",
    "gan-evaluate run=run num=50 out=run/checkpoints/step=00000002.ckpt",
    "gan-evaluate run=run num=50 out=link.yaml",
    "gan-evaluate real=nowhere fake=run/samples out=run/config.yaml",
    "gan-sample run=run num=2 out=run/samples/step=00000002.png",
    "gan-sample run=run num=2 out=run/",
    "gan-sample run=run num=2 out=run",
    "gan-sample run=run num=2 out=run/samples/",
    "gan-sample run=run num=2 out=linked/",
    "gan-sample run=run num=2 out=sweep/",
    "gan-report run=run out=run/metrics.html",
    "gan-export run=run out=run/weights.safetensors",
    "gan-replay run=run step=1 out=run",
    "gan-replay run=run step=1 out=run/checkpoints",
    "gan-replay run=run step=1 out=linked/samples",
    "gan-evaluate run=run num=50 out=theirs/scores.json",
    "gan-report run=run out=theirs/report.html",
    "gan-sample run=run num=1 out=theirs/drawn/",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of two steps."""
    return trained(
        tmp_path_factory.mktemp("finished") / "run", *TINY, "metric.class_accuracy.num_samples=50", "trainer.max_steps=2"
    )


@pytest.fixture
def run(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "run"))


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.is_symlink()}


def one_line(done):
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    return done.err


@pytest.mark.parametrize("kind", kinds(KINDS, "picture", "scores", "step"))
def test_a_file_of_another_origin_is_kept(command, run, tmp_path, kind):
    name, *words = KINDS[kind]
    held = tmp_path / HELD.get(kind, words[-1].removeprefix("out="))
    held.parent.mkdir(exist_ok=True)
    held.write_text("a year of work")
    assert "force=true" in one_line(command(name, "run=run", *words))
    assert held.read_text() == "a year of work"
    done = command(name, "run=run", *words, "force=true")
    assert done.code == 0, done.err
    assert (held.read_text(errors="replace") == "a year of work") == (kind == "step")


@pytest.mark.parametrize("kind", kinds(OWN, "picture", "page"))
def test_a_file_of_the_same_command_is_replaced(command, run, kind):
    name, *words = KINDS[kind]
    for _ in range(2):
        done = command(name, "run=run", *words)
        assert done.code == 0, done.err


def test_the_commands_own_places(command, run):
    for words in (("gan-evaluate", "num=50", "metric=class_accuracy"), ("gan-replay", "step=1")):
        for _ in range(2):
            done = command(words[0], "run=run", *words[1:])
            assert done.code == 0, done.err
    (run / "replay" / "step=00000001" / "terms.json").unlink()
    assert command("gan-replay", "run=run", "step=1").code == 0, "a record that was interrupted"
    (run / "scores.json").write_text('{"scores": 1}')
    one_line(command("gan-evaluate", "run=run", "num=50"))


@pytest.mark.parametrize("line", kinds(LINES, *LINES[::6]))
def test_the_files_of_a_run_are_never_replaced(command, run, tmp_path, line):
    (run / "metrics.csv").write_text("step,loss/d\n")
    (run / "weights.safetensors").write_text("another program's")
    (tmp_path / "link.yaml").symlink_to(run / "config.yaml")
    (tmp_path / "linked").symlink_to(run)
    shutil.copytree(run, tmp_path / "theirs")
    (tmp_path / "theirs" / "scores.json").write_text('{"scores": {}, "protocol": {}, "provenance": {}}')
    (tmp_path / "theirs" / "report.html").write_text(outputs.REPORT_MARKS[".html"][0])
    (tmp_path / "theirs" / "drawn").mkdir()
    (tmp_path / "theirs" / "drawn" / "000000.png").write_bytes(b"Software\0gan-sample")
    (tmp_path / "nowhere").mkdir()
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.json").write_text("{}")
    before = contents(tmp_path)
    for force in ([], ["force=true"]):
        assert "the run or sweep" in one_line(command(*line.split(), *force))
        assert contents(tmp_path) == before


def test_a_folder_of_samples_is_never_a_mixture(command, run, tmp_path):
    drawn = tmp_path / "drawn"
    assert command("gan-sample", "run=run", "num=3", "out=drawn/").code == 0
    (drawn / "notes.txt").write_text("mine")
    before = contents(drawn)
    assert "force=true" in one_line(command("gan-sample", "run=run", "num=1", "out=drawn/"))
    assert contents(drawn) == before
    assert command("gan-sample", "run=run", "num=1", "seed=1", "out=drawn", "force=true").code == 0
    assert sorted(p.name for p in drawn.iterdir()) == ["000000.png", "notes.txt"]
    assert Image.open(drawn / "000000.png").text == {"Software": "gan-sample"}


@pytest.mark.parametrize("name", ["000000.png", "000007.npy"])
def test_a_data_set_with_the_names_of_samples_is_kept(command, run, tmp_path, name):
    """`force=true` removes only what is certainly gan-sample's."""
    (tmp_path / "faces").mkdir()
    if name.endswith("png"):
        Image.new("L", (8, 8)).save(tmp_path / "faces" / name)
    else:
        (tmp_path / "faces" / name).write_bytes(b"numbers")
    before = contents(tmp_path / "faces")
    for force in ([], ["force=true"]):
        one_line(command("gan-sample", "run=run", "num=1", "out=faces/", *force))
        assert contents(tmp_path / "faces") == before


def test_an_empty_file_is_nothing_to_lose(command, run, tmp_path):
    """`out=$(mktemp)`; one in a run may be its lock."""
    (tmp_path / "scores.tmp").touch()
    assert command("gan-evaluate", "run=run", "num=50", "out=scores.tmp").code == 0
    (run / "lock").touch()
    one_line(command("gan-evaluate", "run=run", "num=50", "out=run/lock"))


def test_it_is_refused_before_any_work(command, run, tmp_path, monkeypatch):
    from gan_lightning.training import restore

    monkeypatch.setattr(restore, "load_state", lambda *_: pytest.fail("worked in vain"))
    (tmp_path / "x").write_text("mine")
    for name, ending in (("gan-sample", "png"), ("gan-export", "onnx"), ("gan-evaluate", "json")):
        (tmp_path / f"x.{ending}").write_text("mine")
        one_line(command(name, "run=run", f"out=x.{ending}"))


def test_a_sweeps_own_page_respects_it_too(run, capsys):
    from gan_lightning.sweep.report.write import try_write_report

    (run / "report.md").write_text("my notes")
    assert try_write_report(run) is None
    assert "report.md: belongs to the run" in capsys.readouterr().err
    assert (run / "report.md").read_text() == "my notes"


def test_what_is_recognised(tmp_path):
    """The negative control: files that are nearly one's own are not."""
    for name, text in {
        "a.json": "[]",
        "b.json": '{"scores": {}, "protocol": {}}',
        "c.json": "{",
        "d.html": "<title>gan-report</title>",
        "e.onnx": "gan-exp",
    }.items():
        (tmp_path / name).write_text(text)
        assert not any(known(tmp_path / name) for known in (outputs.is_scores, outputs.is_report, outputs.is_export))
    Image.new("L", (8, 8)).save(tmp_path / "f.png")
    assert not outputs.is_sample_picture(tmp_path / "f.png")
    assert not outputs.is_scores(tmp_path / "nowhere.json")
