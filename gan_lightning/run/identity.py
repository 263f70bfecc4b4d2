"""The identity of a run: the id that its checkpoints carry, and the traces that a run leaves where its config.yaml is lost."""

from __future__ import annotations

import secrets
from pathlib import Path

from gan_lightning.config.errors import UserError
from gan_lightning.config.resolve import Plain

TRACES = ("checkpoints/step=*.ckpt", "samples/step=*.png", "*tfevents*", "metrics*.csv", "data.json.gz")


def new_id() -> str:
    """Return a random id for a run."""
    return secrets.token_hex(8)


def refuse_lost_config(folder: Path, result: Plain) -> None:
    """Raise UserError if a directory without config.yaml holds what a run has made: it is not begun anew over that."""
    found = next((str(path.relative_to(folder)) for trace in TRACES for path in folder.glob(trace)), None)
    if found is None and (result.get("step") or result.get("saved")):
        found = "result.json"
    if found is not None:
        cure = "put config.yaml back, or choose another folder"
        raise UserError(f"{folder}: holds {found} of a run that has lost its config.yaml; {cure}")
