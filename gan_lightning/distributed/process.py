"""The preparation of each process of a command: its imports, its output, its signals, a short folder for its sockets."""

from __future__ import annotations

import atexit
import codecs
import gc
import io
import logging
import multiprocessing.util
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gan_lightning.distributed import stopping
from gan_lightning.distributed.streams import drop_what_fails, open_closed_descriptors
from gan_lightning.storage.home import has_home, private_folder

PACKAGES = Path(__file__).resolve().parents[2]  # the folder that this package was imported from
UTF8_VARIABLE = "PYTHONUTF8"
PRINTABLE = "gan_lightning.printable"  # the name of an error handler for `str.encode`
REPLACEMENTS = {"→": "->", "–": "-", "—": "-", "−": "-", "×": "x", "…": "...", "·": "*", "±": "+-", "≥": ">=", "≤": "<="}
MAX_SOCKET_PATH = 107  # bytes of a Unix socket's path on Linux, the shortest of all systems but one byte
SOCKET_NAME = "/pymp-12345678/listener-12345678"  # what multiprocessing appends to the temporary folder
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - multiprocessing makes a private folder in the first


def prepare_process() -> None:
    """Let this process print any text on a terminal of any encoding, and do without stderr, a home folder and a short $TMPDIR.

    Signals that were blocked until now are delivered.
    """
    os.environ.update(import_variables())
    codecs.register_error(PRINTABLE, replace_unprintable)
    open_closed_descriptors()
    drop_what_fails("stderr", PRINTABLE)
    logging.raiseExceptions = False  # or a log that is full would print a traceback for each of its lines
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=PRINTABLE)
    stopping.unblock_signals()
    shorten_socket_paths()
    if not has_home():
        os.environ.setdefault("MPLCONFIGDIR", str(private_folder() / "matplotlib"))  # else Matplotlib prints two warnings


def import_variables() -> dict[str, str]:
    """Return the variables with which every Python that this process starts imports from where this process did.

    Such are the processes of a sweep, of a data loader and of the launchers. None searches the current folder, which may be a
    stranger's, unless this package itself was found there, by `python -m` in a checkout that is not installed.
    """
    variables = {"PYTHONSAFEPATH": "1"}
    if not sys.flags.safe_path and sys.path[:1] == [str(PACKAGES)]:
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACKAGES), os.environ.get("PYTHONPATH")]))
    return variables


@contextmanager
def no_collection() -> Iterator[None]:
    """Search for no reference cycles in this block, which imports modules, nor later among the objects that they define.

    These objects stay to the end of the process, and there are so many that the search takes a sixth of a short command.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        atexit.register(gc.unfreeze)  # else libraries print at the exit that their objects were not released


def outlive_readers() -> None:
    """Let this process, which trains, go on when nobody reads its output, and when there is no room for it."""
    drop_what_fails("stdout", PRINTABLE)


def use_utf8() -> None:
    """Start this process again in Python's UTF-8 mode if it reads file names and arguments as ASCII.

    That is so where the locale is C and the mode is disabled.
    """
    if codecs.lookup(sys.getfilesystemencoding()).name == "ascii" and os.environ.get(UTF8_VARIABLE) != "1":
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {UTF8_VARIABLE: "1"})  # noqa: S606


def replace_unprintable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace what an encoding does not have by ASCII: → by ->, a letter by its escape; bytes of a file name stay as they are.

    An error handler for `str.encode`. Raises UnicodeError if it is called for anything else.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    if all("\udc80" <= letter <= "\udcff" for letter in text):
        return text.encode("ascii", "surrogateescape"), error.end
    ascii_text = (REPLACEMENTS.get(letter) or letter.encode("ascii", "backslashreplace").decode() for letter in text)
    return "".join(ascii_text), error.end


def shorten_socket_paths() -> None:
    """Let multiprocessing make its sockets in a short folder if their path below $TMPDIR would be too long for the system."""
    try:
        length = len(os.fsencode(tempfile.gettempdir() + SOCKET_NAME))
    except OSError:  # there is no temporary folder: what needs one reports it
        return
    if length <= MAX_SOCKET_PATH:
        return
    configured = tempfile.tempdir
    tempfile.tempdir = next((folder for folder in SHORT_FOLDERS if os.access(folder, os.W_OK | os.X_OK)), configured)
    try:
        multiprocessing.util.get_temp_dir()  # made at its first call, and used by this process and its children from then on
    finally:
        tempfile.tempdir = configured
