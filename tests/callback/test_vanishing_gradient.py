"""The vanishing gradient: its measurement leaves the run unchanged, and equals what the weights D and 1 − D predict."""

import copy
import csv
import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from tiny_gan import LATENT, Folder, Terms, equal, fit, make_gan
from torch import nn

from gan_lightning.callback import base
from gan_lightning.callback.vanishing_gradient import VanishingGradient
from gan_lightning.data.digits import Digits
from gan_lightning.data.ring import Ring
from gan_lightning.loss.minimax import Minimax
from gan_lightning.loss.non_saturating import NonSaturating
from gan_lightning.model import mlp, resize_convolution
from gan_lightning.step.seeding import Purpose, seeded_generator

SHAPE = (1, 8, 8)
UNLABELLED = Ring(sample_shape=(2,), num_classes=0)


class DropoutDiscriminator(mlp.Discriminator):
    """Draw random numbers in every forward pass."""

    def forward(self, x, labels=None):
        return super().forward(nn.functional.dropout(x, 0.1), labels)


def make_stateful_gan(**overrides):
    """Return a GAN with running statistics in G and random numbers in D."""
    torch.manual_seed(0)
    networks = {
        "generator": resize_convolution.Generator(LATENT, SHAPE, width=4),
        "discriminator": DropoutDiscriminator(SHAPE, width=16, depth=1),
    }
    return make_gan(SHAPE, loss=Minimax(), discriminator_warmup_steps=4, **networks, **overrides)


class StateAfter(Terms):
    """Record the gradients and the random state that a later callback finds."""

    def __init__(self):
        super().__init__()
        self.states = []

    def on_train_batch_end(self, trainer, module, *rest):
        grads = [None if p.grad is None else p.grad.clone() for p in module.parameters()]
        self.states.append((grads, torch.get_rng_state()))


def train(folder, name, *callbacks):
    after = StateAfter()
    trainer, terms = fit(make_stateful_gan(), steps=8, shape=SHAPE, callbacks=[*callbacks, after])
    trainer.save_checkpoint(folder / f"{name}.ckpt")
    state = torch.load(folder / f"{name}.ckpt", weights_only=True)
    return {key: state[key] for key in ("state_dict", "optimizer_states", "global_step")}, terms, after.states


def test_measuring_leaves_the_run_unchanged(tmp_path):
    callback = VanishingGradient(Folder(tmp_path), UNLABELLED, every_n_steps=1, num_samples=16)
    assert equal(train(tmp_path, "alone"), train(tmp_path, "measured", callback))
    assert [row["step"] for row in callback.rows] == list(range(9))


def test_a_change_would_be_detected(tmp_path, monkeypatch):
    """The negative control of the test above."""
    monkeypatch.setattr(base, "state_restored", lambda gan: nullcontext())
    callback = VanishingGradient(Folder(tmp_path), UNLABELLED, every_n_steps=1, num_samples=16)
    assert not equal(train(tmp_path, "alone"), train(tmp_path, "measured", callback))


def test_the_gradient_is_that_of_a_backward_pass(tmp_path):
    gan = make_gan(SHAPE, generator=resize_convolution.Generator(LATENT, SHAPE, 3, width=4), num_classes=3)
    row = VanishingGradient(Folder(tmp_path), Digits(sample_shape=SHAPE, num_classes=3), num_samples=12).measure(gan)
    for name, loss in (("minimax", Minimax()), ("non_saturating", NonSaturating())):
        copied = copy.deepcopy(gan)
        z = copied.prior.sample(12, LATENT, torch.device("cpu"), seeded_generator(Purpose.PICTURE, 0, 2))
        labels = torch.arange(12) % 3
        logits = copied.discriminator(copied.generator(z, labels), labels).logits
        loss.generator(None, logits).mean().backward()
        logits = logits.detach()
        expected = sum(p.grad.square().sum() for p in copied.generator.parameters()) ** 0.5
        assert row[name] == pytest.approx(float(expected), rel=1e-5)
        assert row["discriminator_of_fake"] == pytest.approx(float(logits.sigmoid().mean()), rel=1e-5)
    assert row["ratio"] == pytest.approx(row["minimax"] / row["non_saturating"])


def test_steps_of_the_rows(tmp_path):
    callback = VanishingGradient(Folder(tmp_path), UNLABELLED, every_n_steps=10)
    due = [step for step in range(701) if callback.due(step, SimpleNamespace(discriminator_warmup_steps=600))]
    assert due[:4] == [0, 1, 2, 3]
    warmup = [step for step in due if step <= 600]
    assert warmup[-1] == 600
    assert 13 <= len(warmup) <= 15
    assert due[len(warmup) :] == list(range(610, 701, 10))
    without_warmup = [step for step in range(21) if callback.due(step, SimpleNamespace(discriminator_warmup_steps=0))]
    assert without_warmup == [0, 10, 20]


def test_recovery_by_hand(tmp_path):
    callback = VanishingGradient(Folder(tmp_path), UNLABELLED, every_n_steps=10)
    outputs = [0.9, *[0.0] * 3, *[0.25] * 4, 0.2, 0.3, 0.3]
    callback.rows = [{"step": 100 + 10 * i, "discriminator_of_fake": d} for i, d in enumerate(outputs)]
    assert callback.recovered_after(100) == 90  # 0.25, 0.25, 0.25, 0.2, 0.3 is the first row of five that means 0.25
    callback.rows = callback.rows[:-2]
    assert callback.recovered_after(100) is None


def read_rows(folder):
    with (folder / "vanishing_gradient.csv").open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_the_experiment_shows_it_and_resumes(command, tmp_path):
    line = [
        "experiment=vanishing_gradient",
        "metric=none",
        "gan.discriminator_warmup_steps=60",
        "model.width=8",
        "data.batch_size=16",
    ]
    line += ["callback.vanishing_gradient.every_n_steps=5", "logger=csv"]
    assert command("gan-train", *line, "trainer.max_steps=80", "hydra.run.dir=uninterrupted").code == 0
    rows = read_rows(tmp_path / "uninterrupted")
    assert all(row["ratio"] == pytest.approx(row["predicted_ratio"], rel=0.05) for row in rows)
    warmup = [row for row in rows if row["step"] <= 60]
    assert warmup[-1]["minimax"] < 0.5 * warmup[0]["minimax"]
    assert warmup[-1]["non_saturating"] > warmup[0]["non_saturating"]
    assert (tmp_path / "uninterrupted" / "vanishing_gradient.png").stat().st_size > 5000
    assert "recovered_after" in json.loads((tmp_path / "uninterrupted" / "result.json").read_text())
    header = (tmp_path / "uninterrupted" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"vanishing_gradient/minimax", "vanishing_gradient/ratio"} <= set(header)
    assert command("gan-train", *line, "trainer.max_steps=30", "hydra.run.dir=resumed").code == 0
    assert command("gan-train", "run=resumed", "trainer.max_steps=80").code == 0
    assert read_rows(tmp_path / "resumed") == rows
