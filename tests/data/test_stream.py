"""The endless stream: which sample stands where, for every seed, rank and number of workers."""

from itertools import islice

import pytest
import torch
from torch.utils.data import DataLoader

from gan_lightning.data.points import Mixture
from gan_lightning.data.store import Store, split_indices
from gan_lightning.data.stream import Stream, batch_positions, permutation
from gan_lightning.step.types import Batch

TOTAL = 10
STORE = Store(torch.arange(TOTAL).float().view(-1, 1).numpy(), labels=torch.arange(TOTAL).numpy() * 7)
MIXTURE = Mixture(torch.tensor([[0.0, 0.0], [5.0, 5.0]]), 0.1)


def line(seed, n, batches, rank=0, world=1, total=TOTAL, start=0):
    """The samples of some batches, one after the other."""
    return torch.cat([batch_positions(seed, i, n, rank, world, total) for i in range(start, start + batches)]).tolist()


def taken(stream, n, workers=0, skip=0):
    """The first n batches that a loader gives."""
    loader = DataLoader(stream, batch_size=None, num_workers=workers)
    return list(islice(iter(loader), skip, skip + n))


def same(one, other):
    pairs = zip(one, other, strict=True)
    return all(
        torch.equal(a.real, b.real) and (a.condition is b.condition or torch.equal(a.condition, b.condition)) for a, b in pairs
    )


@pytest.mark.parametrize("n", [1, 3, 7, 10, 13, 25])
def test_every_epoch_is_a_permutation_without_gap_or_drop(n):
    found = line(seed=0, n=n, batches=-(-4 * TOTAL // n))
    epochs = [found[k * TOTAL : (k + 1) * TOTAL] for k in range(4)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(TOTAL))] * 4
    assert len({tuple(epoch) for epoch in epochs}) == 4


@pytest.mark.parametrize("n", [3, 13])
def test_the_order_does_not_depend_on_the_batch_size(n):
    assert line(seed=0, n=n, batches=3) == line(seed=0, n=1, batches=3 * n)


def test_a_batch_is_a_function_of_seed_number_and_rank():
    forth = [batch_positions(2, i, 4, 0, 1, TOTAL).tolist() for i in range(20)]
    permutation.cache_clear()
    back = [batch_positions(2, i, 4, 0, 1, TOTAL).tolist() for i in reversed(range(20))]
    assert forth == back[::-1]


def test_three_seeds_give_three_orders():
    assert len({tuple(line(seed, 4, 10)) for seed in range(3)}) == 3


@pytest.mark.parametrize("world", [2, 3, 4])
def test_ranks_share_the_same_global_batches(world):
    n = 3
    for i in range(12):
        parts = [batch_positions(0, i, n, rank, world, TOTAL).tolist() for rank in range(world)]
        assert sum(parts, []) == batch_positions(0, i, n * world, 0, 1, TOTAL).tolist()  # noqa: RUF017


@pytest.mark.parametrize("world", [1, 2, 5])
def test_ranks_together_see_every_sample_once_an_epoch(world):
    batches = 2 * TOTAL // (2 * world)
    found = sum((line(0, 2, batches, rank, world) for rank in range(world)), [])  # noqa: RUF017
    assert sorted(found) == sorted(list(range(TOTAL)) * 2)


def test_a_far_batch_is_reached_at_once():
    assert sorted(batch_positions(0, 10**9, TOTAL, 0, 1, TOTAL).tolist()) == list(range(TOTAL))


def test_a_cached_order_is_not_disturbed_by_those_who_read_it():
    first = batch_positions(0, 0, TOTAL, 0, 1, TOTAL)
    expected = first.clone()
    first.zero_()
    assert torch.equal(batch_positions(0, 0, TOTAL, 0, 1, TOTAL), expected)


def test_samples_and_labels_stay_together():
    batch = STORE.batch(seed=0, i=3, n=TOTAL)
    assert torch.equal(batch.condition, batch.real.squeeze(1).long() * 7)


@pytest.mark.parametrize("source", [STORE, MIXTURE], ids=["stored", "drawn"])
def test_workers_change_nothing(source):
    stream = Stream(source, size=3, seed=1)
    assert same(taken(stream, 7), taken(stream, 7, workers=2))


@pytest.mark.parametrize(("source", "workers", "start"), [(STORE, 0, 5), (MIXTURE, 0, 5), (STORE, 2, 1), (STORE, 2, 4)])
def test_starting_later_is_skipping(source, workers, start):
    begun, skipped = Stream(source, size=3, seed=1, start=start), Stream(source, size=3, seed=1)
    assert same(taken(begun, 5, workers), taken(skipped, 5, skip=start))


def test_a_stream_is_its_sources_batches_in_turn():
    found = list(islice(Stream(STORE, size=4, seed=2, start=6, rank=1, world_size=3), 3))
    assert same(found, [STORE.batch(2, i, 4, 1, 3) for i in (6, 7, 8)])


@pytest.mark.parametrize("source", [STORE, MIXTURE], ids=["stored", "drawn"])
def test_batches_differ_between_seeds_numbers_and_ranks(source):
    drawn = [source.batch(seed, i, 5, rank, 2).real for seed in range(3) for i in range(3) for rank in range(2)]
    assert len({tuple(real.flatten().tolist()) for real in drawn}) == len(drawn)
    assert torch.equal(source.batch(1, 2, 5, 1, 2).real, drawn[11])


def test_a_batch_leaves_the_default_generator_alone():
    before = torch.get_rng_state()
    STORE.batch(0, 0, 4)
    MIXTURE.batch(0, 0, 4)
    assert torch.equal(before, torch.get_rng_state())


# ── the store ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_bytes_become_minus_one_to_one():
    store = Store(torch.tensor([[0], [51], [255]], dtype=torch.uint8).numpy())
    torch.testing.assert_close(store.part(0, 3).real, torch.tensor([[-1.0], [-0.6], [1.0]]))
    assert isinstance(batch := store.batch(0, 0, 2), Batch)
    assert batch.condition is None


def test_taking_samples_leaves_the_stored_ones_as_they_are():
    held = torch.tensor([[0.5], [1.5]]).numpy()
    store = Store(held)
    store.part(0, 2).real.zero_()
    assert held.tolist() == [[0.5], [1.5]]


def test_a_split_sees_only_its_own():
    split_ = Store(STORE.samples, torch.arange(TOTAL).numpy(), index=torch.tensor([7, 2, 5]).numpy())
    assert len(split_) == 3
    assert split_.labels.tolist() == [7, 2, 5]
    assert split_.part(0, 9).real.squeeze(1).tolist() == [7, 2, 5]
    assert sorted(split_.batch(0, 0, 3).real.squeeze(1).tolist()) == [2, 5, 7]


def test_samples_are_taken_by_position_with_their_labels():
    store = Store(STORE.samples, torch.arange(TOTAL).numpy() % 3)
    taken = store.take(torch.tensor([5, 1]))
    assert (taken.real.squeeze(1).tolist(), taken.condition.tolist()) == ([5, 1], [2, 1])
    assert store.part(0, 2).real.squeeze(1).tolist() == [0, 1]
    assert len(store.part(TOTAL + 3, 2).real) == 0
    with pytest.raises(TypeError, match="endless"):
        MIXTURE.take(torch.tensor([0]))


@pytest.mark.parametrize(
    ("shares", "sizes"), [((0.05, 0.05), (90, 5, 5)), ((0.0, 0.0), (100, 0, 0)), ((0.333, 0.1), (57, 33, 10))]
)
def test_a_split_in_shares_is_fixed_and_loses_nothing(shares, sizes):
    found = split_indices(100, *shares)
    assert tuple(map(len, found)) == sizes
    assert sorted(torch.cat([torch.as_tensor(part) for part in found]).tolist()) == list(range(100))
    assert all((part == again).all() for part, again in zip(found, split_indices(100, *shares), strict=True))
