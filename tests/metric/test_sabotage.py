"""The scores on samples that were spoilt on purpose: each sabotage is seen, and a real draw is not taken for one."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "sabotage.py"
SEEN = {  # sabotage → numbers that must see it, wherever they are given
    "without one class or mode": {"fid", "coverage", "joint_kl_excess", "values", "modes", "reverse_kl_excess", "energy"},
    "copies of training samples": {"copying"},
    "half the variance": {"recall", "spread", "ks"},
    "noise": {"precision", "density", "high_quality", "spread", "ks", "distance"},
    "mean shifted": {"two_sample", "precision", "coverage", "high_quality", "ks"},
    "labels shuffled": {"class_accuracy", "class_accuracy_control"},
}
BLIND = {  # what they can not see, each by its own nature
    "copies of training samples": {"fid", "precision", "recall", "two_sample", "inception_score", "modes", "high_quality"},
    "labels shuffled": {"fid", "kid", "precision", "recall", "copying", "joint_kl_excess", "inception_score"},
}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("sabotage", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", ["digits", "ring"])
def test_each_sabotage_is_seen_and_a_real_draw_is_not(script, kind, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path))
    bench = script.digits() if kind == "digits" else script.ring(1000)
    real, others = script.tried(bench)
    seen = {name: script.noticed(real, found) for name, found in others.items()}
    assert seen.pop(script.CONTROL) == set()
    assert seen.keys() == bench.spoilt.keys()
    assert bench.spoilt.keys() | {"labels shuffled"} == SEEN.keys()
    for name, found in seen.items():
        assert found >= SEEN[name] & real[0].keys(), name
        assert not found & BLIND.get(name, set()), name
