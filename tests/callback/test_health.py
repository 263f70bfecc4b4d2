"""Every failure raises the alarm with its name, and a healthy run raises none."""

import json
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from kinds import kinds
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_gan import NoSync
from tiny_gan import equal, fit, make_gan
from torch import nn

from gan_lightning.augmentation.ada import ADA
from gan_lightning.callback.checkpoint import Checkpoint
from gan_lightning.callback.health import Health
from gan_lightning.config.validate import validate
from gan_lightning.gan import GAN
from gan_lightning.loss.hinge import Hinge
from gan_lightning.loss.least_squares import LeastSquares
from gan_lightning.loss.minimax import Minimax
from gan_lightning.loss.non_saturating import NonSaturating
from gan_lightning.loss.relativistic import Relativistic
from gan_lightning.loss.wasserstein import Wasserstein
from gan_lightning.model import dirac
from gan_lightning.regularizer.base import Regularizer
from gan_lightning.regularizer.gradient_penalty import GradientPenalty
from gan_lightning.regularizer.r1 import R1
from gan_lightning.run.directory import Run
from gan_lightning.step.types import Batch
from gan_lightning.training.restore import load_state

TINY = ("experiment=digits_fast", "model.width=4", "data.batch_size=16", "trainer.accelerator=cpu", "metric=none")
AT = 37


@pytest.fixture
def run(tmp_path):
    (tmp_path / "config.yaml").write_text("{}")
    return Run(tmp_path)


def alarms(run):
    return [(alarm["step"], alarm["name"]) for alarm in run.result["alarms"]]


def message(run):
    (alarm,) = run.result["alarms"]
    return alarm["message"]


class At(pl.Callback):
    """Call a function before or after iteration `step`."""

    def __init__(self, step=AT, before=lambda gan, batch: None, after=lambda gan: None):
        self.step, self.before, self.after = step, before, after

    def on_train_batch_start(self, trainer, module, batch, i):
        if trainer.global_step == self.step:
            self.before(module, batch)

    def on_train_batch_end(self, trainer, module, *rest):
        if trainer.global_step == self.step:
            self.after(module)


# ── not finite ───────────────────────────────────────────────────────────────────────────────────────────────────────────
class NaNPenalty(R1):
    def discriminator(self, context):
        self.calls = getattr(self, "calls", 0) + 1
        return super().discriminator(context) * (float("nan") if self.calls == AT else 1)


class Root(Regularizer):
    """A term that is finite while its gradient is not, like a norm at 0."""

    def discriminator(self, context):
        self.calls = getattr(self, "calls", 0) + 1
        return (context.real_output.logits * 0).abs().sqrt() if self.calls == AT else context.real_output.logits * 0


def overwrite(name, value):
    def before(gan, batch):
        with torch.no_grad():
            dict(gan.named_parameters())[name].view(-1)[0] = value

    return before


SITES = {
    "generator": (
        {},
        At(before=overwrite("generator.hidden.0.weight", float("nan"))),
        f"generator.hidden.0.weight is not finite since step {AT}",
    ),
    "discriminator": (
        {},
        At(before=overwrite("discriminator.head.linear.bias", float("inf"))),
        f"discriminator.head.linear.bias is not finite since step {AT}",
    ),
    "batch": (
        {},
        At(AT - 1, before=lambda gan, batch: batch.real[3].fill_(float("nan"))),
        f"the real batch is not finite since step {AT}",
    ),
    "penalty": ({"regularizers": {"r1": NaNPenalty()}}, At(), f"regularizer/r1/d is not finite since step {AT}"),
    "slope": (
        {"regularizers": {"root": Root()}},
        At(),
        f"the gradient of discriminator.hidden.0.weight is not finite since step {AT}",
    ),
}


@pytest.mark.parametrize("site", SITES)
def test_what_is_not_finite_is_named_and_ends_the_run(run, capsys, site):
    overrides, harm, expected = SITES[site]
    trainer, _ = fit(make_gan(**overrides), steps=200, callbacks=[harm, Health(run)])
    assert trainer.global_step == 50
    assert (message(run), alarms(run)) == (expected, [(50, "non_finite")])
    assert run.verdict == ("failed", expected)
    assert capsys.readouterr().err.splitlines()[-1] == f"step 50: non_finite: {expected}"


@pytest.mark.parametrize("steps", [AT, 40])
def test_the_last_steps_of_a_run_are_checked_too(run, steps):
    harm = At(AT, after=lambda gan: overwrite("discriminator.hidden.0.weight", float("nan"))(gan, None))
    fit(make_gan(), steps=steps, callbacks=[harm, Health(run)])
    assert run.verdict == ("failed", f"discriminator.hidden.0.weight is not finite since step {AT}")


def test_the_last_state_of_a_stopped_run_is_checked_too(run):
    harm = At(AT, after=lambda gan: overwrite("generator.out.bias", float("nan"))(gan, None))
    trainer, _ = fit(make_gan(), steps=100, callbacks=[harm, Stop(40), Health(run)])
    assert (trainer.global_step, alarms(run)) == (40, [(40, "non_finite")])


def test_an_alarm_outside_stop_on_does_not_stop_the_run(run):
    harm = At(before=overwrite("generator.hidden.0.weight", float("nan")))
    trainer, _ = fit(make_gan(), steps=120, callbacks=[harm, Health(run, stop_on=())])
    assert (trainer.global_step, alarms(run), run.verdict) == (120, [(50, "non_finite")], None)


class Stop(pl.Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer, *rest):
        trainer.should_stop = trainer.global_step >= self.step


# ── good checkpoints are kept ────────────────────────────────────────────────────────────────────────────────────────────
STATES = {
    "parameter": lambda gan: gan.discriminator.hidden[0].weight,
    "average": lambda gan: gan.ema.average.out.weight,
    "buffer": lambda gan: gan.generator.running,
    "moment": lambda gan: next(iter(gan.optimizers()[1].state.values()))["exp_avg"],
}


@pytest.mark.parametrize("part", STATES)
def test_a_state_that_is_not_finite_is_never_saved(run, capsys, part):
    gan = make_gan()
    gan.generator.register_buffer("running", torch.zeros(2))
    gan.ema.average.register_buffer("running", torch.zeros(2))

    def after(gan):
        with torch.no_grad():
            STATES[part](gan).view(-1)[0] = float("nan")

    # Health does not run, and the next update overwrites a NaN in the average: put it there at the steps that are saved
    fit(
        gan,
        steps=8,
        callbacks=[At(6, after=after), At(7, after=after), At(8, after=after), Checkpoint(run, every_n_steps=2, save_last_k=9)],
    )
    assert list(run.checkpoints) == [2, 4]
    assert capsys.readouterr().err.count("nothing is saved of such a state") == 1


def test_a_finite_state_is_saved_to_the_end(run):
    """The negative control of the test above."""
    fit(make_gan(), steps=7, callbacks=[Checkpoint(run, every_n_steps=2, save_last_k=9)])
    assert list(run.checkpoints) == [2, 4, 6, 7]


def test_the_best_is_one_that_was_saved(run):
    def best(step, value):
        return lambda gan: run.record(best_step=step, best_objective=value)

    def worse(gan):
        best(5, 0.9)(gan)
        overwrite("discriminator.hidden.0.weight", float("nan"))(gan, None)

    fit(
        make_gan(),
        steps=9,
        callbacks=[At(3, after=best(3, 0.5)), At(5, after=worse), Checkpoint(run, every_n_steps=4, save_last_k=1)],
    )
    assert (run.best_step, run.result["best_objective"], list(run.checkpoints)) == (3, 0.5, [3, 4])


# ── failures that persist ────────────────────────────────────────────────────────────────────────────────────────────────
class Constant(nn.Module):
    """Generate one learned sample for every z."""

    def __init__(self):
        super().__init__()
        self.x = nn.Parameter(torch.zeros(1, 4, 4))

    def forward(self, z, labels=None):
        return self.x.tanh().expand(len(z), 1, 4, 4)


def optimizers(generator=1e-3, discriminator=1e-3):
    rates = {"generator": generator, "discriminator": discriminator}
    return {player: partial(torch.optim.Adam, lr=lr, betas=(0.5, 0.99)) for player, lr in rates.items()}


FAILURES = {
    "discriminator_wins": {"loss": Minimax(), "optimizers": optimizers(discriminator=0.1)},
    "frozen": {"optimizers": optimizers(generator=0.0)},
    "collapse": {"generator": Constant()},
}


@pytest.mark.parametrize("failure", FAILURES)
def test_an_alarm_is_raised_once(run, capsys, failure):
    trainer, _ = fit(make_gan(**FAILURES[failure]), steps=300, callbacks=[Health(run)])
    assert trainer.global_step == 300
    ((step, name),) = alarms(run)
    assert (name, run.verdict) == (failure, None)
    assert 250 <= step <= 300
    assert capsys.readouterr().err.count(f"{failure}: ") == 1


def test_an_alarm_in_stop_on_stops_the_run(run):
    trainer, _ = fit(make_gan(generator=Constant()), steps=300, callbacks=[Health(run, patience=2, stop_on=("collapse",))])
    assert (trainer.global_step, run.verdict.status, run.verdict.reason) == (100, "failed", message(run))


LOSSES = [Minimax, NonSaturating, LeastSquares, Hinge, Wasserstein, Relativistic]


GANS = [(n, loss) for n in (1, 8) for loss in LOSSES]


@pytest.mark.parametrize(("n", "loss"), kinds(GANS, (1, Minimax), (1, Hinge), (8, Wasserstein), (8, Relativistic)))
def test_a_healthy_gan_raises_no_alarm(run, loss, n):
    penalty = GradientPenalty() if loss is Wasserstein else R1(0.1)
    fit(make_gan(loss=loss(), regularizers={"penalty": penalty}), n=n, steps=300, callbacks=[Health(run, every_n_steps=10)])
    assert alarms(run) == []


def test_a_dirac_gan_with_batches_of_one_raises_no_alarm(run):
    sgd = partial(torch.optim.SGD, lr=0.1)
    gan = make_gan(
        generator=dirac.Generator(),
        discriminator=dirac.Discriminator(),
        loss=Minimax(),
        regularizers={"r1": R1(1.0)},
        optimizers={"generator": sgd, "discriminator": sgd},
    )
    fit(gan, n=1, shape=(1,), steps=300, callbacks=[Health(run, every_n_steps=10)])
    assert alarms(run) == []


def test_the_discriminators_warm_up_raises_no_alarm(run):
    fit(make_gan(generator=Constant(), discriminator_warmup_steps=300), steps=300, callbacks=[Health(run)])
    assert alarms(run) == []


def test_a_learning_rate_that_decays_to_0_raises_no_alarm(run):
    def decay(progress):
        return 1.0 if progress < 0.1 else 1e-9

    fit(make_gan(schedule=decay), steps=300, callbacks=[Health(run, every_n_steps=10)])
    assert alarms(run) == []


WINS = {"separation": 1.0, "gap": 9.0, "slope_g": 1.0, "slope_d": 1.0, "gradient_g": 1.0, "generator_motion": 0.1}


@pytest.mark.parametrize(("signal", "value"), [("slope_g", 0.01), ("slope_d", 0.0), ("gradient_g", 0.009), ("separation", 0.9)])
def test_the_conditions_of_discriminator_wins(run, signal, value):
    """D separates the pairs, and one of the three gradients has vanished; separation alone raises no alarm."""
    health, gan = Health(run, patience=2), make_gan()
    fit(gan, steps=1, callbacks=[health])
    for values in (*[WINS] * 3, *[WINS | {signal: value}] * 2):
        health._check_signals(gan.trainer, gan, values)
    assert ("separation" in health.confirmed) == (signal != "separation")


class Scored(pl.Callback):
    """Set the run's scores, one dict per evaluation."""

    def __init__(self, run, evaluations, every_n_steps=10):
        self.run, self.evaluations, self.every_n_steps = run, evaluations, every_n_steps

    def on_train_batch_end(self, trainer, *rest):
        i, rest = divmod(trainer.global_step, self.every_n_steps)
        if rest == 0 and i <= len(self.evaluations):
            self.run.scores = trainer.global_step, self.evaluations[i - 1]


def modes(*counts):
    return [{"modes": float(n)} for n in counts]


@pytest.mark.parametrize(
    ("evaluations", "expected"),
    [
        (modes(3, 8, 3, 3, 8, 8), [(40, "collapse")]),
        (modes(2, 8, 3, 8, 3, 8), []),
        (modes(8, 5, 4, 4, 4), []),
        ([{"recall": 0.5, "copying": 0.9}, {"recall": 0.1, "copying": float("nan")}, {"recall": 0.2}], [(30, "collapse")]),
        ([{"copying": 0.9}, {"copying": 0.4}, {"copying": 0.3}], [(30, "memorising")]),
        ([{"copying": 0.4}, {"copying": 0.6}, {"copying": 0.4}], []),
    ],
)
def test_scores_that_fall(run, capsys, evaluations, expected):
    fit(make_gan(), steps=80, callbacks=[Scored(run, evaluations), Health(run, every_n_steps=10)])
    assert alarms(run) == expected
    over = [line for line in capsys.readouterr().err.splitlines() if line.endswith(" is over")]
    assert over == (["step 50: collapse is over"] if evaluations[0].get("modes") == 3 else [])


# ── augmentation that leaks ──────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("p", "expected"), [(0.81, [(30, "leaking")]), (0.79, [])])
def test_a_high_probability_of_transforms_leaks(run, p, expected):
    gan = make_gan(augmentation=ADA(initial_p=p, speed_kimg=1e9))
    fit(gan, steps=40, callbacks=[Health(run, every_n_steps=10, patience=3)])
    assert alarms(run) == expected
    if expected:
        assert message(run) == "each transform is applied with probability 0.81; above 0.8 transforms appear in the samples"


def test_the_alarm_ends_when_the_probability_falls(run, capsys):
    harm = [At(step, after=lambda gan, p=p: gan.augmentation.p.fill_(p)) for step, p in ((1, 0.9), (25, 0.9), (26, 0.5))]
    fit(make_gan(augmentation=ADA(speed_kimg=1e9)), steps=40, callbacks=[*harm, Health(run, every_n_steps=10, patience=2)])
    assert alarms(run) == [(20, "leaking")]
    assert "step 30: leaking is over" in capsys.readouterr().err.splitlines()


# ── the run is unchanged ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_run_is_the_same_without_it(run):
    config = {"num_classes": 3, "loss": Relativistic()}
    with_health, without = make_gan(**config), make_gan(**config)
    _, terms = fit(with_health, steps=30, num_classes=3, callbacks=[Health(run, every_n_steps=3)])
    _, terms_without = fit(without, steps=30, num_classes=3)
    assert equal(terms, terms_without)
    assert equal(with_health.state_dict(), without.state_dict())


def test_an_iteration_does_not_wait_for_it(run):
    gan, health = make_gan(), Health(run)
    trainer, terms = fit(gan, steps=9, callbacks=[Stop(3), health])
    batch = Batch(torch.randn(8, 1, 4, 4), None)
    with NoSync():
        health.on_train_batch_start(trainer, gan, batch, 0)
        health.on_train_batch_end(trainer, gan, terms[-1], batch, 0)
    with pytest.raises(AssertionError, match="makes the host wait"), NoSync():
        health._read(trainer, gan, terms[-1], batch)


def test_a_resumed_run_drops_the_alarms_of_later_steps(run):
    run.record(alarms=[{"step": step, "name": "collapse", "message": "…"} for step in (0, 40)])
    fit(make_gan(), steps=10, callbacks=[Health(run)])
    assert alarms(run) == [(0, "collapse")]


# ── from the command line ────────────────────────────────────────────────────────────────────────────────────────────────
FIRST = "generator.start.0.weight"


def insert_nan(monkeypatch, step):
    original = GAN.training_step

    def training_step(self, batch, i):
        if self.global_step == step:
            overwrite(FIRST, float("nan"))(self, batch)
        return original(self, batch, i)

    monkeypatch.setattr(GAN, "training_step", training_step)


def test_a_failed_run_reports_one_line(command, tmp_path, monkeypatch):
    insert_nan(monkeypatch, 25)
    line = (
        *TINY,
        "trainer.max_steps=90",
        "checkpoint.every_n_steps=10",
        "callback.health.every_n_steps=20",
        "hydra.run.dir=run",
    )
    done = command("gan-train", *line)
    assert (done.code, "Traceback" in done.err) == (1, False)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (result["status"], result["step"], result["alarms"][0]["name"]) == ("failed", 40, "non_finite")
    assert result["reason"] in done.err
    assert f"failed at step 40 ({result['reason']})" in done.out
    assert result["reason"].endswith("is not finite since step 26")
    run = Run(tmp_path / "run")
    assert list(run.checkpoints) == [10, 20]
    state, _ = load_state(run, validate(run.config))
    assert all(x.isfinite().all() for x in state.values() if x.is_floating_point())
    events = EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    assert {"health/separation", "health/gap", "health/diversity"} <= set(events.Tags()["scalars"])
    assert any("health" in tag for tag in events.Tags()["tensors"])


def test_without_health_training_continues_unsaved(command, tmp_path, monkeypatch):
    insert_nan(monkeypatch, 25)
    line = (*TINY, "trainer.max_steps=60", "checkpoint.every_n_steps=10", "hydra.run.dir=run", "~callback.health")
    done = command("gan-train", *line)
    assert (done.code, done.err.count("nothing is saved of such a state")) == (0, 1)
    assert list(Run(tmp_path / "run").checkpoints) == [10, 20]


def test_a_sweep_continues_and_counts_the_failed_run(command):
    done = command("gan-train", "-m", *TINY, "optimizer.lr=1e30,1e-3", "trainer.max_steps=5")
    assert (done.code, "Traceback" in done.err) == (1, False)
    assert "1 of 2 finished" in done.out
    (line,) = [line for line in done.out.splitlines() if line.startswith("  failed at step")]
    assert "optimizer.lr=1e+30" in line
    assert "is not finite since step" in line


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_ten_healthy_seeds_of_the_digits(command, tmp_path, seed):
    assert command("gan-train", "experiment=digits_fast", f"seed={seed}", "hydra.run.dir=run").code == 0
    assert json.loads((tmp_path / "run" / "result.json").read_text())["alarms"] == []
