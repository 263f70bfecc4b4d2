"""D sees samples as they are."""

from gan_lightning.augmentation.base import Augmentation


class NoAugmentation(Augmentation):
    """The identity."""
