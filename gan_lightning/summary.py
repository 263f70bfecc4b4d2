"""What a person reads when training ends: what was reached, where it lies, what to type next."""

from __future__ import annotations

from gan_lightning.run import Run


def summary(run: Run) -> str:
    """A short table."""
    result = run.result
    rows = [
        ("status", f"{result['status']} at step {result['step']}" + (f" ({result['reason']})" if result.get("reason") else ""))
    ]
    rows += [("time", f"{result['seconds']:.0f} s")]
    rows += [(name, f"{value:.4g}") for name, value in result.get("metrics", {}).items()]
    pictures = sorted((run.path / "samples").glob("step=????????.png"))
    rows += [("samples", str(pictures[-1]))] if pictures else []
    rows += [("TensorBoard", f"tensorboard --logdir {run.path}")] if list(run.path.glob("events.out.tfevents.*")) else []
    rows += [("next", following(run))]
    width = max(len(name) for name, _ in rows)
    return "\n" + "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


def following(run: Run) -> str:
    """The command that one would try next."""
    if run.result["status"] != "finished":
        return f"gan-train run={run.path}"
    return f"gan-sample run={run.path} num=64 out=grid.png"
