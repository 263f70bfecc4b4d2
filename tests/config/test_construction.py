"""Configs that ask for more layers or memory than a machine has: one line, before memory is asked for."""

import pytest
import torch

from gan_lightning.config import construction
from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.instantiate import build_networks
from gan_lightning.config.preflight import validate_and_preflight
from gan_lightning.config.validate import validate

LARGE = {  # what is typed beside experiment=digits_fast or ring_fast → what the line begins with
    "model.width=10000000": "model: training needs at least",
    "model.width=1000000000000": "model: can't be built: Storage size calculation overflowed",
    "model.width=100000000000000000000000": "model.width: ",
    "gan.latent_dim=10000000000": "model: training needs at least",
    "data.batch_size=1000000000000": "data.batch_size: ",
    "model=dcgan model.width=3000000": "model: training needs at least",
    "model=mlp model.depth=1000000000000": "model: has more than 200 tensors",
    "data.num_workers=1000000": "data.num_workers: 1000000 should be less than",
    "experiment=ring_fast data.batch_size=1000000000000": "model: training needs at least",
    "experiment=ring_fast data.batch_size=10000000000000000000": "data.batch_size: ",
    "experiment=ring_fast gan.d_steps_per_g_step=1000000000": "model: training needs at least",
    "experiment=ring_fast data.modes=1000000000": "data.modes: 1000000000 should be less than",
    "experiment=grid data.side=1000000": "data.side: 1000000 should be less than",
    "experiment=ring_fast metric=mode_coverage metric.mode_coverage.num_samples=1000000000000": "metric.mode_coverage.",
}


@pytest.fixture(scope="module")
def composer():
    return Composer()


@pytest.mark.parametrize("words", LARGE)
def test_what_no_machine_has(composer, monkeypatch, words):
    monkeypatch.setattr(construction, "MAX_TENSORS", 200)
    with pytest.raises(UserError) as refused:
        validate_and_preflight(
            composer.compose(["experiment=digits_fast", "metric=none", "trainer.accelerator=cpu", *words.split()])
        )
    (line,) = refused.value.lines
    assert line.startswith(LARGE[words]), line


def test_networks_of_a_run_are_built_within_memory(composer, monkeypatch):
    """A stranger's config of a run is not preflighted before its weights are loaded; building it stops at the limit."""
    plain = validate(composer.compose(["experiment=digits_fast", "metric=none", "model.width=256"]))
    assert build_networks(plain)
    monkeypatch.setattr(construction, "machine_memory", lambda: 2**20)
    with pytest.raises(UserError, match=r"its weights need more than the 1\.0 MiB of memory of this machine"):
        build_networks(plain)
    assert not torch.nn.modules.module._global_parameter_registration_hooks
