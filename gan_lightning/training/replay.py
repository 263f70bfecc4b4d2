"""Repeat any step of a run, bit for bit, from the last checkpoint before it.

A step is a function of (seed, step, rank) and of that checkpoint, so nothing else needs to be stored of it: training goes
from the checkpoint to the step and ends there. A fork starts from a step that was repeated like this.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from torch import Tensor, nn

from gan_lightning.callback.scalars import read_terms
from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.instantiate import build_bare_trainer, build_data, build_gan
from gan_lightning.config.resolve import Plain
from gan_lightning.config.validate import validate
from gan_lightning.config.world_size import world_size
from gan_lightning.data.base import DataError
from gan_lightning.gan import GAN
from gan_lightning.run import csv_metrics
from gan_lightning.run.checkpoints import damage, newest_good
from gan_lightning.run.directory import Run
from gan_lightning.step.types import Batch
from gan_lightning.storage.atomic import ReplaceFile
from gan_lightning.storage.checkpoint_io import DurableCheckpointIO
from gan_lightning.storage.safe_load import UnsafeFileError
from gan_lightning.training.expected_checkpoint import ExpectedCheckpoint
from gan_lightning.training.fork import inherit_checkpoint
from gan_lightning.training.threads import run_thread_limit
from gan_lightning.training.trainer import first_exception


class StepRecord(NamedTuple):
    """Hold one iteration: its batch, the generated samples, every loss term and every gradient."""

    step: int
    since: int  # the step of the checkpoint that it was reached from
    batch: Batch
    fake: Tensor  # (N, *sample_shape), as drawn for the generator's update
    terms: dict[str, Tensor]  # name → (N,)
    means: dict[str, float]  # the scalars that the Scalars callback logs
    gradients: dict[str, Tensor]  # parameter → its gradient


class CaptureStep(pl.Callback):
    """Record one step in `record`, and end training after it."""

    def __init__(self, step: int, since: int) -> None:
        self.step, self.since, self.fakes = step, since, [torch.empty(0)]
        self.record: StepRecord | None = None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, GAN)
        module.generator.register_forward_hook(self._keep_fake)

    def on_train_batch_start(self, *_: Any) -> None:
        self.fakes = []

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Batch, i: int) -> None:
        if trainer.global_step < self.step:
            return
        assert isinstance(module, GAN)
        gradients = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
        real = gather(batch.real, module.batches_per_step)
        condition = None if batch.condition is None else gather(batch.condition, module.batches_per_step)
        fake = gather(torch.cat(self.fakes[-module.accumulate_grad_batches :]))
        terms = {name: gather(term) for name, term in outputs.items()}
        means = read_terms(outputs, module)
        self.record = StepRecord(self.step, self.since, Batch(real, condition), fake, terms, means, gradients)
        trainer.should_stop = True

    def _keep_fake(self, network: nn.Module, inputs: Any, fake: Tensor) -> None:
        self.fakes.append(fake.detach())


def gather(x: Tensor, batches: int = 1) -> Tensor:  # (n, …) -> (n · ranks, …)
    """Return every rank's rows in the order of one process with the whole batch: for each of `batches`, rank by rank."""
    if not (dist.is_available() and dist.is_initialized()):
        return x
    of_ranks = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(of_ranks, x.contiguous())
    return torch.cat([part for parts in zip(*(own.chunk(batches) for own in of_ranks), strict=True) for part in parts])


class ReplayPlan(NamedTuple):
    """Hold how a step is reached again: config, checkpoint, number of processes."""

    plain: Plain  # the run's config, for this machine
    since: int  # the step of the checkpoint to start from; 0: from the beginning
    processes: int  # that repeat it together
    skipped: list[str]  # a line for each newer checkpoint that can't be used


def plan_replay(run: Run, step: int) -> ReplayPlan:
    """Plan to repeat iteration `step` with all processes on this machine; a fork's missing first checkpoint is made again.

    Raises UserError if the run has no such step, or this machine not the GPUs.
    """
    plain = validate(run.config)
    last = plain["trainer"]["max_steps"]
    if not run.first_step < step <= last:
        raise UserError(f"step={step}: this run goes from step {run.first_step + 1} to {last}")
    if world_size(plain) > 1:
        plain["trainer"] |= {"devices": run.result.get("processes") or world_size(plain), "num_nodes": 1}
    processes, gpus, on = world_size(plain), torch.cuda.device_count(), plain["trainer"].get("accelerator")
    if processes > max(gpus, 1) and (on in ("gpu", "cuda") or (gpus and on != "cpu")):
        raise UserError(f"run={run.path}: {processes} processes trained it, each on a GPU of its own; this machine has {gpus}")
    earlier = {saved: path for saved, path in run.checkpoints.items() if saved < step}
    since, damaged = newest_good(earlier, ExpectedCheckpoint(run, validate(run.config)).find_mistake)
    if since is None:
        since = fork(run, plain) if plain["fork"] else 0
    skipped = [f"{path}: {why}; going on from step {since} instead" for path, why in damaged.items()]
    return ReplayPlan(plain, since, processes, skipped)


def replay_step(run: Run, step: int, processes: int = 1) -> tuple[StepRecord, pl.Trainer]:
    """Repeat iteration `step` in `processes` processes; return its record and the Trainer after it. Raises UserError."""
    plain, since, needed, _ = plan_replay(run, step)
    if needed != processes:
        alone = "one alone" if processes == 1 else f"{processes}"
        raise UserError(f"run={run.path}: {needed} processes trained it; {alone} can't take its steps again")
    capture = CaptureStep(step, since)
    trainer = build_bare_trainer(
        plain, logger=False, callbacks=[capture], plugins=[DurableCheckpointIO()], enable_progress_bar=False
    )
    try:
        with run_thread_limit(run), first_exception():
            checkpoint = str(run.checkpoint_path(since)) if since else None
            trainer.fit(build_gan(plain), build_data(plain), ckpt_path=checkpoint)
    except UnsafeFileError as error:
        raise UserError(f"{run.checkpoint_path(since)}: {error}") from None
    except DataError as error:
        raise UserError(*error.lines) from None
    assert capture.record is not None
    return capture.record, trainer


def fork(run: Run, plain: Plain) -> int:
    """Write the first checkpoint of a fork, from the parent's at the step of the fork, and return that step.

    A parent's checkpoint that is missing or damaged is made again by a replay. Raises UserError.
    """
    parent, step = Run(plain["fork"]["run"]), plain["fork"]["step"]
    source = parent.checkpoints.get(step)
    why = None if source is None else damage(source, ExpectedCheckpoint(parent, validate(parent.config)).find_mistake)
    if source is not None and why is None:
        with run_thread_limit(run):
            inherit_checkpoint(parent, source, plain, run)
        return int(step)
    if why is not None:
        print(f"{source}: {why}; step {step} is repeated instead", file=sys.stderr)
    for line in plan_replay(parent, step).skipped:
        print(line, file=sys.stderr)
    temporary = ReplaceFile(run.checkpoint_path(step).with_name("parent.ckpt")).temporary
    try:
        replay_step(parent, step)[1].save_checkpoint(temporary)
        with run_thread_limit(run):
            inherit_checkpoint(parent, temporary, plain, run)
    finally:
        temporary.unlink(missing_ok=True)
    return int(step)


def logged_scalars(run: Run, step: int) -> dict[str, float]:
    """Return the scalars that TensorBoard's or the CSV logger holds of a step; empty where none was logged.

    Raises UserError if a file can't be read.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.path), size_guidance={"scalars": 0})
    try:
        events.Reload()
    except Exception as error:  # a damaged file may fail in any way
        raise UserError(f"run={run.path}: an event file can't be read: {one_line(error)}; move it away") from None
    found = {tag: e.value for tag in events.Tags()["scalars"] for e in events.Scalars(tag) if e.step == step}
    return found | csv_metrics.row(run.path, step)
