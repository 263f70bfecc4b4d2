"""Make a folder of spoken digits with the synthesizer espeak-ng: one WAV file for each word, voice, speed and pitch.

python scripts/make_spoken_digits.py FOLDER        (45 CPU seconds; Debian: apt-get install espeak-ng)

FOLDER/0/en-us_s190_p40.wav is the word "zero", and so on: the subfolder is the digit, for `data=waveforms data.num_classes=10`.
The silence before and after a word is removed, the rate is 8000 Hz, and the values have 16 bits. The same version of espeak-ng
writes the same bytes.
"""

from __future__ import annotations

import argparse
import io
import itertools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
VOICES = ("en-us", "en-us+m3", "en-us+m7", "en-us+f2", "en-us+f4", "en-gb")
SPEEDS = range(170, 231, 10)  # words per minute
PITCHES = range(30, 71, 5)  # of espeak-ng's 0 to 99
RATE = 8000  # Hz
SILENCE = 0.02  # of a word's largest value


def main() -> None:
    """Write the files, and print how many there are and how long they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--voices", nargs="+", default=VOICES)
    arguments = parser.parse_args()
    if not shutil.which("espeak-ng"):
        parser.error("espeak-ng is not installed; on Debian: apt-get install espeak-ng")
    seconds = []
    for digit, voice, speed, pitch in itertools.product(range(len(WORDS)), arguments.voices, SPEEDS, PITCHES):
        wave = speak(WORDS[digit], voice, speed, pitch)
        path = arguments.folder / str(digit) / f"{voice}_s{speed}_p{pitch}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, wave, RATE, subtype="PCM_16")
        seconds.append(len(wave) / RATE)
    shortest, median, longest = np.quantile(seconds, (0, 0.5, 1))
    print(f"{len(seconds):,} files of {shortest:.2f} to {longest:.2f} s, median {median:.2f} s, in {arguments.folder}")


def speak(word: str, voice: str, speed: int, pitch: int) -> np.ndarray:  # -> (T,) float64 in [-1, 1]
    """Return a spoken word at RATE, its largest value 0.9, without the silence around it."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", word]
    content = subprocess.run(command, check=True, capture_output=True).stdout
    wave, rate = soundfile.read(io.BytesIO(content))
    wave = resample_poly(wave, RATE, rate)
    loud = np.flatnonzero(np.abs(wave) > SILENCE * np.abs(wave).max())
    wave = wave[loud[0] : loud[-1] + 1]
    return 0.9 * wave / np.abs(wave).max()


if __name__ == "__main__":
    main()
