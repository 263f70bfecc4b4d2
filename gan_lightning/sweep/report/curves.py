"""The scalars of a run, read from its event files fast enough for a report of a thousand runs.

An event file is a sequence of records: length (8 bytes), checksum (4), a serialised Event, checksum (4). TensorBoard's loader
computes every checksum in Python, also those of images; this reader skips long records, verifies no checksum and keeps the
scalars of a few tags only. A resumed run writes a START record with its first step: what an earlier process logged from that
step on is dropped.
"""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_lightning.storage.data_file import MEBIBYTE, read_data_file

TAG_PREFIXES = ("loss/", "metric/", "objective")  # of the tags that a report shows
MAX_TABLE = 256 * MEBIBYTE  # of a metrics.csv
MAX_STEP = 2**53
MAX_RECORD = 1 << 16  # bytes; longer records are images that were logged among the scalars
IMAGES_SUFFIX = ".images"  # of event files that hold images only

Points = dict[str, dict[int, float]]  # tag → step → value


class Curve(NamedTuple):
    """Hold what was logged under one tag, in ascending steps."""

    steps: np.ndarray  # (N,)
    values: np.ndarray  # (N,)

    def at(self, step: float) -> float | None:
        """Return the last value logged at or before `step`; None if there is none or it is not finite."""
        i = int(np.searchsorted(self.steps, step, side="right")) - 1
        return float(self.values[i]) if i >= 0 and np.isfinite(self.values[i]) else None


def read_curves(folder: Path) -> dict[str, Curve]:
    """Read the curve of each tag from TensorBoard's event files and from Lightning's CSV files.

    Raises OSError if a file can't be read, ValueError, KeyError, TypeError or OverflowError if its content is damaged.
    """
    points: Points = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        if not path.name.endswith(IMAGES_SUFFIX):
            _read_events(path, points)
    for path in sorted(folder.glob("metrics*.csv"), key=lambda p: (p.name == "metrics.csv", p.name)):
        _read_csv(path, points)
    ordered = {tag: sorted(of_tag.items()) for tag, of_tag in points.items() if of_tag}
    return {tag: Curve(np.array([s for s, _ in rows]), np.array([v for _, v in rows])) for tag, rows in ordered.items()}


def read_records(path: Path) -> Iterator[bytes]:
    """Yield the short records of an event file, up to one that is cut off: the process was killed or is still writing."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while len(header := file.read(12)) == 12:
            (length,) = struct.unpack_from("<Q", header)
            if file.tell() + length + 4 > size:
                return
            if length > MAX_RECORD:
                file.seek(length + 4, 1)
            else:
                yield file.read(length + 4)[:-4]


def _read_events(path: Path, points: Points) -> None:
    """Add the scalars of an event file to `points`. Raises ValueError if a record is damaged."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog

    for record in read_records(path):
        try:
            event = Event.FromString(record)
        except DecodeError:
            raise ValueError(f"{path.name} is damaged") from None
        if event.HasField("session_log") and event.session_log.status == SessionLog.START:
            for of_tag in points.values():
                for step in [step for step in of_tag if step >= event.step]:
                    del of_tag[step]
        for value in event.summary.value:
            if value.tag.startswith(TAG_PREFIXES) and value.HasField("simple_value"):
                points.setdefault(value.tag, {})[event.step] = value.simple_value


def _read_csv(path: Path, points: Points) -> None:
    """Add the scalars of a metrics.csv to `points`. Raises ValueError for a table of another program."""
    text = read_data_file(path, MAX_TABLE).decode()
    try:
        for row in csv.DictReader(io.StringIO(text, newline="")):
            for tag, value in row.items():
                if value and isinstance(tag, str) and tag.startswith(TAG_PREFIXES):
                    if not 0 <= (step := int(row["step"])) < MAX_STEP:
                        raise ValueError(f"{path.name}: {step} is no step")
                    points.setdefault(tag, {})[step] = float(value)
    except csv.Error as error:
        raise ValueError(f"{path.name}: {error}") from None
