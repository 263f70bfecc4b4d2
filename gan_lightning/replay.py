"""gan-replay: a step of a run again, bit for bit, to see what happened there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

from gan_lightning import disk
from gan_lightning.config import arguments
from gan_lightning.ending import ending, writable

if TYPE_CHECKING:
    from gan_lightning.history import Moment


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
    with ending():
        request: Request = arguments(Request, sys.argv[1:])
        from gan_lightning.history import logged, relive
        from gan_lightning.run import Run
        from gan_lightning.training import quieten

        quieten()
        run = Run(request.run)
        folder = request.out or run.path / "replay" / f"step={request.step:08d}"
        writable(folder, folder=True)
        moment, _ = relive(run, request.step)
        then = {name: value for name, value in logged(run, request.step).items() if name in moment.means}
        write(moment, then, folder)
        print(f"step {moment.step}, from {f'the checkpoint of step {moment.since}' if moment.since else 'the beginning'}\n")
        print(table(moment.means, then))
        for change in run.result.get("continued", []):
            if moment.step <= change["step"]:
                print(f"\nthe config has changed since, at step {change['step']}: {'; '.join(change['changed'])}")
        print(f"\n{folder}")
        if any(moment.means[name] != value for name, value in then.items()):
            sys.exit(1)


def table(means: dict[str, float], then: dict[str, float]) -> str:
    """Each term's mean, and whether it is what was logged."""
    width = max(map(len, means))
    lines = []
    for name, value in means.items():
        said = "" if name not in then else "  as logged" if then[name] == value else f"  DIFFERS: logged {then[name]:.9g}"
        lines.append(f"  {name:{width}}  {value:<15.9g}{said}".rstrip())
    return "\n".join([*lines, *([] if then else ["", "  nothing was logged of this step"])])


def write(moment: Moment, then: dict[str, float], folder: Path) -> None:
    """The pictures and the numbers."""
    from safetensors.torch import save

    from gan_lightning import picture

    folder.mkdir(parents=True, exist_ok=True)
    drawn = {"real": picture.picture(moment.batch.real), "fake": picture.picture(moment.fake, real=moment.batch.real.cpu())}
    for name, image in drawn.items():
        disk.write(folder / f"{name}.png", picture.encoded(image, ".png"), flushed=False)
    tensors = {"real": moment.batch.real, "fake": moment.fake, **moment.terms}
    tensors |= {} if moment.batch.labels is None else {"labels": moment.batch.labels}
    tensors |= {f"gradient/{name}": gradient for name, gradient in moment.gradients.items()}
    numbers = save({name: x.detach().contiguous() for name, x in tensors.items()})
    disk.write(folder / "step.safetensors", numbers, flushed=False)
    told = {"step": moment.step, "since": moment.since, "terms": moment.means, "logged": then}
    disk.write_text(folder / "terms.json", json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
