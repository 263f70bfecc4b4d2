"""SLURM: this task's rank in a job step, the address where the tasks connect, and the requeue of a preempted job.

A requeued job runs its batch script again, unchanged: `gan-train hydra.run.dir=…` or `run=…` continues from the newest
checkpoint. Only rank 0 requeues, so that the job is queued once.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess

from gan_lightning.config.errors import UserError
from gan_lightning.distributed.environment import natural

TIMEOUT = 20  # seconds for SLURM's own commands


def step_environment() -> dict[str, str] | None:
    """Return torchrun's variables for this task of a job step; None unless srun started several tasks.

    A batch script is no step: it runs once, however many tasks its job may start.
    """
    tasks, rank, local, node = (natural(f"SLURM_{name}") for name in ("STEP_NUM_TASKS", "PROCID", "LOCALID", "NODEID"))
    if tasks is None or rank is None or local is None or node is None or not rank < tasks or tasks < 2:
        return None
    values = {"RANK": rank, "WORLD_SIZE": tasks, "LOCAL_RANK": local, "GROUP_RANK": node}
    return {name: str(value) for name, value in values.items()} | {"LOCAL_WORLD_SIZE": str(tasks_on_node(node))}


def tasks_on_node(node: int) -> int:
    """Return how many of the step's tasks run on a node; SLURM lists the counts as `2(x3),1`."""
    counts: list[int] = []
    for entry in os.environ.get("SLURM_STEP_TASKS_PER_NODE", "1").split(","):
        if match := re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", entry):
            counts += [int(match[1])] * int(match[2] or 1)
    return counts[node] if node < len(counts) else 1


def master_environment() -> dict[str, str]:
    """Return MASTER_ADDR and MASTER_PORT: the step's first node, and a port computed from job and step.

    Values that the environment already sets take precedence. Raises UserError if they are no address or no port.
    """
    if "MASTER_PORT" in os.environ and not 0 < (natural("MASTER_PORT") or 0) < 65536:
        raise UserError(f"MASTER_PORT={os.environ['MASTER_PORT']}: should be a whole number from 1 to 65535, or unset")
    if os.environ.get("MASTER_ADDR") == "":
        raise UserError("MASTER_ADDR=: empty; give the first machine's name, or unset it")
    nodes = os.environ.get("SLURM_STEP_NODELIST", "127.0.0.1")
    name = next(iter(scontrol("show", "hostnames", nodes).split()), first_hostname(nodes))
    job, step = (int(re.sub("[^0-9]", "", os.environ.get(f"SLURM_{key}", ""))[:18] or 0) for key in ("JOB_ID", "STEP_ID"))
    master = {"MASTER_ADDR": node_address(name), "MASTER_PORT": str(10000 + (7 * job + step) % 20000)}
    return master | {key: os.environ[key] for key in master if key in os.environ}


def first_hostname(nodes: str) -> str:
    """Return the first name of a list such as `node[01-03],head`, for machines without scontrol, such as containers."""
    return re.sub(r"^([^,\[]*)(?:\[([^-,\]]+)[^\]]*\])?([^,\[]*).*", r"\1\2\3", nodes)


def node_address(node: str) -> str:
    """Return a node's name if it can be resolved, else the address that SLURM uses for it."""
    try:
        socket.getaddrinfo(node, None)
    except OSError:
        match = re.search(r"\bNodeAddr=(\S+)", scontrol("show", "node", node))
        return match[1] if match else node
    return node


def requeue(caught: signal.Signals) -> str | None:
    """Requeue this process's job and return its id; None without a job, or if a person or a limit ended it.

    SIGUSR1 and SIGUSR2 announce the end of the job's time (`sbatch --signal=USR1@60`). SIGTERM is either a preemption, during
    which the job's state is still RUNNING, or the end of a job that was cancelled or whose time is up.
    """
    job = job_id()
    if job is None or caught not in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        return None
    if caught is signal.SIGTERM and "JobState=RUNNING" not in scontrol("show", "job", job):
        return None
    scontrol("requeue", job)
    return job


def job_id() -> str | None:
    """Return this job's id for SLURM's commands; None outside a job.

    A task of a job array gets `ARRAY_TASK`, because its SLURM_JOB_ID may be that of the complete array.
    """
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")


def scontrol(*arguments: str) -> str:
    """Run scontrol and return its output; empty if it can't be started or takes longer than TIMEOUT."""
    command = ["scontrol", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False).stdout  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
