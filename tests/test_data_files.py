"""Files of a run directory that somebody else wrote: one line and exit code 2, nothing outside read or written, nothing hangs.

Every file × {link that leads outside, pipe, device, brackets, another type, missing key, control characters} × the commands
that read it, in one process from one tiny run. A run without a fault is the control.
"""

import json
import os
import re
import shutil
import signal
import stat

import pytest
import yaml
from kinds import kinds
from tiny_gan import trained

TINY = ("experiment=digits_fast", "model.width=4", "data.batch_size=16", "trainer.accelerator=cpu", "metric=none")
COMMANDS = {
    "gan-train": ("run=run", "trainer.max_steps=3"),
    "gan-sample": ("run=run", "num=1", "out=x.npy"),
    "gan-evaluate": ("run=run", "metric=class_accuracy", "num=10"),
    "gan-export": ("run=run", "out=g.safetensors"),
    "gan-replay": ("run=run", "step=2"),
    "gan-report": ("run=run",),
}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
SECONDS = 60  # until a command counts as one that hangs


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("honest") / "run", *TINY, "trainer.max_steps=2")


@pytest.fixture
def run(honest, tmp_path):
    """A copy of the run, and beside it a folder that belongs to somebody."""
    shutil.copytree(honest, tmp_path / "run")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis").write_text("mine")
    return tmp_path / "run"


@pytest.fixture
def tried(command, run, tmp_path):
    """Run a command within a bounded time; returns what it did after the checks that hold for every fault."""

    def late(*_):
        raise TimeoutError("a command hangs")

    def call(name, *line):
        before = signal.signal(signal.SIGALRM, late)
        signal.alarm(SECONDS)
        try:
            done = command(name, *(line or COMMANDS[name]))
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
        assert "Traceback" not in done.err
        assert not CONTROL.search((done.out + done.err).replace("\r", "")), (done.out, done.err)
        assert [(p.name, p.read_text()) for p in (tmp_path / "precious").iterdir()] == [("thesis", "mine")]
        return done

    return call


def refused(done, *words):
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    for word in words:
        assert word in done.err
    return done.err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_run_without_a_fault(tried, name):
    """The control."""
    done = tried(name)
    assert (done.code, "lacks" in done.err) == (0, False), done.err


# ── what kind of thing lies there ────────────────────────────────────────────────────────────────────────────────────────
def replace(path, make):
    path.parent.mkdir(exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    make(path)


def device(path):
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        path.symlink_to("/dev/zero")


def precious(path):
    """The folder beside the run."""
    return next(folder for folder in path.parents if folder.name == "run").parent / "precious"


THINGS = {
    "a link to a file": lambda path: path.symlink_to(precious(path) / "thesis"),
    "a link to a folder": lambda path: path.symlink_to(precious(path)),
    "a link to nothing yet": lambda path: path.symlink_to(precious(path) / "new"),
    "a pipe": os.mkfifo,
    "a device": device,
}
PLACES = [
    *("config.yaml", "config.resolved.yaml", "result.json", "data.json.gz", "metrics.csv", "scores.json", "report.html"),
    *(".lock", ".lock.owner", ".config.yaml.7@host.tmp", "events.out.tfevents.1.x.1.0", "equilibrium.csv", "any.thing"),
    *(
        "checkpoints",
        "checkpoints/step=00000002.ckpt",
        "samples",
        "samples/step=00000000.png",
        "replay",
        "replay/step=00000002",
    ),
]
OPENING = [name for name in COMMANDS if name != "gan-report"]
EVERY = [(place, thing, name) for place in PLACES for thing in THINGS for name in OPENING]
SOME = [(place, [*THINGS][i % 5], OPENING[i % 4]) for i, place in enumerate(PLACES) if i % 3 == 0]
SOME += [(PLACES[i % 3], thing, OPENING[(i + 2) % 5]) for i, thing in enumerate(THINGS)]


@pytest.mark.parametrize(("place", "thing", "name"), kinds(EVERY, *SOME))
def test_only_files_and_folders_of_its_own(tried, run, place, thing, name):
    replace(run / place, THINGS[thing])
    refused(tried(name), f"run/{place}: ")


OF_REPORT = [(place, thing) for place in PLACES for thing in THINGS if place != "report.html"]


@pytest.mark.parametrize(("place", "thing"), kinds(OF_REPORT, *OF_REPORT[5::41]))
def test_a_report_reads_nothing_of_such_a_run(tried, run, place, thing):
    """Its page names what is wrong, as for any damaged run."""
    replace(run / place, THINGS[thing])
    done = tried("gan-report")
    assert done.code == 0, done.err
    assert re.search("is a link that leads outside|is no regular file", (run / "report.md").read_text())


def test_a_link_that_stays_inside_is_one_of_the_run(tried, run):
    (run / "latest.png").symlink_to("samples/step=00000000.png")
    (run / "wandb").mkdir()
    (run / "wandb" / "core.log").symlink_to("/elsewhere")  # its client writes such links
    assert tried("gan-sample").code == 0


def test_a_run_behind_a_link_is_a_run(tried, run, tmp_path):
    run.rename(tmp_path / "scratch")
    run.symlink_to("scratch")
    assert tried("gan-sample").code == 0


# ── what is in it ────────────────────────────────────────────────────────────────────────────────────────────────────────
CONTENTS = {
    "brackets": b"[" * 100_000,
    "braces": b'{"a":' * 20_000,
    "lists of yaml": b"- " * 50_000,
    "nothing": b"",
    "zeros": bytes(1000),
    "no text": bytes(range(256)),
    "a list": b"[]",
    "too much": b" " * (2**24 + 1),
}
BROKEN = [(file, what, name) for file in ("config.yaml", "result.json") for what in CONTENTS for name in OPENING]


@pytest.mark.parametrize(("file", "what", "name"), kinds(BROKEN, *(b for i, b in enumerate(BROKEN) if i % 10 == i // 5 % 5)))
def test_a_content_that_is_none(tried, run, file, what, name):
    (run / file).write_bytes(CONTENTS[what])
    refused(tried(name), file)


@pytest.mark.parametrize("what", CONTENTS)
def test_other_files_of_such_a_content(run, what):
    """Refused in one line, or as if there were none; gan-train reads all of them."""
    from gan_lightning.run import csv_metrics, data_record, lock

    for file in ("metrics.csv", "data.json.gz", ".lock.owner"):
        (run / file).write_bytes(CONTENTS[what])
    assert lock.read_owner(run) is None
    with pytest.raises(data_record.DamagedRecordError):
        data_record.load(run)
    lines = lines_of(lambda: csv_metrics.row(run, 1)) + lines_of(lambda: csv_metrics.archive(run, 1))
    assert all("metrics.csv can't be read" in line for line in lines)
    assert lines or what == "too much"


WRONG = [["x"], {"a": {"b": 1}}, "\x1b[31mred\nline\u202e", -1, 10**40, True, 1e308]
RESULT_KEYS = [
    "status",
    "reason",
    "step",
    "seconds",
    "objective",
    "metrics",
    "real",
    "best_step",
    "best_objective",
    "saved",
    "overrides",
    "compared",
    "alarms",
    "continued",
    "data_changed",
    "processes",
    "threads",
    "provenance",
]


def lines_of(call):
    """The lines of a UserError, free of control characters; none where there is no mistake."""
    from gan_lightning.config.errors import UserError

    try:
        call()
    except UserError as error:
        lines = error.lines
    else:
        lines = ()
    assert not any(map(CONTROL.search, lines))
    return lines


def test_every_key_of_result_json(run):
    """A value of another type is named with its key; without the key the default of an earlier version is taken."""
    from gan_lightning.run.directory import Run

    good = json.loads((run / "result.json").read_text())
    for key in RESULT_KEYS:
        for value in WRONG:
            (run / "result.json").write_text(json.dumps(good | {key: value}))
            for line in lines_of(lambda: Run(run)):
                assert f"result.json can't be read: {key}" in line
        (run / "result.json").write_text(json.dumps({k: v for k, v in good.items() if k != key}))
        assert Run(run).result["step"] == (0 if key == "step" else 2)
    (run / "result.json").write_text(json.dumps(good | {"of_a_newer_version": [1]}))
    Run(run).record(step=2)
    assert json.loads((run / "result.json").read_text())["of_a_newer_version"] == [1]


@pytest.mark.parametrize(("key", "value"), [("step", -1), ("overrides", None), ("alarms", [{"step": 1}]), ("threads", 0)])
def test_a_command_names_the_key(tried, run, key, value):
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(result | {key: value}))
    refused(tried("gan-train"), f"result.json can't be read: {key}")


def test_text_of_a_result_is_shown_and_not_sent_to_the_terminal(tried, run):
    odd = "\x1b[31mred\nline\u202e"
    result = json.loads((run / "result.json").read_text())
    result |= {"reason": odd, "alarms": [{"step": 1, "name": odd, "message": odd}]}
    (run / "result.json").write_text(json.dumps(result))
    done = tried("gan-train", "run=run")
    assert (done.code, len(done.out.splitlines())) == (0, 1)
    assert r"(\x1b[31mred\nline\u202e)" in done.out
    assert tried("gan-report").code == 0
    assert r"\x1b\[31mred\nline\u202e" in (run / "report.md").read_text()
    assert not CONTROL.search((run / "report.html").read_text() + (run / "report.csv").read_text())


def set_key(run, path, value):
    """Change config.yaml at a path of keys; None: the key is removed."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    node = config
    for key in path[:-1]:
        node = node[key]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def paths(node, path=()):
    """The path of every key of a config."""
    for key, value in node.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from paths(value, (*path, key))


@pytest.mark.parametrize("part", kinds(range(8), 0))
def test_every_key_of_config_yaml(run, part):
    """Removed or of another type: it is refused with its name, or its default is taken; nothing else is raised."""
    from gan_lightning.config.validate import validate
    from gan_lightning.run.directory import Run

    good = (run / "config.yaml").read_text()
    for i, path in list(enumerate(paths(yaml.safe_load(good))))[part::8]:
        for value in (None, WRONG[i % len(WRONG)]):
            (run / "config.yaml").write_text(good)
            set_key(run, path, value)
            lines = lines_of(lambda: validate(Run(run).config))
            assert not lines or any(path[0] in line or "name" in line for line in lines), (path, value, lines)


@pytest.mark.parametrize(
    ("path", "name"),
    kinds(
        [
            (key, name)
            for key in ("threads", "augmentation", "feature", "gan.packing", "checkpoint", "fork")
            for name in OPENING
        ],
        ("augmentation", "gan-train"),
        ("gan.packing", "gan-replay"),
        ("threads", "gan-sample"),
        ("fork", "gan-evaluate"),
    ),
)
def test_a_config_of_an_earlier_version(tried, run, path, name):
    """A key that was added since takes its default, and a line names it."""
    set_key(run, path.split("."), None)
    done = tried(name)
    assert (done.code, f"config.yaml lacks {path}; the defaults are taken" in done.err) == (0, True), done.err


@pytest.mark.parametrize(
    ("path", "name"),
    [("data", "gan-sample"), ("model.generator", "gan-train"), ("trainer", "gan-replay"), ("data.batch_size", "gan-train"),
     ("loss", "gan-export"), ("optimizer.generator", "gan-evaluate"), ("seed", "gan-sample")],
)  # fmt: skip
def test_a_key_without_a_default_is_named(tried, run, path, name):
    set_key(run, path.split("."), None)
    refused(tried(name), path)


ODD = {
    "an alias": ("x: &a [1]\ny: *a\n", "an alias, *a"),
    "a tag": ("x: !!python/name:os.system\n", "a tag"),
    "aliases of aliases": ("".join(f"a{i}: &a{i} [{'*a' + str(i - 1) + ', ' if i else ''}x]\n" for i in range(9)), "an alias"),
    "deep": ("x: " + "{a: " * 60 + "1" + "}" * 60 + "\n", "nested more than 40 deep"),
    "a long value": (f"x: {'9' * 5000}\n", "a value of 5000 letters"),
    "a key that is a number": ("1: 2\n", "the key '1'"),
    "a key with a dot": ("a.b: 1\n", "the key 'a.b'"),
    "a key of controls": ('"\\e[31m": 1\n', "should be a name"),
    "two documents": ("---\nseed: 1\n", "config.yaml can't be read"),
}


@pytest.mark.parametrize("what", ODD)
def test_yaml_that_is_no_config(tried, run, what):
    more, said = ODD[what]
    with (run / "config.yaml").open("a") as file:
        file.write(more)
    refused(tried("gan-sample"), "config.yaml", said)


# ── places outside ───────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("key", ["name", "version", "sub_dir"])
@pytest.mark.parametrize("value", ["../precious", "/tmp/x", "a/b", "..", "a\n"])
def test_a_logger_s_names_are_names(run, key, value):
    from gan_lightning.config.errors import UserError
    from gan_lightning.config.validate import validate
    from gan_lightning.run.directory import Run

    set_key(run, ("logger", key), value)
    with pytest.raises(UserError, match=rf"logger\.{key}: .* should be one name, without a folder"):
        validate(Run(run).config)


def test_an_address_is_used_only_if_it_is_typed(command, run, tried, monkeypatch):
    """A stranger's server would get the user's token."""
    from gan_lightning.config.errors import UserError
    from gan_lightning.config.outside_places import require_typed_places

    logger = {"_target_": "pytorch_lightning.loggers.MLFlowLogger", "tracking_uri": "http://127.0.0.1:1"}
    set_key(run, ("logger",), logger)
    refused(tried("gan-train"), "logger.tracking_uri: http://127.0.0.1:1 comes from the config.yaml of run=run")
    require_typed_places({"logger": logger}, ["logger.tracking_uri"], "run=run")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    require_typed_places({"logger": logger}, [], "run=run")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:2")
    with pytest.raises(UserError, match=r"logger\.tracking_uri"):
        require_typed_places({"logger": logger}, [], "run=run")


def test_a_cache_is_used_only_if_it_is_typed(tried, run, tmp_path):
    folder = {"_target_": "gan_lightning.data.image_folder.ImageFolder", "root": str(run / "samples"), "batch_size": 1}
    folder |= {"sample_shape": [1, 16, 16], "num_classes": 0, "num_workers": 0, "cache": str(tmp_path / "precious")}
    set_key(run, ("data",), folder)
    for name in ("gan-train", "gan-evaluate", "gan-replay"):
        refused(tried(name), "data.cache: ", "add data.cache=")


def test_nothing_is_downloaded_unless_it_is_typed():
    from gan_lightning.config.outside_places import without_download

    plain = {"data": {"download": True, "dataset": {"download": True}}}
    assert without_download(plain, []) == {"data": {"download": False, "dataset": {"download": False}}}
    assert without_download(plain, ["data.download"])["data"]["download"] is True


def test_no_network_is_built_from_a_config_that_was_not_checked(tried, run, tmp_path):
    """The number of threads of a run that recorded none, and has no checkpoint, depends on its networks."""
    shutil.rmtree(run / "checkpoints")
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({k: v for k, v in result.items() if k not in ("threads", "saved")}))
    set_key(run, ("model", "generator"), {"_target_": "os.mkdir", "path": str(tmp_path / "MARK")})
    refused(tried("gan-sample"), "model.generator._target_")
    assert not (tmp_path / "MARK").exists()
