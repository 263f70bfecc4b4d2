"""The check that runs every regularizer of both updates on the meta device: shapes, features and conditions that it reads."""

from __future__ import annotations

from torch import Tensor

from gan_lightning.config.errors import one_line
from gan_lightning.config.instantiate import Networks, build_augmentation, instantiate, instantiate_group
from gan_lightning.config.resolve import Plain
from gan_lightning.loss.base import AdversarialLoss
from gan_lightning.step.augmented_discriminator import AugmentedDiscriminator
from gan_lightning.step.types import StepContext


def find_term_mistakes(
    plain: Plain, networks: Networks, z: Tensor, real: Tensor, condition: Tensor | None
) -> list[str]:  # (N, Z), (N, *sample_shape), (N, …)
    """Return a line for each regularizer that can't be set up, or whose term can't be computed in one of the updates."""
    mistakes: list[str] = []
    if not plain.get("regularizer"):
        return mistakes
    loss: AdversarialLoss = instantiate(plain["loss"])
    discriminate = AugmentedDiscriminator(networks.discriminator, build_augmentation(plain), plain["gan"]["packing"])
    for name, regularizer in instantiate_group(plain["regularizer"]).items():
        inputs, fake = regularizer.needs_input_gradient, networks.generator(z, condition)
        sides = real.detach().requires_grad_("real" in inputs), fake.detach().requires_grad_("fake" in inputs)
        try:
            regularizer.setup(networks.generator, networks.discriminator)
            outputs = discriminate.for_discriminator(*sides, condition)
            context = StepContext(networks.generator, discriminate, z, condition, *sides, *outputs)
            regularizer.discriminator(context)
            real_output, fake_output = discriminate.for_generator(real, fake, condition, loss.relativistic)
            context = StepContext(networks.generator, discriminate, z, condition, real, fake, real_output, fake_output)
            regularizer.generator(context)
        except NotImplementedError:  # an operation that needs values
            continue
        except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
            mistakes.append(f"regularizer.{name}: {one_line(error)}")
    return mistakes
