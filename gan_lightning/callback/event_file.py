"""The names of TensorBoard's event files, in the order of a run's sessions whatever the clock says.

    events.out.tfevents.NUMBER.HOST.PID.COUNT.SUFFIX,   NUMBER = max(seconds since 1970, NUMBER of the previous session + 1)

TensorBoard reads the files of a run in the order of their names, and a resumed session begins with a record that discards later
steps of earlier ones. Its writer takes NUMBER from the clock alone: after the clock was set back, the earlier session would be
read last. Without the random SUFFIX the same second and process number, as in a container, would overwrite a file. A number
that is larger than all before is a logical clock: Lamport 1978, "Time, clocks, and the ordering of events".
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

LATEST = 5_000_000_000  # seconds, the year 2128: a larger number is of no session, and those of sessions keep ten digits
NAME = re.compile(r"events\.out\.tfevents\.(?P<number>\d{10})\.(?P<rest>.*)")


def unique_suffix() -> str:
    """Return the end of a file's name that no other session has."""
    return f".{secrets.token_hex(4)}"


def follow_earlier_sessions(writer: SummaryWriter) -> None:
    """Give the file that a writer has begun a larger number than those of the other files in its folder. Raises OSError."""
    events = writer._get_file_writer().event_writer  # type: ignore[no-untyped-call]
    begun = Path(events._file_name)
    others = [match for path in begun.parent.iterdir() if path != begun and (match := NAME.fullmatch(path.name))]
    own = NAME.fullmatch(begun.name)
    numbers = [int(match["number"]) for match in others]
    least = max((number + 1 for number in numbers if number < LATEST), default=0)
    if own is None or int(own["number"]) >= least:
        return
    events.flush()  # the writer opens the file by its name for each write, and has nothing to write now
    target = begun.with_name(f"events.out.tfevents.{least:010d}.{own['rest']}")
    begun.rename(target)
    events._file_name, events._general_file_writer.filename = str(target), bytes(target)
