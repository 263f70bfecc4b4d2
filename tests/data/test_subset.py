"""Fewer training samples, and mirrored ones: which they are, with any number of ranks and workers."""

import numpy as np
import pytest
import torch

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.instantiate import build_data
from gan_lightning.config.preflight import preflight
from gan_lightning.config.validate import validate
from gan_lightning.data.mirror import Mirrored
from gan_lightning.data.store import Store
from gan_lightning.data.subset import Subset


def numbered(n, classes=None):
    images = np.arange(n, dtype=np.float32).repeat(2 * 3).reshape(n, 1, 2, 3)
    images[..., 0] += 0.5
    return Store(images, None if classes is None else np.arange(n) % classes)


def test_a_subset_has_each_class_in_its_share_and_grows():
    source = numbered(1000, classes=10)
    small, large = Subset(source, 50), Subset(source, 200)
    assert (len(small), len(large)) == (50, 200)
    assert small.strata.bincount().tolist() == [5] * 10
    assert set(small.positions.tolist()) < set(large.positions.tolist())
    assert torch.equal(small.part(45, 10).real, source.take(small.positions[45:]).real)


def test_a_subset_is_streamed_in_whole_epochs():
    subset = Subset(numbered(100), 12)
    seen = torch.cat([subset.batch(3, i, 4).real for i in range(6)])[:, 0, 0, 1].long()
    assert sorted(seen[:12].tolist()) == sorted(seen[12:].tolist()) == sorted(subset.positions.tolist())
    ranks = torch.cat([subset.batch(3, 0, 2, rank, 2).real for rank in range(2)])
    assert torch.equal(ranks, subset.batch(3, 0, 4).real)


def test_half_of_the_images_are_mirrored_whatever_the_ranks():
    mirrored = Mirrored(numbered(400))
    real = mirrored.batch(0, 7, 400).real
    left, right = real[:, 0, 0, 0] % 1 == 0.5, real[:, 0, 0, 2] % 1 == 0.5
    assert torch.equal(left, ~right)
    assert 150 < right.sum() < 250
    assert torch.equal(real, mirrored.batch(0, 7, 400).real)
    assert not torch.equal(real[:, 0, 0, 0] % 1, mirrored.batch(0, 8, 400).real[:, 0, 0, 0] % 1)
    ranks = torch.cat([mirrored.batch(0, 7, 200, rank, 2).real for rank in range(2)])
    assert torch.equal(ranks, real)
    assert torch.equal(mirrored.part(0, 5).real, numbered(400).part(0, 5).real), "references are as they are"


def test_a_condition_that_is_an_image_is_mirrored_alike():
    class Pairs(Store):
        def take(self, positions):
            batch = super().take(positions)
            return batch._replace(condition=batch.real + 1000)

    real, condition = Mirrored(Pairs(numbered(64).samples)).batch(0, 0, 64)
    assert torch.equal(condition - 1000, real)


def test_config_keys():
    def data(*line):
        plain = validate(Composer().compose(["experiment=digits_fast", "metric=none", *line]))
        preflight(plain)
        return build_data(plain)

    assert len(data("data.train_samples=100").splits.train) == 100
    assert len(data().splits.train) > 1000
    for line, said in {
        "data.train_samples=5000": "data.train_samples: 5000 samples can't be chosen, the training split has 1198",
        "data.train_samples=10": "data.batch_size: 64 samples can't be served from 10",
        "+data.mirror=true experiment=ring_fast": "data.mirror: images are mirrored, not samples of shape [2]",
        "+data.train_samples=9 experiment=ring_fast": "data.train_samples: 9 samples can't be chosen, the data are drawn",
    }.items():
        with pytest.raises(UserError) as refused:
            data(*line.split())
        assert refused.value.lines[0].startswith(said)
