"""The key of a piece, by how long each of the twelve pitch classes sounds.

key = argmax over 24 keys of the correlation of the durations with the profile of the key

The profiles are the ratings of Krumhansl & Kessler 1982, figure 2; the method is that of Krumhansl 1990, chapter 4. Pieces that
are all moved to C major or A minor have one scale in common, so that "in the scale" has a meaning for samples of no known key.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)  # from the tonic upwards
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
SCALE = (0, 2, 4, 5, 7, 9, 11)  # the pitch classes of C major and of natural A minor


class Key(NamedTuple):
    """Hold a tonic's pitch class (0: C) and the mode."""

    tonic: int
    is_major: bool

    @property
    def shift(self) -> int:
        """Return the smallest number of semitones, −6 to 5, that moves the key to C major or A minor."""
        return ((0 if self.is_major else 9) - self.tonic + 6) % 12 - 6


def find_key(durations: np.ndarray) -> Key:  # (12,)
    """Return the key whose profile correlates best with the durations of the pitch classes; C major if all are equal."""
    centred = durations - durations.mean()
    best, key = -np.inf, Key(0, is_major=True)
    for is_major, profile in ((True, MAJOR), (False, MINOR)):
        for tonic in range(12):
            rolled = np.roll(profile, tonic) - np.mean(profile)
            score = float(centred @ rolled) / float(np.linalg.norm(rolled))
            if score > best + 1e-9:
                best, key = score, Key(tonic, is_major)
    return key
