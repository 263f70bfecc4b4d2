"""Installed from a wheel in another environment, run from another folder, with a person's own loss."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from kinds import kinds
from waiting import HANG

ROOT = Path(__file__).parent.parent
LOSS = """
from torch import Tensor
from gan_lightning.loss.base import AdversarialLoss

class Linear(AdversarialLoss):
    def __init__(self, slope: float = 1.0) -> None:
        super().__init__()
        self.slope = slope

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return self.slope * (fake_logits - real_logits)

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return -self.slope * fake_logits
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A fresh environment with the wheel, which finds the libraries in this one; a folder to work in; a package of mine."""
    pytest.importorskip("hatchling", reason="builds the wheel")
    folder = tmp_path_factory.mktemp("elsewhere")

    def call(*line):
        subprocess.run([str(word) for word in line], check=True, capture_output=True, timeout=HANG)

    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", ROOT)
    call(sys.executable, "-m", "venv", "--without-pip", folder / "env")
    (wheel,) = (folder / "dist").glob("*.whl")
    call(
        sys.executable, "-m", "pip", "--python", folder / "env" / "bin" / "python", "install", "--no-deps", "--no-index", wheel
    )
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (folder / "lib").mkdir()
    (folder / "lib" / "mylab.py").write_text(LOSS)
    (folder / "theirs" / "loss").mkdir(parents=True)
    (folder / "theirs" / "loss" / "linear.yaml").write_text("_target_: mylab.Linear\nslope: 0.5\n")
    (folder / "work").mkdir()
    return folder


def typed(folder, *line, trusted=True):
    own = {"PYTHONPATH": str(folder / "lib")} | ({"GAN_LIGHTNING_PACKAGES": "mylab"} if trusted else {})
    words = [str(folder / "env" / "bin" / line[0]), *line[1:]]
    return subprocess.run(
        words, cwd=folder / "work", env=os.environ | own, capture_output=True, text=True, timeout=HANG, check=False
    )


TINY = ("experiment=digits_fast", "model.width=4", "trainer.max_steps=2", "data.batch_size=8")


@pytest.fixture(scope="module")
def run(installed):
    swept = typed(installed, "gan-train", "--config-dir", "../theirs", "-m", "loss=linear", *TINY)
    assert swept.returncode == 0, swept.stderr
    run = "multirun/digits_fast/data.batch_size=8,loss=linear,model.width=4"
    assert (installed / "work" / run / "result.json").exists()
    return run


def test_the_package_is_the_wheels_and_trusts_nobodys_code(installed):
    where = typed(installed, "python", "-c", "import gan_lightning; print(gan_lightning.__file__)")
    assert str(installed) in where.stdout
    refused = typed(installed, "gan-train", "--config-dir", "../theirs", "loss=linear", *TINY, trusted=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "GAN_LIGHTNING_PACKAGES=mylab" in refused.stderr


@pytest.mark.parametrize(
    ("name", "out"), kinds([("gan-sample", "grid.png"), ("gan-export", "g.onnx")], ("gan-sample", "grid.png"))
)
def test_the_commands_work_from_a_wheel(installed, run, name, out):
    done = typed(installed, name, f"run={run}", f"out={out}")
    assert done.returncode == 0, done.stderr
    assert (installed / "work" / out).exists()
