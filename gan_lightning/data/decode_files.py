"""Decoding of many files into one array, in threads and within a budget of memory, and the report of those that are broken."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gan_lightning.data.base import DataError
from gan_lightning.data.decode import decode
from gan_lightning.data.decode_memory import default_budget
from gan_lightning.data.wide_values import WideValues
from gan_lightning.storage import atomic

BLOCK = 64  # images that a thread decodes before it reports
MAX_LINES = 20  # broken files that an error names; more are listed in a file


def decode_files(
    root: Path, files: Sequence[Path], samples: np.ndarray, wide: WideValues, errors: Path
) -> None:  # samples: (M, C, H, W) uint8, filled
    """Decode the M files below `root` into `samples`.

    Raises one DataError for all images that are broken; if they are more than MAX_LINES, all of them are listed in `errors`.
    """
    memory = default_budget()

    def decode_block(start: int) -> list[str]:
        mistakes = []
        for i, file in enumerate(files[start : start + BLOCK], start):
            try:
                samples[i] = decode(root / file, samples.shape[1:], wide, memory)
            except DataError as error:
                mistakes += error.lines
        return mistakes

    broken: list[str] = []
    threads = min(32, os.cpu_count() or 1)
    hidden = len(files) <= 2000
    with ThreadPoolExecutor(threads) as pool, tqdm(total=len(files), unit=" images", mininterval=1, disable=hidden) as bar:
        try:
            for mistakes in pool.map(decode_block, range(0, len(files), BLOCK)):
                broken += mistakes
                bar.update(min(BLOCK, len(files) - bar.n))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if broken:
        raise broken_files_error(broken, len(files), errors)


def broken_files_error(broken: Sequence[str], total: int, errors: Path) -> DataError:
    """Return the error for broken images, one line each; of more than MAX_LINES the others are listed in `errors` only.

    Where `errors` can't be written, the list goes to a file of the same name in the current folder.
    """
    lines = [f"data.root: {len(broken)} of {total} images can't be decoded; repair or remove them"]
    lines += [f"data.root: {line}" for line in broken[:MAX_LINES]]
    if len(broken) > MAX_LINES:
        text = "".join(f"{line}\n" for line in broken).encode("utf-8", "backslashreplace")
        more = f"data.root: and {len(broken) - MAX_LINES:,} more"
        for file in (errors, Path(errors.name).absolute()):
            try:
                atomic.write_bytes(file, text)
            except OSError:
                continue
            more += f"; all {len(broken):,} are listed in {file}"
            break
        lines.append(more)
    return DataError(*lines)
