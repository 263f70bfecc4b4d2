"""The selection of samples: uniform, stratified, nested, a function of the seed."""

import numpy as np
import pytest
import torch

from gan_lightning.data.digits import Digits
from gan_lightning.data.ring import Ring
from gan_lightning.data.selection import MAX_SEARCH, Selection, seeded_order, select_by_class
from gan_lightning.data.store import Store

SORTED = torch.arange(4).repeat_interleave(torch.tensor([600, 300, 90, 10]))  # like a folder of four classes
SIZES = SORTED.bincount()


class Counting(Store):
    """A store whose classes are known only by reading; it counts what is read."""

    def __init__(self, labels):
        super().__init__(np.arange(len(labels), dtype=np.float32)[:, None], labels.numpy())
        self.strata, self.read = None, 0

    def take(self, positions):
        self.read += len(positions)
        return super().take(positions)


@pytest.mark.parametrize("strata", [None, SORTED])
def test_each_sample_is_there_once_and_a_seed_gives_one_order(strata):
    order = seeded_order(1000, strata, 0)
    assert sorted(order.tolist()) == list(range(1000))
    assert torch.equal(order, seeded_order(1000, strata, 0))
    assert not torch.equal(order, seeded_order(1000, strata, 1))
    assert seeded_order(0, strata if strata is None else strata[:0], 0).tolist() == []


@pytest.mark.parametrize("n", [1, 10, 99, 250, 997])
def test_every_beginning_has_the_classes_in_their_shares(n):
    for seed in range(20):
        shares = SORTED[seeded_order(1000, SORTED, seed)[:n]].bincount(minlength=4)
        assert (shares - SIZES * n / 1000).abs().max() < 2, shares  # each class is off by less than one, and so is the total


@pytest.mark.parametrize("strata", [None, SORTED])
def test_every_sample_is_equally_likely(strata):
    """χ² of how often each of 1000 samples is among 100, over 2000 seeds; the first n of the list would give 200 or 0."""
    chosen = torch.zeros(1000)
    for seed in range(2000):
        chosen[seeded_order(1000, strata, seed)[:100]] += 1
    chi_squared = ((chosen - 200) ** 2 / (200 * 0.9)).sum()
    assert 800 < chi_squared < 1200
    assert chosen.min() > 130


def test_a_class_that_is_named_oddly_is_still_a_class():
    labels = torch.tensor([7, 7, -1, 7, 100, -1] * 10)
    first = labels[seeded_order(60, labels, 3)[:6]]
    assert sorted(first.tolist()) == [-1, -1, 7, 7, 7, 100]


def test_a_smaller_selection_is_a_part_of_a_larger_one():
    source = Digits(sample_shape=(1, 8, 8), num_classes=10).splits.train
    few, many = Selection(source, 100, seed=5), Selection(source, 700, seed=5)
    assert torch.equal(few.part(0, 100).real, many.part(0, 100).real)
    assert torch.equal(torch.cat([batch.real for batch in many.batches()]), many.part(0, 700).real)
    assert (len(few), len(few.part(90, 50).real), len(few.part(200, 50).real)) == (100, 10, 0)


def test_a_selection_says_how_it_was_made():
    source = Digits(sample_shape=(1, 8, 8), num_classes=10).splits.train
    hidden = Digits(sample_shape=(1, 8, 8), num_classes=0).splits.train
    ring = Ring(sample_shape=(2,), num_classes=0).splits.train
    found = [Selection(s, n, 3) for s, n in ((source, 100), (hidden, 100), (source, 5000), (ring, 100))]
    assert [s.description for s in found] == ["stratified by class, seed 3", "uniform, seed 3", "all", "drawn at random"]
    assert [(s.available, len(s)) for s in found] == [(1198, 100), (1198, 100), (1198, 1198), (None, 100)]
    assert torch.equal(found[3].part(20, 30).real, ring.part(20, 30).real)


def test_samples_of_each_class():
    store = Store(np.arange(1000, dtype=np.float32)[:, None], SORTED.numpy())
    found = select_by_class(store, 20, 4)
    assert [len(samples) for samples in found] == [20, 20, 20, 10]
    for label, samples in enumerate(found):
        assert (SORTED[samples.squeeze(1).long()] == label).all()
        assert len(samples.unique()) == len(samples)
    assert not torch.equal(found[0].squeeze(1), torch.arange(20.0))  # not the first ones
    assert select_by_class(store, 5, 6)[5].shape == (0, 1)
    assert [len(samples) for samples in select_by_class(store, 5, 2)] == [5, 5]


class Shifted(Counting):
    """Lists classes that are not the labels of its items, as EMNIST's letters do: 1 … 26 for 0 … 25."""

    def __init__(self, labels, listed):
        super().__init__(labels)
        self.strata = listed


@pytest.mark.parametrize("listed", [lambda y: y + 1, lambda y: y * 5 + torch.arange(len(y)) % 5])
def test_listed_classes_that_are_not_the_labels_lose_no_class(listed):
    labels = torch.arange(2000) % 20
    found = select_by_class(Shifted(labels, listed(labels)), 8, 20)
    assert [len(samples) for samples in found] == [8] * 20
    for label, samples in enumerate(found):
        assert (labels[samples.squeeze(1).long()] == label).all()
        assert len(samples.unique()) == 8


def test_a_selection_in_the_sources_own_order():
    source = Digits(sample_shape=(1, 8, 8), num_classes=10).splits.train
    selection = Selection(source, 100, seed=5)
    ordered, place = selection.in_index_order()
    assert torch.equal(ordered.part(0, 100).real[place], selection.part(0, 100).real)
    assert torch.equal(ordered.positions, selection.positions.sort().values)


def test_classes_that_are_known_only_by_reading_are_searched_for_within_a_limit():
    plenty = Counting(torch.arange(100_000) % 2)
    assert [len(samples) for samples in select_by_class(plenty, 8, 2)] == [8, 8]
    assert plenty.read < 100
    rare = Counting((torch.arange(100_000) == 99_999).long())
    assert [len(samples) for samples in select_by_class(rare, 8, 2)] == [8, 0]
    assert rare.read <= MAX_SEARCH * 8 * 2 + 16
