"""How each logger stores an image, sound and text under a tag.

An image is a uint8 array (H, W, 3), a text is Markdown. A logger of another kind than those below, and one that can't store
sound or text, gets none: the files are in the run directory.
"""

from __future__ import annotations

import time
from functools import singledispatch
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.loggers.logger import Logger
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import summary

from gan_lightning.data.format.base import Sound
from gan_lightning.data.format.picture import save_image


@singledispatch
def log_image(logger: Logger, tag: str, image: np.ndarray, step: int) -> None:
    """Log an image."""


@singledispatch
def log_sound(logger: Logger, tag: str, sound: Sound, step: int) -> None:
    """Log sound that can be played."""


@singledispatch
def log_text(logger: Logger, tag: str, text: str, step: int) -> None:
    """Log a text."""


@log_image.register
def _(logger: TensorBoardLogger, tag: str, image: np.ndarray, step: int) -> None:
    append_summary(logger, summary.image(tag, image, dataformats="HWC"), step)  # type: ignore[no-untyped-call]


@log_sound.register
def _(logger: TensorBoardLogger, tag: str, sound: Sound, step: int) -> None:
    wave, own = torch.from_numpy(sound.samples), f"{tag}/audio_summary"  # TensorBoard shows a tag in one of its tabs alone
    append_summary(logger, summary.audio(own, wave, sample_rate=sound.rate), step)  # type: ignore[no-untyped-call]


@log_text.register
def _(logger: TensorBoardLogger, tag: str, text: str, step: int) -> None:
    append_summary(logger, summary.text(tag, text), step)  # type: ignore[no-untyped-call]


def append_summary(logger: TensorBoardLogger, content: Summary, step: int) -> None:
    """Append to EVENTS.images beside the writer's file EVENTS, so that scalars load without images and sound.

    TensorBoard reads files in the order of their names, so EVENTS.images is read right after EVENTS. A resumed run's EVENTS
    begins with a record that discards later steps of earlier sessions; their images are discarded, those of this one are not.
    """
    events_file = logger.experiment._get_file_writer().event_writer._file_name
    path = Path(f"{events_file}.images")
    events = [Event(summary=content, step=step, wall_time=time.time())]
    if not path.exists():
        events.insert(0, Event(file_version="brain.Event:2", wall_time=time.time()))
    with path.open("ab") as file:
        for event in events:
            RecordWriter(file).write(event.SerializeToString())


def logged_bytes(logger: Logger) -> int:
    """Return the bytes of images and sound that a run has in TensorBoard, over all its sessions; 0 for another logger."""
    if not isinstance(logger, TensorBoardLogger):
        return 0
    return sum(path.stat().st_size for path in Path(logger.log_dir).glob("events.out.tfevents.*.images"))


@log_image.register
def _(logger: WandbLogger, tag: str, image: np.ndarray, step: int) -> None:
    logger.log_image(tag, [image], step)


@log_sound.register
def _(logger: WandbLogger, tag: str, sound: Sound, step: int) -> None:
    logger.log_audio(tag, [sound.samples], step, sample_rate=[sound.rate])


@log_text.register
def _(logger: WandbLogger, tag: str, text: str, step: int) -> None:
    logger.log_text(tag, columns=["text"], data=[[text]], step=step)


@log_image.register
def _(logger: MLFlowLogger, tag: str, image: np.ndarray, step: int) -> None:
    assert logger.run_id is not None
    logger.experiment.log_image(logger.run_id, image, artifact_file=f"{tag}/step={step:08d}.png")


@log_text.register
def _(logger: MLFlowLogger, tag: str, text: str, step: int) -> None:
    assert logger.run_id is not None
    logger.experiment.log_text(logger.run_id, text, f"{tag}/step={step:08d}.md")


@log_image.register
def _(logger: CSVLogger, tag: str, image: np.ndarray, step: int) -> None:
    folder = Path(logger.log_dir) / "pictures" / tag
    folder.mkdir(parents=True, exist_ok=True)
    save_image(image, folder / f"step={step:08d}.png")
