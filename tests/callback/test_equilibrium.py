"""Early stopping at the equilibrium: D no longer separates the samples, which are good; a failed D stops nothing."""

import json

import pytest
import pytorch_lightning as pl
import torch
from tiny_gan import fit, make_gan

from gan_lightning.callback.equilibrium import Equilibrium
from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.metric.base import GenerativeMetric
from gan_lightning.run.directory import Run

GOOD = {"auc": 0.52, "high_quality": 0.95, "reverse_kl_excess": 0.01}
BOUNDS = {"at_least": {"high_quality": 0.9}, "at_most": {"reverse_kl_excess": 0.02}}


class Numbers(GenerativeMetric):
    maximize = {"auc": False, "high_quality": True, "reverse_kl_excess": False}  # noqa: RUF012


@pytest.fixture
def run(tmp_path):
    (tmp_path / "config.yaml").write_text("{}")
    return Run(tmp_path)


class Scored(pl.Callback):
    """Set the run's scores, one dict per evaluation; the last one is repeated."""

    def __init__(self, run, evaluations):
        self.run, self.evaluations = run, evaluations

    def on_train_batch_end(self, trainer, *rest):
        i, rest = divmod(trainer.global_step, 2)
        if rest == 0:
            self.run.scores = trainer.global_step, self.evaluations[min(i, len(self.evaluations)) - 1]


def stopped(run, *evaluations, **overrides):
    """Return the step at which a run of 30 stops, and the verdict's reason."""
    equilibrium = Equilibrium(run, {"numbers": Numbers()}, **(BOUNDS | overrides))
    trainer, _ = fit(make_gan(), steps=30, callbacks=[Scored(run, evaluations), equilibrium])
    return trainer.global_step, run.verdict and run.verdict.reason


def test_it_stops_where_d_no_longer_separates_the_samples(run, capsys):
    step, reason = stopped(run, GOOD | {"auc": 0.9}, GOOD | {"auc": 0.8}, GOOD | {"auc": 0.5})
    assert step == 10
    assert reason == (
        "equilibrium at step 10: auc 0.5 ≤ 0.55, high_quality 0.95 ≥ 0.9, reverse_kl_excess 0.01 ≤ 0.02 over 3 evaluations"
    )
    assert (run.verdict.status, [e["step"] for e in run.result["evidence"]]) == ("finished", [6, 8, 10])
    assert run.result["evidence"][-1] == GOOD | {"auc": 0.5, "step": 10}
    assert reason in capsys.readouterr().err


def test_auc_is_smoothed_and_quality_is_not(run):
    uneven = [GOOD | {"auc": 0.6}, GOOD | {"auc": 0.5}, GOOD | {"auc": 0.52}]
    assert stopped(run, *uneven)[0] == 6
    run.verdict = None
    assert stopped(run, *[GOOD | {"high_quality": q} for q in (1.0, 0.89, 1.0)])[0] == 10


@pytest.mark.parametrize(
    "bad",
    [
        {"high_quality": 0.0},
        {"reverse_kl_excess": 0.5},
        {"auc": 0.6},
        {"auc": float("nan")},
        {"high_quality": float("nan")},
        {"reverse_kl_excess": float("nan")},
    ],
)
def test_a_failed_discriminator_stops_nothing(run, bad):
    assert stopped(run, GOOD | bad) == (30, None)


def test_the_same_evaluation_counts_once(run):
    class Once(pl.Callback):
        def on_train_batch_end(self, trainer, *rest):
            run.scores = 1, GOOD

    equilibrium = Equilibrium(run, {"numbers": Numbers()}, **BOUNDS)
    trainer, _ = fit(make_gan(), steps=9, callbacks=[Once(), equilibrium])
    assert (trainer.global_step, run.verdict) == (9, None)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"at_least": {}, "at_most": {}}, "at_least and at_most are empty: auc alone is 0.5 of a dead discriminator, too"),
        ({"at_least": {"high_qualty": 1}, "at_most": {}}, "no metric gives high_qualty; did you mean high_quality?"),
    ],
)
def test_a_bound_on_the_samples_is_required(run, bounds, message):
    with pytest.raises(UserError) as error:
        Equilibrium(run, {"numbers": Numbers()}, **bounds)
    (line,) = error.value.lines
    assert line.startswith(f"callback.equilibrium: {message}")


def test_the_auc_is_required():
    assert Equilibrium.incompatibility(["fid"], at_most={"fid": 1.0}) == "no metric gives auc; allowed: fid"
    assert Equilibrium.incompatibility(["fid", "auc"], at_most={"fid": 1.0}) is None


# ── from the command line ────────────────────────────────────────────────────────────────────────────────────────────────
RING = (
    "experiment=equilibrium",
    "model.width=8",
    "data.batch_size=16",
    "trainer.accelerator=cpu",
    "callback.scores.every_n_steps=2",
)
EASY = ("callback.equilibrium.auc_at_most=1", "callback.equilibrium.at_least.high_quality=0")
EASY = (*EASY, "callback.equilibrium.at_most.reverse_kl_excess=9", "trainer.max_steps=20")


def read_result(folder):
    return json.loads((folder / "result.json").read_text())


def test_a_run_that_ended_early_is_finished(command, tmp_path):
    done = command("gan-train", *RING, *EASY, "hydra.run.dir=run")
    assert done.code == 0, done.err
    result = read_result(tmp_path / "run")
    assert (result["status"], result["step"]) == ("finished", 4)
    assert result["reason"].startswith("equilibrium at step 4: auc ")
    assert result["reason"] in done.out
    assert len(result["evidence"]) == 3
    assert list(Run(tmp_path / "run").checkpoints)[-1] == 4
    repeated = command("gan-train", *RING, *EASY, "hydra.run.dir=run")
    assert (repeated.code, "already finished, skipped" in repeated.out) == (0, True)
    resumed = command("gan-train", "run=run")
    assert (resumed.code, "finished at step 4 (equilibrium at step 4" in resumed.out) == (0, True)
    further = command("gan-train", "run=run", "callback.equilibrium.auc_at_most=0")
    assert further.code == 0, further.err
    assert "going on from step 4" in further.out
    result = read_result(tmp_path / "run")
    assert (result["step"], result["reason"], result["evidence"]) == (20, None, None)


def test_training_continues_with_a_failed_discriminator(command, tmp_path, monkeypatch):
    """In a real run its auc is 0.5, and only the bounds on the samples prevent the stop."""
    from gan_lightning.config import instantiate

    original = instantiate.build_networks

    def zero_discriminator(plain):
        networks = original(plain)
        for p in networks.discriminator.parameters():
            torch.nn.init.zeros_(p)
        return networks

    monkeypatch.setattr(instantiate, "build_networks", zero_discriminator)
    line = (*RING, "optimizer.discriminator.lr=0", "trainer.max_steps=12")
    done = command("gan-train", *line, "hydra.run.dir=failed")
    assert done.code == 0, done.err
    result = read_result(tmp_path / "failed")
    assert (result["status"], result["step"], result["reason"], result["metrics"]["auc"]) == ("finished", 12, None, 0.5)


def test_the_experiment_follows_the_ring():
    ring, equilibrium = (Composer().compose([f"experiment={name}"]) for name in ("ring", "equilibrium"))
    for key in ("model", "data", "regularizer", "optimizer", "gan", "trainer"):
        assert ring[key] == equilibrium[key]
