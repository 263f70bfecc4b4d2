"""The one source of randomness: 32 bits of (purpose, seed, step, rank)."""

import itertools

import pytest
import torch

from gan_lightning.step.seeding import Purpose, derive_seed, reseed, seeded_generator

CPU = torch.device("cpu")


def test_hashes_stay_what_they_were():
    """A run of an older version can be repeated only as long as these, and the numbers of the purposes, do not change."""
    assert [purpose.value for purpose in Purpose] == list(range(len(Purpose)))
    assert derive_seed(Purpose.NOISE, 0) == 2968811710
    assert derive_seed(Purpose.GENERATOR, 2**32 - 1, 10**6, 7) == 1879420795


def test_every_argument_counts():
    every = list(itertools.product(Purpose, (0, 1, 2, 2**31, 2**32 - 1), (0, 1, 2, 10**6), (0, 1, 2)))
    found = {derive_seed(*arguments) for arguments in every}
    assert len(found) == len(every)
    assert all(0 <= value < 2**32 for value in found)


def test_what_is_left_out_is_zero():
    assert derive_seed(Purpose.PICTURE, 5) == derive_seed(Purpose.PICTURE, 5, 0, 0)


def test_the_noise_of_ten_thousand_steps_has_no_two_alike():
    found = {derive_seed(Purpose.NOISE, 0, step) for step in range(10000)}
    assert len(found) >= 9999  # a pair of 32-bit hashes meets by chance in one of a hundred such runs


def test_a_shifted_seed_would_be_lost():
    """Why it is hashed: torch's CPU generator keeps the low 32 bits of what it is given."""

    def draw(seed):
        return torch.rand(4, generator=torch.Generator().manual_seed(seed))

    assert torch.equal(draw(5), draw((1 << 40) + 5))
    assert not torch.equal(draw(derive_seed(Purpose.NOISE, 0, 5)), draw(derive_seed(Purpose.NOISE, 1, 5)))


def test_a_generator_of_its_own_starts_at_the_hash_and_touches_no_other():
    before = torch.get_rng_state()
    one, again, other = (seeded_generator(Purpose.ORDER, 3, 4, rank) for rank in (1, 1, 2))
    assert one.initial_seed() == derive_seed(Purpose.ORDER, 3, 4, 1)
    drawn = torch.randn(8, generator=one)
    assert torch.equal(drawn, torch.randn(8, generator=again))
    assert not torch.equal(drawn, torch.randn(8, generator=other))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("value", [0, 7, 2**31, 2**32 - 1])
def test_reseeding_is_torchs_own(value):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(value)
        expected = torch.randn(8), torch.rand(3)
        reseed(value, CPU)
        assert torch.equal(torch.randn(8), expected[0])
        assert torch.equal(torch.rand(3), expected[1])


def test_reseeding_forgets_the_normal_that_was_left_over():
    with torch.random.fork_rng(devices=[]):
        reseed(1, CPU)
        expected = torch.randn(2)
        torch.randn(3)  # normals come in pairs: one is held back
        reseed(1, CPU)
        assert torch.equal(torch.randn(2), expected)
