"""The measurements behind the health alarms: norms, separation of real from generated samples, diversity.

They stay on the device, so that training does not wait for them, and they leave the run unchanged: z is drawn from a separate
generator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gan_lightning.gan import GAN, Terms
from gan_lightning.step.seeding import Purpose, seeded_generator
from gan_lightning.step.types import Batch

REAL = "the real batch"
NUM_SAMPLES = 64  # whose pairwise distances are measured
MIN_SAME_CLASS_PAIRS = 8  # fewer give too noisy a mean distance; all pairs are used then


class Norms(NamedTuple):
    """Hold the norms of some tensors at one step.

    A norm is NaN or infinite if a value of its tensor is, or if one exceeds 1e19, whose square overflows.
    """

    step: int
    names: list[str]
    values: Tensor  # (len(names),)


@torch.no_grad()
def measure_norms(step: int, tensors: Mapping[str, Tensor]) -> Norms:  # name → (…)
    """Return the norm of each tensor."""
    return Norms(step, list(tensors), torch.stack(torch._foreach_norm(list(tensors.values()))))


def locate_non_finite(history: Sequence[Norms], values: Tensor) -> tuple[str, int] | None:  # (Σ len(names),)
    """Return name and step of the first norm that is not finite; None if all are. `values` are the norms, on the CPU."""
    # the batch is measured before its step is counted, hence + 1
    names = [(name, norms.step + (name == REAL)) for norms in history for name in norms.names]
    return next((names[i] for i in (~values.isfinite()).nonzero().flatten().tolist()), None)


def ordered_tensors(parameters: Mapping[str, Tensor], terms: Terms) -> dict[str, Tensor]:  # name → (…)
    """Return the terms and gradients of D's update, then G's, in the order in which NaN spreads from one to the next."""
    ordered_terms = sorted(terms, key=lambda name: (name.endswith("/g"), not name.startswith("logits")))
    gradients = [(name, p.grad) for name, p in parameters.items() if p.grad is not None]
    tensors = {name: terms[name] for name in ordered_terms if not name.endswith("/g")}
    tensors |= {f"the gradient of {name}": x for name, x in gradients if not name.startswith("generator.")}
    tensors |= {name: terms[name] for name in ordered_terms if name.endswith("/g")}
    return tensors | {f"the gradient of {name}": x for name, x in gradients if name.startswith("generator.")}


def separation(gan: GAN, terms: Terms) -> dict[str, Tensor]:  # name → ()
    """Return the share of pairs with real > fake logit, the mean gap, and how strongly each loss depends on the logits.

    `slope_d` and `slope_g` are the means of |∂loss/∂logit| for D and G.
    """
    real, fake = (terms[f"logits/{side}"].detach().requires_grad_() for side in ("real", "fake"))
    with torch.enable_grad():
        d = torch.autograd.grad(gan.loss.discriminator(real, fake).mean(), (real, fake))
        (g,) = torch.autograd.grad(gan.loss.generator(real if gan.loss.relativistic else None, fake).mean(), fake)
    gaps = terms["logits/real"] - terms["logits/fake"]
    slopes = {"slope_d": torch.cat(d).abs().sum() / 2, "slope_g": g.abs().sum()}
    return {"separation": (gaps > 0).float().mean(), "gap": gaps.mean(), **slopes}


def augmentation(gan: GAN) -> dict[str, Tensor]:  # name → ()
    """Return the probability with which the augmentation applies each transform; empty where it draws none."""
    p = gan.augmentation.probability()
    return {} if p is None else {"augmentation_p": p.detach().clone()}


@torch.inference_mode()
def diversity(gan: GAN, batch: Batch) -> dict[str, Tensor]:  # name → ()
    """Return the mean distance of EMA samples over that of real samples of the same conditions; empty for a batch of one."""
    real, condition = batch.real[:NUM_SAMPLES], None if batch.condition is None else batch.condition[:NUM_SAMPLES]
    if len(real) < 2:
        return {}
    z = gan.prior.sample(len(real), gan.latent_dim, torch.device("cpu"), seeded_generator(Purpose.PICTURE, gan.seed, 2))
    samples = gan.ema.average(z.to(gan.device), condition)
    return {"diversity": mean_distance(samples, condition) / mean_distance(real, condition)}


def mean_distance(x: Tensor, condition: Tensor | None) -> Tensor:  # (N, …), (N, …) -> ()
    """Return the mean Euclidean distance over pairs of the same class if there are enough of them, else over all pairs."""
    x = x.flatten(1).float()
    pairs = ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    if condition is not None and condition.dim() == 1:
        same_class = pairs & (condition[:, None] == condition)
        pairs = torch.where(same_class.sum() >= 2 * MIN_SAME_CLASS_PAIRS, same_class, pairs)
    return (torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist") * pairs).sum() / pairs.sum()
