"""The config.yaml of a run directory, read as data: completed if an earlier version wrote it, refused if it has lost a key."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.interpolations import refuse_outside
from gan_lightning.config.missing_keys import add_missing, find_lost_keys
from gan_lightning.config.run_config import ConfigFileError, load_run_config
from gan_lightning.config.targets import refuse_target, role
from gan_lightning.storage import atomic
from gan_lightning.storage.printable import printable

FILE = "config.yaml"


def load(folder: Path) -> DictConfig:
    """Return the config of a run directory, with its interpolations.

    What the file of an earlier version lacks takes its default, and one line on stderr names it. Raises UserError if the file
    is no config, or lacks a key that has no default.
    """
    try:
        config = load_run_config(folder / FILE)
    except (OSError, ConfigFileError) as error:
        why = atomic.reason(error) if isinstance(error, OSError) else one_line(error)
        raise UserError(f"run={folder}: {FILE} can't be read: {why}") from None
    refuse_outside(OmegaConf.to_container(config, resolve=False))
    added = add_missing(config)
    if lost := list(dict.fromkeys(find_lost_keys(config))):
        more = f"; and {len(lost) - 1} more keys" if len(lost) > 1 else ""
        raise UserError(f"run={folder}: {FILE}: {lost[0]}{more}")
    if added and not refuse_target("gan", config.gan._target_, role("gan")):  # else `validate` reports the class
        print_once(f"run={folder}: {FILE} lacks {', '.join(added)}; the defaults are taken")
    return config


@cache
def print_once(line: str) -> None:
    """Print the line on stderr, once in a process: a command reads the file several times."""
    print(printable(line), file=sys.stderr)
