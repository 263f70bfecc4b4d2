"""The optimal discriminator: the theory by hand, then a short training that approaches it."""

import csv
import math

import pytest
import torch
from tiny_gan import Folder, make_gan
from torch import nn

from gan_lightning.callback.optimal_discriminator import OptimalDiscriminator
from gan_lightning.data.line import Line
from gan_lightning.model.normal import Generator
from gan_lightning.step.types import Output


class Linear(nn.Module):
    """Return logits slope · x + offset: optimal for two Gaussians with the same standard deviation."""

    def __init__(self, slope, offset):
        super().__init__()
        self.slope, self.offset = slope, offset

    def forward(self, x, labels=None):
        return Output(self.slope * x.squeeze(1) + self.offset, None)


def measure(tmp_path, mean, slope=0.0, offset=0.0):
    """Measure one row for p = N(0, 1) and q = N(mean, 1)."""
    line = Line(centres=(0.0,), std=1.0, sample_shape=(1,), num_classes=0)
    gan = make_gan((1,), generator=Generator(mean=mean), discriminator=Linear(slope, offset))
    return OptimalDiscriminator(Folder(tmp_path), line).measure(gan)


def test_where_p_is_q_the_optimum_is_minus_log_4(tmp_path):
    row = measure(tmp_path, mean=0.0)
    assert row == pytest.approx({"max_error": 0, "mean_error": 0, "value": -math.log(4), "optimum": -math.log(4)}, abs=1e-6)


def test_the_optimal_logits_reach_the_optimum(tmp_path):
    """log p − log q = −mean · x + mean² / 2."""
    row = measure(tmp_path, mean=1.0, slope=-1.0, offset=0.5)
    assert row["max_error"] < 1e-5
    assert row["value"] == pytest.approx(row["optimum"], abs=1e-6)
    torch.manual_seed(0)
    x, y = torch.randn(2, 10**6, dtype=torch.float64)
    divergence = [nn.functional.logsigmoid(0.5 - x).mean(), nn.functional.logsigmoid(y + 1 - 0.5).mean()]
    assert row["optimum"] == pytest.approx(float(sum(divergence)), abs=2e-3)


def test_other_logits_stay_below_the_optimum(tmp_path):
    row = measure(tmp_path, mean=1.0, slope=-0.5, offset=0.5)
    assert row["value"] < row["optimum"] - 0.01
    assert row["mean_error"] < row["max_error"]


def test_densities_without_overlap(tmp_path):
    assert measure(tmp_path, mean=30.0)["optimum"] == pytest.approx(0, abs=1e-6)  # −log 4 + 2 log 2


def read_rows(folder):
    with (folder / "optimal_discriminator.csv").open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_the_experiment_approaches_the_theory(command, tmp_path):
    line = ("experiment=optimal_discriminator", "trainer.max_steps=200", "hydra.run.dir=run", "model.width=32")
    assert command("gan-train", *line, "model.depth=2", "optimizer.lr=0.005").code == 0
    rows = read_rows(tmp_path / "run")
    assert [row["step"] for row in rows] == [0, 100, 200]
    assert all(row["value"] <= row["optimum"] + 1e-6 for row in rows)
    assert rows[0]["mean_error"] > 0.1
    assert rows[-1]["mean_error"] < 0.03
    assert rows[-1]["value"] == pytest.approx(rows[-1]["optimum"], abs=0.01)
    assert (tmp_path / "run" / "optimal_discriminator.png").stat().st_size > 5000


@pytest.mark.parametrize("other", ["prior=uniform", "model=mlp", "gan.packing=2"])
def test_unknown_densities_are_refused(command, other):
    done = command("gan-train", "experiment=optimal_discriminator", other, "trainer.max_steps=2")
    assert done.code == 2
    assert "callback.optimal_discriminator: both densities must be known; it needs data=line" in done.err
