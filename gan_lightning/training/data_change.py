"""The comparison of a run's data with those that it was trained on: a changed set is refused unless the user accepts it.

The new set is accepted by `data.changed=accept` for one command. Training then stores its fingerprint, and the change in
`data_changed` of result.json; gan-evaluate and gan-replay leave the run as it is.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from gan_lightning.config.errors import UserError
from gan_lightning.config.instantiate import build_data
from gan_lightning.config.resolve import Plain
from gan_lightning.config.validate import validate
from gan_lightning.data.base import Data, DataError, LayoutError
from gan_lightning.data.fingerprint import Fingerprint
from gan_lightning.run import data_record
from gan_lightning.run.directory import Run
from gan_lightning.storage.printable import printable

ACCEPT = "data.changed=accept"
UNKNOWN = "what the data were is not known"  # the beginning of the one change from a damaged record
FREE = ("batch_size", "num_workers", "cache", "validation", "test")  # keys of data that don't choose the set


class ChangedDataError(UserError):
    """Signal that the data are not those that a run was trained on."""


def require_same_data(run: Run, plain: Plain, accepted: bool = False, cure: str | None = None) -> list[str]:
    """Compare the data of `plain` with the run's record, and return the changes if they are `accepted`.

    A run without a record is not compared. `cure` is what to type; None: the command that trains the run further.
    Raises ChangedDataError, with a line per kind of change, unless `accepted`, and even then if the data do not fit the config.
    Raises UserError if the data can't be read.
    """
    if not (run.path / data_record.NAME).exists():
        return []
    try:
        now = build_data(plain).fingerprint()
    except DataError as error:
        refuse_changed_layout(run, error)
        raise UserError(*error.lines) from None
    changes = find_changes(run, now)
    if changes and not accepted:
        cure = cure or continuing_command(run)
        if changes[0].startswith(UNKNOWN):
            raise ChangedDataError(f"run={run.path}: {changes[0]}; to go on with the data as they are: {cure}")
        head = f"run={run.path}: the data are not those that it was trained on; to go on with them as they are: {cure}"
        raise ChangedDataError(head, *(f"changed: {line}" for line in changes))
    return changes


def continuing_command(run: Run, overrides: Sequence[str] = ()) -> str:
    """Return the command that trains a run further with these overrides and the data as they are, quoted for a shell."""
    return f"gan-train {shlex.join([f'run={run.path}', *overrides])} {ACCEPT}"


def print_changes(changes: list[str]) -> list[str]:
    """Print the accepted changes, and return them."""
    for line in changes:
        print(printable(f"changed: {line}"))
    return changes


def find_changes(run: Run, now: Fingerprint | None) -> list[str]:
    """Return a line per kind of change from the run's record to `now`; a damaged record is one, a missing one is none."""
    try:
        before = data_record.load(run.path)
    except data_record.DamagedRecordError as error:
        return [f"{UNKNOWN}: {error}"]
    return [] if before is None or now is None else before.differences(now)


def refuse_changed_layout(run: Run, error: BaseException | None) -> None:
    """Raise ChangedDataError if the data that the run was trained on no longer fit its config, as a LayoutError says.

    Their number of classes, for example, is a part of the run's networks, so they can't be accepted either. Nothing is raised
    for another error, and of a run without a record, whose data may never have fitted.
    """
    if isinstance(error, LayoutError) and (run.path / data_record.NAME).exists():
        cure = "restore them, set data.root to a folder where they are, or train a new run"
        head = f"run={run.path}: the data are not those that it was trained on, and no longer fit its config; {cure}"
        raise ChangedDataError(head, f"changed: {error.problem}") from None


def record_data(run: Run, plain: Plain, data: Data, changes: list[str], step: int) -> None:
    """Store the fingerprint of a run that has none, or whose accepted `changes` replace it.

    The changes are printed and appended to `data_changed` of result.json; of a new fork they are those since its parent was
    trained. Raises OSError and DataError.
    """
    known = (run.path / data_record.NAME).exists()
    if known and not changes:
        return
    fingerprint = data.fingerprint()
    if fingerprint is None:
        return
    if not known and plain["fork"]:
        changes = changes_since_parent(plain, fingerprint)
    if print_changes(changes):
        run.record(data_changed=[*run.result.get("data_changed", []), {"step": step, "changed": changes}])
    data_record.save(run.path, fingerprint)


def changes_since_parent(plain: Plain, now: Fingerprint) -> list[str]:
    """Return the changes since a fork's parent was trained; none if the fork's config chooses another set, or without it."""
    try:
        parent = Run(plain["fork"]["run"])
        before = validate(parent.config)
    except UserError:  # the parent is gone; the fork has its own checkpoint
        return []
    return find_changes(parent, now) if chosen_set(before) == chosen_set(plain) else []


def chosen_set(plain: Plain) -> Plain:
    """Return the part of a data config that chooses the set."""
    return {key: value for key, value in plain["data"].items() if key not in FREE}
