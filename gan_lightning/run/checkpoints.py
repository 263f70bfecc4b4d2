"""The checkpoints of a run: which steps there are, and which of them can be read."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

from gan_lightning.config.errors import UserError, one_line
from gan_lightning.storage import atomic

STEP = re.compile(r"step=(\d+)\.ckpt")


def list_checkpoints(folder: Path) -> dict[int, Path]:
    """Return step → file, oldest first: by the step in the name, not by the time of change."""
    found = {int(m[1]): file for file in folder.glob("step=*.ckpt") if (m := STEP.fullmatch(file.name))}
    return dict(sorted(found.items()))


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
    if not str(which).isdigit() or int(which) not in saved:
        names = ["latest", *(["best"] if best_step in saved else []), *map(str, saved)]
        raise UserError(f"checkpoint={which}: not in this run; there are: {', '.join(names)}")
    return saved[int(which)]


def newest_good(saved: Mapping[int, Path]) -> tuple[int | None, dict[Path, str]]:
    """Return the newest step that can be read (None: there is none), and what is wrong with each newer file."""
    bad: dict[Path, str] = {}
    for step, path in sorted(saved.items(), reverse=True):
        why = damage(path)
        if why is None:
            return step, bad
        bad[path] = why
    return None, bad


def damage(path: Path) -> str | None:
    """Return what is wrong with a checkpoint file, or None after every byte was compared with its checksum."""
    from gan_lightning.storage import safe_load

    def bad_member() -> str | None:
        with zipfile.ZipFile(path) as file:
            return file.testzip()

    try:
        if name := atomic.retry(bad_member):
            return f"{name} is damaged"
    except Exception as error:  # a damaged archive fails in many ways
        return one_line(error)
    try:
        safe_load.load(path, "meta")  # torch checks the archive more strictly than zipfile
    except (safe_load.UnsafeFileError, OSError) as error:
        return one_line(error)
    return None
