"""The argument data.changed=accept of gan-train: this command goes on although the data of its run have changed.

It is no key of the config, so the next change is refused again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gan_lightning.config.errors import UserError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

    from gan_lightning.run.directory import Run

KEY = "data.changed"


def take_acceptance(line: Sequence[str]) -> tuple[bool, list[str]]:
    """Return whether `data.changed=accept` is among the arguments, and the others. Raises UserError for another value."""
    given = [argument for argument in line if argument.partition("=")[0].lstrip("+~") == KEY]
    for argument in given:
        if argument.partition("=")[2].strip("'\"") != "accept":
            raise UserError(f"{argument}: the data of a run are accepted as they are now, or not; allowed: {KEY}=accept")
    return bool(given), [argument for argument in line if argument not in given]


def refuse_acceptance(line: Sequence[str]) -> None:
    """Raise UserError if `data.changed=accept` is among the arguments of a new run or a sweep."""
    if take_acceptance(line)[0]:
        cure = f"leave it out; a run that has begun, a sweep's job too: gan-train run=RUN_DIR {KEY}=accept"
        raise UserError(f"{KEY}=accept: a new run has no earlier data to compare with; {cure}")


def require_parents_data(parent: Run, typed: Sequence[Override], accepted: bool) -> None:
    """Compare the data of a fork's parent with those that it was trained on, unless the fork's overrides choose other data.

    Raises ChangedDataError, with a line per kind of change, unless they are `accepted`.
    """
    from gan_lightning.config.validate import validate
    from gan_lightning.training.data_change import ACCEPT, FREE, ChangedDataError, require_same_data

    keys = [override.key_or_group for override in typed]
    if any(key == "data" or (key.startswith("data.") and key.removeprefix("data.") not in FREE) for key in keys):
        return
    try:
        require_same_data(parent, validate(parent.config), accepted, f"add {ACCEPT}")
    except ChangedDataError as error:
        raise ChangedDataError(error.lines[0].replace("run=", "fork=", 1), *error.lines[1:]) from None
