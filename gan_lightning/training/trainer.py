"""Assemble Lightning's Trainer of a run: callbacks in their order, logger, checkpoint plugin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger

from gan_lightning.callback.event_file import follow_earlier_sessions, unique_suffix
from gan_lightning.callback.preemption import Preemption, SynchronizedStop
from gan_lightning.config.errors import UserError
from gan_lightning.config.instantiate import build_bare_trainer, build_metrics, instantiate, instantiate_group
from gan_lightning.config.resolve import Plain
from gan_lightning.data.base import Data
from gan_lightning.run.directory import Run
from gan_lightning.storage.checkpoint_io import DurableCheckpointIO


def build_trainer(plain: Plain, run: Run, data: Data, resume: int | None = None) -> pl.Trainer:
    """Return the Trainer of a run with its callbacks and logger.

    `resume` is the step that training continues from; what TensorBoard holds of later steps is discarded. The callbacks run
    in this order: Preemption, which installs the signal handlers; the config's; SynchronizedStop, which sees what all of
    them decided; Checkpoint, which saves what has been scored.
    """
    callbacks = instantiate_group(plain["callback"], run=run, data=data, metrics=build_metrics(plain))
    preemption, checkpoint = Preemption(), instantiate(plain["checkpoint"], run=run)
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # without a server, its files lie in the run directory
    folder = utf8_path(run.path)
    logger: Any = instantiate(plain["logger"], save_dir=folder) if plain.get("logger") else False
    if isinstance(logger, TensorBoardLogger):
        purge_step = run.first_step if resume is None else resume + 1
        named = {"purge_step": purge_step, "filename_suffix": unique_suffix()}
        logger = instantiate(plain["logger"], save_dir=folder, **named)
    trainer = build_bare_trainer(
        plain,
        logger=logger,
        callbacks=[preemption, *callbacks.values(), SynchronizedStop(run, preemption), checkpoint],
        plugins=[DurableCheckpointIO(run.id)],
        default_root_dir=str(run.path),
    )
    if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
        follow_earlier_sessions(logger.experiment)
    return trainer


def utf8_path(path: Path) -> str:
    """Return a path, relative to the current folder where only that is UTF-8, as loggers need it. Raises UserError."""
    for name in (str(path), os.path.relpath(path)):
        with suppress(UnicodeEncodeError):
            name.encode()
            return name
    raise UserError(f"run={path}: not UTF-8, and loggers need that; rename the folder, or logger=none")


@contextmanager
def first_exception() -> Iterator[None]:
    """Raise what ended `Trainer.fit`, also where Lightning's teardown then failed because no iteration had begun."""
    try:
        yield
    except RuntimeError as error:
        if "iter(combined_loader)" in str(error) and error.__context__ is not None:
            raise error.__context__ from None
        raise
