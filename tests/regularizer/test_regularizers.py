"""Every regularizer that conf/regularizer names: closed forms, and what all regularizers must keep."""

import pytest
import torch
import yaml
from discovery import classes
from tiny_gan import fit, make_gan
from torch import nn, tensor

from gan_lightning import regularizer as room
from gan_lightning.augmentation.base import Augmentation
from gan_lightning.config.compose import config_dir
from gan_lightning.config.instantiate import instantiate
from gan_lightning.regularizer.base import Regularizer
from gan_lightning.regularizer.consistency import Consistency
from gan_lightning.regularizer.dragan import DRAGAN
from gan_lightning.regularizer.gradient_penalty import GradientPenalty
from gan_lightning.regularizer.lecam import LeCam
from gan_lightning.regularizer.r1 import R1
from gan_lightning.regularizer.r2 import R2
from gan_lightning.regularizer.weight_clip import WeightClip
from gan_lightning.step.progress import Progress
from gan_lightning.step.schedule import Ramp
from gan_lightning.step.types import Batch, Output

REAL, FAKE = tensor([[1.0, 2.0], [0.0, 3.0], [-2.0, -1.0]]), tensor([[2.0, 0.0], [1.0, 1.0], [0.0, -4.0]])


class Linear(nn.Module):
    """D(x) = w · x + b: its slope is w everywhere."""

    def __init__(self, *weight):
        super().__init__()
        self.weight, self.bias = nn.Parameter(tensor(weight)), nn.Parameter(tensor(0.7))

    def forward(self, x, condition=None):
        return Output(x.flatten(1) @ self.weight + self.bias)


class Quadratic(nn.Module):
    """D(x) = a |x|² / 2, a = 1: its slope is a · x."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(tensor(1.0))

    def forward(self, x, condition=None):
        return Output(self.weight * x.flatten(1).square().sum(1) / 2)


class Halve(Augmentation):
    """x / 2."""

    def forward(self, x):
        return x / 2


# class → regularizer, D, its term for REAL and FAKE, and d mean(term) / d D's weight
CASES = {
    "R1": [
        (R1, Linear(3.0, 4.0), [12.5, 12.5, 12.5], [3.0, 4.0]),  # |w|² / 2 and w
        (R1, Quadratic(), [2.5, 4.5, 2.5], 19 / 3),  # |real|² / 2 and its mean, doubled
    ],
    "R2": [
        (R2, Linear(3.0, 4.0), [12.5, 12.5, 12.5], [3.0, 4.0]),
        (R2, Quadratic(), [2.0, 1.0, 8.0], 22 / 3),
    ],
    "GradientPenalty": [  # (|w| − 1)² and 2 (|w| − 1) w / |w|, for |w| = 5 and |w| = 1/2
        (lambda: GradientPenalty(one_sided=False), Linear(3.0, 4.0), [16.0, 16.0, 16.0], [4.8, 6.4]),
        (lambda: GradientPenalty(one_sided=True), Linear(3.0, 4.0), [16.0, 16.0, 16.0], [4.8, 6.4]),
        (lambda: GradientPenalty(one_sided=False), Linear(0.3, 0.4), [0.25, 0.25, 0.25], [-0.6, -0.8]),
        (lambda: GradientPenalty(one_sided=True), Linear(0.3, 0.4), [0.0, 0.0, 0.0], [0.0, 0.0]),
    ],
    "DRAGAN": [
        (DRAGAN, Linear(3.0, 4.0), [16.0, 16.0, 16.0], [4.8, 6.4]),
        (DRAGAN, Linear(0.3, 0.4), [0.25, 0.25, 0.25], [-0.6, -0.8]),
        (lambda: DRAGAN(spread=1e-7), Quadratic(), [1.527864, 4.0, 1.527864], None),  # (|real| − 1)²
    ],
    "LeCam": [  # logits 11.7, 12.7, −9.3 and 6.7, 7.7, −15.3; both means are still 0
        (LeCam, Linear(3.0, 4.0), [181.78, 220.58, 320.58], [34.266667, 93.133333]),
    ],
    "Consistency": [  # (w · x / 2)² of real samples, and of fakes too
        (lambda: Consistency(Halve()), Linear(3.0, 4.0), [30.25, 36.0, 25.0], [31 / 6, 68 / 6]),
        (lambda: Consistency(Halve(), balanced=True), Linear(3.0, 4.0), [39.25, 48.25, 89.0], None),
    ],
}
OTHERS = {"WeightClip", "Orthogonal", "PathLength", "FeatureMatching", "AuxiliaryClassifier", "Info"}  # test_generator_terms.py

FILES = {path.stem: yaml.safe_load(path.read_text()) or {} for path in sorted((config_dir() / "regularizer").glob("*.yaml"))}
OPTIONS = {name: node for name, node in FILES.items() if any("_target_" in inner for inner in node.values())}
PARTICULAR = ("auxiliary_classifier", "info", "consistency")
every = pytest.mark.parametrize("name", OPTIONS)
closed = pytest.mark.parametrize(
    ("regularizer", "discriminator", "expected", "slope"),
    [pytest.param(*case, id=f"{name}-{i}") for name, cases in CASES.items() for i, case in enumerate(cases)],
)


def term(regularizer, discriminator, real, fake, labels=None, **given):
    """What the regularizer says in D's context, as the game plays it."""
    gan = make_gan(real.shape[1:], discriminator=discriminator, regularizers={"it": regularizer}, **given)
    context = gan.discriminator_context(torch.zeros(len(real), 1), Batch(real, labels), fake, {"it": regularizer})
    return regularizer.discriminator(context)


def near(found, expected):
    torch.testing.assert_close(found, tensor(expected), rtol=1e-5, atol=1e-6)


def test_there_are_regularizers():
    assert OPTIONS
    assert classes(room, Regularizer)


def test_every_option_is_a_class_of_the_room_and_every_class_an_option():
    assert {node[name]["_target_"] for name, node in OPTIONS.items()} == classes(room, Regularizer)


def test_an_option_nests_under_its_name_alone():
    assert all(node.keys() == {name} for name, node in OPTIONS.items())


def test_an_option_without_a_class_is_empty_or_builds_on_others():
    assert all(not node or "defaults" in node for name, node in FILES.items() if name not in OPTIONS)
    assert FILES["none"] == {}


@pytest.mark.parametrize("cls", sorted(classes(room, Regularizer)))
def test_every_class_has_a_closed_form(cls):
    name = cls.rpartition(".")[2]
    assert CASES.get(name) or name in OTHERS, f"{cls} has no closed form: add a row for it to CASES in {__file__}"


@closed
@pytest.mark.parametrize("shape", [(2,), (1, 2), (2, 1, 1)], ids=["points", "signals", "images"])
def test_closed_form_for_every_kind_of_sample(regularizer, discriminator, expected, slope, shape):
    near(term(regularizer(), discriminator, REAL.view(3, *shape), FAKE.view(3, *shape)), expected)


@closed
def test_a_doubled_batch_changes_no_sample(regularizer, discriminator, expected, slope):
    near(term(regularizer(), discriminator, REAL.repeat(2, 1), FAKE.repeat(2, 1)), expected * 2)


@closed
def test_d_learns_from_the_term(regularizer, discriminator, expected, slope):
    if slope is not None:
        found = torch.autograd.grad(term(regularizer(), discriminator, REAL, FAKE).mean(), discriminator.weight)
        near(found[0], slope)


@pytest.mark.parametrize(("one_sided", "expected"), [(False, [16.0, 0.0, 0.25]), (True, [16.0, 0.0, 0.0])])
def test_gradient_penalty_reads_each_samples_own_slope(one_sided, expected):
    same = tensor([[3.0, 4.0], [0.6, 0.8], [0.0, 0.5]])  # real = fake, so the interpolates are known: slopes 5, 1, 1/2
    near(term(GradientPenalty(one_sided=one_sided), Quadratic(), same, same), expected)


def test_gradient_penalty_looks_between_real_and_fake():
    seen = []

    class Spy(Linear):
        def forward(self, x, condition=None):
            seen.append((x, condition))
            return super().forward(x)

    real, fake, labels = torch.randn(64, 2), torch.randn(64, 2) + 20, torch.arange(64) % 3
    term(GradientPenalty(), Spy(3.0, 4.0), real, fake, labels)
    assert len(seen) == 3  # real, fake, between
    between, told = seen[-1][0].detach(), seen[-1][1]
    share = (between - real) / (fake - real)
    torch.testing.assert_close(share[:, 0], share[:, 1], rtol=0, atol=1e-5)
    assert share.min() >= -1e-5
    assert share.max() <= 1 + 1e-5
    assert share[:, 0].std() == pytest.approx(12**-0.5, rel=0.2)  # one share a sample, uniform
    assert torch.equal(told, labels)


def test_dragan_looks_around_real_samples():
    seen = []

    class Spy(Linear):
        def forward(self, x, labels=None):
            seen.append(x.detach())
            return super().forward(x)

    real = torch.randn(4000, 2) * tensor([3.0, 1.0])
    term(DRAGAN(), Spy(3.0, 4.0), real, torch.randn(4000, 2) + 20)
    u = (seen[-1] - real) / (0.5 * real.std(correction=0))  # one standard deviation, of the whole batch
    assert u.min() >= -1e-4
    assert u.max() <= 1 + 1e-4
    assert u.std(0).tolist() == pytest.approx([12**-0.5] * 2, rel=0.05)
    assert torch.corrcoef(u.T)[0, 1].abs() < 0.06, "drawn for each dimension"


@pytest.mark.parametrize("regularizer", [GradientPenalty, DRAGAN])
def test_gradient_penalty_of_a_flat_d_is_finite(regularizer):
    flat = Linear(0.0, 0.0)
    found = term(regularizer(), flat, REAL, FAKE)
    near(found, [1.0, 1.0, 1.0])
    assert torch.autograd.grad(found.mean(), flat.weight)[0].isfinite().all()


@pytest.mark.parametrize("regularizer", [R1, R2])
def test_packed_samples_have_one_slope(regularizer):
    """Two samples share a logit, w · (x₁, x₂): what D judges is the pair, and its slope is w."""
    real, fake = torch.randn(4, 2), torch.randn(4, 2)
    near(term(regularizer(), Linear(1.0, 1.0, 3.0, 4.0), real, fake, packing=2), [13.5, 13.5])


def test_a_pack_of_slope_1_has_no_penalty():
    real, fake = torch.randn(4, 2), torch.randn(4, 2)
    near(term(GradientPenalty(), Linear(0.5, 0.5, 0.5, 0.5), real, fake, packing=2), [0.0, 0.0])


@every
@pytest.mark.parametrize("shape", [(6,), (2, 8), (3, 4, 6)], ids=["points", "signals", "images"])
@pytest.mark.parametrize("packing", [1, 2])
def test_every_regularizer_plays(name, shape, packing):
    if name in PARTICULAR:
        pytest.skip("needs classes, codes or images: tests/regularizer/test_generator_terms.py")
    gan = make_gan(shape, regularizers={name: instantiate(OPTIONS[name][name])}, packing=packing)
    _, said = fit(gan, steps=1, shape=shape)
    terms = {key: term for key, term in said[0].items() if key.startswith(f"regularizer/{name}/")}
    assert terms.keys() <= {f"regularizer/{name}/d", f"regularizer/{name}/g"}
    assert all(len(term) in (1, 4, 8) and term.isfinite().all() for term in terms.values())
    assert all(p.isfinite().all() for p in gan.parameters())


@pytest.mark.parametrize(
    ("given", "sides"), [([R1], {"real"}), ([R2], {"fake"}), ([R1, R2], {"real", "fake"}), ([R1, GradientPenalty], {"real"})]
)
def test_only_the_sides_that_are_read_are_differentiated(given, sides):
    due = {cls.__name__: cls() for cls in given}
    context = make_gan((2,), regularizers=due).discriminator_context(torch.zeros(3, 1), Batch(REAL, None), FAKE, due)
    assert context.input_gradients.keys() == sides


@pytest.mark.parametrize(("given", "passes"), [([R1], 1), ([R2], 1), ([R1, R2], 1), ([R1, R2, GradientPenalty], 2), ([], 0)])
def test_r1_and_r2_share_one_backward_pass(monkeypatch, given, passes):
    gan, calls, original = make_gan(regularizers={cls.__name__: cls() for cls in given}), [], torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *args, **kwargs: calls.append(args) or original(*args, **kwargs))
    fit(gan, steps=1)
    assert len(calls) == passes


def test_weights_of_d_alone_are_clipped_after_each_update():
    gan = make_gan((2,), regularizers={"clip": WeightClip(0.05)}, d_steps_per_g_step=3)
    fit(gan, steps=2, shape=(2,))
    assert max(float(p.detach().abs().max()) for p in gan.discriminator.parameters()) == pytest.approx(0.05)
    assert max(p.abs().max() for p in gan.generator.parameters()) > 0.1


def test_frozen_weights_are_not_clipped():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False))
    for p in network.parameters():
        p.data.fill_(3.0)
    WeightClip(0.05).project(network)
    assert [float(p.max()) for p in network.parameters()] == pytest.approx([0.05, 0.05, 3.0, 3.0])


def test_scale_is_weight_times_interval_times_schedule():
    assert R1(0.5).scale == 0.5
    assert R1(0.5, interval=4).scale == 2
    ramp = R1(0.5, interval=4, schedule=Ramp(start=0.25, warmup_fraction=0.5))
    for progress, expected in ((0.0, 0.5), (0.25, 1.25), (0.5, 2.0), (1.0, 2.0)):
        ramp.advance(Progress(round(100 * progress), 100))
        assert ramp.scale == pytest.approx(expected)


def test_scale_is_no_part_of_a_checkpoint():
    assert R1().state_dict() == {}


def test_the_scale_multiplies_what_d_learns():
    """A game of one step each, with plain descent: what a penalty moves grows with its weight."""

    def moved(weight):
        discriminator = Linear(3.0, 4.0)
        descent = {player: lambda ps: torch.optim.SGD(ps, lr=1e-3) for player in ("generator", "discriminator")}
        gan = make_gan((2,), discriminator=discriminator, regularizers={"r1": R1(weight)}, optimizers=descent)
        _, said = fit(gan, steps=1, shape=(2,))
        near(said[0]["regularizer/r1/d"], [12.5] * 8)  # the term itself is heard unweighted
        return discriminator.weight.detach() - tensor([3.0, 4.0])

    none, some = moved(0.0), moved(0.5)
    torch.testing.assert_close(some - none, -1e-3 * 0.5 * tensor([3.0, 4.0]), rtol=1e-3, atol=1e-7)
