"""The house: who may know whom, and that adding something is one file and one yaml."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gan_lightning"
FILES = sorted(PACKAGE.rglob("*.py"))
BASES = {f"{room}.base" for room in ("loss", "regularizer", "augmentation", "prior")}
# room → the rooms and modules of ours that it may import, besides itself
MAY = {
    "turn": set(),
    "seed": set(),
    "schedule": set(),
    "ema": set(),
    "launch": set(),
    "stranger": set(),
    "config": {"launch"},
    "arguments": {"config"},
    "disk": set(),
    "ending": {"config", "disk"},
    "owner": {"config", "disk"},
    "saved": {"config", "disk", "stranger"},
    "provenance": {"config"},
    "checkpoint": {"disk", "stranger"},
    "picture": set(),
    "loss": set(),
    "augmentation": set(),
    "prior": set(),
    "regularizer": {"turn", "schedule"},
    "model": {"turn"},
    "gan": {"turn", "ema", "schedule", "seed", *BASES},
    "data": {"turn", "seed"},
    "metric": {"data", "disk", "stranger", "turn"},
    "target": {"config"},
    "check": {"config", "target"},
    "build": {
        "check",
        "config",
        "data.base",
        "gan",
        "meeting",
        "metric.base",
        "prior.base",
        "seed",
        "target",
        "run",
        "checkpoint",
        "callback.preemption",
    },
    "run": {"config", "check", "build", "cluster", "disk", "gan", "owner", "saved", "stranger"},
    "ranks": {"meeting", "model.layer.sync_batch_norm"},
    "meeting": {"build", "cluster", "config", "run"},
    "cluster": set(),
    "callback": {
        "config",
        "model.layer.sync_batch_norm",
        "ranks",
        "data.base",
        "data.line",
        "disk",
        "gan",
        "loss.base",
        "loss.minimax",
        "loss.non_saturating",
        "metric.base",
        "metric.reference",
        "model.normal",
        "picture",
        "prior.gaussian",
        "protocol",
        "run",
        "seed",
        "turn",
    },
    "protocol": {"data.stream", "gan", "metric.base", "metric.reference", "seed", "turn"},
    "evaluate": {
        "arguments",
        "build",
        "check",
        "config",
        "data.base",
        "data.image_folder",
        "data.stream",
        "disk",
        "ending",
        "metric.base",
        "metric.reference",
        "protocol",
        "provenance",
        "run",
        "seed",
    },
    "summary": {"config", "gan", "run"},
    "train": {"build", "cluster", "config", "ending", "meeting", "run", "sweep.sweep", "training"},
    "sweep": {
        "arguments",
        "build",
        "check",
        "cluster",
        "config",
        "disk",
        "ending",
        "launch",
        "meeting",
        "owner",
        "run",
        "summary",
        "training",
    },
    "training": {
        "build",
        "callback.preemption",
        "disk",
        "cluster",
        "config",
        "data.base",
        "history",
        "meeting",
        "metric.base",
        "provenance",
        "ranks",
        "stranger",
        "run",
        "summary",
    },
    "history": {
        "build",
        "callback.scalars",
        "check",
        "checkpoint",
        "config",
        "data.base",
        "gan",
        "run",
        "saved",
        "stranger",
        "turn",
    },
    "replay": {"arguments", "disk", "config", "ending", "history", "meeting", "picture", "ranks", "run", "training"},
    "sample": {"arguments", "build", "config", "disk", "ending", "picture", "run", "seed"},
    "export": {"arguments", "config", "disk", "ending", "run"},
}
OUTSIDE = {  # what leaves may import from others, besides torch, torchvision and pydantic's annotations
    "loss": set(),
    "regularizer": set(),
    "augmentation": set(),
    "prior": set(),
    "model": set(),
    "data": {"numpy", "PIL", "filelock", "tqdm", "sklearn", "pytorch_lightning"},
    "metric": {"numpy", "sklearn", "torchmetrics", "torch_fidelity", "filelock", "safetensors"},
    "turn": set(),
    "ema": set(),
    "schedule": set(),
    "seed": {"numpy"},
    "gan": {"pytorch_lightning"},
}


def room(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (
                f"{node.module}.{alias.name}" if node.module == "gan_lightning" else node.module or "" for alias in node.names
            )


def breaches(path):
    here = room(path)
    for name in set(imported(path)):
        top = name.partition(".")[0]
        if top == "gan_lightning":
            what = name.removeprefix("gan_lightning.")
            if what.partition(".")[0] != here and not any(what == m or what.startswith(m + ".") for m in MAY[here]):
                yield f"{path.name} imports {name}"
        elif here in OUTSIDE and top not in sys.stdlib_module_names | {"torch", "torchvision", "pydantic"} | OUTSIDE[here]:
            yield f"{path.name} imports {name}"


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.parent != PACKAGE or p.name != "__init__.py"], ids=lambda p: str(p.name)
)
def test_imports_flow_down(path):
    assert list(breaches(path)) == []


def test_a_breach_would_be_seen(tmp_path, monkeypatch):
    """The negative control of the test above."""
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "gan.py").write_text("import numpy\nfrom gan_lightning.loss.hinge import Hinge\n")
    assert sorted(breaches(tmp_path / "gan.py")) == ["gan.py imports gan_lightning.loss.hinge", "gan.py imports numpy"]


def test_there_are_files_to_look_at():
    assert len(FILES) > 50
    assert {room(p) for p in FILES} - {"__init__"} == MAY.keys()


def test_the_game_stays_small():
    assert len((PACKAGE / "gan.py").read_text().splitlines()) <= 185


def test_there_is_no_drawer_for_odds_and_ends():
    assert not [p.name for p in FILES if p.stem in ("utils", "util", "helpers", "common", "misc", "registry")]
