"""A run on a set of MNIST's family: metrics, a resumed run bit for bit, a picture that another library opens, a broken file."""

import json
import shutil

import numpy as np
import pytest
import torch
from idx_files import LETTERS, write
from PIL import Image
from tiny_gan import equal

TINY = (
    *("experiment=fashion_mnist", "trainer.max_steps=4", "checkpoint.every_n_steps=2", "callback.samples.every_n_steps=4"),
    *("data.batch_size=8", "model.width=4", "gan.latent_dim=4", "logger=none", "trainer.accelerator=cpu", "threads=1"),
    *("metric.fid.num_samples=70", "metric.class_accuracy.num_samples=70"),
)


def state(run, step=4):
    content = torch.load(run / "checkpoints" / f"step={step:08d}.ckpt", weights_only=True)
    return {part: content[part] for part in ("state_dict", "optimizer_states", "global_step")}


def test_a_run_on_fashion_mnist(command, tmp_path):
    raw = write(tmp_path / "data", "FashionMNIST", packed=True)
    done = command("gan-train", *TINY, f"data.root={tmp_path / 'data'}", "hydra.run.dir=whole")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "whole" / "result.json").read_text())["metrics"]
    assert {"class_accuracy", "class_accuracy_control"} <= set(found)
    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    (tmp_path / "part" / "checkpoints" / "step=00000004.ckpt").unlink()
    (tmp_path / "part" / "result.json").unlink()
    assert command("gan-train", "run=part").code == 0
    assert equal(state(tmp_path / "whole"), state(tmp_path / "part"))
    assert not equal(state(tmp_path / "whole"), state(tmp_path / "whole", 2))  # the negative control
    assert command("gan-sample", "run=whole", "num=4", "out=x.png").code == 0
    assert np.array(Image.open(tmp_path / "x.png")).max() > 0
    (raw / "train-labels-idx1-ubyte.gz").write_bytes(b"no gzip")
    done = command("gan-train", *TINY, f"data.root={tmp_path / 'data'}", "hydra.run.dir=broken")
    assert (done.code, "train-labels-idx1-ubyte.gz can't be read" in done.err) == (2, True), done.err


EMNIST = ("experiment=mnist", "data=emnist", "data.part=letters", "data.num_classes=26", "metric=class_accuracy", "feature=raw")
STACKED = ("experiment=stacked_mnist", "metric.factor_coverage.num_samples=70")


@pytest.mark.parametrize(
    ("line", "folder", "files", "score"),
    [
        pytest.param(EMNIST, "EMNIST", {"files": LETTERS, "first": 1, "classes": 26}, "class_accuracy", marks=pytest.mark.slow),
        (STACKED, "MNIST", {}, "cells"),
    ],
    ids=["emnist", "stacked_mnist"],
)
def test_other_sets_of_the_family_train(command, tmp_path, line, folder, files, score):
    write(tmp_path / "data", folder, **files)
    rest = (word for word in TINY if not word.startswith(("experiment", "metric")))
    done = command("gan-train", *line, *rest, f"data.root={tmp_path / 'data'}", "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert score in json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]
