"""The variables by which torchrun, srun or our own launcher make a process a rank: all of them count, or none.

A shell, a notebook or `salloc` leaves some of them behind, and Lightning and torchmetrics read each for itself while they are
imported. So they are checked, or removed, before anything else is.
"""

from __future__ import annotations

import os
import re

from gan_lightning.config.errors import UserError

NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
REPORTS = "GAN_LIGHTNING_FAILURE_REPORTS"  # the folder where failing ranks leave their reasons
OF_RANKS = re.compile(rf"(LOCAL_|GROUP_|NODE_|ROLE_)?(RANK|WORLD_SIZE)|TORCHELASTIC_.*|{REPORTS}")
READ_BY_LIBRARIES = ("SLURM_PROCID", "JSM_NAMESPACE_RANK")
CURE = f"torchrun and srun set them; to train alone: unset {' '.join(NEEDED)}"


def natural(name: str) -> int | None:
    """Return the value of a variable that is a whole number from 0 to 999999, otherwise None."""
    value = os.environ.get(name, "")
    return int(value) if re.fullmatch("[0-9]{1,6}", value) else None


def settle_rank_variables() -> None:
    """Remove the variables of ranks unless they are complete. Raises UserError if some are missing, or are no numbers.

    MASTER_ADDR and MASTER_PORT alone remain, because srun's tasks connect there.
    """
    complete = all(name in os.environ for name in NEEDED)
    size, rank = natural("WORLD_SIZE"), natural("RANK")
    mistakes = []
    if complete and size != 1:
        mistakes = find_mistakes()
    elif rank is not None and size is not None and rank < size and size > 1:
        missing = ", ".join(name for name in NEEDED if name not in os.environ)
        mistakes = [f"RANK={rank} WORLD_SIZE={size}: {missing} not set; {CURE}"]
    if mistakes or not complete or size == 1:
        for name in [name for name in os.environ if OF_RANKS.fullmatch(name)]:
            del os.environ[name]
    for name in READ_BY_LIBRARIES:
        if natural(name) is None:
            os.environ.pop(name, None)
    if mistakes:
        raise UserError(*mistakes)


def find_mistakes() -> list[str]:
    """Return what is wrong with the values of a complete set."""
    size, local_size = natural("WORLD_SIZE"), natural("LOCAL_WORLD_SIZE") if "LOCAL_WORLD_SIZE" in os.environ else None
    allowed = {
        "WORLD_SIZE": (1, 999_999),
        "RANK": (0, (size or 1_000_000) - 1),
        "LOCAL_RANK": (0, (local_size or size or 1_000_000) - 1),
        "LOCAL_WORLD_SIZE": (1, size or 999_999),
        "GROUP_RANK": (0, 999_999),
        "NODE_RANK": (0, 999_999),
        "MASTER_PORT": (1, 65535),
    }
    mistakes = [
        f"{name}={os.environ[name]}: should be a whole number from {least} to {most}; {CURE}"
        for name, (least, most) in allowed.items()
        if name in os.environ and not least <= (-1 if (value := natural(name)) is None else value) <= most
    ]
    return mistakes if os.environ["MASTER_ADDR"] else [*mistakes, f"MASTER_ADDR=: empty; give the first machine's name; {CURE}"]
