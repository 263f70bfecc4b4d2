"""The report of a sweep: what it says is what is in the run directories, whatever became of them."""

import csv
import html.parser
import json
import random
import re
import shlex
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import fake_runs
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from PIL import Image
from waiting import HANG

from gan_lightning.cli import report
from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.quoting import quote_value
from gan_lightning.sweep.report import commands, write
from gan_lightning.sweep.report.collect import Job, collect
from gan_lightning.sweep.report.curves import read_curves
from gan_lightning.sweep.report.drawing import thumbnail
from gan_lightning.sweep.report.findings import Findings
from gan_lightning.sweep.report.groups import summarize
from gan_lightning.sweep.report.page import montages
from gan_lightning.sweep.report.tables import csv_table, escape_formula, markdown


class Page(html.parser.HTMLParser):
    """A page as a browser reads it: its elements and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.said, self.links = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [v for k, v in attrs if k in ("src", "href", "srcset", "action") or k.startswith("on")]

    def handle_data(self, data):
        self.said.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.said).split())


def made(folder):
    return Page(write.write_report(folder).read_text())


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Three losses, of which one is better, five seeds each; and what went wrong in four more ways."""
    folder = tmp_path_factory.mktemp("planted") / "sweep"
    fake_runs.sweep(folder, {"hinge": 3.0, "wasserstein": 1.0, "minimax": 3.0})
    told = json.loads((folder / "sweep.json").read_text())
    for seed, (status, reason) in enumerate(
        [("failed", "loss/d is not finite since step 26"), ("stopped", "SIGINT"), ("preempted", "SIGUSR2"), ("running", None)]
    ):
        name, overrides = f"loss=broken,seed={seed}", ["experiment=digits", "loss=broken", f"seed={seed}"]
        alarms = [{"step": 26, "name": "non_finite", "message": "loss/d"}] if status == "failed" else []
        fake_runs.run(folder / name, overrides, status=status, reason=reason, step=30, pictures=(0,), alarms=alarms)
        told["jobs"].append({"directory": name, "overrides": overrides})
    told["jobs"].append({"directory": "loss=broken,seed=4", "overrides": ["experiment=digits", "loss=broken", "seed=4"]})
    (folder / "sweep.json").write_text(json.dumps(told))
    return folder


def test_the_head(planted):
    text = made(planted).text
    assert "finished 15 of 20 (1 failed, 1 stopped, 1 preempted, 1 running, 1 never started)" in text
    assert "gan-train -m experiment=digits loss=hinge,wasserstein,minimax 'seed=range(5)'" in text
    assert "compared by fid, lower is better" in text
    assert "0123456789ab" in text
    assert "swept loss (4)" in text


def test_groups_are_sorted_and_counted(planted):
    found = Findings(collect(planted))
    assert found.groups[0].values["loss"] == "wasserstein"
    assert found.groups[-1].values["loss"] == "broken"
    assert [len(g.finished) for g in found.groups] == [5, 5, 5, 0]
    scores = [json.loads(p.read_text())["metrics"]["fid"] for p in planted.glob("loss=wasserstein,*/result.json")]
    summary = summarize(found.groups[0].scores("fid"))
    assert summary == summarize(scores)
    assert str(summary) in made(planted).text


def test_higher_is_sorted_the_other_way(tmp_path):
    fake_runs.sweep(tmp_path / "s", {"a": 1.0, "b": 2.0}, compared={"by": "fid", "higher": True})
    found = Findings(collect(tmp_path / "s"))
    assert [g.values["loss"] for g in found.groups] == ["b", "a"]
    assert found.conclusions[0].startswith("loss: b beats a (")


def test_who_beats_whom(planted):
    text = made(planted).text
    assert re.search(r"loss: wasserstein beats (hinge|minimax) \(−[^)]*\), (hinge|minimax) \(−", text)
    assert "wasserstein beats hinge" in (planted / "report.md").read_text()
    assert "hinge beats" not in text
    assert "minimax beats" not in text
    assert "no difference shown" in text


def test_nobody_beats_anybody_by_chance(tmp_path):
    """A sweep of one thing under three names."""
    fake_runs.sweep(tmp_path / "s", {"a": 1.0, "b": 1.0, "c": 1.0})
    assert "beats another only where" in (text := made(tmp_path / "s").text)
    assert len(re.findall(r"\bbeats\b", text)) == 1


def test_images_are_counted_over_the_processes_that_trained(tmp_path):
    """`devices: auto` depends on the machine that reports, so the recorded number counts."""
    folder = fake_runs.run(tmp_path / "run", ["loss=a"], batch=16, processes=4)
    path = folder / "config.resolved.yaml"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"trainer": {"devices": "auto"}}))
    assert collect(folder).jobs[0].images_per_step == 64


def test_without_a_direction_nobody_is_better(tmp_path):
    fake_runs.sweep(tmp_path / "s", {"a": 1.0, "b": 4.0}, compared=None)
    assert "loss: b has more than a" in made(tmp_path / "s").text


def test_failures_have_their_reasons(planted):
    text = made(planted).text
    for said in ("loss/d is not finite since step 26", "SIGINT", "SIGUSR2", "under way, or killed", "never started"):
        assert said in text
    assert re.search(r"loss=broken,seed=0 26 non_finite loss/d", text)


def test_the_twins(planted):
    write.write_report(planted)
    rows = list(csv.DictReader((planted / "report.csv").open()))
    assert len(rows) == 20
    assert {row["status"] for row in rows} == {"finished", "failed", "stopped", "preempted", "running", "never started"}
    one = next(row for row in rows if row["directory"] == "loss=hinge,seed=3")
    result = json.loads((planted / "loss=hinge,seed=3" / "result.json").read_text())
    assert (float(one["fid"]), one["loss"], one["seed"]) == (result["metrics"]["fid"], "hinge", "3")
    assert int(one["images_seen"]) == 1600
    told = (planted / "report.md").read_text()
    assert "| wasserstein | 5 of 5 |" in told
    assert "wasserstein beats hinge" in told


# ── equal steps, equal images ────────────────────────────────────────────────────────────────────────────────────────────
def test_at_equal_steps_and_at_equal_images(tmp_path):
    """The one that went on for longer is no better for that: at equal steps it is worse."""
    jobs = {}
    for name, level, steps, batch in (("long", 1.0, 400, 16), ("quick", 2.0, 100, 32)):
        for seed in range(4):
            overrides = [f"loss={name}", f"seed={seed}"]
            logged = fake_runs.curves(level + seed / 100, steps, steps // 10 + 1)
            jobs[f"loss={name},seed={seed}"] = overrides
            folder = tmp_path / f"loss={name},seed={seed}"
            fake_runs.run(folder, overrides, level + seed / 100, steps, batch=batch, logged=logged)
    fake_runs.plan(tmp_path, jobs)
    found = Findings(collect(tmp_path))
    assert [m.title for m in found.measures] == ["at the end", "at step 100", "at 3,200 images seen"]
    by_steps, by_images = (dict(m.scores) for m in found.measures[1:])
    assert by_steps["loss=long,seed=0"] == pytest.approx(10 - 9 * 100 / 400)
    assert by_steps["loss=quick,seed=0"] == pytest.approx(2.0)
    assert by_images["loss=long,seed=0"] == pytest.approx(10 - 9 * 200 / 400)
    text = made(tmp_path).text
    assert "fid, by images seen" in text
    assert "at 3,200 images seen" in text


def test_what_all_have_seen_alike_is_said_once(planted):
    assert [m.title for m in Findings(collect(planted)).measures] == ["at the end"]


def test_curves_are_as_the_run_has_them_now(tmp_path):
    """A run that went on: what an earlier process logged past its checkpoint doesn't count."""
    fake_runs.events(tmp_path / "events.out.tfevents.1.a", {"loss/d": [(0, 0.0), (10, 1.0), (20, 2.0), (30, 3.0)]})
    fake_runs.events(tmp_path / "events.out.tfevents.2.a", {"loss/d": [(20, 5.0)], "speed/x": [(1, 1.0)]}, purge=11)
    fake_runs.events(tmp_path / "events.out.tfevents.2.a.images", {"loss/d": [(99, 9.0)]})
    found = read_curves(tmp_path)
    assert found.keys() == {"loss/d"}
    assert found["loss/d"].steps.tolist() == [0, 10, 20]
    assert found["loss/d"].values.tolist() == [0.0, 1.0, 5.0]
    assert found["loss/d"].at(15) == 1.0


def test_curves_of_the_csv_logger(tmp_path):
    (tmp_path / "metrics.1.csv").write_text("loss/d,step\n1.0,10\n2.0,20\n")
    (tmp_path / "metrics.csv").write_text("loss/d,metric/fid,step\n5.0,,20\n,7.5,30\n")
    found = read_curves(tmp_path)
    assert found["loss/d"].values.tolist() == [1.0, 5.0]
    assert found["metric/fid"].steps.tolist() == [30]


# ── samples ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_samples_are_of_the_same_step(planted):
    one, other = montages(Findings(collect(planted)))
    assert (one["title"], one["columns"]) == ("step 100", [f"seed {s}" for s in range(5)])
    cells = dict(one["rows"])
    assert all(cell["image"].startswith("data:image/jpeg") for cell in cells["loss=wasserstein"])
    assert [cell["reason"] for cell in cells["loss=broken"]] == ["failed", "stopped", "preempted", "running", "never started"]
    assert (other["title"], other["columns"]) == ("seed 0", ["step 0", "step 50", "step 100"])


def test_a_run_that_lacks_the_last_picture_decides_the_step(tmp_path):
    fake_runs.sweep(tmp_path, {"a": 1.0}, seeds=range(2))
    (tmp_path / "loss=a,seed=1" / "samples" / "step=00000100.png").unlink()
    assert montages(Findings(collect(tmp_path)))[0]["title"] == "step 50"


def test_large_montages_say_what_they_leave_out(tmp_path):
    fake_runs.sweep(tmp_path, {f"l{i}": i for i in range(14)}, seeds=range(8), logged={})
    one, _ = montages(Findings(collect(tmp_path)))
    assert (len(one["rows"]), len(one["columns"])) == (12, 6)
    assert one["omitted"] == ["2 more configurations", "2 more seeds"]


# ── hostile and damaged ──────────────────────────────────────────────────────────────────────────────────────────────────
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"' {{ 7*7 }} $\\frac{ &amp; | `x` ]]>"


def test_nothing_that_is_written_becomes_markup(tmp_path):
    overrides = [f"loss={EVIL}", "seed=0"]
    alarms = [{"step": 1, "name": EVIL, "message": EVIL}]
    result = {"reason": EVIL, "status": "failed", "metrics": {EVIL: 1.0, "fid": 1.0}, "alarms": alarms}
    fake_runs.run(tmp_path / "one", overrides, logged={f"loss/{EVIL}": [(0, 1.0), (9, 2.0)]}, **result)
    fake_runs.run(tmp_path / "two", ["loss=b", "seed=0"], compared={"by": EVIL, "higher": True}, logged={})
    fake_runs.plan(tmp_path, {"one": overrides, "two": ["loss=b", "seed=0"]}, line=[EVIL])
    page = made(tmp_path)
    assert page.text.count("<script>alert(1)</script>") > 5
    assert "script" not in page.tags
    assert not [link for link in page.links if link and not link.startswith(("#", "data:image/jpeg;base64,"))]
    assert "7*7" in page.text
    told = (tmp_path / "report.md").read_text()
    assert "<script" not in told
    assert "<img" not in told


def test_an_unescaped_page_would_be_seen():
    """The negative control."""
    assert "script" in Page(f"<p>{EVIL}</p>").tags


def test_the_page_asks_for_nothing(planted):
    page = made(planted)
    assert not page.tags & {"script", "link", "iframe", "object", "embed", "form", "base"}
    assert not [link for link in page.links if link and not link.startswith(("#", "data:"))]
    assert "default-src 'none'" in (planted / "report.html").read_text()


DAMAGES = {
    "empty": b"",
    "cut off": b'{"status": "finished", "metr',
    "a list": b"[1, 2]",
    "no text": bytes(range(256)),
    "deep": b"[" * 100_000,
    "odd types": json.dumps(
        {
            "status": 7,
            "reason": ["x"],
            "step": "many",
            "metrics": [1],
            "alarms": {"a": 1},
            "overrides": 3,
            "compared": "fid",
            "provenance": "x",
            "objective": "high",
            "best_step": {},
            "seconds": None,
        }
    ).encode(),
    "odd numbers": b'{"status": "finished", "metrics": {"fid": 1e999, "recall": NaN}, "step": 1e400, "objective": -Infinity}',
    "half a character": b'{"status": "failed", "reason": "\\ud800", "metrics": {"\\udfff": 1}}',
    "huge": b'{"status": "finished", "step": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_result_is_told(tmp_path, what):
    fake_runs.sweep(tmp_path, {"a": 1.0, "b": 2.0}, seeds=range(2), planned=False)
    (tmp_path / "loss=a,seed=1" / "result.json").write_bytes(DAMAGES[what])
    text = made(tmp_path).text
    assert "of 4" in text
    if what not in ("odd types", "odd numbers", "half a character"):
        assert "result.json can't be read" in text
        assert Findings(collect(tmp_path)).groups[0].values == {"loss": "a"}


def test_whatever_is_damaged_there_is_a_page(tmp_path):
    """Any file of a sweep cut, overwritten, emptied, made a folder or taken away, a hundred times."""
    fake_runs.sweep(tmp_path / "whole", {"a": 1.0, "b": 2.0}, seeds=range(2), points=3)
    luck = random.Random(0)
    files = sorted(p for p in (tmp_path / "whole").rglob("*") if p.is_file())
    for _ in range(100):
        path = luck.choice(files)
        kept = path.read_bytes()
        harm = luck.randrange(5)
        if harm == 0:
            path.write_bytes(kept[: luck.randrange(len(kept))])
        elif harm == 1:
            at = luck.randrange(len(kept))
            path.write_bytes(kept[:at] + luck.randbytes(9) + kept[at + 9 :])
        elif harm == 2:
            path.write_bytes(b"")
        else:
            path.unlink()
            if harm == 3:
                path.mkdir()
        found = Findings(collect(tmp_path / "whole"))
        assert (len(found.jobs), len(csv_table(found).splitlines()) > 4) == (4, True)
        assert markdown(found)
        assert montages(found)
        if path.is_dir():
            path.rmdir()
        path.write_bytes(kept)
    assert write.write_report(tmp_path / "whole").stat().st_size > 10_000


def test_a_plan_that_points_elsewhere_is_not_followed(tmp_path):
    fake_runs.sweep(tmp_path / "s", {"a": 1.0}, seeds=[0])
    fake_runs.run(tmp_path / "secret", ["loss=secret"])
    fake_runs.plan(tmp_path / "s", {"../secret": ["loss=secret"]})
    text = made(tmp_path / "s").text
    assert "sweep.json can't be read: jobs.0.directory: ../secret is outside the sweep" in text
    assert "finished 1 of 1" in text


def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe():
    for text in ("=1+1", "+cmd", "-2+3", "@x", " =1", "\t=1", "-", "1e5-x=", "−1"):
        assert escape_formula(text) == (f"'{text}" if text[0] not in "1−" else text)
    for value in ("-1", "+0.5", "-1e-05", "-.5", "a=b", "", 3, -2.5, None):
        assert escape_formula(value) == value


def test_only_a_png_of_the_run_is_shown(tmp_path):
    """A linked picture, another format under its name, and one that unpacks to much are not embedded."""
    fake_runs.picture(tmp_path / "s" / "a.png", (1, 2, 3))
    assert thumbnail(tmp_path / "s" / "a.png").startswith("data:image/jpeg")
    (tmp_path / "link.png").symlink_to("s/a.png")
    (tmp_path / "eps.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    Image.new("RGB", (9, 9)).save(tmp_path / "bmp.png", "BMP")
    Image.new("1", (2**13 + 1, 2**13)).save(tmp_path / "large.png")
    for name in ("link", "eps", "bmp", "large"):
        assert thumbnail(tmp_path / f"{name}.png") is None


# ── what to type ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "directory", ["data=digits,loss=hinge,seed=0", "a b'c", 'say "x"', "regularizer=[r1,r2]", "back\\slash", "end\\", "q\\'x"]
)
def test_commands_come_through_a_shell_and_hydra(tmp_path, monkeypatch, directory):
    monkeypatch.chdir(tmp_path)
    job = Job(directory, tmp_path / "multi run" / directory, ["experiment=digits_fast", "regularizer=[r1,r2]", "name='a b'"])
    name, *words = shlex.split(commands.repeat_command(job))
    parsed = Composer().parse(words)
    assert (name, [o.key_or_group for o in parsed]) == ("gan-train", ["experiment", "regularizer", "name", "hydra.run.dir"])
    assert str(parsed[-1].value()) == f"runs/again/{directory}"
    assert parsed[1].value() == ["r1", "r2"]
    assert shlex.split(commands.resume_command(job)) == ["gan-train", f"run=multi run/{directory}"]
    assert shlex.split(commands.tensorboard_command(job.path)) == ["tensorboard", "--logdir", f"multi run/{directory}"]


def test_a_run_is_repeated_with_as_many_threads(tmp_path):
    job = Job("seed=0", tmp_path, ["seed=0"], threads=1)
    assert commands.repeat_command(job) == "gan-train seed=0 threads=1 \"hydra.run.dir='runs/again/seed=0'\""
    job.overrides = ["seed=0", "threads=2"]
    assert commands.repeat_command(job).count("threads=") == 1


def test_commands_show_paths_from_the_current_folder_or_absolute_ones(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert commands.tensorboard_command(Path("../runs")) == f"tensorboard --logdir {tmp_path / 'runs'}"
    assert commands.tensorboard_command(tmp_path / "here" / "runs") == "tensorboard --logdir runs"


def test_a_quoted_value_is_read_back_by_hydra_and_omegaconf():
    """Every string of up to four of the characters that either of them treats specially."""
    parser = OverridesParser.create()
    for length in range(1, 5):
        for characters in product("a\\'\"${}", repeat=length):
            text = "".join(characters)
            value = parser.parse_override(f"key={quote_value(text)}").value()
            assert OmegaConf.create({"key": str(value)}).key == text


@pytest.mark.parametrize("text", ["end\\", "end\\\\", "${name}", "\\${name}", "$5 ${name}", "a\\\\'b"])
def test_quoting_without_escapes_would_be_seen(text):
    """The negative control."""
    try:
        value = OverridesParser.create().parse_override("key='{}'".format(text.replace("'", "\\'"))).value()
        assert OmegaConf.create({"key": str(value), "name": "x"}).key != text
    except HydraException:
        pass


def test_every_run_has_its_commands(planted):
    text = made(planted).text
    assert text.count("hydra.run.dir=") == 20
    assert text.count("tensorboard --logdir") == 21


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def called(monkeypatch, capsys, *line):
    monkeypatch.setattr(sys, "argv", ["gan-report", *map(str, line)])
    code = 0
    try:
        report.main()
    except SystemExit as stop:
        code = stop.code or 0
    return code, *capsys.readouterr()


def test_the_command(monkeypatch, capsys, tmp_path):
    fake_runs.sweep(tmp_path / "s", {"a": 1.0}, seeds=[0])
    code, out, _ = called(monkeypatch, capsys, f"run={tmp_path / 's'}", f"out={tmp_path / 'there' / 'x.html'}")
    assert (code, str(tmp_path / "there" / "x.html") in out) == (0, True)
    assert {p.name for p in (tmp_path / "there").iterdir()} == {"x.html", "x.md", "x.csv"}
    assert called(monkeypatch, capsys, "--help")[1].startswith("Put a sweep on one page")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["run=nowhere"], "run=nowhere: no sweep directory; it does not exist"),
        (["run=empty"], "run=empty: no runs in it; give the folder of a sweep, or of a run"),
        (["run=file"], "run=file: no sweep directory; it is a file"),
        ([], "run: missing; it is needed: run=…"),
        (["rum=x", "run=empty"], "rum=x: no such argument; did you mean run? allowed: force, out, run"),
        (["run=empty", "out=x.pdf"], "out=x.pdf: a page; name it ….html"),
    ],
)
def test_a_mistake_is_a_line(monkeypatch, capsys, tmp_path, line, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    code, out, err = called(monkeypatch, capsys, *line)
    assert (code, out, err) == (2, "", said + "\n")


def test_a_single_run_is_a_sweep_of_one(tmp_path):
    folder = fake_runs.run(tmp_path / "run", ["loss=a", "seed=3"])
    text = made(folder).text
    assert "finished 1 of 1" in text
    assert "gan-train loss=a seed=3" in text


def test_a_page_for_a_sweep_that_never_ran(tmp_path):
    fake_runs.plan(tmp_path, {"seed=0": ["seed=0"], "seed=1": ["seed=1"]})
    assert "finished 0 of 2 (2 never started)" in made(tmp_path).text


def test_no_runs_at_all_is_refused(tmp_path):
    with pytest.raises(UserError):
        write.write_report(tmp_path)


def test_it_answers_without_torch(tmp_path):
    fake_runs.sweep(tmp_path, {"a": 1.0}, seeds=[0])
    code = "import sys; from gan_lightning.sweep.report import write; write.write_report(sys.argv[1]); "
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=HANG)


@pytest.mark.slow
def test_a_thousand_runs(tmp_path):
    """2,000 scalars and six pictures each. Prints seconds and megabytes; the goals are 30 s and 40 MB."""
    folder = fake_runs.thousand(tmp_path)
    began = time.monotonic()
    path = write.write_report(folder)
    print(f"\n1,000 runs: {time.monotonic() - began:.1f} s, {path.stat().st_size / 1e6:.1f} MB")
    assert path.stat().st_size < 40e6
    assert Image.open(tmp_path / ".kinds" / "x.png").size == (480, 400)


@pytest.mark.parametrize("seed", ["²", "9" * 5000])
def test_a_seed_that_is_no_number_has_its_place(tmp_path, seed):
    fake_runs.sweep(tmp_path / "sweep", {"hinge": 1.0}, seeds=range(2))
    plan = tmp_path / "sweep" / "sweep.json"
    plan.write_text(plan.read_text().replace("seed=1", f"seed={seed}"))
    findings = Findings(collect(tmp_path / "sweep"))
    assert seed in {job.seed for job in findings.jobs}
    assert montages(findings)


def test_a_plan_of_many_keys_is_read_in_one_pass(tmp_path):
    """Each of 4,000 jobs names a key of its own: half a minute before, and a column for each."""
    jobs = [{"directory": f"d{i}", "overrides": [f"k{i}=1"]} for i in range(4000)]
    (tmp_path / "sweep.json").write_text(json.dumps({"line": [], "jobs": jobs}))
    sweep = collect(tmp_path)
    assert len(sweep.factors) == 50
    assert sweep.damage == ["4000 keys vary between its jobs; the first 50 are compared"]
