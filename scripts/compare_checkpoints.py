"""Compare the checkpoints of two sets of runs, tensor by tensor: a refactoring must leave every bit as it was.

python scripts/compare_checkpoints.py BEFORE AFTER

BEFORE and AFTER are folders of run directories with the same names, trained by the code before and after a change. Compared
are the networks, their running average, both optimizers and the step; exit code 1: something differs or is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from gan_lightning.storage.safe_load import load_checkpoint

COMPARED = ("state_dict", "optimizer_states", "global_step")


def differences(before: Any, after: Any, name: str = "") -> Iterator[str]:
    """Yield the name of every value that differs, in nested dicts and lists of tensors and numbers."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            if key in before and key in after:
                yield from differences(before[key], after[key], f"{name}.{key}".lstrip("."))
            else:
                yield f"{name}.{key}: only {'before' if key in before else 'after'}"
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple) and len(before) == len(after):
        for i, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{name}[{i}]")
    elif isinstance(before, torch.Tensor) and isinstance(after, torch.Tensor):
        if before.dtype != after.dtype or not torch.equal(before, after):
            yield name
    elif before != after:
        yield f"{name}: {before} → {after}"


def compared_part(path: Path) -> dict[str, Any]:
    """Load what is compared of a checkpoint. Raises UnsafeFileError if it is none."""
    return {key: value for key, value in load_checkpoint(path).items() if key in COMPARED}


def main() -> int:
    """Print a line for each checkpoint; return the exit code."""
    before, after = (Path(word) for word in sys.argv[1:3])
    paths = sorted(path.relative_to(before) for path in before.glob("*/checkpoints/*.ckpt"))
    failed = not paths
    for path in paths:
        if not (after / path).exists():
            found = ["missing"]
        else:
            found = list(differences(compared_part(before / path), compared_part(after / path)))
        print(f"{path}: {'; '.join(found[:5]) or 'identical'}")
        failed = failed or bool(found)
    print(f"{len(paths)} checkpoints: {'they differ' if failed else 'all identical'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
