"""Loading of files that torch wrote, as plain data only.

A pickle can call any function while it is loaded. This is the only module that unpickles, and it accepts numbers, text, lists,
mappings and dense tensors, so that a stranger's file is safe to load: `archive` bounds what is read, `plain_data` what is kept.
"""

from __future__ import annotations

import io
import re
import stat
import warnings
from pathlib import Path
from typing import Any

import torch

from gan_lightning.storage import archive
from gan_lightning.storage.plain_data import NotPlainError, plain_copy

CHECKPOINT_KEYS = {"state_dict", "optimizer_states", "loops", "global_step"}  # that a run is resumed from
MAX_CALLS = archive.MAX_PICKLE  # of a file in torch's format before version 1.6, where the pickle has no size of its own
FORBIDDEN_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")  # in torch's message: the name that the pickle would have called


class UnsafeFileError(Exception):
    """Signal that a file can't be loaded as plain data; the message is one line."""


class BoundedReader(io.BufferedReader):
    """Read a file for an unpickler, which reads each of its instructions by a call: the calls are limited."""

    calls = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes. Raises NotPlainError after MAX_CALLS calls."""
        self.calls += 1
        if self.calls > MAX_CALLS:
            raise NotPlainError("holds too long a pickle")
        return super().read(size)


def load(file: Path) -> Any:
    """Load the file's content without running any code of it. Raises UnsafeFileError and OSError."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise UnsafeFileError("is no regular file")
    if archive.is_archive(file) and (why := archive.find_damage(file)):
        raise UnsafeFileError(why)
    try:
        with warnings.catch_warnings(), BoundedReader(io.FileIO(file)) as opened:
            warnings.simplefilter("ignore")  # torch warns about pickles that it did not write
            return plain_copy(torch.load(opened, map_location="cpu", weights_only=True))
    except OSError:
        raise
    except NotPlainError as error:
        raise UnsafeFileError(str(error)) from None
    except Exception as error:  # a damaged or hostile file can fail in any way
        message = str(error)
        if "weights only load failed" in message.lower() or "weights_only=True" in message:
            called = FORBIDDEN_GLOBAL.search(message)
            raise UnsafeFileError(
                f"holds more than plain data{f' ({called[1]})' if called else ''} and was not loaded"
            ) from None
        line = next((line for line in message.splitlines() if line.strip()), type(error).__name__)
        raise UnsafeFileError(f"can't be read: {line}") from None


def load_archive(file: Path) -> Any:
    """Load a file in torch's format since version 1.6, which has checksums. Raises UnsafeFileError and OSError."""
    if file.is_file() and not archive.is_archive(file):
        raise UnsafeFileError("is no archive as torch writes")
    return load(file)


def load_checkpoint(file: Path) -> dict[str, Any]:
    """Load a run's checkpoint. Raises UnsafeFileError, also for a file with other content, and OSError."""
    checkpoint = load_archive(file)
    state = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    tensors = isinstance(state, dict) and all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in state.items())
    if not tensors or not checkpoint.keys() >= CHECKPOINT_KEYS:
        raise UnsafeFileError("is no checkpoint of a run")
    result: dict[str, Any] = checkpoint
    return result
