"""The split of named samples into train, validation and test: a function of each sample's own name.

u = blake2b(name) in [0, 1);  u < validation → validation;  u < validation + test → test;  otherwise train

One shuffle of all samples would move nearly every one of them when a file is added: what was trained on would be in the test
split of the same run. Here a new file moves no other, a removed one neither, and a copy of the folder has the same splits. The
price is that the shares hold on average only: of n samples, n · share ± √(n · share · (1 − share)).
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable

import numpy as np

BITS = 53  # of the hash, as many as a float holds exactly


def split_by_name(
    names: Iterable[str], validation: float, test: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # each (n,) int64
    """Return the sorted indices of train, validation and test; a split may be empty.

    A name is a path relative to the root of its data set, with `/` between the folders.
    """
    u = np.fromiter((place(name) for name in names), dtype=np.float64)
    held_out, reported = u < validation, (validation <= u) & (u < validation + test)
    return np.flatnonzero(~(held_out | reported)), np.flatnonzero(held_out), np.flatnonzero(reported)


def place(name: str) -> float:
    """Return the number in [0, 1) that a name is hashed to, the same for every Unicode normal form of the name."""
    text = name if name.isascii() else unicodedata.normalize("NFC", name)  # some filesystems change the form of a name
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()  # surrogates: a name of other bytes
    return (int.from_bytes(digest, "big") >> (64 - BITS)) / 2**BITS
