"""The request of gan-evaluate: its arguments, the checks before any work, and the config that they select."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from gan_lightning.cli.arguments import dotted_arguments
from gan_lightning.cli.exit_codes import require_writable
from gan_lightning.cli.sampler_request import NONE, SamplerRequest
from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.relocate import relocate
from gan_lightning.config.resolve import Plain
from gan_lightning.run import outputs

if TYPE_CHECKING:
    from omegaconf import DictConfig


class Request(SamplerRequest):
    """Score a trained run, or one folder of images against another.

    gan-evaluate run=RUN_DIR [metric=[fid,…]] [feature=] [num=] [checkpoint=latest] [split=test] [seed=0] [weights=ema]
                 [data.root=] [data.cache=] [data.download=] [data.changed=accept] [feature.weights=] [out=RUN_DIR/scores.json]
                 [sampler=none] [sampler.percentile=] [sampler.max_attempts=] [sampler.steps=] [force=]
    gan-evaluate real=DIR fake=DIR [metric=[fid,kid,precision_recall]] [feature=inception] [num=] [shape=[C,H,W]] [out=]
                 [data.cache=] [data.range=] [feature.weights=] [force=]

    metric      options of conf/metric; without it, a run's own
    feature     an option of conf/feature, what samples are compared by; without it, a run's own
    num         generated samples; without it, what each metric's option says, or of a folder all, at most 50,000
    checkpoint  latest, best (by the run's objective on the validation split) or a step
    split       the real samples to compare with: test, validation or train
    seed        of the z, which are others than in training, and of which samples are used where not all are
    weights     ema: the running average's; raw: the generator's own
    batch_norm  running: by running statistics; batch: by those of 500 samples at a time
    sampler     an option of conf/sampler: rejection and metropolis_hastings select samples by D; with values of their keys
    out         where the scores go: RUN_DIR/scores.json, or for folders nowhere unless asked
    force       true: an existing file that gan-evaluate has not written is replaced
    data.       root, cache, download: where the data are on this machine, if not where they were when the run was trained;
                changed=accept: the run is scored although the data are not those that it was trained on;
                range: of two folders, the values that become black and white in images with more than 8 bits
    feature.    weights: the file with the weights of feature=inception or feature=dinov2
    """

    run: Path | None = None
    real: Path | None = None
    fake: Path | None = None
    metric: list[str] | str | None = None
    feature: str | None = None
    num: Annotated[int, Field(ge=1)] | None = None
    checkpoint: str = "latest"
    split: Literal["test", "validation", "train"] = "test"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    weights: Literal["ema", "raw"] = "ema"
    batch_norm: Literal["running", "batch"] = "running"
    shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=3, max_length=3)] | None = None
    out: Path | None = None
    force: bool = False
    data_root: Path | None = Field(None, alias="data.root")
    data_cache: Path | None = Field(None, alias="data.cache")
    data_range: list[float] | None = Field(None, alias="data.range")
    data_download: bool | None = Field(None, alias="data.download")
    data_changed: Literal["accept"] | None = Field(None, alias="data.changed")
    feature_weights: Path | None = Field(None, alias="feature.weights")


def check_request(request: Request) -> None:
    """Check that either a run or two folders are requested. Raises UserError."""
    if request.run is not None and (request.real or request.fake):
        raise UserError("run=, real=: score a run, or a folder against another; not both")
    if request.run is None and not (request.real and request.fake):
        raise UserError("run=: missing; give run=RUN_DIR, or real=DIR and fake=DIR")
    of_runs = {"data.root": request.data_root, "data.download": request.data_download, "data.changed": request.data_changed}
    given = [key for key, value in of_runs.items() if value is not None] + ["sampler"] * (request.sampler != NONE)
    if request.run is None and given:
        raise UserError(f"{given[0]}: is for a run's samples; the folders are given by real=DIR and fake=DIR")
    if request.sampler != NONE and request.batch_norm == "batch":
        raise UserError("batch_norm=batch: a sampler draws batches of any size; use batch_norm=running or sampler=none")
    if request.run is not None and request.data_range is not None:
        raise UserError("data.range: is that of the run's config; it can be given for real=DIR and fake=DIR")


def require_output(out: Path, request: Request) -> None:
    """Check, before any work, that the scores can be written. Raises UserError, also if another file would be replaced."""
    require_writable(out, create_folders=False)
    outputs.require_replaceable(out, "gan-evaluate", outputs.is_scores, request.run, request.force)


def select_metrics(config: DictConfig, request: Request, default: Sequence[str] = ()) -> Plain:
    """Return the validated config with the requested metrics and feature extractor in place of its own. Raises UserError."""
    from gan_lightning.config.validate import validate

    names = [request.metric] if isinstance(request.metric, str) else request.metric or list(default)
    overrides = [f"metric=[{','.join(names)}]"] if names else []
    overrides += [f"feature={request.feature}"] if request.feature else []
    composed = Composer().compose(overrides)
    for group in [override.partition("=")[0] for override in overrides]:
        config[group] = composed[group]
    places = dotted_arguments(request)
    relocate(config, places if request.run is not None else {"feature.weights": places["feature.weights"]})
    plain = validate(config)
    if not plain["metric"]:
        raise UserError("metric: this run was trained with metric=none; choose: metric=[…]")
    return plain
