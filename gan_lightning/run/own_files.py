"""The check of a directory of a run, a sweep or a search before anything in it is read or written."""

from __future__ import annotations

from pathlib import Path

from gan_lightning.config.errors import UserError
from gan_lightning.storage import atomic
from gan_lightning.storage.data_file import require_plain_folder


def require_own_files(folder: Path, depth: int | None = None) -> None:
    """Check that nothing in a directory leads outside, or is anything but a file or a folder; see `require_plain_folder`.

    Raises UserError.
    """
    try:
        require_plain_folder(folder, depth)
    except OSError as error:
        raise UserError(f"{error.filename}: {atomic.reason(error)}") from None
