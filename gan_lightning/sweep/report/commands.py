"""The commands of a report that repeat, resume or open a run, quoted for a shell and for Hydra."""

from __future__ import annotations

import shlex
from pathlib import Path

from gan_lightning.config.quoting import quote_value
from gan_lightning.run.directory import shorten_path
from gan_lightning.sweep.report.collect import Job


def repeat_command(job: Job) -> str:
    """Return the command that trains the same run, with as many threads, in a new directory, `runs/again/…`."""
    run_dir = Path("runs") / "again" / job.directory
    overrides = [override for override in job.overrides if not override.lstrip("+").startswith("hydra.")]
    overrides += [f"threads={job.threads}"] if job.threads is not None and "threads" not in job.values else []
    return " ".join(map(quote_shell, ["gan-train", *overrides, f"hydra.run.dir={quote_value(str(run_dir))}"]))


def resume_command(job: Job) -> str:
    """Return the command that resumes the run from its newest checkpoint."""
    return shlex.join(["gan-train", f"run={shorten_path(job.path.resolve())}"])


def tensorboard_command(path: Path) -> str:
    """Return the command that opens TensorBoard on a run or on a whole sweep."""
    return shlex.join(["tensorboard", "--logdir", str(shorten_path(path.resolve()))])


def quote_shell(argument: str) -> str:
    """Quote an argument for a shell: in double quotes if it has single quotes and nothing that these would expand."""
    return f'"{argument}"' if "'" in argument and not {*argument} & {*'"$`!\\'} else shlex.quote(argument)
