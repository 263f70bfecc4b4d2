"""gan-search: look for the best config, trial by trial; the same command again goes on, or helps, in another shell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gan_lightning.config.errors import Refused, nearest
from gan_lightning.config.resolve import Plain

if TYPE_CHECKING:
    from gan_lightning.sweep.search.study import Objective


def directed(asked: Sequence[str] | None, checked: Sequence[Plain]) -> list[Objective]:
    """The scores to go by, and whether more of them is better: the same at every corner. Raises Refused."""
    found = {tuple(objectives(asked, plain)) for plain in checked}
    if len(found) > 1:
        said = " or ".join(sorted({", ".join(o.name for o in one) for one in found}))
        raise Refused(f"objective: trials would go by {said}, which can't be compared; give objective=")
    return list(found.pop())


def objectives(asked: Sequence[str] | None, plain: Plain) -> list[Objective]:
    """Of one config. Raises Refused."""
    from gan_lightning.config.instantiate import metrics
    from gan_lightning.sweep.search.study import Objective

    offered = {name: up for score in metrics(plain).values() for name, up in score.higher.items()}
    if not offered:
        raise Refused("metric: gives no score to search by; choose one, such as metric=fid")
    names = list(asked or [plain["objective"] or next(iter(offered))])
    if lines := [f"objectives: no metric gives {name}; {nearest(name, offered)}" for name in names if name not in offered]:
        raise Refused(*lines)
    if len(set(names)) < len(names):
        raise Refused(f"objectives: {', '.join(names)}: each once")
    return [Objective(name, offered[name]) for name in names]
