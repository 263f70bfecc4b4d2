"""What to type to make a run again, to go on with it, to look at it: words that a shell and Hydra take as they were meant."""

from __future__ import annotations

import shlex
from pathlib import Path

from gan_lightning.sweep.report.collect import Job


def here(path: Path) -> str:
    """From the current folder, where that is shorter."""
    found, folder = path.resolve(), Path.cwd()
    return str(found.relative_to(folder) if found.is_relative_to(folder) else found)


def repeat_command(job: Job) -> str:
    """The same run, in a folder of its own."""
    target = Path("runs") / "again" / job.directory
    words = [word for word in job.overrides if not word.lstrip("+").startswith("hydra.")]
    return " ".join(map(quote_shell, ["gan-train", *words, f"hydra.run.dir={quoted(str(target))}"]))


def resume_command(job: Job) -> str:
    """It goes on from its newest checkpoint."""
    return shlex.join(["gan-train", f"run={here(job.path)}"])


def tensorboard_command(path: Path) -> str:
    """Its curves and samples, or a whole sweep's."""
    return shlex.join(["tensorboard", "--logdir", here(path)])


def quote_shell(word: str) -> str:
    """A word that a shell takes as it is, in the quotes that read best."""
    return f'"{word}"' if "'" in word and not {*word} & {*'"$`!\\'} else shlex.quote(word)


def quoted(value: str) -> str:
    """A value that Hydra takes for one string, whatever is in it."""
    inner = value.replace("$", "\\$") if "${" in value else value
    end = len(inner) - len(inner.rstrip("\\"))  # a quoted string's last backslashes are doubled
    return "'" + inner.replace("\\'", "\\\\'").replace("'", "\\'") + "\\" * end + "'"
