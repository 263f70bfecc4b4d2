"""gan-search: look for the best config, trial by trial; the same command again goes on, or helps, in another shell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gan_lightning.config.errors import UserError, suggest
from gan_lightning.config.resolve import Plain

if TYPE_CHECKING:
    from gan_lightning.sweep.search.study import Objective


def common_objectives(asked: Sequence[str] | None, checked: Sequence[Plain]) -> list[Objective]:
    """The scores to go by, and whether more of them is better: the same at every corner. Raises UserError."""
    found = {tuple(list_objectives(asked, plain)) for plain in checked}
    if len(found) > 1:
        said = " or ".join(sorted({", ".join(o.name for o in one) for one in found}))
        raise UserError(f"objective: trials would go by {said}, which can't be compared; give objective=")
    return list(found.pop())


def list_objectives(asked: Sequence[str] | None, plain: Plain) -> list[Objective]:
    """Of one config. Raises UserError."""
    from gan_lightning.config.instantiate import build_metrics
    from gan_lightning.sweep.search.study import Objective

    offered = {name: up for score in build_metrics(plain).values() for name, up in score.maximize.items()}
    if not offered:
        raise UserError("metric: gives no score to search by; choose one, such as metric=fid")
    names = list(asked or [plain["objective"] or next(iter(offered))])
    if lines := [f"objectives: no metric gives {name}; {suggest(name, offered)}" for name in names if name not in offered]:
        raise UserError(*lines)
    if len(set(names)) < len(names):
        raise UserError(f"objectives: {', '.join(names)}: each once")
    return [Objective(name, offered[name]) for name in names]
