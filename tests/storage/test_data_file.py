"""What a file of somebody else may be: a regular one of a bounded size; and how its text is printed."""

import inspect
import os
import pickle
import socket
import sys
from pathlib import Path

import pytest

from gan_lightning.config.errors import UserError
from gan_lightning.data.base import DataError
from gan_lightning.storage import atomic
from gan_lightning.storage.data_file import DataFileError, read_data_file, require_plain_folder
from gan_lightning.storage.printable import printable


def test_a_regular_file_is_read_up_to_its_limit(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    assert read_data_file(tmp_path / "x", 5) == b"12345"
    with pytest.raises(DataFileError, match="is larger than"):
        read_data_file(tmp_path / "x", 4)
    with pytest.raises(FileNotFoundError):
        read_data_file(tmp_path / "y")


def test_anything_else_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))
        for name in ("pipe", "link", "device", "folder", "socket"):
            with pytest.raises(DataFileError, match=r"is a link|is no regular file"):
                read_data_file(tmp_path / name)
    with pytest.raises(DataFileError, match="is no regular file"):
        read_data_file(Path("/dev/zero"))


def test_a_folder_is_looked_through(tmp_path):
    run = tmp_path / "run"
    require_plain_folder(run)
    (run / "a" / "b").mkdir(parents=True)
    (run / "inside").symlink_to("a/b")
    (tmp_path / "way").symlink_to("run")
    require_plain_folder(tmp_path / "way")
    (run / "a" / "b" / "out").symlink_to("../../../x")
    require_plain_folder(run, 1)
    for folder in (run, tmp_path / "way"):
        with pytest.raises(DataFileError, match="is a link that leads outside"):
            require_plain_folder(folder)
    (run / "a" / "b" / "out").unlink()
    (run / "runaway").symlink_to(tmp_path / "runaway")  # begins like the folder's own name
    with pytest.raises(DataFileError, match="is a link that leads outside"):
        require_plain_folder(run)


def test_a_folder_of_any_depth(tmp_path):
    """Nested deeper than Python recurses."""
    tmp_path.joinpath(*["d"] * 200).mkdir(parents=True)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        require_plain_folder(tmp_path)
    finally:
        sys.setrecursionlimit(limit)


def test_a_planted_temporary_file_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("mine")
    for name in ("x", "probe"):
        atomic.ReplaceFile(tmp_path / name).temporary.symlink_to("precious")
    atomic.write_text(tmp_path / "x", "new")
    atomic.try_writing(tmp_path)
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "x").is_symlink()


CONTROLS = {
    "a\x1b[31mb": r"a\x1b[31mb",
    "a\nb\rc\td": r"a\nb\rc\td",
    "\u202eab\u2066": r"\u202eab\u2066",
    "\x9b\x7f\x85": r"\x9b\x7f\x85",
    "\u2028\ufeff": r"\u2028\ufeff",
    "\udc1b": r"\udc1b",
}


@pytest.mark.parametrize("text", CONTROLS)
def test_controls_are_shown(text):
    assert printable(text) == CONTROLS[text]
    assert UserError(text, "second").lines == (CONTROLS[text], "second")
    assert DataError(text, "second").lines == [CONTROLS[text], "second"]


@pytest.mark.parametrize("text", ["ảnh mèo (1)", "\u3000全角", "👨\u200d👩\u200d👧", "می\u200cخواهم", "a\\nb", "→ ×\xa0±"])
def test_other_text_stays(text):
    assert printable(text) == text


def test_an_error_of_a_loader_s_worker_keeps_its_lines():
    error = DataError("a\nb", "c")
    wrapped = DataError(f"Caught DataError in DataLoader worker process 0.\nTraceback\nx.DataError: {error}\n")
    assert wrapped.lines == error.lines == [r"a\nb", "c"]
    assert pickle.loads(pickle.dumps(error)).lines == error.lines
