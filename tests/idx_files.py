"""Small sets in the format of MNIST, written for tests."""

import gzip
import struct

import numpy as np

from gan_lightning.data.mnist import FILES

LETTERS = tuple(
    f"emnist-letters-{split}-{kind}-ubyte" for split in ("train", "test") for kind in ("images-idx3", "labels-idx1")
)


def idx(values):
    return struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape) + values.tobytes()


def write(root, folder, files=FILES, first=0, classes=10, packed=False):
    """48 images of noise for training and 12 for testing; label i of class i mod `classes`."""
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for at, count in ((0, 48), (2, 12)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % classes + first).astype(np.uint8)
        for name, values in zip(files[at:], (images, labels), strict=False):
            (raw / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(idx(values)) if packed else idx(values))
    return raw
