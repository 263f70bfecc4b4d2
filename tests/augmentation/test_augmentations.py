"""Every augmentation that conf/augmentation names: found by looking, tried on each kind of sample."""

import pytest
import torch
import yaml
from discovery import classes
from tiny_gan import fit, make_gan

from gan_lightning import augmentation as room
from gan_lightning.augmentation.base import Augmentation
from gan_lightning.augmentation.instance_noise import InstanceNoise
from gan_lightning.config.compose import config_dir
from gan_lightning.config.instantiate import instantiate
from gan_lightning.regularizer.r1 import R1
from gan_lightning.step.progress import Progress
from gan_lightning.step.schedule import Linear

FILES = {path.stem: yaml.safe_load(path.read_text()) or {} for path in sorted((config_dir() / "augmentation").glob("*.yaml"))}
OPTIONS = {name: node for name, node in FILES.items() if "_target_" in node}


def test_every_option_is_a_class_of_the_room_and_every_class_an_option():
    assert {node["_target_"] for node in OPTIONS.values()} == classes(room, Augmentation)
    assert all("defaults" in node for name, node in FILES.items() if name not in OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("shape", [(6,), (2, 8), (3, 4, 6)], ids=["points", "signals", "images"])
def test_every_augmentation_plays_with_a_gradient_penalty(name, shape):
    augmentation = instantiate(OPTIONS[name])
    if why := augmentation.incompatibility(shape):
        assert len(shape) < 3
        assert why.endswith(f"samples have shape {list(shape)}")
        return
    gan = make_gan(shape, augmentation=augmentation, regularizers={"r1": R1()}, packing=2)
    _, said = fit(gan, steps=2, shape=shape)
    assert all(term.isfinite().all() for terms in said for term in terms.values())
    assert all(p.isfinite().all() for p in gan.parameters())


def test_instance_noise_has_its_scheduled_deviation():
    torch.manual_seed(0)
    noise, x = InstanceNoise(0.5, Linear()), torch.ones(40000, 2)
    for step, std in ((0, 0.5), (50, 0.25), (100, 0.0)):
        noise.advance(Progress(step, 100))
        assert (noise(x) - x).std().item() == pytest.approx(std, abs=0.005)
    assert noise.state_dict() == {}
