"""StyleGAN2 with ADA, path length and LeCam: a resumed run and a replayed step are those of the run, bit for bit.

What is the same on several processes: tests/distributed/test_ranks.py.
"""

import json

import pytest
import torch
from kinds import kinds
from test_gan import StopAt, same
from tiny_gan import LATENT, equal, fit, make_gan, trained

from gan_lightning.augmentation.ada import ADA
from gan_lightning.model import sngan, stylegan2
from gan_lightning.regularizer.lecam import LeCam
from gan_lightning.regularizer.path_length import PathLength

SHAPE, STEPS = (1, 8, 8), 6
TINY = (
    *("experiment=digits_fast", "data.batch_size=16", "trainer.max_steps=8", "trainer.accelerator=cpu", "metric=none"),
    *("model=stylegan2", "model.width=4", "model.style_dim=8", "model.mapping_depth=2", "model.num_classes=0"),
    *("loss=non_saturating", "augmentation=ada", "augmentation.speed_kimg=0.4", "augmentation.initial_p=0.5"),
    *("regularizer=[path_length,lecam]", "regularizer.path_length.interval=2", "callback.scalars.every_n_steps=1"),
    *("checkpoint.every_n_steps=4", "~callback.samples", "~callback.scores"),
)


def ada():
    return ADA(speed_kimg=0.1, interval=2, initial_p=0.5)


def style():
    torch.manual_seed(0)
    small = {"width": 4, "style_dim": 8, "mapping_depth": 2}
    return make_gan(
        generator=stylegan2.Generator(LATENT, SHAPE, **small),
        discriminator=stylegan2.Discriminator(SHAPE, **small),
        augmentation=ada(),
        regularizers={"path_length": PathLength(interval=2)},
    )


def lecam():
    return make_gan(SHAPE, augmentation=ada(), regularizers={"lecam": LeCam(decay=0.9)}, d_steps_per_g_step=2)


def spectral():
    """Spectral normalisation, whose vectors change in each forward pass."""
    torch.manual_seed(0)
    networks = {"generator": sngan.Generator(LATENT, SHAPE, width=4), "discriminator": sngan.Discriminator(SHAPE, width=4)}
    return make_gan(**networks, regularizers={"lecam": LeCam()})


GAMES = {"style": style, "lecam": lecam, "spectral": spectral}
STOPS = [(name, stop) for name in GAMES for stop in (1, 3, 4)]  # within an interval of ADA and of path length, and between two


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run without a stop: whole(name) -> (its checkpoint, the terms of its steps)."""
    folder, known = tmp_path_factory.mktemp("whole"), {}

    def get(name):
        if name not in known:
            trainer, terms = fit(GAMES[name](), shape=SHAPE, steps=STEPS)
            trainer.save_checkpoint(folder / name)
            known[name] = torch.load(folder / name, weights_only=True), terms
        return known[name]

    return get


@pytest.mark.parametrize(("name", "stop"), kinds(STOPS, ("style", 3), ("lecam", 1)))
def test_a_resumed_run_is_bit_equal(tmp_path, whole, name, stop):
    expected, terms = whole(name)
    trainer, _ = fit(GAMES[name](), shape=SHAPE, steps=STEPS, callbacks=[StopAt(stop)])
    trainer.save_checkpoint(tmp_path / "part.ckpt")
    trainer, after = fit(GAMES[name](), shape=SHAPE, steps=STEPS, ckpt_path=tmp_path / "part.ckpt")
    trainer.save_checkpoint(tmp_path / "rest.ckpt")
    assert len(after) == STEPS - stop
    assert all(same(a, b) for a, b in zip(terms[stop:], after, strict=True))
    rest = torch.load(tmp_path / "rest.ckpt", weights_only=True)
    for part in ("state_dict", "optimizer_states", "global_step"):
        assert equal(expected[part], rest[part]), part


STATES = {
    "style": ("augmentation.p", "regularizers.path_length.mean_length.value", "generator.w_mean"),
    "lecam": ("augmentation.p", "regularizers.lecam.real_mean.value", "regularizers.lecam.fake_mean.value"),
    "spectral": ("discriminator.blocks.0.conv2.parametrizations.weight.0._v",),
}


@pytest.mark.parametrize(
    ("name", "state"), kinds([(name, s) for name in STATES for s in STATES[name]], ("lecam", "augmentation.p"))
)
def test_a_state_that_is_lost_would_be_seen(tmp_path, whole, name, state):
    """The negative control: with another value of it in the checkpoint the rest of the run is another."""
    expected, _ = whole(name)
    trainer, _ = fit(GAMES[name](), shape=SHAPE, steps=STEPS, callbacks=[StopAt(3)])
    trainer.save_checkpoint(tmp_path / "part.ckpt")
    part = torch.load(tmp_path / "part.ckpt", weights_only=True)
    part["state_dict"][state] = part["state_dict"][state] * 0.5 + 0.25
    torch.save(part, tmp_path / "part.ckpt")
    gan = GAMES[name]()
    fit(gan, shape=SHAPE, steps=STEPS, ckpt_path=tmp_path / "part.ckpt")
    assert not equal(expected["state_dict"], gan.state_dict())


def test_the_states_move(whole):
    """Else the tests above would compare what never changes."""
    for name, states in STATES.items():
        start, end = GAMES[name]().state_dict(), whole(name)[0]["state_dict"]
        assert not [state for state in states if torch.equal(start[state], end[state])]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose newest checkpoint is of step 8."""
    return trained(tmp_path_factory.mktemp("run") / "run", *TINY)


@pytest.mark.parametrize("step", kinds([1, 5, 7, 8], 7))
def test_a_step_again_is_as_it_was_logged(command, tmp_path, run, step):
    done = command("gan-replay", f"run={run}", f"step={step}", "out=seen")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "seen" / "terms.json").read_text())
    assert found["logged"] == found["terms"]
    assert ("regularizer/path_length/g" in found["terms"]) == (step % 2 == 1)
    assert "regularizer/lecam/d" in found["terms"]
    state = torch.load(run / "checkpoints" / "step=00000008.ckpt", weights_only=True)["state_dict"]
    assert state["augmentation.p"] not in (0, 0.5)
