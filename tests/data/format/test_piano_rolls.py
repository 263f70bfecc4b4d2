"""Piano rolls as pictures, as MIDI files that another library reads, and as sound of the right pitch."""

import io

import mido
import numpy as np
import pytest
import torch

from gan_lightning.data.cadences import Cadences
from gan_lightning.data.format.piano_roll import CELL_HEIGHT, CELL_WIDTH, COLOURS, GAP_WIDTH, RATE, PianoRolls, tone

CADENCES = Cadences(sample_shape=(4, 16, 48), num_classes=0, steps_per_bar=8)
FORMAT = CADENCES.sample_format
SAMPLES = CADENCES.splits.train.part(0, 5).real


def test_the_format_of_music():
    assert isinstance(FORMAT, PianoRolls)
    assert (FORMAT.suffix, FORMAT.collections, FORMAT.companion) == (".mid", (".mid",), ".mid")


def test_a_cell_is_where_its_time_and_pitch_are():
    roll = -torch.ones(1, 2, 16, 48)
    roll[0, 0, 3, 47] = roll[0, 1, 5, 0] = 1
    picture = FORMAT.render(roll, 1)
    height, width = 48 * CELL_HEIGHT, 16 * CELL_WIDTH
    assert picture.shape == (height + 2 * GAP_WIDTH, width + 2 * GAP_WIDTH, 3)
    inner = picture[GAP_WIDTH:-GAP_WIDTH, GAP_WIDTH:-GAP_WIDTH]
    assert (inner[:CELL_HEIGHT, 3 * CELL_WIDTH : 4 * CELL_WIDTH] == COLOURS[0]).all()
    assert (inner[-CELL_HEIGHT:, 5 * CELL_WIDTH : 6 * CELL_WIDTH] == COLOURS[1]).all()
    coloured = inner.max(2).astype(int) - inner.min(2) > 0
    assert coloured.sum() == 2 * CELL_HEIGHT * CELL_WIDTH


def test_a_note_on_a_bar_line_is_seen():
    roll = -torch.ones(1, 1, 16, 48)
    roll[0, 0, 8, 20] = 1
    picture = FORMAT.render(roll, 1)
    assert (picture == COLOURS[0]).all(2).sum() == CELL_HEIGHT * CELL_WIDTH


@pytest.mark.parametrize(("n", "columns", "cells"), [(5, 3, (2, 3)), (4, 4, (1, 4)), (1, 8, (1, 8))])
def test_samples_are_arranged_in_rows(n, columns, cells):
    one = FORMAT.render(SAMPLES[:1], 1)
    height, width = one.shape[0] - GAP_WIDTH, one.shape[1] - GAP_WIDTH
    picture = FORMAT.render(SAMPLES[:n], columns)
    assert picture.shape == (cells[0] * height + GAP_WIDTH, cells[1] * width + GAP_WIDTH, 3)
    assert np.array_equal(picture[: one.shape[0], : one.shape[1]], one)


def test_a_sample_is_a_midi_file_of_its_notes():
    file = mido.MidiFile(file=io.BytesIO(FORMAT.encode_sample(SAMPLES[0], "gan-sample")))
    assert [len({m.note for m in track if m.type == "note_on"}) > 0 for track in file.tracks] == [False, True, True, True, True]
    soprano = [m.note for m in file.tracks[1] if m.type == "note_on"]
    assert soprano == (SAMPLES[0, 0].argmax(1) + 36).tolist()
    assert file.length == pytest.approx(8 * 60 / 90)  # two bars at 90 quarters a minute
    assert b"gan-sample" in FORMAT.encode_sample(SAMPLES[0], "gan-sample")


def test_another_library_reads_the_samples_one_after_another(tmp_path):
    music21 = pytest.importorskip("music21")
    (tmp_path / "all.mid").write_bytes(FORMAT.encode_samples(SAMPLES, ".mid"))
    score = music21.converter.parse(tmp_path / "all.mid")
    soprano = [(n.offset, n.pitch.midi) for n in score.parts[0].stripTies().flatten().notes]
    expected = [(12 * i + t / 2, int(p)) for i, roll in enumerate(SAMPLES) for t, p in enumerate(roll[0].argmax(1) + 36)]
    assert soprano == expected  # 8 quarters of a sample, 4 of silence


@pytest.mark.parametrize("pitch", [36, 60, 69, 83])
def test_a_tone_has_its_pitch_and_fades(pitch):
    wave = tone(pitch, RATE)
    strongest = np.abs(np.fft.rfft(wave)).argmax()  # in Hz: the wave lasts a second
    assert strongest == pytest.approx(440 * 2 ** ((pitch - 69) / 12), abs=0.51)
    assert wave[0] == wave[-1] == 0
    assert np.abs(wave[: RATE // 4]).max() > 1.5 * np.abs(wave[-RATE // 4 :]).max()


def test_the_sound_has_four_samples_and_stays_in_range():
    sound = FORMAT.sound(SAMPLES)
    assert (sound.rate, sound.samples.dtype) == (RATE, np.float32)
    assert len(sound.samples) / RATE == pytest.approx(4 * 3 * 4 * 60 / 90)
    assert np.abs(sound.samples).max() == pytest.approx(0.9)
    quarter = round(60 / 90 * RATE)
    assert not sound.samples[8 * quarter : 12 * quarter - 9].any()  # the bar of silence after the first sample
    assert sound.samples[: 8 * quarter].any()


def test_silence_is_drawn_written_and_played():
    silent = -torch.ones(2, 4, 16, 48)
    assert FORMAT.render(silent).any()
    assert mido.MidiFile(file=io.BytesIO(FORMAT.encode_samples(silent, ".mid"))).length == 0
    assert not FORMAT.sound(silent).samples.any()
