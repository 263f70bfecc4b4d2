"""The commands as a person types them."""

import json
import os
import re
import signal
import subprocess
import sys
from itertools import pairwise

import fork_server
import numpy as np
import pytest
import tiny_gan
import torch
from kinds import kinds
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_gan import equal
from waiting import HANG, until

TINY = ("experiment=digits_fast", "model.width=4", "data.batch_size=16", "trainer.accelerator=cpu")
LOSSES = "minimax,non_saturating,least_squares,hinge,wasserstein,relativistic"
TWO = "hinge,wasserstein"


def result(folder):
    return json.loads((folder / "result.json").read_text())


def state(folder, step):
    return torch.load(folder / "checkpoints" / f"step={step:08d}.ckpt", weights_only=True)


def same_state(one, other):
    return all(equal(one[part], other[part]) for part in ("state_dict", "optimizer_states", "global_step"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """One finished run of a few steps, for the commands that read runs."""
    return tiny_gan.trained(tmp_path_factory.mktemp("trained") / "run", *TINY, "trainer.max_steps=4")


def test_a_run_directory(trained):
    found = result(trained)
    assert (found["status"], found["step"], found["reason"]) == ("finished", 4, None)
    assert found["objective"] == found["metrics"]["class_accuracy"]
    assert found["overrides"] == [*TINY, "trainer.max_steps=4"]
    assert found["provenance"].keys() == {"commit", "dirty", "versions", "device", "threads", "seed"}
    assert found["provenance"]["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert "${" in (trained / "config.yaml").read_text()
    assert "${" not in (trained / "config.resolved.yaml").read_text()
    assert [p.name for p in sorted((trained / "checkpoints").iterdir())] == ["step=00000004.ckpt"]
    pictures = {p.name for p in (trained / "samples").iterdir()}
    expected = {"step=00000000.png", "step=00000004.png", "step=00000000_real.png", "step=00000004_interpolation.png"}
    assert pictures == expected
    sizes = {p.name: Image.open(p).size for p in (trained / "samples").iterdir()}
    assert sizes["step=00000000.png"] == sizes["step=00000004.png"] == sizes["step=00000000_real.png"]


def test_what_tensorboard_shows(trained):
    events = EventAccumulator(str(trained))
    events.Reload()
    scalars, images = set(events.Tags()["scalars"]), set(events.Tags()["images"])
    penalties = {"regularizer/r1/d", "regularizer/r2/d"}
    assert scalars >= {"loss/d", "loss/g", "logits/real", "logits/fake", "gradient/d", "gradient/g", *penalties}
    assert scalars >= {"metric/class_accuracy", "objective"}
    assert images == {"sample/ema", "sample/real", "sample/interpolation"}
    assert [e.step for e in events.Images("sample/ema")] == [0, 4]
    assert [e.step for e in events.Scalars("objective")] == [0, 4]
    assert events.Scalars("objective")[-1].value == pytest.approx(result(trained)["objective"])
    plugin = events.summary_metadata["_hparams_/session_start_info"].plugin_data
    assert plugin.plugin_name == "hparams"
    for name in (b"relativistic", b"optimizer.lr", b"model.width"):
        assert name in plugin.content


def test_the_last_lines_say_what_to_do(command):
    done = command("gan-train", *TINY, "trainer.max_steps=1", "hydra.run.dir=here")
    assert done.code == 0
    first, *table = done.out.strip().splitlines()
    assert first.startswith("digits_fast: generator ")
    assert first.endswith("1 steps of 16 samples on cpu, 1 thread → here")
    rows = dict(line.strip().split("  ", 1) for line in table if line)
    assert {"status", "time", "class_accuracy", "samples", "TensorBoard", "next"} <= rows.keys()
    assert rows["TensorBoard"].strip() == "tensorboard --logdir here"
    assert rows["next"].strip() == "gan-sample run=here num=64 out=grid.png"


@pytest.mark.parametrize("losses", kinds([TWO, LOSSES], TWO))
def test_a_sweep_over_losses(command, tmp_path, losses):
    done = command("gan-train", "-m", f"loss={losses}", *TINY, "trainer.max_steps=2")
    assert done.code == 0, done.err
    folders = sorted(path for path in (tmp_path / "multirun" / "digits_fast").iterdir() if path.is_dir())
    assert [f.name.split(",")[1] for f in folders] == [f"loss={loss}" for loss in sorted(losses.split(","))]
    assert all(result(f)["status"] == "finished" for f in folders)
    assert not any(same_state(state(one, 2), state(other, 2)) for one, other in pairwise(folders))
    again = command("gan-train", "-m", f"loss={losses}", *TINY, "trainer.max_steps=2")
    assert again.code == 0
    n = len(folders)
    assert again.out.startswith(f"{n} jobs: {n} finished already → multirun/digits_fast\n")
    assert f"{n} of {n} finished" in again.out


def test_one_wrong_job_and_nothing_is_launched(command, tmp_path):
    done = command("gan-train", "-m", "loss=hinge,minimax", "gan.packing=1,3", "model.num_classes=0", "metric=none", *TINY)
    assert done.code == 2
    lines = done.err.strip().splitlines()
    assert lines[-1] == "2 of 4 jobs are invalid, nothing was launched"
    assert len(lines) == 3
    assert "gan.packing: 3 samples at a time do not divide" in lines[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        "loss=hing",
        "model.widht=3",
        "data.batch_size=9999",
        "run=nowhere",
        "run=.",
        "run=. -m",
        "--config-dir=nowhere",
        "data.batch_size",
    ],
)
def test_a_mistake_leaves_nothing_behind(command, tmp_path, line):
    done = command("gan-train", *line.split())
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_where(command):
    assert "Traceback" in command("gan-train", "model.widht=3", "debug=true").err


def test_three_seeds_are_three_runs_and_one_seed_is_one(command, tmp_path):
    for name, seed in (("0", 0), ("1", 1), ("2", 2), ("again", 0)):
        assert command("gan-train", *TINY, "trainer.max_steps=2", f"seed={seed}", f"hydra.run.dir={name}").code == 0
    states = {name: state(tmp_path / name, 2) for name in ("0", "1", "2", "again")}
    assert same_state(states["0"], states["again"])
    for one, other in (("0", "1"), ("0", "2"), ("1", "2")):
        weights, others = states[one]["state_dict"], states[other]["state_dict"]
        assert not any(torch.equal(weights[k], others[k]) for k in weights if k.endswith("weight") and weights[k].std() > 0)
    pictures = {name: (tmp_path / name / "samples" / "step=00000000.png").read_bytes() for name in states}
    assert len(set(pictures.values())) == 3


@pytest.mark.parametrize("workers", [0, 2])
def test_going_on_is_bit_equal(command, tmp_path, workers, monkeypatch):
    from gan_lightning.callback.preemption import SynchronizedStop

    line = (*TINY, "trainer.max_steps=6", f"data.num_workers={workers}", "checkpoint.every_n_steps=3")
    assert command("gan-train", *line, "hydra.run.dir=whole").code == 0
    original = SynchronizedStop.on_train_batch_end

    def interrupted(self, trainer, *rest):
        if trainer.global_step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        original(self, trainer, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(SynchronizedStop, "on_train_batch_end", interrupted)
        stopped = command("gan-train", *line, "hydra.run.dir=part")
    assert stopped.code == 128 + signal.SIGTERM
    assert (result(tmp_path / "part")["status"], result(tmp_path / "part")["step"]) == ("preempted", 4)
    assert command("gan-train", "run=part").code == 0
    assert result(tmp_path / "part")["status"] == "finished"
    assert same_state(state(tmp_path / "whole", 6), state(tmp_path / "part", 6))
    assert "finished at step 6" in command("gan-train", "run=part").out


def test_a_run_can_be_made_longer(command, tmp_path):
    line = (*TINY, "optimizer/schedule=constant", "regularizer=none")
    assert command("gan-train", *line, "trainer.max_steps=5", "hydra.run.dir=whole").code == 0
    assert command("gan-train", *line, "trainer.max_steps=2", "hydra.run.dir=part").code == 0
    done = command("gan-train", "run=part", "trainer.max_steps=5")
    assert done.code == 0
    assert "changed: trainer.max_steps: 2 → 5" in done.out
    assert same_state(state(tmp_path / "whole", 5), state(tmp_path / "part", 5))
    refused = command("gan-train", "run=part", "loss=hinge")
    assert (refused.code, refused.err.startswith("loss=hinge: run= goes on with the run's own loss")) == (2, True)
    before = (tmp_path / "part" / "config.yaml").read_text()
    for word in (
        "model.width=8",
        "optimizer.lr=0.1",
        "seed=5",
        "data.batch_size=3",
        "trainer.max_steps=6,7",
        "trainer.max_step=6",
    ):
        refused = command("gan-train", "run=part", word)
        assert (refused.code, len(refused.err.strip().splitlines())) == (2, 1), word
    assert (tmp_path / "part" / "config.yaml").read_text() == before


def test_a_damaged_checkpoint_is_passed_over_and_named(command, tmp_path):
    line = (*TINY, "checkpoint.every_n_steps=2", "metric=none", "hydra.run.dir=run")
    assert command("gan-train", *line, "trainer.max_steps=4").code == 0
    folder = tmp_path / "run" / "checkpoints"
    held = (folder / "step=00000004.ckpt").read_bytes()
    middle = bytearray(held)
    middle[len(held) // 2] ^= 1
    for steps, harm in enumerate((b"", held[:1000], bytes(middle)), start=5):
        (folder / "step=00000004.ckpt").write_bytes(harm)
        assert command("gan-sample", "run=run", "checkpoint=2", "num=1", f"out={steps}.npy").code == 0
        done = command("gan-train", "run=run", f"trainer.max_steps={steps}")
        assert done.code == 0, done.err
        assert "step=00000004.ckpt: " in done.err
        assert "going on from step=00000002.ckpt instead" in done.err
        assert "going on from step 2" in done.out
        (folder / f"step={steps:08d}.ckpt").unlink()
    for path in folder.iterdir():
        path.write_bytes(b"")
    done = command("gan-train", "run=run", "trainer.max_steps=9")
    assert (done.code, done.err.startswith("run=run: no checkpoint can be read: ")) == (2, True)


def test_going_on_keeps_the_rows_of_a_csv(command, tmp_path):
    assert command("gan-train", *TINY, "logger=csv", "trainer.max_steps=2", "hydra.run.dir=run").code == 0
    kept = [(tmp_path / "run" / "metrics.csv").read_text()]
    for steps in (4, 6):
        assert command("gan-train", "run=run", f"trainer.max_steps={steps}").code == 0
        assert [(tmp_path / "run" / f"metrics.{i}.csv").read_text() for i in range(1, len(kept) + 1)] == kept
        kept.append((tmp_path / "run" / "metrics.csv").read_text())
    assert len(set(kept)) == 3


def test_a_home_folder_can_be_typed(command, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    done = command("gan-train", "experiment=anime_faces", "data.root=~/faces")
    assert done.code == 2
    assert done.err.startswith(f"data.root: {tmp_path}/faces does not exist")


def test_a_swept_key_stands_in_the_name(command, tmp_path):
    done = command("gan-train", "-m", *TINY, "metric=none", "trainer.max_steps=1,2")
    assert done.code == 0, done.err
    names = {path.name.rpartition(",")[2] for path in (tmp_path / "multirun" / "digits_fast").iterdir() if path.is_dir()}
    assert names == {"trainer.max_steps=1", "trainer.max_steps=2"}


def test_another_config_in_the_same_folder_is_refused(command):
    assert command("gan-train", *TINY, "trainer.max_steps=1", "hydra.run.dir=here").code == 0
    done = command("gan-train", *TINY, "trainer.max_steps=1", "hydra.run.dir=here", "ema.decay=0.9")
    assert done.code == 2
    assert "ema.decay: 0.995 → 0.9" in done.err


def test_ctrl_c_in_a_real_process(tmp_path):
    line = (*TINY, "trainer.max_steps=100000", "checkpoint.every_n_steps=2", "hydra.run.dir=run", "callback=long")
    process = fork_server.start("gan_lightning.cli.train", *line, folder=tmp_path, stderr=subprocess.PIPE)
    try:
        until(lambda: list((tmp_path / "run").glob("checkpoints/*.ckpt")), process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=HANG)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGINT, err
    assert "Traceback" not in err
    found = result(tmp_path / "run")
    assert (found["status"], found["reason"]) == ("stopped", "SIGINT")
    assert found["step"] in {int(p.stem.partition("=")[2]) for p in (tmp_path / "run" / "checkpoints").iterdir()}
    assert "gan-train run=run" in out


# ── gan-sample ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_samples_as_a_grid(command, trained, tmp_path):
    assert command("gan-sample", f"run={trained}", "num=20", "out=grid.png").code == 0
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    assert grid.shape == (2 * 50 + 2, 10 * 50 + 2, 3)
    assert grid.std() > 0


def test_samples_as_numbers(command, trained, tmp_path):
    assert command("gan-sample", f"run={trained}", "num=7", "out=a.npy", "labels=[3]").code == 0
    assert command("gan-sample", f"run={trained}", "num=7", "out=b.npy", "labels=[3]", "checkpoint=00000004").code == 0
    assert command("gan-sample", f"run={trained}", "num=7", "out=c.npy", "labels=[3]", "seed=1").code == 0
    assert command("gan-sample", f"run={trained}", "num=7", "out=d.npy", "labels=[5]").code == 0
    a, b, c, d = (np.load(tmp_path / f"{name}.npy") for name in "abcd")
    assert (a.shape, a.dtype) == ((7, 1, 8, 8), np.float32)
    assert np.abs(a).max() <= 1
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert not np.array_equal(a, d)


def test_samples_one_a_file(command, trained, tmp_path):
    assert command("gan-sample", f"run={trained}", "num=3", "out=many/", "truncation=0.5").code == 0
    files = sorted((tmp_path / "many").iterdir())
    assert [f.name for f in files] == ["000000.png", "000001.png", "000002.png"]
    assert Image.open(files[0]).size == (8, 8)
    assert Image.open(files[0]).mode == "L"


def test_samples_that_d_selects(command, trained, tmp_path):
    done = command("gan-sample", f"run={trained}", "num=7", "out=a.npy", "labels=[3,5]", "sampler=rejection")
    assert (done.code, done.out) == (0, "7 samples: a.npy\n"), done.err
    assert re.fullmatch(r"Rejection, percentile 20\.0, .*; \d+\.\d% of \d+ kept; log density ratio .*\n", done.err)
    assert command("gan-sample", f"run={trained}", "num=7", "out=b.npy", "labels=[3,5]", "sampler=rejection").code == 0
    assert command("gan-sample", f"run={trained}", "num=7", "out=c.npy", "labels=[5,3]", "sampler=rejection").code == 0
    a, b, c = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    assert a.shape == (7, 1, 8, 8)
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_samples_are_the_generators(command, trained, tmp_path):
    """Rebuilt by hand from the checkpoint: the running average, in eval mode."""
    from gan_lightning.model.resize_convolution import Generator
    from gan_lightning.step.seeding import Purpose, seeded_generator

    weights = state(trained, 4)["state_dict"]
    network = Generator(32, (1, 8, 8), 10, width=4).eval()
    network.load_state_dict({k.removeprefix("ema.average."): v for k, v in weights.items() if k.startswith("ema.average.")})
    z = torch.randn(5, 32, generator=seeded_generator(Purpose.PICTURE, 0))
    assert command("gan-sample", f"run={trained}", "num=5", "out=x.npy").code == 0
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(np.load(tmp_path / "x.npy")), network(z, torch.arange(5)))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run=nowhere", "run=nowhere: no run directory"),
        ("num=3", "run: missing"),
        ("run={run} numm=3", "numm=3: no such argument; did you mean num?"),
        ("run={run} num=0", "num=0: input should be greater than or equal to 1"),
        ("run={run} num=many", "num=many: "),
        ("run={run} labels=[10]", "labels=[10]: the run has 10 classes; allowed: 0 to 9"),
        ("run={run} labels=[-1]", "labels=[-1]: "),
        ("run={run} labels=3", "labels=3: "),
        ("run={run} checkpoint=7", "checkpoint=7: not in this run; there are: latest, best, 4"),
        ("run={run} out=x.pdf", "out=x.pdf: .pdf is nothing that can be written"),
        ("run={run} truncation=-1", "truncation=-1: "),
        ("run={run} labels=[0,1", "labels=[0,1: can't be read"),
        ("run={run} out=", "out=: empty"),
        ("run={run} out=/dev/null/x.png", "out=/dev/null/x.png: /dev/null is no folder"),
        ("run={run} sampler=rejectoin", "sampler=rejectoin: no such option; did you mean rejection? allowed: "),
        ("run={run} sampler.percentile=9", "sampler.percentile: there is no sampler; choose one, such as sampler=rejection"),
        (
            "run={run} sampler=rejection truncation=1",
            "truncation=1.0: a sampler needs samples of the whole prior; use sampler=none",
        ),
    ],
)
def test_mistakes_of_gan_sample(command, trained, line, said):
    done = command("gan-sample", *line.format(run=trained).split())
    assert done.code == 2
    assert done.err.startswith(said)
    assert len(done.err.strip().splitlines()) == 1


def test_a_run_directory_of_a_sweep_has_a_name_with_equals_signs(command, trained, tmp_path):
    folder = tmp_path / "multirun" / "data=digits,loss=hinge"
    folder.parent.mkdir()
    folder.symlink_to(trained)
    assert command("gan-sample", "run=multirun/data=digits,loss=hinge", "num=1", "out=x.npy").code == 0
    assert "finished at step 4" in command("gan-train", "run=multirun/data=digits,loss=hinge").out


# ── gan-export ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_export_to_onnx(command, trained, tmp_path):
    from onnxruntime import InferenceSession

    done = command("gan-export", f"run={trained}", "out=g.onnx")
    assert done.code == 0, done.err
    assert "onnxruntime and torch agree to" in done.out
    session = InferenceSession(str(tmp_path / "g.onnx"))
    assert [i.name for i in session.get_inputs()] == ["z", "condition"]
    z = torch.randn(5, 32, generator=torch.Generator().manual_seed(1)).numpy()
    (samples,) = session.run(None, {"z": z, "condition": np.arange(5)})
    assert samples.shape == (5, 1, 8, 8)


CONVOLUTIONAL = "experiment=digits_fast model=dcgan_small model.width=4"


@pytest.mark.parametrize("line", kinds(["experiment=dirac", "experiment=ring", CONVOLUTIONAL], CONVOLUTIONAL))
def test_every_model_can_be_exported(command, line):
    words = (*line.split(), "metric=none", "trainer.max_steps=1", "data.batch_size=4", "hydra.run.dir=run")
    assert command("gan-train", *words).code == 0
    done = command("gan-export", "run=run", "out=g.onnx")
    assert done.code == 0, done.err


def test_an_export_that_differs_is_not_kept(command, trained, tmp_path, monkeypatch):
    """The negative control: the comparison can fail, and then there is no file."""
    from gan_lightning.cli import export

    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    done = command("gan-export", f"run={trained}", "out=g.onnx")
    assert (done.code, "onnxruntime and torch differ by" in done.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_export_to_safetensors(command, trained, tmp_path):
    from safetensors import safe_open

    assert command("gan-export", f"run={trained}", "out=g.safetensors").code == 0
    weights = state(trained, 4)["state_dict"]
    with safe_open(tmp_path / "g.safetensors", "pt") as file:
        assert json.loads(file.metadata()["config"])["gan"]["latent_dim"] == 32
        assert all(torch.equal(file.get_tensor(k), weights[f"ema.average.{k}"]) for k in file.keys())  # noqa: SIM118


def test_mistakes_of_gan_export(command, trained):
    assert command("gan-export", f"run={trained}", "out=g.pt").err.startswith("out=g.pt: .pt can't be written; allowed: .onnx")
    assert command("gan-export", f"run={trained}").err.startswith("out: missing")


# ── answers without torch ────────────────────────────────────────────────────────────────────────────────────────────────
MISSPELT = "model.widht: no such key; did you mean model.width? allowed: discriminator, generator, num_classes, width"


@pytest.mark.parametrize(
    ("argument", "code", "said"), [("--help", 0, "checkpoint"), ("--cfg=job", 0, "checkpoint"), ("model.widht=3", 2, MISSPELT)]
)
def test_what_composition_can_answer_needs_no_torch(argument, code, said, tmp_path):
    program = f"""
import sys
sys.argv = ["gan-train", "{argument}"]
from gan_lightning.cli.train import main
try:
    main()
finally:
    assert "torch" not in sys.modules
"""
    line = [sys.executable, "-c", program]
    done = subprocess.run(line, capture_output=True, text=True, timeout=HANG, check=False, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["gan-sample", "gan-export"])
def test_small_commands_explain_themselves(command, name):
    done = command(name, "--help")
    assert done.code == 0
    assert f"{name} run=RUN_DIR" in done.out
