"""The config of a fork: its parent's, in which a typed group is the node of the chosen option, and then the typed values."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection

from omegaconf import DictConfig, OmegaConf

from gan_lightning.config.errors import UserError
from gan_lightning.config.interpolations import select
from gan_lightning.config.resolve import Plain, to_plain

NO_EXPERIMENT = "~experiment"  # a fork's typed options are composed without an experiment's values


def replace_groups(
    parent: DictConfig, composed: DictConfig, groups: Collection[str], is_group: Callable[[str], bool]
) -> DictConfig:
    """Return the parent's config in which the node of each of `groups` is the one of `composed`.

    A group inside it, such as `optimizer/schedule`, stays the parent's unless it is one of `groups`. Raises UserError for an
    option whose keys are not at its group's place.
    """
    config, new = to_plain(parent), to_plain(composed)
    for group in sorted(groups):
        place = group.split("/")
        node = copy.deepcopy(select(new, tuple(place)))
        if not isinstance(node, dict):
            raise UserError(
                f"{group}: fork= replaces the node {'.'.join(place)}, which this option does not have; type its values"
            )
        own: Plain = config
        for key in place[:-1]:
            own = own.setdefault(key, {})
        before = own.get(place[-1])
        kept = before if isinstance(before, dict) else {}
        own[place[-1]] = node | {key: kept[key] for key in node if key in kept and is_group(f"{group}/{key}")}
    return OmegaConf.create(config)
