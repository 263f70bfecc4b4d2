"""gan-replay: a step of a run again, bit for bit, in as many processes as trained it, to see what happened there."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

from gan_lightning.cli.arguments import parse_arguments
from gan_lightning.cli.exit_codes import exit_codes, require_writable
from gan_lightning.config.world_size import global_rank, is_distributed
from gan_lightning.distributed.rendezvous import report_user_error
from gan_lightning.storage import atomic

if TYPE_CHECKING:
    from gan_lightning.run.directory import Run
    from gan_lightning.training.replay import StepRecord


class Request(BaseModel):
    """Train a step of a run again, from the last checkpoint before it, and keep what it was made of.

    gan-replay run=RUN_DIR step=N [out=DIR]

    out   a folder for real.png, fake.png (the batch that G and D saw), terms.json (means beside what was logged) and
          step.safetensors (batch, samples, each sample's terms, every parameter's gradient); without it RUN_DIR/replay/step=N
    """

    run: Path
    step: Annotated[int, Field(ge=1)]
    out: Path | None = None


def main() -> None:
    """The console script. Exit code 1: a term is not what was logged."""
    with exit_codes(report_user_error):
        request: Request = parse_arguments(Request, sys.argv[1:])
        from gan_lightning.run.directory import Run
        from gan_lightning.training.fit import silence_lightning
        from gan_lightning.training.replay import plan_replay

        silence_lightning()
        run = Run(request.run)
        folder = request.out or run.path / "replay" / f"step={request.step:08d}"
        if is_distributed():
            replay_here(run, request.step, folder)
            return
        require_writable(folder, folder=True)
        if (processes := plan_replay(run, request.step).processes) > 1:
            replay_in_ranks(run, request.step, folder, processes)
        else:
            replay_here(run, request.step, folder)
        sys.exit(print_record(run, folder))


def replay_here(run: Run, step: int, folder: Path) -> None:
    """Take the step again, as one of its ranks or alone; the first one writes. Raises Refused, OSError."""
    from gan_lightning.training.replay import logged_scalars, replay_step

    moment, _ = replay_step(run, step, int(os.environ["WORLD_SIZE"]) if is_distributed() else 1)
    if global_rank() == 0:
        write_record(moment, {name: value for name, value in logged_scalars(run, step).items() if name in moment.means}, folder)


def replay_in_ranks(run: Run, step: int, folder: Path, processes: int) -> None:
    """As many ranks as have trained it, on this machine; exits with the code of one that fails."""
    from gan_lightning.distributed.launcher import launch_ranks
    from gan_lightning.training.fit import REPORTED

    code, wrong = launch_ranks(["gan_lightning.cli.replay", f"run={run.path}", f"step={step}", f"out={folder}"], processes)
    if wrong is not None and code not in REPORTED:
        print(f"run={run.path}: {wrong}", file=sys.stderr)
    if code:
        sys.exit(code)


def print_record(run: Run, folder: Path) -> int:
    """Say what was written. Returns the exit code."""
    kept = json.loads((folder / "terms.json").read_text())
    step, since, means, then = (kept[key] for key in ("step", "since", "terms", "logged"))
    print(f"step {step}, from {f'the checkpoint of step {since}' if since else 'the beginning'}\n")
    print(term_table(means, then))
    for change in run.result.get("continued", []):
        if step <= change["step"]:
            print(f"\nthe config has changed since, at step {change['step']}: {'; '.join(change['changed'])}")
    print(f"\n{folder}")
    return int(not all(same_value(means[name], value) for name, value in then.items()))


def same_value(one: float, other: float) -> bool:
    """NaN is what NaN was: such a step is worth seeing again."""
    return one == other or (math.isnan(one) and math.isnan(other))


def term_table(means: dict[str, float], then: dict[str, float]) -> str:
    """Each term's mean, and whether it is what was logged."""
    width = max(map(len, means))
    lines = []
    for name, value in means.items():
        said = (
            ""
            if name not in then
            else "  as logged"
            if same_value(then[name], value)
            else f"  DIFFERS: logged {then[name]:.9g}"
        )
        lines.append(f"  {name:{width}}  {value:<15.9g}{said}".rstrip())
    return "\n".join([*lines, *([] if then else ["", "  nothing was logged of this step"])])


def write_record(moment: StepRecord, then: dict[str, float], folder: Path) -> None:
    """The pictures and the numbers."""
    from safetensors.torch import save

    from gan_lightning.data import render

    folder.mkdir(parents=True, exist_ok=True)
    drawn = {"real": render.render(moment.batch.real), "fake": render.render(moment.fake, real=moment.batch.real.cpu())}
    for name, image in drawn.items():
        atomic.write_bytes(folder / f"{name}.png", render.encode_image(image, ".png"), flushed=False)
    tensors = {"real": moment.batch.real, "fake": moment.fake, **moment.terms}
    tensors |= {} if moment.batch.labels is None else {"labels": moment.batch.labels}
    tensors |= {f"gradient/{name}": gradient for name, gradient in moment.gradients.items()}
    numbers = save({name: x.detach().contiguous() for name, x in tensors.items()})
    atomic.write_bytes(folder / "step.safetensors", numbers, flushed=False)
    print_record = {"step": moment.step, "since": moment.since, "terms": moment.means, "logged": then}
    atomic.write_text(folder / "terms.json", json.dumps(print_record, indent=2) + "\n")


if __name__ == "__main__":
    main()
