"""The switches of gan-train's command line, such as `-m` and `--config-dir FOLDER`, anywhere among its overrides."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from gan_lightning.config.errors import UserError
from gan_lightning.config.hydra_internals import get_args_parser
from gan_lightning.storage.home import expand_home


def parse_switches(line: list[str]) -> argparse.Namespace:
    """Parse a command line by Hydra's own argument parser; switches may stand anywhere, and `~` in `--config-dir` is expanded.

    Raises UserError, also for two switches that are disabled.
    """

    def fail(message: str) -> NoReturn:
        raise UserError(message)

    refuse_undecodable(line)
    parser = get_args_parser()
    parser.error = fail  # type: ignore[method-assign]
    switches = parser.parse_intermixed_args(line)
    if switches.experimental_rerun:  # Hydra would unpickle the file
        raise UserError("--experimental-rerun: not here; to go on with a run: gan-train run=RUN_DIR")
    if switches.config_path:
        raise UserError("--config-path: not here; to add configs of your own: --config-dir FOLDER")
    if switches.config_dir:
        switches.config_dir = str(expand_home(switches.config_dir))
    return switches


def refuse_undecodable(line: list[str]) -> None:
    """Raise UserError for arguments that are not UTF-8, because no config file could hold them."""
    if wrong := [argument for argument in line if re.search("[\udc80-\udcff]", argument)]:
        raise UserError(*(f"{argument}: not UTF-8; rename the file or folder" for argument in wrong))


def command_line(switches: argparse.Namespace) -> list[str]:
    """Return the command line of parsed switches with all overrides at its end, because Hydra takes them in one block only."""
    options = {name: value for name, value in vars(switches).items() if name != "overrides" and value not in (None, False)}
    flags = [f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}") for name, value in options.items()]
    return [*flags, *switches.overrides]
