"""The game: D learns to tell real samples from G's, G learns from what D says of its own, in turns.

One iteration is `d_steps_per_g_step` discriminator updates, one generator update, one batch of the loader and one
`global_step` (Goodfellow et al. 2014, algorithm 1). Everything random or scheduled in it is a function of (seed, step, rank).
Nothing is logged here: callbacks receive the terms, per sample and detached, and find the gradients in `.grad`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Annotated, Literal, cast

import pytorch_lightning as pl
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from gan_lightning.augmentation.base import Augmentation
from gan_lightning.loss.base import AdversarialLoss
from gan_lightning.prior.base import Prior
from gan_lightning.regularizer.base import Regularizer
from gan_lightning.step.ema import EMA
from gan_lightning.step.schedule import Schedule
from gan_lightning.step.seeding import Purpose, common, hashed, reseed
from gan_lightning.step.types import Batch, Output, Turn

Player = Literal["discriminator", "generator"]
Terms = dict[str, Tensor]  # name → (N,)
Count = Annotated[int, Field(ge=1)]


class GAN(pl.LightningModule):
    """`optimizers` makes each player's optimizer from its parameters; `schedule` moves both learning rates."""

    common: torch.Generator | None = None  # what several ranks draw z from; alone: the default one

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        regularizers: Mapping[str, Regularizer],
        augmentation: Augmentation,
        prior: Prior,
        ema: EMA,
        optimizers: Mapping[str, Callable[[list[nn.Parameter]], Optimizer]],
        schedule: Schedule,
        latent_dim: Count,
        d_steps_per_g_step: Count = 1,
        head_start: Annotated[int, Field(ge=0)] = 0,  # iterations in which D alone learns; G's gradient is there, not taken
        accumulate: Count = 1,  # parts that a batch passes in, for memory's sake: the gradient is that of the whole
        packing: Count = 1,  # samples that D judges together (PacGAN, Lin et al. 2018)
        fresh_z: bool = False,  # draw again for G's turn, as the paper does, instead of reusing D's last fakes
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator, self.loss, self.prior, self.ema = generator, discriminator, loss, prior, ema
        self.regularizers = cast("Mapping[str, Regularizer]", nn.ModuleDict(dict(regularizers)))
        self.augmentation, self.make_optimizers, self.schedule = augmentation, optimizers, schedule
        self.latent_dim, self.packing, self.fresh_z, self.seed = latent_dim, packing, fresh_z, seed
        self.d_steps_per_g_step, self.head_start, self.accumulate = d_steps_per_g_step, head_start, accumulate
        for regularizer in regularizers.values():
            regularizer.bind(generator, discriminator)

    def configure_optimizers(self) -> tuple[Optimizer, Optimizer]:
        """D's, then G's. A regularizer's head is D's: it helps to judge."""
        heads = [p for regularizer in self.regularizers.values() for p in regularizer.parameters()]
        d = self.make_optimizers["discriminator"]([*self.discriminator.parameters(), *heads])
        return d, self.make_optimizers["generator"](list(self.generator.parameters()))

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set all that is a function of the step: noise, learning rates, penalty weights, the average's decay."""
        reseed(hashed(Purpose.NOISE, self.seed, self.global_step, self.global_rank), self.device)
        self.common = common(self.seed, self.global_step, self.device) if self.trainer.world_size > 1 else None
        progress = self.global_step / max(self.trainer.max_steps, 1)
        for regularizer in self.regularizers.values():
            regularizer.advance(progress)
        for group in [group for optimizer in self._optimizers() for group in optimizer.param_groups]:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * self.schedule(progress)
        self.ema.advance(self.global_step)

    def training_step(self, batch: Batch, batch_idx: int) -> Terms:
        """One iteration, counted once: left alone, Lightning counts each optimizer's step."""
        terms = self.iteration(batch, {name: r for name, r in self.regularizers.items() if self.global_step % r.interval == 0})
        counted = cast("list[pl.core.optimizer.LightningOptimizer]", self.optimizers())[1]
        counted._on_before_step()
        counted._on_after_step()
        return terms

    def iteration(self, batch: Batch, due: Mapping[str, Regularizer]) -> Terms:
        """D's updates, then G's. Without a host sync, so that a CUDA graph can hold it."""
        d, g = self._optimizers()
        kept = [b.clone() for b in self.generator.buffers()] if self.global_step < self.head_start else []  # running statistics
        for part in (rounds := batch.chunk(self.d_steps_per_g_step)):
            draws = self.draw(part)
            shared = part is rounds[-1] and self.accumulate == 1 and not self.fresh_z  # their graph serves G's turn too
            with torch.set_grad_enabled(shared):
                fakes = [self.generator(z, b.labels) for z, b in draws]
            turns = (self.d_turn(z, b, fake, due) for (z, b), fake in zip(draws, fakes, strict=True))
            terms = self.update("discriminator", d, turns, due)
            for regularizer in self.regularizers.values():
                regularizer.constrain(self.discriminator)
        self.augmentation.observe(terms["logits/real"])
        draws = self.draw(part) if self.fresh_z else draws
        with frozen(d):
            again = fakes if shared else (self.generator(z, b.labels) for z, b in draws)
            terms |= self.update("generator", g, (self.g_turn(z, b, f) for (z, b), f in zip(draws, again, strict=True)), due)
        for buffer, before in zip(self.generator.buffers(), kept, strict=False):
            buffer.copy_(before)
        self.ema.update(self.generator)
        return terms

    def update(self, player: Player, optimizer: Optimizer, turns: Iterable[Turn], due: Mapping[str, Regularizer]) -> Terms:
        """One step of `player`: the only place that means, weighs, sums and steps."""
        heard: dict[str, list[Tensor]] = {}
        optimizer.zero_grad()
        for turn in turns:
            terms = {f"loss/{player[0]}": getattr(self.loss, player)(turn.on_real and turn.on_real.logits, turn.on_fake.logits)}
            total = terms[f"loss/{player[0]}"].mean()
            for name, regularizer in due.items():
                with exact(self.device.type):
                    term = getattr(regularizer, player)(turn)
                if term is not None:
                    terms[f"regularizer/{name}/{player[0]}"] = term
                    total = total + regularizer.scale * term.mean()
            self.manual_backward(total / self.accumulate)
            if player == "discriminator" and turn.on_real is not None:
                terms |= {"logits/real": turn.on_real.logits, "logits/fake": turn.on_fake.logits}
            for name, term in terms.items():
                heard.setdefault(name, []).append(term.detach())
        if player == "discriminator" or self.global_step >= self.head_start:
            optimizer.step()
        return {name: torch.cat(parts) for name, parts in heard.items()}

    def d_turn(self, z: Tensor, batch: Batch, fake: Tensor, due: Mapping[str, Regularizer]) -> Turn:
        """What D sees: a penalty's forward, like its backward, is exact."""
        sides = {side for regularizer in due.values() for side in regularizer.differentiates}
        real = batch.real.detach().requires_grad_("real" in sides)
        fake = fake.detach().float().requires_grad_("fake" in sides)  # G may run in half precision
        with exact(self.device.type) if sides else nullcontext():
            on_real, on_fake = self.judge(real, batch.labels), self.judge(fake, batch.labels)
        return Turn(self.generator, self.judge, z, batch.labels, real, fake, on_real, on_fake)

    def g_turn(self, z: Tensor, batch: Batch, fake: Tensor) -> Turn:
        """What G sees: D's word on its samples, and on real ones where the loss compares them."""
        with torch.no_grad():
            on_real = self.judge(batch.real, batch.labels) if self.loss.relativistic else None
        return Turn(self.generator, self.judge, z, batch.labels, batch.real, fake, on_real, self.judge(fake, batch.labels))

    def judge(self, x: Tensor, labels: Tensor | None) -> Output:
        """What D says of x as it sees it: augmented, `packing` samples at a time along the channels; in fp32."""
        x, m = self.augmentation(x), self.packing
        said: Output = self.discriminator(x.reshape(len(x) // m, m * x.shape[1], *x.shape[2:]), labels)
        return Output(said.logits.float(), None if said.features is None else said.features.float())

    def draw(self, batch: Batch) -> list[tuple[Tensor, Batch]]:
        """Z (n, latent_dim) for each of the batch's n samples, in the parts that accumulate."""
        n, world = len(batch.real), self.trainer.world_size if self.common else 1
        z = self.prior.draw(n * world, self.latent_dim, self.device, self.common)[self.global_rank * n :][:n]
        return list(zip(z.chunk(self.accumulate), batch.chunk(self.accumulate), strict=True))

    def _optimizers(self) -> list[Optimizer]:
        return cast("list[Optimizer]", self.optimizers(use_pl_optimizer=False))


@contextmanager
def exact(device: str) -> Iterator[None]:
    """Second derivatives want fp32 and eager kernels, also in the forward that they differentiate."""
    with torch.autocast(device, enabled=False), torch.compiler.set_stance("force_eager"):
        yield


@contextmanager
def frozen(optimizer: Optimizer) -> Iterator[None]:
    """Its parameters gather no gradient meanwhile: G's backward pass skips D's weights."""
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    for p in parameters:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)
