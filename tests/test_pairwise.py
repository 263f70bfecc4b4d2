"""Every pair of options trains or is refused in one sentence, as docs/pairwise.md has it; some pairs here, all in the soak."""

import importlib.util
import random
import re
import sys
from pathlib import Path

import pytest

from gan_lightning.config.compose import config_dir

ROOT = Path(__file__).parent.parent
GROUPS = [("model", "loss"), ("model", "regularizer"), ("loss", "regularizer"), ("model", "augmentation")]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("pairwise", ROOT / "scripts" / "pairwise.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pairwise", module)  # where a config finds its data set
        patch.setenv("GAN_LIGHTNING_PACKAGES", "pairwise")
        spec.loader.exec_module(module)
        module.prepare()
        yield module


def page():
    return (ROOT / "docs" / "pairwise.md").read_text()


def options(group):
    return sorted(path.stem for path in (config_dir() / group).glob("*.yaml"))


def selection(seed=2594):
    """Two pairs of each two groups; of this seed, quick ones with StyleGAN2 and a refusal."""
    source = random.Random(seed)
    return [tuple((group, source.choice(options(group))) for group in groups) for groups in GROUPS for _ in range(2)]


@pytest.mark.parametrize("pair", selection(), ids=lambda pair: " + ".join(option for _, option in pair))
def test_a_pair_trains_or_is_refused_in_one_sentence(script, pair):
    row, column = (script.Choice(option, {group: option}) for group, option in pair)
    row = script.with_samples(row) if "model" in row.options else row
    said = script.attempt(script.join(row, column))
    assert said is None or f"`{said}`" in page()


def test_a_conditioning_and_a_packing_train_or_are_refused(script, tmp_path):
    data, (without, dense, *_, auxiliary, codes), packing = script.data(tmp_path), script.CONDITIONING, script.PACKING
    pairs = [(dense, packing[1]), (without, packing[2]), (codes, packing[3]), (data[-1], auxiliary), (data[0], dense)]
    said = [script.attempt(script.join(row, column)) for row, column in pairs]
    assert [text is None for text in said] == [True, False, False, True, True]
    assert all(text is None or f"`{text}`" in page() for text in said)


def test_a_term_that_is_not_finite_is_seen(script):
    """The negative control: a weight so large that a term overflows."""
    harm = script.Choice("", {"regularizer": "r1"}, {"optimizer.lr": 1e30})
    with pytest.raises(script.NotFiniteError, match="at step"):
        script.attempt(harm)


def test_the_page_has_every_option():
    labels = {
        label
        for row in re.findall(r"^\| (.*) \|$", page(), re.MULTILINE)
        for cell in row.split(" | ")
        for label in cell.split(", ")
    }
    for group in ("model", "loss", "regularizer", "augmentation", "data"):
        assert set(options(group)) <= labels


@pytest.mark.slow
def test_the_page_is_up_to_date(script, tmp_path):
    assert script.main(["--out", str(tmp_path / "pairwise.md")]) == 0
    assert (tmp_path / "pairwise.md").read_text() == page(), "python scripts/pairwise.py --out docs/pairwise.md"
