"""A file that torch wrote, perhaps a stranger's: plain data, or nothing of it.

A pickle can call anything while it is read. The only place that reads one reads numbers, text, lists, mappings and tensors.
"""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import Any

import torch

PARTS = {"state_dict", "optimizer_states", "loops", "global_step"}  # of a checkpoint, to go on from
NAMED = re.compile(r"GLOBAL ([\w.]+)")  # what a pickle would have called


class UnsafeFileError(Exception):
    """What a file holds can't be read as plain data: one line."""


def load(file: Path | io.BytesIO, device: Any = "cpu") -> Any:
    """What the file holds. Raises UnsafeFileError, having run nothing of it, and OSError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wonders at pickles that it did not write: it need not tell us
            return torch.load(file, map_location=device, weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged or hostile file fails in many ways
        said = str(error)
        if "weights only load failed" in said.lower() or "weights_only=True" in said:
            called = NAMED.search(said)
            raise UnsafeFileError(
                f"holds more than plain data{f' ({called[1]})' if called else ''} and was not loaded"
            ) from None
        line = next((line for line in said.splitlines() if line.strip()), type(error).__name__)
        raise UnsafeFileError(f"can't be read: {line}") from None


def load_checkpoint(file: Path, device: Any = "cpu") -> dict[str, Any]:
    """A run's checkpoint. Raises UnsafeFileError, also if it is none, and OSError."""
    held = load(file, device)
    state = held.get("state_dict") if isinstance(held, dict) else None
    tensors = isinstance(state, dict) and all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in state.items())
    if not tensors or not held.keys() >= PARTS:
        raise UnsafeFileError("is no checkpoint of a run")
    found: dict[str, Any] = held
    return found
