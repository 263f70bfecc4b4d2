"""The checkpoints of a run: which steps there are, and which of them can be read."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.resolve import Plain
from gan_lightning.storage import atomic
from gan_lightning.storage.printable import printable

STEP = re.compile(r"step=(\d+)\.ckpt")

FindMistake = Callable[[Any, int], str | None]  # (a file's content, its step) → what makes it no checkpoint of a run


def list_checkpoints(folder: Path) -> dict[int, Path]:
    """Return step → file, oldest first: by the step in the name, not by the time of change."""
    found = {int(m[1]): file for file in folder.glob("step=*.ckpt") if (m := STEP.fullmatch(file.name))}
    return {step: file for step, file in sorted(found.items()) if file.name == file_name(step)}


def file_name(step: int) -> str:
    """Return the name of a step's checkpoint."""
    return f"step={step:08d}.ckpt"


def select(saved: Mapping[int, Path], which: str | int, best_step: int | None) -> Path:
    """Return the checkpoint `latest`, `best` or of a step, out of at least one. Raises UserError, with the existing ones."""
    if which == "latest":
        return list(saved.values())[-1]
    if which == "best":
        if best_step is None or best_step not in saved:
            raise UserError(
                f"checkpoint=best: no score was recorded in this run; there are: latest, {', '.join(map(str, saved))}"
            )
        return saved[best_step]
    if not re.fullmatch("[0-9]{1,18}", str(which)) or int(which) not in saved:
        names = ["latest", *(["best"] if best_step in saved else []), *map(str, saved)]
        raise UserError(f"checkpoint={which}: not in this run; there are: {', '.join(names)}")
    return saved[int(which)]


def newest_usable(
    run: Path, saved: Mapping[int, Path], result: Plain, find_mistake: FindMistake | None = None
) -> tuple[int, Path] | None:
    """Return step and file of the newest checkpoint of a run that can be used; None if none was ever saved.

    The others are named on stderr. Raises UserError if none can be used, or if all that `result` knows of are gone.
    """
    step, damaged = newest_good(saved, find_mistake)
    bad = "; ".join(f"{path}: {why}" for path, why in damaged.items())
    if step is not None:
        if bad:
            print(printable(f"{bad}; going on from {saved[step].name} instead"), file=sys.stderr)
        return step, saved[step]
    if bad:
        raise UserError(f"run={run}: no checkpoint can be read: {bad}")
    if lost := result.get("saved"):
        raise UserError(
            f"run={run}: {run / 'checkpoints'} is empty, but a checkpoint of step {lost} was saved there; "
            "put it back, or begin anew in another folder"
        )
    if reached := result.get("step"):
        print(f"starting again from step 0: no checkpoint was saved up to step {reached}", file=sys.stderr)
    return None


def newest_good(saved: Mapping[int, Path], find_mistake: FindMistake | None = None) -> tuple[int | None, dict[Path, str]]:
    """Return the newest step that can be used (None: there is none), and what is wrong with each newer file."""
    bad: dict[Path, str] = {}
    for step, path in sorted(saved.items(), reverse=True):
        why = damage(path, find_mistake)
        if why is None:
            return step, bad
        bad[path] = why
    return None, bad


def damage(path: Path, find_mistake: FindMistake | None = None) -> str | None:
    """Return what is wrong with a checkpoint file, or None if it can be used; see `load_good`."""
    from gan_lightning.storage.safe_load import UnsafeFileError

    try:
        load_good(path, find_mistake)
    except (UnsafeFileError, OSError) as error:
        return one_line(error)
    return None


def load_good(path: Path, find_mistake: FindMistake | None = None) -> Plain:
    """Load a checkpoint after every byte was compared with its checksum, and its content with what is expected.

    Raises UnsafeFileError if the file is damaged, or if `find_mistake` finds a mistake in it, and OSError.
    """
    from gan_lightning.storage import safe_load

    checkpoint: Plain = atomic.retry(lambda: safe_load.load_archive(path))
    if find_mistake is not None and (mistake := find_mistake(checkpoint, int(path.stem.removeprefix("step=")))):
        raise safe_load.UnsafeFileError(mistake)
    return checkpoint
