"""gan-replay: repeat one step of a run bit for bit, in as many processes as trained it, and write all that it computed."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from gan_lightning.cli.arguments import dotted_arguments, parse_arguments
from gan_lightning.cli.exit_codes import exit_codes, require_writable
from gan_lightning.config.outside_places import require_typed_places
from gan_lightning.config.world_size import global_rank, is_distributed
from gan_lightning.distributed.rendezvous import report_user_error
from gan_lightning.run import outputs
from gan_lightning.storage import atomic
from gan_lightning.storage.printable import printable

if TYPE_CHECKING:
    from gan_lightning.data.base import Data
    from gan_lightning.run.directory import Run
    from gan_lightning.run.relocated import RelocatedRun
    from gan_lightning.training.replay import StepRecord


class Request(BaseModel):
    """Train a step of a run again, from the last checkpoint before it, and keep what it was made of.

    gan-replay run=RUN_DIR step=N [out=DIR] [force=] [data.root=] [data.cache=] [data.download=] [data.changed=accept]

    out    a folder for real.png, fake.png (the batch that G and D saw), terms.json (means beside what was logged) and
           step.safetensors (batch, samples, each sample's terms, every parameter's gradient); without it RUN_DIR/replay/step=N
    force  true: these four files are written into a folder that holds others
    data.  root, cache, download: where the data are on this machine, if not where they were when the run was trained;
           changed=accept: the step is replayed although the data are not those that the run was trained on
    """

    run: Path
    step: Annotated[int, Field(ge=1)]
    out: Path | None = None
    force: bool = False
    data_root: Path | None = Field(None, alias="data.root")
    data_cache: Path | None = Field(None, alias="data.cache")
    data_download: bool | None = Field(None, alias="data.download")
    data_changed: Literal["accept"] | None = Field(None, alias="data.changed")


def main() -> None:
    """Run the console script `gan-replay`; exit code 1 if a term differs from its logged value."""
    with exit_codes(report_user_error):
        request = parse_arguments(Request, sys.argv[1:])
        from gan_lightning.run.relocated import RelocatedRun
        from gan_lightning.training.data_change import ACCEPT, print_changes, require_same_data
        from gan_lightning.training.fit import silence_lightning
        from gan_lightning.training.replay import plan_replay

        silence_lightning()
        run = RelocatedRun(request.run, dotted_arguments(request))
        default = run.path / "replay" / f"step={request.step:08d}"
        folder = request.out or default
        require_writable(folder, folder=True)
        outputs.require_replay_folder(folder, run.path, folder.resolve() == default.resolve(), request.force)
        if is_distributed():
            replay_in_process(run, request.step, folder)
            return
        plan = plan_replay(run, request.step)
        for line in plan.skipped:
            print(printable(line), file=sys.stderr)
        typed = {key for key, value in run.places.items() if value is not None}
        require_typed_places({"data": plan.plain["data"]}, typed, f"run={run.path}")
        print_changes(require_same_data(run, plan.plain, request.data_changed is not None, f"add {ACCEPT}"))
        if (processes := plan.processes) > 1:
            replay_in_ranks(run, request, folder, processes)
        else:
            replay_in_process(run, request.step, folder)
        sys.exit(print_record(run, folder))


def replay_in_process(run: Run, step: int, folder: Path) -> None:
    """Replay the step in this process, which trains alone or is a rank; rank 0 writes the record.

    Raises UserError and OSError.
    """
    from gan_lightning.config.instantiate import build_unloaded_data
    from gan_lightning.config.validate import validate
    from gan_lightning.training.replay import logged_scalars, replay_step

    record, _ = replay_step(run, step, int(os.environ["WORLD_SIZE"]) if is_distributed() else 1)
    if global_rank() == 0:
        logged = {name: value for name, value in logged_scalars(run, step).items() if name in record.means}
        write_record(build_unloaded_data(validate(run.config)), record, logged, folder)


def replay_in_ranks(run: RelocatedRun, request: Request, folder: Path, processes: int) -> None:
    """Start this command in as many ranks on this machine; exit with the code of one that fails."""
    from gan_lightning.distributed.launcher import launch_ranks
    from gan_lightning.training.fit import REPORTED

    command = ["gan_lightning.cli.replay", f"run={run.path}", f"step={request.step}", f"out={folder}"]
    command += [f"force={request.force}", *(f"{key}={value}" for key, value in run.places.items() if value is not None)]
    code, failure = launch_ranks(command, processes)
    if failure is not None and code not in REPORTED:
        print(f"run={run.path}: {failure}", file=sys.stderr)
    if code:
        sys.exit(code)


def print_record(run: Run, folder: Path) -> int:
    """Print the written record, and return the exit code: 1 if a term differs from its logged value."""
    record = json.loads((folder / "terms.json").read_text(encoding="utf-8"))
    step, since, means, logged = (record[key] for key in ("step", "since", "terms", "logged"))
    print(f"step {step}, from {f'the checkpoint of step {since}' if since else 'the beginning'}\n")
    print(term_table(means, logged))
    for change in run.result.get("continued", []):
        if step <= change["step"]:
            print("\n" + printable(f"the config has changed since, at step {change['step']}: {'; '.join(change['changed'])}"))
    for change in run.result.get("data_changed", []):
        if step <= change["step"]:
            print("\n" + printable(f"the data have changed since, at step {change['step']}: {'; '.join(change['changed'])}"))
    print(f"\n{folder}")
    return int(not all(same_value(means[name], value) for name, value in logged.items()))


def same_value(x: float, y: float) -> bool:
    """Return whether two values are equal, NaN equal to NaN: a step with a NaN is one that is replayed."""
    return x == y or (math.isnan(x) and math.isnan(y))


def term_table(means: dict[str, float], logged: dict[str, float]) -> str:
    """Return a line per term with its mean, and whether that is the logged value."""
    width = max(map(len, means))
    lines = []
    for name, value in means.items():
        if name not in logged:
            remark = ""
        else:
            remark = "  as logged" if same_value(logged[name], value) else f"  DIFFERS: logged {logged[name]:.9g}"
        lines.append(f"  {name:{width}}  {value:<15.9g}{remark}".rstrip())
    return "\n".join([*lines, *([] if logged else ["", "  nothing was logged of this step"])])


def write_record(data: Data, record: StepRecord, logged: dict[str, float], folder: Path) -> None:
    """Write real.png, fake.png, step.safetensors and terms.json. Raises OSError."""
    from safetensors.torch import save

    from gan_lightning.data.format.picture import encode_image

    folder.mkdir(parents=True, exist_ok=True)
    images = {"real": data.render(record.batch.real), "fake": data.render(record.fake, real=record.batch.real.cpu())}
    for name, image in images.items():
        atomic.write_bytes(folder / f"{name}.png", encode_image(image, ".png"), flushed=False)
    tensors = {"real": record.batch.real, "fake": record.fake, **record.terms}
    tensors |= {} if record.batch.condition is None else {"condition": record.batch.condition}
    tensors |= {f"gradient/{name}": gradient for name, gradient in record.gradients.items()}
    content = save({name: x.detach().contiguous() for name, x in tensors.items()})
    atomic.write_bytes(folder / "step.safetensors", content, flushed=False)
    terms = {"step": record.step, "since": record.since, "terms": record.means, "logged": logged}
    atomic.write_text(folder / "terms.json", json.dumps(terms, indent=2) + "\n")


if __name__ == "__main__":
    main()
