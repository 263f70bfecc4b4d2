"""One run from where it stands to its end, in this process or in several; result.json says how it ended."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig, OmegaConf

from gan_lightning import build, disk
from gan_lightning.callback.preemption import Preemption
from gan_lightning.cluster import requeue
from gan_lightning.config import Plain, Refused, Unwritten, one_line
from gan_lightning.data.base import DataError
from gan_lightning.history import fork
from gan_lightning.meeting import Common, first_says, rank, several
from gan_lightning.metric.base import TooFew
from gan_lightning.provenance import provenance
from gan_lightning.ranks import launch, tell
from gan_lightning.run import Run
from gan_lightning.stranger import Distrusted
from gan_lightning.summary import shown, start, summary

SAID = (Refused.code, Unwritten.code)  # exit codes of a rank that has said why itself


class Change(NamedTuple):
    """What a run goes on with, where that isn't what it was begun with."""

    config: DictConfig
    lines: list[str]  # what differs
    overrides: list[str]


def train(run: Run, plain: Plain, change: Change | None = None) -> int:
    """Fit from the newest checkpoint, or from step 0. Returns the exit code; a change is the run's from now on."""
    quieten()
    if build.ranks(plain) > 1 and not several():
        return together(run, plain, change)
    with ExitStack() as stack:
        stack.enter_context(told())

        def here() -> int | None:
            stack.enter_context(run.owned())
            stack.enter_context(run.recorded())
            return beginning(run, plain)

        first, at = rank() == 0, first_says("newest", here)
        newest = None if at is None else (at, run.checkpoint_path(at))
        since = at or 0
        if newest is not None and first:
            print(f"going on from step {since}: {run.path}")
            run.keep_metrics(since)
        try:
            data = build.data(plain)
            trainer = build.trainer(plain, run, data, None if since == run.first_step else since)
            gan = build.gan(plain)
            device = trainer.strategy.root_device.type
            if first:
                run.record(provenance=provenance(plain["seed"], device), processes=trainer.world_size)
                remember(run, change, since)
            print(start(run, plain, gan, device), flush=True)
            trainer.fit(gan, data, ckpt_path=None if newest is None else str(newest[1]))
        except Distrusted as error:
            raise Refused(f"{newest and newest[1]}: {error}") from None
        except DataError as error:
            raise Refused(*error.lines) from None
        except TooFew as error:
            raise Refused(f"metric.{error}") from None
        except OSError as error:
            own = error.filename is not None and Path(os.fsdecode(error.filename)).is_relative_to(run.path)
            if not (own or error.errno in disk.FAILING):
                raise
            raise run.stopped(f"{error.filename or 'the run directory'}: {disk.why(error)}") from None
        except Exception as error:
            others = isinstance(error, RuntimeError)  # as where a connection is lost
            tell(f"{type(error).__name__}: {one_line(error)}", own=not others)
            if newest is not None and "loading state_dict" in str(error):
                raise Refused(f"{newest[1]}: does not fit this run's config.yaml: {one_line(error)}") from None
            if type(error).__module__.partition(".")[0] in ("wandb", "mlflow"):
                raise Refused(f"logger: {one_line(error)}") from None
            raise
        caught = next(c.caught for c in trainer.callbacks if isinstance(c, Preemption))  # type: ignore[attr-defined]
        status: str
        if run.verdict is not None:
            status, reason = run.verdict
        elif trainer.global_step >= plain["trainer"]["max_steps"]:
            status, reason = "finished", None
        else:
            status, reason = "stopped" if caught in (None, 2) else "preempted", caught.name if caught else None
        if first:
            run.record(status=status, step=trainer.global_step, reason=reason)
    print(summary(run), flush=True)
    if first and status == "preempted" and caught is not None and (queued := requeue(caught)):
        print(f"job {queued} is queued again")
    return {"finished": 0, "failed": 1}.get(status, 128 + caught if caught else 0)


def beginning(run: Run, plain: Plain) -> int | None:
    """The step of the checkpoint to go on from; None: there is none. A fork's is its parent's. Raises Refused."""
    newest = run.newest_good()
    if newest is None and plain["fork"]:
        fork(run, plain)
        newest = run.newest_good()
    return None if newest is None else newest[0]


@contextmanager
def told() -> Iterator[None]:
    """Who started this rank hears why it ends, where that isn't because another has."""
    try:
        yield
    except (Refused, OSError) as error:
        if not isinstance(error, Common):
            tell(one_line(error), own=True)
        raise


def together(run: Run, plain: Plain, change: Change | None) -> int:
    """Train in several processes, and say what becomes of them. Returns the exit code."""
    with run.owned():
        remember(run, change, max(run.checkpoints, default=run.first_step))
        beginning(run, plain)
        run.record(processes=build.ranks(plain))
    code, wrong = launch(["gan_lightning.train", f"run={run.path}"], build.ranks(plain))
    if wrong is not None and not wrong.startswith("rank 0: " if code in SAID else "none"):
        run.record(status="failed", reason=wrong)
    if wrong is not None and code not in SAID:
        print(f"run={shown(run.path)}: {wrong}", file=sys.stderr)
    return code


def remember(run: Run, change: Change | None, since: int) -> None:
    """A changed config is the run's from now on; result.json says since when."""
    if change is None or not change.lines:
        return
    disk.write_text(run.path / "config.yaml", OmegaConf.to_yaml(change.config))
    disk.write_text(run.path / "config.resolved.yaml", OmegaConf.to_yaml(change.config, resolve=True))
    keys = [word.partition("=")[0] for word in change.overrides]
    kept = [word for word in run.result.get("overrides", []) if word.partition("=")[0] not in keys]
    before = run.result.get("continued", [])
    run.record(overrides=kept + change.overrides, continued=[*before, {"step": since, "changed": change.lines}])


def quieten() -> None:
    """Leave out what Lightning says of itself, and its slow look for a GPU in every optimizer step."""

    def said(args: threading.ExceptHookArgs) -> None:
        if not isinstance(args.exc_value, OSError):  # a full disk under TensorBoard's thread: the main one tells it
            threading.__excepthook__(args)

    threading.excepthook = said

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric.utilities.distributed").setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.trainer.connectors.checkpoint_connector").setLevel(logging.WARNING)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("gan_lightning").setLevel(logging.INFO)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|torch.utils.tensorboard|PIL")
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
