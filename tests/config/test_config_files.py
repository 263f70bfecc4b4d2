"""Config files of a user's own that can't be used: one line with the file, the line in it and the cure."""

import pytest

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError

HEAD = "# @package _global_\ndefaults: [digits_fast]\n"
BROKEN = {  # content after HEAD → line, and how its mistake is described
    "data:\n\tbatch_size: 3\n": (4, "a tab; indent with spaces"),
    "data:\n  batch_size: 3\n workers: 3\n": (5, "a wrong indentation; align the keys of one level"),
    "data:\n  batch_size: 3\n    root: x\n": (5, "a second ': ' in one line, or a wrong indentation"),
    "data:\n  root: 'x\n  batch_size: 3\n": (4, "a quote without its partner; close it"),
    "seed: 1\nname: a\nseed: 2\n": (5, "the key seed is there twice; keep one"),
    "data: {batch_size: 3\n": (3, "a { without its partner; close it"),
    "data: [3\nname: x\n": (3, "a [ without its partner; close it"),
    "data\nname: x\n": (3, "no ': ' after the key"),
    "name: caf\udce9\n": (3, "not UTF-8; save it as UTF-8"),
}


def experiment(folder, text):
    path = folder / "theirs" / "experiment" / "mine.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


def refused(folder):
    """The lines with which `experiment=mine` of this folder is refused."""
    with pytest.raises(UserError) as error:
        Composer(str(folder)).compose(["experiment=mine"])
    return error.value.lines


@pytest.mark.parametrize("text", BROKEN)
def test_a_file_that_is_no_yaml(tmp_path, text):
    path = experiment(tmp_path, HEAD + text)
    (line,) = refused(tmp_path / "theirs")
    number, why = BROKEN[text]
    assert line.startswith(f"{path}: line {number}: {why}")


def test_the_command_says_so_in_one_line(command, tmp_path):
    path = experiment(tmp_path, HEAD + next(iter(BROKEN)))
    for line in (("gan-train",), ("gan-train", "-m", "seed=0,1"), ("gan-search", "trials=1", "loss=hinge,minimax")):
        done = command(line[0], "--config-dir", tmp_path / "theirs", "experiment=mine", *line[1:])
        assert done.code == 2
        assert f"{path}: line 4: a tab; indent with spaces\n" in done.err
        assert "Traceback" not in done.err


def test_a_run_s_config_that_is_no_yaml(command, tmp_path):
    (tmp_path / "run").mkdir()
    for content, line in {b"seed: 1\n\tname: x\n": 2, b"name: caf\xe9\n": 1}.items():
        (tmp_path / "run" / "config.yaml").write_bytes(content)
        for name in ("gan-train", "gan-sample"):
            done = command(name, "run=run")
            assert done.code == 2
            assert done.err.startswith(f"run=run: config.yaml can't be read: line {line}: ")
            assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    "first", ["", "# my experiment\n# @package _global_\n", "# @package _globl_\n", "# @package _global_ of mine\n"]
)
@pytest.mark.parametrize("rest", ["seed: 1\n", "defaults: [digits_fast, override /loss: hinge]\nseed: 1\n"])
def test_an_experiment_without_its_first_line(tmp_path, first, rest):
    path = experiment(tmp_path, first + rest)
    assert refused(tmp_path / "theirs") == (f"{path}: line 1: should be '# @package _global_'",)


def test_a_byte_order_mark(command, tmp_path):
    """Before `# @package` it hides that line; in any other file it is no mistake."""
    path = experiment(tmp_path, "\ufeff" + HEAD)
    line = ("gan-train", "--config-dir", tmp_path / "theirs", "--cfg", "job", "experiment=mine")
    done = command(*line)
    assert (done.code, done.err) == (2, f"{path}: line 1: begins with a byte order mark; save it as UTF-8 without one\n")
    experiment(tmp_path, HEAD)
    (tmp_path / "theirs" / "loss").mkdir()
    (tmp_path / "theirs" / "loss" / "mine.yaml").write_text("\ufeff_target_: gan_lightning.loss.hinge.Hinge\n")
    done = command(*line, "loss=mine")
    assert done.code == 0, done.err
    assert "_target_: gan_lightning.loss.hinge.Hinge" in done.out


def test_a_good_experiment_is_read(command, tmp_path):
    """The negative control, with an empty line and a comment after the first line."""
    experiment(tmp_path, "\n# @package _global_\n# mine\ndefaults: [digits_fast]\nseed: 7\n")
    done = command("gan-train", "--config-dir", tmp_path / "theirs", "--cfg", "job", "experiment=mine")
    assert done.code == 0, done.err
    assert "seed: 7" in done.out


@pytest.mark.parametrize("place", ["linear.yaml", "los/linear.yaml", "loss/linear.yml", "conf/loss/linear.yaml"])
def test_an_option_in_the_wrong_place(command, tmp_path, place):
    path = tmp_path / "theirs" / place
    path.parent.mkdir(parents=True)
    path.write_text("_target_: gan_lightning.loss.hinge.Hinge\n")
    done = command("gan-train", "--config-dir", "theirs", "experiment=digits_fast", "loss=linear")
    wanted = "theirs/loss/linear.yaml"
    cure = f"theirs/{place} is not an option of loss there; move it to {wanted}"
    assert (done.code, done.err) == (2, f"loss=linear: no such option; {cure}\n")
