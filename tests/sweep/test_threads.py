"""A job computes with as many threads as it began with, whatever command goes on with it, on whatever machine."""

import json
import shutil

import pytest
import torch
from tiny_gan import equal

STEPS, CUT = 8, 4
LINE = (
    "experiment=digits_fast",
    "trainer.accelerator=cpu",
    f"trainer.max_steps={STEPS}",
    f"checkpoint={{every_n_steps: {CUT}, save_last_k: 3}}",
    "callback.scalars.every_n_steps=1",
    "metric=none",
)
SCORES = ("metric=[fid,class_accuracy]", "feature=digits", "num=600")
MACHINES = {"two threads by default": None, "OMP_NUM_THREADS=1": "1"}


def state(run, step=STEPS):
    return torch.load(run / "checkpoints" / f"step={step:08d}.ckpt", weights_only=True)


def same(one, other):
    return all(equal(state(one)[part], state(other)[part]) for part in ("state_dict", "optimizer_states", "global_step"))


def cut(run, target):
    """Copy a run as it was when it was killed after step CUT."""
    shutil.copytree(run, target)
    (target / "checkpoints" / f"step={STEPS:08d}.ckpt").unlink()
    result = json.loads((target / "result.json").read_text())
    (target / "result.json").write_text(json.dumps(result | {"status": "preempted", "step": CUT, "saved": CUT}))
    return target


@pytest.fixture
def machine(monkeypatch, request):
    """Imitate a machine by its default number of threads, which is read when torch is loaded, and by OMP_NUM_THREADS."""

    def become(name):
        value = MACHINES[name]
        torch.set_num_threads(int(value or 2))
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if value is not None:
            monkeypatch.setenv("OMP_NUM_THREADS", value)

    yield become
    torch.set_num_threads(1)


@pytest.mark.slow
def test_a_job_that_is_continued_replayed_forked_and_evaluated_has_the_same_bits(command, machine, tmp_path):
    machine("two threads by default")
    done = command("gan-train", "-m", *LINE, "seed=3", "hydra.sweep.dir=all")
    assert done.code == 0, done.err
    (job,) = (path.parent for path in (tmp_path / "all").glob("*/config.yaml"))
    assert json.loads((job / "result.json").read_text())["threads"] == 1
    scores = {}
    for i, name in enumerate(MACHINES):
        machine(name)
        continued = cut(job, tmp_path / f"cut{i}")
        done = command("gan-train", f"run={continued}")
        assert (done.code, f"going on from step {CUT}" in done.out, "on cpu, 1 thread →" in done.out) == (0, True, True), (
            done.err
        )
        assert same(continued, job), name
        done = command("gan-replay", f"run={job}", f"step={CUT + 2}", "out=seen")
        assert (done.code, done.out.count("DIFFERS"), done.out.count("as logged") > 4) == (0, 0, True), (name, done.out)
        assert command("gan-train", f"fork={job}", f"step={CUT}", f"hydra.run.dir=fork{i}").code == 0
        assert same(tmp_path / f"fork{i}", job), name
        evaluated = continued if i else job
        assert command("gan-evaluate", f"run={evaluated}", *SCORES, f"out=scores{i}.json").code == 0
        scores[name] = json.loads((tmp_path / f"scores{i}.json").read_text())["scores"]
        assert torch.get_num_threads() == int(MACHINES[name] or 2), "a command changed the number of threads of its process"
    assert len({json.dumps(found) for found in scores.values()}) == 1, scores

    control = cut(job, tmp_path / "control")
    done = command("gan-train", f"run={control}", "threads=2")
    assert "changed: threads: auto → 2" in done.out, done.err
    assert not same(control, job), "the negative control: two threads give the bits of one"
    result = json.loads((control / "result.json").read_text())
    assert (result["threads"], result["continued"]) == (2, [{"step": CUT, "changed": ["threads: auto → 2"]}])
    assert command("gan-replay", f"run={control}", f"step={CUT + 2}", "out=seen").code == 0
