"""A fork takes its parent's config as data, and a run that goes on keeps what its weights depend on."""

import json
import shutil

import pytest
from omegaconf import OmegaConf
from tiny_gan import trained

from gan_lightning.sweep import execute, job

TINY = ("experiment=digits_fast", "model.width=4", "data.batch_size=16", "trainer.accelerator=cpu", "metric=none",
        "trainer.max_steps=4", "checkpoint.every_n_steps=2", "callback.scalars.every_n_steps=1")  # fmt: skip


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("honest") / "run", *TINY)


@pytest.fixture
def run(honest, tmp_path):
    shutil.copytree(honest, tmp_path / "run")
    return tmp_path / "run"


def result(folder):
    return json.loads((folder / "result.json").read_text())


def record(folder, **entries):
    (folder / "result.json").write_text(json.dumps(result(folder) | entries))


def test_the_words_of_a_parents_result_are_not_composed(command, run, tmp_path):
    (run / "e.yaml").write_text("# @package _global_\nseed: 77\n")
    record(run, overrides=[f"experiment=../../../../../../../..{run}/e", "hydra.run.dir=/precious", "loss=nothing", "{"])
    done = command("gan-train", f"fork={run}", "step=2", "hydra.run.dir=child")
    assert done.code == 0, done.err
    assert result(tmp_path / "child")["overrides"] == [f"fork={{run:'{run}',step:2}}"]
    parent, child = (OmegaConf.load(folder / "config.yaml") for folder in (run, tmp_path / "child"))
    assert child.fork == {"run": str(run), "step": 2}
    assert {k: v for k, v in child.items() if k != "fork"} == {k: v for k, v in parent.items() if k != "fork"}
    again = command("gan-train", *result(tmp_path / "child")["overrides"], "hydra.run.dir=child")
    assert again.out.startswith("already finished, skipped"), again.err


def test_a_typed_group_replaces_its_node_alone(command, run, tmp_path):
    (tmp_path / "mine" / "loss").mkdir(parents=True)
    (tmp_path / "mine" / "loss" / "l.yaml").write_text("_target_: gan_lightning.loss.hinge.Hinge\n")
    line = ("--config-dir", "mine", f"fork={run}", "step=2", "loss=l", "optimizer=sgd", "optimizer.lr=0.5", "regularizer=r1")
    printed = command("gan-train", *line, "regularizer.r1.weight=2", "--cfg", "job")
    assert printed.code == 0, printed.err
    child, parent = OmegaConf.create(printed.out), OmegaConf.load(run / "config.yaml")
    assert child.loss._target_.endswith("Hinge")
    assert (child.optimizer.generator._target_, child.optimizer.lr) == ("torch.optim.SGD", 0.5)
    assert child.optimizer.schedule == parent.optimizer.schedule  # a group inside it, which is not typed
    assert (list(child.regularizer), child.regularizer.r1.weight) == (["r1"], 2)
    kept = ("model", "data", "gan", "ema", "trainer", "name", "callback", "checkpoint")
    assert all(child[key] == parent[key] for key in kept)


@pytest.mark.slow
def test_forks_are_a_sweep(command, run, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "run_in_subprocess", lambda run: job.train_run(run.path))
    monkeypatch.setattr(execute, "try_write_report", lambda folder: None)
    line = ("-m", f"fork={run}", "step=2", "loss=relativistic,hinge", "regularizer.r1.weight=0.5", "hydra.sweep.dir=all")
    done = command("gan-train", *line)
    assert (done.code, "2 of 2 finished" in done.out) == (0, True), done.err
    jobs = sorted(path.parent for path in (tmp_path / "all").glob("*/config.yaml"))
    assert [path.name for path in jobs] == [f"loss={loss},regularizer.r1.weight=0.5" for loss in ("hinge", "relativistic")]
    configs = [OmegaConf.load(path / "config.yaml") for path in jobs]
    assert [(c.model.width, c.fork.step, c.regularizer.r1.weight) for c in configs] == [(4, 2, 0.5)] * 2
    wanted = ["loss=hinge", "regularizer.r1.weight=0.5", f"fork={{run:'{run}',step:2}}"]
    assert result(jobs[0])["overrides"] == wanted
    assert "2 finished already" in command("gan-train", *line).out
    config = (jobs[0] / "config.yaml").read_text()
    (jobs[0] / "config.yaml").write_text(config.replace("weight: 0.5", "weight: 0.7"))
    (jobs[0] / "config.resolved.yaml").unlink()
    other = command("gan-train", *line)
    assert (other.code, "regularizer.r1.weight: 0.7 → 0.5" in other.err) == (2, True), other.err


@pytest.mark.parametrize(
    ("words", "begin"),
    [
        (("experiment=digits_fast",), "experiment=digits_fast: fork= goes on with the config of its parent"),
        (("~regularizer.r1",), "~regularizer.r1: fork= takes options of groups and values"),
        (("+loss@gan.loss=hinge",), "+loss@gan.loss=hinge: fork= takes options of groups and values"),
        (("loss=../../run/e",), "loss=../../run/e: no such option"),
        (("losss=hinge",), "losss: "),
        (("hydra.sweeper._target_=x.Y",), "hydra.sweeper: "),
    ],
)
def test_what_a_fork_does_not_take(command, run, words, begin):
    done = command("gan-train", f"fork={run}", "step=2", *words)
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert done.err.startswith(begin)


@pytest.mark.parametrize("value", ["{run: 3, step: 2}", "{run: x}", "{step: 2}", "{}", "{run: x, step: '2'}"])
def test_a_fork_that_is_none(command, value):
    done = command("gan-train", f"fork={value}")
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert done.err.startswith("fork=")


@pytest.mark.parametrize("where", ["name", "fork", "seed", "model.width", "regularizer"])
@pytest.mark.parametrize("line", [("run=run",), ("fork=run", "step=2")])
def test_a_parents_config_reads_nothing_from_outside(command, run, monkeypatch, line, where):
    monkeypatch.setenv("SECRET", "hunter2")
    config = OmegaConf.load(run / "config.yaml")
    OmegaConf.update(config, where, "${oc.env:SECRET}", merge=False, force_add=True)
    (run / "config.yaml").write_text(OmegaConf.to_yaml(config))
    done = command("gan-train", *line)
    assert (done.code, done.err.startswith(f"{where}: reads SECRET"), len(done.err.splitlines())) == (2, True, 1), done.err


FIXED = ("precision=bf16-mixed", "deterministic=true", "benchmark=true", "max_epochs=3", "gradient_clip_val=1",
         "strategy.sync_batchnorm=false", "_target_=x.Y")  # fmt: skip


@pytest.mark.parametrize("word", FIXED)
def test_what_the_weights_depend_on_does_not_change(command, run, word):
    done = command("gan-train", "run=run", f"trainer.{word}", "trainer.max_steps=5")
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert f"trainer.{word}: run= goes on with the run's own trainer." in done.err
    assert "to go on in a new run: gan-train fork=run step=4" in done.err


def test_a_strategy_that_normalises_otherwise_is_another(command, run):
    node = "{_target_: gan_lightning.distributed.strategy.Parallel, sync_batchnorm: false}"
    done = command("gan-train", "run=run", f"trainer.strategy={node}", "trainer.devices=2")
    assert done.err.startswith("trainer.strategy.sync_batchnorm: run= goes on with the run's own")


def test_more_steps_move_the_schedules(command, run):
    done = command("gan-train", "run=run", "trainer.max_steps=5")
    assert done.code == 0, done.err
    moved = "optimizer.schedule, regularizer.r1.schedule, regularizer.r2.schedule"
    line = f"changed: trainer.max_steps: 4 → 5; this moves what is a function of step / max_steps: {moved}"
    assert line in done.out.splitlines(), done.out


def test_a_place_outside_of_the_parent_is_typed_again(command, run, tmp_path):
    config = OmegaConf.load(run / "config.yaml")
    node = {"_target_": "pytorch_lightning.loggers.MLFlowLogger", "tracking_uri": f"file:{tmp_path}/theirs"}
    OmegaConf.update(config, "logger", node, merge=False)
    (run / "config.yaml").write_text(OmegaConf.to_yaml(config))
    done = command("gan-train", "fork=run", "step=2")
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert done.err.startswith(f"logger.tracking_uri: file:{tmp_path}/theirs comes from the config.yaml of fork=run")
    done = command("gan-train", "fork=run", "step=2", "logger=none", "hydra.run.dir=child")
    assert done.code == 0, done.err
    assert not (tmp_path / "theirs").exists()


def test_a_callback_with_a_state_may_be_added(command, run):
    """The checkpoints of before have none of its state."""
    node = "{_target_: gan_lightning.callback.equilibrium.Equilibrium, auc_at_most: 0.6, at_least: {}, patience: 2}"
    done = command("gan-train", "run=run", "trainer.max_steps=5", f"callback.equilibrium={node}")
    assert "no checkpoint can be read" not in done.err
    assert "going on from step 4" in done.out or "auc" in done.err, done.err


@pytest.mark.parametrize("step", ["²", "-1", "٣"])
def test_a_step_that_is_no_number(command, run, step):
    done = command("gan-train", "fork=run", f"step={step}")
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert done.err.startswith("fork=run: from which step? step=N")


@pytest.mark.parametrize("key", ["mlflow.note", "1"])
def test_a_key_that_a_config_can_not_keep_is_refused_before_the_run(command, tmp_path, key):
    done = command("gan-train", *TINY, f"+logger.tags={{{key}: hello}}", "hydra.run.dir=made")
    assert done.code == 2
    assert "logger.tags: the key" in done.err or "logger.tags: no such key" in done.err
    assert not (tmp_path / "made").exists()
