"""The architecture: no import cycle, folders on floors with imports going down only, small files and functions."""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gan_lightning"
FLOORS = [  # from the bottom; a folder may import itself and the floors below it
    {"step", "storage"},
    {"loss", "augmentation", "prior", "model.layer", "data.format"},
    {"regularizer"},
    {"gan", "model", "data"},
    {"metric.feature"},
    {"metric"},
    {"sampler"},
    {"config"},
    {"distributed"},
    {"run"},
    {"callback"},
    {"training"},
    {"sweep.report"},
    {"sweep"},
    {"sweep.search"},
    {"cli"},
]
OUTSIDE = {  # what the lower floors may import from others, besides torch, torchvision and pydantic's annotations
    "step": {"numpy"},
    "storage": {"lightning_fabric", "numpy"},
    "loss": set(),
    "augmentation": set(),
    "prior": set(),
    "regularizer": set(),
    "model.layer": set(),
    "model": set(),
    "gan": {"pytorch_lightning"},
    "data.format": {"numpy", "PIL", "matplotlib", "soundfile", "mido", "pandas"},
    "data": {
        "numpy",
        "PIL",
        "filelock",
        "tqdm",
        "sklearn",
        "pytorch_lightning",
        "scipy",
        "soundfile",
        "mido",
        "music21",
        "pandas",
    },
    "metric.feature": {"torch_fidelity", "safetensors"},
    "metric": {"numpy", "sklearn", "torchmetrics", "filelock", "safetensors"},
    "sampler": {"sklearn"},
}
MOST_LINES, LONGEST_FUNCTION, LONGEST_GAN = 250, 40, 190


def modules(package):
    """Dotted name below the package → file."""
    files = (path for path in package.rglob("*.py") if path.name != "__init__.py")
    return {".".join(path.relative_to(package).with_suffix("").parts): path for path in files}


def imports(path):
    """Every dotted name that a file imports, inside functions too; `from a import b` gives a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_graph(package):
    """Module → the modules of the package that it imports."""
    known = modules(package)

    def module_of(name):
        own = name.removeprefix("gan_lightning.")
        return next((m for m in (own, own.rpartition(".")[0]) if m in known), None)

    names = {module: [n for n in imports(path) if n.startswith("gan_lightning.")] for module, path in known.items()}
    return {module: {m for n in own if (m := module_of(n))} for module, own in names.items()}


def folder_of(module):
    return module.rpartition(".")[0] or module


def folder_graph(package):
    """Folder → the other folders that its modules import; a module at the front door is a folder."""
    found = {}
    for module, imported in module_graph(package).items():
        here = folder_of(module)
        found.setdefault(here, set()).update(folder_of(m) for m in imported if folder_of(m) != here)
    return found


def cycle(graph):
    """The nodes of a cycle; none: there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def climbing(package, floors):
    """Imports that do not go down, each as `folder -> folder`."""
    level = {folder: i for i, floor in enumerate(floors) for folder in floor}
    edges = ((here, below) for here, imported in folder_graph(package).items() for below in imported)
    return sorted(f"{here} -> {below}" for here, below in edges if level[here] <= level[below])


def foreign(package, allowed):
    """Imports of libraries that a folder may not use, each as `module: library`."""
    everywhere = {*sys.stdlib_module_names, "gan_lightning", "torch", "torchvision", "pydantic"}
    used = ((m, name.partition(".")[0]) for m, path in modules(package).items() for name in imports(path))
    return sorted(
        {f"{m}: {top}" for m, top in used if folder_of(m) in allowed and top not in everywhere | allowed[folder_of(m)]}
    )


def too_long(package):
    """Files and functions over their limits."""
    for module, path in modules(package).items():
        text = path.read_text(encoding="utf-8")
        if (lines := len(text.splitlines())) > MOST_LINES:
            yield f"{module}: {lines} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (length := node.end_lineno - node.lineno + 1) > LONGEST_FUNCTION:
                yield f"{module}.{node.name}: {length} lines"


@pytest.fixture
def package(tmp_path):
    """Make a package of files: package({"loss/hinge": "import numpy"}) -> its folder."""

    def make(files):
        for name, text in files.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


def test_no_file_imports_itself_by_way_of_others():
    assert cycle(module_graph(PACKAGE)) == []


def test_no_folder_imports_itself_by_way_of_others():
    assert cycle(folder_graph(PACKAGE)) == []


def test_a_cycle_is_seen(package):
    """The negative control: two folders that import each other, by files that do not."""
    root = package(
        {
            "run/lock": "from gan_lightning.config.errors import UserError",
            "config/errors": "",
            "config/compose": "def f():\n    from gan_lightning.run import lock",
        }
    )
    assert cycle(module_graph(root)) == []
    assert set(cycle(folder_graph(root))) == {"run", "config"}
    package({"config/errors": "import gan_lightning.config.compose"})
    assert set(cycle(module_graph(root))) == {"config.errors", "config.compose", "run.lock"}


def test_imports_go_down():
    assert climbing(PACKAGE, FLOORS) == []


def test_an_import_that_climbs_is_seen(package):
    root = package(
        {"gan": "from gan_lightning.config import compose", "config/compose": "import gan_lightning.step.ema", "step/ema": ""}
    )
    assert climbing(root, FLOORS) == ["gan -> config"]


def test_the_lower_floors_use_few_libraries():
    assert foreign(PACKAGE, OUTSIDE) == []


def test_a_library_that_is_not_allowed_is_seen(package):
    root = package({"loss/hinge": "import numpy as np\nfrom torch import nn", "cli/train": "import hydra"})
    assert foreign(root, OUTSIDE) == ["loss.hinge: numpy"]


def test_every_folder_has_a_floor():
    assert set(folder_graph(PACKAGE)) == set().union(*FLOORS)
    assert sum(map(len, FLOORS)) == len(set().union(*FLOORS))
    assert len(modules(PACKAGE)) > 100


def test_gan_is_alone_at_the_front_door():
    assert [path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py"] == ["gan.py"]


def test_files_and_functions_are_small():
    assert list(too_long(PACKAGE)) == []
    assert len((PACKAGE / "gan.py").read_text().splitlines()) <= LONGEST_GAN


def test_a_long_file_and_a_long_function_are_seen(package):
    root = package({"step/ema": "x = 1\n" * (MOST_LINES + 1), "step/types": "def f():\n" + "    x = 1\n" * LONGEST_FUNCTION})
    assert sorted(too_long(root)) == [f"step.ema: {MOST_LINES + 1} lines", f"step.types.f: {LONGEST_FUNCTION + 1} lines"]


def test_there_is_no_module_of_odds_and_ends():
    assert not [
        m for m in modules(PACKAGE) if m.rpartition(".")[2] in ("utils", "util", "helpers", "common", "misc", "registry")
    ]
