"""The base class of real data: a LightningDataModule with a sample shape, a number of classes and three splits."""

from __future__ import annotations

import multiprocessing
import warnings
from abc import abstractmethod
from pathlib import Path
from pickle import PicklingError
from typing import Annotated, Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from pydantic import Field
from torch import Tensor
from torch.utils.data import DataLoader

from gan_lightning.data.fingerprint import Fingerprint
from gan_lightning.data.format.base import SampleFormat
from gan_lightning.data.mirror import Mirrored
from gan_lightning.data.stream import Source, Stream
from gan_lightning.data.subset import Subset
from gan_lightning.step.types import Batch, Count, NumClasses, Shape
from gan_lightning.storage import atomic
from gan_lightning.storage.printable import printable

NumWorkers = Annotated[int, Field(ge=0, le=1024)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Share = Annotated[float, Field(ge=0, lt=1)]  # of all samples, for one split


class DataError(Exception):
    """Report data that are missing or do not match the config, one line per mistake.

    A line may contain the name of a file: its control characters, line ends among them, are shown as escapes.
    """

    def __init__(self, *lines: str) -> None:
        wrapped = lines[0].startswith("Caught ")  # by a worker process of a DataLoader, with its traceback
        super().__init__("\n".join(lines if wrapped else map(printable, lines)))

    def __reduce__(self) -> tuple[type[DataError], tuple[str, ...]]:
        return type(self), tuple(str(self).split("\n"))

    @property
    def lines(self) -> list[str]:
        """Return the message's lines, without the traceback that a worker process of a DataLoader puts around them."""
        return str(self).strip().rpartition("DataError: ")[2].split("\n")


class LayoutError(DataError):
    """Report splits or labels of a folder that do not match the config."""

    @property
    def problem(self) -> str:
        """Return the message without its cure, which sets keys that only a new run can set."""
        return str(self).rpartition("; ")[0]


class Splits(NamedTuple):
    """Hold the three splits: train for training, validation for choosing checkpoints, test only for reported numbers."""

    train: Source
    validation: Source
    test: Source


class SplitSizes(NamedTuple):
    """Hold the number of samples in each split."""

    train: int
    validation: int
    test: int


class Loader(DataLoader[Batch]):
    """Load batches in worker processes; data that can't be sent to them raise a DataError when the iteration begins.

    Where processes are forked, as on Linux, nothing is sent.
    """

    def __iter__(self) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Got pickle error")  # the DataError says it
                return super().__iter__()
        except (PicklingError, AttributeError, TypeError) as error:
            if not self.num_workers or multiprocessing.get_start_method() == "fork":
                raise
            raise DataError(
                f"data.num_workers: the data can't be sent to {self.num_workers} worker processes "
                f"({type(error).__name__}: {str(error).splitlines()[0]}); set data.num_workers=0"
            ) from error


class Data(pl.LightningDataModule):
    """Define the data of a run: subclasses override `count`, which must be cheap, and `load`.

    `batch_size` is the number of samples of one discriminator update in one process. A loader's batch holds
    `batches_per_step` times as many: all that one iteration needs. `train_samples` limits the training split to a part of it,
    and `mirror` flips half of the images in training. Raises DataError for samples that can't be mirrored.
    """

    def __init__(
        self,
        sample_shape: Shape,
        num_classes: NumClasses,
        batch_size: Count = 64,
        num_workers: NumWorkers = 0,
        seed: Seed = 0,
        batches_per_step: Count = 1,
        train_samples: Count | None = None,
        mirror: bool = False,
    ) -> None:
        super().__init__()
        if mirror and len(sample_shape) != 3:
            raise DataError(f"data.mirror: images are mirrored, not samples of shape {list(sample_shape)}; use false")
        self.train_samples, self.mirror = train_samples, mirror
        self.sample_shape, self.num_classes = tuple(sample_shape), num_classes
        self.batch_size, self.num_workers, self.seed, self.batches_per_step = batch_size, num_workers, seed, batches_per_step
        self._splits: Splits | None = None

    @abstractmethod
    def count(self) -> SplitSizes | None:
        """Return the number of samples in each split without decoding any; None: endless.

        Raises DataError if the data are missing or do not match the config.
        """

    @abstractmethod
    def load(self) -> Splits:
        """Read the data; called once per process. Raises DataError."""

    def sizes(self) -> SplitSizes | None:
        """Return the number of samples in each split as they are used; None: endless. Raises DataError."""
        sizes = self.count()
        if self.train_samples is None:
            return sizes
        if sizes is None or sizes.train < self.train_samples:
            have = "the data are drawn without end" if sizes is None else f"the training split has {sizes.train}"
            raise DataError(f"data.train_samples: {self.train_samples} samples can't be chosen, {have}; use null for all")
        return sizes._replace(train=self.train_samples)

    def conditions(self, start: int, n: int) -> Tensor | None:  # -> (n, …)
        """Return the conditions of generated samples start … start + n − 1, on the CPU; None: unconditional.

        Here they are all classes in turn. Override it for attributes (n, A) or images (n, C, H, W); a function of the position
        alone, it has the values of any batch size and any number of ranks.
        """
        return torch.arange(start, start + n) % self.num_classes if self.num_classes else None

    @property
    def sample_format(self) -> SampleFormat:
        """Return how samples are drawn and written: as images, signals or points, by their shape.

        Override it for samples of another kind, such as sound or text.
        """
        from gan_lightning.data.format.by_shape import format_by_shape  # matplotlib takes long to import

        return format_by_shape(self.sample_shape)

    def render(self, samples: Tensor, columns: int = 8, real: Tensor | None = None) -> np.ndarray:
        # (N, *sample_shape), (M, *sample_shape) -> (height, width, 3) uint8
        """Return a picture of the samples, images in `columns`; `real` samples are drawn behind points."""
        return self.sample_format.render(samples, columns, real)

    def write(self, sample: Tensor, path: Path, software: str) -> None:  # (*sample_shape)
        """Write one sample to `path` with the ending of its format; the file names the `software` if it can. Raises OSError."""
        form = self.sample_format
        atomic.write_bytes(path.with_suffix(form.suffix), form.encode_sample(sample, software), flushed=False)

    def fingerprint(self) -> Fingerprint | None:
        """Return what the set consists of, to be compared when a run goes on; None if its config says all. Raises DataError."""
        return None

    @property
    def splits(self) -> Splits:
        """Return the three splits, loaded at the first access. Raises DataError."""
        if self._splits is None:
            splits = self.load()
            train = splits.train if self.train_samples is None else Subset(splits.train, self.train_samples)
            self._splits = splits._replace(train=train)
        return self._splits

    def setup(self, stage: str) -> None:
        """Load before training starts, so that errors in the data are reported before step 1. Raises DataError."""
        _ = self.splits

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the endless stream from the trainer's current step on, so that a resumed run restores no loader state."""
        trainer = self.trainer
        assert trainer is not None
        source = Mirrored(self.splits.train) if self.mirror else self.splits.train
        stream = Stream(
            source,
            size=self.batch_size * self.batches_per_step,
            seed=self.seed,
            start=trainer.global_step,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            batches_per_step=self.batches_per_step,
        )
        on_gpu = torch.cuda.is_available() and trainer.accelerator.__class__.__name__ == "CUDAAccelerator"
        return Loader(stream, batch_size=None, num_workers=self.num_workers, pin_memory=on_gpu)


def require_training_share(validation: float, test: float) -> None:
    """Raise DataError if the shares of validation and test leave no sample for training."""
    if validation + test >= 1:
        raise DataError(
            f"data.validation and data.test: {validation} and {test} leave nothing to train on; "
            "allowed: two shares whose sum is below 1, such as 0.05 and 0.05"
        )
