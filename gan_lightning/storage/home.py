"""The user's home folder: `~` in a path, and the folder of the caches, also where the home folder can't be written."""

from __future__ import annotations

import getpass
import logging
import os
import tempfile
from functools import cache
from pathlib import Path

CACHE = "~/.cache/gan_lightning"
CACHE_VARIABLE = "GAN_LIGHTNING_CACHE"

log = logging.getLogger("gan_lightning")


def expand_home(path: str | os.PathLike[str]) -> Path:
    """Return the path with a leading `~` or `~user` replaced by that home folder; unchanged if there is no such user.

    `Path.expanduser` would raise RuntimeError for an unknown user.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111


def cache_folder(configured: str | None = None) -> Path:
    """Return the folder of the caches: the configured one, else $GAN_LIGHTNING_CACHE, else ~/.cache/gan_lightning.

    Where the last can't be written, because there is no home folder or it is read-only, a folder of this user below the
    system's temporary folder is returned instead, and one line says so.
    """
    chosen = configured or os.environ.get(CACHE_VARIABLE)
    if chosen:
        return expand_home(chosen)
    default = expand_home(CACHE)
    at_home = os.environ.get("HOME") != "" and expand_home("~").is_dir()  # it may be read-only, and its cache not
    return default if at_home and is_writable(default) else temporary_cache(default)


@cache
def temporary_cache(default: Path) -> Path:
    """Return a folder for the caches that replaces `default`, and log a line that says so; once per process."""
    folder = private_folder() / "cache"
    log.warning("%s can't be written; caches go to %s; for another folder: %s=FOLDER", default, folder, CACHE_VARIABLE)
    return folder


@cache
def private_folder() -> Path:
    """Return a folder below the system's temporary folder that belongs to this user; a new one if the usual does not."""
    folder = Path(tempfile.gettempdir()) / f"gan_lightning-{user_name()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        private = folder.stat().st_uid == os.getuid() and not folder.is_symlink()
    except OSError:
        private = False
    return folder if private else Path(tempfile.mkdtemp(prefix="gan_lightning-"))


def has_home() -> bool:
    """Return whether there is a home folder that this user may write."""
    home = expand_home("~")
    return os.environ.get("HOME") != "" and home.is_dir() and os.access(home, os.W_OK)


def user_name() -> str:
    """Return the user's login name, or the number of a user without one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def is_writable(folder: Path) -> bool:
    """Return whether files can be written in a folder, which is made if it does not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
