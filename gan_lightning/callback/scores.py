"""Metrics of the averaged generator during training: in the logger, in result.json, and in TensorBoard's HParams.

They compare samples of the same z with the validation split every time. Because checkpoints are selected by them,
`gan-evaluate` reports other numbers: on the test split by default, and from other z.
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
from gan_lightning.metric.evaluation import GeneratedSamples, discriminator_function, evaluate_floor, evaluate_metrics
from gan_lightning.metric.protocol import describe_protocol
from gan_lightning.metric.reference import Reference
from gan_lightning.run.directory import Run

HIDDEN_GROUPS = ("callback", "logger", "checkpoint", "debug", "objective", "name")  # they do not change what is trained
HIDDEN_KEYS = ("gan._target_", "ema._target_", "trainer._target_", "trainer.accelerator", "trainer.devices")


class Scores(pl.Callback):
    """Compute the metrics every `every_n_steps` steps, from step 0 on, and at the end; log them as `metric/<name>`."""

    def __init__(
        self, run: Run, data: Data, metrics: Mapping[str, GenerativeMetric], every_n_steps: Annotated[int, Field(ge=1)] = 250
    ) -> None:
        self.run, self.data, self.metrics, self.every_n_steps = run, data, dict(metrics), every_n_steps
        self.plain = resolve(run.config)

    @property
    def objective(self) -> tuple[str, bool] | None:
        """Return the metric that selects checkpoints and compares runs, and whether more of it is better; None without one."""
        computed = {name: higher for metric in self.metrics.values() for name, higher in metric.maximize.items()}
        name = self.plain["objective"] or next(iter(computed), None)
        return (name, computed[name]) if name in computed else None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, GAN)
        self.reference = Reference(self.data, "validation", discriminator_function(module))
        for metric in self.metrics.values():
            metric.set_reference(self.reference)
        if self.objective and trainer.is_global_zero:
            self.run.record(compared={"by": self.objective[0], "higher": self.objective[1]})
        if trainer.global_step == self.run.first_step:
            self._log_hyperparameters(trainer, self._score(trainer, module))
            self._record_floor(trainer, module)

    def _record_floor(self, trainer: pl.Trainer, gan: GAN) -> None:
        """Record the protocol, and the scores of real samples but for those that depend on D, which still learns."""
        fixed = {name: metric for name, metric in self.metrics.items() if not metric.uses_discriminator}
        floor = evaluate_floor(fixed, self.reference)
        if trainer.is_global_zero and self.metrics:
            source = GeneratedSamples(gan, self.data.conditions, gan.seed)
            self.run.record(real=floor, protocol=describe_protocol(self.metrics, source, self.reference))

    def _log_hyperparameters(self, trainer: pl.Trainer, scores: Mapping[str, float]) -> None:
        values = {"objective": scores[self.objective[0]]} if self.objective else {}
        values |= {f"metric/{name}": value for name, value in scores.items()}
        config = hyperparameters(self.run.config)
        overridden = [override.partition("=")[0].lstrip("+~") for override in self.run.result.get("overrides", [])]
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
                log_hparams(logger, config, values, overridden)
            elif not isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(config)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        step = trainer.global_step
        if step % self.every_n_steps == 0 or step == trainer.max_steps:
            assert isinstance(module, GAN)
            self._score(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Score the last step too if the run was stopped between two evaluations."""
        if self.run.scores is None or self.run.scores[0] != trainer.global_step:
            assert isinstance(module, GAN)
            self._score(trainer, module)

    def _score(self, trainer: pl.Trainer, gan: GAN) -> dict[str, float]:
        step = trainer.global_step
        scores = evaluate_metrics(self.metrics, GeneratedSamples(gan, self.data.conditions, gan.seed))
        self.run.scores = step, scores
        if trainer.is_global_zero:
            self._record(trainer, step, scores)
        self.run.best_step = trainer.strategy.broadcast(self.run.best_step)  # all ranks must save at the best step, or none
        return scores

    def _record(self, trainer: pl.Trainer, step: int, scores: dict[str, float]) -> None:
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


def log_hparams(logger: TensorBoardLogger, config: Plain, values: Mapping[str, float], overridden: Collection[str]) -> None:
    """Log a run's row in HParams: its config, the overridden keys first, and the tags whose last values are shown beside it.

    Lightning's log_hyperparams would log `values` too, at step 0: twice, and for a fork at a step that it never took.
    """
    experiment, *session = hparams(config, dict(values))  # type: ignore[no-untyped-call]
    plugin = experiment.value[0].metadata.plugin_data
    content = HParamsPluginData.FromString(plugin.content)
    for info in content.experiment.hparam_infos:
        info.differs = any(f"{info.name}.".startswith(f"{key}.") for key in overridden)  # TensorBoard shows these columns first
    plugin.content = content.SerializeToString()
    for summary in (experiment, *session):
        logger.experiment._get_file_writer().add_summary(summary)


def hyperparameters(config: DictConfig) -> dict[str, Any]:
    """Return the config as HParams shows it: a class by its module's name, and no key that only follows another key."""
    resolved, written = flatten(resolve(config)), OmegaConf.to_container(config, resolve=False)
    assert isinstance(written, dict)
    shown: dict[str, Any] = {}
    for key, source in flatten({str(k): v for k, v in written.items()}).items():
        parent, _, leaf = key.rpartition(".")
        if key.partition(".")[0] in HIDDEN_GROUPS or key in HIDDEN_KEYS or "${" in str(source) or leaf == "_partial_":
            continue
        value = resolved[key]
        if leaf == "_target_":
            shown[parent] = value.split(".")[-2 if value.startswith("gan_lightning.") else -1]
        else:
            shown[key] = value if isinstance(value, bool | int | float | str) else str(value)
    return shown
