"""The check of an override that chooses an option: a file of its group, in conf/ or in a folder of configs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hydra.core.override_parser.types import Override

from gan_lightning.config.config_files import find_misplaced_option
from gan_lightning.config.errors import suggest

LISTS = ("callback", "metric", "regularizer")  # groups whose options can be combined: regularizer=[r1,r2]


def find_option_mistake(override: Override, options: Callable[[str], list[str]], extra_dir: Path | None) -> str | None:
    """Return an error line if the override chooses an unknown option, or several where one is allowed.

    `options` returns the options of a group. An option in a folder inside its group's, such as `loss=mine/linear`, is one of
    that folder's; no name leaves the group's folder.
    """
    group = override.key_or_group
    if override.is_sweep_override():
        values = ",".join(override.sweep_string_iterator())
        combined = f"; to combine them: '{group}=[{values}]'" if group in LISTS else ""
        return f"{group}={values}: to run one after the other use -m{combined}"
    if not options(group) or override.is_delete():
        return None
    value = override.value()
    if isinstance(value, list) and group not in LISTS:
        return f"{group}={value}: takes one option; several can be given to {', '.join(LISTS)}"
    for choice in value if isinstance(value, list) else [value]:
        name = "null" if choice is None else str(choice)
        folder, _, last = name.rpartition("/")
        inside = not {"", ".", ".."} & {*folder.split("/")} if folder else "/" not in name
        known = options(f"{group}/{folder}" if folder else group) if inside else []
        if last not in known:
            misplaced = find_misplaced_option(extra_dir, group, name) if extra_dir and "/" not in name else None
            return f"{group}={name}: no such option; {misplaced or suggest(name, options(group))}"
    return None
