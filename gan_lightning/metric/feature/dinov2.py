"""DINOv2, a self-supervised vision transformer whose 768 features agree with human judgement better than Inception's.

The network is ViT-B/14 and loads the published weights unchanged; resizing and normalisation are torch-fidelity's. DINOv2's
own loader is not used because it runs the current code of a repository. Oquab et al. 2024; for metrics, Stein et al. 2023.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention

from gan_lightning.metric.feature.base import PretrainedFeature, Reading
from gan_lightning.metric.feature.pretrained import CHUNK_SIZE, mask_nonfinite, rgb

URL = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth"
SIDE, PATCH, TRAINED_SIDE = 224, 14, 518
WIDTH, DEPTH, HEADS = 768, 12, 12
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class DINOv2(PretrainedFeature):
    """Extract DINOv2's 768 features; it classifies nothing."""

    option = "dinov2"
    prefix = "dinov2-vit-b-14"
    url = URL
    resizer = "bilinear as in TensorFlow 1, to 224×224"

    def extract(self, samples: Tensor) -> Reading:  # (N, C, H, W) -> (N, 768)
        network = self.load()
        features = torch.cat([network(chunk) for chunk in torch.split(resize_and_normalise(rgb(samples)), CHUNK_SIZE)])
        return Reading(mask_nonfinite(features, samples))

    def build(self, weights: dict[str, Tensor]) -> nn.Module:
        network = VisionTransformer().requires_grad_(False).eval()
        network.load_state_dict(weights)
        return network


def resize_and_normalise(images: Tensor) -> Tensor:  # (N, 3, H, W) uint8 -> (N, 3, 224, 224)
    """Return images as torch-fidelity feeds them to DINOv2."""
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    resized = interpolate_bilinear_2d_like_tensorflow1x(images.float(), size=(SIDE, SIDE), align_corners=False)
    mean, std = (torch.tensor(v, device=images.device).mul(255).reshape(3, 1, 1) for v in (MEAN, STD))
    return (resized - mean) / std


class VisionTransformer(nn.Module):
    """Build a vision transformer whose parameters are named as in the published file."""

    def __init__(self, width: int = WIDTH, depth: int = DEPTH, heads: int = HEADS) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (TRAINED_SIDE // PATCH) ** 2, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # used only in pretraining, but part of the file
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, PATCH, PATCH)})
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:  # (N, 3, H, W), multiples of 14 -> (N, width)
        patches = self.patch_embed["proj"](x)
        tokens = patches.flatten(2).transpose(1, 2) + self.positions(*patches.shape[2:])
        x = torch.cat([(self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1), tokens], 1)
        for block in self.blocks:
            x = block(x)
        class_token: Tensor = self.norm(x)[:, 0]
        return class_token

    def positions(self, *size: int) -> Tensor:  # -> (1, height · width, width)
        """Return the position embeddings, interpolated from the pretraining grid to a grid of this size."""
        side = TRAINED_SIDE // PATCH
        grid = self.pos_embed[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        if size != (side, side):  # 0.1 is DINO's guard against a grid that rounding makes one too small
            grid = interpolate(grid, scale_factor=tuple((n + 0.1) / side for n in size), mode="bicubic")
        return grid.flatten(2).transpose(1, 2)


class Block(nn.Module):
    """Apply attention, then a perceptron to each token, both as residuals with a learned scale."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.ls1, self.ls2 = (nn.ParameterDict({"gamma": nn.Parameter(torch.ones(width))}) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:  # (N, T, width) -> (N, T, width)
        n, t, width = x.shape
        qkv = self.attn["qkv"](self.norm1(x)).reshape(n, t, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        attended = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, width)
        x = x + self.ls1["gamma"] * self.attn["proj"](attended)
        residual = self.mlp["fc2"](nn.functional.gelu(self.mlp["fc1"](self.norm2(x))))
        output: Tensor = x + self.ls2["gamma"] * residual
        return output
