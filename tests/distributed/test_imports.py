"""Every Python that a command starts imports from where the command did, never from the current folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kinds import kinds
from waiting import HANG

from gan_lightning.config.targets import TrustedPackages, refuse_target
from gan_lightning.distributed import process
from gan_lightning.distributed.launcher import launch_ranks

ROOT = Path(__file__).parents[2]
SHADOWS = ("torch.py", "yaml.py", "hydra.py", "numpy.py", "pickle.py", "timeit.py", "runpy.py", "wandb.py", "joblib.py")
TINY = ("experiment=digits_fast", "metric=none", "model.width=4", "data.batch_size=8", "trainer.accelerator=cpu")


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """The current folder, full of modules that would leave a mark."""
    monkeypatch.setenv("PYTHONSAFEPATH", "")  # as before any command; `process.prepare_process` may have set it
    monkeypatch.delenv("PYTHONSAFEPATH")
    mark = f"open({str(tmp_path / 'MARK')!r}, 'w').close()\n"
    for name in (*SHADOWS, "gan_lightning/__init__.py", "multiprocessing/__init__.py", "submitit/__init__.py"):
        path = tmp_path / "theirs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(mark)
    monkeypatch.chdir(tmp_path / "theirs")
    return tmp_path


def test_ranks_import_nothing_from_the_current_folder(theirs):
    assert launch_ranks(["timeit", "-n", "1", "pass"], 1) == (0, None)
    assert not (theirs / "MARK").exists()


def test_a_rank_would_find_it(theirs):
    """The negative control: without the switch the same command leaves the mark."""
    subprocess.run([sys.executable, "-m", "timeit", "-n", "1", "pass"], check=False, capture_output=True)
    assert (theirs / "MARK").exists()


def test_processes_of_libraries_import_nothing_from_the_current_folder(theirs, monkeypatch):
    for name, value in process.import_variables().items():
        monkeypatch.setenv(name, value)
    code = "import multiprocessing, pickle; multiprocessing.get_context('forkserver').Process(target=print).start()"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not (theirs / "MARK").exists()


def test_a_command_in_a_strangers_folder(theirs, monkeypatch):
    shutil.rmtree("gan_lightning")  # Python itself would import it before any line of ours
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, sys.path)]))
    done = subprocess.run(
        [sys.executable, "-m", "gan_lightning.cli.train", "--help"], check=False, capture_output=True, text=True
    )
    assert (done.returncode, "experiment" in done.stdout) == (0, True), done.stderr
    assert not (theirs / "MARK").exists()


def test_a_checkout_that_is_not_installed_is_handed_on(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.setattr(sys, "path", [str(ROOT), "/mine"])
    assert process.import_variables() == {"PYTHONSAFEPATH": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}/mine"}
    monkeypatch.setattr(sys, "path", ["/venv/bin", "/mine", str(ROOT)])
    assert process.import_variables() == {"PYTHONSAFEPATH": "1"}


def test_only_a_trusted_package_is_found_in_the_current_folder(theirs, monkeypatch):
    (theirs / "theirs" / "mylab.py").write_text("from gan_lightning.loss.hinge import Hinge\nclass Mine(Hinge): pass\n")
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder not in ("", str(Path.cwd()))])
    monkeypatch.setenv("GAN_LIGHTNING_PACKAGES", "mylab")
    from gan_lightning.config.targets import ROLES

    assert refuse_target("loss", "mylab.Mine", ROLES["loss"]) is None
    assert str(Path.cwd()) not in sys.path
    assert TrustedPackages.find_spec("mylab").origin == str(theirs / "theirs" / "mylab.py")
    assert [TrustedPackages.find_spec(name) for name in ("wandb", "timeit", "mylab2")] == [None, None, None]


@pytest.mark.parametrize("kind", kinds(["ranks", "a sweep", "joblib"]))
def test_a_run_in_a_strangers_folder(theirs, monkeypatch, kind):
    """The whole: every process of the run imports from the parent's folder, a checkout that is not installed."""
    for name in ("gan_lightning", "conf"):
        shutil.copytree(ROOT / name, theirs / "checkout" / name, ignore=shutil.ignore_patterns("__pycache__"))
    log = theirs / "log"
    with (theirs / "checkout" / "gan_lightning" / "__init__.py").open("a") as file:
        file.write(f"import os\nwith open({str(log)!r}, 'a') as log: log.write(f'{{os.getpid()}}\\n')\n")
    more = {"ranks": ("trainer=ddp",), "a sweep": ("-m", "seed=0"), "joblib": ("-m", "seed=0,1", "hydra/launcher=joblib")}[kind]
    folder = "hydra.run.dir=r" if kind == "ranks" else "hydra.sweep.dir=r"
    line = [*TINY, "trainer.max_steps=1", *more, folder]
    code = f"import sys; sys.path[0] = {str(theirs / 'checkout')!r}; sys.argv[1:] = {line!r}; "
    code += "from gan_lightning.cli.train import main; main()"
    monkeypatch.delenv("PYTHONPATH", raising=False)
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    assert len({*log.read_text().split()}) >= (2 if kind == "a sweep" else 3)
    assert not (theirs / "MARK").exists()
