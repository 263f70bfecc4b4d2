"""The sampler that gan-sample and gan-evaluate are asked for: `sampler=rejection sampler.percentile=90`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from gan_lightning.cli.arguments import dotted_arguments
from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError, suggest
from gan_lightning.config.resolve import resolve

if TYPE_CHECKING:
    from gan_lightning.data.base import Data
    from gan_lightning.gan import GAN
    from gan_lightning.metric.evaluation import Conditions, Weights
    from gan_lightning.sampler.base import Sampler
    from gan_lightning.sampler.selected_samples import SelectedSamples
    from gan_lightning.step.seeding import Purpose

NONE = "none"


class SamplerRequest(BaseModel):
    """Hold an option of conf/sampler and the values that are set in it."""

    sampler: str = NONE
    sampler_percentile: float | None = Field(None, alias="sampler.percentile")
    sampler_max_attempts: int | None = Field(None, alias="sampler.max_attempts")
    sampler_steps: int | None = Field(None, alias="sampler.steps")


def build_sampler(request: SamplerRequest) -> Sampler | None:
    """Build the sampler; None if none is requested. Raises UserError."""
    values = {k: v for k, v in dotted_arguments(request).items() if k.startswith("sampler.") and v is not None}
    if request.sampler == NONE:
        if values:
            raise UserError(f"{next(iter(values))}: there is no sampler; choose one, such as sampler=rejection")
        return None
    composer = Composer()
    if request.sampler not in (options := [*composer.options("sampler"), NONE]):
        raise UserError(f"sampler={request.sampler}: no such option; {suggest(request.sampler, options)}")
    typed = [f"++{key}={value}" for key, value in values.items()]
    node = resolve(composer.compose([f"+sampler={request.sampler}", *typed]))["sampler"]

    from gan_lightning.config.instantiate import instantiate
    from gan_lightning.config.targets import Role
    from gan_lightning.config.validate import find_node_mistakes

    if lines := list(find_node_mistakes("sampler", node, Role("gan_lightning.sampler.base.Sampler"))):
        raise UserError(*lines)
    sampler: Sampler = instantiate(node)
    return sampler


def select_samples(
    gan: GAN,
    data: Data,
    sampler: Sampler,
    seed: int,
    purpose: Purpose,
    weights: Weights = "ema",
    conditions: Conditions | None = None,
) -> SelectedSamples:
    """Return the samples that the sampler selects; without `conditions`, for those of the data. Raises UserError."""
    from gan_lightning.data.base import DataError
    from gan_lightning.sampler.selected_samples import SelectedSamples

    try:
        return SelectedSamples(
            gan, conditions or data.conditions, sampler, data.splits.validation, data.conditions, seed, purpose, weights
        )
    except DataError as error:
        raise UserError(*error.lines) from None
