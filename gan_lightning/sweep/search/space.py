"""The search space, typed in Hydra's syntax for sweeps.

    loss=hinge,minimax    choice(a,b)         one of the choices
    model.width=range(8,64,8)                 8, 16, … 56: the end is excluded, as in gan-train -m
    optimizer.lr=interval(1e-4,1e-2)          any number of the interval, ends included
    data.batch_size=int(interval(16,64))      any whole number of the interval
    optimizer.lr=tag(log,interval(1e-4,1e-2)) uniform on a logarithmic scale

All other overrides on the line are the same in every trial.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.resolve import Plain
from gan_lightning.config.validate import validate
from gan_lightning.sweep.plan import preflight_once

TAGS = ("log", "int")
CORNERS = 32  # up to so many corners are all validated; of more, only enough to include each end and each choice once
Point = dict[str, Any]  # key → value, as Optuna stores a trial's parameters


class Dimension(NamedTuple):
    """Describe one key that is searched over, and its distribution."""

    key: str  # as typed, with its plus signs
    typed: str  # its values, as typed
    distribution: BaseDistribution
    step: Decimal | None = None  # of a range of decimals

    def suggest(self, trial: Trial) -> Any:
        """Return the trial's value of this key, drawn by Optuna unless the trial already has one."""
        domain = self.distribution
        if isinstance(domain, CategoricalDistribution):
            return trial.suggest_categorical(self.key, domain.choices)
        if isinstance(domain, IntDistribution):
            return trial.suggest_int(self.key, domain.low, domain.high, step=domain.step, log=domain.log)
        assert isinstance(domain, FloatDistribution)
        return trial.suggest_float(self.key, domain.low, domain.high, step=domain.step, log=domain.log)

    def override(self, value: Any) -> str:
        """Return `key=value`. A value of a decimal range is rounded to its grid: 0.3, not 0.30000000000000004."""
        if self.step is not None:
            low = Decimal(str(getattr(self.distribution, "low", 0)))
            value = float(low + self.step * round((Decimal(str(value)) - low) / self.step))
        return f"{self.key}={value}"

    def ends(self) -> list[Any]:
        """Return every choice, or the smallest and the largest number."""
        domain = self.distribution
        if isinstance(domain, CategoricalDistribution):
            return list(domain.choices)
        assert isinstance(domain, IntDistribution | FloatDistribution)
        return list(dict.fromkeys([domain.low, domain.high]))


class Space:
    """Hold the dimensions of a search, and the overrides that all trials share."""

    def __init__(self, composer: Composer, line: list[str]) -> None:
        """Parse the overrides of a line. Raises UserError if one can't be searched over, or if none has several values."""
        self.composer, self.line = composer, line
        parsed = composer.parse(line)
        mistakes = [mistake for override in parsed if (mistake := override_mistake(override))]
        swept = [override for override in parsed if override.is_sweep_override()]
        keys = [override.key_or_group for override in parsed]
        repeated = {o.key_or_group for o in swept if keys.count(o.key_or_group) > 1}
        mistakes += [f"{key}: given twice, and searched over; give it once" for key in sorted(repeated)]
        if not swept:
            example = "'optimizer.lr=interval(1e-4,1e-2)' or loss=a,b"
            mistakes.append(f"nothing to search: give a key several values, such as {example}")
        if mistakes:
            raise UserError(*mistakes)
        self.dimensions = {override.get_key_element(): to_dimension(override) for override in swept}
        self.keys = [override.get_key_element() for override in parsed]

    @property
    def typed(self) -> dict[str, str]:
        """Return key → values as typed, for every dimension."""
        return {key: dimension.typed for key, dimension in self.dimensions.items()}

    def suggest(self, trial: Trial) -> Point:
        """Return the point of a trial."""
        return {key: dimension.suggest(trial) for key, dimension in self.dimensions.items()}

    def searched_overrides(self, point: Mapping[str, Any]) -> list[str]:
        """Return the overrides of a point, without those that all trials share."""
        return [dimension.override(point[key]) for key, dimension in self.dimensions.items()]

    def overrides(self, point: Mapping[str, Any]) -> list[str]:
        """Return all overrides of a run at this point, in the order of the line."""
        dimensions = self.dimensions
        pairs = zip(self.keys, self.line, strict=True)
        return [dimensions[key].override(point[key]) if key in dimensions else override for key, override in pairs]

    def corners(self) -> Iterator[Point]:
        """Yield the points to validate before the first trial: all combinations of ends and choices, up to CORNERS.

        If there are more, each end and each choice is part of at least one point.
        """
        ends = {key: dimension.ends() for key, dimension in self.dimensions.items()}
        combinations = list(itertools.islice(itertools.product(*ends.values()), CORNERS + 1))
        if len(combinations) <= CORNERS:
            yield from (dict(zip(ends, values, strict=True)) for values in combinations)
        else:
            for i in range(max(map(len, ends.values()))):
                yield {key: values[i % len(values)] for key, values in ends.items()}

    def validate_corners(self) -> list[Plain]:
        """Return the validated configs of the corners. Raises UserError with the mistakes of all corners, each once."""
        configs: list[Plain] = []
        mistakes: dict[str, list[list[str]]] = {}  # line → the searched overrides of every corner that has this mistake
        preflighted: dict[str, UserError | None] = {}
        corners = list(self.corners())
        for point in corners:
            try:
                overrides = self.overrides(point)
                plain = validate(self.composer.compose(overrides))
                self.composer.refuse_new(overrides)
                preflight_once(plain, preflighted)
                configs.append(plain)
            except UserError as error:
                for line in error.lines:
                    mistakes.setdefault(line, []).append(self.searched_overrides(point))
        if mistakes:
            lines = [self.prefix_cause(line, points, corners) for line, points in mistakes.items()]
            raise UserError(*lines, "nothing was launched")
        return configs

    def prefix_cause(self, line: str, invalid: list[list[str]], corners: list[Point]) -> str:
        """Prefix a mistake with its cause: the overrides that all `invalid` corners share and no other corner has.

        Without such overrides the prefix is what the invalid corners share, or else the first of them.
        """
        sets = [set(overrides) for overrides in invalid]
        shared = set.intersection(*sets)
        valid = [overrides for point in corners if (overrides := set(self.searched_overrides(point))) not in sets]
        common = [override for override in invalid[0] if override in shared]
        cause = [override for override in common if not any(override in overrides for overrides in valid)]
        prefix = " ".join(cause or common or invalid[0])
        key = line.partition(":")[0]
        dimension = self.dimensions.get(key)
        if "valid integer" in line and dimension is not None and isinstance(dimension.distribution, FloatDistribution):
            line += f"; whole numbers: {key}=int({dimension.typed})"
        return line if not valid or line.startswith(prefix) else f"{prefix}: {line}"


def override_mistake(override: Override) -> str | None:
    """Return the error line for an override that a search can't take; None if it can."""
    typed = override.input_line
    if override.key_or_group.startswith(("hydra.", "hydra/")):
        return f"{typed}: a search has no launcher and a folder of its own; for more workers start the same command again"
    if override.is_delete():
        return f"{typed}: the best experiment could not express it; write an experiment of your own without it"
    if override.package:
        return f"{typed}: a package is not for a search; choose the option without it"
    return None


def to_dimension(override: Override) -> Dimension:
    """Convert a swept override to a dimension. Raises UserError if its values are empty or inconsistent."""
    key, typed, value = override.get_key_element(), override.get_value_string(), override.value()
    try:
        if override.is_choice_sweep():
            choices = list(dict.fromkeys(override.sweep_string_iterator()))
            shuffled = isinstance(value, ChoiceSweep) and value.shuffle
            return Dimension(key, typed, CategoricalDistribution(sorted(choices) if shuffled else choices))
        assert isinstance(value, RangeSweep | IntervalSweep)
        if unknown := sorted(value.tags - {*TAGS}):
            raise UserError(f"{key}={typed}: tag {', '.join(unknown)}; allowed: {', '.join(TAGS)}")
        return from_range(key, typed, value) if isinstance(value, RangeSweep) else from_interval(key, typed, value)
    except (HydraException, ValueError) as error:
        raise UserError(f"{key}={typed}: {one_line(error)}") from None


def from_range(key: str, typed: str, sweep: RangeSweep) -> Dimension:
    """Convert `range(start,stop,step)`, whose stop is excluded. Raises UserError for an empty range or a logarithmic step."""
    start, stop, step = (Decimal(str(number)) for number in (sweep.start, sweep.stop, sweep.step))
    count = math.ceil((stop - start) / step) if step else 0
    if count < 1:
        raise UserError(f"{key}={typed}: it is empty; range(first,end,step) goes up to its end, without it")
    log = "log" in sweep.tags
    if log and sweep.step != 1:
        interval = f"tag(log,interval({sweep.start},{sweep.stop}))"
        cure = f"int({interval})" if isinstance(sweep.range(), range) else interval
        raise UserError(f"{key}={typed}: steps are even, a logarithmic scale is not; use {cure}")
    low, high = sorted((start, start + (count - 1) * step))
    if isinstance(sweep.range(), range):
        return Dimension(key, typed, IntDistribution(int(low), int(high), log=log, step=abs(int(step))))
    return Dimension(key, typed, FloatDistribution(float(low), float(high), step=float(abs(step))), abs(step))


def from_interval(key: str, typed: str, sweep: IntervalSweep) -> Dimension:
    """Convert `interval(start,end)`, ends included. Raises UserError if it is reversed, or logarithmic and not above 0."""
    low, high, log = sweep.start, sweep.end, "log" in sweep.tags
    assert low is not None
    assert high is not None
    if low > high:
        raise UserError(f"{key}={typed}: it ends before it begins; interval(least,most)")
    if log and low <= 0:
        raise UserError(f"{key}={typed}: a logarithmic scale begins above 0")
    if "int" in sweep.tags or isinstance(low, int):
        return Dimension(key, typed, IntDistribution(int(low), int(high), log=log))
    return Dimension(key, typed, FloatDistribution(low, high, log=log))
