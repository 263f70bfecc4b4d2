"""The outputs of commands: a command replaces only a file that it has written before itself.

Such a file is recognised by its content, and is replaced. Any other existing file is replaced only with `force=true`, and in
the folder of a run, a sweep or a search not even then. A link counts as the file that it leads to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gan_lightning.config.errors import UserError
from gan_lightning.storage.data_file import require_regular
from gan_lightning.storage.data_model import DataModel, Step, read_model

SAMPLE_NAME = re.compile(r"\d{6,}\.[a-z0-9]{2,5}")  # of gan-sample's files in a folder
SAMPLE_SOFTWARE = "gan-sample"  # the text chunk Software of its PNG files
EXPORT_SOFTWARE = "gan-export"  # in the description of its ONNX files and the metadata of its safetensors files
MAX_JSON = 2**24  # bytes; a larger file is none of ours
REPLAY_NAMES = {"real.png", "fake.png", "step.safetensors", "terms.json"}
RUN_MARKS = (  # what the folder of a run, a sweep or a search holds; config.yaml alone could be another program's
    ("config.yaml", "config.resolved.yaml"),
    ("config.yaml", "result.json"),
    ("sweep.json",),
    ("study.db", "trials"),
    (".search.lock", "trials"),
)
REPORT_MARKS = {  # what the beginning of each of a report's files contains: one of these
    ".html": ('<meta name="generator" content="gan-report">', "default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
    ".md": ("\n## Configurations\n",),
    ".csv": ("directory,status,reason,step,seconds,images_seen,seed,",),
}


class ScoresFile(DataModel):
    """Describe the file that gan-evaluate writes."""

    scores: dict[str, Any]
    protocol: dict[str, Any]
    provenance: dict[str, Any]


class TermsFile(DataModel):
    """Describe the terms.json that gan-replay writes."""

    step: Step
    since: Step | None
    terms: dict[str, Any]
    logged: dict[str, Any]


def require_replaceable(out: Path, command: str, is_own: Callable[[Path], bool], run: Path | None, force: bool) -> None:
    """Check that nothing is lost if `command` writes the file `out` for a `run`, if any; `is_own` recognises its files.

    Raises UserError for an existing file that the command has not written, or has written for another run, unless it is outside
    of the folders of runs, sweeps and searches and either `force` is given or it is empty, as one that mktemp has made.
    """
    if not out.is_file():
        return
    if (folder := foreign_folder(out, run)) is None and is_own(out):
        return
    if folder := folder or run_folder(out):
        raise UserError(f"out={out}: belongs to the run or sweep {folder}, and is never replaced; choose another name")
    if out.stat().st_size and not force:
        raise UserError(f"out={out}: exists, and {command} has not written it; choose another name, or replace it: force=true")


def require_sample_folder(out: Path, run: Path, force: bool) -> None:
    """Check that the samples of a `run` will be the only ones in the folder `out`. Hidden files are not counted.

    Raises UserError if the folder holds anything, unless `force` is given and all of its samples are gan-sample's.
    """
    held = visible_files(out)
    if not held:
        return
    others = [path for path in held if not is_sample_picture(path)]
    if folder := foreign_folder(out / "x", run) or (run_folder(out / "x") if others else None):
        raise UserError(f"out={out}/: belongs to the run or sweep {folder}, and is never written to; choose another folder")
    if lost := [path.name for path in others if SAMPLE_NAME.fullmatch(path.name)]:
        why = f"holds {lost[0]}, and whether gan-sample has written it can't be seen"
        raise UserError(f"out={out}/: {why}; choose another folder")
    if not force:
        raise UserError(f"out={out}/: is not empty; choose another folder, or replace the samples in it: force=true")


def require_replay_folder(out: Path, run: Path, is_default: bool, force: bool) -> None:
    """Check that gan-replay replaces only a record of its own in the folder `out`; `is_default`: the run's place for it.

    Raises UserError for a folder that holds anything else, unless `force` is given and it is not in the folder of a run.
    """
    held = visible_files(out)
    names = {path.name for path in held}
    is_own = names <= REPLAY_NAMES and (not names or is_default or matches(out / "terms.json", TermsFile))
    folder = foreign_folder(out / "x", run)
    if is_own and (folder is None or not names):
        return
    if not is_default and (folder := folder or run_folder(out / "x")):
        raise UserError(f"out={out}: belongs to the run or sweep {folder}, and is never written to; choose another folder")
    if not force:
        raise UserError(f"out={out}: holds other files; choose another folder, or write into this one: force=true")


def foreign_folder(path: Path, run: Path | None) -> Path | None:
    """Return the run or sweep whose folder contains the file, unless `run` is that or belongs to it; None if there is none."""
    folder = run_folder(path)
    return folder if folder is not None and (run is None or not run.resolve().is_relative_to(folder)) else None


def remove_samples(out: Path) -> None:
    """Remove the files that gan-sample has written into a folder as single samples. Raises OSError."""
    for path in visible_files(out):
        if SAMPLE_NAME.fullmatch(path.name) and is_sample_picture(path):
            path.unlink()


def run_folder(path: Path) -> Path | None:
    """Return the run, sweep or search whose folder contains the file, after links were followed; None if there is none."""
    for folder in path.resolve().parents:
        if any(all((folder / name).exists() for name in names) for names in RUN_MARKS):
            return folder
    return None


def visible_files(folder: Path) -> list[Path]:
    """Return the entries of a folder, sorted, without hidden ones; none if there is no folder. Raises OSError."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def is_sample_picture(path: Path) -> bool:
    """Return whether gan-sample has written this picture: only PNG files contain their software's name."""
    return path.suffix.lower() == ".png" and f"Software\0{SAMPLE_SOFTWARE}".encode() in read_beginning(path)


def is_scores(path: Path) -> bool:
    """Return whether gan-evaluate has written this file."""
    return matches(path, ScoresFile)


def is_export(path: Path) -> bool:
    """Return whether gan-export has written this file: its name is in the description, or in the metadata."""
    return path.suffix in (".onnx", ".safetensors") and EXPORT_SOFTWARE.encode() in read_beginning(path)


def is_report(path: Path) -> bool:
    """Return whether gan-report has written this page, or this table beside a page."""
    beginning = read_beginning(path)
    return any(mark.encode() in beginning for mark in REPORT_MARKS.get(path.suffix, ()))


def matches(path: Path, model: type[DataModel]) -> bool:
    """Return whether a file holds a JSON object of this model."""
    try:
        read_model(path.resolve(), model, MAX_JSON)
    except (OSError, ValueError):
        return False
    return True


def read_beginning(path: Path, size: int = 65536) -> bytes:
    """Return the first bytes of a file; none if it can't be read."""
    try:
        require_regular(path.resolve())  # opening a pipe would block
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""
