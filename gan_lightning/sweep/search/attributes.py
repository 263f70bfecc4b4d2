"""The attributes of a study and its trials in the storage: data, which another search or a person may have written.

It never names a folder: a worker's name is one word, and a trial's point is one that the space of this command line can give.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from gan_lightning.config.errors import UserError
from gan_lightning.storage.data_model import DataModel, describe_mistake

WORKER = re.compile(r"[\w.-]+-\d+-[0-9a-f]{8}")  # host, process, random digits


class SearchRecord(DataModel):
    """Describe a study's attributes: the space as typed, the objectives and their directions, the first corner's config."""

    space: dict[str, str]
    objectives: list[tuple[str, bool]]
    first: dict[str, Any]


class TrialRecord(DataModel):
    """Describe a trial's attributes: its worker, why it was stopped, and why it failed or was pruned."""

    worker: str = ""
    pruned: str | None = None
    reason: str | None = None


def read_search_record(study: str, attributes: Mapping[str, Any]) -> SearchRecord:
    """Return the attributes of a study. Raises UserError if they are none of gan-search's."""
    try:
        return SearchRecord.model_validate(attributes, strict=False)  # the storage gives a list for a tuple
    except ValidationError as error:
        why = describe_mistake(error)
        raise UserError(f"study={study}: the storage's study of this name is not one of gan-search; {why}") from None


def require_own_trials(
    study: str, trials: list[FrozenTrial], distributions: Mapping[str, BaseDistribution], num_objectives: int
) -> None:
    """Check the attributes and the points of all trials. Raises UserError for the first that this search can't have written."""
    for trial in trials:
        where = f"study={study}: trial {trial.number} in the storage"
        try:
            TrialRecord.model_validate(trial.user_attrs)
        except ValidationError as error:
            raise UserError(f"{where}: {describe_mistake(error)}") from None
        if trial.state is TrialState.COMPLETE and len(trial.values or ()) != num_objectives:
            raise UserError(f"{where}: it is finished, and has no score for each objective")
        if trial.state is TrialState.COMPLETE and (lost := sorted(distributions.keys() - trial.params.keys())):
            raise UserError(f"{where}: it is finished, and has no {', '.join(lost)}")
        for key, value in trial.params.items():
            if key not in distributions or not has_value(distributions[key], value):
                raise UserError(f"{where}: {key}={value} is not a point of this search")


def has_value(distribution: BaseDistribution, value: Any) -> bool:
    """Return whether a distribution can give this value."""
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError):
        return False


def worker_name(trial: FrozenTrial) -> str:
    """Return the name of a trial's worker, which is one of a folder; empty if there is none, or if it is no worker's name."""
    name = str(trial.user_attrs.get("worker", ""))
    return name if WORKER.fullmatch(name) else ""
