"""The game: who moves when, what is counted, what is a function of what."""

import copy

import pytest
import torch
from tiny_gan import LATENT, Loader, Terms, equal, fit, make_gan
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from gan_lightning.augmentation.base import Augmentation
from gan_lightning.loss.non_saturating import NonSaturating
from gan_lightning.loss.relativistic import Relativistic
from gan_lightning.loss.wasserstein import Wasserstein
from gan_lightning.model import mlp, resize_convolution
from gan_lightning.regularizer.base import Regularizer
from gan_lightning.regularizer.gradient_penalty import GradientPenalty
from gan_lightning.regularizer.r1 import R1
from gan_lightning.regularizer.r2 import R2
from gan_lightning.step.latents import split_generator
from gan_lightning.step.progress import Progress
from gan_lightning.step.schedule import Cosine, Geometric, Linear
from gan_lightning.step.statistics import RunningMean
from gan_lightning.step.types import Batch, Output


def weights(module):
    return {k: v.clone() for k, v in module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def count(optimizer):
    return max(int(s["step"]) for s in optimizer.state.values())


@pytest.mark.parametrize("d_steps", [1, 2, 5])
@pytest.mark.parametrize("accumulate", [1, 4])
def test_counts_of_steps(d_steps, accumulate):
    gan = make_gan(d_steps_per_g_step=d_steps, accumulate_grad_batches=accumulate)
    trainer, said = fit(gan, steps=3)
    assert trainer.global_step == 3 == len(said)
    d, g = trainer.optimizers
    assert (count(d), count(g)) == (3 * d_steps, 3)


def test_each_player_moves_only_itself():
    gan, seen = make_gan(), []
    original = gan.update_player

    def update(player, *rest):
        before = weights(gan.generator), weights(gan.discriminator)
        terms = original(player, *rest)
        seen.append((player, same(before[0], weights(gan.generator)), same(before[1], weights(gan.discriminator))))
        return terms

    gan.update_player = update
    fit(gan, steps=2)
    assert seen == [("discriminator", True, False), ("generator", False, True)] * 2


def test_terms_are_per_sample_and_detached():
    gan = make_gan(num_classes=3, loss=Relativistic(), regularizers={"r1": R1(0.1), "r2": R2(0.1)})
    _, said = fit(gan, steps=1, num_classes=3)
    names = {"loss/d", "loss/g", "logits/real", "logits/fake", "regularizer/r1/d", "regularizer/r2/d"}
    assert said[0].keys() == names
    assert all(term.shape == (8,) and not term.requires_grad for term in said[0].values())


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("resample_z", [False, True])
def test_accumulation_is_the_whole_batch(parts, resample_z):
    given = {
        "loss": Relativistic(),
        "regularizers": {"r1": R1(0.1), "r2": R2(0.1)},
        "resample_z": resample_z,
        "d_steps_per_g_step": 2,
    }
    whole, split = make_gan(**given), make_gan(accumulate_grad_batches=parts, **copy.deepcopy(given))
    _, one = fit(whole, steps=3)
    _, other = fit(split, steps=3)
    for name in ("loss/d", "loss/g", "regularizer/r1/d", "logits/fake"):
        assert other[-1][name].shape == (8,)
        torch.testing.assert_close(one[-1][name], other[-1][name], atol=2e-6, rtol=1e-4)
    for a, b in zip(whole.parameters(), split.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-6, rtol=1e-4)


def test_sharing_the_fakes_changes_nothing():
    """The last D step's fakes serve G's turn; drawing them again from the same z gives the same weights."""
    shared, again = make_gan(), make_gan()

    def generator_context(z, batch, fake):
        return type(again).generator_context(again, z, batch, again.generator(z, batch.condition))

    again.generator_context = generator_context
    fit(shared, steps=3)
    fit(again, steps=3)
    assert same(weights(shared), weights(again))


def test_fresh_z_draws_again():
    seen = {}
    for fresh in (False, True):
        gan, zs = make_gan(resample_z=fresh), []
        original = gan.sample_latents
        gan.sample_latents = lambda batch, zs=zs, original=original: zs.append(original(batch)) or zs[-1]
        fit(gan, steps=1)
        seen[fresh] = len(zs), weights(gan.generator)
    assert (seen[False][0], seen[True][0]) == (1, 2)
    assert not same(seen[False][1], seen[True][1])


def test_noise_differs_between_seeds_steps_and_ranks():
    from gan_lightning.step.seeding import Purpose, derive_seed, reseed

    def noise(seed, step, rank):
        reseed(derive_seed(Purpose.NOISE, seed, step, rank), torch.device("cpu"))
        return torch.randn(4)

    drawn = [noise(s, t, r) for s in (0, 1, 2**31) for t in (0, 1, 40) for r in (0, 1)]
    assert len({tuple(z.tolist()) for z in drawn}) == len(drawn)
    assert torch.equal(noise(1, 40, 1), drawn[11])


@pytest.mark.parametrize("workers", [0, 2])
def test_resume_at_any_step_is_bit_equal(tmp_path, workers):
    def game():
        torch.manual_seed(0)
        return make_gan(
            num_classes=3,
            loss=Relativistic(),
            regularizers={"r1": R1(0.1, 2, Geometric(0.1)), "path": Path(0.1)},
            augmentation=Adaptive(),
            generator=resize_convolution.Generator(LATENT, (1, 8, 8), 3, width=4),
            discriminator=resize_convolution.Discriminator((1, 8, 8), 3, width=4),
            schedule=Cosine(),
            schedules={"generator": {"beta2": Cosine(final=1.01)}, "discriminator": {"lr": Linear(final=0.5)}},
            lr_multipliers={"generator": {"start": 0.1}},
            d_steps_per_g_step=2,
            fresh_real=True,
        )

    given = {"shape": (1, 8, 8), "num_classes": 3, "num_workers": workers, "steps": 7}
    whole = game()
    trainer, said = fit(whole, **given)
    trainer.save_checkpoint(tmp_path / "whole.ckpt")
    for stop in (1, 4) if workers else (1, 2, 3, 6):
        part = game()
        trainer, _ = fit(part, callbacks=[StopAt(stop)], **given)
        assert trainer.global_step == stop
        trainer.save_checkpoint(tmp_path / "part.ckpt")
        rest = game()
        trainer, after = fit(rest, ckpt_path=tmp_path / "part.ckpt", **given)
        trainer.save_checkpoint(tmp_path / "rest.ckpt")
        assert len(after) == 7 - stop
        assert all(same(a, b) for a, b in zip(said[stop:], after, strict=True))
        one, other = (torch.load(tmp_path / f"{n}.ckpt", weights_only=True) for n in ("whole", "rest"))
        for part in ("state_dict", "optimizer_states", "global_step"):
            assert equal(one[part], other[part]), part


def convolutional(**given):
    """A game whose generator has running statistics."""
    torch.manual_seed(0)
    generator = resize_convolution.Generator(LATENT, (1, 8, 8), width=4)
    return make_gan((1, 8, 8), generator=generator, discriminator=resize_convolution.Discriminator((1, 8, 8), width=4), **given)


class Moves(Terms):
    """Whether each player, and G's average, differ from what they were before the iteration; Adam's steps so far."""

    def __init__(self):
        super().__init__()
        self.moved, self.counted, self.heard = [], [], []

    def on_train_batch_start(self, trainer, module, *rest):
        self.before = [weights(m) for m in (module.discriminator, module.generator, module.ema.average)]

    def on_train_batch_end(self, trainer, module, *rest):
        after = [weights(m) for m in (module.discriminator, module.generator, module.ema.average)]
        self.moved.append([not same(a, b) for a, b in zip(self.before, after, strict=True)])
        d, g = trainer.optimizers
        self.counted.append((count(d), count(g) if g.state else 0))
        self.heard.append(all(p.grad is not None and p.grad.any() for p in module.generator.parameters()))


@pytest.mark.parametrize("given", [{}, {"accumulate_grad_batches": 2}, {"d_steps_per_g_step": 2, "resample_z": True}], ids=str)
def test_d_alone_learns_in_its_head_start(given):
    watched = Moves()
    gan = convolutional(discriminator_warmup_steps=3, **given)
    trainer, said = fit(gan, steps=5, shape=(1, 8, 8), callbacks=[watched])
    assert watched.moved == [[True, False, False]] * 3 + [[True, True, True]] * 2
    assert watched.counted == [(i * gan.d_steps_per_g_step, max(0, i - 3)) for i in range(1, 6)]
    assert trainer.global_step == 5
    assert all("loss/g" in terms for terms in said)
    assert all(watched.heard), "G's gradient is there to be watched"


def test_a_generator_that_moves_too_soon_would_be_seen():
    """The negative control of the test above."""
    watched = Moves()
    fit(convolutional(), steps=2, shape=(1, 8, 8), callbacks=[watched])
    assert watched.moved == [[True, True, True]] * 2


@pytest.mark.parametrize("stop", [2, 3, 4])
def test_resume_across_the_end_of_a_head_start_is_bit_equal(tmp_path, stop):
    given = {"shape": (1, 8, 8), "steps": 6}
    trainer, said = fit(convolutional(discriminator_warmup_steps=3), **given)
    trainer.save_checkpoint(tmp_path / "whole.ckpt")
    trainer, _ = fit(convolutional(discriminator_warmup_steps=3), callbacks=[StopAt(stop)], **given)
    trainer.save_checkpoint(tmp_path / "part.ckpt")
    trainer, after = fit(convolutional(discriminator_warmup_steps=3), ckpt_path=tmp_path / "part.ckpt", **given)
    trainer.save_checkpoint(tmp_path / "rest.ckpt")
    assert all(same(a, b) for a, b in zip(said[stop:], after, strict=True))
    one, other = (torch.load(tmp_path / f"{n}.ckpt", weights_only=True) for n in ("whole", "rest"))
    for part in ("state_dict", "optimizer_states", "global_step"):
        assert equal(one[part], other[part]), part


def test_a_forgotten_reseed_would_be_seen(tmp_path, monkeypatch):
    """The negative control of the test above: noise that is no function of the step does not resume."""
    from gan_lightning import gan as module

    torch.manual_seed(1)
    monkeypatch.setattr(module, "reseed", lambda value, device: None)
    whole = make_gan()
    fit(whole, steps=4)
    trainer, _ = fit(make_gan(), steps=4, callbacks=[StopAt(2)])
    trainer.save_checkpoint(tmp_path / "part.ckpt")
    rest = make_gan()
    fit(rest, steps=4, ckpt_path=tmp_path / "part.ckpt")
    assert not same(weights(whole), weights(rest))


class StopAt(Terms):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, trainer, *rest):
        trainer.should_stop = trainer.global_step >= self.step


HOST_SYNCS = ("_local_scalar_dense", "item", "nonzero", "is_nonzero", "equal", "unique", "masked_select")


class NoSync(TorchDispatchMode):
    """Raises at every operation that a GPU could not do without the host waiting for it."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.partition(".")[0]
        if name in HOST_SYNCS:
            raise AssertionError(f"{name} makes the host wait")
        return func(*args, **(kwargs or {}))


def iterate(gan, mode):
    shape = (1, 4, 4)
    d, g = gan.configure_optimizers()
    for optimizer in (d, g):  # on a GPU the optimizer is a fused kernel; on the CPU its step counter is read
        optimizer.step = lambda: None
    gan.optimizers = lambda use_pl_optimizer=True: [d, g]
    gan.manual_backward = lambda loss: loss.backward()
    labels = torch.arange(8) % 3
    gan.iteration(Batch(torch.randn(8, *shape), labels), gan.regularizers)
    for regularizer in gan.regularizers.values():
        regularizer.advance(Progress(3, 6))
    gan.ema.advance(Progress(3, 6))
    with mode:
        gan.iteration(Batch(torch.randn(8, *shape), labels), gan.regularizers)


def test_an_iteration_makes_no_host_sync():
    penalties = {"r1": R1(0.1), "r2": R2(0.1), "gradient_penalty": GradientPenalty(), "clip": Clip(0.1), "path": Path(0.1)}
    gan = make_gan(num_classes=3, loss=Relativistic(), regularizers=penalties, augmentation=Adaptive())
    iterate(gan, NoSync())


def test_a_host_sync_would_be_seen():
    """The negative control of the test above."""

    class Waiting(R1):
        def discriminator(self, context):
            return super().discriminator(context) * float(context.real.mean())

    with pytest.raises(AssertionError, match="makes the host wait"):
        iterate(make_gan(num_classes=3, regularizers={"r1": Waiting()}), NoSync())


def test_lazy_regularizers_are_due_at_their_interval():
    gan = make_gan(regularizers={"r1": R1(0.1, interval=3), "r2": R2(0.1)})
    _, said = fit(gan, steps=7)
    assert [i for i, terms in enumerate(said) if "regularizer/r1/d" in terms] == [0, 3, 6]
    assert all("regularizer/r2/d" in terms for terms in said)
    assert gan.regularizers["r1"].scale == pytest.approx(0.3)


def test_learning_rates_follow_the_schedule():
    seen = []

    class Rates(Terms):
        def on_train_batch_end(self, trainer, *rest):
            seen.append([o.param_groups[0]["lr"] for o in trainer.optimizers])

    fit(make_gan(schedule=Cosine()), steps=4, callbacks=[Rates()])
    expected = [1e-3, 0.5e-3 * (1 + 2**-0.5), 0.5e-3, 0.5e-3 * (1 - 2**-0.5)]
    for rates, rate in zip(seen, expected, strict=True):
        assert rates == pytest.approx([rate, rate])


def test_g_has_real_samples_conditions_and_z_of_its_own():
    gan, seen = make_gan(num_classes=3, loss=Relativistic(), d_steps_per_g_step=2, fresh_real=True), []
    original = type(gan).sample_latents
    gan.sample_latents = lambda batch: seen.append((batch, original(gan, batch))) or seen[-1][1]
    _, said = fit(gan, steps=1, num_classes=3)
    assert len(seen) == 3
    for i, (batch, ((z, part),)) in enumerate(seen):
        assert len(z) == len(batch.real) == len(part.condition) == 8
        assert all(not torch.equal(batch.real, other.real) for other, _ in seen[:i])
        assert all(not torch.equal(z, earlier) for _, ((earlier, _),) in seen[:i])
    assert said[0]["loss/g"].shape == (8,)


def test_every_part_gets_the_progress():
    """Losses, layers of both networks and of the average, augmentations and regularizers: before each iteration."""
    seen = {}

    def timed(base):
        class Timed(base):
            def advance(self, progress):
                seen.setdefault(id(self), []).append(progress)

        return Timed

    generator = mlp.Generator(LATENT, (1, 4, 4), width=16, depth=1)
    generator.hidden.append(timed(nn.Identity)())
    discriminator = mlp.Discriminator((1, 4, 4), width=16, depth=1)
    discriminator.hidden.append(timed(nn.Identity)())
    parts = {
        "loss": timed(NonSaturating)(),
        "augmentation": timed(Augmentation)(),
        "regularizers": {"it": timed(Regularizer)()},
    }
    gan = make_gan(generator=generator, discriminator=discriminator, **parts)
    fit(gan, steps=2)
    timed_parts = [generator.hidden[-1], discriminator.hidden[-1], gan.ema.average.hidden[-1], gan.loss, gan.augmentation]
    timed_parts.append(gan.regularizers["it"])
    assert seen == {id(part): [Progress(0, 2), Progress(1, 2)] for part in timed_parts}


def test_schedules_of_one_player():
    seen = []

    class Settings(Terms):
        def on_train_batch_end(self, trainer, *rest):
            seen.append([(o.param_groups[0]["lr"], o.param_groups[0]["betas"][1]) for o in trainer.optimizers])

    schedules = {"discriminator": {"beta2": Linear(final=0.5)}, "generator": {"lr": Linear()}}
    fit(make_gan(schedules=schedules), steps=2, callbacks=[Settings()])
    assert seen == [[(1e-3, 0.99), (1e-3, 0.99)], [(1e-3, 0.99 * 0.75), (0.5e-3, 0.99)]]


@pytest.mark.parametrize("frozen", ["discriminator", "generator"])
def test_parts_of_a_player_are_frozen(frozen):
    gan = make_gan(lr_multipliers={frozen: {"hidden.0": 0}})
    layers = {player: getattr(gan, player).hidden[0] for player in ("discriminator", "generator")}
    before = {player: weights(layer) for player, layer in layers.items()}
    fit(gan, steps=2)
    assert {player: same(before[player], weights(layer)) for player, layer in layers.items()} == {
        player: player == frozen for player in layers
    }


class Patches(mlp.Discriminator):
    """D with K = 3 logits for each sample."""

    def __init__(self, shape=(1, 4, 4)):
        super().__init__(shape, width=16, depth=1)
        self.patches = nn.Linear(16, 3)

    def forward(self, x, condition=None):
        features = self.hidden(x.flatten(1))
        return Output(self.patches(features), features, (features,))


@pytest.mark.parametrize("loss", [NonSaturating(), Relativistic(), Wasserstein()], ids=lambda loss: type(loss).__name__)
def test_several_logits_for_a_sample(loss):
    penalties = {"r1": R1(0.1), "r2": R2(0.1), "gradient_penalty": GradientPenalty()}
    _, said = fit(make_gan(discriminator=Patches(), loss=loss, regularizers=penalties), steps=2)
    assert all(term.shape == (8,) and term.isfinite().all() for term in said[-1].values())
    assert said[-1].keys() > {"logits/real", "logits/fake", "loss/d", "loss/g"}


class Orthogonal(Regularizer):
    """One number for the weights of D's first layer, several for each generated sample."""

    def setup(self, generator, discriminator):
        self.layers = (discriminator.hidden[0],)  # in a tuple: the layer is no part of the regularizer

    def discriminator(self, context):
        return self.layers[0].weight.square().sum()

    def generator(self, context):
        return context.fake.square().flatten(1)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_term_has_any_shape(parts):
    _, said = fit(make_gan(regularizers={"it": Orthogonal()}, accumulate_grad_batches=parts), steps=1)
    assert said[0]["regularizer/it/d"].shape == (parts,)
    assert said[0]["regularizer/it/g"].shape == (8,)


def test_packed_conditions_are_used_together():
    gan = make_gan(num_classes=3, packing=2)
    _, said = fit(gan, steps=1, num_classes=3)
    assert said[0]["loss/d"].shape == (4,)
    x, condition = torch.randn(2, 1, 4, 4), torch.tensor([0, 2])
    head, features = gan.discriminator.head, gan.discriminator.hidden(x.reshape(1, -1))
    expected = head.linear(features)[:, 0] + (head.embedding.weight[[0, 2]].sum(0) * features).sum(1)
    torch.testing.assert_close(gan.discriminate(x, condition).logits, expected)


@pytest.mark.parametrize("condition", [(5,), (2, 4, 4)], ids=["attributes", "images"])
def test_conditions_need_not_be_classes(condition):
    """A vector of attributes, or an image, moves what goes into G and D."""

    class Conditional(nn.Module):
        def __init__(self, inner, inputs):
            super().__init__()
            self.inner, self.shift = inner, nn.Linear(torch.Size(condition).numel(), inputs)

        def forward(self, x, condition):
            return self.inner(x + self.shift(condition.flatten(1)).view_as(x))

    class Conditioned(Loader):
        def train_dataloader(self):
            return (Batch(batch.real, torch.ones(len(batch.real), *condition)) for batch in super().train_dataloader())

    generator = Conditional(mlp.Generator(LATENT, (1, 4, 4), width=16, depth=1), LATENT)
    discriminator = Conditional(mlp.Discriminator((1, 4, 4), width=16, depth=1), 16)
    before = weights(generator.shift), weights(discriminator.shift)
    gan = make_gan(generator=generator, discriminator=discriminator, accumulate_grad_batches=2, d_steps_per_g_step=2)
    fit(gan, steps=1, loader=Conditioned)
    assert not same(before[0], weights(generator.shift))
    assert not same(before[1], weights(discriminator.shift))


# ── what is coming, written as a person outside the package would ────────────────────────────────────────────────────────
class Auxiliary(Regularizer):
    """AC-GAN's classifier on D's features (Odena et al. 2017): both players want the class to be read."""

    def setup(self, generator, discriminator):
        self.head = nn.Linear(discriminator.num_features, 3)

    def term(self, output, labels):
        return nn.functional.cross_entropy(self.head(output.features), labels, reduction="none")

    def discriminator(self, context):
        return self.term(context.real_output, context.condition) + self.term(context.fake_output, context.condition)

    def generator(self, context):
        return self.term(context.fake_output, context.condition)


class Path(Regularizer):
    """Path length (Karras et al. 2020, eq. 4), with z for w: G's own penalty, with a forward and a state of its own."""

    def __init__(self, weight):
        super().__init__(weight, interval=2)
        self.mean = RunningMean(0.99)

    def generator(self, context):
        mapping, synthesis = split_generator(context.generator)
        w = mapping(context.z, context.condition).detach().requires_grad_()
        x = synthesis(w, context.condition)
        noise = torch.randn_like(x) / x[0].numel() ** 0.5
        (slope,) = torch.autograd.grad((x * noise).sum(), w, create_graph=True)
        length = slope.norm(dim=1)
        return (length - self.mean.update(length)).square()


class Clip(Regularizer):
    """WGAN's weight clipping (Arjovsky et al. 2017, algorithm 1)."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    @torch.no_grad()
    def project(self, discriminator):
        for p in discriminator.parameters():
            p.clamp_(-self.limit, self.limit)


class Adaptive(Augmentation):
    """ADA's heuristic (Karras et al. 2020b, section 3): flips more often the surer D is of real samples."""

    def __init__(self, step=0.05):
        super().__init__()
        self.step = step
        self.register_buffer("p", torch.tensor(0.1))

    def forward(self, x):
        chosen = torch.rand(len(x), device=x.device) < self.p
        return torch.where(chosen.view(-1, *[1] * (x.dim() - 1)), x.flip(-1), x)

    def update(self, real_logits):
        self.p.add_((real_logits.sign().mean() - 0.6).sign() * self.step).clamp_(0, 1)


def test_an_auxiliary_head_trains_with_d():
    gan = make_gan(num_classes=3, regularizers={"auxiliary": Auxiliary()})
    before = weights(gan.regularizers["auxiliary"])
    _, said = fit(gan, num_classes=3)
    assert said[0]["regularizer/auxiliary/d"].shape == said[0]["regularizer/auxiliary/g"].shape == (8,)
    assert not same(before, weights(gan.regularizers["auxiliary"]))


def test_an_auxiliary_head_trains_in_half_precision():
    gan = make_gan(num_classes=3, regularizers={"auxiliary": Auxiliary(), "r1": R1(0.1)})
    _, said = fit(gan, num_classes=3, precision="bf16-mixed")
    assert said[-1]["regularizer/auxiliary/g"].isfinite().all()


def test_a_layer_that_was_frozen_stays_frozen():
    gan = make_gan()
    layer = gan.discriminator.hidden[0]
    layer.requires_grad_(False)
    before = weights(layer)
    fit(gan)
    assert same(before, weights(layer))
    assert not layer.weight.requires_grad
    assert gan.discriminator.head.linear.weight.requires_grad


def test_a_penalty_of_the_generator_and_its_state():
    gan = make_gan(regularizers={"path": Path(1.0)})
    _, said = fit(gan, steps=3)
    assert ["regularizer/path/g" in terms for terms in said] == [True, False, True]
    assert "regularizers.path.mean.value" in gan.state_dict()
    assert gan.regularizers["path"].mean.value > 0


def test_weights_are_clipped_after_every_d_step():
    gan = make_gan(loss=Wasserstein(), regularizers={"clip": Clip(0.01)}, d_steps_per_g_step=5)
    fit(gan)
    assert max(p.abs().max() for p in gan.discriminator.parameters()) <= 0.01
    assert max(p.abs().max() for p in gan.generator.parameters()) > 0.01


def test_an_augmentation_adapts():
    gan = make_gan(augmentation=Adaptive())
    fit(gan, steps=3)
    assert gan.augmentation.p != pytest.approx(0.1)
    assert "augmentation.p" in gan.state_dict()


def test_packed_samples_share_a_logit():
    gan = make_gan(packing=2, regularizers={"r1": R1(0.1)})
    _, said = fit(gan, steps=1)
    assert said[0]["loss/d"].shape == (4,)
    assert said[0]["regularizer/r1/d"].shape == (4,)


@pytest.mark.parametrize("shape", [(1, 64), (2,), (3, 4, 6)])
def test_the_core_never_asks_what_samples_are(shape):
    gan = make_gan(shape, loss=Wasserstein(), regularizers={"gradient_penalty": GradientPenalty()}, d_steps_per_g_step=2)
    _, said = fit(gan, shape=shape)
    assert all(torch.isfinite(term).all() for terms in said for term in terms.values())


def test_bf16_trains_and_penalties_stay_exact():
    seen = []

    class Spy(mlp.Discriminator):
        def forward(self, x, condition=None):
            out = super().forward(x, condition)
            seen.append(out.logits.dtype)
            return out

    gan = make_gan(discriminator=Spy((1, 4, 4), width=16, depth=1), regularizers={"r1": R1(0.1, interval=2)})
    fit(gan, steps=2, precision="bf16-mixed")
    assert seen == [torch.float32] * 2 + [torch.bfloat16] + [torch.bfloat16] * 3  # due: D's turn in fp32, G's not
