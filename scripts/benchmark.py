"""Measure the speed of gan_lightning beside loops without a framework and other libraries, in pairs, in one run.

python scripts/benchmark.py [SUITE …] [--rounds N] [--out FILE]        # without suites all; alone on the machine

suites   overhead  a step of a very small network
         train     a step of DCGAN 64×64, fp32 and bf16
         sample    sampling DCGAN 64×64
         data      a batch of a folder of images
         metrics   the Fréchet distance
         startup   short commands
         memory    the memory of training

In each round every variant of a suite runs once, in turn; what counts are the ratios within the rounds, of CPU time on one
thread. The row A/A is the baseline against itself: smaller differences mean nothing. The page is `--out docs/benchmarks.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from benchmarks import commands, loading, training, using
from benchmarks.report import Suite, machine, table

from gan_lightning.storage import atomic
from gan_lightning.training.fit import silence_lightning

SUITES: dict[str, Callable[[int], list[Suite]]] = {
    "overhead": training.overhead,
    "train": training.train,
    "sample": using.sample,
    "data": loading.data,
    "metrics": using.metrics,
    "startup": commands.startup,
    "memory": commands.memory,
}
HEAD = """# Benchmarks

`python scripts/benchmark.py --out docs/benchmarks.md` writes this page; no figure was entered by hand. Every variant of a table
ran once in each of {rounds} rounds, in turn, in one process on one thread; the ratios are of CPU time within the rounds, as
median and range. The row A/A is the baseline against itself: smaller differences mean nothing.

Measured on: {machine}.
"""


def main() -> None:
    """Measure the suites asked for, print each table when it is done, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="the suites to measure; without any, all")
    parser.add_argument("--rounds", type=int, default=9, help="the number of rounds")
    parser.add_argument("--out", type=Path, help="the page to write")
    arguments = parser.parse_args()
    if unknown := set(arguments.suites) - set(SUITES):
        parser.error(f"{', '.join(sorted(unknown))}: no suite; allowed: {', '.join(SUITES)}")
    torch.set_num_threads(1)
    silence_lightning()
    tables = []
    for name in arguments.suites or SUITES:
        for suite in SUITES[name](arguments.rounds):
            tables.append(table(suite))
            print(f"{tables[-1]}\n", flush=True)
    if arguments.out is not None:
        head = HEAD.format(rounds=arguments.rounds, machine=machine())
        atomic.write_text(arguments.out, "\n\n".join([head.strip(), *tables]) + "\n")


if __name__ == "__main__":
    main()
