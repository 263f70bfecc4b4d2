"""Lightning's checkpoint plugin, with atomic writes and safe loading.

Lightning writes a checkpoint to the temporary folder and moves it. Across filesystems a move is a copy, so that a killed
process leaves an incomplete file under the final name, and a full disk destroys the previous checkpoint.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO

from gan_lightning.storage import safe_load
from gan_lightning.storage.atomic import make_folder, open_atomic, retry
from gan_lightning.storage.plain_data import plain_copy, structure

RECORD = "gan_lightning"  # the key of a checkpoint's record: its run's id, and its structure as it was saved


class DurableCheckpointIO(CheckpointIO):
    """Save and load every checkpoint of a Trainer; with a `run_id` each is saved with a record of what it belongs to."""

    def __init__(self, run_id: str | None = None) -> None:
        self.run_id = run_id

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write the checkpoint with `open_atomic` and `retry`. Raises OSError, on a full disk its subclass DiskFull.

        Raises NotPlainError, too, for a state that `load_checkpoint` would refuse, such as a callback of a user's own may have.
        """
        target = Path(path)
        if self.run_id is not None:
            held = {key: value for key, value in checkpoint.items() if key != RECORD}
            checkpoint = held | {RECORD: {"run": self.run_id, "structure": structure(plain_copy(held))}}

        def attempt() -> None:
            make_folder(target.parent)
            with open_atomic(target, lambda: count_bytes(checkpoint)) as file:
                try:
                    torch.save(checkpoint, file)
                except RuntimeError as error:  # torch's writer replaces an OSError by a RuntimeError
                    raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None

        retry(attempt)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Load a checkpoint of plain data, whatever `weights_only`: a stranger's file runs no code. Raises UnsafeFileError."""
        return safe_load.load_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete the checkpoint if it exists."""
        Path(path).unlink(missing_ok=True)


def count_bytes(checkpoint: dict[str, Any]) -> int:
    """Return the size in bytes of the checkpoint's file."""
    counter = ByteCounter()
    torch.save(checkpoint, counter)
    return counter.length


class ByteCounter(io.BytesIO):
    """Count the bytes that are written, and store none."""

    length = 0

    def write(self, data: Any) -> int:
        """Add the size of the buffer, in bytes whatever its item size."""
        n = memoryview(data).nbytes
        self.length += n
        return n
