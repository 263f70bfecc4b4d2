"""The data.json.gz of a run directory: the fingerprint of the data that the run was trained on."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

from pydantic import ValidationError

from gan_lightning.data.fingerprint import Fingerprint
from gan_lightning.storage import atomic
from gan_lightning.storage.data_file import read_data_file
from gan_lightning.storage.data_model import describe_mistake

NAME = "data.json.gz"
MAX_BYTES = 2**28  # unpacked: about two million files; a small file may unpack to more than the memory


class DamagedRecordError(Exception):
    """Signal that a run's data.json.gz can't be read."""


def save(folder: Path, fingerprint: Fingerprint) -> None:
    """Write the fingerprint atomically. Raises OSError."""
    atomic.write_bytes(folder / NAME, gzip.compress(fingerprint.model_dump_json().encode(), mtime=0))


def load(folder: Path) -> Fingerprint | None:
    """Return the fingerprint of a run directory; None if it holds none. Raises DamagedRecordError."""
    try:
        with gzip.open(io.BytesIO(read_data_file(folder / NAME, MAX_BYTES))) as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except (OSError, EOFError, zlib.error) as error:
        raise DamagedRecordError(f"{NAME} can't be read ({error})") from None
    if len(text) > MAX_BYTES:
        raise DamagedRecordError(f"{NAME} unpacks to more than {atomic.format_bytes(MAX_BYTES)}")
    try:
        return Fingerprint.model_validate_json(text)
    except ValidationError as error:
        raise DamagedRecordError(f"{NAME} is no fingerprint ({describe_mistake(error)})") from None
