"""(purpose, seed, step, rank) → 32 bits: the one source of everything random in a run.

No generator's state is ever saved. What is random in a step is drawn from a generator seeded with this hash, so a resumed
run repeats it exactly and any step can be replayed. Hashed, never shifted: torch's CPU generator keeps only the low 32 bits
of what it is given, so `(seed << 40) + step` would give every seed the same noise.
"""

from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """What the randomness is for: one seed gives each purpose a stream of its own."""

    NOISE = 0  # all that a training step draws: z, augmentation, interpolates
    ORDER = 1  # which real sample comes when
    REAL = 2  # real samples that are drawn, not stored: ring, grid
    GENERATOR = 3  # initial weights
    DISCRIMINATOR = 4
    PICTURE = 5  # the fixed z that is watched over a run
    SCORE = 6  # the z that metrics are computed on while a run trains
    REPORT = 7  # other z, for what is reported of it


def hashed(purpose: Purpose, seed: int, step: int = 0, rank: int = 0) -> int:
    """32 bits; every argument is non-negative."""
    return int(np.random.SeedSequence([purpose, seed, step, rank]).generate_state(1)[0])


def generator(purpose: Purpose, seed: int, step: int = 0, rank: int = 0) -> torch.Generator:
    """A CPU generator of its own, started at the hash."""
    return torch.Generator().manual_seed(hashed(purpose, seed, step, rank))


def common(seed: int, step: int, device: torch.device) -> torch.Generator:
    """What several ranks draw z from, each its part of the draw: the z that one process alone would have drawn."""
    return torch.Generator(device).manual_seed(hashed(Purpose.NOISE, seed, step))


def reseed(value: int, device: torch.device) -> None:
    """Start the default generators of the CPU and of `device`; `torch.manual_seed` does the same 100 times slower."""
    torch.default_generator.manual_seed(value)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(value)
