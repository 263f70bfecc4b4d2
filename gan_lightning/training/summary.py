"""Print what a run trains when it starts, and what it reached, where, and what to type next when it ends."""

from __future__ import annotations

import shlex

from gan_lightning.config.resolve import Plain
from gan_lightning.gan import GAN
from gan_lightning.run.directory import Run, shorten_path


def describe_start(run: Run, plain: Plain, gan: GAN, device: str, threads: int) -> str:
    """Return one line: the name, the sizes of both networks, the number of steps, device, threads and the run directory."""
    g, d = (sum(p.numel() for p in net.parameters()) for net in (gan.generator, gan.discriminator))
    length = f"{plain['trainer']['max_steps']} steps of {plain['data']['batch_size']} samples on {device}"
    length += f", {threads} thread{'s' if threads > 1 else ''}"
    return f"{plain['name']}: generator {g:,}, discriminator {d:,} parameters, {length} → {shorten_path(run.path)}"


def summary(run: Run) -> str:
    """Return a table of status, time, metrics, newest sample picture and the commands to type next."""
    result, path = run.result, shorten_path(run.path)
    reason = f" ({result['reason']})" if result.get("reason") else ""
    rows = [("status", f"{result['status']} at step {result['step']}{reason}"), ("time", f"{result['seconds']:.0f} s")]
    rows += [(name, "not a number" if value is None else f"{value:.4g}") for name, value in result.get("metrics", {}).items()]
    pictures = sorted((run.path / "samples").glob("step=????????.png"))
    rows += [("samples", str(shorten_path(pictures[-1])))] if pictures else []
    logged = any(run.path.glob("events.out.tfevents.*"))
    rows += [("TensorBoard", f"tensorboard --logdir {shlex.quote(str(path))}")] if logged else []
    rows += [("next", next_command(run))]
    width = max(len(name) for name, _ in rows)
    return "\n" + "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


def next_command(run: Run) -> str:
    """Return the command that continues an unfinished run, or draws samples from a finished one."""
    which = shlex.quote(f"run={shorten_path(run.path)}")
    return f"gan-sample {which} num=64 out=grid.png" if run.result["status"] == "finished" else f"gan-train {which}"
