"""Commands where the terminal, the home folder or the temporary folder are not as usual: each works, or is one line."""

import codecs
import gc
import io
import os
import subprocess
import sys
import tempfile

import pytest
from waiting import HANG

from gan_lightning.distributed.process import no_collection, prepare_process, replace_unprintable
from gan_lightning.storage import home

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def run(*line, code="from gan_lightning.cli.train import main; main()", **environment):
    """A command in a process of its own, with the environment's variables changed."""
    variables = {k: v for k, v in os.environ.items() if k not in ("PYTHONIOENCODING", "PYTHONUTF8")} | environment
    return subprocess.run([sys.executable, "-c", code, *line], env=variables, capture_output=True, timeout=300, check=False)


def test_a_terminal_that_is_not_utf_8():
    """What is typed and printed has letters that ASCII does not have."""
    line = ("experiment=ring_fast", "name=ảnh", "--cfg", "job")
    done = run(*line, **ASCII)
    assert done.returncode == 0, done.stderr
    assert "\nname: ảnh\n" in done.stdout.decode()
    done = run(*line, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert b"\nname: \\u1ea3nh\n" in done.stdout


def test_what_an_encoding_does_not_have():
    codecs.register_error("tested", replace_unprintable)
    text = "a → ả – 1 × 2 \udcff"
    assert text.encode("ascii", "tested") == b"a -> \\u1ea3 - 1 x 2 \xff"
    assert text.encode("utf-8", "tested") == "a → ả – 1 × 2 ".encode() + b"\xff"
    assert text.encode("latin-1", "tested") == b"a -> \\u1ea3 - 1 \xd7 2 \xff"
    with pytest.raises(UnicodeEncodeError):
        text.encode("ascii")  # the control


def test_output_in_ascii(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    prepare_process()
    print("→", flush=True)
    assert written.getvalue() == b"->\n"


SOCKET = """
import sys, tempfile
from multiprocessing.connection import Listener
from gan_lightning.distributed.process import prepare_process
if sys.argv[1] == "prepared":
    prepare_process()
Listener(family="AF_UNIX").close()
print(tempfile.gettempdir())
"""


@pytest.mark.parametrize("length", [60, 85, 200])
def test_a_long_temporary_folder(tmp_path, length):
    """A socket's path may have 107 bytes; the sockets go elsewhere, and all other temporary files where $TMPDIR says."""
    folder = tmp_path / ("x" * max(length - len(str(tmp_path)) - 1, 1))
    folder.mkdir()
    done = run("prepared", code=SOCKET, TMPDIR=str(folder))
    assert (done.returncode, done.stdout.decode().strip()) == (0, str(folder)), done.stderr
    if length > 80:
        assert b"AF_UNIX path too long" in run("not", code=SOCKET, TMPDIR=str(folder)).stderr  # the control
    assert not list(folder.iterdir())


@pytest.fixture
def no_home(monkeypatch, tmp_path):
    for cached in (home.temporary_cache, home.private_folder):
        cached.cache_clear()
    monkeypatch.delenv("GAN_LIGHTNING_CACHE", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    for cached in (home.temporary_cache, home.private_folder):
        cached.cache_clear()


@pytest.mark.parametrize("place", ["/nowhere/at/all", "/dev/null", ""])
def test_no_home_folder(no_home, monkeypatch, tmp_path, caplog, place):
    monkeypatch.setenv("HOME", place)
    monkeypatch.setenv("MPLCONFIGDIR", "restored after the test")
    monkeypatch.delenv("MPLCONFIGDIR")
    prepare_process()
    folder = home.cache_folder()
    assert home.cache_folder() == folder
    assert folder.parent.parent == tmp_path
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert os.environ["MPLCONFIGDIR"] == str(folder.parent / "matplotlib")
    (line,) = caplog.messages  # once
    assert line.endswith(f"can't be written; caches go to {folder}; for another folder: GAN_LIGHTNING_CACHE=FOLDER")


def test_the_home_folder(no_home, monkeypatch, tmp_path, caplog):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert home.cache_folder() == tmp_path / "home" / ".cache" / "gan_lightning"
    assert home.cache_folder("~/mine") == tmp_path / "home" / "mine"
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", "~/ours")
    assert home.cache_folder() == tmp_path / "home" / "ours"
    assert not caplog.messages


def test_a_temporary_folder_of_somebody_else(no_home, monkeypatch, tmp_path):
    (tmp_path / f"gan_lightning-{home.user_name()}").symlink_to("/")
    assert home.private_folder().is_relative_to(tmp_path)
    assert home.private_folder().name != f"gan_lightning-{home.user_name()}"


def test_a_matplotlibrc_of_the_current_folder_is_not_read(tmp_path):
    """It may name a module to import; the control is Matplotlib alone."""
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 77\nbackend: module://marking\n")
    for first, width in (("gan_lightning.sweep.report.drawing", "1.5"), ("sys", "77.0")):
        code = f"import {first}, matplotlib; print(matplotlib.rcParams['lines.linewidth'])"
        line = [sys.executable, "-c", code]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=HANG, check=True)
        assert done.stdout == f"{width}\n"


def test_reference_cycles_while_modules_are_imported():
    cycle = []
    cycle.append(cycle)
    del cycle
    with no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count()
    gc.unfreeze()
    assert gc.collect()
