"""A checkpoint, a run directory or a config from a stranger runs nothing: every payload would leave a mark, and none does."""

import ast
import contextlib
import importlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import hydra.utils
import numpy as np
import pytest
import torch
from kinds import kinds
from omegaconf import OmegaConf
from tiny_gan import trained
from waiting import HANG, until

from gan_lightning.storage import safe_load

PACKAGE = Path(__file__).parent.parent / "gan_lightning"
TINY = ("experiment=digits_fast", "model.width=4", "data.batch_size=16", "trainer.accelerator=cpu", "metric=none")


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A run of one step."""
    return trained(tmp_path_factory.mktemp("honest") / "run", *TINY, "trainer.max_steps=1")


@pytest.fixture
def run(honest, tmp_path):
    """A copy of it to put something hostile into, "run" in the current folder."""
    shutil.copytree(honest, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def mark(tmp_path):
    """What a payload would make."""
    return tmp_path / "MARK"


READERS = {
    "gan-train": ("run=run", "trainer.max_steps=2"),
    "gan-sample": ("run=run", "num=1", "out=x.npy"),
    "gan-evaluate": ("run=run", "metric=distance", "num=10"),
    "gan-export": ("run=run", "out=g.safetensors"),
}


def refused(done, mark, key=""):
    """Nothing ran, one line, exit code 2."""
    assert not mark.exists(), "THE PAYLOAD RAN"
    lines = done.err.strip().splitlines()
    assert (done.code, len(lines)) == (2, 1), done.err
    assert "Traceback" not in done.err
    assert key in lines[0], lines
    return lines[0]


# ── pickles ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
class Calls:
    """Unpickling it calls something."""

    def __init__(self, function, *arguments):
        self.held = function, arguments

    def __reduce__(self):
        return self.held


class Persistent(pickle.Pickler):
    """Puts the payload where torch's files name their storages."""

    def persistent_id(self, what):
        return what.held[0] if isinstance(what, Named) else None


class Named:
    def __init__(self, payload):
        self.held = (payload,)


def storage_name(payload):
    file = io.BytesIO()
    Persistent(file, 2).dump({"state_dict": Named(("storage", payload, "0", "cpu", 1))})
    return file.getvalue()


CODE = "open({!r}, 'w').close()"
PAYLOADS = {
    "os.system": lambda mark: Calls(os.system, f"touch {mark}"),
    "eval": lambda mark: Calls(eval, CODE.format(str(mark))),
    "exec": lambda mark: Calls(exec, CODE.format(str(mark))),
    "Popen": lambda mark: Calls(subprocess.check_call, ["touch", str(mark)]),
    "open": lambda mark: Calls(open, str(mark), "w"),
    "write_text": lambda mark: Calls(Path.write_text, Path(mark), "x"),
    "torch.hub": lambda mark: Calls(torch.hub._load_local, hub(mark), "entry"),
    "torch.save": lambda mark: Calls(torch.save, 1, str(mark)),
    "getattr": lambda mark: Calls(getattr(os, "system"), f"touch {mark}"),  # noqa: B009
    "numpy of objects": lambda mark: np.array([Calls(os.system, f"touch {mark}")], dtype=object),
    "nested": lambda mark: {"a": [(torch.zeros(1), {"b": Calls(os.system, f"touch {mark}")})]},
}


def hub(mark):
    """A repository as torch.hub loads it: its hubconf.py is run."""
    folder = mark.parent / "repository"
    folder.mkdir(exist_ok=True)
    (folder / "hubconf.py").write_text(f"open({str(mark)!r}, 'w').close()\ndef entry(): return 1\n")
    return str(folder)


def modern(payload, path, state):
    torch.save(state | {"state_dict": payload}, path)


def beside(payload, path, state):
    """Honest weights, the payload under another key."""
    torch.save(state | {"callbacks": payload}, path)


def legacy(payload, path, state):
    torch.save({"state_dict": payload}, path, _use_new_zipfile_serialization=False)


def raw(payload, path, state):
    path.write_bytes(pickle.dumps({"state_dict": payload}, 2))


def zipped(payload, path, state):
    """An archive that torch did not write."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"state_dict": payload}, 2))
        file.writestr("archive/version", "3\n")


def tarred(payload, path, state):
    """As torch wrote before 0.1.10."""
    with tarfile.open(path, "w") as file:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            data = pickle.dumps(payload, 2)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))


def persistent(payload, path, state):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", storage_name(payload))
        file.writestr("archive/version", "3\n")


WRAPPINGS = [modern, beside, legacy, raw, zipped, tarred, persistent]


def checkpoint(run):
    (path,) = (run / "checkpoints").iterdir()
    return path


@pytest.mark.parametrize("wrapping", WRAPPINGS, ids=lambda w: w.__name__)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_pickle_runs(payload, wrapping, tmp_path, mark):
    path = tmp_path / "x.ckpt"
    wrapping(PAYLOADS[payload](mark), path, {})
    with pytest.raises(safe_load.UnsafeFileError) as error:
        safe_load.load(path)
    assert "\n" not in str(error.value)
    assert not mark.exists()


@pytest.mark.parametrize("wrapping", WRAPPINGS, ids=lambda w: w.__name__)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_every_payload_is_real(payload, wrapping, tmp_path, mark):
    """The negative control: without weights_only each leaves its mark."""
    path = tmp_path / "x.ckpt"
    wrapping(PAYLOADS[payload](mark), path, {})
    try:
        if wrapping is raw:
            pickle.loads(path.read_bytes())
        else:
            torch.load(path, weights_only=False)
    except Exception:
        assert wrapping in (tarred, persistent, raw, zipped, legacy, modern)  # it may fail, having run
    assert mark.exists()


WRAPPED = [(name, wrapping) for name in READERS for wrapping in (modern, beside, legacy, tarred)]


@pytest.mark.parametrize(
    ("name", "wrapping"),
    kinds(
        WRAPPED,
        ("gan-train", modern),
        ("gan-evaluate", beside),
        ("gan-export", legacy),
        *(w for w in WRAPPED if w[0] == "gan-sample"),
    ),
    ids=lambda x: getattr(x, "__name__", x),
)
def test_no_command_runs_a_checkpoint(command, run, mark, name, wrapping):
    path = checkpoint(run)
    state = torch.load(path, weights_only=True)
    wrapping(PAYLOADS["os.system"](mark), path, state)
    said = refused(command(name, *READERS[name]), mark, path.name)
    if wrapping in (modern, beside):
        assert "holds more than plain data (posix.system) and was not loaded" in said


PLAIN = {
    "nothing": {},
    "a list": {"state_dict": [1]},
    "a number for a name": {"state_dict": {3: torch.zeros(1)}},
    "a number": 7,
}


@pytest.mark.parametrize(
    ("name", "held"), kinds([(name, held) for name in READERS for held in PLAIN], *zip(READERS, PLAIN, strict=True))
)
def test_plain_data_that_are_no_checkpoint(command, run, mark, name, held):
    torch.save(PLAIN[held], checkpoint(run))
    refused(command(name, *READERS[name]), mark, checkpoint(run).name)


def test_weights_of_an_extractor_are_read_alike(command, run, mark):
    torch.save(PAYLOADS["os.system"](mark), run / "weights.pth")
    inception = "gan_lightning.metric.feature.inception.Inception"
    planted(run, "feature", {"_target_": inception, "weights": str(run / "weights.pth")})
    done = command("gan-evaluate", "run=run", "metric=fid", "num=10")
    refused(done, mark, "feature=inception")


# ── targets ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
TARGETS = {  # what each would need to leave its mark
    "os.system": lambda mark: {"command": f"touch {mark}"},
    "subprocess.Popen": lambda mark: {"args": ["touch", str(mark)]},
    "builtins.eval": lambda mark: {"_args_": [CODE.format(str(mark))]},
    "builtins.exec": lambda mark: {"_args_": [CODE.format(str(mark))]},
    "builtins.open": lambda mark: {"file": str(mark), "mode": "w"},
    "io.open": lambda mark: {"file": str(mark), "mode": "w"},
    "pathlib.Path.write_text": lambda mark: {"self": {"_target_": "pathlib.Path", "_args_": [str(mark)]}, "data": "x"},
    "pathlib.Path.touch": lambda mark: {"_args_": [{"_target_": "pathlib.Path", "_args_": [str(mark)]}]},
    "urllib.request.urlopen": lambda mark: {"url": f"file://{mark}"},
    "urllib.request.urlretrieve": lambda mark: {"url": f"file://{__file__}", "filename": str(mark)},
    "torch.load": lambda mark: {"f": pickled(mark), "weights_only": False},
    "torch.save": lambda mark: {"obj": 1, "f": str(mark)},
    "torch.hub.load": lambda mark: {"repo_or_dir": hub(mark), "model": "entry", "source": "local"},
    "joblib.load": lambda mark: {"filename": pickled(mark)},
    "numpy.load": lambda mark: {"file": pickled(mark), "allow_pickle": True},
    "numpy.savetxt": lambda mark: {"fname": str(mark), "X": [1]},
    "pickle.load": lambda mark: {"_args_": [{"_target_": "builtins.open", "file": pickled(mark), "mode": "rb"}]},
    "shutil.copy": lambda mark: {"src": __file__, "dst": str(mark)},
    "hydra.utils.instantiate": lambda mark: {"config": {"_target_": "os.system", "command": f"touch {mark}"}},
    "hydra.utils.call": lambda mark: {"config": {"_target_": "os.system", "command": f"touch {mark}"}},
    "torch.optim.adam.sys.modules.get": lambda mark: {"_args_": ["os"]},
    "torch.hub.os.system": lambda mark: {"command": f"touch {mark}"},
    "gan_lightning.run.directory.Run": lambda mark: {"path": str(mark)},
    "gan_lightning.run.provenance.subprocess.Popen": lambda mark: {"args": ["touch", str(mark)]},
    "gan_lightning.data.store.np.savetxt": lambda mark: {"fname": str(mark), "X": [1]},
    "gan_lightning.loss.hinge.Hinge.__init__": lambda mark: {},
    "marking.Loss": lambda mark: {},
    "torch.optim.Adam.__init__": lambda mark: {},
    "gan_lightning.cli.train.main": lambda mark: {},
    "gan_lightning.loss.hinge.AdversarialLoss": lambda mark: {},
    "gan_lightning.loss.base.AdversarialLoss.discriminator": lambda mark: {},
    "../../evil": lambda mark: {},
    "": lambda mark: {},
}
PLACES = ["loss", "model.generator", "optimizer.generator", "trainer", "logger", "regularizer.r9", "metric.m",
          "callback.samples", "ema", "data", "feature", "prior", "augmentation", "checkpoint", "gan",
          "optimizer.schedule.generator", "regularizer.r1.schedule", "optimizer.generator.foreach", "callback.health.stop_on",
          "nowhere"]  # fmt: skip


def pickled(mark):
    path = mark.parent / "payload.pkl"
    path.write_bytes(pickle.dumps(Calls(os.system, f"touch {mark}"), 2))
    return str(path)


@pytest.fixture
def marking(tmp_path, monkeypatch, mark):
    """A module whose import leaves the mark."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "marking.py").write_text(f"open({str(mark)!r}, 'w').close()\nclass Loss: pass\n")
    (tmp_path / "lib" / "marked").mkdir()
    (tmp_path / "lib" / "marked" / "__init__.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    yield
    sys.modules.pop("marking", None)
    sys.modules.pop("marked", None)


def planted(run, place, node):
    """The run's config with a node at this place."""
    config = OmegaConf.load(run / "config.yaml")
    OmegaConf.update(config, place, node, merge=False, force_add=True)
    (run / "config.yaml").write_text(OmegaConf.to_yaml(config))


SOME = [
    "os.system",
    "builtins.open",
    "torch.hub.load",
    "hydra.utils.instantiate",
    "gan_lightning.run.directory.Run",
    "marking.Loss",
]


@pytest.mark.parametrize("target", kinds(TARGETS, *SOME))
def test_no_target_of_a_run_directory_is_called(command, run, mark, marking, target):
    at = list(TARGETS).index(target)
    place, name = PLACES[at % len(PLACES)], list(READERS)[at % len(READERS)]
    planted(run, place, {"_target_": target} | TARGETS[target](mark))
    refused(command(name, *READERS[name]), mark, place)


@pytest.mark.parametrize("place", PLACES)
def test_no_place_of_a_run_directory_calls_a_target(run, mark, marking, place):
    from gan_lightning.config.errors import UserError
    from gan_lightning.config.validate import validate

    held = OmegaConf.load(run / "config.yaml")
    for target in list(TARGETS)[PLACES.index(place) % 6 :: 6]:
        config = held.copy()
        OmegaConf.update(
            config, place, {"_target_": target} | TARGETS[target](mark), merge=place in ("data", "gan"), force_add=True
        )
        with pytest.raises(UserError) as error:
            validate(config)
        assert any(line.startswith(place) for line in error.value.lines)
        assert not mark.exists()


@pytest.mark.parametrize("target", kinds(TARGETS, *SOME))
def test_no_target_of_a_command_line_is_called(command, mark, marking, target, tmp_path):
    node = ",".join(f"{k}: {json.dumps(v)}" for k, v in ({"_target_": target} | TARGETS[target](mark)).items())
    node = node.replace('"_target_":', "_target_:").replace('"_args_":', "_args_:").replace('"command":', "command:")
    before = sorted(path.name for path in tmp_path.iterdir())
    refused(command("gan-train", *TINY, f"++loss={{{node}}}".replace('"', "'")), mark)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def naively(node):
    """What a framework does that trusts its configs: import whatever is named, and call it."""
    if not (isinstance(node, dict) and "_target_" in node):
        return node
    *names, last = node["_target_"].split(".")
    found = importlib.import_module(names[0])
    for depth, name in enumerate([*names[1:], last], 2):
        if not hasattr(found, name):
            importlib.import_module(".".join([*names, last][:depth]))
        found = getattr(found, name)
    keywords = {k: naively(v) for k, v in node.items() if k not in ("_target_", "_args_", "config")}
    keywords |= {"config": node["config"]} if "config" in node else {}
    return found(*map(naively, node.get("_args_", [])), **keywords)


HARMLESS = ("torch.optim.", "gan_lightning.run.directory", "gan_lightning.loss.", "gan_lightning.cli.", "..", "hydra.utils.")
REAL_TARGETS = [target for target in TARGETS if target and not target.startswith(HARMLESS)]


def ran(call, mark):
    """Wait until the mark is left: a process of its own may take its time."""
    with contextlib.suppress(Exception):  # a payload may fail after it ran
        call()
    return until(mark.exists)


@pytest.mark.parametrize("target", REAL_TARGETS)
def test_every_target_is_real(mark, marking, target):
    """The negative control: called as it is named, each leaves its mark."""
    node = {"_target_": target} | TARGETS[target](mark)
    if target == "urllib.request.urlopen":
        mark.write_text("read")
        assert naively(node).read() == b"read"
    else:
        assert ran(lambda: naively(node), mark)


BY_HYDRA = ["torch.load", "numpy.load", "builtins.open", "pathlib.Path.write_text", "marking.Loss"]


@pytest.mark.parametrize("target", BY_HYDRA)
def test_hydra_alone_would_call_them(mark, marking, target):
    """The negative control of Hydra's own list: these pass it."""
    assert ran(lambda: hydra.utils.instantiate({"_target_": target} | TARGETS[target](mark)), mark)


# ── Hydra's own nodes ────────────────────────────────────────────────────────────────────────────────────────────────────
def dictionary(node):
    """As it is typed."""
    if isinstance(node, dict):
        return "{" + ",".join(f"{k if k != '()' else chr(39) + k + chr(39)}: {dictionary(v)}" for k, v in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ",".join(map(dictionary, node)) + "]"
    return f"'{node}'" if isinstance(node, str) else json.dumps(node)


def logs(**handler):
    return {"version": 1, "root": {"handlers": ["x"]}, "handlers": {"x": handler}}


NODES = {  # of each kind that Hydra builds or reads; `tests/config/test_hydra_node.py` has the keys and the files
    "callbacks": ("+hydra.callbacks.x", lambda mark: {"_target_": "builtins.open", "file": str(mark), "mode": "w"}),
    "imported callbacks": ("+hydra.callbacks.x", lambda mark: {"_target_": "marking.Loss"}),
    "launcher": ("hydra.launcher._target_", lambda mark: "marking.Loss"),
    "sweeper": ("hydra.sweeper._target_", lambda mark: "marking.Loss"),
    "elsewhere": ("+hydra.job.config.x", lambda mark: {"_target_": "marking.Loss"}),
    "a factory of hydra's": (
        "++hydra.hydra_logging",
        lambda mark: logs(**{"()": "builtins.open", "file": str(mark), "mode": "w"}),
    ),
    "a class of logging": ("++hydra.job_logging", lambda mark: logs(**{"class": "marking.Loss"})),
    "ext of logging": (
        "++hydra.job_logging",
        lambda mark: logs(**{"class": "logging.StreamHandler", "stream": "ext://marking.Loss"}),
    ),
    "the environment": ("+hydra.job.env_set.GAN_LIGHTNING_PACKAGES", lambda mark: "marking"),
    "a package of configs": ("hydra.searchpath", lambda mark: ["pkg://marked"]),
}


SWEEPS = ("callbacks", "launcher", "sweeper", "a package of configs")


@pytest.mark.parametrize("kind", kinds(NODES, *SWEEPS, "a class of logging", "the environment"))
def test_no_node_of_hydra_runs_from_a_folder_of_configs(command, mark, marking, kind, tmp_path):
    """`--config-dir theirs`: an experiment, or a whole primary config, of a stranger."""
    key, value = NODES[kind]
    (tmp_path / "theirs" / "experiment").mkdir(parents=True)
    *path, last = key.lstrip("+").split(".")
    node = {last: value(mark)}
    for name in reversed(path):
        node = {name: node}
    primary = {"defaults": ["train", "_self_"]} | node
    (tmp_path / "theirs" / "theirs.yaml").write_text(json.dumps(primary))
    refused(command("gan-train", "--config-dir=theirs", "--config-name=theirs", *TINY, "trainer.max_steps=1"), mark)
    if "searchpath" not in key:
        (tmp_path / "theirs" / "experiment" / "e.yaml").write_text("# @package _global_\n" + json.dumps(node))
        refused(command("gan-train", "--config-dir=theirs", "experiment=e", "trainer.max_steps=1"), mark)


REAL = ["callbacks", "imported callbacks", "a class of logging", "ext of logging", "a package of configs"]


@pytest.mark.parametrize("kind", REAL)
def test_every_node_of_hydra_is_real(mark, marking, kind, tmp_path, monkeypatch):
    """The negative control: a Hydra program without our check runs them."""
    from hydra.core.global_hydra import GlobalHydra

    key, value = NODES[kind]
    GlobalHydra.instance().clear()
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "plain.yaml").write_text("x: 1\n")
    monkeypatch.setattr(sys, "argv", ["program", f"{key}={dictionary(value(mark))}", f"hydra.run.dir={tmp_path}/out"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    program = hydra.main(version_base="1.3", config_path=str(tmp_path / "conf"), config_name="plain")(lambda config: None)
    assert ran(program, mark)
    GlobalHydra.instance().clear()


@pytest.mark.parametrize("word", ["hydra/job_logging=default", "hydra/job_logging=stdout", "hydra/hydra_logging=default",
                                  "+hydra.job.env_set.OMP_NUM_THREADS=1", "hydra.verbose=true"])  # fmt: skip
def test_what_hydra_itself_offers_passes(word):
    from gan_lightning.config.compose import Composer

    Composer().compose([word])


@pytest.mark.parametrize(
    "switch", ["--experimental-rerun={pickled}", "--experimental={pickled}", "--config-path=pkg://marked", "-cp=pkg://marked"]
)
def test_no_switch_of_hydra_reads_a_pickle_or_imports(command, mark, marking, switch):
    refused(command("gan-train", switch.format(pickled=pickled(mark)), *TINY, "trainer.max_steps=1"), mark, "--")


def test_a_rerun_would_unpickle(mark, monkeypatch):
    """The negative control of the switch."""
    from hydra.main import _get_rerun_conf

    assert ran(lambda: _get_rerun_conf(pickled(mark), []), mark)


# ── interpolations ───────────────────────────────────────────────────────────────────────────────────────────────────────
READS = ["${oc.env:SECRET}", "a${oc.env:SECRET}", "${oc.decode:${oc.env:SECRET}}", "${oc.env:SECRET,none}"]


@pytest.mark.parametrize(
    ("name", "text"), kinds([(name, text) for name in READERS for text in READS], *zip(READERS, READS, strict=True))
)
def test_a_config_reads_no_secret(command, run, mark, monkeypatch, name, text):
    monkeypatch.setenv("SECRET", "hunter2")
    planted(run, "name", text)
    said = refused(command(name, *READERS[name]), mark, "reads SECRET of the environment")
    assert said.startswith("name: ")
    assert "GAN_LIGHTNING_VARIABLES=SECRET" in said
    assert not any("hunter2" in p.read_text(errors="replace") for p in run.rglob("*") if p.is_file())


def test_a_name_that_is_put_together_reads_no_secret(command, run, mark, monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2")
    planted(run, "name", "${oc.env:${objective}}")
    planted(run, "objective", "SECRET")
    refused(command("gan-sample", *READERS["gan-sample"]), mark, "name: reads something else than a key of this config")


def test_a_person_lets_a_config_read_the_environment(monkeypatch):
    from gan_lightning.config.errors import UserError
    from gan_lightning.config.resolve import resolve

    config = OmegaConf.create({"a": "${oc.env:SECRET}", "b": "${oc.env:USER,x}", "c": "${oc.env:NOWHERE,3}"})
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.setenv("GAN_LIGHTNING_VARIABLES", "SECRET,NOWHERE")
    assert resolve(config)["a"] == "hunter2"
    assert resolve(config)["c"] == "3"
    monkeypatch.delenv("GAN_LIGHTNING_VARIABLES")
    with pytest.raises(UserError, match="a: reads SECRET"):
        resolve(config)
    assert OmegaConf.to_container(config, resolve=True)["a"] == "hunter2"  # other programs' configs are theirs


# ── yaml and the rest ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", READERS)
def test_yaml_makes_no_objects(command, run, mark, name):
    (run / "config.yaml").write_text(f"name: !!python/object/apply:os.system ['touch {mark}']\n")
    refused(command(name, *READERS[name]), mark, "config.yaml can't be read")


@pytest.mark.parametrize("word", ["num=!!python/object/apply:os.system ['touch {mark}']"])
def test_an_argument_makes_no_objects(command, run, mark, word):
    refused(command("gan-sample", "run=run", word.format(mark=mark)), mark, "can't be read")


@pytest.mark.parametrize("held", ["[]", "{", '{"status": "finished"}', '{"seconds": "long"}', '{"best_step": [1]}', "\x00"])
def test_a_result_that_is_none(command, run, mark, held):
    (run / "result.json").write_text(held)
    done = command("gan-train", *READERS["gan-train"])
    assert "Traceback" not in done.err
    if done.code:
        refused(done, mark, "result.json")


def test_cached_arrays_hold_no_objects(command, tmp_path, mark, monkeypatch):
    """A cache that a stranger filled: the array is not read but written anew."""
    from PIL import Image

    from gan_lightning.data.image_folder import ImageFolder

    (tmp_path / "images").mkdir()
    for i in range(3):
        Image.new("L", (4, 4), i).save(tmp_path / "images" / f"{i}.png")
    arguments = {
        "root": str(tmp_path / "images"),
        "cache": str(tmp_path / "cache"),
        "sample_shape": (1, 4, 4),
        "num_classes": 0,
    }
    ImageFolder(**arguments).load()
    (path,) = (tmp_path / "cache").glob("**/samples.npy")
    np.save(path, np.array([Calls(os.system, f"touch {mark}")] * 3, dtype=object), allow_pickle=True)
    assert len(ImageFolder(**arguments).splits.train) == 3
    assert not mark.exists()


def test_cached_readings_hold_no_objects(tmp_path, mark):
    from gan_lightning.metric.reference import load_reading

    torch.save(PAYLOADS["os.system"](mark), tmp_path / "x.safetensors")
    assert load_reading(tmp_path / "x.safetensors") is None
    assert not mark.exists()


@pytest.mark.parametrize("name", kinds(["sample", "train"], "train"))
def test_in_a_real_process(run, mark, tmp_path, name):
    """Two of the above through the commands themselves."""
    state = torch.load(checkpoint(run), weights_only=True)
    modern(PAYLOADS["os.system"](mark), checkpoint(run), state)
    line = [sys.executable, "-m", f"gan_lightning.cli.{name}", *READERS[f"gan-{name}"]]
    done = subprocess.run(line, capture_output=True, text=True, timeout=HANG, check=False, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
    assert "(posix.system)" in done.stderr
    assert not mark.exists()


# ── the house ────────────────────────────────────────────────────────────────────────────────────────────────────────────
UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
UNREAD = {"pickle.PicklingError", "joblib.cpu_count"}  # of them; they read no file


def unsafe(path):
    """Ways to read a file that may run it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            of = "" if isinstance(node, ast.Import) else f"{node.module}."
            names = [name for a in node.names if (name := f"{of}{a.name}") not in UNREAD or not of]
            yield from (f"{path.name} imports {name}" for name in names if name.partition(".")[0] in UNSAFE)
        if not isinstance(node, ast.Call):
            continue
        said, keywords = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
        if said == "torch.load" and (path.name != "safe_load.py" or keywords.get("weights_only") != "True"):
            yield f"{path.name}: {ast.unparse(node)}"
        if said.startswith("torch.hub.load") or said in ("eval", "exec", "compile", "os.system"):
            yield f"{path.name}: {ast.unparse(node)}"
        if said.startswith("yaml.") and said not in ("yaml.safe_load", "yaml.safe_dump"):
            yield f"{path.name}: {ast.unparse(node)}"
        if keywords.get("allow_pickle", "False") != "False" or keywords.get("shell", "False") != "False":
            yield f"{path.name}: {ast.unparse(node)}"


def test_the_package_has_one_way_to_read_what_torch_wrote():
    files = sorted(PACKAGE.rglob("*.py"))
    assert sum("torch.load(" in path.read_text() for path in files) == 1
    assert [line for path in files for line in unsafe(path)] == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "from joblib import cpu_count, load",
        "import joblib",
        "torch.load(x)",
        "torch.load(x, weights_only=False)",
        "yaml.load(x)",
        "eval(x)",
        "np.load(x, allow_pickle=True)",
        "torch.hub.load(x, y)",
        "subprocess.run(x, shell=True)",
        "yaml.unsafe_load(x)",
    ],
)
def test_another_way_would_be_seen(tmp_path, text):
    (tmp_path / "safe_load.py").write_text(text)
    assert list(unsafe(tmp_path / "safe_load.py"))
