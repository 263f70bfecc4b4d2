"""The construction of networks within bounds: a config may ask for more layers, or more memory, than any machine has.

Each tensor of weights is counted when a module registers it, before its values are drawn, so that neither time nor memory is
spent on the rest. On the meta device, where tensors have no memory, only their number is limited.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.nn.parameter import is_lazy

from gan_lightning.config.errors import UserError, one_line
from gan_lightning.storage.atomic import format_bytes
from gan_lightning.storage.memory import machine_memory

MAX_TENSORS = 20_000  # of weights in both networks: three times those of the deepest published ones
CURE = "choose smaller values, such as model.width, model.depth or gan.latent_dim"


@contextmanager
def bounded_construction() -> Iterator[None]:
    """Let networks be built inside this block as long as their weights fit into memory. Raises UserError."""
    limit, tensors, size = machine_memory(), 0, 0

    def count(_module: nn.Module, _name: str, parameter: Any) -> None:
        nonlocal tensors, size
        if isinstance(parameter, Tensor) and not is_lazy(parameter):
            tensors += 1
            size += 0 if parameter.is_meta else parameter.nbytes
        if tensors > MAX_TENSORS:
            raise UserError(f"model: has more than {MAX_TENSORS:,} tensors of weights; {CURE}")
        if limit is not None and size > limit:
            raise UserError(f"model: its weights need more than the {format_bytes(limit)} of memory of this machine; {CURE}")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    except (RuntimeError, TypeError, OverflowError, MemoryError) as error:  # a size that no tensor can have
        raise UserError(f"model: can't be built: {one_line(error)}; {CURE}") from error
    finally:
        hook.remove()
