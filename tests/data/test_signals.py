"""Signals made by code: the sines' spectrum and the heartbeats' rate are known, and two metrics know them."""

import numpy as np
import pandas
import pytest
import torch

from gan_lightning.data.array import Array
from gan_lightning.data.base import DataError
from gan_lightning.data.signals import SINES, Heartbeats, Sines
from gan_lightning.metric.beat_rate import BeatRate, read_rate
from gan_lightning.metric.reference import Reference
from gan_lightning.metric.spectrum_distance import SpectrumDistance

DATA = Sines(sample_shape=(2, 128), num_classes=0, count=600)
BEATS = Heartbeats(sample_shape=(1, 512), num_classes=0, count=400)


def scored(metric, data, samples):
    metric.set_reference(Reference(data, "validation"))
    metric.update(samples, None)
    return {key: float(value) for key, value in metric.compute().items()}


def test_the_power_lies_at_the_known_frequencies():
    """The mean of |FFT|² of a sine of amplitude a is a² T² / 4, and a is uniform: its mean square is (l² + l h + h²) / 3."""
    real = DATA.splits.train.part(0, 480).real
    power = np.square(np.abs(np.fft.rfft(real.numpy()))).mean((0, 1))
    assert set(np.flatnonzero(power > 1e-3 * power.max())) == set(SINES)
    expected = [128**2 / 4 * (low**2 + low * high + high**2) / 3 for low, high in ((0.3, 0.5), (0.1, 0.3), (0.05, 0.15))]
    np.testing.assert_allclose(power[list(SINES)], expected, rtol=0.06)
    assert real.abs().max() <= 0.95


def test_the_second_channel_is_a_quarter_of_a_cycle_ahead():
    spectrum = torch.fft.rfft(DATA.splits.train.part(0, 9).real)[:, :, list(SINES)]
    torch.testing.assert_close(spectrum[:, 1] / spectrum[:, 0], torch.full((9, 3), 1j), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("data", [DATA, BEATS], ids=["two_channels", "one_channel"])
def test_signals_written_as_rows_are_read_as_they_were(data, tmp_path):
    """A row of a .csv file is a signal, channel after channel: pandas opens it, and `data=array` reads the same signals."""
    signals = data.splits.train.part(0, 40).real
    (tmp_path / "signals.csv").write_bytes(data.sample_format.encode_samples(signals, ".csv"))
    table = pandas.read_csv(tmp_path / "signals.csv")
    assert list(table)[:2] == ["c0_t0", "c0_t1"]
    np.testing.assert_allclose(table.to_numpy(np.float32).reshape(signals.shape), signals, atol=1e-7)
    array = Array(file=str(tmp_path / "signals.csv"), sample_shape=data.sample_shape, num_classes=0, validation=0, test=0)
    np.testing.assert_allclose(array.samples, signals, atol=1e-7)


def test_the_spectrum_distance_by_hand():
    real = DATA.splits.test.part(0, 60).real
    floor = scored(SpectrumDistance(), DATA, real)
    assert floor["spectrum_distance"] < 0.03
    assert floor["power_error"] < 0.03
    half = scored(SpectrumDistance(), DATA, real / 2)
    assert half["spectrum_distance"] == pytest.approx(floor["spectrum_distance"])
    assert half["power_error"] == pytest.approx(np.log10(4), abs=0.03)
    t = torch.arange(128) / 128
    other = torch.sin(2 * torch.pi * 30 * t).expand(5, 2, 128)
    assert scored(SpectrumDistance(), DATA, other)["spectrum_distance"] == pytest.approx(1, abs=1e-6)
    one = real[:1].expand(60, 2, 128)  # a collapse: no spread
    assert scored(SpectrumDistance(), DATA, one)["spread_error"] > 5 * floor["spread_error"]


def test_the_rate_of_heartbeats_is_read():
    for seed in range(3):
        beats = Heartbeats(sample_shape=(1, 512), num_classes=0, count=1, signal_seed=seed, validation=0, test=0)
        random = np.random.default_rng(seed)
        rate = random.uniform(50, 110, (1, 1))
        assert read_rate(beats.splits.train.part(0, 1).real[0, 0].double().numpy(), 128) == pytest.approx(rate.item(), rel=0.02)


def test_beats_of_real_signals_of_one_rate_and_of_none():
    found = scored(BeatRate(), BEATS, BEATS.splits.train.part(0, 320).real)
    assert found["readable"] == 1
    assert found["rate_ks"] < 1.63 / 320**0.5  # 99 % of true draws
    one = scored(BeatRate(), BEATS, BEATS.splits.train.part(0, 1).real.expand(50, 1, 512))
    assert one["readable"] == 1
    assert one["rate_ks"] > 0.5
    assert scored(BeatRate(), BEATS, torch.zeros(5, 1, 512)) == {"readable": 0, "rate_ks": 1}
    noise = torch.randn(50, 1, 512, generator=torch.Generator().manual_seed(0))
    assert scored(BeatRate(), BEATS, noise)["readable"] < 0.1


@pytest.mark.parametrize(
    ("cls", "given", "said"),
    [
        (Sines, {"sample_shape": (1, 79)}, r"data\.sample_shape: \[1, 79\] is no shape of these signals; allowed: \[C,T\]"),
        (Sines, {"sample_shape": (512,)}, r"data\.sample_shape: \[512\] is no shape"),
        (
            Heartbeats,
            {"sample_shape": (1, 128)},
            r"data\.sample_shape: \[1, 128\] is no shape of these signals; allowed: \[1,T\]",
        ),
        (Heartbeats, {"num_classes": 2}, r"data\.num_classes: the signals have no classes, not 2"),
    ],
)
def test_what_does_not_fit_is_refused(cls, given, said):
    with pytest.raises(DataError, match=f"^{said}"):
        cls(**({"sample_shape": (1, 512), "num_classes": 0} | given)).count()


def test_only_what_they_know_is_scored():
    assert "such as data=signals" in SpectrumDistance().incompatibility(Sines(sample_shape=(2, 8, 8), num_classes=0))
    assert "such as data=heartbeats" in BeatRate().incompatibility(DATA)
    assert SpectrumDistance().incompatibility(BEATS) is None
