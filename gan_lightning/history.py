"""A run's past: any step of it again, bit for bit, and a run of its own that goes on from there.

A step is a function of (seed, step, rank) and of the last checkpoint before it. So nothing needs to have been kept of a step
to see it again: training goes from that checkpoint to the step and stops.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from torch import Tensor, nn

from gan_lightning import build
from gan_lightning.callback.scalars import read
from gan_lightning.check import check
from gan_lightning.checkpoint import DurableCheckpointIO
from gan_lightning.config import Plain, Refused
from gan_lightning.data.base import DataError
from gan_lightning.gan import GAN
from gan_lightning.run import Run
from gan_lightning.saved import damage
from gan_lightning.stranger import Distrusted
from gan_lightning.turn import Batch

KEPT = ("generator.", "discriminator.", "ema.")  # what a run takes over from its parent whole, or not at all


class Moment(NamedTuple):
    """One iteration as it was: what came in, what was said, which way each player went."""

    step: int
    since: int  # the step of the checkpoint that it was reached from
    batch: Batch
    fake: Tensor  # (N, *sample_shape), as G drew them for its own turn
    terms: dict[str, Tensor]  # name → (N,)
    means: dict[str, float]  # what Scalars logs
    gradients: dict[str, Tensor]  # parameter → its gradient


class Witness(pl.Callback):
    """Sees one step, and ends training behind it."""

    def __init__(self, step: int, since: int) -> None:
        self.step, self.since, self.drawn = step, since, [torch.empty(0)]
        self.moment: Moment | None = None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, GAN)
        module.generator.register_forward_hook(self._look)

    def on_train_batch_start(self, *_: Any) -> None:
        self.drawn = []

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Batch, i: int) -> None:
        if trainer.global_step < self.step:
            return
        assert isinstance(module, GAN)
        gradients = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
        real = gathered(batch.real, module.d_steps_per_g_step)
        labels = None if batch.labels is None else gathered(batch.labels, module.d_steps_per_g_step)
        fake = gathered(torch.cat(self.drawn[-module.accumulate :]))
        terms = {name: gathered(term) for name, term in outputs.items()}
        self.moment = Moment(self.step, self.since, Batch(real, labels), fake, terms, read(outputs, module), gradients)
        trainer.should_stop = True

    def _look(self, network: nn.Module, given: Any, drawn: Tensor) -> None:
        self.drawn.append(drawn.detach())


def gathered(x: Tensor, rounds: int = 1) -> Tensor:  # (n, …) -> (n · ranks, …)
    """Every rank's samples, as one process alone would have them: for each of the `rounds` that share them, rank by rank."""
    if not (dist.is_available() and dist.is_initialized()):
        return x
    of_ranks = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(of_ranks, x.contiguous())
    return torch.cat([part for parts in zip(*(own.chunk(rounds) for own in of_ranks), strict=True) for part in parts])


class Way(NamedTuple):
    """How a step is reached again."""

    plain: Plain  # the run's config, for this machine
    since: int  # the step of the checkpoint to begin from; 0: from the beginning
    processes: int  # that take it together


def way(run: Run, step: int) -> Way:
    """To iteration `step`, all processes on this machine. A fork that has lost its first checkpoint gets it. Raises Refused."""
    plain = check(run.config)
    last = plain["trainer"]["max_steps"]
    if not run.first_step < step <= last:
        raise Refused(f"step={step}: this run goes from step {run.first_step + 1} to {last}")
    if build.ranks(plain) > 1:
        plain["trainer"] |= {"devices": run.result.get("processes") or build.ranks(plain), "num_nodes": 1}
    processes, there, on = build.ranks(plain), torch.cuda.device_count(), plain["trainer"].get("accelerator")
    if processes > max(there, 1) and (on in ("gpu", "cuda") or (there and on != "cpu")):
        raise Refused(f"run={run.path}: {processes} processes trained it, each on a GPU of its own; this machine has {there}")
    known = [saved for saved, path in run.checkpoints.items() if saved < step and not damage(path)]
    if not known and plain["fork"]:
        known = [fork(run, plain)]
    return Way(plain, max(known, default=0), processes)


def relive(run: Run, step: int, processes: int = 1) -> tuple[Moment, pl.Trainer]:
    """Iteration `step` again, in so many processes, and the Trainer that stands behind it. Raises Refused."""
    plain, since, needed = way(run, step)
    if needed != processes:
        alone = "one alone" if processes == 1 else f"{processes}"
        raise Refused(f"run={run.path}: {needed} processes trained it; {alone} can't take its steps again")
    gan, witness = build.gan(plain), Witness(step, since)
    trainer = build.bare_trainer(
        plain, logger=False, callbacks=[witness], plugins=[DurableCheckpointIO()], enable_progress_bar=False
    )
    try:
        trainer.fit(gan, build.data(plain), ckpt_path=str(run.checkpoint_path(since)) if since else None)
    except Distrusted as error:
        raise Refused(f"{run.checkpoint_path(since)}: {error}") from None
    except DataError as error:
        raise Refused(*error.lines) from None
    assert witness.moment is not None
    return witness.moment, trainer


def fork(run: Run, plain: Plain) -> int:
    """The first checkpoint of a run that has a parent: the parent's at that step, fitted to the run's own config.

    The networks and the average are the parent's. An optimizer goes on with its moments where its class and its parameters
    are the same, with this run's learning rate and betas; else, like a new regularizer, it begins afresh. Returns the step.
    Raises Refused.
    """
    parent, step = Run(plain["fork"]["run"]), plain["fork"]["step"]
    target = run.checkpoint_path(step)
    path = parent.checkpoints.get(step)
    if path is None or damage(path):
        path = target
        relive(parent, step)[1].save_checkpoint(path)
    try:
        saved = DurableCheckpointIO().load_checkpoint(path)
    except Distrusted as error:
        raise Refused(f"{path}: {error}") from None
    gan = build.gan(plain)
    fresh, old = gan.state_dict(), saved["state_dict"]
    fits = {name: x for name, x in old.items() if name in fresh and fresh[name].shape == x.shape}
    unfit = [name for name in {**fresh, **old} if name.startswith(KEPT) and name not in fits]
    if unfit:
        target.unlink(missing_ok=True)
        raise Refused(
            f"fork={parent.path}: its networks don't fit this config, first in {unfit[0]}; keep its model, data and prior"
        )
    before, optimizers = check(parent.config)["optimizer"], []
    for player, optimizer, its in zip(
        ("discriminator", "generator"), gan.configure_optimizers(), saved["optimizer_states"], strict=True
    ):
        own = optimizer.state_dict()
        alike = plain["optimizer"][player]["_target_"] == before[player]["_target_"]
        if alike and [len(g["params"]) for g in own["param_groups"]] == [len(g["params"]) for g in its["param_groups"]]:
            own["state"] = its["state"]
        else:
            print(f"optimizer.{player}: begins afresh")
        optimizers.append(own)
    saved |= {"state_dict": fresh | fits, "optimizer_states": optimizers, "callbacks": {}}
    DurableCheckpointIO().save_checkpoint(saved, target)
    return step


def logged(run: Run, step: int) -> dict[str, float]:
    """What the run's own logger, TensorBoard or CSV, has of a step; empty: it logged none."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.path), size_guidance={"scalars": 0})
    events.Reload()
    found = {tag: e.value for tag in events.Tags()["scalars"] for e in events.Scalars(tag) if e.step == step}
    return found | run.row(step)
