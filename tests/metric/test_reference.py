"""The real side of scores: what is read, kept and found again."""

import multiprocessing
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from waiting import HANG

from gan_lightning.data.base import DataError
from gan_lightning.data.digits import Digits
from gan_lightning.data.ring import Ring
from gan_lightning.data.selection import Selection
from gan_lightning.data.store import Store
from gan_lightning.metric import reference as room
from gan_lightning.metric.feature.base import Feature, Reading
from gan_lightning.metric.reference import Reference, read_features

DIGITS = Digits(sample_shape=(1, 8, 8), num_classes=10)
TEST = Selection(DIGITS.splits.test, 300)


class Halves(Feature):
    """Features and two factors, and how often it was asked."""

    name, factors = "halves", {"left": 2, "right": 3}

    def __init__(self):
        super().__init__()
        self.asked = 0

    def extract(self, samples):
        self.asked += 1
        flat = samples.flatten(1)
        return Reading(flat[:, :4], (flat[:, :2], flat[:, 2:5]))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path))
    return tmp_path / "reference"


def rows(x):
    return sorted(map(tuple, x.flatten(1).tolist()))


def test_the_splits_and_their_order():
    reference = Reference(DIGITS, "test")
    whole = reference.samples()
    assert rows(whole.real) == rows(DIGITS.splits.test.part(0, 300).real)
    assert not torch.equal(whole.condition, DIGITS.splits.test.labels)
    few = reference.samples(30)
    assert torch.equal(few.real, whole.real[:30])
    assert few.condition.bincount().tolist() == [3] * 10  # 28 to 31 of each class among 300
    assert len(reference.samples(999).real) == 300
    assert [reference.floor_split(held_out) for held_out in (False, True)] == ["train", "validation"]
    assert Reference(DIGITS, "validation").floor_split(True) == "test"
    assert Reference(DIGITS, "train").floor_split(False) == "validation"


def test_of_more_samples_than_are_used_a_seed_chooses(monkeypatch):
    monkeypatch.setattr(room, "MAX_SAMPLES", 100)
    first, again, other = (Reference(DIGITS, "test", seed=seed).samples() for seed in (0, 0, 1))
    assert torch.equal(first.real, again.real)
    assert not torch.equal(first.real, other.real)
    assert first.condition.bincount().tolist() == pytest.approx([10] * 10, abs=1)
    assert Reference(DIGITS, "test").selection.description == "stratified by class, seed 0"


def test_an_empty_split_is_reported(tmp_path):
    data = Digits(sample_shape=(1, 8, 8), num_classes=10)
    data._splits = data.splits._replace(test=Store(np.zeros((0, 1, 8, 8), np.uint8)))
    with pytest.raises(DataError, match="split=test: this split of the data is empty; use split=train, split=validation"):
        Reference(data, "test").samples()


def test_drawn_points_have_a_place_each_and_a_set_of_their_own_for_each_split():
    ring = Ring(sample_shape=(2,), num_classes=0)
    one, other = Reference(ring, "test").samples(700).real, Reference(ring, "test").samples(700).real
    assert torch.equal(one, other)
    assert len(one.unique(dim=0)) == 700
    assert torch.equal(torch.cat([ring.splits.test.part(0, 77).real, ring.splits.test.part(77, 623).real]), one)
    assert not torch.equal(one, Reference(ring, "validation").samples(700).real)
    assert len(Reference(ring, "test").samples().real) == room.ENDLESS_SAMPLES


def test_a_reading_is_made_once(cache):
    feature = Halves()
    first = read_features(TEST, feature)
    asked = feature.asked
    again = read_features(TEST, feature)
    assert feature.asked == asked > 0
    assert torch.equal(first.features, again.features)
    assert [x.shape for x in again.logits] == [(300, 2), (300, 3)]
    assert all(torch.equal(a, b) for a, b in zip(first.logits, again.logits, strict=True))
    assert len(list(cache.glob("*.safetensors"))) == 1
    assert not list(cache.glob("*.tmp"))


def test_other_samples_or_another_extractor_are_read_anew(cache):
    feature = Halves()
    read_features(TEST, feature)
    read_features(Selection(DIGITS.splits.validation, 299), feature)
    feature.name = "other"
    read_features(TEST, feature)
    feature.resizer = "another"
    read_features(TEST, feature)
    assert len(list(cache.glob("*.safetensors"))) == 4


def test_a_damaged_file_is_made_again(cache):
    whole = read_features(TEST, Halves())
    (path,) = cache.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    assert torch.equal(read_features(TEST, Halves()).features, whole.features)
    assert torch.equal(load_file(path)["features"][TEST.in_index_order()[1]], whole.features)


def test_all_samples_are_cached_once_for_all_seeds(cache):
    feature = Halves()
    first = read_features(TEST, feature)
    asked = feature.asked
    other = read_features(Selection(DIGITS.splits.test, 300, seed=1), feature)
    assert feature.asked == asked
    assert not torch.equal(first.features, other.features)
    assert torch.equal(first.features.sort(0).values, other.features.sort(0).values)


@pytest.mark.parametrize("place", ["features", "logits", "the checksum itself"])
def test_one_bit_is_seen(cache, place):
    """A bit of an exponent turned a Fréchet distance of 86 into 650,000."""
    whole = read_features(TEST, Halves())
    (path,) = cache.glob("*.safetensors")
    data = bytearray(path.read_bytes())
    at = {"features": len(data) - 1, "logits": len(data) - 300 * 4 * 4 - 1, "the checksum itself": data.index(b"checksum") + 12}
    data[at[place]] ^= 0b10 if place == "the checksum itself" else 0b0100_0000
    path.write_bytes(data)
    assert room.load_reading(path) is None
    assert torch.equal(read_features(TEST, Halves()).features, whole.features)
    assert room.load_reading(path) is not None


class Slow(Halves):
    def extract(self, samples):
        time.sleep(0.2)
        return super().extract(samples)


def job(test, start, said):
    feature = Slow()
    start.wait(HANG)
    said.put((float(read_features(test, feature).features.sum()), feature.asked))


def found(jobs=3):
    """What so many jobs read that begin together, and how often each of them asked the extractor."""
    context = multiprocessing.get_context("fork")
    start, said, test = context.Barrier(jobs), context.SimpleQueue(), TEST
    children = [context.Process(target=job, args=(test, start, said)) for _ in range(jobs)]
    for child in children:
        child.start()
    for child in children:
        child.join(HANG)
    assert [child.exitcode for child in children] == [0] * jobs
    return [said.get() for _ in children]


def test_of_many_jobs_one_reads_and_the_others_wait():
    jobs = found()
    assert len({total for total, _ in jobs}) == 1
    *others, once = sorted(asked for _, asked in jobs)
    assert once > 0
    assert others == [0, 0]


def test_an_extractor_is_asked_once_a_batch():
    feature, batch = Halves(), torch.randn(5, 1, 8, 8)
    assert feature(batch) is feature(batch)
    assert feature.asked == 1
    feature(batch.clone())
    assert feature.asked == 2
