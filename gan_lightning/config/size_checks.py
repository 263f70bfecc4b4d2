"""The checks of the networks' sizes: images that are doubled from large maps, and networks that memory can't hold.

Both networks are on the meta device: their parameters are counted, and no memory is allocated.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from gan_lightning.config.instantiate import Networks, batches_per_step
from gan_lightning.config.resolve import Plain
from gan_lightning.config.world_size import world_size
from gan_lightning.data.notices import print_notice
from gan_lightning.model.layer.doubling import Doubling
from gan_lightning.storage.atomic import format_bytes
from gan_lightning.storage.memory import gpu_memory, machine_memory

Inputs = tuple[Tensor, Tensor | None]  # of a network: z or samples, and their conditions
FLOAT = 4  # bytes
SMALLEST_GPU = 2**31  # bytes; what fits into this is not compared with the GPU's memory
MOMENTS = {"Adadelta": 2, "Adagrad": 1, "Adam": 2, "AdamW": 2, "NAdam": 2, "RAdam": 2, "RMSprop": 1}  # values per parameter
WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.Linear)  # layers whose outputs are kept


def find_size_mistakes(
    plain: Plain, networks: Networks, latents: Inputs, samples: Inputs
) -> list[str]:  # z (N, Z), samples (N / packing, C, H, W), conditions (N, …)
    """Warn of a size that halves badly, and return a line if the networks can't fit into memory with a batch on it."""
    warn_of_large_maps(plain["data"]["sample_shape"][0], networks)
    parameters = parameter_bytes(plain, networks)
    kept = activation_bytes(networks.generator, *latents) + activation_bytes(networks.discriminator, *samples)
    if str(plain["trainer"].get("precision")) == "bf16-mixed":
        kept //= 2
    kept += FLOAT * (batches_per_step(plain) * plain["data"]["batch_size"] * math.prod(plain["data"]["sample_shape"]))
    need, (limit, where) = parameters + kept, memory_limit(plain, parameters + kept)
    if limit is None or need <= limit:
        return []
    parts = f"{format_bytes(parameters)} for parameters, gradients and moments, {format_bytes(kept)} for a batch"
    cure = "for a new run choose a smaller data.sample_shape, model.width or data.batch_size"
    return [f"model: training needs at least {format_bytes(need)} of memory ({parts}), {where} {format_bytes(limit)}; {cure}"]


def warn_of_large_maps(channels: int, networks: Networks) -> None:
    """Print, once, a size near the images' where the generator's smallest maps, its `doubling`, are far too large."""
    start = getattr(networks.generator, "doubling", None)
    if not isinstance(start, Doubling) or (better := start.better_size()) is None:
        return
    (height, width), (g, d) = start.size, (sum(p.numel() for p in network.parameters()) for network in networks)
    halves = f"{height}×{width} halves only down to {start.height}×{start.width}"
    cure = f"a size near it that halves well, for a new run: data.sample_shape=[{channels},{better[0]},{better[1]}]"
    print_notice(f"data.sample_shape: {halves}, so the generator has {g:,} parameters and the discriminator {d:,}; {cure}")


def parameter_bytes(plain: Plain, networks: Networks) -> int:
    """Return the bytes of weights, gradients, the optimizers' moments and the generator's running average."""
    total = 0
    for player, network in networks._asdict().items():
        optimizer = plain["optimizer"][player]["_target_"].rpartition(".")[2]
        copies = 2 + MOMENTS.get(optimizer, 0) + (player == "generator")
        total += copies * sum(p.numel() for p in network.parameters())
    return FLOAT * total


@torch.no_grad()
def activation_bytes(network: nn.Module, *inputs: Tensor | None) -> int:  # (N, …) each
    """Return the bytes, in fp32, of the outputs of all layers with weights, which a backward pass needs."""
    sizes: list[int] = []

    def record(*call: Any) -> None:  # the layer, its inputs, its output
        sizes.append(call[-1].numel())

    hooks = [layer.register_forward_hook(record) for layer in network.modules() if isinstance(layer, WEIGHTED)]
    network(*inputs)
    for hook in hooks:
        hook.remove()
    return FLOAT * sum(sizes)


def memory_limit(plain: Plain, need: int) -> tuple[int | None, str]:
    """Return the bytes that one process of the run can use at most, None if unknown, and the words for what has them."""
    accelerator = plain["trainer"].get("accelerator", "auto")
    if accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available()):
        return (gpu_memory() if need > SMALLEST_GPU else None), "a GPU has"
    limit, processes = machine_memory(), world_size(plain) // plain["trainer"].get("num_nodes", 1)
    if limit is None or processes <= 1:
        return limit, "this machine has"
    return limit // processes, f"for each of {processes} processes this machine has"
