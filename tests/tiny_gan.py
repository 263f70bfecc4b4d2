"""Small games and small data that tests share."""

from functools import partial

import pytorch_lightning as pl
import torch

from gan_lightning.augmentation.none import NoAugmentation
from gan_lightning.data.store import Store
from gan_lightning.data.stream import Stream
from gan_lightning.gan import GAN
from gan_lightning.loss.non_saturating import NonSaturating
from gan_lightning.model import mlp
from gan_lightning.prior.gaussian import Gaussian
from gan_lightning.step.ema import EMA
from gan_lightning.step.optimization import PlayerOptimizer
from gan_lightning.step.schedule import Constant

LATENT = 8
ADAM = partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.99))


def make_gan(shape=(1, 4, 4), num_classes=0, **given) -> GAN:
    """A small game; anything of it can be given."""
    torch.manual_seed(0)
    packing = given.get("packing", 1)
    generator = given.pop("generator", None) or mlp.Generator(LATENT, shape, num_classes, width=16, depth=1)
    discriminator = given.pop("discriminator", None) or mlp.Discriminator(
        (packing * shape[0], *shape[1:]), num_classes, width=16, depth=1
    )
    makers, schedule = given.pop("optimizers", {"generator": ADAM, "discriminator": ADAM}), given.pop("schedule", Constant())
    schedules, multipliers = given.pop("schedules", {}), given.pop("lr_multipliers", {})
    settled = {
        "loss": NonSaturating(),
        "regularizers": {},
        "augmentation": NoAugmentation(),
        "prior": Gaussian(),
        "ema": EMA(generator, 0.9),
        "optimizers": {
            player: PlayerOptimizer(make, [("lr", schedule), *schedules.get(player, {}).items()], multipliers.get(player))
            for player, make in makers.items()
        },
        "latent_dim": LATENT,
    }
    return GAN(generator, discriminator, **(settled | given))


class Terms(pl.Callback):
    """Keeps what each iteration said."""

    def __init__(self):
        self.steps = []

    def on_train_batch_end(self, trainer, module, outputs, batch, i):
        self.steps.append(outputs)


class Folder:
    """What a watcher needs of a run: a place, and a memory."""

    def __init__(self, path):
        self.path, self.recorded = path, {}

    def record(self, **entries):
        self.recorded |= entries


class Loader(pl.LightningDataModule):
    """The stream over a few stored samples."""

    def __init__(self, shape, num_classes, n, seed=0, num_workers=0, rounds=1):
        super().__init__()
        source = torch.Generator().manual_seed(3)
        real = torch.randn(50, *shape, generator=source).tanh().numpy()
        labels = torch.randint(num_classes, (50,), generator=source).numpy() if num_classes else None
        self.store, self.n, self.seed, self.num_workers, self.rounds = Store(real, labels), n, seed, num_workers, rounds

    def train_dataloader(self):
        start, rank, world = self.trainer.global_step, self.trainer.global_rank, self.trainer.world_size
        stream = Stream(self.store, self.n, self.seed, start, rank, world, self.rounds)
        return torch.utils.data.DataLoader(stream, batch_size=None, num_workers=self.num_workers)


def fit(
    gan, steps=4, n=8, shape=(1, 4, 4), num_classes=0, ckpt_path=None, callbacks=(), num_workers=0, loader=Loader, **trainer
):
    """Train a small game; returns its trainer and what each iteration said."""
    terms = Terms()
    given = {"max_steps": steps, "accelerator": "cpu", "logger": False, "enable_checkpointing": False} | trainer
    trainer = pl.Trainer(
        enable_progress_bar=False, enable_model_summary=False, callbacks=[terms, *callbacks], max_epochs=-1, **given
    )
    data = loader(shape, num_classes, n * gan.batches_per_step, gan.seed, num_workers, gan.batches_per_step)
    trainer.fit(gan, data, ckpt_path=ckpt_path, weights_only=True)
    return trainer, terms.steps


def trained(folder, *words):
    """A run of this process, trained to its end: its directory."""
    from gan_lightning.config.compose import Composer
    from gan_lightning.config.preflight import validate_and_preflight
    from gan_lightning.run.directory import Run
    from gan_lightning.training.fit import train

    config = Composer().compose([*words])
    run = Run.begin(folder, config, [*words])
    assert train(run, validate_and_preflight(config)) == 0
    return run.path


def equal(one, other) -> bool:
    """Bit for bit, through whatever holds the tensors."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other
