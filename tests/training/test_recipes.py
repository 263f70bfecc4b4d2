"""Recipes of papers that were not trained here: two steps of each on small files of the right format, and their numbers."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from kinds import kinds
from PIL import Image

from gan_lightning.config.compose import Composer, config_dir
from gan_lightning.config.instantiate import build_networks, build_optimizer, instantiate
from gan_lightning.config.resolve import resolve
from gan_lightning.data.cifar import CIFAR10
from gan_lightning.step.progress import Progress

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
RECIPES = sorted(p.stem for p in (config_dir() / "experiment").glob("*.yaml") if "not trained here" in p.read_text())
TINY = {"width": 4, "max_width": 8, "style_dim": 8, "mapping_depth": 2, "minibatch_group": 4, "group_width": 4}
HALF_LIVES = {  # in images
    "stylegan2_cifar10": 500_000,
    "stylegan2_ada_cifar10": 500_000,
    "stylegan2_ffhq256": 20_000,
    "projected_ffhq256": 20_000,
    "r3gan_cifar10": 5_000_000,
    "r3gan_ffhq64": 500_000,
    "r3gan_ffhq256": 500_000,
}


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """CIFAR-10's files, and photographs beside them: a data set of files reads only its own."""
    folder, random = tmp_path_factory.mktemp("recipes"), np.random.default_rng(0)
    (folder / CIFAR10.layout.folder).mkdir()
    for name in (*CIFAR10.layout.train, CIFAR10.layout.test):
        records = random.integers(0, 256, (8, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        (folder / CIFAR10.layout.folder / name).write_bytes(records.tobytes())
    for i in range(12):
        Image.fromarray(random.integers(0, 256, (24, 20, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def compose():
    composer, known = Composer(), {}

    def composed(name, *changes):
        if (name, *changes) not in known:
            known[name, *changes] = resolve(composer.compose([f"experiment={name}", "data.root=x", *changes]))
        return known[name, *changes]

    return composed


def test_there_are_recipes():
    assert set(HALF_LIVES) < set(RECIPES)
    assert len(RECIPES) >= 13


@pytest.mark.parametrize("name", kinds(RECIPES, "r3gan_cifar10"))
def test_a_recipe_trains(command, compose, root, tmp_path, monkeypatch, name):
    """At the published size of the samples, with narrow networks."""
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path / "cache"))
    model = compose(name)["model"]
    small = [f"model.{key}={value}" for key, value in TINY.items() if key in model]
    line = (f"data.root={root}", "data.batch_size=8", "trainer.max_steps=2", "hydra.run.dir=run", "logger=none")
    done = command("gan-train", f"experiment={name}", *line, *small)
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (found["status"], found["step"]) == ("finished", 2)
    assert (tmp_path / "run" / "samples" / "step=00000002.png").stat().st_size > 500


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_its_source_and_its_figure(name):
    header = (config_dir() / "experiment" / f"{name}.yaml").read_text().partition("defaults:")[0].replace("\n#", "")
    for word in ("Source: ", "Published: ", "FID", "not trained here"):
        assert word in header, f"{name} does not name its {word}"


def test_the_page_has_a_row_for_each_recipe_with_the_figures_of_its_file():
    lines = [line for line in PAGE.read_text().splitlines() if re.match(r"\| `\w+` ", line)]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert sorted(row[0].strip("`") for row in rows) == RECIPES
    for name, _, _, figures, _, trained in rows:
        header = (config_dir() / "experiment" / f"{name.strip('`')}.yaml").read_text().partition("defaults:")[0]
        assert set(re.findall(r"\d+\.\d+", figures)) <= set(re.findall(r"\d+\.\d+", header)), name
        assert trained == "no"


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("stylegan2_ffhq256", (), (24_767_458, 24_001_089)),
        ("stylegan2_cifar10", ("data.num_classes=0",), (19_947_539, 20_720_641)),
        ("r3gan_cifar10", (), (20_781_952, 21_280_512)),
        ("r3gan_ffhq64", (), (22_429_824, 22_381_440)),
        ("r3gan_ffhq256", (), (23_057_952, 23_009_568)),
        ("sngan_cifar10", (), (4_276_739, 1_053_825)),
    ],
)
def test_a_recipe_composes_the_published_network(compose, name, changes, expected):
    with torch.device("meta"):
        networks = build_networks(compose(name, *changes))
    assert tuple(sum(p.numel() for p in network.parameters()) for network in networks) == expected


@pytest.mark.parametrize("name", HALF_LIVES)
def test_the_decay_of_the_average_is_the_published_half_life(compose, name):
    found = compose(name)
    assert found["ema"]["decay"] == pytest.approx(0.5 ** (found["data"]["batch_size"] / HALF_LIVES[name]), abs=1e-8)


@pytest.mark.parametrize(
    ("name", "images"),
    [
        ("stylegan2_cifar10", 100e6),
        ("stylegan2_ada_cifar10", 100e6),
        ("stylegan2_ffhq256", 25e6),
        ("projected_ffhq256", 25e6),
        ("r3gan_cifar10", 100e6),
        ("r3gan_ffhq64", 100e6),
        ("r3gan_ffhq256", 100e6),
    ],
)
def test_the_length_of_a_run_in_images(compose, name, images):
    found = compose(name)
    assert found["trainer"]["max_steps"] * found["data"]["batch_size"] == pytest.approx(images, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "weights", "final_p", "half_life"),
    [
        ("r3gan_cifar10", (0.05, 0.005), 0.55, 5e6),
        ("r3gan_ffhq64", (2.0, 0.2), 0.3, 5e5),
        ("r3gan_ffhq256", (150.0, 15.0), 0.3, 5e5),
    ],
)
def test_the_schedules_of_r3gan_end_after_20_million_images(compose, name, weights, final_p, half_life):
    """Learning rate 2e-4 → 5e-5, beta2 0.9 → 0.99, weights of R1 and R2, p, and the half-life of the average, all in step."""
    found = compose(name)
    total = found["trainer"]["max_steps"]
    parts = {key: instantiate(found["regularizer"][key]) for key in ("r1", "r2")}
    augmentation, ema = instantiate(found["augmentation"]), found["ema"]
    schedule, network = instantiate(ema["schedule"]), torch.nn.Linear(1, 1)
    for images, way in ((0, 0.0), (10e6, 0.5), (20e6, 1.0), (100e6, 1.0)):
        progress = Progress(round(images / found["data"]["batch_size"]), total)
        for player in ("generator", "discriminator"):
            maker = build_optimizer(found["optimizer"], player)
            optimizer = maker.build(network)
            maker.advance(optimizer, progress)
            (group,) = optimizer.param_groups
            assert group["lr"] == pytest.approx(2e-4 + (5e-5 - 2e-4) * way, rel=1e-3)
            assert group["betas"] == pytest.approx((0.0, 0.9 + 0.09 * way), rel=1e-3)
        for part in parts.values():
            part.advance(progress)
            assert part.scale.item() == pytest.approx(weights[0] + (weights[1] - weights[0]) * way, rel=1e-3)
        augmentation.advance(progress)
        assert augmentation.p.item() == pytest.approx(final_p * way, abs=1e-3)
        assert schedule(progress.fraction) * half_life == pytest.approx(half_life * way, abs=half_life * 1e-3)


def test_the_average_of_stylegan2_on_cifar10_has_a_twentieth_of_the_images_so_far(compose):
    found = compose("stylegan2_ada_cifar10")
    schedule = instantiate(found["ema"]["schedule"])
    for images, half_life in ((0, 0), (2e6, 1e5), (1e7, 5e5), (1e8, 5e5)):
        assert schedule(images / 1e8) * 5e5 == pytest.approx(half_life)
