"""A checkpoint is compared whole with what the run's config would save, before any command uses it."""

import copy
import json
import shutil
from collections import OrderedDict

import pytest
import torch
from omegaconf import OmegaConf
from tiny_gan import equal, trained

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.validate import validate
from gan_lightning.run.checkpoints import damage
from gan_lightning.run.directory import Run
from gan_lightning.storage.checkpoint_io import RECORD
from gan_lightning.storage.plain_data import structure
from gan_lightning.sweep.plan import Job
from gan_lightning.sweep.status import Kind, job_status
from gan_lightning.training.expected_checkpoint import ExpectedCheckpoint
from gan_lightning.training.expected_moments import expected_moments

TINY = (
    "experiment=digits_fast",
    "model.width=4",
    "data.batch_size=16",
    "trainer.accelerator=cpu",
    "metric=none",
    "callback.health.every_n_steps=2",
    "callback.scalars.every_n_steps=1",
)
FIT, MOMENTS = ("loops", "fit_loop"), ("optimizer_states", 0, "state", 0)
OPTIMIZED = "epoch_loop.manual_optimization.optim_step_progress"
GROUP = ("optimizer_states", 1, "param_groups", 0)
WEIGHT = ("state_dict", "generator.start.0.weight")


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A run of six steps with checkpoints of steps 2, 4 and 6."""
    return trained(tmp_path_factory.mktemp("honest") / "run", *TINY, "trainer.max_steps=6", "checkpoint.every_n_steps=2")


@pytest.fixture(scope="module")
def expected(honest):
    run = Run(honest)
    return ExpectedCheckpoint(run, validate(run.config))


@pytest.fixture(scope="module")
def saved(honest):
    """The content of the newest checkpoint."""
    return torch.load(honest / "checkpoints" / "step=00000006.ckpt", weights_only=True)


@pytest.fixture
def run(honest, tmp_path):
    """A copy of the run, "run" in the current folder."""
    shutil.copytree(honest, tmp_path / "run")
    return tmp_path / "run"


def put(*place_and_value):
    """Replace the value at a place."""
    *path, last, value = place_and_value

    def change(checkpoint):
        for key in path:
            checkpoint = checkpoint[key]
        checkpoint[last] = value

    return change


def drop(*place):
    """Remove a key."""

    def change(checkpoint):
        for key in place[:-1]:
            checkpoint = checkpoint[key]
        del checkpoint[place[-1]]

    return change


def bomb():
    """A list that holds 2^40 values, in forty lists."""
    held = []
    for _ in range(40):
        held = [held, held]
    return held


class Shadowed:
    """Pickled as a mapping with an attribute in the place of a method."""

    def __reduce__(self):
        return OrderedDict, (), {"items": "x"}


MALFORMED = {
    # keys
    "nothing": lambda c: c.clear(),
    "no epoch": drop("epoch"),
    "no loops": drop("loops"),
    "no callbacks": drop("callbacks"),
    "a surplus key": put("extra", 1),
    "loops that are a list": put("loops", []),
    "an odd version": put("pytorch-lightning_version", "abc"),
    "an old version": put("pytorch-lightning_version", "1.5.0"),
    "a version that is none": put("pytorch-lightning_version", None),
    "schedulers": put("lr_schedulers", [{}]),
    "an epoch that is a text": put("epoch", "0"),
    # steps
    "another step": put("global_step", 5),
    "a step that is a float": put("global_step", 6.0),
    "a step that is true": put("global_step", True),
    "a step that is a tensor": put("global_step", torch.tensor(6)),
    "a huge step": put("global_step", 10**5000),
    "steps that the loop has not counted": put(
        *FIT, "epoch_loop.manual_optimization.optim_step_progress", "total", "completed", 4
    ),
    "a counter that is a text": put(*FIT, "epoch_loop.batch_progress", "total", "ready", "6"),
    "a counter that is negative": put(*FIT, "epoch_progress", "current", "processed", -1),
    "batches of another step": put(*FIT, "epoch_loop.batch_progress", "current", "ready", 60),
    "the end of an epoch": put(*FIT, "epoch_loop.batch_progress", "is_last_batch", True),
    "validation steps": put(*FIT, "epoch_loop.val_loop.batch_progress", "total", "ready", 3),
    "a negative epoch": put("epoch", -1),
    "a loop without progress": drop(*FIT, "epoch_progress"),
    "a loop with more": put(*FIT, "more", {}),
    "a loop that is empty": put("loops", "fit_loop", {}),
    # networks
    "a weight is missing": drop(*WEIGHT),
    "a weight too many": put("state_dict", "generator.more", torch.zeros(1)),
    "a weight of another shape": put(*WEIGHT, torch.zeros(3)),
    "a weight of another dtype": lambda c: put(*WEIGHT, c[WEIGHT[0]][WEIGHT[1]].double())(c),
    "a weight that is a number": put(*WEIGHT, 1.0),
    "a weight that is repeated": lambda c: put(*WEIGHT, torch.zeros(1).expand(c[WEIGHT[0]][WEIGHT[1]].shape))(c),
    "a terabyte of one number": put(*WEIGHT, torch.zeros(1).expand(2**38)),
    "a sparse weight": lambda c: put(*WEIGHT, c[WEIGHT[0]][WEIGHT[1]].to_sparse())(c),
    "a weight without values": lambda c: put(*WEIGHT, c[WEIGHT[0]][WEIGHT[1]].to("meta"))(c),
    "a state that is a list": put("state_dict", []),
    # optimizers
    "no optimizer": put("optimizer_states", []),
    "one optimizer": lambda c: c["optimizer_states"].pop(),
    "three optimizers": lambda c: c["optimizer_states"].append({}),
    "optimizers in a mapping": put("optimizer_states", {}),
    "an empty optimizer": put("optimizer_states", 0, {}),
    "optimizers in the other order": lambda c: c["optimizer_states"].reverse(),
    "moments are lost": put("optimizer_states", 0, "state", {}),
    "the moments of one parameter are lost": drop(*MOMENTS),
    "moments of a parameter that is none": put("optimizer_states", 0, "state", 99, {}),
    "moments under a text": put("optimizer_states", 0, "state", "0", {}),
    "a moment is missing": drop(*MOMENTS, "exp_avg_sq"),
    "a moment too many": put(*MOMENTS, "more", torch.zeros(1)),
    "a moment of another shape": put(*MOMENTS, "exp_avg", torch.zeros(2)),
    "a moment of another dtype": lambda c: put(*MOMENTS, "exp_avg", c["optimizer_states"][0]["state"][0]["exp_avg"].half())(c),
    "a count that is a text": put(*MOMENTS, "step", "6"),
    "no groups": put("optimizer_states", 1, "param_groups", []),
    "a group that is a list": put("optimizer_states", 1, "param_groups", [[]]),
    "a group without a learning rate": drop(*GROUP, "lr"),
    "a group without beta": drop(*GROUP, "betas"),
    "a group with more": put(*GROUP, "more", 1),
    "another beta": put(*GROUP, "betas", (0.1, 0.2)),
    "a beta that is a text": put(*GROUP, "betas", ("0.5", 0.99)),
    "another learning rate to begin with": put(*GROUP, "initial_lr", 7.0),
    "a group of fewer parameters": put(*GROUP, "params", [0]),
    "a group of other parameters": lambda c: c["optimizer_states"][1]["param_groups"][0]["params"].reverse(),
    # callbacks
    "callbacks that are a list": put("callbacks", []),
    "no Health": put("callbacks", {}),
    "a callback that is none": put("callbacks", "Nobody", {}),
    "Health lacks a key": drop("callbacks", "Health", "streaks"),
    "Health has more": put("callbacks", "Health", "more", 1),
    "Health has a text for a list": put("callbacks", "Health", "gradient_norms", "x"),
    "Health has texts for numbers": put("callbacks", "Health", "gradient_norms", ["1"]),
    "Health has another alarm": put("callbacks", "Health", "active", ["fire"]),
    "Health has other weights": put("callbacks", "Health", "previous_weights", [torch.zeros(1)]),
    "Health is a number": put("callbacks", "Health", 1),
    # what is not plain
    "an exponential list": put("callbacks", "Health", "active", bomb()),
    "hidden methods": put("callbacks", "Health", "best_coverage", {"a": Shadowed()}),
    "a complex number": put("epoch", 1j),
    "bytes": put("epoch", bytearray(3)),
}
ONLY_RECORDED = {"the moments of one parameter are lost"}  # a parameter may never have had a gradient


@pytest.mark.parametrize("kind", MALFORMED)
def test_no_malformed_file_is_a_checkpoint(expected, saved, kind, tmp_path):
    """With the record of the honest file, and as a file without any: one line, in which no content is printed."""
    for recorded in (True, False):
        checkpoint = copy.copy(saved) if kind == "nothing" else copy.deepcopy(saved)
        if not recorded:
            del checkpoint[RECORD]
        MALFORMED[kind](checkpoint)
        path = tmp_path / "step=00000006.ckpt"
        torch.save(checkpoint, path)
        why = damage(path, expected.find_mistake)
        if kind in ONLY_RECORDED and not recorded:
            assert why is None
        else:
            assert why, recorded
            assert len(why) < 200
            assert why.isprintable()
            print(f"{kind}: {why}")


def test_honest_files_are_checkpoints(honest, expected, saved, tmp_path):
    """Also those of an earlier version, which have no record, and of another Lightning and torch, which saved less."""
    for step in (2, 4, 6):
        assert damage(honest / "checkpoints" / f"step={step:08d}.ckpt", expected.find_mistake) is None
    earlier = copy.deepcopy(saved)
    del earlier[RECORD]
    assert expected.find_mistake(earlier, 6) is None
    del earlier["loops"]["fit_loop"]["epoch_loop.scheduler_progress"]
    assert expected.find_mistake(earlier, 6) is not None
    earlier["pytorch-lightning_version"] = "2.6.0"
    del earlier["optimizer_states"][0]["param_groups"][0]["decoupled_weight_decay"]  # which torch 2.6 added
    assert expected.find_mistake(earlier, 6) is None


@pytest.mark.parametrize("record", [[], {}, {"structure": "x"}, {"run": 3, "structure": "x"}, {"run": "x", "structure": "x"}])
def test_a_record_that_is_not_this_run_s(expected, saved, record):
    assert expected.find_mistake(saved | {RECORD: record}, 6)
    assert expected.find_mistake(saved | {RECORD: saved[RECORD] | {"structure": "x"}}, 6)


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
READERS = {
    "gan-sample": ("run=run", "num=1", "out=x.npy"),
    "gan-evaluate": ("run=run", "metric=distance", "num=10"),
    "gan-export": ("run=run", "out=g.safetensors"),
}


def write(run, step, change):
    path = run / "checkpoints" / f"step={step:08d}.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    change(checkpoint)
    torch.save(checkpoint, path)
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [("gan-sample", "no optimizer"), ("gan-evaluate", "another step"), ("gan-export", "Health lacks a key")],
)
def test_commands_refuse_it_and_name_a_good_one(command, run, name, kind):
    write(run, 6, MALFORMED[kind])
    done = command(name, *READERS[name])
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert line.startswith("run/checkpoints/step=00000006.ckpt: ")
    assert line.endswith("; the newest that can be read: checkpoint=4")


def test_training_goes_on_from_an_older_good_one(command, honest, run, saved):
    """And is bit for bit what it was; if all are malformed, it is refused and never starts at 0."""
    write(run, 6, MALFORMED["no optimizer"])
    Run(run).record(status="running")
    done = command("gan-train", "run=run")
    assert done.code == 0, done.err
    (line,) = [line for line in done.err.splitlines() if "step=00000006" in line]
    assert line.endswith("optimizer_states has 0 entries, not 2 entries; going on from step=00000004.ckpt instead")
    after = torch.load(run / "checkpoints" / "step=00000006.ckpt", weights_only=True)
    assert all(equal(after[part], saved[part]) for part in ("state_dict", "optimizer_states", "callbacks"))
    for step in (2, 4, 6):
        write(run, step, MALFORMED["no Health"])
    done = command("gan-train", "run=run", "trainer.max_steps=8")
    (line,) = done.err.splitlines()
    assert (done.code, line.count("does not hold what was saved in it")) == (2, 3)
    assert line.startswith("run=run: no checkpoint can be read: ")


def test_a_finished_run_whose_last_checkpoint_is_malformed_is_not_finished(command, run):
    write(run, 6, MALFORMED["moments are lost"])
    done = command("gan-train", "run=run")
    assert (done.code, "going on from step 4" in done.out) == (0, True), done.err
    assert command("gan-train", "run=run").out.startswith("finished at step 6")


def test_a_job_of_a_sweep_whose_last_checkpoint_is_malformed_is_not_finished(run):
    """One whose checkpoints were deleted, to free the disk, has finished; one that lost its config.yaml is refused."""
    composer = Composer()
    words = json.loads((run / "result.json").read_text())["overrides"]
    job = Job(words, "run", validate(composer.compose(words)))
    assert job_status(run.parent, job, composer).kind is Kind.FINISHED
    write(run, 6, MALFORMED["no optimizer"])
    assert job_status(run.parent, job, composer).kind is Kind.UNFINISHED
    (run / "checkpoints" / "step=00000006.ckpt").unlink()
    (run / "checkpoints" / "step=7.ckpt").write_bytes(b"")  # no name that a run gives
    assert job_status(run.parent, job, composer).kind is Kind.FINISHED
    (run / "config.yaml").unlink()
    with pytest.raises(UserError, match="a run that has lost its config"):
        job_status(run.parent, job, composer)


@pytest.mark.parametrize(
    "words",
    [
        ("experiment=vanishing_gradient", "trainer.max_steps=2"),
        ("experiment=dirac", "trainer.max_steps=2"),
        ("experiment=digits_fast", "model.width=4", "metric=none", "optimizer=sgd", "trainer.max_steps=2"),
    ],
)
def test_what_other_experiments_save_is_expected(tmp_path, words):
    """G's optimizer has no moments during D's warm-up, and SGD never has any."""
    run = Run(trained(tmp_path / "run", *words, "data.batch_size=16", "trainer.accelerator=cpu"))
    assert damage(run.checkpoint_path(2), ExpectedCheckpoint(run, validate(run.config)).find_mistake) is None


def test_a_replay_and_a_fork_go_on_from_an_older_good_one(command, run, saved, tmp_path):
    for step in (4, 6):
        write(run, step, MALFORMED["a moment is missing"])
    done = command("gan-replay", "run=run", "step=5")
    assert done.code == 0, done.err
    assert "step 5, from the checkpoint of step 2" in done.out
    (line,) = done.err.splitlines()
    assert line.startswith("run/checkpoints/step=00000004.ckpt: ")
    assert line.endswith("; going on from step 2 instead")
    done = command("gan-train", "fork=run", "step=6", "trainer.max_steps=7", "hydra.run.dir=child")
    assert done.code == 0, done.err
    assert "step=00000006.ckpt: " in done.err
    began = torch.load(tmp_path / "child" / "checkpoints" / "step=00000006.ckpt", weights_only=True)
    assert equal(began["state_dict"], saved["state_dict"])
    assert began[RECORD]["run"] == json.loads((tmp_path / "child" / "result.json").read_text())["id"] != saved[RECORD]["run"]
    assert [path.name for path in (tmp_path / "child" / "checkpoints").iterdir() if not path.name.startswith("step=")] == []


def test_another_run_s_checkpoint_is_refused(command, run, honest, tmp_path):
    """By its id; a run that lost its result.json keeps the id of its checkpoints."""
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(result | {"id": "0123456789abcdef"}))
    done = command("gan-sample", "run=run", "num=1", "out=x.npy")
    assert done.code == 2
    assert done.err == "run/checkpoints/step=00000006.ckpt: is a checkpoint of another run; no other can be read\n"
    (run / "result.json").unlink()
    assert command("gan-train", "run=run", "trainer.max_steps=7").code == 0
    assert json.loads((run / "result.json").read_text())["id"] == result["id"]


def test_a_run_of_an_earlier_version_gets_an_id(command, run):
    for step in (2, 4, 6):
        write(run, step, lambda checkpoint: checkpoint.pop(RECORD))
    result = json.loads((run / "result.json").read_text())
    del result["id"]
    (run / "result.json").write_text(json.dumps(result))
    assert command("gan-sample", "run=run", "num=1", "out=x.npy").code == 0
    assert command("gan-train", "run=run", "trainer.max_steps=7").code == 0
    new = torch.load(run / "checkpoints" / "step=00000007.ckpt", weights_only=True)
    assert new[RECORD]["run"] == json.loads((run / "result.json").read_text())["id"]


# ── a directory without its config ───────────────────────────────────────────────────────────────────────────────────────
def test_a_run_that_lost_its_config_is_never_begun_anew(command, run, tmp_path):
    """At the command line, and with any one of its files alone."""
    (run / "config.yaml").unlink()
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and ".lock" not in path.name}
    done = command("gan-train", *TINY, "seed=1", "trainer.max_steps=6", "hydra.run.dir=run")
    (line,) = done.err.splitlines()
    assert (done.code, ": holds checkpoints/step=0000000" in line) == (2, True)
    assert line.endswith(" of a run that has lost its config.yaml; put config.yaml back, or choose another folder")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and ".lock" not in path.name} == before
    for i, file in enumerate(("samples/step=00000000.png", "result.json", "events.out.tfevents.1.x")):
        (tmp_path / f"{i}" / file).parent.mkdir(parents=True)
        (tmp_path / f"{i}" / file).write_text('{"step": 6}')
        with pytest.raises(UserError, match=f"holds {file} of a run that has lost its config"):
            Run.begin(tmp_path / f"{i}", OmegaConf.create({"threads": 1}), [])


def test_a_run_that_was_killed_while_it_began_is_begun(tmp_path):
    """After result.json and before config.yaml."""
    config = Composer().compose(["experiment=ring_fast"])
    first = Run.begin(tmp_path / "run", config, []).id
    (tmp_path / "run" / "config.yaml").unlink()
    assert Run.begin(tmp_path / "run", config, []).id != first


# ── what is expected of optimizers ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda p: torch.optim.Adam(p, amsgrad=True, foreach=True), {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}),
        (lambda p: torch.optim.Adam(p, fused=True), {"step", "exp_avg", "exp_avg_sq"}),
        (lambda p: torch.optim.SGD(p, momentum=0.9), {"momentum_buffer"}),
        (torch.optim.SGD, None),
        (torch.optim.RMSprop, {"step", "square_avg"}),
    ],
)
def test_expected_moments_are_those_of_a_step(make, names):
    parameters = [torch.nn.Parameter(torch.randn(3, 4)), torch.nn.Parameter(torch.randn(5))]
    optimizer = make(parameters)
    found = expected_moments(make, optimizer)
    for p in parameters:
        p.grad = torch.ones_like(p)
    optimizer.step()
    real = optimizer.state_dict()["state"]
    assert structure(found) == structure(real)
    assert set(found.get(0, {})) == (names or set())


def test_an_optimizer_that_needs_values_is_not_compared():
    parameters = [torch.nn.Parameter(torch.randn(3, 4))]
    assert expected_moments(torch.optim.Adafactor, torch.optim.Adafactor(parameters)) is None
