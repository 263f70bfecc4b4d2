"""The first labels of the published train files: they distinguish sets whose files have the same names as MNIST's."""

from __future__ import annotations

from pathlib import Path

from gan_lightning.data.base import DataError
from gan_lightning.data.idx import LABELS, is_present, open_idx, read_header

FIRST_LABELS = {  # by torchvision's folder
    "MNIST": bytes([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]),
    "FashionMNIST": bytes([9, 0, 0, 3, 0, 2, 7, 2, 5, 5]),
}
NUM_TRAIN = 60_000  # labels in each of these sets


def is_another_set(path: Path, folder: str) -> bool:
    """Return whether a file of train labels belongs to another published set than the one of this folder of torchvision.

    The files of a set are recognized by their first labels; other files of 60,000 labels are none of a set whose first labels
    are known. Files of one's own, with another number of labels, are no published set's. A broken file is left to its reader.
    """
    if not is_present(path):
        return False
    try:
        with open_idx(path) as file:
            count = read_header(file, path, LABELS)[1]
            first = file.read(10)
    except DataError:
        return False
    if first in FIRST_LABELS.values():
        return first != FIRST_LABELS.get(folder)
    return count == NUM_TRAIN and folder in FIRST_LABELS
