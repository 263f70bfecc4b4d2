"""How a step computes gradients: penalties in full precision, a frozen player's weights left out."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor
from torch.optim import Optimizer


@contextmanager
def full_precision(device_type: str) -> Iterator[None]:
    """Run the block in fp32 with eager kernels: a penalty and the forward pass that it differentiates need both.

    On an autocast forward pass a penalty is off by several per cent, and a compiled one has no double backward.
    """
    with torch.autocast(device_type, enabled=False), torch.compiler.set_stance("force_eager"):
        yield


def without_autocast(x: Tensor) -> AbstractContextManager[object]:  # (N, *sample_shape)
    """Return a context in which operations on this tensor's device keep its precision; the meta device has no autocast."""
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)


@contextmanager
def frozen(optimizer: Optimizer) -> Iterator[None]:
    """Exclude an optimizer's parameters from the gradients of the block, so that G's backward pass skips D's weights."""
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    for p in parameters:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)
