"""One sound file as a mono wave of a given rate and length: what is read of it, and how it is converted.

- Only the beginning is decoded, as long as the wave needs it. A WAV file that is shorter than its header says is cut off, and
  refused, unless the header has the length that programs write that do not know it yet, about two gigabytes.
- The channels are averaged.
- Another rate is converted by a polyphase filter (`scipy.signal.resample_poly`), which removes what the new rate can't hold.
  Its length is 20 times the larger number in the fraction of the two rates. A fraction with a number above 20,000 is rounded to
  one without, an error of at most 0.005 %; those of the usual rates are smaller, and exact.
- A shorter sound is followed by silence; a longer one is cut.
- Values beyond [-1, 1], of files with floats, are clipped; values that are not finite are refused.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from stat import S_ISREG
from types import ModuleType

import numpy as np
from scipy.signal import resample_poly

from gan_lightning.data.base import DataError

RATES = (1000, 768_000)  # Hz, of a file
MAX_CHANNELS = 64
MAX_RATIO = 20_000  # numerator and denominator of the ratio of two rates
SHORTER = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)  # in libsndfile's report of a WAV file
UNKNOWN_LENGTH = 0x7FFF_0000  # bytes: a header with at least this length was written before the length was known
MARGIN = 64  # values after the last that the filter reads, at the lower rate


def require_soundfile() -> ModuleType:
    """Return the module `soundfile`. Raises DataError if it is not installed."""
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: without the library libsndfile
        raise DataError(
            f"data: sound files are read by soundfile, which is missing ({error}); pip install soundfile"
        ) from error
    return soundfile


def read_wave(path: Path, length: int, rate: int) -> np.ndarray:  # -> (length,) float32 in [-1, 1]
    """Return the beginning of a sound file. Raises DataError, with the file's name, if it is broken or no sound."""
    soundfile = require_soundfile()
    try:
        frames, own_rate = read_frames(soundfile, path, length, rate)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # of a broken file, soundfile raises its own errors and those of its decoders
        why = getattr(error, "error_string", None) or str(error)  # libsndfile's own words, without the file object
        raise DataError(f"{path}: {' '.join(why.split()) or type(error).__name__}") from error
    if not len(frames):
        raise DataError(f"{path}: holds no sound")
    if not np.isfinite(frames).all():
        raise DataError(f"{path}: holds values that are not finite")
    wave = frames.mean(1)
    if own_rate != rate:
        wave = resample_poly(wave, *resampling_factors(own_rate, rate)).astype(np.float32)
    wave = wave[:length].clip(-1, 1)
    return np.pad(wave, (0, length - len(wave)))


def resampling_factors(own_rate: int, rate: int) -> tuple[int, int]:
    """Return the factors (up, down) of a resampling, at most MAX_RATIO: the reduced ratio, or the nearest to it."""
    low, high = Fraction(min(own_rate, rate), max(own_rate, rate)).limit_denominator(MAX_RATIO).as_integer_ratio()
    return (low, high) if rate < own_rate else (high, low)


def read_frames(soundfile: ModuleType, path: Path, length: int, rate: int) -> tuple[np.ndarray, int]:  # -> (frames, channels)
    """Return as many frames as `length` values at `rate` need, and the file's rate.

    Raises ValueError for what is no sound file of a usual rate, and what soundfile raises.
    """
    if not S_ISREG(path.stat().st_mode):  # opening a pipe would block
        raise ValueError("no file that can be read from its start to its end")
    with path.open("rb") as file, soundfile.SoundFile(file) as sound:
        own_rate, channels = sound.samplerate, sound.channels
        if not (RATES[0] <= own_rate <= RATES[1] and 1 <= channels <= MAX_CHANNELS):
            raise ValueError(f"{channels} channels at {own_rate} Hz")
        if found := SHORTER.search(sound.extra_info):
            stated, held = map(int, found.groups())
            if held < stated < UNKNOWN_LENGTH:
                raise ValueError(f"cut off after {held:,} of {stated:,} bytes of sound")
        needed = -(-(length + MARGIN) * own_rate // rate) if own_rate > rate else length * own_rate // rate + MARGIN
        return sound.read(needed, dtype="float32", always_2d=True), own_rate
