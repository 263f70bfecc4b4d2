"""Sweeps that nobody trained: run directories as gan-train leaves them, written at once."""

import json
import os

import numpy as np
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


def events(path, curves, purge=0):
    """An event file: tag → [(step, value)]."""
    with path.open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(file_version="brain.Event:2").SerializeToString())
        writer.write(Event(step=purge, session_log=SessionLog(status=SessionLog.START)).SerializeToString())
        for tag, points in curves.items():
            for step, value in points:
                summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
                writer.write(Event(step=step, summary=summary).SerializeToString())


def curves(level, steps=100, points=11, tags=("loss/d", "loss/g", "gradient/d", "metric/fid", "metric/recall")):
    """Each tag falls from 10 to its level."""
    at = np.linspace(0, steps, points).astype(int).tolist()
    return {tag: [(s, 10 - (10 - level) * s / steps) for s in at] for tag in tags}


def picture(path, colour):
    """A grid of a sort, 200 pixels wide."""
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[::2, :] = colour
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


def run(folder, overrides, level=1.0, steps=100, pictures=(0, 50, 100), batch=16, logged=None, **result):
    """A run directory; `result` changes what result.json says."""
    folder.mkdir(parents=True)
    given = dict(word.split("=", 1) for word in overrides if "=" in word)
    plain = {
        "seed": int(given.get("seed", 0)),
        "data": {"batch_size": batch},
        "gan": {"d_steps_per_g_step": 1},
        "trainer": {"devices": 1, "max_steps": steps},
    }
    (folder / "config.yaml").write_text(json.dumps(plain))
    (folder / "config.resolved.yaml").write_text(json.dumps(plain))
    said = {
        "status": "finished",
        "reason": None,
        "step": steps,
        "seconds": 12.5,
        "objective": level,
        "metrics": {"fid": level, "recall": 1 / (1 + level)},
        "overrides": list(overrides),
        "compared": {"by": "fid", "higher": False},
        "best_step": steps // 2,
        "best_objective": level / 2,
        "alarms": [],
        "provenance": {"commit": "0123456789abcdef", "dirty": False, "seed": plain["seed"]},
    }
    (folder / "result.json").write_text(json.dumps(said | result))
    events(folder / "events.out.tfevents.1700000000.here.1.0", curves(level, steps) if logged is None else logged)
    for step in pictures:
        picture(folder / "samples" / f"step={step:08d}.png", (200, 40 + step % 200, 90))
    return folder


def plan(folder, jobs, line=("experiment=digits",)):
    """The sweep.json of jobs: directory → overrides."""
    told = [{"directory": d, "overrides": list(o)} for d, o in jobs.items()]
    (folder / "sweep.json").write_text(json.dumps({"line": list(line), "jobs": told}))


def sweep(folder, levels, seeds=range(5), planned=True, **given):
    """A whole sweep over `loss` and the seed: value → level of the objective; a seed adds a little of its own."""
    rng, jobs = np.random.default_rng(0), {}
    for value, level in levels.items():
        for seed in seeds:
            overrides = ["experiment=digits", f"loss={value}", f"seed={seed}"]
            jobs[f"loss={value},seed={seed}"] = overrides
            run(folder / f"loss={value},seed={seed}", overrides, level + 0.05 * rng.normal(), **given)
    if planned:
        plan(folder, jobs, ("experiment=digits", f"loss={','.join(levels)}", "seed=range(5)"))
    return folder


def thousand(folder, configurations=100, seeds=10, points=100, tags=20, pictures=6):
    """A thousand runs as long ones look: 2,000 scalars and six pictures each, a few of them failed."""
    names = ["objective", "metric/fid", "metric/recall", "loss/d", "loss/g", *(f"logits/{i}" for i in range(tags - 5))]
    kinds, jobs = [], {}
    for kind in range(20):
        one = run(folder / ".kinds" / str(kind), [], 1 + kind, 10_000, (), logged=curves(1 + kind, 10_000, points, names))
        kinds.append((one / "events.out.tfevents.1700000000.here.1.0").read_bytes())
    pixels = np.random.default_rng(0).integers(0, 255, (100, 120, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    Image.fromarray(pixels).save(folder / ".kinds" / "x.png")
    rng = np.random.default_rng(0)
    for configuration in range(configurations):
        loss, width = configuration % 10, configuration // 10
        for seed in range(seeds):
            overrides = ["experiment=digits", f"loss=l{loss}", f"model.width={2**width}", f"seed={seed}"]
            name = f"loss=l{loss},model.width={2**width},seed={seed}"
            jobs[name] = overrides
            bad = {"status": "failed", "reason": f"loss/d is not finite since step {seed}"} if rng.random() < 0.03 else {}
            one = run(folder / name, overrides, loss + rng.normal(), 10_000, (), logged={}, **bad)
            (one / "events.out.tfevents.1700000000.here.1.0").write_bytes(kinds[(loss + seed) % 20])
            (one / "samples").mkdir()
            for step in range(pictures):
                os.link(folder / ".kinds" / "x.png", one / "samples" / f"step={step * 2000:08d}.png")
    plan(folder, jobs)
    return folder
