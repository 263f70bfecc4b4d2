"""Whose samples are scored: each place its own, whatever the batch; in training and in reports alike."""

import pytest
import torch
from tiny_gan import make_gan
from torch import nn

from gan_lightning.data.base import DataError
from gan_lightning.data.digits import Digits
from gan_lightning.data.ring import Ring
from gan_lightning.metric.base import GenerativeMetric
from gan_lightning.metric.distance import Distance
from gan_lightning.metric.evaluation import (
    GeneratedSamples,
    batch_norm_layers,
    discriminator_function,
    evaluate_floor,
    evaluate_metrics,
    samples_used,
)
from gan_lightning.metric.reference import Reference
from gan_lightning.model import mlp, resize_convolution
from gan_lightning.step.seeding import Purpose
from gan_lightning.step.types import Output

DIGITS = Digits(sample_shape=(1, 8, 8), num_classes=10)


def none(start, n):
    """The conditions of unconditional data."""


class Counted(GenerativeMetric):
    """Counts the samples that it is given."""

    def __init__(self, num_samples=1000):
        super().__init__(num_samples)
        self.add_state("samples", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")

    def update(self, samples, labels):
        self.samples.append(samples)
        if labels is not None:
            self.labels.append(labels)

    def compute(self):
        counted = torch.cat(self.samples)
        return {f"counted{self.num_samples}": torch.tensor(float(len(counted)))}


def convolutional():
    """A game whose generator normalises by the batch, after it has seen some."""
    torch.manual_seed(0)
    generator = resize_convolution.Generator(8, (1, 8, 8), 10, width=4)
    gan = make_gan((1, 8, 8), 10, generator=generator, discriminator=resize_convolution.Discriminator((1, 8, 8), 10, width=4))
    for _ in range(3):
        generator(torch.randn(16, 8), torch.arange(16) % 10)
    return gan


def test_a_sample_is_a_function_of_its_place():
    source = GeneratedSamples(make_gan((2,)), none, seed=3)
    whole = source.part(0, 300).real
    # not bit for bit: another batch size may take another matmul kernel
    torch.testing.assert_close(torch.cat([source.part(0, 77).real, source.part(77, 223).real]), whole)
    torch.testing.assert_close(source.part(120, 30).real, whole[120:150])
    assert len(whole.unique(dim=0)) == 300


def test_seed_and_purpose_tell_samples_apart():
    gan = make_gan((2,))
    sets = [
        GeneratedSamples(gan, none, seed, purpose).part(0, 50).real
        for seed in (0, 1)
        for purpose in (Purpose.SCORE, Purpose.REPORT)
    ]
    assert len({float(x.sum()) for x in sets}) == 4


def test_classes_are_asked_for_in_turn():
    labels = GeneratedSamples(convolutional(), DIGITS.conditions, 0).part(7, 25).condition
    assert labels.tolist() == [(7 + i) % 10 for i in range(25)]
    assert GeneratedSamples(make_gan((2,)), none, 0).part(0, 5).condition is None


def test_average_or_own_weights_running_or_batch_statistics():
    gan = convolutional()
    with torch.no_grad():
        gan.generator.layers[-1].bias += 1
    before = {k: v.clone() for k, v in gan.state_dict().items()}
    ways = [("ema", "running"), ("raw", "running"), ("ema", "batch"), ("raw", "batch")]
    found = [GeneratedSamples(gan, DIGITS.conditions, 0, weights=w, batch_norm=b).part(0, 50).real for w, b in ways]
    assert len({round(float(x.sum()), 3) for x in found}) == 4
    assert all(torch.equal(v, before[k]) for k, v in gan.state_dict().items())
    assert batch_norm_layers(gan.generator)
    assert not batch_norm_layers(make_gan((2,)).generator)


def test_the_discriminator_remembers_nothing_of_what_it_judges():
    d = resize_convolution.Discriminator((1, 8, 8), 10, width=4)
    d.layers.insert(1, nn.BatchNorm2d(4))
    gan = make_gan((1, 8, 8), 10, generator=resize_convolution.Generator(8, (1, 8, 8), 10, width=4), discriminator=d).train()
    before = {k: v.clone() for k, v in gan.state_dict().items()}
    batch = DIGITS.splits.test.part(0, 20)
    logits = discriminator_function(gan)(batch.real, batch.condition)
    assert logits.shape == (20,)
    torch.testing.assert_close(discriminator_function(gan)(batch.real[:5], batch.condition[:5]), logits[:5])
    assert gan.discriminator.training
    assert all(torch.equal(v, before[k]) for k, v in gan.state_dict().items())


def test_the_discriminator_of_packs_gives_a_word_for_each_pack():
    gan = make_gan((2,), packing=2)
    x = torch.randn(7, 2)
    assert torch.allclose(discriminator_function(gan)(x, None), gan.discriminator(x[:6].reshape(3, 4)).logits)


def test_of_several_logits_a_score_gets_the_mean():
    """Two logits, D's own and three times that: the mean is twice it."""

    class Two(mlp.Discriminator):
        def forward(self, x, condition=None):
            logits = super().forward(x, condition).logits
            return Output(torch.stack([logits, 3 * logits], 1))

    gan = make_gan((2,), discriminator=Two((2,), width=16, depth=1))
    x = torch.randn(7, 2)
    torch.testing.assert_close(discriminator_function(gan)(x, None), 2 * gan.discriminator(x).logits[:, 0])


def test_packed_samples_are_judged_with_their_conditions():
    gan = make_gan((1, 4, 4), 3, packing=2)
    x, classes = torch.randn(5, 1, 4, 4), torch.tensor([0, 1, 2, 0, 1])
    found = discriminator_function(gan)(x, classes)
    torch.testing.assert_close(found, gan.discriminator(x[:4].reshape(2, 2, 4, 4), classes[:4].view(2, 2)).logits)


class FromLatents(Counted):
    """Gets the latents and the generator too."""

    uses_latents = True

    def update(self, samples, condition, latents):
        super().update(samples, condition)
        torch.testing.assert_close(latents.generator(latents.z, condition), samples)


def test_a_score_may_read_the_latents():
    gan = make_gan((2,))
    scores, source = {"latents": FromLatents(620), "counted": Counted(100)}, GeneratedSamples(gan, none, 0)
    assert evaluate_metrics(scores, source) == {"counted620": 620, "counted100": 100}
    with pytest.raises(DataError, match=r"^metric\.latents: needs the generator, but there is none here"):
        evaluate_metrics(scores, DIGITS.splits.test)
    assert evaluate_floor(scores, Reference(DIGITS, "test")).keys() == {"counted100"}


@pytest.mark.parametrize("counts", [(1,), (499,), (500, 1300), (1201, 7)])
def test_every_score_hears_as_many_as_it_wants(counts):
    scores = {str(n): Counted(n) for n in counts}
    source = GeneratedSamples(make_gan((2,)), none, 0)
    assert evaluate_metrics(scores, source) == {f"counted{n}": n for n in counts}
    for n, score in zip(counts, scores.values(), strict=True):
        torch.testing.assert_close(torch.cat(score.samples), source.part(0, n).real)
    assert evaluate_metrics(scores, source) == {f"counted{n}": n for n in counts}  # not those of before as well


def test_where_fewer_samples_are_held_all_are_counted():
    counted = Counted(1000)
    assert evaluate_metrics({"counted": counted}, DIGITS.splits.test) == {"counted1000": 300}
    assert torch.equal(torch.cat(counted.labels), DIGITS.splits.test.labels)
    assert samples_used({"counted": counted, "few": Counted(7)}, DIGITS.splits.test) == {"counted": 300, "few": 7}
    assert samples_used({"counted": counted}, GeneratedSamples(make_gan((2,)), none, 0)) == {"counted": 1000}


def test_the_floor_is_of_training_samples_or_of_held_out_ones():
    class Aware(Counted):
        uses_train_split = True

    scores = {"counted": Counted(5000), "aware": Aware(2000)}
    assert evaluate_floor(scores, Reference(DIGITS, "test")) == {"counted5000": 1198, "counted2000": 299}
    assert evaluate_floor(scores, Reference(DIGITS, "train")) == {"counted5000": 299, "counted2000": 299}
    ring = Ring(sample_shape=(2,), num_classes=0)
    assert evaluate_floor({"counted": Counted(700)}, Reference(ring, "test")) == {"counted700": 700}


def test_training_and_report_measure_alike():
    ring = Ring(sample_shape=(2,), num_classes=0)
    score = Distance(800)
    score.set_reference(Reference(ring, "validation"))
    source = GeneratedSamples(make_gan((2,)), none, 0)
    expected = torch.cdist(source.part(0, 800).real.double(), ring.modes.double()).amin(1).mean()
    assert evaluate_metrics({"distance": score}, source)["distance"] == pytest.approx(float(expected), abs=1e-9)
