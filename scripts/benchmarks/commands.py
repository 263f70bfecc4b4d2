"""Measure whole commands, and the memory of training: suites `startup` and `memory`.

Each command is a process of its own. CPU seconds are its own and its children's; memory is its largest resident set.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.report import Row, Suite
from benchmarks.timing import Spread, Times, Variant, interleave, ratios, spread
from benchmarks.training import DCGAN

TRAIN = [sys.executable, "-m", "gan_lightning.cli.train"]
FIRST_STEP = ["experiment=digits_fast", "trainer.max_steps=1", "metric=none", "threads=1", "trainer.accelerator=cpu"]


def command(words: Sequence[str], expected: int = 0) -> Variant:
    """Return a variant that runs a command in a new folder. Raises CalledProcessError if it ends with another code."""

    def run() -> Times:
        with tempfile.TemporaryDirectory() as folder:
            used, _ = resources(words, folder, expected)
        return used

    return run


def resources(words: Sequence[str], folder: str, expected: int = 0) -> tuple[Times, int]:
    """Run a command, and return its times and its largest resident set in KiB."""
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    started = os.times().elapsed
    process = subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != expected:
        raise subprocess.CalledProcessError(process.returncode, words)
    return Times(usage.ru_utime + usage.ru_stime, os.times().elapsed - started), usage.ru_maxrss


def startup(rounds: int) -> list[Suite]:
    """Measure short commands beside `import torch`."""
    variants = {
        "import torch": command([sys.executable, "-c", "import torch"]),
        "the same again (A/A)": command([sys.executable, "-c", "import torch"]),
        "import pytorch_lightning": command([sys.executable, "-c", "import pytorch_lightning"]),
        "gan-train --help": command([*TRAIN, "--help"]),
        "gan-train with a misspelt key": command([*TRAIN, "experiment=digits_fast", "model.widht=3"], 2),
        "gan-train with a refused combination": command([*TRAIN, "data=ring"], 2),
        "gan-train experiment=digits_fast, one step": command([*TRAIN, *FIRST_STEP]),
    }
    times = interleave(variants, rounds)
    rows = [
        Row(
            name,
            ratios(t, times["import torch"]),
            {
                "CPU s": spread([time.cpu for time in t]).median,
                "CPU s beyond import torch": difference(t, times["import torch"]),
            },
        )
        for name, t in times.items()
    ]
    return [Suite("Start-up: whole commands, from start to exit", "import torch", rows)]


def difference(times: list[Times], baseline: list[Times]) -> float:
    """Return the median of the differences of CPU time in the same rounds."""
    return spread([time.cpu - base.cpu for time, base in zip(times, baseline, strict=True)]).median


def memory(rounds: int) -> list[Suite]:
    """Measure the memory of ten steps of DCGAN beyond that of the imports; a round is a process of each."""
    rounds = min(rounds, 3)  # it hardly varies
    here = str(Path(__file__).resolve().parents[1])
    with tempfile.TemporaryDirectory() as data:
        file = Path(data) / "images.npy"
        np.save(file, np.random.default_rng(0).integers(0, 256, (256, 3, 64, 64), dtype=np.uint8))
        overrides = [*DCGAN, f"data.file={file}"]
        program = (
            f"import sys; sys.path.insert(0, {here!r}); from benchmarks import loops, training as t; import torch; "
            "torch.set_num_threads(1); "
            f"plain = t.validate(t.Composer().compose({overrides!r})); "
        )
        works = {
            "imports": "pass",
            "raw loop, our maths": "t.raw(plain, loops.same_maths, 10)()",
            "tutorial's loop": "t.raw(plain, loops.tutorial, 10)()",
            "lean raw loop": "t.raw(plain, loops.lean, 10)()",
            "Lightning's example": "t.lightning_example(plain, 10)()",
            "gan_lightning": "t.ours(plain, 10, bare=False)()",
        }
        peaks: dict[str, list[int]] = {name: [] for name in works}
        for _ in range(rounds):
            for name, work in works.items():
                peaks[name].append(resources([sys.executable, "-c", program + work], data)[1])
    used = {name: [p - i for p, i in zip(values, peaks["imports"], strict=True)] for name, values in peaks.items()}
    del used["imports"]
    baseline = used["raw loop, our maths"]
    rows = [
        Row(name, memory_ratios(values, baseline), {"MiB beyond the imports": spread([v / 1024 for v in values]).median})
        for name, values in used.items()
    ]
    return [Suite("Memory: ten steps of DCGAN 64×64, width 64, batch 64", "raw loop, our maths", rows, "memory")]


def memory_ratios(values: list[int], baseline: list[int]) -> Spread:
    """Return the ratios to the baseline in the same rounds."""
    return spread([value / base for value, base in zip(values, baseline, strict=True)])
