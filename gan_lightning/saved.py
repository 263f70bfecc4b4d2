"""The checkpoints of a run: which steps there are, and which of them can be read."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from gan_lightning import disk
from gan_lightning.config import one_line

STEP = re.compile(r"step=(\d+)\.ckpt")


def checkpoints(folder: Path) -> dict[int, Path]:
    """Step → file, oldest first: by the step in the name, never by a clock."""
    found = {int(m[1]): file for file in folder.glob("step=*.ckpt") if (m := STEP.fullmatch(file.name))}
    return dict(sorted(found.items()))


def newest_good(there: dict[int, Path]) -> tuple[int | None, dict[Path, str]]:
    """The newest step that can be read, None if there is none; and what is wrong with each file that is newer."""
    bad: dict[Path, str] = {}
    for step, path in sorted(there.items(), reverse=True):
        why = damage(path)
        if why is None:
            return step, bad
        bad[path] = why
    return None, bad


def damage(path: Path) -> str | None:
    """What is wrong with a checkpoint file; None: nothing, every byte was read and compared with its checksum."""
    from gan_lightning import stranger

    def wrong() -> str | None:
        with zipfile.ZipFile(path) as file:
            return file.testzip()

    try:
        if name := disk.retried(wrong):
            return f"{name} is damaged"
    except Exception as error:  # a damaged archive fails in many ways
        return one_line(error)
    try:
        stranger.read(path, "meta")  # torch reads archives more strictly
    except (stranger.Distrusted, OSError) as error:
        return one_line(error)
    return None
