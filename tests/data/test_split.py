"""The split by name: a file's place depends on nothing but its own name."""

import unicodedata

import numpy as np
import pytest

from gan_lightning.data.split import place, split_by_name

NAMES = [f"{c}/{i:04}.png" for c in ("cat", "dog") for i in range(2000)]


def members(names, validation=0.05, test=0.05):
    """The names of train, validation and test."""
    return [{names[i] for i in part} for part in split_by_name(names, validation, test)]


def test_each_name_is_in_one_split_in_order():
    parts = split_by_name(NAMES, 0.05, 0.1)
    assert sorted(np.concatenate(parts).tolist()) == list(range(4000))
    assert all((np.diff(part) > 0).all() for part in parts)
    assert all(part.dtype == np.int64 for part in parts)


def test_shares_hold_on_average():
    _, validation, test = split_by_name(NAMES, 0.05, 0.1)
    assert abs(len(validation) - 200) < 4 * (4000 * 0.05 * 0.95) ** 0.5
    assert abs(len(test) - 400) < 4 * (4000 * 0.1 * 0.9) ** 0.5


@pytest.mark.parametrize("change", ["one more", "half are gone", "another order"])
def test_other_files_move_none(change):
    names = {"one more": ["000.png", *NAMES], "half are gone": NAMES[::2], "another order": NAMES[::-1]}[change]
    for before, after in zip(members(NAMES), members(names), strict=True):
        assert after - {"000.png"} == before & {*names}


def test_another_share_of_test_moves_none_of_validation():
    assert members(NAMES, test=0.3)[1] == members(NAMES)[1]
    assert members(NAMES, test=0.3)[2] > members(NAMES)[2]
    assert members(NAMES, validation=0.2)[1] > members(NAMES)[1]


def test_the_places_are_those_of_earlier_versions():
    """A changed hash would move what a run was trained on into its test split."""
    assert [round(place(name), 6) for name in ("0", "cat/0000.png", "ảnh/mèo.png")] == [0.516289, 0.850134, 0.611206]


def test_normal_forms_are_one_name_and_other_bytes_are_a_name():
    forms = {form: unicodedata.normalize(form, "ảnh/mèo.png") for form in ("NFC", "NFD")}
    assert forms["NFC"] != forms["NFD"]
    assert place(forms["NFC"]) == place(forms["NFD"])
    assert 0 <= place("caf\udce9.png") < 1  # Latin-1 bytes, as Python reads them from a folder


def test_none_and_few():
    assert [part.tolist() for part in split_by_name([], 0.5, 0.4)] == [[], [], []]
    assert [len(part) for part in split_by_name(NAMES, 0, 0)] == [4000, 0, 0]
