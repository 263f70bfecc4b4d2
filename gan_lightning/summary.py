"""What a person reads when training ends: what was reached, where it lies, what to type next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gan_lightning.config import Plain
from gan_lightning.run import Run

if TYPE_CHECKING:
    from gan_lightning.gan import GAN


def start(run: Run, plain: Plain, gan: GAN, device: str) -> str:
    """One line before training: what is trained, and where it will lie."""
    g, d = (sum(p.numel() for p in net.parameters()) for net in (gan.generator, gan.discriminator))
    game = f"{plain['trainer']['max_steps']} steps of {plain['data']['batch_size']} samples on {device}"
    return f"{plain['name']}: generator {g:,}, discriminator {d:,} parameters, {game} → {shown(run.path)}"


def summary(run: Run) -> str:
    """A short table."""
    result, path = run.result, shown(run.path)
    rows = [
        ("status", f"{result['status']} at step {result['step']}" + (f" ({result['reason']})" if result.get("reason") else ""))
    ]
    rows += [("time", f"{result['seconds']:.0f} s")]
    rows += [(name, "not a number" if value is None else f"{value:.4g}") for name, value in result.get("metrics", {}).items()]
    pictures = sorted((run.path / "samples").glob("step=????????.png"))
    rows += [("samples", str(shown(pictures[-1])))] if pictures else []
    rows += (
        [("TensorBoard", f"tensorboard --logdir {shlex.quote(str(path))}")]
        if list(run.path.glob("events.out.tfevents.*"))
        else []
    )
    rows += [("next", following(run))]
    width = max(len(name) for name, _ in rows)
    return "\n" + "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


def following(run: Run) -> str:
    """The command that one would try next."""
    if run.result["status"] != "finished":
        return f"gan-train {shlex.quote(f'run={shown(run.path)}')}"
    return f"gan-sample {shlex.quote(f'run={shown(run.path)}')} num=64 out=grid.png"


def shown(path: Path) -> Path:
    """From the current folder, where that is shorter."""
    here = Path.cwd()
    return path.resolve().relative_to(here) if path.resolve().is_relative_to(here) else path
