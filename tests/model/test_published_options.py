"""The options of the style-based and modern models hold the published values, which are the defaults of their classes."""

import importlib
import inspect

import pytest
import yaml

from gan_lightning.config.compose import config_dir

OWN = {"latent_dim", "sample_shape", "num_classes"}  # of the data and of the latents


def option(name):
    return yaml.safe_load((config_dir() / "model" / f"{name}.yaml").read_text())


def stated(model, player):
    """A player's values, with those that the model states once."""
    node = {key: value for key, value in model[player].items() if key != "_target_" and key not in OWN}
    return {key: model[key] if value == f"${{..{key}}}" else value for key, value in node.items()}


@pytest.mark.parametrize("player", ["generator", "discriminator"])
@pytest.mark.parametrize("name", ["stylegan2", "r3gan", "fastgan", "projected"])
def test_an_option_states_the_defaults_of_its_class(name, player):
    model = option(name)
    module, _, cls = model[player]["_target_"].rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(module), cls)).parameters
    assert stated(model, player) == {key: p.default for key, p in parameters.items() if key not in OWN}


def test_the_cifar_network_is_that_of_ada():
    model = option("stylegan2_cifar")
    assert model == {
        "defaults": ["stylegan2", "_self_"],
        "width": 512,
        "mapping_depth": 2,
        "minibatch_group": 32,
        "generator": {"mixing": 0.0},
        "discriminator": {"mapping_depth": 8, "residual": False},
    }
