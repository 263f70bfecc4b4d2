"""A search finds an optimum, survives failing trials, shares its trials among workers, resumes, and writes the best trial."""

import json
import multiprocessing
import os
import random
import re
import shlex
import signal
import statistics
import sys
import time
from pathlib import Path

import fork_server
import held
import optuna
import pytest
from kinds import kinds
from optuna.trial import TrialState
from waiting import HANG, until

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.resolve import resolve
from gan_lightning.sweep.report.collect import collect
from gan_lightning.sweep.search.space import CORNERS, Space
from gan_lightning.sweep.search.study import Study
from gan_lightning.sweep.search.trial import Attempt
from gan_lightning.sweep.search.types import Objective, Outcome, SearchSettings
from gan_lightning.training.data_change import ChangedDataError

THREE = ("optimizer.lr=interval(0,1)", "gan.x=interval(0,1)", "loss=a,b,c")
TINY = (
    "experiment=ring_fast",
    "trainer.max_steps=4",
    "checkpoint.every_n_steps=2",
    "callback.scores.every_n_steps=2",
    "logger=none",
)
LR = "optimizer.lr=tag(log,interval(1e-4,1e-2))"
MYLAB = f'''
import math, sys, time
import torch
from gan_lightning.metric.base import GenerativeMetric
{held.CLASS}

class Odd(Augmentation):
    """Fail in the third step in the configured way."""

    def __init__(self, failure: str = "none") -> None:
        super().__init__()
        self.failure, self.seen = failure, 0

    def update(self, real_logits):
        self.seen += 1
        if self.seen == 3:
            if self.failure == "raise":
                raise ArithmeticError("divided by nothing")
            if self.failure == "exit":
                sys.exit(3)
            if self.failure == "kill":
                os.kill(os.getpid(), signal.SIGKILL)


class Patient(Augmentation):
    """Wait in every step until two trials have started."""

    def __init__(self, folder: str = "") -> None:
        super().__init__()
        self.folder = pathlib.Path(folder)

    def update(self, real_logits):
        while len(list(self.folder.iterdir())) < 2:
            time.sleep(0.02)


class Given(GenerativeMetric):
    """Return the value of the config."""

    maximize = dict(given=True, other=False)

    def __init__(self, value: float = 0.0, num_samples: int = 8) -> None:
        super().__init__(num_samples)
        self.value = value

    def update(self, samples, labels):
        pass

    def compute(self):
        return dict(given=torch.tensor(self.value if self.value >= 0 else math.nan), other=torch.tensor(self.value ** 2))
'''


def result(run):
    return json.loads((run / "result.json").read_text())


def stored_trials(folder, name):
    """Load the trials of the default storage."""
    return optuna.load_study(study_name=name, storage=f"sqlite:///{folder / 'study.db'}").trials


@pytest.fixture
def mylab(tmp_path, monkeypatch):
    """Make a user's package with augmentations that fail, hold and wait, and a metric of a given value."""
    lab, conf = tmp_path / "lab", tmp_path / "conf"
    for folder in (lab, conf / "augmentation", conf / "metric"):
        folder.mkdir(parents=True)
    (lab / "mylab.py").write_text(MYLAB)
    (conf / "augmentation" / "odd.yaml").write_text("_target_: mylab.Odd\nfailure: none\n")
    (conf / "augmentation" / "held.yaml").write_text(held.node(tmp_path / "held"))
    trials = tmp_path / "search" / "ring_fast" / "trials"
    (conf / "augmentation" / "patient.yaml").write_text(f"_target_: mylab.Patient\nfolder: {trials}\n")
    (conf / "metric" / "given.yaml").write_text("given: {_target_: mylab.Given, value: 0.0}\n")
    monkeypatch.syspath_prepend(str(lab))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(lab), *sys.path]))
    monkeypatch.setenv("GAN_LIGHTNING_PACKAGES", "mylab")
    return ("--config-dir", str(conf))


def start(folder, *line, **options):
    return fork_server.start("gan_lightning.cli.search", *line, folder=folder, **options)


# ── the space ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("override", "distribution", "ends"),
    [
        ("loss=hinge,minimax", "Categorical(choices=('hinge', 'minimax'))", ["hinge", "minimax"]),
        ("loss=shuffle(minimax,hinge)", "Categorical(choices=('hinge', 'minimax'))", ["hinge", "minimax"]),
        ("optimizer.lr=1e-4,null", "Categorical(choices=('0.0001', 'null'))", ["0.0001", "null"]),
        ("model.width=range(8,64,8)", "Int(high=56, log=False, low=8, step=8)", ["8", "56"]),
        ("seed=range(5,1,-2)", "Int(high=5, log=False, low=3, step=2)", ["3", "5"]),
        ("seed=tag(log,range(1,9))", "Int(high=8, log=True, low=1, step=1)", ["1", "8"]),
        ("ema.decay=range(0.1,1,0.3)", "Float(high=0.7, log=False, low=0.1, step=0.3)", ["0.1", "0.7"]),
        ("optimizer.lr=interval(1e-4,1e-2)", "Float(high=0.01, log=False, low=0.0001, step=None)", ["0.0001", "0.01"]),
        (LR, "Float(high=0.01, log=True, low=0.0001, step=None)", ["0.0001", "0.01"]),
        ("data.batch_size=int(interval(8,64))", "Int(high=64, log=False, low=8, step=1)", ["8", "64"]),
        ("data.batch_size=tag(int,log,interval(8,64))", "Int(high=64, log=True, low=8, step=1)", ["8", "64"]),
        ("+seed=0,1", "Categorical(choices=('0', '1'))", ["0", "1"]),
    ],
)
def test_sweep_syntax_becomes_a_distribution(override, distribution, ends):
    space = Space(Composer(), ["name=x", override])
    ((key, dimension),) = space.dimensions.items()
    assert repr(dimension.distribution).replace("Distribution", "") == distribution
    assert [dimension.override(end) for end in dimension.ends()] == [f"{key}={end}" for end in ends]
    assert space.overrides({key: dimension.ends()[0]}) == ["name=x", f"{key}={ends[0]}"]


def test_values_of_a_decimal_range_are_rounded_to_its_grid():
    space = Space(Composer(), ["ema.decay=range(0.1,1,0.1)"])
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    overrides = {space.searched_overrides(space.suggest(study.ask()))[0] for _ in range(60)}
    assert overrides == {f"ema.decay=0.{i}" for i in range(1, 10)}


def test_corners_include_every_choice_and_every_end():
    few = Space(Composer(), ["loss=hinge,minimax", LR])
    assert len(list(few.corners())) == 4
    many = Space(Composer(), ["loss=glob(*)", *(f"gan.x{i}=interval(0,1)" for i in range(6))])
    corners = list(many.corners())
    assert len(corners) <= CORNERS
    for key, dimension in many.dimensions.items():
        assert {corner[key] for corner in corners} == set(dimension.ends())


TWO = "seed=0,1"
MISTAKES = {
    (TWO,): "trials: missing; it is needed: trials=…",
    ("trails=3", TWO): "trails=3: no such argument; did you mean trials?",
    ("trials=0", TWO): "trials=0: input should be greater than or equal to 1",
    ("trials=3", "sampler=best", TWO): "sampler=best: input should be 'tpe', 'nsga2' or 'random'",
    ("trials=3",): "nothing to search: give a key several values",
    ("trials=3", "-m", TWO): "-m: not for a search; allowed: --config-dir, --config-name",
    ("trials=3", TWO, "hydra.sweep.dir=x"): "hydra.sweep.dir=x: a search has no launcher and a folder of its own",
    ("trials=3", TWO, "~callback"): "~callback: the best experiment could not express it",
    ("trials=3", TWO, "seed=1"): "seed: given twice, and searched over",
    ("trials=3", "model.width=range(8,8)"): "model.width=range(8,8): it is empty",
    ("trials=3", "optimizer.lr=interval(2,1)"): "optimizer.lr=interval(2,1): it ends before it begins",
    ("trials=3", "optimizer.lr=tag(log,interval(0,1))"): "a logarithmic scale begins above 0",
    ("trials=3", "optimizer.lr=tag(lgo,interval(1,2))"): "tag lgo; allowed: log, int",
    ("trials=3", "seed=tag(log,range(1,9,2))"): "use int(tag(log,interval(1,9)))",
    ("trials=3", TWO, "loss=hinge,minimx"): "loss=minimx: no such option; did you mean minimax?",
    ("trials=3", TWO, "optimzer.lr=1"): "optimzer.lr: no such key; did you mean optimizer.lr?",
    ("trials=3", "optimizer.lr=interval(-1,1)"): "optimizer.lr=-1.0: optimizer.lr: Invalid learning rate: -1.0",
    ("trials=3", "data.batch_size=interval(8,64)"): "whole numbers: data.batch_size=int(interval(8,64))",
    ("trials=3", TWO, "objective=modess"): "objective: no metric gives modess; did you mean modes?",
    ("trials=3", TWO, "objectives=[modes,fid]"): "objectives: no metric gives fid",
    ("trials=3", TWO, "metric=none"): "metric: gives no score to search by",
    ("trials=3", TWO, "metric=mode_coverage,equilibrium"): "objective: trials would be ranked by",
    ("trials=3", TWO, "study=../x"): "study=../x: should be a word",
    ("trials=3", TWO, "storage=foo://me:secret@x"): "storage=foo://me:…@x: NoSuchModuleError",
}


SOME_MISTAKES = [*MISTAKES.items()][::2]


@pytest.mark.parametrize(
    ("line", "message"), kinds(MISTAKES.items(), *SOME_MISTAKES), ids=lambda x: " ".join(x) if isinstance(x, tuple) else ""
)
def test_a_mistake_is_one_line_before_any_trial_starts(command, tmp_path, line, message):
    done = command("gan-search", "experiment=ring_fast", *line)
    assert done.code == 2, done
    assert message in done.err
    assert "Traceback" not in done.err
    assert len(done.err.splitlines()) <= 3
    assert "secret" not in done.err
    assert not list(tmp_path.glob("search/*/trials"))


# ── the study and its sampler, on functions with a known optimum ─────────────────────────────────────────────────────────
def run_study(folder, attempt, trials=40, line=THREE, storage="study.journal", **settings):
    study = Study(
        folder, folder.name, Space(Composer(), list(line)), [Objective("f", False)], SearchSettings(trials, **settings)
    )
    with study.joined(storage and str(folder / storage), {}):
        study.work(attempt)
        return study.trials


def valley(trial):
    x, y, c = (trial.params[key] for key in ("optimizer.lr", "gan.x", "loss"))
    return Outcome(TrialState.COMPLETE, [(x - 0.3) ** 2 + (y - 0.8) ** 2 + 0.3 * (c != "b")])


def gain(trials):
    """Return how much lower the valley is in the last ten trials than in the first ten, which are random, on average."""
    first, last = ([valley(t).values[0] for t in part] for part in (trials[:10], trials[-10:]))
    return statistics.mean(first) - statistics.mean(last)


def test_tpe_finds_a_valley_and_none_in_noise(tmp_path):
    """The negative control: where the objective is noise, the points do not move towards the valley."""
    noise = random.Random(0)
    tpe = [gain(run_study(tmp_path / f"tpe{s}", valley, sampler_seed=s)) for s in range(2)]
    chance = [gain(run_study(tmp_path / f"random{s}", valley, sampler_seed=s, sampler="random")) for s in range(2)]
    unguided = [
        gain(run_study(tmp_path / f"noise{s}", lambda _: Outcome(TrialState.COMPLETE, [noise.random()]), sampler_seed=s))
        for s in range(2)
    ]
    assert min(tpe) > 0.15
    assert statistics.mean(tpe) > 2 * max(statistics.mean(chance), statistics.mean(unguided))
    assert statistics.mean(unguided) < 0.15


def test_an_interrupted_study_proposes_the_same_points(tmp_path):
    """The fifteenth trial is interrupted before its outcome is recorded; it is continued with its own point."""
    uninterrupted = run_study(tmp_path / "uninterrupted", valley, trials=20)

    def interrupted(trial):
        if trial.number == 14:
            raise KeyboardInterrupt
        return valley(trial)

    with pytest.raises(KeyboardInterrupt):
        run_study(tmp_path / "resumed", interrupted, trials=20)
    resumed = run_study(tmp_path / "resumed", valley, trials=20)
    assert [(t.number, t.params, t.values) for t in resumed] == [(t.number, t.params, t.values) for t in uninterrupted]
    other = run_study(tmp_path / "other", valley, trials=3, sampler_seed=1)
    assert other[0].params != uninterrupted[0].params


def test_a_duplicate_point_is_not_trained_again(tmp_path):
    seen = []

    def attempt(trial):
        seen.append(trial.params["loss"])
        return Outcome(TrialState.COMPLETE, [float(len(seen))])

    trials = run_study(tmp_path / "s", attempt, trials=12, line=("loss=a,b,c",))
    assert sorted(seen) == ["a", "b", "c"]
    assert len(trials) == 12
    assert "the same as trial" in trials[-1].user_attrs["reason"]


def work(folder, stuck_in=None):
    """Work on a study; wait in each trial for that of another worker, or stay in trial number `stuck_in` until killed."""

    def attempt(trial):
        (folder / "seen" / f"{trial.number}-{os.getpid()}").touch()
        if stuck_in is None:
            until(lambda: len({path.name.split("-")[1] for path in (folder / "seen").iterdir()}) > 1)
        elif trial.number == stuck_in:
            time.sleep(HANG)
        return valley(trial)

    run_study(folder, attempt, trials=16, storage=None)


def test_workers_share_a_study_and_the_number_of_its_trials(tmp_path):
    folder = tmp_path / "s"
    (folder / "seen").mkdir(parents=True)
    workers = [multiprocessing.get_context("fork").Process(target=work, args=(folder,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(HANG)
    seen = [path.name.split("-") for path in (folder / "seen").iterdir()]
    assert sorted(int(number) for number, _ in seen) == list(range(16))
    assert len({pid for _, pid in seen}) > 1, "a single worker took every trial, so nothing was tested"


def test_a_trial_of_a_dead_worker_is_continued_by_the_next(tmp_path):
    """Killed during a trial: the trial has no live process, and it keeps its number and its point."""
    folder = tmp_path / "s"
    (folder / "seen").mkdir(parents=True)
    worker = multiprocessing.get_context("fork").Process(target=work, args=(folder, 2))
    worker.start()
    until((folder / "seen" / f"2-{worker.pid}").exists)
    worker.kill()
    worker.join()
    trials = run_study(folder, valley, trials=16, storage=None)
    assert [t.number for t in trials] == list(range(16))
    assert {t.state for t in trials} == {TrialState.COMPLETE}
    assert len({t.user_attrs["worker"] for t in trials}) == 2
    assert list((folder / "workers").iterdir()) == []


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
def test_the_best_experiment_trains_to_the_same_bits(command, tmp_path):
    line = ("trials=3", *TINY, LR, "loss=hinge,minimax", "callback.scores={every_n_steps: 2}")
    done = command("gan-search", *line)
    assert done.code == 0, done.err
    folder = tmp_path / "search" / "ring_fast"
    runs = {n: result(folder / "trials" / str(n)) for n in range(3)}
    best = min(runs, key=lambda n: runs[n]["objective"])
    head = (folder / "experiment" / "best.yaml").read_text().splitlines()
    assert head[0] == "# @package _global_"
    assert head[1] == "# gan-train --config-dir search/ring_fast experiment=best"
    assert head[2] == f"# reverse_kl {runs[best]['objective']!r}: trial {best}, the best of 3"
    assert head[3] == f"# found by: {shlex.join(['gan-search', *line])}"
    repeated = command(*shlex.split(head[1][2:]), "hydra.run.dir=repeated")
    assert repeated.code == 0, repeated.err
    assert result(tmp_path / "repeated")["metrics"] == runs[best]["metrics"]
    assert result(tmp_path / "repeated")["best_objective"] == runs[best]["best_objective"]
    repeated_config, trial_config = (p / "config.resolved.yaml" for p in (tmp_path / "repeated", folder / "trials" / str(best)))
    assert "\nthreads: 1\n" in repeated_config.read_text(), "as many as the trial had, whatever `auto` gives a single run"
    assert repeated_config.read_text() == trial_config.read_text().replace("\nthreads: auto\n", "\nthreads: 1\n")
    assert f"  best    {head[1][2:]}" in done.out
    report = collect(folder)
    assert [job.directory for job in report.jobs] == ["trials/0", "trials/1", "trials/2"]
    assert set(report.factors) <= {"optimizer.lr", "loss"}
    assert (folder / "report.html").exists()

    before = {path: path.stat().st_mtime_ns for path in folder.glob("trials/*/result.json")}
    more = command("gan-search", "trials=4", *line[1:])
    assert more.code == 0, more.err
    assert "4 trials for least reverse_kl; 3 finished already" in more.out
    assert all(path.stat().st_mtime_ns == at for path, at in before.items())
    assert (folder / "trials" / "3" / "result.json").exists()
    for override, message in (
        ("trainer.max_steps=5", "holds another search (trainer.max_steps: 4 → 5)"),
        ("loss=hinge,wasserstein", "holds another search (loss: hinge,minimax → hinge,wasserstein)"),
        ("objective=modes", "(objectives: reverse_kl (less is better) → modes (more is better))"),
    ):
        rest = [o for o in line[1:] if o.partition("=")[0] != override.partition("=")[0]]
        other = command("gan-search", "trials=5", *rest, override)
        assert (other.code, len(other.err.splitlines())) == (2, 1)
        assert message in other.err
    (folder / "study.db").unlink()
    lost = command("gan-search", *line)
    assert lost.code == 2
    assert "holds runs that are not in its storage" in lost.err


def test_failed_trials_do_not_end_a_search(command, mylab, tmp_path):
    line = (*mylab, *TINY, "metric=given", "augmentation=odd", "augmentation.failure=none,raise,exit,kill")
    done = command(
        "gan-search",
        "trials=5",
        "sampler=random",
        "sampler_seed=15",
        *line,
        "metric.given.value=choice(0.5,-1)",
        "checkpoint.every_n_steps=4",
    )
    assert done.code == 0, done.err
    reasons = {
        "none": "given: not a number at step 4",
        "raise": "ArithmeticError: divided by nothing",
        "exit": "SystemExit: 3",
        "kill": "killed by SIGKILL",
    }
    trials = stored_trials(tmp_path / "search" / "ring_fast", "ring_fast")
    seen = set()
    for trial in trials:
        failure, good = trial.params["augmentation.failure"], trial.params["metric.given.value"] == "0.5"
        seen.add((failure, good))
        if failure == "none" and good:
            assert trial.state is TrialState.COMPLETE
        else:
            assert (trial.state, trial.user_attrs["reason"]) == (TrialState.FAIL, reasons[failure])
    assert {failure for failure, _ in seen} == {*reasons}
    assert {("none", True), ("none", False)} <= seen
    assert "trial" in done.out
    assert "failed: killed by SIGKILL" in done.out


def make_study(tmp_path, mylab, line, trials, **settings):
    """Make a study whose trials are runs of `mylab`."""
    folder = tmp_path / "s"
    space = Space(Composer(mylab[1]), [*TINY, "metric=given", *line])
    return Study(folder, "s", space, [Objective("given", True)], SearchSettings(trials, sampler="random", **settings))


def test_a_run_that_is_worse_than_the_others_is_stopped_and_saved(mylab, tmp_path):
    def report_only(trial):
        for step in (10, 20):
            trial.report(5.0, step)
        return Outcome(TrialState.COMPLETE, [5.0])

    line = ("metric.given.value=interval(1,2)", "trainer.max_steps=30", "callback.scores.every_n_steps=10")
    line += ("augmentation=held", "augmentation.step=25")
    study = make_study(tmp_path, mylab, line, 5, warm_up=20)
    with study.joined(None, {}):
        study.work(report_only)
    study.settings = study.settings._replace(trials=6)
    with study.joined(None, {}):
        study.work(Attempt(study))
        trial = study.trials[5]
    stopped = result(tmp_path / "s" / "trials" / "5")
    assert trial.state is TrialState.PRUNED
    assert re.match(r"step 20: 1\.\d+, worse than the median of the others there", trial.user_attrs["reason"])
    assert stopped["status"] == "stopped"
    assert 20 <= stopped["step"] <= 25
    assert (tmp_path / "s" / "trials" / "5" / "checkpoints" / f"step={stopped['step']:08d}.ckpt").exists()


def test_data_that_have_changed_end_the_worker_and_release_the_trial(mylab, tmp_path, monkeypatch):
    """The scores of the next trials could not be compared with those of the earlier ones."""

    def refuse(run, plain):
        raise ChangedDataError(f"run={run.path}: the data are not those that it was trained on")

    monkeypatch.setattr("gan_lightning.sweep.search.trial.require_same_data", refuse)
    study = make_study(tmp_path, mylab, ("metric.given.value=interval(1,2)",), 3)
    with study.joined(None, {}):
        with pytest.raises(ChangedDataError):
            study.work(Attempt(study))
        (trial,) = study.trials
    assert (trial.state, trial.user_attrs["worker"]) == (TrialState.RUNNING, "")


@pytest.mark.parametrize("prune", [True, False])
def test_a_run_with_an_alarm_is_stopped(mylab, tmp_path, prune):
    line = ("metric.given.value=interval(1,2)", "trainer.max_steps=8", f"augmentation={'held' if prune else 'none'}")
    health = ("callback.health.every_n_steps=1", "callback.health.patience=1", "callback.health.diversity=0.999")
    study = make_study(tmp_path, mylab, (*line, *health), 1, prune=prune)
    with study.joined(None, {}):
        study.work(Attempt(study))
        (trial,) = study.trials
    assert result(tmp_path / "s" / "trials" / "0")["alarms"]
    if prune:
        assert trial.state is TrialState.PRUNED
        assert "collapse: samples lie only" in trial.user_attrs["reason"]
        assert result(tmp_path / "s" / "trials" / "0")["status"] == "stopped"
    else:
        assert trial.state is TrialState.COMPLETE


def test_several_objectives_give_a_front(command, mylab, tmp_path):
    line = (*mylab, *TINY, "metric=given", "objectives=[given,other]", "metric.given.value=range(0,1,0.25)")
    done = command("gan-search", "trials=4", "study=two", *line)
    assert done.code == 0, done.err
    folder = tmp_path / "search" / "two"
    front = {(t.values[0], t.values[1]) for t in stored_trials(folder, "two")}
    files = sorted(folder.glob("experiment/*.yaml"))
    assert [path.name for path in files] == [f"best_{i}.yaml" for i in range(len(front))]
    assert len(front) > 1
    assert "none is better in every score" in done.out
    repeated = command(*shlex.split(files[0].read_text().splitlines()[1][2:]), "hydra.run.dir=repeated")
    assert repeated.code == 0, repeated.err
    assert result(tmp_path / "repeated")["metrics"]["given"] == max(given for given, _ in front)


STATUS = {signal.SIGTERM: "preempted", signal.SIGINT: "stopped"}
ENDINGS = [signal.SIGTERM, *(pytest.param(n, marks=pytest.mark.slow) for n in (signal.SIGINT, signal.SIGKILL))]


@pytest.mark.parametrize("number", ENDINGS, ids=lambda n: n.name)
def test_an_interrupted_search_loses_no_trial(command, tmp_path, mylab, number):
    line = (*mylab, *TINY, "metric=given", "augmentation=held", "metric.given.value=interval(0,1)")
    line = ("trials=2", *line, "trainer.max_steps=8", "checkpoint.every_n_steps=2", "callback.scores.every_n_steps=8")
    child = start(tmp_path, *line)
    folder = tmp_path / "search" / "ring_fast"
    try:
        until((tmp_path / "held").exists, child)
        child.send_signal(number)
        out, _ = child.communicate(timeout=HANG)
    finally:
        child.kill()
    assert child.returncode == (-9 if number == signal.SIGKILL else 128 + number), out
    first_picture = folder / "trials" / "0" / "samples" / "step=00000000.png"
    saved, began = result(folder / "trials" / "0"), first_picture.stat().st_mtime_ns
    assert number == signal.SIGKILL or (saved["status"], saved["step"]) == (STATUS[number], 6)
    repeated = command("gan-search", *line)
    assert repeated.code == 0, repeated.err
    assert "2 trials for most given; 1 not over already" in repeated.out
    assert first_picture.stat().st_mtime_ns == began, "the trial started again from step 0"
    first, second = stored_trials(folder, "ring_fast")
    assert (first.state, second.state) == (TrialState.COMPLETE, TrialState.COMPLETE)
    assert {result(folder / "trials" / n)["step"] for n in "01"} == {8}


@pytest.mark.slow
def test_two_shells_share_a_search(tmp_path, mylab):
    line = ("trials=6", "prune=false", *mylab, *TINY, "metric=given", "augmentation=patient", "loss=hinge,minimax")
    children = [start(tmp_path, *line, "metric.given.value=interval(0,1)") for _ in range(2)]
    outs = [child.communicate(timeout=HANG)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0], outs
    trials = stored_trials(tmp_path / "search" / "ring_fast", "ring_fast")
    assert [t.state for t in trials] == [TrialState.COMPLETE] * 6
    assert len({t.user_attrs["worker"] for t in trials}) == 2
    assert sum(out.count("of 6: ") for out in outs) == 6


def documented_commands():
    """Return the commands of docs/search.md."""
    text = (Path(__file__).parent.parent.parent / "docs" / "search.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.startswith("gan-")]


@pytest.mark.parametrize("first", kinds([2, 9], 2))
def test_the_commands_in_the_docs(command, first):
    """Run the first two commands, or all of them, in their order, with fewer and shorter trials."""
    assert 4 <= len(documented_commands()) <= 9
    for line in documented_commands()[:first]:
        name, *arguments = shlex.split(line)
        arguments = [re.sub(r"^trials=\d+", "trials=1", argument) for argument in arguments]
        short = ["trainer.max_steps=4"] if name == "gan-search" else []
        done = command(name, *arguments, *short)
        assert done.code == 0, (line, done.err)


def test_an_experiment_gives_the_config_of_its_trial_or_an_error_line(tmp_path, mylab):
    """Groups, lists of options, dicts, added keys and odd strings are written; a deleted key can't be, and is reported."""
    from gan_lightning.sweep.search.best import Experiment, ExperimentFolder

    composer = Composer(mylab[1])
    overrides = [
        "experiment=digits_fast",
        "loss=hinge",
        "regularizer=[r1,r2]",
        "optimizer/schedule=constant",
        "optimizer.lr=1e-05",
    ]
    overrides += [
        "metric=[class_accuracy,kid]",
        "callback.scores={every_n_steps: 7}",
        "name=x1e5",
        "++callback.samples.max_image_mb=3",
        "seed=7",
    ]
    overrides += ["augmentation=odd", "augmentation.failure='1e-4'", "regularizer.r1.weight=0.1"]
    folder = ExperimentFolder(tmp_path, composer, mylab[1])
    assert folder.write([Experiment("best", overrides, ["a\nb"])]) == []
    config = Composer(str(tmp_path)).compose(folder.overrides("best"))
    assert resolve(config) == resolve(composer.compose(overrides))
    (mismatch,) = folder.write([Experiment("best_0", [*overrides, "~callback.samples.max_image_mb"], [])])
    assert "gives another config than its trial's" in mismatch
    assert not (tmp_path / "experiment" / "best.yaml").exists()
    with pytest.raises(UserError):
        Space(composer, ["~seed", LR])
