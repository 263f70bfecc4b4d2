"""Any step of a run again, and runs that go on from it with another configuration."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file
from tiny_gan import equal

from gan_lightning.cli import replay

STEPS = 30
TINY = (
    "experiment=digits_fast",
    "model.width=4",
    "data.batch_size=16",
    "trainer.accelerator=cpu",
    f"trainer.max_steps={STEPS}",
    "gan.d_steps_per_g_step=2",
    "regularizer.r1.interval=3",
    "checkpoint={every_n_steps: 10, save_last_k: 1}",
    "callback.scalars.every_n_steps=1",
    "metric=none",
)


def result(folder):
    return json.loads((folder / "result.json").read_text())


def state(folder, step):
    return torch.load(folder / "checkpoints" / f"step={step:08d}.ckpt", weights_only=True)


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """A finished run that kept nothing but its last state."""
    from hydra.core.global_hydra import GlobalHydra

    from gan_lightning.cli import train

    folder = tmp_path_factory.mktemp("parent") / "run"
    GlobalHydra.instance().clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["gan-train", *TINY, f"hydra.run.dir={folder}"])
        train.main()
    assert [p.name for p in (folder / "checkpoints").iterdir()] == [f"step={STEPS:08d}.ckpt"]
    return folder


@pytest.mark.parametrize("step", [1, 13, STEPS])
def test_a_step_again_is_as_it_was_logged(command, parent, step, tmp_path):
    done = command("gan-replay", f"run={parent}", f"step={step}", "out=seen")
    assert done.code == 0, done.err
    told = json.loads((tmp_path / "seen" / "terms.json").read_text())
    assert told["terms"].keys() >= {"loss/d", "loss/g", "logits/real", "gradient/d", "gradient/g", "regularizer/r2/d"}
    assert ("regularizer/r1/d" in told["terms"]) == ((step - 1) % 3 == 0)
    assert told["logged"] == told["terms"]
    assert done.out.count("as logged") == len(told["terms"])
    kept = load_file(tmp_path / "seen" / "step.safetensors")
    assert kept["real"].shape == (32, 1, 8, 8)
    assert kept["fake"].shape == (16, 1, 8, 8)
    assert float(kept["loss/g"].mean()) == told["terms"]["loss/g"]
    lengths = [x.norm() for name, x in kept.items() if name.startswith("gradient/generator.")]
    assert float(torch.stack(lengths).norm()) == pytest.approx(told["terms"]["gradient/g"], rel=1e-6)
    assert {"real.png", "fake.png"} <= {p.name for p in (tmp_path / "seen").iterdir()}


def test_another_run_is_not_as_it_was_logged(command, parent, tmp_path):
    """The negative control: the same step of another seed."""
    (tmp_path / "other").mkdir()
    for path in parent.iterdir():
        if path.is_file():
            (tmp_path / "other" / path.name).write_bytes(path.read_bytes())
    config = tmp_path / "other" / "config.yaml"
    config.write_text(config.read_text().replace("\nseed: 0\n", "\nseed: 1\n"))
    done = command("gan-replay", "run=other", "step=3")
    assert done.code == 1
    assert done.out.count("DIFFERS") >= 6


@pytest.mark.parametrize(
    ("step", "said"), [(0, "step=0: input should be"), (STEPS + 1, f"step={STEPS + 1}: this run goes from")]
)
def test_a_step_that_is_not_in_the_run(command, parent, step, said):
    done = command("gan-replay", f"run={parent}", f"step={step}")
    assert (done.code, done.err.startswith(said)) == (2, True), done.err


def test_a_fork_that_changes_nothing_is_the_parent(command, parent, tmp_path):
    done = command("gan-train", f"fork={parent}", "step=17", "hydra.run.dir=child")
    assert done.code == 0, done.err
    one, other = state(tmp_path / "child", STEPS), state(parent, STEPS)
    assert all(equal(one[part], other[part]) for part in ("state_dict", "optimizer_states", "global_step"))
    assert f"fork={{run:'{parent}',step:17}}" in result(tmp_path / "child")["overrides"]
    assert command("gan-replay", "run=child", "step=20").code == 0
    assert command("gan-replay", "run=child", "step=17").err.startswith("step=17: this run goes from step 18 to")


def test_a_fork_goes_on_with_another_configuration(command, parent, tmp_path):
    line = (f"fork={parent}", "step=30", "regularizer=r1", "trainer.max_steps=33", "optimizer.lr=0.5")
    assert command("gan-train", *line, "checkpoint.save_last_k=3", "hydra.run.dir=child").code == 0
    assert result(tmp_path / "child")["overrides"] == [
        *line[2:],
        "checkpoint.save_last_k=3",
        f"fork={{run:'{parent}',step:30}}",
    ]
    config = OmegaConf.load(tmp_path / "child" / "config.yaml")
    assert (config.model.width, config.name, config.optimizer.schedule._target_.rpartition(".")[2]) == (
        4,
        "digits_fast",
        "Cosine",
    )
    assert (list(config.regularizer), config.regularizer.r1.interval) == (["r1"], 1)  # the option's, not the parent's
    began, ended = state(tmp_path / "child", 30), state(tmp_path / "child", 33)
    old = state(parent, 30)
    assert all(equal(x, old["state_dict"][name]) for name, x in began["state_dict"].items() if "regularizer" not in name)
    assert [o["param_groups"][0]["lr"] for o in began["optimizer_states"]] == [0.5, 0.5]
    assert equal(began["optimizer_states"][0]["state"], old["optimizer_states"][0]["state"])
    assert ended["global_step"] == 33
    assert not equal(ended["state_dict"], began["state_dict"])


def test_an_optimizer_of_another_class_begins_afresh(command, parent, tmp_path):
    line = (f"fork={parent}", "step=30", "optimizer=sgd", "trainer.max_steps=31", "checkpoint.save_last_k=3")
    done = command("gan-train", *line, "hydra.run.dir=child")
    assert done.code == 0, done.err
    assert "optimizer.discriminator: begins afresh" in done.out
    assert all(not o["state"] for o in state(tmp_path / "child", 30)["optimizer_states"])


def test_a_fork_that_lost_its_start_fetches_it_again(command, parent, tmp_path):
    assert command("gan-train", f"fork={parent}", "step=30", "trainer.max_steps=31", "hydra.run.dir=child").code == 0
    whole = state(tmp_path / "child", 31)
    for path in (tmp_path / "child" / "checkpoints").iterdir():
        path.unlink()
    record = result(tmp_path / "child") | {"status": "running", "step": 0, "saved": None}
    (tmp_path / "child" / "result.json").write_text(json.dumps(record))
    done = command("gan-train", "run=child")
    assert "going on from step 30" in done.out
    assert equal(state(tmp_path / "child", 31)["state_dict"], whole["state_dict"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("step=9",), "fork=nowhere: no run directory"),
        ((), "fork={parent}: from which step? step=N; there are checkpoints of 30"),
        (("step=9", "model.width=8", "hydra.run.dir=child"), "fork={parent}: its networks don't fit this config, first in"),
        (("step=9", "los=hinge"), "los: no such key; did you mean loss?"),
        (("step=99", "hydra.run.dir=child"), "step=99: this run goes from step 1 to 30"),
    ],
)
def test_a_fork_that_cannot_be(command, parent, words, said):
    where = "nowhere" if "nowhere" in said else parent
    done = command("gan-train", f"fork={where}", *words)
    assert (done.code, done.err.startswith(said.format(parent=parent))) == (2, True), done.err


def test_a_changed_config_is_remembered(command, parent, tmp_path):
    (tmp_path / "run").mkdir()
    for path in parent.rglob("*"):
        target = tmp_path / "run" / path.relative_to(parent)
        target.parent.mkdir(exist_ok=True, parents=True)
        if path.is_file():
            target.write_bytes(path.read_bytes())
    assert command("gan-train", "run=run", "trainer.max_steps=32").code == 0
    found = result(tmp_path / "run")
    assert "trainer.max_steps=32" in found["overrides"]
    assert f"trainer.max_steps={STEPS}" not in found["overrides"]
    assert [entry["step"] for entry in found["continued"]] == [STEPS]
    said = command("gan-replay", "run=run", "step=5").out
    assert "the config has changed since, at step 30: trainer.max_steps" in said


@pytest.mark.parametrize(("then", "code", "said"), [(math.nan, 0, "as logged"), (1.0, 1, "DIFFERS: logged 1")])
def test_a_nan_is_what_a_nan_was(tmp_path, capsys, then, code, said):
    terms = {"step": 7, "since": 5, "terms": {"loss/d": math.nan}, "logged": {"loss/d": then}}
    (tmp_path / "terms.json").write_text(json.dumps(terms))
    assert replay.print_record(SimpleNamespace(result={}), tmp_path) == code
    assert f"loss/d  nan              {said}" in capsys.readouterr().out
