"""A sweep's and a search's folder that somebody else wrote: no file outside is touched, and what is wrong is one line."""

import json
import os
import shutil
import sqlite3

import optuna
import pytest
from kinds import kinds
from optuna.trial import TrialState

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.storage.data_file import DataFileError
from gan_lightning.sweep.plan import Plan, plan_sweep
from gan_lightning.sweep.report.plan_file import read_plan_file
from gan_lightning.sweep.search.passwords import hide_password
from gan_lightning.sweep.search.space import Space
from gan_lightning.sweep.search.storage import open_storage
from gan_lightning.sweep.search.study import Study
from gan_lightning.sweep.search.types import Objective, Outcome, SearchSettings
from gan_lightning.sweep.status import job_statuses

LINE = ("loss=hinge,minimax", "model.width=range(4,9)")


# ── a search ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def search(folder, trials=3):
    """Run a search whose trials train nothing."""
    space = Space(Composer(), list(LINE))
    study = Study(folder, folder.name, space, [Objective("f", False)], SearchSettings(trials, sampler="random"))
    with study.joined(None, {}):
        study.work(lambda trial: Outcome(TrialState.COMPLETE, [float(trial.number)]))
    return study


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("honest") / "s"
    search(folder)
    return folder


@pytest.fixture
def folder(honest, tmp_path):
    """A copy of the search, and beside it a folder that belongs to somebody."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis").write_text("mine")
    shutil.copytree(honest, tmp_path / "s")
    yield tmp_path / "s"
    assert [(p.name, p.read_text()) for p in (tmp_path / "precious").iterdir()] == [("thesis", "mine")]


def change(folder, *statements):
    with sqlite3.connect(folder / "study.db") as database:
        for statement, *values in statements:
            database.execute(statement, values)
    database.close()


def line_of(folder):
    with pytest.raises(UserError) as error:
        search(folder)
    (line,) = error.value.lines
    return line


def test_a_search_without_a_fault(folder):
    """The control."""
    assert len(search(folder, trials=4).trials) == 4


@pytest.mark.parametrize("worker", ["{}/precious", "../../precious", "..", ".", "", "h-1-0123456g", "a/h-1-01234567"])
def test_a_worker_is_no_path(folder, tmp_path, worker):
    """Its folder is locked, and removed if nobody holds the lock."""
    change(
        folder,
        ["update trials set state = 'RUNNING'"],
        ["update trial_user_attributes set value_json = ? where key = 'worker'", json.dumps(worker.format(tmp_path))],
    )
    assert {t.state for t in search(folder).trials} == {TrialState.COMPLETE}


ATTRIBUTES = "update study_user_attributes set value_json = ? where key = ?"
TRIALS = "insert or replace into trial_user_attributes (trial_id, key, value_json) select trial_id, ?, ? from trials"
HOSTILE = {
    "space is a list": ([ATTRIBUTES, "[1]", "space"], "space: "),
    "first is a number": ([ATTRIBUTES, "7", "first"], "first: 7 should be"),
    "objectives are none": ([ATTRIBUTES, '[["f"]]', "objectives"], "objectives.0.1: "),
    "no attributes": (["delete from study_user_attributes"], "space: missing"),
    "brackets": ([ATTRIBUTES, "[" * 100_000, "space"], "storage=sqlite"),
    "a worker that is a number": ([TRIALS, "worker", "7"], "trial 0 in the storage: worker: 7 should be a valid string"),
    "a reason that is a list": ([TRIALS, "reason", "[]"], "reason: should be a valid string"),
    "a point outside": (["update trial_params set param_value = 99"], "is not a point of this search|IndexError|out of range"),
    "another key": (["update trial_params set param_name = 'x' where param_name = 'loss'"], "and has no loss"),
    "no points": (["delete from trial_params"], "it is finished, and has no loss, model.width"),
    "a broken distribution": (["update trial_params set distribution_json = '[['"], "storage=sqlite"),
    "no table": (["drop table trial_values"], "has no score for each objective"),
    "another state": (["update trials set state = 'WHAT'"], "storage=sqlite"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_storage_that_another_wrote(folder, what):
    statement, said = HOSTILE[what]
    change(folder, statement)
    assert any(part in line_of(folder) for part in said.split("|"))


def test_a_choice_that_was_not_typed_is_no_point(folder):
    """It would become an override."""
    name = "update trial_params set distribution_json = ? where param_name = 'loss'"
    choices = {"name": "CategoricalDistribution", "attributes": {"choices": ["hinge", "a b"]}}
    change(folder, [name, json.dumps(choices)], ["update trial_params set param_value = 1 where param_name = 'loss'"])
    assert "loss=a b is not a point of this search" in line_of(folder)


@pytest.mark.parametrize("content", [b"", b"x" * 9000])
def test_a_storage_that_is_no_database(folder, content):
    (folder / "study.db").write_bytes(content)
    if content:
        assert line_of(folder).startswith("storage=sqlite")
    else:
        assert len(search(folder).trials) == 3


ENTRIES = ["study.db", "workers", "workers/h-1-01234567", "experiment", "trials", ".search.lock", "sweep.json", "report.html"]
THINGS = {
    "a link": lambda path: path.symlink_to(next(p for p in path.parents if p.name == "s").parent / "precious"),
    "a pipe": os.mkfifo,
}


@pytest.mark.parametrize(("name", "thing"), [(name, thing) for name in ENTRIES for thing in THINGS])
def test_an_entry_that_leads_outside(folder, name, thing):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    THINGS[thing](path)
    assert line_of(folder).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("url", "hidden"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:…@host/db"),
        ("storage=mysql+pymysql://me:se:cr@e/t@host:3306/db", "storage=mysql+pymysql://me:…@host:3306/db"),
        ("postgresql://host/db?user=me&password=secret&x=1", "postgresql://host/db?user=me&password=…&x=1"),
        ("storage=search/s.journal", "storage=search/s.journal"),
    ],
)
def test_a_password_is_hidden(url, hidden):
    assert hide_password(url) == hidden


def test_a_driver_s_message_holds_no_password(monkeypatch):
    def connect(url, **_):
        raise RuntimeError(f"can't open {url}")

    monkeypatch.setattr("gan_lightning.sweep.search.storage.RDBStorage", connect)
    with pytest.raises(UserError) as error:
        open_storage("postgresql://me:hunter2@host/db")
    assert "hunter2" not in str(error.value)


def test_the_best_experiment_holds_no_password(folder):
    from gan_lightning.sweep.search.conclusion import write_best

    study = search(folder)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'study.db'}")
    study.optuna = optuna.load_study(study_name="s", storage=storage)
    write_best(study, study.ranked(), None, ["gan-search", "storage=postgresql://me:hunter2@host/db"])
    text = (folder / "experiment" / "best.yaml").read_text()
    assert "storage=postgresql://me:…@host/db" in text
    assert "hunter2" not in text


# ── a sweep ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
PLANS = {
    "brackets": (b"[" * 100_000, "Invalid JSON"),
    "nothing": (b"", "Invalid JSON"),
    "a list": (b"[]", "should be an object"),
    "no jobs": (b'{"line": []}', "jobs: missing; it is needed"),
    "jobs of numbers": (b'{"jobs": [' + b"1," * 50_000 + b"1]}", "jobs.0: "),
    "a line of numbers": (b'{"line": [1], "jobs": []}', "line.0: 1 should be a valid string"),
    "a directory that is a number": (b'{"jobs": [{"directory": 3, "overrides": []}]}', "jobs.0.directory: 3 should be"),
    "no overrides": (b'{"jobs": [{"directory": "a"}]}', "jobs.0.overrides: missing"),
    **{
        f"directory {name!r}": (json.dumps({"jobs": [{"directory": name, "overrides": []}]}).encode(), "is outside the sweep")
        for name in ("..", ".", "", "/etc", "a/b", "../a", "trials/..", "trials/a/b", "trials/", "a\0b")
    },
    "too much": (b" " * (2**24 + 1), "is larger than 16 MiB"),
}


@pytest.mark.parametrize("what", PLANS)
def test_a_plan_that_is_none(tmp_path, what):
    content, said = PLANS[what]
    (tmp_path / "sweep.json").write_bytes(content)
    with pytest.raises(DataFileError) as error:
        read_plan_file(tmp_path)
    assert said in error.value.strerror
    assert len(error.value.strerror) < 200


@pytest.mark.parametrize(
    ("entry", "thing"),
    kinds([(entry, thing) for entry in ("job", "sweep.json", "x") for thing in THINGS], ("job", "a link"), ("x", "a pipe")),
)
def test_a_sweep_s_folder(command, tmp_path, monkeypatch, entry, thing):
    """Nothing is launched, and nothing written through a link."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "s").mkdir()
    line = ["experiment=ring_fast", "metric=none", "seed=0,1", "hydra.sweep.dir=s"]
    name = "metric=none,seed=1" if entry == "job" else entry
    THINGS[thing](tmp_path / "s" / name)
    done = command("gan-train", "-m", *line)
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert f"s/{name}: is " in done.err
    assert not list((tmp_path / "precious").iterdir())
    assert not (tmp_path / "s" / "metric=none,seed=0").exists()


def test_a_job_s_directory_is_no_link(tmp_path, monkeypatch):
    """Not even one that stays in the sweep's folder: two jobs would write into one directory."""
    monkeypatch.chdir(tmp_path)
    composer = Composer()
    plan: Plan = plan_sweep(composer, ["experiment=ring_fast", "seed=0", "hydra.sweep.dir=s"])
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "seed=0").symlink_to("other")
    with pytest.raises(UserError, match="seed=0: is a link"):
        job_statuses(plan.folder, plan.jobs, composer)


def test_a_file_of_a_job_is_looked_at_before_any_starts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    composer = Composer()
    plan: Plan = plan_sweep(composer, ["experiment=ring_fast", "seed=0", "hydra.sweep.dir=s"])
    (tmp_path / "s" / "seed=0").mkdir(parents=True)
    os.mkfifo(tmp_path / "s" / "seed=0" / "config.yaml")
    with pytest.raises(UserError, match=r"config\.yaml: is no regular file"):
        job_statuses(plan.folder, plan.jobs, composer)
