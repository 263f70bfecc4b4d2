"""Extractors with weights of others: read safely from a file in its real format, or asked for in one sentence."""

import io
import os
import urllib.error

import pytest
import torch
from torch_fidelity import FeatureExtractorInceptionV3
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2

from gan_lightning.data.base import DataError
from gan_lightning.metric.feature import dinov2, inception
from gan_lightning.metric.feature.dinov2 import DINOv2, VisionTransformer
from gan_lightning.metric.feature.inception import Inception
from gan_lightning.metric.feature.pretrained import rgb
from gan_lightning.metric.inception_score import InceptionScore

BOTH = pytest.mark.parametrize(("kind", "wanted"), [(Inception, inception.URL), (DINOv2, dinov2.URL)])


class Stranger:
    """What a file could do if it were unpickled."""

    def __reduce__(self):
        return os.mkdir, ("was_here",)


def tiny():
    """The published network's shape, small."""
    return VisionTransformer(width=48, depth=2, heads=4)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(dinov2, "VisionTransformer", tiny)


@pytest.fixture(scope="module")
def inception_weights(tmp_path_factory):
    """Random ones, in the file that torch-fidelity publishes."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, held: None)
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=empty)
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def dinov2_weights(tmp_path, small):
    torch.manual_seed(0)
    network = tiny()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    torch.save(network.state_dict(), tmp_path / "dinov2.pth")
    return tmp_path / "dinov2.pth"


def images(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_inception_says_what_torch_fidelitys_does(inception_weights):
    feature, x = Inception(str(inception_weights)), images(3, 3, 20, 24)
    theirs = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(inception_weights)
    )
    expected = theirs(((x + 1) * 127.5).round().to(torch.uint8))
    said = feature(x)
    torch.testing.assert_close(said.features, expected[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(said.logits[0], expected[1], rtol=1e-4, atol=1e-4)
    assert (said.features.shape, said.logits[0].shape) == ((3, 2048), (3, feature.factors["class"]))
    assert feature.name.startswith("inception-v3-compat-")
    assert len(feature.name) == len("inception-v3-compat-") + 6
    assert not any(p.requires_grad for p in feature.parameters())
    score = InceptionScore(feature)
    score.update(x, None)
    assert 1 <= score.compute()["inception_score"] < 1008


def test_dinov2_says_what_torch_fidelitys_would(dinov2_weights):
    """Its own constructor loads a repository's code, so its forward alone is asked."""
    feature, x = DINOv2(str(dinov2_weights)), images(3, 3, 20, 24)
    theirs = FeatureExtractorDinoV2.__new__(FeatureExtractorDinoV2)
    FeatureExtractorBase.__init__(theirs, "dinov2-vit-b-14", ["dinov2"])
    theirs.feature_extractor_internal_dtype, theirs.model = torch.float32, feature.load()
    torch.testing.assert_close(feature(x).features, theirs(rgb(x))[0], rtol=1e-4, atol=1e-4)
    assert feature.name.startswith("dinov2-vit-b-14-")


def test_the_vision_transformer_has_the_published_files_names_and_shapes():
    with torch.device("meta"):
        held = VisionTransformer().state_dict()
    assert len(held) == 5 + 12 * 14 + 2
    shapes = {"cls_token": (1, 1, 768), "pos_embed": (1, 1370, 768), "mask_token": (1, 768), "norm.weight": (768,)}
    shapes |= {
        "patch_embed.proj.weight": (768, 3, 14, 14),
        "blocks.0.attn.qkv.weight": (2304, 768),
        "blocks.11.ls2.gamma": (768,),
    }
    shapes |= {"blocks.3.mlp.fc1.bias": (3072,), "blocks.3.attn.proj.weight": (768, 768), "blocks.3.ls1.gamma": (768,)}
    assert {name: tuple(held[name].shape) for name in shapes} == shapes
    assert sum(p.numel() for p in held.values()) == 86_580_480


def test_the_vision_transformer_attends():
    """Against torch's own encoder layer with the same weights, at the trained size and with no scale."""
    torch.manual_seed(0)
    block = tiny().blocks[0]
    layer = torch.nn.TransformerEncoderLayer(48, 4, 192, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True)
    own = dict(zip(["in_proj_weight", "in_proj_bias"], block.attn["qkv"].parameters(), strict=True))
    layer.self_attn.load_state_dict(own | {f"out_proj.{k}": v for k, v in block.attn["proj"].state_dict().items()})
    for theirs, ours in (
        ("linear1", block.mlp["fc1"]),
        ("linear2", block.mlp["fc2"]),
        ("norm1", block.norm1),
        ("norm2", block.norm2),
    ):
        getattr(layer, theirs).load_state_dict(ours.state_dict())
    x = torch.randn(2, 7, 48)
    torch.testing.assert_close(block(x), layer(x))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_any_size_and_1_to_4_channels(dinov2_weights, channels):
    feature = DINOv2(str(dinov2_weights))
    for size in ((8, 8), (40, 30)):
        assert feature.incompatibility((channels, *size)) is None
        assert feature(images(2, channels, *size)).features.shape == (2, 48)


def test_pixels_become_colours():
    grey = torch.tensor([-1.0, 0, 1, 3]).reshape(1, 1, 2, 2)
    assert rgb(grey).flatten().tolist() == [0, 128, 255, 255] * 3
    assert torch.equal(rgb(images(2, 4, 5, 5)), rgb(images(2, 4, 5, 5)[:, :3]))


def test_what_is_no_image_has_no_features(dinov2_weights):
    feature, x = DINOv2(str(dinov2_weights)), images(3, 3, 8, 8)
    x[1, 0, 0, 0] = float("inf")
    assert feature(x).features.isnan().all(1).tolist() == [False, True, False]


@BOTH
def test_what_is_no_image_is_refused(kind, wanted):
    said = f"feature={kind.__name__.lower()} reads images of 1 to 4 channels, not samples of shape"
    assert kind().incompatibility((2,)) == f"{said} [2]"
    assert kind().incompatibility((5, 8, 8)) == f"{said} [5, 8, 8]"
    assert kind.resizer.startswith("bilinear as in TensorFlow 1, to 2")


# ── what is not read ─────────────────────────────────────────────────────────────────────────────────────────────────────
@BOTH
def test_a_missing_file_is_one_sentence(kind, wanted, tmp_path):
    with pytest.raises(DataError) as said:
        kind(str(tmp_path / "none.pth"))(images(1, 3, 8, 8))
    name = wanted.rpartition("/")[2]
    assert str(said.value) == (
        f"feature={kind.__name__.lower()}: {tmp_path / 'none.pth'}: No such file or directory; "
        f"wanted: {name}, given by feature.weights=PATH"
    )


@BOTH
def test_without_a_network_it_is_one_sentence(kind, wanted, tmp_path, monkeypatch):
    def none(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", none)
    feature = kind()  # nothing is loaded yet
    for ask in (lambda: feature(images(1, 3, 8, 8)), lambda: feature.name):
        with pytest.raises(DataError) as said:
            ask()
        assert str(said.value) == (
            f"feature={kind.__name__.lower()}: {wanted} can't be downloaded; fetch it, and give feature.weights=PATH"
        )


def test_a_download_is_checked_and_kept(tmp_path, monkeypatch, dinov2_weights):
    asked = []

    def download(url, path, hash_prefix, progress):
        asked.append(hash_prefix)
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(dinov2_weights.read_bytes())

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    name = DINOv2().name
    assert DINOv2().name == name == DINOv2(str(dinov2_weights)).name
    assert asked == [None]
    with pytest.raises(DataError, match="holds other weights"):
        _ = Inception().name
    assert asked == [None, "6726825d"]


@BOTH
def test_a_strangers_file_is_not_unpickled(kind, wanted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": Stranger()}, "stranger.pth")
    with pytest.raises(DataError, match=r"stranger\.pth does not hold plain tensors as .*pth does$"):
        kind("stranger.pth")(images(1, 3, 8, 8))
    assert not (tmp_path / "was_here").exists()
    torch.load("stranger.pth", weights_only=False)  # the negative control: what torch-fidelity alone would do
    assert (tmp_path / "was_here").exists()


@BOTH
@pytest.mark.parametrize("held", [b"", b"no weights", [1, 2], {"a": 1}])
def test_a_file_of_something_else_is_one_sentence(kind, wanted, held, tmp_path):
    path = tmp_path / "other.pth"
    path.write_bytes(held) if isinstance(held, bytes) else torch.save(held, path)
    with pytest.raises(DataError, match="does not hold plain tensors"):
        _ = kind(str(path)).name


@BOTH
def test_other_weights_are_one_sentence(kind, wanted, tmp_path, small):
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"other\.pth holds other weights than .*\.pth$"):
        _ = kind(str(tmp_path / "other.pth")).name


def test_weights_tell_names_apart(dinov2_weights, tmp_path):
    held = torch.load(dinov2_weights, weights_only=True)
    torch.save(held | {"cls_token": held["cls_token"] + 1}, tmp_path / "other.pth")
    assert DINOv2(str(dinov2_weights)).name != DINOv2(str(tmp_path / "other.pth")).name
