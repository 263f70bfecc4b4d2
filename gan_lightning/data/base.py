"""What every source of real samples is: a LightningDataModule with a shape, a number of classes and three splits."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, NamedTuple

import pytorch_lightning as pl
import torch
from pydantic import Field
from torch.utils.data import DataLoader

from gan_lightning.data.stream import Source, Stream
from gan_lightning.step.types import Batch

Shape = tuple[Annotated[int, Field(ge=1)], ...]  # (C, H, W), (C, T) or (D,)
NumClasses = Annotated[int, Field(ge=0)]  # 0: unlabelled
BatchSize = Annotated[int, Field(ge=1)]
NumWorkers = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class DataError(Exception):
    """The data are not there, or not what the config says: a line a mistake for the person who asked."""

    @property
    def lines(self) -> list[str]:
        """The lines alone, also where a worker process wrapped them into its traceback."""
        return str(self).strip().rpartition("DataError: ")[2].splitlines()


class Splits(NamedTuple):
    """Train is learned from, validation chooses checkpoints, test is reported and touched by nothing else."""

    train: Source
    validation: Source
    test: Source


class Data(pl.LightningDataModule):
    """Subclasses say how many samples they have (`count`, cheaply) and load them (`load`).

    `batch_size` is what one discriminator update sees in one process; a loader's batch holds `batches_per_step` of them, all
    that one iteration needs.
    """

    def __init__(
        self,
        sample_shape: Shape,
        num_classes: NumClasses,
        batch_size: BatchSize = 64,
        num_workers: NumWorkers = 0,
        seed: Seed = 0,
        batches_per_step: BatchSize = 1,
    ) -> None:
        super().__init__()
        self.sample_shape, self.num_classes = tuple(sample_shape), num_classes
        self.batch_size, self.num_workers, self.seed, self.batches_per_step = batch_size, num_workers, seed, batches_per_step
        self._splits: Splits | None = None

    @abstractmethod
    def count(self) -> int | None:
        """How many training samples there are, without decoding any; None: as many as one likes.

        Raises DataError if they are missing or do not fit what the config says.
        """

    @abstractmethod
    def load(self) -> Splits:
        """Read the data. Called once a process; raises DataError."""

    @property
    def splits(self) -> Splits:
        """The three splits, loaded at the first call."""
        if self._splits is None:
            self._splits = self.load()
        return self._splits

    def setup(self, stage: str) -> None:
        """Load before training starts, so that what is wrong with the data is said before step 1."""
        _ = self.splits

    def train_dataloader(self) -> DataLoader[Batch]:
        """The endless stream from the trainer's step on: there is no loader state to restore."""
        trainer = self.trainer
        assert trainer is not None
        stream = Stream(
            self.splits.train,
            size=self.batch_size * self.batches_per_step,
            seed=self.seed,
            start=trainer.global_step,
            rank=trainer.global_rank,
            world=trainer.world_size,
            rounds=self.batches_per_step,
        )
        on_gpu = torch.cuda.is_available() and trainer.accelerator.__class__.__name__ == "CUDAAccelerator"
        return DataLoader(stream, batch_size=None, num_workers=self.num_workers, pin_memory=on_gpu)
