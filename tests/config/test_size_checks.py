"""Images that halve badly, and networks that memory can't hold: what is said before training."""

import re

import pytest
from PIL import Image

from gan_lightning.cli import train
from gan_lightning.config import size_checks
from gan_lightning.data.notices import print_notice
from gan_lightning.model.layer.doubling import Doubling, doubling, near_size

MIB = 2**20


@pytest.fixture
def checked(command, monkeypatch, tmp_path):
    """Type gan-train up to the point where Hydra would make the run directory: checked("model=dcgan") -> Done."""
    (tmp_path / "images").mkdir()
    for i in range(20):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / "images" / f"{i}.png")
    monkeypatch.setattr(train.hydra, "main", lambda **_: lambda _: lambda: None)
    print_notice.cache_clear()
    folder = ("experiment=anime_faces", "data.root=images", "data.batch_size=8", "metric=none", "trainer.accelerator=cpu")
    return lambda *words: command("gan-train", *folder, *words)


@pytest.mark.parametrize(
    ("model", "size", "counts", "near"),
    [
        ("resize_convolution", (218, 178), ("62,105,891", "654,593"), (224, 192)),
        ("resize_convolution", (418, 418), ("279,577,891", "2,829,313"), (448, 448)),
        ("dcgan", (218, 178), ("124,179,203", "1,248,001"), (224, 192)),
        ("dcgan_small", (500, 64), ("12,834,499", "162,465"), (496, 64)),
    ],
)
def test_a_size_that_halves_badly(checked, model, size, counts, near):
    """One line with both networks' numbers of parameters and a good size, which needs far fewer and no line."""
    done = checked(f"model={model}", "data.sample_shape=[3,{},{}]".format(*size), "gan.latent_dim=100")
    assert done.code == 0
    (line,) = done.err.splitlines()
    assert re.findall(r"\d[\d,]{5,}", line.partition("; ")[0]) == [*counts]
    cure = line.rpartition(": ")[2]
    assert cure == "data.sample_shape=[3,{},{}]".format(*near)
    assert checked(f"model={model}", cure).err == ""


@pytest.mark.parametrize("size", [(64, 64), (28, 28), (96, 96), (512, 64), (128, 96)])
def test_a_size_that_halves_well(size):
    """The negative control."""
    assert doubling(*size).better_size() is None


def test_the_warning_is_printed_once(checked):
    words = ("model=dcgan_small", "data.sample_shape=[3,100,100]")
    assert checked(*words).err.count("halves only down to 25×25") == 1
    assert checked(*words).err == ""


@pytest.mark.parametrize(
    ("size", "near"),
    [
        ((218, 178), (224, 192)),
        ((64, 64), (64, 64)),
        ((27, 28), (28, 28)),
        ((219, 178), (224, 192)),
        ((1000, 70), (992, 64)),
        ((3, 5), None),
    ],
)
def test_the_nearest_size_by_hand(size, near):
    assert near_size(*size) == near


@pytest.mark.parametrize("least", [3, 4])
def test_every_proposed_size_is_better(least):
    for height in range(2, 600, 14):
        for width in range(2, 600, 22):
            start = doubling(height, width, least=least)
            assert start.size == (height, width)
            if better := start.better_size():
                proposed = doubling(*better, least=least)
                assert 4 * proposed.height * proposed.width <= start.height * start.width
                assert proposed.better_size() is None


def test_a_large_start_that_nothing_near_improves():
    assert Doubling(4, 200, 2).better_size() is None


# ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_networks_that_memory_can_not_hold(checked, monkeypatch, tmp_path):
    words = ("model=dcgan_small", "data.sample_shape=[3,32,32]", "gan.latent_dim=64")
    monkeypatch.setattr(size_checks, "machine_memory", lambda: 8 * MIB)
    done = checked(*words)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    need = re.match(r"model: training needs at least (\d+\.\d) MiB of memory \(.*\), this machine has 8.0 MiB; ", done.err)
    assert need, done.err
    assert "data.sample_shape, model.width or data.batch_size" in done.err
    assert list(tmp_path.iterdir()) == [tmp_path / "images"]
    for cure in ("data.sample_shape=[3,8,8]", "model.width=2"):
        assert checked(*words, cure).code == 0, cure
    monkeypatch.setattr(size_checks, "machine_memory", lambda: int(float(need[1]) * MIB) + MIB)
    assert checked(*words).code == 0
    shared = checked(*words, "trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu")
    assert "for each of 2 processes this machine has" in shared.err


def test_what_is_needed_by_hand(monkeypatch):
    """DCGAN at 8×8, width 2: every parameter and every layer's output, in bytes."""
    import torch

    from gan_lightning.config.compose import Composer
    from gan_lightning.config.instantiate import build_networks
    from gan_lightning.config.resolve import resolve

    words = ["experiment=digits_fast", "model=dcgan", "model.width=2", "model.num_classes=0", "gan.latent_dim=5"]
    plain = resolve(Composer().compose(words))
    with torch.device("meta"):
        networks = build_networks(plain)
        g = 5 * 2 * 16 + 4 + 2 * 1 * 16 + 1  # 5 → 2 maps of 4×4, batch normalisation, 2 → 1 map of 8×8 with a bias
        d = 1 * 2 * 16 + 2 + 2 * 4 * 4 + 1
        assert size_checks.parameter_bytes(plain, networks) == 4 * (g * 5 + d * 4)
        assert size_checks.activation_bytes(networks.generator, torch.empty(3, 5)) == 4 * 3 * (2 * 16 + 64)
        assert size_checks.activation_bytes(networks.discriminator, torch.empty(3, 1, 8, 8)) == 4 * 3 * (2 * 16 + 1)
    plain["optimizer"]["generator"]["_target_"] = "torch.optim.SGD"
    assert size_checks.parameter_bytes(plain, networks) == 4 * (g * 3 + d * 4)


def test_the_batch_counts_too(checked, monkeypatch):
    monkeypatch.setattr(size_checks, "machine_memory", lambda: 2 * MIB)
    words = ("model=dcgan_small", "model.width=2", "data.sample_shape=[3,128,128]", "gan.latent_dim=8")
    assert checked(*words).code == 2
    assert checked(*words, "data.batch_size=1").code == 0


def test_a_gpu_has_its_own_memory(monkeypatch):
    monkeypatch.setattr(size_checks, "gpu_memory", lambda: 3 * MIB)
    monkeypatch.setattr(size_checks, "machine_memory", lambda: 5 * MIB)
    for accelerator, need, expected in (("gpu", 2**33, 3 * MIB), ("gpu", 2**20, None), ("cpu", 2**33, 5 * MIB)):
        trainer = {"accelerator": accelerator, "devices": 1}
        assert size_checks.memory_limit({"trainer": trainer}, need)[0] == expected
