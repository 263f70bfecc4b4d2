"""Games that several ranks play, and one process alone: `python ddp_worker.py FOLDER` is one rank, for test_ranks.py."""

import sys
from functools import partial
from pathlib import Path

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from tiny_gan import LATENT, fit, make_gan

from gan_lightning.augmentation.ada import ADA
from gan_lightning.augmentation.base import Augmentation
from gan_lightning.config.world_size import global_rank
from gan_lightning.distributed.strategy import Parallel
from gan_lightning.loss.relativistic import Relativistic
from gan_lightning.model import dcgan, resize_convolution, sagan, stylegan2
from gan_lightning.regularizer.base import Regularizer
from gan_lightning.regularizer.gradient_penalty import GradientPenalty
from gan_lightning.regularizer.lecam import LeCam
from gan_lightning.regularizer.path_length import PathLength
from gan_lightning.regularizer.r1 import R1
from gan_lightning.regularizer.r2 import R2
from gan_lightning.step.statistics import RunningMean

WHOLE = 8  # samples of an update, over all ranks
STEPS = 3
SGD = partial(torch.optim.SGD, lr=0.1)  # its steps are the gradients
IMAGE = (1, 8, 8)


class Steered(Augmentation):
    """Moves samples by p, which follows the share of real samples above their mean logit: no mean over ranks has it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("p", torch.zeros(()))

    def forward(self, x):
        return x + self.p

    def update(self, real_logits):
        self.p.add_(0.1 * (real_logits > real_logits.mean()).float().mean())


class Anchor(Regularizer):
    """Draws D's logits of generated samples to the running mean of those of real ones."""

    def __init__(self):
        super().__init__(0.5)
        self.mean = RunningMean(0.5)

    def discriminator(self, context):
        return (context.fake_output.mean_logits - self.mean.update(context.real_output.mean_logits)).square()


def penalties():
    return {"r1": R1(0.5), "r2": R2(0.5)}


def convolutional(room, num_classes=0, **given):
    torch.manual_seed(0)
    classes = {"num_classes": num_classes}
    generator, discriminator = room.Generator(LATENT, IMAGE, width=4, **classes), room.Discriminator(IMAGE, width=4, **classes)
    return make_gan(IMAGE, generator=generator, discriminator=discriminator, **given)


def style(**given):
    """StyleGAN2 with ADA and path length: each rank draws its own noise, transforms and directions."""
    torch.manual_seed(0)
    small = {"width": 4, "style_dim": 8, "mapping_depth": 2}
    networks = {
        "generator": stylegan2.Generator(LATENT, IMAGE, **small),
        "discriminator": stylegan2.Discriminator(IMAGE, **small),
    }
    augmentation, path_length = ADA(speed_kimg=0.08, interval=1, initial_p=0.5), PathLength(interval=2)
    return make_gan(IMAGE, **networks, augmentation=augmentation, regularizers={"path_length": path_length}, **given)


GAMES = {
    "plain": lambda **o: make_gan(num_classes=3, **o),
    "penalties": lambda **o: make_gan(num_classes=3, regularizers=penalties(), loss=Relativistic(), **o),
    "several updates": lambda **o: make_gan(d_steps_per_g_step=2, resample_z=True, packing=2, regularizers=penalties(), **o),
    "in parts": lambda **o: make_gan(num_classes=3, accumulate_grad_batches=2, **o),
    "normalised": lambda **o: convolutional(resize_convolution, regularizers=penalties(), **o),
    "normalised, both": lambda **o: convolutional(dcgan, regularizers=penalties(), loss=Relativistic(), **o),
    "normalised by class": lambda **o: convolutional(sagan, num_classes=3, **o),
    "each by its own": lambda **o: convolutional(resize_convolution, **o),
    "steered": lambda **o: make_gan(augmentation=Steered(), regularizers={"anchor": Anchor()}, **o),
    "lecam": lambda **o: make_gan(regularizers={"lecam": LeCam(3.0, decay=0.5)}, accumulate_grad_batches=2, **o),
    "style": style,
    "fresh": lambda **o: make_gan(num_classes=3, d_steps_per_g_step=2, fresh_real=True, loss=Relativistic(), **o),
    "frozen": lambda **o: make_gan(lr_multipliers={"discriminator": {"hidden": 0}, "generator": {"hidden": 0.5}}, **o),
    "noise beside z": lambda **o: make_gan(regularizers={"gradient_penalty": GradientPenalty()}, **o),
}


def written(start):
    """The command of docs/processes.md that begins so, as words."""
    page = (Path(__file__).parent.parent / "docs" / "processes.md").read_text().replace("\\\n", " ")
    (line,) = [line for line in page.splitlines() if line.startswith(start)]
    return line.split()


class Diary(pl.Callback):
    """What was seen and learned in each step."""

    def __init__(self):
        self.pages = []

    def on_train_batch_end(self, trainer, gan, outputs, batch, i):
        gradients = {name: p.grad.clone() for name, p in gan.named_parameters() if p.grad is not None}
        state = {name: x.clone() for name, x in gan.state_dict().items()}
        self.pages.append({"real": batch.real, "gradients": gradients, "state": state})


def play(name, world=1):
    """Three steps of a game, `WHOLE / world` samples a rank."""
    gan, diary = GAMES[name](optimizers={"generator": SGD, "discriminator": SGD}), Diary()
    shape = IMAGE if name.startswith("normalised") or name in ("each by its own", "style") else (1, 4, 4)
    apart = {"devices": world, "strategy": Parallel(60.0, sync_batchnorm=name != "each by its own")}
    several = apart | {"plugins": [TorchElasticEnvironment()], "use_distributed_sampler": False} if world > 1 else {}
    classes = getattr(gan.generator, "num_classes", 0)
    fit(gan, STEPS, WHOLE // world, shape, classes, callbacks=[diary], **several)
    return diary.pages


def main():
    """Play all games as one of two ranks."""
    torch.set_num_threads(1)
    torch.save({name: play(name, 2) for name in GAMES}, Path(sys.argv[1]) / f"{global_rank()}.pt")
