"""Music from its data to its files: training writes the metric, resume is bit-equal, gan-sample's files open."""

import json

import mido
import numpy as np
import pytest
import torch
from test_gan import StopAt
from tiny_gan import LATENT, equal, fit, make_gan

from gan_lightning.data.cadences import Cadences
from gan_lightning.data.format.midi import encode_midi
from gan_lightning.data.format.piece import Note, Piece
from gan_lightning.model import musegan

SHAPE, STEPS = (4, 16, 48), 4
TINY = ("trainer.max_steps=2", "trainer.accelerator=cpu", "data.batch_size=8", "model.width=4", "hydra.run.dir=run")
FEW = [f"metric.{name}.num_samples=50" for name in ("cadence_rules", "piano_roll")]
CHORD = Piece([[Note(0, 4, 60 + 4 * voice)] for voice in range(4)], "4/4")


def music_gan(monophonic):
    torch.manual_seed(0)
    generator = musegan.Generator(LATENT, SHAPE, width=4, monophonic=monophonic, stochastic=True, final_slope=3.0)
    return make_gan(SHAPE, generator=generator, discriminator=musegan.Discriminator(SHAPE, width=4))


@pytest.mark.parametrize("monophonic", [False, True])
def test_a_resumed_run_is_bit_equal(tmp_path, monophonic):
    """Stochastic neurons and a slope that follows the progress: both are functions of seed and step."""
    trainer, _ = fit(music_gan(monophonic), shape=SHAPE, steps=STEPS)
    trainer.save_checkpoint(tmp_path / "whole.ckpt")
    trainer, _ = fit(music_gan(monophonic), shape=SHAPE, steps=STEPS, callbacks=[StopAt(2)])
    trainer.save_checkpoint(tmp_path / "part.ckpt")
    trainer, after = fit(music_gan(monophonic), shape=SHAPE, steps=STEPS, ckpt_path=tmp_path / "part.ckpt")
    trainer.save_checkpoint(tmp_path / "rest.ckpt")
    whole, part, rest = (torch.load(tmp_path / f"{name}.ckpt", weights_only=True) for name in ("whole", "part", "rest"))
    assert len(after) == 2
    for key in ("state_dict", "optimizer_states", "global_step"):
        assert equal(whole[key], rest[key]), key
    assert not equal(whole["state_dict"], part["state_dict"])


@pytest.fixture
def pieces(tmp_path):
    """A folder of sixteen MIDI files: four cadences each, one after another."""
    folder = tmp_path / "pieces"
    folder.mkdir()
    data = Cadences(sample_shape=SHAPE, num_classes=0, steps_per_bar=8)
    for i in range(16):
        samples = data.splits.train.part(4 * i, 4).real
        (folder / f"{i}.mid").write_bytes(data.sample_format.encode_samples(samples, ".mid"))
    return folder


def test_cadences_train_and_are_written(command, tmp_path):
    assert (done := command("gan-train", "experiment=cadences", *TINY, *FEW)).code == 0, done.err
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["metrics"].keys() >= {"valid", "combinations", "difference", "empty_bars", "tonal_distance"}
    assert result["real"]["valid"] == 1
    samples = tmp_path / "run" / "samples"
    assert {path.name for path in samples.glob("step=00000002*")} >= {"step=00000002.png", "step=00000002.mid"}
    assert command("gan-sample", "run=run", "num=3", "out=x.mid").code == 0
    assert command("gan-sample", "run=run", "num=3", "out=folder/").code == 0
    assert command("gan-sample", "run=run", "num=3", "out=x.npy").code == 0
    rolls = np.load(tmp_path / "x.npy") > 0
    assert rolls.shape == (3, *SHAPE)
    onsets = (rolls & ~np.pad(rolls, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :, :-1]).sum((1, 2, 3))

    def notes(path):
        return sum(message.type == "note_on" for track in mido.MidiFile(path).tracks for message in track)

    assert notes(tmp_path / "x.mid") == onsets.sum() > 0
    assert [notes(tmp_path / "folder" / f"{i:06d}.mid") for i in range(3)] == onsets.tolist()


def test_files_train_and_a_broken_one_is_refused_by_name(command, tmp_path, pieces):
    line = ("experiment=chorales", f"data.root={pieces}", *TINY, FEW[1], "data.sample_shape=[4,16,48]", "data.steps_per_bar=8")
    assert (done := command("gan-train", *line)).code == 0, done.err
    assert json.loads((tmp_path / "run" / "result.json").read_text())["real"]["in_scale"] > 0.95
    (pieces / "bad.mid").write_bytes(encode_midi(CHORD)[:50])
    done = command("gan-train", *(word for word in line if "run.dir" not in word), "hydra.run.dir=other")
    assert done.code == 2
    assert "bad.mid is no complete MIDI file" in done.err
    assert "Traceback" not in done.err
