"""Scores of the averaged generator while it trains: in the logger, in result.json, and as HParams beside the config.

Against the validation split, always on the same z: what chooses a checkpoint is not what `gan-evaluate` reports of it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Annotated, Any

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf
from pydantic import Field
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch.utils.tensorboard.summary import hparams

from gan_lightning.config.resolve import Plain, flatten, resolve
from gan_lightning.data.base import Data
from gan_lightning.gan import GAN
from gan_lightning.metric.base import GenerativeMetric
from gan_lightning.metric.evaluation import GeneratedSamples, discriminator_function, evaluate_metrics
from gan_lightning.metric.reference import Reference
from gan_lightning.run.directory import Run

UNSHOWN = ("callback", "logger", "checkpoint", "debug", "objective", "name")
SETTLED = ("gan._target_", "ema._target_", "trainer._target_", "trainer.accelerator", "trainer.devices")


class Scores(pl.Callback):
    """`metric/<name>` every so many steps, from step 0 on; the objective is `result.json`'s and HParams'."""

    def __init__(
        self, run: Run, data: Data, metrics: Mapping[str, GenerativeMetric], every_n_steps: Annotated[int, Field(ge=1)] = 250
    ) -> None:
        self.run, self.data, self.metrics, self.every_n_steps = run, data, dict(metrics), every_n_steps
        self.plain = resolve(run.config)

    @property
    def objective(self) -> tuple[str, bool] | None:
        """The score that runs are compared by, and whether more of it is better."""
        offered = {name: up for metric in self.metrics.values() for name, up in metric.maximize.items()}
        name = self.plain["objective"] or next(iter(offered), None)
        return (name, offered[name]) if name in offered else None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, GAN)
        reference = Reference(self.data, "validation", discriminator_function(module))
        for metric in self.metrics.values():
            metric.set_reference(reference)
        if self.objective and trainer.is_global_zero:
            self.run.record(compared={"by": self.objective[0], "higher": self.objective[1]})
        if trainer.global_step == self.run.first_step:
            scores = self._score(trainer, module)
            known = {"objective": scores[self.objective[0]]} if self.objective else {}
            known |= {f"metric/{name}": value for name, value in scores.items()}
            chosen = hyperparameters(self.run.config)
            typed = [word.partition("=")[0].lstrip("+~") for word in self.run.result.get("overrides", [])]
            for logger in trainer.loggers:
                if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
                    log_hparams(logger, chosen, known, typed)
                elif not isinstance(logger, TensorBoardLogger):
                    logger.log_hyperparams(chosen)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        step = trainer.global_step
        if step % self.every_n_steps == 0 or step == trainer.max_steps:
            assert isinstance(module, GAN)
            self._score(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """A run that was stopped between two scores ends with one of its last step."""
        if self.run.scores is None or self.run.scores[0] != trainer.global_step:
            assert isinstance(module, GAN)
            self._score(trainer, module)

    def _score(self, trainer: pl.Trainer, gan: GAN) -> dict[str, float]:
        step = trainer.global_step
        scores = evaluate_metrics(self.metrics, GeneratedSamples(gan, self.data.num_classes, gan.seed))
        self.run.scores = step, scores
        if trainer.is_global_zero:
            self._tell(trainer, step, scores)
        self.run.best_step = trainer.strategy.broadcast(self.run.best_step)  # all save at the best step, or none
        return scores

    def _tell(self, trainer: pl.Trainer, step: int, scores: dict[str, float]) -> None:
        entries: dict[str, Any] = {"step": step, "metrics": scores}
        logged = {f"metric/{name}": value for name, value in scores.items()}
        if self.objective:
            name, higher = self.objective
            entries["objective"] = logged["objective"] = scores[name]
            best = self.run.result.get("best_objective")
            better = best is None or (scores[name] > best if higher else scores[name] < best)
            if step > self.run.first_step and better and math.isfinite(scores[name]):
                entries |= {"best_step": step, "best_objective": scores[name]}
        self.run.record(**entries)
        for logger in trainer.loggers:
            if logged:
                logger.log_metrics(logged, step)


def log_hparams(logger: TensorBoardLogger, chosen: Plain, known: Mapping[str, float], typed: Collection[str]) -> None:
    """A run's line in HParams: what was chosen, what was typed first, and the tags whose last values stand beside it.

    Lightning's own log_hyperparams logs the values as well, at step 0: a second time, and a fork's at a step it never took.
    """
    experiment, *session = hparams(chosen, dict(known))  # type: ignore[no-untyped-call]
    plugin = experiment.value[0].metadata.plugin_data
    told = HParamsPluginData.FromString(plugin.content)
    for info in told.experiment.hparam_infos:
        info.differs = any(f"{info.name}.".startswith(f"{key}.") for key in typed)  # TensorBoard shows these columns first
    plugin.content = told.SerializeToString()
    for part in (experiment, *session):
        logger.experiment._get_file_writer().add_summary(part)


def hyperparameters(config: DictConfig) -> dict[str, Any]:
    """The config as HParams shows it: a class by its module's name, without what only watches or follows another key."""
    plain, own = flatten(resolve(config)), OmegaConf.to_container(config, resolve=False)
    assert isinstance(own, dict)
    found: dict[str, Any] = {}
    for key, written in flatten({str(k): v for k, v in own.items()}).items():
        place, _, leaf = key.rpartition(".")
        if key.partition(".")[0] in UNSHOWN or key in SETTLED or "${" in str(written) or leaf == "_partial_":
            continue
        value = plain[key]
        if leaf == "_target_":
            found[place] = value.split(".")[-2 if value.startswith("gan_lightning.") else -1]
        else:
            found[key] = value if isinstance(value, bool | int | float | str) else str(value)
    return found
