"""Where every checkpoint is written: by way of `disk`, so that a kill or a full disk never costs the one before.

Lightning stages a checkpoint in the temporary folder and moves it: across filesystems that is a copy, so a kill leaves half a
file under the final name, and a full disk costs the previous one.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO

from gan_lightning.storage import safe_load
from gan_lightning.storage.atomic import make_folder, open_atomic, retry


class DurableCheckpointIO(CheckpointIO):
    """Lightning's one place for saving and loading."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Whole or not at all. Raises OSError (DiskFull, where it is that) when it failed more than a few times."""
        target = Path(path)

        def once() -> None:
            make_folder(target.parent)
            with open_atomic(target, lambda: count_bytes(checkpoint)) as file:
                try:
                    torch.save(checkpoint, file)
                except RuntimeError as error:  # torch's writer hides what the disk said
                    raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None

        retry(once)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Plain data only: a checkpoint from a stranger runs no code."""
        return safe_load.load_checkpoint(Path(path), map_location or "cpu")

    def remove_checkpoint(self, path: Any) -> None:
        """Delete, if it is there."""
        Path(path).unlink(missing_ok=True)


def count_bytes(checkpoint: dict[str, Any]) -> int:
    """How many bytes its file has."""
    counter = ByteCounter()
    torch.save(checkpoint, counter)
    return counter.length


class ByteCounter(io.BytesIO):
    """A file that keeps nothing."""

    length = 0

    def write(self, data: Any) -> int:
        """Torch may hand over an array of anything."""
        n = memoryview(data).nbytes
        self.length += n
        return n
