"""How many threads a run gets, and that a block computes with them."""

import json
import os
from contextlib import suppress

import pytest
import torch
import yaml
from threadpoolctl import threadpool_info

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.resolve import resolve
from gan_lightning.config.validate import validate
from gan_lightning.run.directory import Run
from gan_lightning.training import threads
from gan_lightning.training.threads import FLOPS_PER_THREAD, forward_flops, run_threads, thread_limit, threads_by_size

DCGAN = ("experiment=cartoon_faces", "model=dcgan", "data.sample_shape=[3,64,64]", "metric=none", "data.batch_size=64")


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.fixture
def begin(tmp_path):
    """Begin a run: begin("threads=2") -> (the run, its config)."""

    def make(*line, name="run"):
        config = Composer().compose(["experiment=ring_fast", *line])
        return Run.begin(tmp_path / name, config, list(line)), resolve(config)

    return make


def plain(*line):
    return validate(Composer().compose(list(line)))


def begun_before(run):
    """Make a run as earlier versions left it: with a checkpoint, without a number of threads and without the key."""
    (run.path / "checkpoints").mkdir()
    (run.path / "checkpoints" / "step=00000001.ckpt").touch()
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    del config["threads"]
    (run.path / "config.yaml").write_text(yaml.safe_dump(config))
    return run, resolve(run.config)


def test_the_number_by_size_is_a_function_of_operations_and_cpus(monkeypatch):
    monkeypatch.setattr(threads, "available_cpus", lambda: 64)
    large = plain(*DCGAN)
    assert threads_by_size(plain("experiment=ring")) == threads_by_size(plain("experiment=digits_fast")) == 1
    assert threads_by_size(large) == min(8, int(forward_flops(large) / FLOPS_PER_THREAD)) > 1
    half = plain(*DCGAN, "trainer=ddp", "trainer.devices=32")
    assert threads_by_size(half) == 2, "32 processes share 64 CPUs"
    monkeypatch.setattr(threads, "available_cpus", lambda: 1)
    assert threads_by_size(large) == threads_by_size(half) == 1


def test_operations_are_those_of_one_micro_batch():
    ring = plain("experiment=ring")
    widths = [*[(ring["model"]["generator"]["width"],) * 2] * (ring["model"]["generator"]["depth"] - 1)]
    assert forward_flops(ring) > 2 * ring["data"]["batch_size"] * 2 * sum(a * b for a, b in widths)
    assert forward_flops(plain("experiment=ring", "gan.accumulate_grad_batches=4")) == forward_flops(ring) / 4


def test_networks_that_the_meta_device_cannot_run_count_by_their_parameters(monkeypatch):
    ring = plain("experiment=ring")

    def fail(*_):
        raise NotImplementedError

    monkeypatch.setattr("gan_lightning.model.mlp.Generator.forward", fail)
    assert forward_flops(ring) > 2 * ring["data"]["batch_size"] * 1000


def test_what_decides_first(begin, monkeypatch):
    run, config = begin()
    monkeypatch.setattr(threads, "threads_by_size", lambda plain: 5)
    assert run_threads(run, config) == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")
    assert run_threads(run, config) == 4
    run.record(threads=3)
    assert run_threads(run, config) == 3, "a run keeps the number that it began with"
    assert run_threads(run, config | {"threads": 2}) == 2


def test_a_fork_inherits_its_parents_number(begin, monkeypatch):
    parent, _ = begin(name="parent")
    parent.record(threads=3)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    fork = f"fork={{run:'{parent.path}',step:1}}"
    child, config = begin(fork, name="child")
    assert run_threads(child, config) == 3
    grandchild, config = begin(f"fork={{run:'{child.path}',step:2}}", name="grandchild")
    assert run_threads(grandchild, config) == 3
    assert run_threads(*begin(fork, "threads=2", name="typed")) == 2
    (parent.path / "config.yaml").unlink()
    assert run_threads(child, resolve(child.config)) == 1


def test_a_run_of_an_earlier_version_keeps_the_default_of_its_kind(begin, tmp_path, monkeypatch):
    (tmp_path / "all").mkdir()
    run, config = begun_before(begin()[0])
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    assert run_threads(run, config) == 7
    (tmp_path / "all" / "sweep.json").touch()
    for name in ("all/job", "all/trials/0"):
        assert run_threads(*begun_before(begin(name=name)[0])) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert run_threads(run, config) == 4
    assert run.changes(Composer().compose(["experiment=ring_fast"])) == []
    assert run.changes(Composer().compose(["experiment=ring_fast", "threads=2"])) == ["threads: auto → 2"]


def test_a_damaged_record_is_one_line(begin):
    run, config = begin()
    run.record(threads="two")
    with pytest.raises(UserError, match=r'result\.json can.t be read: threads: "two" should be a valid integer'):
        run_threads(run, config)


@pytest.mark.parametrize("variable", [None, "3"])
def test_a_block_computes_with_so_many_threads_and_leaves_nothing_behind(monkeypatch, variable):
    if variable is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    before = torch.get_num_threads(), [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]
    with suppress(ZeroDivisionError), thread_limit(2):
        assert (torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]) == (2, "2")
        assert {pool["num_threads"] for pool in threadpool_info()} == {2}
        raise ZeroDivisionError
    assert (torch.get_num_threads(), [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]) == before
    assert os.environ.get("OMP_NUM_THREADS") == variable


def test_a_typed_number_is_used_recorded_shown_and_kept(command, tmp_path):
    line = ("experiment=ring_fast", "metric=none", "logger=none", "trainer.accelerator=cpu", "hydra.run.dir=run")
    done = command("gan-train", *line, "threads=2", "trainer.max_steps=1")
    assert "1 steps of 256 samples on cpu, 2 threads → run\n" in done.out, done.err
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (result["threads"], result["provenance"]["threads"]) == (2, 2)
    done = command("gan-train", "run=run", "trainer.max_steps=2")
    assert "on cpu, 2 threads → run\n" in done.out, done.err
    assert command("gan-train", "run=run", "threads=0").err == "threads: 0 should be 'auto' or greater than or equal to 1\n"
    assert command("gan-train", *line, "threads=2", "trainer.max_steps=2").out.startswith("already finished, skipped: ")
