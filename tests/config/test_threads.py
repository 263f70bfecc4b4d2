"""OMP_NUM_THREADS and the key `threads`: what is read, and one line for the rest."""

import subprocess
import sys

import pytest

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.threads import environment_threads
from gan_lightning.config.validate import validate

COMMANDS = {
    "gan-train": ("experiment=ring_fast",),
    "gan-sample": ("run=none",),
    "gan-export": ("run=none", "out=g.onnx"),
    "gan-evaluate": ("run=none",),
    "gan-replay": ("run=none", "step=1"),
    "gan-search": ("trials=1", "seed=0,1"),
    "gan-report": ("run=none",),
}
ODD = ("", "abc", "0", "-1", "1.5", " 2 ", "4,", "4,0", "٣", "9" * 5000)


@pytest.mark.parametrize(("value", "threads"), [("1", 1), ("12", 12), ("4,2", 4), ("008", 8), ("1024", 1024)])
def test_numbers_that_openmp_reads(monkeypatch, value, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert environment_threads() == threads


def test_an_unset_variable(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert environment_threads() is None


@pytest.mark.parametrize("value", ODD)
def test_an_odd_value_of_the_variable_is_one_line(monkeypatch, command, value):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    done = command("gan-report", "run=none")
    cure = "is no number of threads; set it to a whole number such as 1, or unset it"
    assert (done.code, done.out, done.err) == (2, "", f"OMP_NUM_THREADS: {value!r} {cure}\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_reports_it(monkeypatch, command, name):
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    done = command(name, *COMMANDS[name])
    assert (done.code, done.err.splitlines()[0][:29], len(done.err.splitlines())) == (2, "OMP_NUM_THREADS: '' is no num", 1)


EARLY = """
import sys
import gan_lightning.cli.train

sys.argv = ["gan-train", "-m", "seed=0,1"]
try:
    gan_lightning.cli.train.main()
finally:
    assert "torch" not in sys.modules
"""


def test_it_is_reported_before_torch_is_loaded_and_warns():
    """A process of its own, because torch is loaded here."""
    environment = {"OMP_NUM_THREADS": "", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", EARLY], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n"), done.stderr[:16]) == (2, 1, "OMP_NUM_THREADS:"), done.stderr


@pytest.mark.parametrize("value", ["auto", "1", "64", "1024"])
def test_numbers_of_threads(value):
    assert str(validate(Composer().compose([f"threads={value}"]))["threads"]) == value


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "true", "null", "1025", "[2]", "1e3", "'2'"])
def test_other_values_of_the_key(value):
    with pytest.raises(UserError, match=r"^threads: .* should be 'auto' or (a valid integer|.* than or equal to (1|1024))$"):
        validate(Composer().compose([f"threads={value}"]))


@pytest.mark.parametrize("value", ["abc", "0", "''"])
def test_a_job_environment_with_an_odd_value(value):
    with pytest.raises(UserError, match=r"^hydra\.job\.env_set\.OMP_NUM_THREADS: '.*' is no number of threads; set it"):
        Composer().compose([f"+hydra.job.env_set.OMP_NUM_THREADS={value}"])
