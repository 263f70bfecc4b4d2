"""Print what a run trains when it starts, and what it reached, where, and what to type next when it ends."""

from __future__ import annotations

import shlex

from gan_lightning.config.resolve import Plain
from gan_lightning.gan import GAN
from gan_lightning.run.directory import Run, shorten_path
from gan_lightning.run.result import format_score
from gan_lightning.storage.printable import printable


def describe_start(run: Run, plain: Plain, gan: GAN, device: str, threads: int) -> str:
    """Return one line: the name, the sizes of both networks, the number of steps, device, threads and the run directory."""
    g, d = (sum(p.numel() for p in net.parameters()) for net in (gan.generator, gan.discriminator))
    length = f"{plain['trainer']['max_steps']} steps of {plain['data']['batch_size']} samples on {device}"
    length += f", {threads} thread{'s' if threads > 1 else ''}"
    return f"{plain['name']}: generator {g:,}, discriminator {d:,} parameters, {length} → {shorten_path(run.path)}"


def summary(run: Run) -> str:
    """Return a table: status, time, scores beside those of real samples, newest sample picture, the commands to type next."""
    result, path = run.result, shorten_path(run.path)
    reason = f" ({result['reason']})" if result.get("reason") else ""
    rows = [("status", f"{result['status']} at step {result['step']}{reason}"), ("time", f"{result['seconds']:.0f} s")]
    rows += score_rows(result.get("metrics", {}), result.get("real", {}))
    pictures = sorted((run.path / "samples").glob("step=????????.png"))
    rows += [("samples", str(shorten_path(pictures[-1])))] if pictures else []
    logged = any(run.path.glob("events.out.tfevents.*"))
    rows += [("TensorBoard", f"tensorboard --logdir {shlex.quote(str(path))}")] if logged else []
    rows += [("next", next_command(run))]
    width = max(len(name) for name, _ in rows)
    return "\n" + "\n".join(printable(f"  {name:<{width}}  {value}") for name, value in rows)


def score_rows(generated: Plain, real: Plain) -> list[tuple[str, str]]:
    """Return a row for each score: that of real samples, then that of generated ones, under a heading; none without scores."""
    cells = [(name, format_score(real[name]) if name in real else "", format_score(generated[name])) for name in generated]
    width = max((len(cell) for _, cell, _ in cells), default=0)
    width = max(width, len("real"))
    return [(name, f"{floor:<{width}}  {value}") for name, floor, value in [("", "real", "generated"), *cells] if cells]


def next_command(run: Run) -> str:
    """Return the command that continues an unfinished run, or draws samples from a finished one."""
    which = shlex.quote(f"run={shorten_path(run.path)}")
    return f"gan-sample {which} num=64 out=grid.png" if run.result["status"] == "finished" else f"gan-train {which}"
