"""Interpolations: what a run's config may read, and how large it may become."""

import pytest
from omegaconf import OmegaConf

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.interpolations import refuse_outside
from gan_lightning.config.resolve import resolve, settled
from gan_lightning.run.directory import Run


def chain(value, last, depth):
    """Config of a kilobyte: each key reads the one before twice."""
    return {"a0": last, **{f"a{i}": value(f"${{a{i - 1}}}") for i in range(1, depth)}}


BOMBS = {
    "texts": chain(lambda before: before * 2, "x", 40),
    "empty texts": chain(lambda before: before * 2, "", 40),
    "lists": chain(lambda before: [before, before], "x", 40),
    "mappings": chain(lambda before: {"x": before, "y": before}, {"z": 1}, 40),
    "a resolver": chain(lambda before: before.replace("{", "{oc.select:") * 2, "x", 40),
    "a circle": {"a": "${b}", "b": {"c": "${a}"}},
    "itself": {"a": "${a}"},
    "a name that is put together": {"a": "${${c}}", "c": "x", "x": "y"},
    "relative": {"n": chain(lambda before: before.replace("{", "{.") * 2, "x", 40)},
    "an element": {"l": ["x" * 1000], "a": "${l[0]}" * 40, "b": "${a}" * 40, "c": "${b}" * 40},
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_config_that_would_become_huge(kind):
    with pytest.raises(UserError) as refused:
        resolve(OmegaConf.create(BOMBS[kind]))
    assert len(refused.value.lines) == 1
    with pytest.raises(UserError):
        refuse_outside(BOMBS[kind])


def test_a_long_config_is_no_bomb():
    plain = {
        "a": "x" * 5000,
        "n": {"b": "${a}${.c}", "c": ["${a}"] * 50, "d": "\\${a}"},
        "e": "${n.c}",
        "f": "${oc.env:HOME,x}",
    }
    assert resolve(OmegaConf.create(plain))["n"]["d"] == "${a}"


OUTSIDE = ["${oc.env:SECRET}", "a${oc.env:SECRET}", "${oc.decode:${oc.env:SECRET}}", "${oc.env:SECRET,none}", "${oc.env:${a}}",
           "${oc.env:HOME}", "${oc.env:MLFLOW_TRACKING_URI}", "${now:%Y}", "${oc.create:{a: 1}}", "${oc.select:a}",
           "${ oc.env:SECRET}",
           "${a}${oc.env:SECRET}", "\\\\${oc.env:SECRET}", "${oc.deprecated:a}", "${hydra:runtime.cwd}"]  # fmt: skip


@pytest.mark.parametrize("text", OUTSIDE)
def test_a_runs_config_reads_nothing_from_outside(text):
    for plain in ({"a": "SECRET", "b": text}, {"a": "SECRET", "b": [{"c": text}]}):
        with pytest.raises(UserError) as refused:
            refuse_outside(plain)
        (line,) = refused.value.lines
        assert line.startswith("b")
        assert ("GAN_LIGHTNING_VARIABLES=SECRET" in line) == ("oc.env:SECRET" in text)


def test_a_user_lets_a_runs_config_read_a_variable(monkeypatch):
    monkeypatch.setenv("GAN_LIGHTNING_VARIABLES", "SECRET")
    refuse_outside({"a": "${oc.env:SECRET}", "b": "x${oc.env:SECRET,null}", "c": "${a} ${.d[0]} \\${oc.env:X}"})


def test_values_from_outside_are_read_when_a_run_begins(tmp_path, monkeypatch):
    monkeypatch.setenv("USER", "lan ${a}")
    monkeypatch.setenv("GAN_LIGHTNING_VARIABLES", "NOWHERE_AT_ALL")
    plain = {"threads": 1, "a": "${b}", "b": "x", "n": {"c": "${oc.env:USER}", "l": ["${oc.env:NOWHERE_AT_ALL,null}", "${b}"]}}
    config = OmegaConf.create(plain)
    kept = settled(config)
    assert OmegaConf.to_container(kept, resolve=False) == plain | {"n": {"c": "lan \\${a}", "l": [None, "${b}"]}}
    assert resolve(kept) == resolve(config)
    whole = Composer().compose(["experiment=ring_fast", "name='${oc.env:USER}'"])
    assert "oc.env" not in (Run.begin(tmp_path / "r", whole, []).path / "config.yaml").read_text()
    assert Run(tmp_path / "r").changes(whole) == []


def test_a_long_chain_of_keys_is_one_line():
    plain = {f"k{i}": f"${{k{i + 1}}}" for i in range(3000)} | {"k3000": 1}
    with pytest.raises(UserError, match="is read by keys that read keys, more than 50 in a row"):
        refuse_outside(plain)


def test_the_address_of_mlflow_is_that_of_the_environment(monkeypatch):
    """The default of conf/logger/mlflow.yaml stays what it is: no password is written, and another shell may set another."""
    default = "${oc.env:MLFLOW_TRACKING_URI,null}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@x")
    refuse_outside({"logger": {"tracking_uri": default}})
    config = OmegaConf.create({"logger": {"tracking_uri": default}})
    assert OmegaConf.to_container(settled(config), resolve=False) == {"logger": {"tracking_uri": default}}
    with pytest.raises(UserError):
        refuse_outside({"logger": {"artifact_location": default}})
