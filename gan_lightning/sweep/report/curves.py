"""A run's scalars, read from its event files at the speed of a thousand runs a page.

An event file is a row of records: length (8 bytes), checksum (4), an Event, checksum (4). TensorBoard's own loader computes
every checksum in Python, also of pictures; here long records are stepped over, and of the rest only what is asked for is kept.
A run that went on says so by a START of its own: what an earlier process had logged from that step on doesn't count.
"""

from __future__ import annotations

import csv
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

WANTED = ("loss/", "metric/", "objective")  # how the tags begin that a report shows
LONGEST = 1 << 16  # bytes of a record; a picture, which was logged among the scalars, is longer
PICTURES = ".images"  # how the names of event files end that hold nothing else


class Curve(NamedTuple):
    """What was logged under one tag: steps ascend."""

    steps: np.ndarray  # (N,)
    values: np.ndarray  # (N,)

    def at(self, step: float) -> float | None:
        """The last value up to a step; None: there is none, or it is no number."""
        i = int(np.searchsorted(self.steps, step, side="right")) - 1
        return float(self.values[i]) if i >= 0 and np.isfinite(self.values[i]) else None


def read_curves(folder: Path) -> dict[str, Curve]:
    """Tag → curve, from TensorBoard's files and Lightning's CSV. Raises OSError, ValueError on files that are none."""
    found: dict[str, dict[int, float]] = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        if not path.name.endswith(PICTURES):
            _logged(path, found)
    for path in sorted(folder.glob("metrics*.csv"), key=lambda p: (p.name == "metrics.csv", p.name)):
        _rows(path, found)
    told = {tag: sorted(points.items()) for tag, points in found.items() if points}
    return {tag: Curve(np.array([s for s, _ in points]), np.array([v for _, v in points])) for tag, points in told.items()}


def read_records(path: Path) -> Iterator[bytes]:
    """The short records of a file, up to where it is cut off: its writer was killed, or is at it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while len(head := file.read(12)) == 12:
            (length,) = struct.unpack_from("<Q", head)
            if file.tell() + length + 4 > size:
                return
            if length > LONGEST:
                file.seek(length + 4, 1)
            else:
                yield file.read(length + 4)[:-4]


def _logged(path: Path, found: dict[str, dict[int, float]]) -> None:
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog

    for record in read_records(path):
        try:
            event = Event.FromString(record)
        except DecodeError:
            raise ValueError(f"{path.name} is damaged") from None
        if event.HasField("session_log") and event.session_log.status == SessionLog.START:
            for points in found.values():
                for step in [step for step in points if step >= event.step]:
                    del points[step]
        for value in event.summary.value:
            if value.tag.startswith(WANTED) and value.HasField("simple_value"):
                found.setdefault(value.tag, {})[event.step] = value.simple_value


def _rows(path: Path, found: dict[str, dict[int, float]]) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for tag, value in row.items():
                if value and isinstance(tag, str) and tag.startswith(WANTED):
                    found.setdefault(tag, {})[int(row["step"])] = float(value)
