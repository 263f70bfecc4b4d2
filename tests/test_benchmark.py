"""scripts/benchmark.py: what is paired, what its tables say, and that the loops it compares compute the same."""

import pytest
import torch
from benchmarks import loops, training
from benchmarks.report import Row, Suite, table
from benchmarks.timing import Spread, Times, interleave, ratios


def test_every_round_runs_every_variant_and_begins_with_another():
    order = []

    def variant(name):
        return lambda: order.append(name) or Times(1.0, 1.0)

    times = interleave({name: variant(name) for name in "abc"}, rounds=3)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab"
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3, "c": 3}


def test_ratios_are_of_cpu_time_within_a_round():
    times = [Times(2.0, 9.0), Times(8.0, 9.0), Times(6.0, 9.0)]
    baseline = [Times(1.0, 1.0), Times(2.0, 1.0), Times(6.0, 1.0)]
    assert ratios(times, baseline) == Spread(1.0, 2.0, 4.0)


def test_a_table_has_the_range_and_the_numbers():
    rows = [Row("a", Spread(1, 1, 1), {"ms a step": 2}), Row("b", Spread(0.5, 0.754, 1.2), {"ms a step": 1234.5})]
    assert table(Suite("Title", "a", rows)).splitlines()[-1] == "| b | **0.75** | 0.50 to 1.20 | 1,234 |"


@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
def test_the_lean_loop_computes_what_the_plain_one_does(bf16):
    plain = training.validate(training.Composer().compose([*training.TINY, "model.width=16"]))
    weights = []
    for make in (loops.same_maths, loops.lean):
        generator, discriminator = training.networks(plain)
        before = [parameter.clone() for parameter in generator.parameters()]
        step = make(generator, discriminator, training.batches(plain), plain["gan"]["latent_dim"], bf16)
        torch.manual_seed(1)
        for _ in range(3):
            step()
        weights.append(torch.cat([parameter.detach().flatten() for parameter in generator.parameters()]))
        assert not torch.equal(weights[-1], torch.cat([parameter.flatten() for parameter in before]))
    torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-6)
