"""SLURM: which of several processes this one is; a job that is taken away comes back, once, in the same run directory.

The script is run again as it stands: `gan-train hydra.run.dir=…` or `run=…` finds its checkpoint. Only the first rank asks.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess

PATIENCE = 20  # seconds for SLURM's own commands


def step_environment() -> dict[str, str] | None:
    """This task's place in a step of several, in torchrun's words; None: srun did not start it, or it alone.

    A batch script is no step: it runs once, however many tasks its job may start.
    """
    told = {name: os.environ.get(f"SLURM_{name}", "") for name in ("STEP_NUM_TASKS", "PROCID", "LOCALID", "NODEID")}
    if not all(value.isdigit() for value in told.values()) or int(told["STEP_NUM_TASKS"]) < 2:
        return None
    found = {"RANK": told["PROCID"], "WORLD_SIZE": told["STEP_NUM_TASKS"]}
    found |= {"LOCAL_RANK": told["LOCALID"], "GROUP_RANK": told["NODEID"]}
    return found | {"LOCAL_WORLD_SIZE": str(tasks_on_node(int(told["NODEID"])))}


def tasks_on_node(node: int) -> int:
    """How many of the step's tasks a node has: SLURM says `2(x3),1`."""
    counts: list[int] = []
    for word in os.environ.get("SLURM_STEP_TASKS_PER_NODE", "1").split(","):
        if said := re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", word):
            counts += [int(said[1])] * int(said[2] or 1)
    return counts[node] if node < len(counts) else 1


def master_environment() -> dict[str, str]:
    """Where the step's tasks meet: at its first node, at a port of its own; MASTER_ADDR and MASTER_PORT go before."""
    nodes = os.environ.get("SLURM_STEP_NODELIST", "127.0.0.1")
    name = next(iter(scontrol("show", "hostnames", nodes).split()), first_hostname(nodes))
    job, number = (int(os.environ.get(f"SLURM_{key}", "0")) for key in ("JOB_ID", "STEP_ID"))
    found = {"MASTER_ADDR": node_address(name), "MASTER_PORT": str(10000 + (7 * job + number) % 20000)}
    return found | {key: os.environ[key] for key in found if key in os.environ}


def first_hostname(nodes: str) -> str:
    """The first name in a list such as `node[01-03],head`, where SLURM can't be asked."""
    return re.sub(r"^([^,\[]*)(?:\[([^-,\]]+)[^\]]*\])?([^,\[]*).*", r"\1\2\3", nodes)


def node_address(node: str) -> str:
    """A node's name, if it can be resolved; else where SLURM itself reaches it."""
    try:
        socket.getaddrinfo(node, None)
    except OSError:
        said = re.search(r"\bNodeAddr=(\S+)", scontrol("show", "node", node))
        return said[1] if said else node
    return node


def requeue(caught: signal.Signals) -> str | None:
    """Ask SLURM to run this job again. Returns the job's id; None: there is none, or it was ended on purpose.

    SIGUSR1 and SIGUSR2 announce the end of the job's time (`sbatch --signal=USR1@60`). SIGTERM is either a preemption, during
    which the job still counts as running, or the end: of a cancelled job, or of one whose time is up.
    """
    job = job_id()
    if job is None or caught is signal.SIGINT:
        return None
    if caught is signal.SIGTERM and "JobState=RUNNING" not in scontrol("show", "job", job):
        return None
    scontrol("requeue", job)
    return job


def job_id() -> str | None:
    """As SLURM's commands know it. A task of an array may bear the whole array's number, so its place is told as well."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")


def scontrol(*words: str) -> str:
    """What SLURM says; empty if it can't be asked."""
    try:
        said = subprocess.run(["scontrol", *words], capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603, S607
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout
