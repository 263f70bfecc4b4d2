"""How each logger stores an image, a uint8 array (H, W, 3), under a tag."""

from __future__ import annotations

import time
from functools import singledispatch
from pathlib import Path

import numpy as np
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.loggers.logger import Logger
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import summary

from gan_lightning.data.render import save_image


@singledispatch
def log_image(logger: Logger, tag: str, image: np.ndarray, step: int) -> None:
    """Log an image. A logger of another kind than those below gets none: the PNG is in the run directory."""


@log_image.register
def _(logger: TensorBoardLogger, tag: str, image: np.ndarray, step: int) -> None:
    """Append to EVENTS.images beside the writer's file EVENTS, so that scalars load without the images.

    TensorBoard reads files in the order of their names, so EVENTS.images is read right after EVENTS. A resumed run's EVENTS
    begins with a record that discards later steps of earlier sessions; their images are discarded, those of this one are not.
    """
    events_file = logger.experiment._get_file_writer().event_writer._file_name
    path = Path(f"{events_file}.images")
    events = [Event(summary=summary.image(tag, image, dataformats="HWC"), step=step, wall_time=time.time())]  # type: ignore[no-untyped-call]
    if not path.exists():
        events.insert(0, Event(file_version="brain.Event:2", wall_time=time.time()))
    with path.open("ab") as file:
        for event in events:
            RecordWriter(file).write(event.SerializeToString())


def logged_image_bytes(logger: Logger) -> int:
    """Return the bytes of images that a run has in TensorBoard, over all its sessions; 0 for another logger."""
    if not isinstance(logger, TensorBoardLogger):
        return 0
    return sum(path.stat().st_size for path in Path(logger.log_dir).glob("events.out.tfevents.*.images"))


@log_image.register
def _(logger: WandbLogger, tag: str, image: np.ndarray, step: int) -> None:
    logger.log_image(tag, [image], step)


@log_image.register
def _(logger: MLFlowLogger, tag: str, image: np.ndarray, step: int) -> None:
    assert logger.run_id is not None
    logger.experiment.log_image(logger.run_id, image, artifact_file=f"{tag}/step={step:08d}.png")


@log_image.register
def _(logger: CSVLogger, tag: str, image: np.ndarray, step: int) -> None:
    folder = Path(logger.log_dir) / "pictures" / tag
    folder.mkdir(parents=True, exist_ok=True)
    save_image(image, folder / f"step={step:08d}.png")
