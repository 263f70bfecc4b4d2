"""Projected GAN's discriminator: what is frozen, what is trained, and where its features come from."""

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate
from torchvision.models import resnet18

from gan_lightning.model.layer.enlarging import Enlarging
from gan_lightning.model.layer.frozen_features import FrozenFeatures
from gan_lightning.model.layer.random_mixing import RandomMixing
from gan_lightning.model.projected import Discriminator

SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def discriminator():
    torch.manual_seed(0)
    return Discriminator(SHAPE, width=2, side=64)


@pytest.fixture(scope="module")
def images():
    return torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(0)).tanh()


def frozen_state(discriminator):
    return {name: x.clone() for name, x in discriminator.state_dict().items() if name.startswith("frozen")}


def test_training_leaves_the_frozen_part_as_it_is(discriminator, images):
    discriminator.train()
    before = frozen_state(discriminator)
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=0.1)
    trained = [p.clone() for p in discriminator.discriminators.parameters()]
    discriminator(images).logits.square().mean().backward()
    optimizer.step()
    after = frozen_state(discriminator)
    assert any("running_mean" in name for name in before)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(torch.equal(p, q) for p, q in zip(trained, discriminator.discriminators.parameters(), strict=True))


def test_the_frozen_part_stays_in_eval_mode(discriminator):
    discriminator.eval().train()
    assert discriminator.discriminators.training
    assert not any(m.training for m in discriminator.frozen_features.modules())
    assert {name.split(".")[0] for name, p in discriminator.named_parameters() if not p.requires_grad} == {
        "frozen_features",
        "frozen_mixing",
    }


def test_gradients_reach_the_images_twice(discriminator, images):
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(x).logits.sum(), x, create_graph=True)
    assert gradient.flatten(1).any(1).all()
    discriminator.zero_grad()
    gradient.square().sum().backward()
    assert all(d.layers[0].parametrizations.weight.original.grad.any() for d in discriminator.discriminators)


@pytest.mark.parametrize(("shape", "side", "logits"), [((3, 256, 256), 224, 64), ((3, 64, 64), 224, 36), ((8, 30, 96), 64, 4)])
def test_all_scales_have_as_many_logits(shape, side, logits):
    """4×4 for each of four scales at 256×256, as published; 64×64 is enlarged to 224×224, 30×96 to 64×96."""
    with torch.device("meta"):
        network, found = Discriminator(shape, side=side), []
        for scale in network.discriminators:
            scale.register_forward_hook(lambda module, given, out: found.append((out.logits.shape[1], given[0].shape[2])))
        output = network(torch.empty(2, *shape))
    assert output.logits.shape == (2, logits)
    assert output.features.shape == (2, network.num_features)
    maps = [[m.out_channels for m in scale.layers if isinstance(m, nn.Conv2d)] for scale in network.discriminators]
    assert maps == [[128, 256, 512, 512], [256, 512, 512], [512, 512], [512]]
    height = max(side, shape[1])
    assert found == [(logits // 4, height // stride) for stride in (4, 8, 16, 32)]


def test_every_channel_is_seen():
    torch.manual_seed(0)
    network = Discriminator((5, 8, 8), width=2, side=64).eval()
    x = torch.randn(1, 5, 8, 8).requires_grad_()
    (gradient,) = torch.autograd.grad(network(x).logits.sum(), x)
    assert gradient[0].flatten(1).any(1).all()
    coloured = network.coloured(x)
    assert torch.equal(coloured[:, :2], torch.stack([x[0, :2], x[0, 3:5]]))
    assert (coloured[1, 2] == -1).all()


def test_enlarging_is_bilinear():
    x = torch.randn(2, 3, 8, 12)
    expected = interpolate(x, (64, 96), mode="bilinear", align_corners=False)
    torch.testing.assert_close(Enlarging((8, 12), (64, 96))(x), expected)


def test_coarse_maps_reach_fine_ones():
    torch.manual_seed(0)
    mixing = RandomMixing([2, 4])
    maps = [torch.zeros(1, 2, 8, 8), torch.zeros(1, 4, 4, 4)]
    assert [m.shape[1] for m in mixing(maps)] == mixing.widths == [2, 2]
    maps[1][...] = 1.0
    fine, coarse = mixing(maps)
    assert fine.any()
    assert coarse.any()
    maps[0][...], maps[1][...] = 1.0, 0.0
    assert not mixing(maps)[1].any()  # the control: not the other way
    for p in mixing.parameters():
        assert not p.requires_grad


# ── weights of a file ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_features_are_those_of_the_file(tmp_path):
    torch.manual_seed(1)
    network = resnet18().eval()
    for name, buffer in network.named_buffers():
        if "running_var" in name:
            buffer.fill_(2.0)
    torch.save(network.state_dict(), tmp_path / "resnet18.pth")
    features = FrozenFeatures(str(tmp_path / "resnet18.pth")).train()
    mean, std = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        maps = features(2 * images - 1)
        logits = network.fc(maps[-1].mean((2, 3)))
        torch.testing.assert_close(logits, network((images - mean) / std), rtol=1e-4, atol=1e-4)
    assert [m.shape[1:] for m in maps] == [(w, s, s) for w, s in zip(FrozenFeatures.widths, (16, 8, 4, 2), strict=True)]
    with torch.device("meta"):
        FrozenFeatures(str(tmp_path / "resnet18.pth"))  # as preflight does


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, ": No such file or directory"),
        (b"text", " [^\\n]*"),
        ({"a": torch.zeros(1)}, " holds other weights than torchvision's resnet18"),
        ([1, 2], " holds other weights than torchvision's resnet18"),
    ],
)
def test_a_file_of_others_is_refused(tmp_path, content, why):
    path = tmp_path / "x.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with torch.device("meta"), pytest.raises(ValueError, match=rf"^weights: .*x\.pth{why}$"):
        FrozenFeatures(str(path))
