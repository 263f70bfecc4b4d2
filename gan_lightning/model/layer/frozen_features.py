"""A frozen classifier's features at four scales: the input of Projected GAN's discriminators.

The network is ResNet-18, one of those that Sauer et al. 2021, section 4, compare; its maps have 1/4, 1/8, 1/16 and 1/32 of the
image's size. Its weights come from a file. Without one they are drawn at random: a stand-in with which everything runs offline,
but that was not trained on images; the paper's results need the weights that were trained on ImageNet.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from gan_lightning.storage import safe_load
from gan_lightning.storage.home import expand_home

STRIDE = 32  # of the coarsest maps
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's images in [0, 1]


class FrozenFeatures(nn.Module):
    """Return four maps of an image; the weights are never trained, and statistics are those of the file."""

    widths = (64, 128, 256, 512)  # channels of the maps, from fine to coarse
    mean: Tensor  # (3, 1, 1)
    std: Tensor  # (3, 1, 1)

    def __init__(self, weights: str | None) -> None:
        """Load the file `weights`, that of torchvision's resnet18; None: random. Raises ValueError for another file."""
        super().__init__()
        network = resnet18(weights=None)
        if weights is not None:
            load_weights(network, weights)
        self.start = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        self.stages = nn.ModuleList([network.layer1, network.layer2, network.layer3, network.layer4])
        for name, values in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> FrozenFeatures:
        """Stay in eval mode, whatever the discriminator around it does: the statistics are frozen too."""
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:  # (N, 3, H, W) in [-1, 1] -> (N, widths[i], H / 2ⁱ⁺², W / 2ⁱ⁺²) each
        x, maps = self.start(((images + 1) / 2 - self.mean) / self.std), []
        for stage in self.stages:
            maps.append(x := stage(x))
        return maps


def load_weights(network: nn.Module, file: str) -> None:
    """Load a file of torchvision's weights into the network. Raises ValueError, in one line, if it holds others."""
    path = expand_home(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on the meta device only names and shapes are compared
            network.load_state_dict(safe_load.load(path))
    except OSError as error:
        raise ValueError(f"weights: {path}: {error.strerror}") from None
    except safe_load.UnsafeFileError as error:
        raise ValueError(f"weights: {path} {error}") from None
    except (RuntimeError, TypeError, AttributeError):
        raise ValueError(f"weights: {path} holds other weights than torchvision's resnet18") from None
