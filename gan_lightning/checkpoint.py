"""Where every checkpoint is written: beside its target, flushed to the disk, and only then given its name.

Lightning stages a checkpoint in the temporary folder and moves it: across filesystems that is a copy, so a kill leaves half a
file under the final name, and a full disk costs the previous one. Here a reader sees the old file or the new one, never less.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO

from gan_lightning import stranger


class DurableCheckpointIO(CheckpointIO):
    """Lightning's one place for saving and loading."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write to a temporary file in the same folder, fsync, replace, fsync the folder."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Plain data only: a checkpoint from a stranger runs no code."""
        return stranger.checkpoint(Path(path), map_location or "cpu")

    def remove_checkpoint(self, path: Any) -> None:
        """Delete, if it is there."""
        Path(path).unlink(missing_ok=True)


class replacing:  # noqa: N801 - read as a word: with replacing(target) as temporary
    """A temporary file beside `target` that takes its place if the block ends well, and is gone if not."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")

    def __enter__(self) -> Path:
        return self.temporary

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.temporary.unlink(missing_ok=True)
            return
        self.temporary.replace(self.target)
        folder = os.open(self.target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_text(target: Path, text: str) -> None:
    """A small file, as durably."""
    with replacing(target) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
