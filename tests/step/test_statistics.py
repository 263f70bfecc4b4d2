"""Statistics that steer: averages by hand. Two ranks have those of one process: tests/distributed/test_ranks.py, `steered`."""

import pytest
import torch

from gan_lightning.step.statistics import RunningMean, gather_ranks


def test_the_recursion_by_hand():
    mean = RunningMean(decay=0.75)
    found = [mean.update(torch.tensor(values)).item() for values in ([2.0, 6.0], [1.0], [-3.25])]
    assert found == [1.0, 1.0, -0.0625]


def test_it_begins_with_its_first_value():
    assert RunningMean(0.5, initial=3.0).update(torch.tensor([1.0])) == 2


def test_it_is_in_a_checkpoint_and_has_no_gradient():
    mean = RunningMean(0.9)
    found = mean.update(torch.ones(2, requires_grad=True) * 5)
    assert not found.requires_grad
    assert mean.state_dict() == {"value": pytest.approx(0.5)}


def test_a_returned_average_stays_what_it_was():
    mean = RunningMean(0.5)
    first = mean.update(torch.tensor([2.0]))
    mean.update(torch.tensor([8.0]))
    assert first == 1


def test_one_process_has_its_own_rows():
    x = torch.randn(4, requires_grad=True)
    assert torch.equal(gather_ranks(x), x)
    assert not gather_ranks(x).requires_grad


def test_the_rows_of_several_ranks_are_averaged(monkeypatch):
    """Rank 0 of two has the values 1 and 3, rank 1 the values 5 and 7: their mean is 4."""
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    other = torch.tensor([6.0])

    def all_gather(parts, x):
        parts[0].copy_(x)
        parts[1].copy_(other)

    monkeypatch.setattr(torch.distributed, "all_gather", all_gather)
    assert RunningMean(0.5).update(torch.tensor([1.0, 3.0])) == 2
