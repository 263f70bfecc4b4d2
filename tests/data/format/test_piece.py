"""Notes to rolls and back, by hand."""

import numpy as np
import pytest

from gan_lightning.data.format.piece import Note, Piece, bar_quarters, to_notes, to_roll
from gan_lightning.data.musical_key import Key, find_key

VOICES = [[Note(0, 1, 60), Note(1, 1.5, 62)], [Note(0.5, 2, 36)]]


@pytest.mark.parametrize(("meter", "quarters"), [("4/4", 4), ("3/4", 3), ("6/8", 3), ("2/2", 4), ("3/16", 0.75)])
def test_the_length_of_a_bar(meter, quarters):
    assert bar_quarters(meter) == quarters


def test_a_roll_by_hand():
    roll = to_roll(VOICES, 8, steps_per_quarter=4)
    assert roll.shape == (2, 8, 128)
    assert roll[0, :, 60].tolist() == [True] * 4 + [False] * 4
    assert roll[0, :, 62].tolist() == [False] * 4 + [True] * 2 + [False] * 2
    assert roll[1, :, 36].tolist() == [False] * 2 + [True] * 6
    assert roll.sum() == 12


def test_a_note_shorter_than_a_step_has_one():
    assert to_roll([[Note(0.5, 0.6, 60)]], 4, 1)[0, :, 60].tolist() == [True, False, False, False]


def test_notes_come_back_from_a_roll():
    roll = to_roll(VOICES, 8, 4)
    assert to_notes(roll[:, :, 36:84], 36, 4) == VOICES
    assert to_notes(np.zeros((3, 8, 12), bool), 36, 4) == [[], [], []]


def test_random_rolls_come_back_from_their_notes():
    roll = np.random.default_rng(0).random((3, 24, 20)) < 0.4
    assert np.array_equal(to_roll(to_notes(roll, 50, 4), 24, 4)[:, :, 50:70], roll)


def test_a_repeated_note_and_a_held_one_are_the_same():
    assert to_notes(to_roll([[Note(0, 1, 60), Note(1, 2, 60)]], 8, 4), 0, 4) == [[Note(0, 2, 60)]]


def test_the_end_of_a_piece():
    assert Piece(VOICES, "4/4").end == 2
    assert Piece([[]], "4/4").end == 0


def durations(*classes):
    return np.bincount(classes, minlength=12).astype(float)


@pytest.mark.parametrize(
    ("classes", "key"),
    [
        ((0, 0, 2, 4, 4, 5, 7, 7, 9, 11), Key(0, True)),  # C major with its triad stressed
        ((9, 9, 11, 0, 0, 2, 4, 4, 5, 8), Key(9, False)),  # A minor with its leading tone
        ((7, 7, 9, 11, 11, 0, 2, 2, 4, 6), Key(7, True)),  # G major
        ((2, 2, 4, 5, 5, 7, 9, 9, 10, 1), Key(2, False)),  # D minor
    ],
)
def test_keys_by_hand(classes, key):
    assert find_key(durations(*classes)) == key


@pytest.mark.parametrize(
    ("key", "shift"),
    [(Key(0, True), 0), (Key(7, True), 5), (Key(6, True), -6), (Key(11, True), 1), (Key(9, False), 0), (Key(2, False), -5)],
)
def test_a_key_is_moved_the_shorter_way(key, shift):
    assert key.shift == shift
    assert (key.tonic + key.shift) % 12 == (0 if key.is_major else 9)
