"""The base class of data whose samples are piano rolls: what a step, a bar and a pitch index of a sample mean.

sample[v, t, p] = 1 while voice v sounds at pitch lowest + p in step t, else −1
sample_shape = [voices, bars · steps_per_bar, pitches]

The values are −1 and 1, not 0 and 1, so that a roll has the range of an image and every network for images can draw one.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from gan_lightning.data.base import Data, DataError
from gan_lightning.data.format.base import SampleFormat
from gan_lightning.data.format.piano_roll import PianoRolls
from gan_lightning.data.format.piece import bar_quarters
from gan_lightning.step.types import Count

Pitch = Annotated[int, Field(ge=0, le=127)]
Meter = Annotated[str, Field(pattern=r"^([1-9]|[1-9][0-9])/(1|2|4|8|16|32)$")]


class Music(Data):
    """Define piano rolls: `lowest` is the MIDI pitch of index 0 (60: middle C), `meter` the length of a bar."""

    def __init__(self, steps_per_bar: Count = 16, lowest: Pitch = 36, meter: Meter = "4/4", **shared: Any) -> None:
        super().__init__(**shared)
        self.steps_per_bar, self.lowest, self.meter = steps_per_bar, lowest, meter

    @property
    def sample_format(self) -> SampleFormat:
        return PianoRolls(self.lowest, self.steps_per_bar, self.meter)

    @property
    def steps_per_quarter(self) -> float:
        """Return the number of steps of a quarter note."""
        return self.steps_per_bar / bar_quarters(self.meter)

    @property
    def steps_per_beat(self) -> int:
        """Return the number of steps of a beat of the meter; those of a bar if beats are no whole steps."""
        beats = int(self.meter.split("/")[0])
        return self.steps_per_bar if self.steps_per_bar % beats else self.steps_per_bar // beats

    @property
    def bars(self) -> int:
        """Return the number of bars of a sample."""
        return self.sample_shape[1] // self.steps_per_bar

    def require_roll_shape(self) -> None:
        """Raise DataError unless the shape is that of unlabelled piano rolls of whole bars."""
        shape = self.sample_shape
        if len(shape) != 3 or shape[1] % self.steps_per_bar:
            raise DataError(
                f"data.sample_shape: {list(shape)} is no shape of piano rolls with data.steps_per_bar={self.steps_per_bar}; "
                f"allowed: [voices, bars · {self.steps_per_bar}, pitches], such as [4,{2 * self.steps_per_bar},48]"
            )
        if self.lowest + shape[2] > 128:
            raise DataError(
                f"data.lowest: {shape[2]} pitches from {self.lowest} on end above 127, the highest MIDI pitch; "
                f"allowed: at most {max(128 - shape[2], 0)}"
            )
        if self.num_classes:
            raise DataError(f"data.num_classes: piano rolls are unlabelled, 0, not {self.num_classes}")
