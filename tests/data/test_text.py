"""Text: the grammar's strings are exactly those that its parser accepts, and a file of words is read as it is."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_lightning.data.base import DataError
from gan_lightning.data.format.text import TextFormat, to_lines
from gan_lightning.data.grammar import ALPHABET, Grammar, expressions
from gan_lightning.data.words import Words
from gan_lightning.metric.text_validity import is_expression

LETTERS = "abcdefghijklmnopqrstuvwxyz"
GRAMMAR = Grammar(sample_shape=(9, 11), num_classes=0)


def words(path, **given):
    settings = {"sample_shape": (27, 6), "num_classes": 0, "alphabet": LETTERS, "validation": 0.2, "test": 0.2}
    return Words(root=str(path), **(settings | given))


def listed(longest):
    return to_lines(torch.from_numpy(expressions(longest).astype(np.int16)), ALPHABET)


def test_the_strings_are_those_that_the_parser_accepts():
    """All 37,449 strings of at most five letters are tried."""
    possible = {"".join(p) for n in range(6) for p in itertools.product(ALPHABET, repeat=n)}
    strings = listed(5)
    assert len(strings) == len(set(strings)) == 3 + 30 + 327  # counted by hand from the rules
    assert {string for string in possible if is_expression(string)} == set(strings)


def test_the_number_of_strings_and_a_sample_of_them():
    assert len(expressions(11)) == 645_156
    lines = GRAMMAR.sample_format.decode(GRAMMAR.splits.validation.part(0, 1000).real)
    assert all(map(is_expression, lines))
    assert len(set(lines)) >= 990
    assert lines != GRAMMAR.sample_format.decode(GRAMMAR.splits.test.part(0, 1000).real)


def test_samples_are_one_hot():
    x = GRAMMAR.splits.train.batch(0, 0, 5).real
    assert x.shape == (5, 9, 11)
    assert x.dtype == torch.float32
    assert set(x.unique().tolist()) == {0, 1}
    assert (x.sum(1) == 1).all()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sample_shape": (9, 12)}, "expressions of 12 letters are too many; at most 11"),
        ({"sample_shape": (8, 11)}, "data.sample_shape: [8, 11] is no shape of lines over 8 letters and the end symbol; "),
        ({"num_classes": 3}, "data.num_classes: the lines are unlabelled, 0, not 3"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(given, says):
    with pytest.raises(DataError) as error:
        Grammar(**({"sample_shape": (9, 11), "num_classes": 0} | given)).count()
    assert says in str(error.value)


def test_words_of_a_file(tmp_path, capsys):
    path = tmp_path / "list.txt"
    path.write_text(
        "\ufeffapple\npear\n\n pear \nZoë\nfig's\nclementine\nab\n" + "".join(f"{a}{b}c\n" for a in LETTERS for b in "ae")
    )
    data = words(path, min_length=3)
    sizes = data.count()
    assert "54 of 58 words" in capsys.readouterr().err
    assert sum(sizes) == 54
    assert sizes.validation > 3
    assert sizes.test > 3
    lines = [data.sample_format.decode(split.part(0, 100).real) for split in data.splits]
    assert sorted(itertools.chain(*lines)) == data.words
    assert {"apple", "pear"} < set(data.words)
    assert data.words == sorted(set(data.words))


def test_a_dictionary_of_hunspell_and_letters_with_marks(tmp_path):
    """The first line counts the others; a vowel with its tone mark is one letter in both of Unicode's normal forms."""
    path = tmp_path / "vi.dic"
    path.write_text("4\nnghi\u00eang/AB\nca\u0301\tpo:noun\nta\nan\n", encoding="utf-8")
    data = words(path, alphabet="aghint\u00e1\u00eac", sample_shape=(10, 7), validation=0, test=0)
    assert data.words == ["an", "c\u00e1", "nghi\u00eang", "ta"]
    samples = data.splits.train.part(0, 4).real
    assert data.sample_format.encode_samples(samples, ".txt").decode() == "an\nc\u00e1\nnghi\u00eang\nta\n"
    assert samples.shape == (4, 10, 7)
    assert samples[2].argmax(0).tolist() == [1 + "aghint\u00e1\u00eac".index(letter) for letter in "nghi\u00eang"]


def test_a_new_word_moves_no_other_into_another_split(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{a}{b}\n" for a in LETTERS for b in LETTERS))
    before = [set(words(path).sample_format.decode(split.part(0, 999).real)) for split in words(path).splits]
    path.write_text("another\naa\n" + path.read_text() + "third\n")
    after = [set(words(path).sample_format.decode(split.part(0, 999).real)) for split in words(path).splits]
    assert all(a <= b for a, b in zip(before, after, strict=True))
    assert len(set.union(*after)) == 677


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"apple\n\xff\xfe\n", "is no text in UTF-8 (byte 6)"),
        (b"", "holds 0 words"),
        (b"Apple\nwatermelon\n", "holds 2 words, 1 of them over the alphabet, but for training none with 1 to 6 letters"),
    ],
)
def test_a_file_without_words_is_refused_by_name(tmp_path, content, says):
    path = tmp_path / "broken.txt"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        words(path).count()
    assert f"{path}" in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_a_pipe_and_a_folder_are_refused(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    for name, says in (("none", "No such file"), ("pipe", "is no regular file"), (".", "is no regular file")):
        with pytest.raises(DataError, match=says):
            words(tmp_path / name).count()


@pytest.mark.parametrize("alphabet", ["", "aba", "a\nb"])
def test_an_alphabet_has_each_letter_once(tmp_path, alphabet):
    (tmp_path / "list").write_text("a\n")
    with pytest.raises(DataError, match=r"^data.alphabet: "):
        words(tmp_path / "list", alphabet=alphabet, sample_shape=(1 + len(alphabet), 3)).count()


def test_a_line_ends_at_its_first_end_symbol():
    form = TextFormat("ab")
    rows = torch.tensor([[1, 2, 0, 1], [0, 1, 1, 1], [2, 2, 2, 2]])
    samples = torch.nn.functional.one_hot(rows, 3).transpose(1, 2).float()
    assert form.decode(samples) == ["ab", "", "bbbb"]
    samples[2, 0, 0] = float("nan")
    assert form.decode(samples) == ["ab", "", ""]
    assert form.text(samples) == "    ab\n    \n    "
    assert form.encode_sample(samples[0], "mine") == b"ab\n"


def test_the_picture_shows_the_letters():
    form = TextFormat("a\u1ebf")
    samples = torch.zeros(4, 3, 5)
    samples[:, 0] = 1  # empty lines
    blank = form.render(samples)
    assert (blank == 255).all()
    samples[0, :, 0], samples[1, :, 0] = torch.tensor([0.0, 1, 0]), torch.tensor([0.0, 0, 1])
    picture = form.render(samples)
    assert picture.shape == blank.shape
    assert picture.dtype == np.uint8
    inked = (picture < 128).any((0, 2))
    assert inked.any()
    assert not inked[picture.shape[1] // 4 :].all()


@pytest.mark.skipif(not Path("/usr/share/hunspell/vi_VN.dic").exists(), reason="apt-get install hunspell-vi")
def test_vietnamese_syllables():
    from gan_lightning.config.compose import Composer
    from gan_lightning.config.instantiate import build_unloaded_data
    from gan_lightning.config.validate import validate

    data = build_unloaded_data(validate(Composer().compose(["experiment=syllables_vi"])))
    assert sum(data.count()) > 6500
    assert {"nghi\u00eang", "ti\u1ebfng", "vi\u1ec7t"} < set(data.words)
