"""No augmentation: the discriminator receives samples as they are."""

from gan_lightning.augmentation.base import Augmentation


class NoAugmentation(Augmentation):
    """Return the samples unchanged."""
