"""Validity and n-grams by hand, and what noise, repetition and copies do to them."""

import math
from collections import Counter

import pytest
import torch

from gan_lightning.data.grammar import Grammar
from gan_lightning.data.text import one_hot
from gan_lightning.data.words import Words
from gan_lightning.metric.evaluation import evaluate_floor
from gan_lightning.metric.ngram import NGram, count_trigrams, jensen_shannon
from gan_lightning.metric.reference import Reference
from gan_lightning.metric.text_validity import TextValidity, has_matching_brackets, is_expression

GRAMMAR = Grammar(sample_shape=(9, 9), num_classes=0)


def coded(data, lines):
    return one_hot(data.encode(lines), data.sample_shape[0])


def scored(metric, data, lines):
    metric.set_reference(Reference(data))
    metric.reset()
    metric.update(coded(data, lines), None)
    return {name: float(value) for name, value in metric.compute().items()}


@pytest.mark.parametrize("string", ["x", "x+y", "(x)", "((x))*y", "x-(y+z)", "(x+y)*(z-x)"])
def test_expressions(string):
    assert is_expression(string)
    assert has_matching_brackets(string)


@pytest.mark.parametrize("string", ["", "+", "x+", "xy", "()", "(x", "x)", ")x(", "x(y)", "(x)(y)", "x+-y", "(x+)*y"])
def test_strings_that_are_no_expressions(string):
    assert not is_expression(string)
    assert has_matching_brackets(string) == (string not in ("(x", "x)", ")x("))


def test_validity_by_hand():
    found = scored(TextValidity(), GRAMMAR, ["x", "x", "x+y", "x+", "(x", "(x", "()", "y"])
    assert found == {"valid_distinct": 3 / 8, "valid": 4 / 8, "distinct": 6 / 8, "brackets": 6 / 8}


def test_noise_is_distinct_but_not_valid_and_one_string_valid_but_not_distinct():
    noise = torch.randint(9, (500, 9), generator=torch.Generator().manual_seed(0)).numpy()
    metric = TextValidity()
    metric.set_reference(Reference(GRAMMAR))
    metric.update(one_hot(noise, 9), None)
    found = metric.compute()
    assert found["distinct"] > 0.7
    assert found["valid"] < 0.15
    same = scored(TextValidity(), GRAMMAR, ["(x+y)*z"] * 500)
    assert same["valid"] == 1
    assert same["valid_distinct"] == 1 / 500
    real = evaluate_floor({"validity": metric}, Reference(GRAMMAR))
    assert real["valid"] == 1
    assert real["valid_distinct"] > 0.96


class Made(Words):
    """Words of a file that is not there: each of seven letters twice, with one of five between them."""

    def content(self):
        return "\n".join(a + b + c for a in "abcdefg" for b in "hijkl" for c in "abcdefg").encode()


MADE = Made(root="-", alphabet="abcdefghijkl", sample_shape=(13, 4), num_classes=0, validation=0.3, test=0.3)


def test_the_divergence_by_hand():
    """p = (1, 0), q = (1/2, 1/2): the mean is (3/4, 1/4), so log₂(4/3) / 2 + (log₂(2/3) / 2 + log₂ 2 / 2) / 2 bits."""
    p, q = Counter(a=7), Counter(a=2, b=2)
    by_hand = math.log2(4 / 3) / 2 + (math.log2(2 / 3) / 2 + 1 / 2) / 2
    assert jensen_shannon(p, q) == pytest.approx(by_hand) == pytest.approx(jensen_shannon(q, p))
    assert jensen_shannon(p, p) == 0
    assert jensen_shannon(p, Counter(c=1)) == 1


def test_trigrams_have_marks_at_the_ends():
    assert count_trigrams(["ab", "a"]) == {"\0\0a": 2, "\0ab": 1, "ab\1": 1, "\0a\1": 1}


def test_shares_of_new_and_known_words():
    train, held_out = (MADE.sample_format.decode(split.part(0, 2).real) for split in (MADE.splits.train, MADE.splits.test))
    found = scored(NGram(), MADE, [*train, train[0], *held_out, "hhh", "hhh", "ah"])
    assert (found["novel"], found["distinct"], found["known"]) == (5 / 8, 6 / 8, 5 / 8)


def test_other_held_out_words_are_nearer_than_other_words():
    metric = NGram()
    real = evaluate_floor({"ngram": metric_of(metric)}, Reference(MADE))
    assert (real["novel"], real["known"], real["distinct"]) == (1, 1, 1)
    noise = ["".join("abcdefghijkl"[i] for i in row) for row in torch.randint(12, (80, 3)).tolist()]
    assert scored(metric, MADE, noise)["trigram_js"] > 1.5 * real["trigram_js"]


def metric_of(metric):
    metric.set_reference(Reference(MADE))
    return metric


def test_the_metrics_refuse_other_data():
    assert TextValidity().incompatibility(GRAMMAR) is None
    assert "data=grammar" in TextValidity().incompatibility(MADE)
    assert NGram().incompatibility(MADE) is None
    assert "data=words" in NGram().incompatibility(GRAMMAR)
