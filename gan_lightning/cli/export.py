"""gan-export: write a trained run's generator as ONNX, checked against torch, or its weights as safetensors."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from gan_lightning.cli.arguments import parse_arguments
from gan_lightning.cli.exit_codes import exit_codes, require_writable
from gan_lightning.config.errors import UserError
from gan_lightning.run import outputs
from gan_lightning.storage import atomic

if TYPE_CHECKING:
    from torch import Tensor

    from gan_lightning.training.restore import TrainedGenerator

TOLERANCE = 1e-4  # largest absolute difference of a sample's value between onnxruntime and torch
BATCHES = (1, 3, 64)  # batch sizes of the comparison


class Request(BaseModel):
    """Write a trained run's generator (its running average) for other programs.

    gan-export run=RUN_DIR out=g.onnx [checkpoint=latest] [force=]

    out         g.onnx: inputs z (N, latent_dim) and, for a conditional generator, condition (N, …), output samples, any N;
                compared with torch through onnxruntime before it is kept. g.safetensors: the weights, with the config as
                metadata
    checkpoint  latest, best (by the run's objective) or a step
    force       true: an existing file that gan-export has not written is replaced
    """

    run: Path
    out: Path
    checkpoint: str = "latest"
    force: bool = False


def main() -> None:
    """Run the console script `gan-export`."""
    with exit_codes():
        request = parse_arguments(Request, sys.argv[1:])
        export = choose_format(request.out)
        require_writable(request.out)
        outputs.require_replaceable(request.out, "gan-export", outputs.is_export, request.run, request.force)
        from gan_lightning.run.directory import Run
        from gan_lightning.training.restore import load_generator
        from gan_lightning.training.threads import run_thread_limit

        run = Run(request.run)
        with run_thread_limit(run):
            trained = load_generator(run, request.checkpoint)
            data, summary = export(trained)
        request.out.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(request.out, data)
        print(f"{request.out}: step {trained.step}, {summary}")


def choose_format(out: Path) -> Callable[[TrainedGenerator], tuple[bytes, str]]:
    """Return the exporting function of a file's ending. Raises UserError for an unknown one."""
    formats = {".onnx": export_onnx, ".safetensors": export_safetensors}
    if out.suffix not in formats:
        raise UserError(f"out={out}: {out.suffix or 'no ending'} can't be written; allowed: {', '.join(formats)}")
    return formats[out.suffix]


def example_inputs(trained: TrainedGenerator, n: int) -> dict[str, Tensor]:  # -> z (n, latent_dim), condition (n, …)
    """Return the generator's inputs for n samples by name; the condition only if it is conditional."""
    import torch

    from gan_lightning.config.instantiate import build_unloaded_data

    z = torch.randn(n, trained.plain["gan"]["latent_dim"], generator=torch.Generator().manual_seed(n))
    condition = build_unloaded_data(trained.plain).conditions(0, n)
    if condition is None or trained.plain["model"]["generator"].get("num_classes") == 0:
        return {"z": z}
    return {"z": z, "condition": condition}


def export_onnx(trained: TrainedGenerator) -> tuple[bytes, str]:
    """Return the ONNX file and a line on its check: onnxruntime is compared with torch at several batch sizes.

    Raises UserError if they differ by more than TOLERANCE.
    """
    import torch
    from onnxruntime import InferenceSession

    inputs = example_inputs(trained, 2)
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            trained.generator,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=["samples"],
            dynamic_shapes={name: {0: torch.export.Dim("n")} for name in inputs},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.doc_string = f"step {trained.step} of a run, written by {outputs.EXPORT_SOFTWARE}"
    data = model.SerializeToString()
    session, worst = InferenceSession(data, providers=["CPUExecutionProvider"]), 0.0
    for n in BATCHES:
        inputs = example_inputs(trained, n)
        with torch.inference_mode():
            expected = trained.generator(*inputs.values())
        (samples,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        worst = max(worst, float((torch.from_numpy(samples) - expected).abs().max()))
    if not worst <= TOLERANCE:
        raise UserError(f"out: onnxruntime and torch differ by {worst:.2g}, more than {TOLERANCE:.0e}; nothing was written")
    return data, f"onnxruntime and torch agree to {worst:.1e}"


def export_safetensors(trained: TrainedGenerator) -> tuple[bytes, str]:
    """Return the safetensors file, with the config as JSON and the step as metadata, and a line on its size."""
    from safetensors.torch import save

    state = {name: tensor.contiguous() for name, tensor in trained.generator.state_dict().items()}
    metadata = {"software": outputs.EXPORT_SOFTWARE, "step": str(trained.step), "config": json.dumps(trained.plain)}
    data = save(state, metadata=metadata)
    return data, f"{sum(t.numel() for t in state.values()):,} numbers in {len(state)} tensors"


if __name__ == "__main__":
    main()
