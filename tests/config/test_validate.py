"""Every mistake is one line that names the key; what may not run is in test_hostile.py."""

import sys

import pytest
import torch

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.preflight import preflight
from gan_lightning.config.resolve import flatten
from gan_lightning.config.targets import FOREIGN, import_object
from gan_lightning.config.validate import validate
from gan_lightning.config.world_size import world_size


@pytest.fixture(scope="module")
def composer():
    return Composer()


def mistakes(composer, line):
    overrides = line.split()
    try:
        config = composer.compose(overrides)
        preflight(validate(config))
    except UserError as error:
        return list(error.lines)
    return []


MULTIPLIERS, SCHEDULES = "+optimizer.lr_multipliers", "+optimizer/schedule@optimizer.schedules"

REFUSED = {
    # a key that nothing reads, typed plainly or with a plus
    "model.widht=3": "model.widht: no such key; did you mean model.width?",
    "+model.widht=3": "model.widht: no such key; did you mean model.width?",
    "data.batch_sise=4": "data.batch_sise: no such key; did you mean data.batch_size?",
    "checkpoint.every=9": "checkpoint.every: no such key; did you mean checkpoint.every_n_steps?",
    "+loss.margin=2": "loss.margin: no such key",
    "++loss.margin=2": "loss.margin: no such key",
    "+foo=3": "foo: no such key; allowed: ",
    "+foo.bar=3": "foo.bar: no such key; allowed: ",
    "+trainer.max_step=5": "trainer.max_step: no such key; did you mean trainer.max_steps?",
    "+gan.generator=3": "gan.generator: no such key; allowed: accumulate_grad_batches, ",
    # an option that is not there
    "loss=hing": "loss=hing: no such option; did you mean hinge? allowed: dual_contrastive, hinge, least_squares",
    "regularizer=[r1,r3gan_digit]": "regularizer=r3gan_digit: no such option; did you mean r3gan_digits",
    "loss=[hinge,minimax]": "loss=['hinge', 'minimax']: takes one option",
    "experiment=nosuch": "experiment=nosuch: no such option; allowed: ",
    # wrong kinds
    "data.batch_size=abc": 'data.batch_size: "abc" should be a valid integer',
    "data.batch_size=2.5": "data.batch_size: 2.5 should be a valid integer",
    "data.batch_size=true": "data.batch_size: true should be a valid integer",
    "data.batch_size=null": "data.batch_size: null should be a valid integer",
    "data.sample_shape=16": "data.sample_shape: 16 should be a valid array",
    "optimizer.lr=high": 'optimizer.lr: "high" should be a valid number',
    "optimizer.betas=[0.5]": "optimizer.betas: [0.5] should have at least 2 items",
    "trainer.max_steps=ten": 'trainer.max_steps: "ten" should be a valid integer',
    "gan.resample_z=maybe": 'gan.resample_z: "maybe" should be a valid boolean',
    "seed=abc": 'seed: "abc" should be a valid integer',
    "seed=true": "seed: true should be a valid integer",
    "debug=3": "debug: 3 should be a valid boolean",
    "name=a/b": 'name: "a/b" should be a word',
    "objective=3": "objective: 3 should be a valid string",
    # numbers out of range
    "data.batch_size=-4": "data.batch_size: -4 should be greater than or equal to 1",
    "data.num_workers=-1": "data.num_workers: -1 should be",
    "optimizer.lr=-1": "optimizer.lr: Invalid learning rate: -1",
    "optimizer.lr=nan": "optimizer.lr: nan should be a finite number",
    "regularizer.r1.weight=inf": "regularizer.r1.weight: inf should be a finite number",
    "optimizer.betas=[0.5,1.5]": "optimizer.betas: Invalid beta parameter at index 1: 1.5",
    "regularizer.r1.weight=-1": "regularizer.r1.weight: -1 should be greater than or equal to 0",
    "regularizer.r1.schedule.final=-2": "regularizer.r1.schedule.final: -2 should be greater than 0",
    "ema.decay=2": "ema.decay: 2 should be less than 1",
    "gan.latent_dim=0": "gan.latent_dim: 0 should be",
    f"{MULTIPLIERS}.discriminator.layers=-1": "optimizer.lr_multipliers.discriminator.layers: -1 should be a number",
    f"{MULTIPLIERS}.discriminator.layers=slow": 'optimizer.lr_multipliers.discriminator.layers: "slow" should be a number',
    f"{MULTIPLIERS}.critic.layers=1": "optimizer.lr_multipliers.critic: critic is no player; allowed: discriminator, gen",
    f"{MULTIPLIERS}.generator.strat=1": "optimizer.lr_multipliers.generator.strat: no parameter's name begins so; did you",
    f"{MULTIPLIERS}.discriminator.layers.9=0": (
        "optimizer.lr_multipliers.discriminator.layers.9: no parameter's name begins so; did you mean layers.4?"
    ),
    f"{MULTIPLIERS}.generator.start=0 {MULTIPLIERS}.generator.layers=0": "optimizer.lr_multipliers.generator: all parameters",
    f"{SCHEDULES}.generator.lrr=linear": "optimizer.schedules.generator.lrr: the optimizer has no such number; did you",
    f"optimizer=sgd {SCHEDULES}.generator.beta2=linear": "optimizer.schedules.generator.beta2: the optimizer has no such",
    f"{SCHEDULES}.generatr.lr=linear": "optimizer.schedules.generatr.lr._target_: generatr is no player; did you",
    f"{SCHEDULES}.generator.beta2=ramp optimizer.schedules.generator.beta2.start=2": (
        "optimizer.schedules.generator.beta2: 0.99 becomes 1.98; a beta is below 1"
    ),
    "+optimizer.schedules=3": "optimizer.schedules: 3 should have a mapping for each player",
    "gan.d_steps_per_g_step=0": "gan.d_steps_per_g_step: 0 should be",
    "trainer.max_steps=0": "trainer.max_steps: 0 should be a number of generator updates",
    "checkpoint.every_n_steps=0": "checkpoint.every_n_steps: 0 should be",
    "seed=-1": "seed: -1 should be greater than or equal to 0",
    # what can't be together
    "model=mlp data=ring metric=none model.num_classes=10": "model.num_classes: 10 classes, but the data are unlabelled",
    "model.num_classes=5": "model.num_classes: 5 classes, but the data have 10",
    "data.num_classes=7": "data.num_classes: the digits have 10 classes, not 7",
    "model.generator.sample_shape=[3,16,16]": "model.generator: draws samples of shape [3, 16, 16]",
    "model.discriminator.sample_shape=[3,16,16]": "model.discriminator: can't judge samples of shape [1, 16, 16]",
    "data=ring metric=none": "model: [2] is no image",
    "data.sample_shape=[1,9,9]": "data.sample_shape: [1, 9, 9] is no size of the digits",
    "data.batch_size=5000": "data.batch_size: 5000 samples can't be served from 1198 training samples; at most 1198 can",
    "gan.packing=3 model.num_classes=0 metric=none": "gan.packing: 3 samples at a time do not divide data.batch_size=64",
    "gan.accumulate_grad_batches=7": "gan.accumulate_grad_batches: 7 parts do not divide data.batch_size=64",
    "trainer.precision=16-mixed": "trainer.precision: 16-mixed needs a loss scaler",
    "trainer.accelerator=nosuch": "trainer: ",
    "+trainer.limit_train_batches=2": "trainer.limit_train_batches: not an option here; allowed: max_steps",
    "+trainer.enable_progress_bar=false": "trainer.enable_progress_bar: not an option here",
    "trainer.precision=64-true": "trainer.precision: 64-true is not supported; allowed: 32-true, bf16-mixed",
    "seed=0,1": "seed=0,1: to run one after the other use -m",
    "data=dataset data.dataset={_target_:torchvision.datasets.FakeData}": "data.sample_shape: missing; it is needed",
    "loss=null": "loss=null: no such option; allowed: dual_contrastive, hinge",
    "regularizer=r1,r2": "regularizer=r1,r2: to run one after the other use -m; to combine them: 'regularizer=[r1,r2]'",
    "optimizer.schedule=cosine": 'optimizer.schedule: "cosine" is no node with a _target_; to choose an option: optimizer/sch',
    "model.generator=5": "model.generator: 5 is no node with a _target_; to choose an option: model=…",
    "~gan.packing": "gan.packing: missing; it is needed",
    "optimizer.generator._partial_=false": "optimizer.generator._partial_: false should be True",
    "loss._target_=gan_lightning.loss.base.AdversarialLoss": "loss._target_: gan_lightning.loss.base.AdversarialLoss is not",
    "data._target_=gan_lightning.data.music.Music": "data._target_: gan_lightning.data.music.Music is a base class without",
    "data._target_=gan_lightning.data.points.Points": "data._target_: gan_lightning.data.points.Points is a base class without",
    "model.generator.num_classes=3 metric=none": "model.generator: 3 classes, but the data have 10",
    "model.num_classes=0": "metric.class_accuracy: needs classes, but the generator has none",
    "objective=class_accuracy_real": "objective: no metric gives class_accuracy_real; did you mean class_accuracy?",
    "trainer.devices=2": "trainer.devices: 2 processes need a strategy; use trainer=ddp",
    "trainer=ddp trainer.num_nodes=2": "trainer.num_nodes: 2 nodes, but this is the only process; start it on each node",
    "+trainer.gradient_clip_val=1": "trainer.gradient_clip_val: not an option here",
    "+trainer.accumulate_grad_batches=2": "trainer.accumulate_grad_batches: not an option here; use gan.accumulate",
    "data=ring model=mlp": "metric.class_accuracy: class accuracy needs a class",
    "augmentation=diffaugment data=ring model=mlp metric=none": "augmentation: changes images (C, H, W), and samples",
    "metric=mode_coverage": "metric.mode_coverage: mode coverage needs data whose modes are known",
    "objective=fid": "objective: no metric gives fid; allowed: class_accuracy",
    # what is missing
    "~loss": "loss: null is no node with a _target_; to choose an option: loss=",
    "data=image_folder model=dcgan metric=none": "data.root: missing",
    "data=mnist model=dcgan data.root=/nosuch": "data.root: ",
}


@pytest.mark.parametrize("line", REFUSED)
def test_a_mistake_is_one_line(composer, line):
    (said,) = mistakes(composer, line)
    assert said.startswith(REFUSED[line])
    assert "\n" not in said


def test_all_mistakes_are_told_at_once(composer):
    said = mistakes(composer, "model.widht=3 data.batch_sise=4 ema.decay=2 seed=-1")
    assert {line.partition(":")[0] for line in said} == {"ema.decay", "model.widht", "data.batch_sise", "seed"}


RUNS = [
    "",
    "regularizer=none",
    "regularizer=[r1,gradient_penalty]",
    "optimizer=sgd",
    "+optimizer.generator.weight_decay=0.1",
    "optimizer.discriminator.lr=0.002",
    "optimizer.discriminator.lr=0.002 optimizer.generator.lr=0.001",  # nothing reads optimizer.lr any more
    "model.generator.width=8",
    "model.num_classes=0 gan.packing=2 metric=none",
    "gan.packing=2",
    "model.generator.num_classes=0 metric=none",
    "model.discriminator.num_classes=0",
    "gan.fresh_real=true",
    f"{SCHEDULES}.generator.beta2=cosine {SCHEDULES}.discriminator.weight_decay=linear",
    f"{MULTIPLIERS}.generator.start=0.01 {MULTIPLIERS}.discriminator.layers.0=0",
    "+ema.schedule._target_=gan_lightning.step.schedule.Ramp",
    "model=mlp data=ring metric=none prior=sphere",
    "model=dcgan data.sample_shape=[1,32,32] loss=hinge",
    "name=1",
    "++optimizer.generator.weight_decay=0.1",
    "~callback",
    "optimizer/schedule=ramp",
    "data.num_classes=0 metric=none",
    "logger=none",
    "trainer.precision=bf16-mixed",
    "trainer=ddp trainer.accelerator=cpu trainer.devices=auto",
]


@pytest.mark.parametrize("line", RUNS)
def test_what_is_right_passes(composer, line):
    assert mistakes(composer, line) == []


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("model.max_width=64", "model.max_width: not in this config; to add it: +model.max_width=64"),
        ("+model.max_width=64", "model.max_width: no such key; neither player of this model reads it"),
    ],
)
def test_a_key_beside_the_players_that_neither_reads(composer, key, said):
    """Though both networks have a parameter of this name, which the option's file sets."""
    line = ["model=projected", "metric=none", key]
    with pytest.raises(UserError) as error:
        composer.refuse_new(line)
    assert error.value.lines == (said,)


@pytest.mark.parametrize("option", ["gpu", "ddp_gpu"])
def test_without_a_gpu_one_line_says_so(composer, monkeypatch, option):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cure = "to train without: trainer=default, or trainer=ddp for several processes"
    (said,) = mistakes(composer, f"trainer={option}")
    assert said == f"trainer.accelerator: gpu: there is no CUDA GPU on this machine; {cure}"


def test_how_many_processes_train(composer, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    asked = {
        "": 1,
        "trainer=gpu": 1,
        "trainer=ddp": 2,
        "trainer=ddp_gpu": 4,
        "trainer=ddp_gpu trainer.devices=-1 trainer.num_nodes=2": 8,
        "trainer=ddp_gpu trainer.devices=[0,2,3]": 3,
        "trainer=ddp trainer.devices=auto trainer.accelerator=cpu": 1,
    }
    assert {line: world_size(validate(composer.compose(line.split()))) for line in asked} == asked


def test_a_role_is_kept(composer):
    (said,) = mistakes(composer, "loss._target_=gan_lightning.regularizer.r1.R1")
    assert said == "loss._target_: gan_lightning.regularizer.r1.R1 is not allowed here; allowed: classes in gan_lightning.loss"
    (said,) = mistakes(composer, "trainer._target_=torch.optim.Adam")
    assert said.startswith("trainer._target_: torch.optim.Adam ")
    (said,) = mistakes(composer, "loss._target_=gan_lightning.loss.hinge.Hing")
    assert "did you mean Hinge?" in said


def test_a_package_is_trusted_by_the_environment_alone(composer, tmp_path, monkeypatch):
    (tmp_path / "mylab.py").write_text(
        "from gan_lightning.loss.hinge import Hinge\nother = 3\n"
        "class Mine(Hinge):\n    def __init__(self, margin: int = 1): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    (said,) = mistakes(composer, "loss._target_=mylab.Mine")
    assert said.endswith("GAN_LIGHTNING_PACKAGES=mylab")
    assert "mylab" not in sys.modules
    monkeypatch.setenv("GAN_LIGHTNING_PACKAGES", "mylab")
    assert mistakes(composer, "loss._target_=mylab.Mine") == []
    assert mistakes(composer, "loss._target_=mylab.Mine +loss.margin=x")[0].startswith('loss.margin: "x" should be')
    assert mistakes(composer, "loss._target_=mylab.other")[0].startswith("loss._target_: mylab.other is no AdversarialLoss; ")
    sys.modules.pop("mylab")


def test_a_data_set_of_ones_own_is_checked_like_any_node(composer, tmp_path, monkeypatch):
    text = "import torch\nclass Mine(torch.utils.data.Dataset):\n    def __init__(self, n: int, seed: int = 0):\n"
    text += "        if n < 3: raise OSError('too few')\n        self.n = n\n"
    text += "    def __len__(self): return self.n\n    def __getitem__(self, i): return torch.zeros(1, 8, 8)\n"
    (tmp_path / "minelab.py").write_text(text)
    monkeypatch.chdir(tmp_path)  # a console script does not look here, so the check does
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(tmp_path))])
    monkeypatch.setenv("GAN_LIGHTNING_PACKAGES", "minelab")

    def said(values):
        line = ["data=dataset", f"data.dataset={{_target_: minelab.Mine{values}}}", "data.sample_shape=[1,8,8]", "metric=none"]
        try:
            preflight(validate(composer.compose([*line, "data.batch_size=4"])))
        except UserError as error:
            return list(error.lines)
        return []

    assert said(", n: 9, seed: 3") == []
    assert said("") == ["data.dataset.n: missing; it is needed"]
    assert said(", m: 9, n: 9")[0].startswith("data.dataset.m: no such key")
    assert said(", n: 1") == ["data: OSError: too few"]


def test_every_foreign_target_is_there():
    assert all(isinstance(import_object(name), type) for name in FOREIGN)


def test_no_key_of_the_default_config_is_idle(composer):
    """Every key can be misspelt: each is known to the check, and its misspelling is not."""
    config = composer.compose([])
    plain = validate(config)
    for key in flatten(plain):
        if not key.endswith(("_target_", "_partial_")) and "." in key:
            (said, *_) = mistakes(composer, f"+{key}x=1")
            assert said.partition(": ")[0] in (f"{key}x", key.rpartition(".")[0]), said
