"""The base class of the sample formats: a picture of samples, files in their native format, and sound or text for the loggers.

A data set chooses one by `Data.sample_format`; a format knows nothing of training.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np
from torch import Tensor


class Sound(NamedTuple):
    """Hold one channel of sound."""

    samples: np.ndarray  # (T,) float32 in [-1, 1]
    rate: int  # samples per second


class SampleFormat(ABC):
    """Draw samples, and encode them as files: subclasses override `render`, and what their kind has beyond a picture.

    A sample is a tensor of shape `sample_shape` on any device; a batch of N has one more dimension in front.
    """

    suffix: ClassVar[str] = ".npy"  # of the file of one sample
    collections: ClassVar[tuple[str, ...]] = ()  # endings of one file that holds many samples, such as .csv
    companion: ClassVar[str] = ""  # the one of `collections` that is saved beside each picture of a run; empty: none
    num_shown: ClassVar[int | None] = None  # samples in a picture of a run; None: eight rows
    shows_real: ClassVar[bool] = False  # `render` draws real samples behind the generated ones
    interpolates: ClassVar[bool] = False  # a row of samples between two z shows something
    reads_data: ClassVar[bool] = False  # samples are decoded by what is fitted to the training data

    @abstractmethod
    def render(self, samples: Tensor, columns: int = 8, real: Tensor | None = None) -> np.ndarray:
        # (N, *sample_shape), (M, *sample_shape) -> (height, width, 3) uint8
        """Return a picture of the samples; `real` ones are drawn behind them if `shows_real`."""

    def encode_sample(self, sample: Tensor, software: str) -> bytes:  # (*sample_shape)
        """Return the content of one sample's file, which names the `software` if it can; here an array of numpy."""
        buffer = io.BytesIO()
        np.save(buffer, sample.detach().cpu().numpy(), allow_pickle=False)
        return buffer.getvalue()

    def encode_samples(self, samples: Tensor, ending: str) -> bytes:  # (N, *sample_shape)
        """Return the content of a file with all samples; `ending` is one of `collections`. Raises ValueError."""
        raise ValueError(f"{ending}: no file of several samples has this ending")

    def sound(self, samples: Tensor) -> Sound | None:  # (N, *sample_shape)
        """Return some of the samples as sound, one after another; None: they are no sound."""
        return None

    def text(self, samples: Tensor) -> str | None:  # (N, *sample_shape)
        """Return some of the samples as Markdown; None: they can't be read."""
        return None
