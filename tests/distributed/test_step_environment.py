"""What srun says of a task, in torchrun's words."""

import os

import pytest

from gan_lightning.distributed import slurm


@pytest.fixture
def told(monkeypatch):
    """Set what SLURM sets; everything else of it is away."""

    def tell(**words):
        for name in [name for name in os.environ if name.startswith("SLURM_")]:
            monkeypatch.delenv(name)
        for name, value in words.items():
            monkeypatch.setenv(f"SLURM_{name}", str(value))

    return tell


def test_a_task_of_several(told):
    told(STEP_NUM_TASKS=5, PROCID=4, LOCALID=0, NODEID=2, STEP_TASKS_PER_NODE="2(x2),1")
    expected = {"RANK": "4", "WORLD_SIZE": "5", "LOCAL_RANK": "0", "GROUP_RANK": "2", "LOCAL_WORLD_SIZE": "1"}
    assert slurm.step_environment() == expected


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"STEP_NUM_TASKS": 1, "PROCID": 0, "LOCALID": 0, "NODEID": 0},
        {"NTASKS": 2, "PROCID": 0, "LOCALID": 0, "NODEID": 0},  # a batch script of a job of two tasks
    ],
)
def test_alone(told, words):
    told(**words)
    assert slurm.step_environment() is None


@pytest.mark.parametrize(
    ("nodes", "first"), [("node7", "node7"), ("a,b", "a"), ("node[01-03],x", "node01"), ("r[2,5]-n", "r2-n"), ("", "")]
)
def test_the_first_of_a_list_of_nodes(nodes, first):
    assert slurm.first_hostname(nodes) == first


def test_steps_of_a_job_meet_at_places_of_their_own(told, monkeypatch):
    monkeypatch.setattr(slurm, "scontrol", lambda *words: "")  # not there, as in a container
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    places = []
    for number in range(2):
        told(STEP_NODELIST="localhost", JOB_ID=4711, STEP_ID=number)
        places.append(slurm.master_environment())
    assert [place["MASTER_ADDR"] for place in places] == ["localhost", "localhost"]
    assert places[0]["MASTER_PORT"] != places[1]["MASTER_PORT"]
    monkeypatch.setenv("MASTER_PORT", "1234")
    assert slurm.master_environment()["MASTER_PORT"] == "1234"
