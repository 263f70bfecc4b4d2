"""A sweep in TensorBoard: the files that it reads, and the pages in a browser."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from browser import ALL, CHROMIUM, Browser, ended
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer
from waiting import until

from gan_lightning.callback import event_file, media_logging
from gan_lightning.sweep.report.curves import read_curves, read_records
from gan_lightning.sweep.report.write import write_report

TINY = """# @package _global_
defaults: [digits_fast]
name: tiny
model: {width: 4}
data: {batch_size: 16}
trainer: {accelerator: cpu, max_steps: 12}
callback: {scalars: {every_n_steps: 4}, scores: {every_n_steps: 6}, samples: {every_n_steps: 6}, progress: {every_n_steps: 12}}
metric: {class_accuracy: {num_samples: 100}, fid: {num_samples: 100}}
"""
JOBS = [f"loss={loss},seed={seed}" for loss in ("hinge", "relativistic") for seed in (0, 1)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return the first arguments of a command for runs of twelve steps."""
    folder = tmp_path_factory.mktemp("conf")
    (folder / "experiment").mkdir()
    (folder / "experiment" / "tiny.yaml").write_text(TINY)
    return ["--config-dir", str(folder), "experiment=tiny"]


@pytest.fixture(scope="module")
def sweep(tiny, tmp_path_factory):
    """Train four real runs."""
    from hydra.core.global_hydra import GlobalHydra

    from gan_lightning.cli import train

    folder = tmp_path_factory.mktemp("multirun") / "sweep"
    GlobalHydra.instance().clear()
    with pytest.MonkeyPatch.context() as patch:
        line = ["-m", *tiny, "loss=hinge,relativistic", "seed=0,1", f"hydra.sweep.dir={folder}"]
        patch.setattr("sys.argv", ["gan-train", *line])
        with pytest.raises(SystemExit, match="0"):
            train.main()
    assert sorted(p.parent.name for p in folder.glob("*/config.yaml")) == JOBS
    return folder


def files(run):
    return sorted(p for p in run.iterdir() if "tfevents" in p.name)


def test_scalars_and_images_are_in_separate_files(sweep):
    for job in JOBS:
        scalars, images = files(sweep / job)
        assert images.name == f"{scalars.name}.images"
        tags = {}
        for path in (scalars, images):
            events = EventAccumulator(str(path)).Reload()
            tags[path] = (set(events.Tags()["scalars"]), set(events.Tags()["images"]))
        assert tags[scalars][1] == set()
        assert {"loss/d", "loss/g", "metric/fid", "objective"} <= tags[scalars][0]
        assert tags[images] == (set(), {"sample/ema", "sample/real", "sample/interpolation"})


def test_no_step_twice(sweep):
    events = EventAccumulator(str(sweep / JOBS[0]), size_guidance={"scalars": 0, "images": 0}).Reload()
    for tag in events.Tags()["scalars"]:
        steps = [e.step for e in events.Scalars(tag)]
        assert steps == sorted(set(steps)), tag
    assert [e.step for e in events.Scalars("objective")] == [0, 6, 12]
    assert [e.step for e in events.Images("sample/ema")] == [0, 6, 12]


def test_hparams_have_all_metrics(sweep):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    events = EventAccumulator(str(sweep / JOBS[0])).Reload()
    content = HParamsPluginData.FromString(events.summary_metadata["_hparams_/experiment"].plugin_data.content)
    assert {info.name.tag for info in content.experiment.metric_infos} == {"objective", "metric/class_accuracy", "metric/fid"}
    assert {"loss", "seed", "optimizer.lr"} <= {info.name for info in content.experiment.hparam_infos}
    assert {info.name for info in content.experiment.hparam_infos if info.differs} == {"loss", "seed"}


def test_the_result_names_the_objective(sweep):
    for job in JOBS:
        assert json.loads((sweep / job / "result.json").read_text())["compared"] == {"by": "class_accuracy", "higher": True}


def log(logger, *steps):
    image = np.zeros((20, 20, 3), np.uint8)
    for step in steps:
        media_logging.log_image(logger, "sample/ema", image, step)
        logger.log_metrics({"loss/d": float(step)}, step)
    logger.experiment.close()


def test_a_resumed_run_shows_each_image_once(tmp_path):
    """Later images of the earlier session are discarded; those of the new one, read after its scalars, are not."""
    log(TensorBoardLogger(tmp_path, name="", version="", purge_step=0), 0, 10, 20, 30)
    log(TensorBoardLogger(tmp_path, name="", version="", purge_step=15), 20, 30, 40)
    assert len(files(tmp_path)) == 4
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0, "scalars": 0}).Reload()
    assert [e.step for e in events.Images("sample/ema")] == [0, 10, 20, 30, 40]
    assert [e.step for e in events.Scalars("loss/d")] == [0, 10, 20, 30, 40]


def test_sessions_are_in_their_order_whatever_the_clock_says(command, tmp_path, monkeypatch):
    """The clock is set back an hour, and once to the second of an earlier session with the same process number."""
    began, line = time.time(), ("experiment=digits_fast", "model.width=4", "data.batch_size=16", "trainer.accelerator=cpu")
    line += ("trainer.max_steps=4", "callback.scalars.every_n_steps=1", "metric=none", "hydra.run.dir=run")
    assert command("gan-train", *line).code == 0
    for steps, offset in ((8, -3600), (12, -3600), (16, -1.7e9)):
        with monkeypatch.context() as patch:
            patch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(0))
            patch.setattr(event_file_writer.time, "time", lambda offset=offset: began + offset)
            assert command("gan-train", "run=run", f"trainer.max_steps={steps}").code == 0
    assert len(files(tmp_path / "run")) == 8
    events = EventAccumulator(str(tmp_path / "run"), size_guidance={"scalars": 0, "images": 0}).Reload()
    assert [e.step for e in events.Scalars("loss/d")] == [*range(1, 17)]
    assert [e.step for e in events.Images("sample/interpolation")] == [4, 8, 12, 16]
    assert read_curves(tmp_path / "run")["loss/d"].steps.tolist() == [*range(1, 17)]


def test_a_session_after_those_of_earlier_versions(tmp_path):
    """Whose files have names of the clock alone, here one of the future."""
    log(TensorBoardLogger(tmp_path, name="", version="", purge_step=0), 0, 10, 20)
    for path in files(tmp_path):
        path.rename(path.with_name(path.name.replace(path.name[20:30], "4102444800")))
    logger = TensorBoardLogger(tmp_path, name="", version="", purge_step=11, filename_suffix=event_file.unique_suffix())
    event_file.follow_earlier_sessions(logger.experiment)
    log(logger, 20, 30)
    assert [path.name[20:30] for path in files(tmp_path)] == ["4102444800"] * 2 + ["4102444801"] * 2
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0, "scalars": 0}).Reload()
    assert [e.step for e in events.Images("sample/ema")] == [0, 10, 20, 30]
    assert [e.step for e in events.Scalars("loss/d")] == [0, 10, 20, 30]


def test_a_file_that_somebody_put_there_does_not_change_the_order(tmp_path):
    log(TensorBoardLogger(tmp_path, name="", version="", purge_step=0), 0, 10)
    (tmp_path / "events.out.tfevents.9999999999.x.1.0").touch()
    for first in (20, 30):
        logger = TensorBoardLogger(tmp_path, name="", version="", purge_step=first, filename_suffix=event_file.unique_suffix())
        event_file.follow_earlier_sessions(logger.experiment)
        log(logger, first)
    assert all(re.fullmatch("[0-9]{10}", path.name.split(".")[3]) for path in files(tmp_path))
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0, "scalars": 0}).Reload()
    assert [e.step for e in events.Scalars("loss/d")] == [0, 10, 20, 30]


def test_images_have_a_limit(command, tiny, tmp_path):
    """Nothing beyond it is written to TensorBoard, all images are in samples/, and one line reports it."""
    done = command(
        "gan-train", *tiny, "callback.samples.every_n_steps=1", "callback.samples.max_image_mb=0.06", "hydra.run.dir=run"
    )
    assert done.code == 0, done.err
    assert done.err.count("0.06 MB of pictures are in TensorBoard (callback.samples.max_image_mb)") == 1
    size = media_logging.logged_bytes(TensorBoardLogger(tmp_path / "run", name="", version=""))
    assert 20_000 < size <= 60_000
    assert len(list((tmp_path / "run" / "samples").glob("step=????????.png"))) == 13
    assert command("gan-train", "run=run", "trainer.max_steps=14").code == 0
    assert media_logging.logged_bytes(TensorBoardLogger(tmp_path / "run", name="", version="")) <= 60_000
    assert media_logging.logged_bytes(CSVLogger(tmp_path)) == 0


def test_no_images_at_all(command, tiny, tmp_path):
    assert command("gan-train", *tiny, "callback.samples.max_image_mb=0", "trainer.max_steps=1", "hydra.run.dir=run").code == 0
    assert [p.suffix for p in files(tmp_path / "run")] != [".images"]
    assert len(files(tmp_path / "run")) == 1


def test_long_records_are_skipped(sweep):
    scalars, images = files(sweep / JOBS[0])
    assert len(list(read_records(scalars))) > 40
    assert all(len(record) < 1 << 16 for record in read_records(images))


# ── in a browser ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    pytest.importorskip("aiohttp")
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture(scope="module", params=["true", pytest.param("false", marks=pytest.mark.slow)], ids=["data-server", "python"])
def tensorboard(sweep, tmp_path_factory, request):
    """Start TensorBoard and yield its address: with its data server, and with the Python reader that replaces it elsewhere."""
    log = tmp_path_factory.mktemp("tensorboard") / "log.txt"
    line = [sys.executable, "-m", "tensorboard.main", "--logdir", str(sweep), "--host", "127.0.0.1", "--port", "0"]
    with log.open("w") as file:
        process = subprocess.Popen([*line, "--load_fast", request.param], stdout=file, stderr=file)
    try:
        yield until(lambda: (m := re.search(r"http://127\.0\.0\.1:\d+/", log.read_text())) and m[0], process, log.read_text)
    finally:
        ended(process)


def save_screenshot(browser, name):
    """Save what the browser shows if requested: GAN_LIGHTNING_LOOKS=FOLDER pytest …"""
    if folder := os.environ.get("GAN_LIGHTNING_LOOKS"):
        browser.picture(Path(folder) / f"{name}.png")


@pytest.mark.browser
def test_time_series_shows_the_scalars(browser, sweep, tensorboard):
    browser.open(f"{tensorboard}?tagFilter=metric#timeseries")
    values = [json.loads((sweep / job / "result.json").read_text())["metrics"]["fid"] for job in JOBS]
    for text in (*JOBS, "metric /fid", "metric /class_accuracy", *(str(value)[:4] for value in values)):
        browser.until(has(text), why=text)
    save_screenshot(browser, "timeseries")


@pytest.mark.browser
def test_scalars(browser, tensorboard):
    browser.open(f"{tensorboard}#scalars&tagFilter=loss")
    for text in (*JOBS, "loss/g"):
        browser.until(has(text), why=text)
    save_screenshot(browser, "scalars")


@pytest.mark.browser
def test_images_are_shown(browser, tensorboard):
    browser.open(f"{tensorboard}#images&tagFilter=sample%2Fema")
    browser.until(has("sample/ema"), why="sample/ema")
    browser.until(f"({ALL})('img').filter(i => i.complete && i.naturalWidth > 100).length >= 4", why="four pictures")
    save_screenshot(browser, "images")


@pytest.mark.browser
def test_hparams_show_choices_and_scores(browser, tensorboard):
    browser.open(f"{tensorboard}#hparams", width=2400)
    for text in ("objective", "metric/fid", "metric/class_accuracy", "loss", "seed", *JOBS, "hinge", "relativistic"):
        browser.until(has(text), why=text)
    save_screenshot(browser, "hparams")


def has(text):
    from browser import TEXT

    return f"({TEXT}).includes({json.dumps(text)})"


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 400])
def test_the_report_fits_its_window(browser, sweep, width):
    path = write_report(sweep)
    browser.open(path.as_uri(), width=width)
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    images = browser.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth])")
    assert len(images) == 4 + 2 * 3
    assert all(done and wide > 50 for done, wide in images)
    assert browser.evaluate("document.querySelectorAll('figure svg path').length") > 20
    save_screenshot(browser, f"report-{width}")


@pytest.mark.browser
def test_a_page_that_overflows_would_be_detected(browser, tmp_path):
    """The negative control."""
    (tmp_path / "x.html").write_text("<meta name=viewport content='width=device-width'><div style='width:900px'>x</div>")
    browser.open((tmp_path / "x.html").as_uri(), width=400)
    assert not browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
