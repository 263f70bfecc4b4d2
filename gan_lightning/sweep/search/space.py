"""What a search may choose, in Hydra's own words for a sweep.

    loss=hinge,minimax    choice(a,b)         one of these
    model.width=range(8,64,8)                 8, 16, … 56: as with gan-train -m, the end is not among them
    optimizer.lr=interval(1e-4,1e-2)          any number between, ends included
    data.batch_size=int(interval(16,64))      any whole number between
    optimizer.lr=tag(log,interval(1e-4,1e-2)) evenly on a logarithmic scale

All else on the line is the same in every trial.
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
CORNERS = 32  # so many are all tried before a search begins; of more, each end and each choice once
Chosen = dict[str, Any]  # key → value, as the study keeps them


class Dimension(NamedTuple):
    """One key that is searched over."""

    key: str  # as typed, a plus included
    typed: str  # its values, as typed
    distribution: BaseDistribution
    step: Decimal | None = None  # of a range of decimals

    def suggest(self, trial: Trial) -> Any:
        """The trial's value; one that it has already is kept."""
        found = self.distribution
        if isinstance(found, CategoricalDistribution):
            return trial.suggest_categorical(self.key, found.choices)
        if isinstance(found, IntDistribution):
            return trial.suggest_int(self.key, found.low, found.high, step=found.step, log=found.log)
        assert isinstance(found, FloatDistribution)
        return trial.suggest_float(self.key, found.low, found.high, step=found.step, log=found.log)

    def word(self, value: Any) -> str:
        """What a person would type for it."""
        if self.step is not None:
            low = Decimal(str(getattr(self.distribution, "low", 0)))
            value = float(low + self.step * round((Decimal(str(value)) - low) / self.step))
        return f"{self.key}={value}"

    def ends(self) -> list[Any]:
        """Every choice, or the smallest and the largest number."""
        found = self.distribution
        if isinstance(found, CategoricalDistribution):
            return list(found.choices)
        assert isinstance(found, IntDistribution | FloatDistribution)
        return list(dict.fromkeys([found.low, found.high]))


class Space:
    """The dimensions, and the words that all trials share."""

    def __init__(self, composer: Composer, line: list[str]) -> None:
        """Raises UserError for what can't be searched over."""
        self.composer, self.line = composer, line
        parsed = composer.parse(line)
        said = [why for override in parsed if (why := refuse_override(override))]
        swept = [override for override in parsed if override.is_sweep_override()]
        keys = [override.key_or_group for override in parsed]
        twice = {o.key_or_group for o in swept if keys.count(o.key_or_group) > 1}
        said += [f"{key}: given twice, and searched over; give it once" for key in sorted(twice)]
        if not swept:
            said.append("nothing to search: give a key several values, such as 'optimizer.lr=interval(1e-4,1e-2)' or loss=a,b")
        if said:
            raise UserError(*said)
        self.dimensions = {override.get_key_element(): to_dimension(override) for override in swept}
        self.keys = [override.get_key_element() for override in parsed]

    @property
    def typed(self) -> dict[str, str]:
        """Key → values as typed, of what is searched over."""
        return {key: one.typed for key, one in self.dimensions.items()}

    def suggest(self, trial: Trial) -> Chosen:
        """The point that a trial is at."""
        return {key: one.suggest(trial) for key, one in self.dimensions.items()}

    def chosen(self, point: Mapping[str, Any]) -> list[str]:
        """What a point sets, as words."""
        return [one.word(point[key]) for key, one in self.dimensions.items()]

    def words(self, point: Mapping[str, Any]) -> list[str]:
        """The overrides of a run at this point: the line, with one value for each key."""
        dimensions = self.dimensions
        told = zip(self.keys, self.line, strict=True)
        return [dimensions[key].word(point[key]) if key in dimensions else word for key, word in told]

    def corners(self) -> Iterator[Chosen]:
        """Points to try before the first run: all combinations of ends and choices, or, if those are many, each once."""
        ends = {key: one.ends() for key, one in self.dimensions.items()}
        whole = itertools.product(*ends.values())
        first = list(itertools.islice(whole, CORNERS + 1))
        if len(first) <= CORNERS:
            yield from (dict(zip(ends, values, strict=True)) for values in first)
        else:
            for i in range(max(map(len, ends.values()))):
                yield {key: values[i % len(values)] for key, values in ends.items()}

    def checked(self) -> list[Plain]:
        """The configs of the corners. Raises UserError with the mistakes of all, each told once."""
        found: list[Plain] = []
        told: dict[str, list[list[str]]] = {}  # mistake → where it is made
        known: dict[str, UserError | None] = {}
        corners = list(self.corners())
        for point in corners:
            try:
                words = self.words(point)
                plain = validate(self.composer.compose(words))
                self.composer.refuse_new(words)
                preflight_once(plain, known)
                found.append(plain)
            except UserError as error:
                for line in error.lines:
                    told.setdefault(line, []).append(self.chosen(point))
        if told:
            raise UserError(*(self.blamed(line, at, corners) for line, at in told.items()), "nothing was launched")
        return found

    def blamed(self, line: str, at: list[list[str]], corners: list[Chosen]) -> str:
        """A mistake behind the words that every point with it has and no other; its first point's, if there are none."""
        wrong = [set(words) for words in at]
        shared = set.intersection(*wrong)
        others = [words for point in corners if (words := set(self.chosen(point))) not in wrong]
        guilty = [word for word in at[0] if word in shared and not any(word in words for words in others)]
        prefix = " ".join(guilty or [word for word in at[0] if word in shared] or at[0])
        key = line.partition(":")[0]
        searched = self.dimensions.get(key)
        if "valid integer" in line and searched is not None and isinstance(searched.distribution, FloatDistribution):
            line += f"; whole numbers: {key}=int({searched.typed})"
        return line if not others or line.startswith(prefix) else f"{prefix}: {line}"


def refuse_override(override: Override) -> str | None:
    """Why this can't stand on a search's line."""
    word = override.input_line
    if override.key_or_group.startswith(("hydra.", "hydra/")):
        return f"{word}: a search has no launcher and a folder of its own; for more workers start the same command again"
    if override.is_delete():
        return f"{word}: the best experiment could not say it; write an experiment of your own without it"
    if override.package:
        return f"{word}: a package is not for a search; choose the option where it stands"
    return None


def to_dimension(override: Override) -> Dimension:
    """A swept override as Optuna's distribution. Raises UserError."""
    key, typed, value = override.get_key_element(), override.get_value_string(), override.value()
    try:
        if override.is_choice_sweep():
            choices = list(dict.fromkeys(override.sweep_string_iterator()))
            shuffled = isinstance(value, ChoiceSweep) and value.shuffle
            return Dimension(key, typed, CategoricalDistribution(sorted(choices) if shuffled else choices))
        assert isinstance(value, RangeSweep | IntervalSweep)
        if strange := sorted(value.tags - {*TAGS}):
            raise UserError(f"{key}={typed}: tag {', '.join(strange)}; allowed: {', '.join(TAGS)}")
        return from_range(key, typed, value) if isinstance(value, RangeSweep) else from_interval(key, typed, value)
    except (HydraException, ValueError) as error:
        raise UserError(f"{key}={typed}: {one_line(error)}") from None


def from_range(key: str, typed: str, sweep: RangeSweep) -> Dimension:
    """Numbers in steps. Raises UserError."""
    start, stop, step = (Decimal(str(number)) for number in (sweep.start, sweep.stop, sweep.step))
    count = math.ceil((stop - start) / step) if step else 0
    if count < 1:
        raise UserError(f"{key}={typed}: nothing lies in it; range(first,end,step) goes up to its end, without it")
    log = "log" in sweep.tags
    if log and sweep.step != 1:
        cure = f"tag(log,interval({sweep.start},{sweep.stop}))"
        raise UserError(f"{key}={typed}: steps are even, a logarithmic scale is not; use {cure}")
    low, high = sorted((start, start + (count - 1) * step))
    if isinstance(sweep.range(), range):
        return Dimension(key, typed, IntDistribution(int(low), int(high), log=log, step=abs(int(step))))
    return Dimension(key, typed, FloatDistribution(float(low), float(high), step=float(abs(step))), abs(step))


def from_interval(key: str, typed: str, sweep: IntervalSweep) -> Dimension:
    """Any number between two. Raises UserError."""
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
