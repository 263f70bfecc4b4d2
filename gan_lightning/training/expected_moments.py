"""The state that an optimizer has after its first step: the step is taken on fake tensors, which have no memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

Moments = dict[int, dict[str, Any]]  # index of a parameter → what the optimizer keeps of it: tensors and numbers by name


def expected_moments(make: Callable[[list[nn.Parameter]], Optimizer], optimizer: Optimizer) -> Moments | None:
    """Return what an optimizer that `make` returns keeps of each parameter of `optimizer`; the tensors are fake ones.

    Return None for an optimizer whose step depends on values, which fake tensors do not have.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        fakes = [nn.Parameter(torch.empty(p.shape, dtype=p.dtype)) for group in optimizer.param_groups for p in group["params"]]
        for fake in fakes:
            fake.grad = torch.empty_like(fake)
        try:
            fresh = make(fakes)
            fresh.step()
        except Exception:  # any optimizer may be configured
            return None
        moments: Moments = fresh.state_dict()["state"]
        return moments
