"""Variables of ranks that an earlier shell, a notebook or salloc left behind: ignored, or one line."""

import os

import pytest
from lightning_fabric.utilities.rank_zero import _get_rank

from gan_lightning.config.errors import UserError
from gan_lightning.config.world_size import global_rank, is_distributed
from gan_lightning.distributed import slurm
from gan_lightning.distributed.environment import NEEDED, OF_RANKS, settle_rank_variables
from gan_lightning.run.lock import Owner

COMPLETE = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
ODD = ("", "0", "1", "7", "-1", "x", "1.5", "²", " 1", str(10**30))


@pytest.fixture
def variables(monkeypatch):
    """Set these variables of ranks, and no others."""

    def set_only(**values):
        for name in list(os.environ):
            if OF_RANKS.fullmatch(name) or name.startswith(("SLURM_", "JSM_", "MASTER_")):
                monkeypatch.delenv(name)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_only


def left():
    return sorted(name for name in os.environ if OF_RANKS.fullmatch(name))


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize(
    "names",
    [
        *[
            (name,)
            for name in (*NEEDED, "LOCAL_WORLD_SIZE", "GROUP_RANK", "NODE_RANK", "TORCHELASTIC_RUN_ID", "JSM_NAMESPACE_RANK")
        ],
        *[(f"SLURM_{name}",) for name in ("PROCID", "LOCALID", "STEP_NUM_TASKS", "NTASKS", "RESTART_COUNT", "JOB_ID")],
        ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
        ("RANK", "LOCAL_RANK"),
        ("LOCAL_RANK", "WORLD_SIZE"),
        ("MASTER_ADDR", "MASTER_PORT"),
        ("RANK", "MASTER_ADDR", "MASTER_PORT"),
    ],
    ids="+".join,
)
def test_what_is_left_alone_is_ignored(variables, names, value):
    """Also by Lightning, which reads a rank from four of them while it is imported."""
    variables(**dict.fromkeys(names, value))
    settle_rank_variables()
    assert left() == []
    assert not is_distributed()
    assert global_rank() == 0
    assert isinstance(_get_rank() or 0, int)
    assert slurm.step_environment() is None
    assert Owner.current().restarts >= 0


@pytest.mark.parametrize("kept", [COMPLETE, COMPLETE | {"RANK": "0", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}])
def test_what_torchrun_sets_counts(variables, kept):
    variables(**kept)
    settle_rank_variables()
    assert {name: os.environ.get(name) for name in kept} == kept
    assert is_distributed()


def test_one_process_by_torchrun_trains_alone(variables):
    variables(**COMPLETE | {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"})
    settle_rank_variables()
    assert left() == []


CURE = "torchrun and srun set them; to train alone: unset RANK WORLD_SIZE LOCAL_RANK MASTER_ADDR MASTER_PORT"


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"RANK": "0", "WORLD_SIZE": "2"}, "RANK=0 WORLD_SIZE=2: LOCAL_RANK, MASTER_ADDR, MASTER_PORT not set"),
        (COMPLETE | {"RANK": "x"}, "RANK=x: should be a whole number from 0 to 1"),
        (COMPLETE | {"RANK": "2"}, "RANK=2: should be a whole number from 0 to 1"),
        (COMPLETE | {"LOCAL_RANK": "-1"}, "LOCAL_RANK=-1: should be a whole number from 0 to 1"),
        (COMPLETE | {"WORLD_SIZE": str(10**30)}, f"WORLD_SIZE={10**30}: should be a whole number from 1 to 999999"),
        (COMPLETE | {"WORLD_SIZE": ""}, "WORLD_SIZE=: should be a whole number from 1 to 999999"),
        (COMPLETE | {"MASTER_PORT": "65536"}, "MASTER_PORT=65536: should be a whole number from 1 to 65535"),
        (COMPLETE | {"MASTER_ADDR": ""}, "MASTER_ADDR=: empty; give the first machine's name"),
        (COMPLETE | {"LOCAL_WORLD_SIZE": "0"}, "LOCAL_WORLD_SIZE=0: should be a whole number from 1 to 2"),
    ],
)
def test_what_is_incomplete_or_no_number_is_one_line(variables, values, line):
    variables(**values)
    with pytest.raises(UserError) as refused:
        settle_rank_variables()
    assert refused.value.lines == (f"{line}; {CURE}",)


@pytest.mark.parametrize(
    "words", [("gan-train", "-m", "seed=0"), ("gan-replay", "run=run", "step=1"), ("gan-evaluate", "run=run")]
)
def test_every_command_prints_that_line(variables, command, words):
    variables(RANK="0", WORLD_SIZE="2")
    done = command(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"RANK=0 WORLD_SIZE=2: LOCAL_RANK, MASTER_ADDR, MASTER_PORT not set; {CURE}\n"


@pytest.mark.parametrize("port", ["", "x", "0", "65536", str(10**30)])
def test_a_port_that_is_none_is_one_line_under_srun(variables, port):
    variables(MASTER_PORT=port)
    with pytest.raises(UserError, match=f"MASTER_PORT={port}: should be a whole number from 1 to 65535, or unset"):
        slurm.master_environment()
