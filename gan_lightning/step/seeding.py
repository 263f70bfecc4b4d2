"""Seeds: (purpose, seed, step, rank) → 32 bits, the one source of everything random in a run.

No generator's state is ever saved. What is random in a step is drawn from a generator seeded with this hash, so a resumed run
repeats it exactly and any step can be replayed. The numbers are hashed, not shifted: torch's CPU generator keeps only the low
32 bits of its seed, so `(seed << 40) + step` would give every seed the same noise.
"""

from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """Name what random numbers are for; each purpose has its own stream."""

    NOISE = 0  # of a training step: z, augmentation, interpolation weights
    ORDER = 1  # the order of the stored samples
    REAL = 2  # real samples that are drawn, not stored: ring, grid
    GENERATOR = 3  # initial weights
    DISCRIMINATOR = 4
    PICTURE = 5  # the fixed z of the sample pictures
    SCORE = 6  # the z of the metrics during training
    REPORT = 7  # the z of `gan-evaluate`
    SELECTION = 8  # which real samples are used where not all are
    HEAD = 9  # initial weights of the regularizers' heads
    MIRROR = 10  # which real images are flipped
    CALIBRATION = 11  # the z of the samples that D's logits are calibrated on
    DECISION = 12  # whether a sampler accepts a sample


def derive_seed(purpose: Purpose, seed: int, step: int = 0, rank: int = 0) -> int:
    """Return a seed in [0, 2³²) for non-negative arguments."""
    return int(np.random.SeedSequence([purpose, seed, step, rank]).generate_state(1)[0])


def seeded_generator(purpose: Purpose, seed: int, step: int = 0, rank: int = 0) -> torch.Generator:
    """Return a new CPU generator that starts from the derived seed."""
    return torch.Generator().manual_seed(derive_seed(purpose, seed, step, rank))


def shared_generator(seed: int, step: int, device: torch.device) -> torch.Generator:
    """Return the generator of a step's z that is the same on every rank, on `device`."""
    return torch.Generator(device).manual_seed(derive_seed(Purpose.NOISE, seed, step))


def reseed(value: int, device: torch.device) -> None:
    """Seed the default generators of the CPU and of `device`; `torch.manual_seed` takes 100 times longer."""
    torch.default_generator.manual_seed(value)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(value)
