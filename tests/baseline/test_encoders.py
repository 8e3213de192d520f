from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from swath.baseline.encoders import RandomConvolutions, Statistics
from swath.batch import Batch
from swath.datasets import toy
from swath.models import load
from swath.sample.window import read
from swath.testing import check_encoder


def season(seed=1):
    when = toy.dates("2021-01-01", "2021-12-01", 30)
    place = toy.world(seed, 32)
    cubes = {
        "s2": toy.view(place, "sentinel-2a-l2a", when, seed=seed, cloud=0.2)[0],
        "s1": toy.view(place, "sentinel-1-grd", when, seed=seed)[0],
    }
    return read(cubes, slice(0, 24), slice(3, 20))


@pytest.mark.parametrize("kind", [Statistics, RandomConvolutions])
def test_encoders_without_weights_keep_the_rules_also_for_two_sensors(kind):
    check_encoder(*kind.example())
    two = season()
    from swath.sample.loader import join

    check_encoder(
        kind(patch=5), join([replace(two, key=("a",), place=(1,)), replace(season(2), key=("b",), place=(2,))])
    )


def test_statistics_equal_those_of_numpy():
    encoder, batch = Statistics.example()
    tokens = encoder.encode(batch)[0]
    p = batch.pixels["sentinel-2a-l2a"]
    order = np.argsort([b.wavelength for b in p.bands])
    assert tokens.shape == (1, 3, 2)
    assert tokens.values.shape == (3, 6, 4 * Statistics.per_band)
    for k, band in enumerate(order):
        box = p.values[1, :, band, 4:8, 4:8]
        box = box[p.valid[1, :, band, 4:8, 4:8]]
        got = tokens.values[1, 3, k * 8 : k * 8 + 5]
        assert np.allclose(got, [box.mean(), box.std(), *np.quantile(box, [0.1, 0.5, 0.9])], atol=1e-6)


def test_the_harmonic_is_that_of_the_year():
    _, batch = Statistics.example()
    p = batch.pixels["sentinel-2a-l2a"]
    day = np.tile(np.linspace(18_000, 18_000 + 365.25, 61)[:-1], (3, 1))
    wave = 0.2 + 0.1 * np.cos(2 * np.pi * day / 365.25) - 0.05 * np.sin(2 * np.pi * day / 365.25)
    values = np.broadcast_to(wave[:, :, None, None, None], (3, 60, 4, 10, 8)).astype(np.float32)
    p = replace(p, values=values, valid=np.ones(values.shape, bool), day=day)
    got = Statistics(100).encode(Batch({"s2": p}))[0].values[0, 0, 5:8]
    assert np.allclose(got, [wave[0].std(), 0.1, -0.05], atol=0.005)


def test_random_filters_are_those_of_their_seed_and_see_texture():
    _, batch = RandomConvolutions.example()
    a, b = (RandomConvolutions(16, 4, seed=s).encode(batch)[0].values for s in (0, 1))
    assert not np.allclose(a, b)
    assert np.array_equal(a, load("random-convolutions", filters=16, patch=4).encode(batch)[0].values)
    p = batch.pixels["sentinel-2a-l2a"]
    shuffled = p.values.reshape(3, 5, 4, -1)[..., np.random.default_rng(0).permutation(80)].reshape(p.values.shape)
    whole = [
        RandomConvolutions(16, 100).encode(Batch({"s": replace(p, values=v, valid=np.ones_like(p.valid))}))[0].values
        for v in (np.sort(p.values, axis=-1), shuffled)
    ]
    assert np.abs(whole[0] - whole[1]).max() > 0.01


def test_convolutions_equal_a_plain_sum():
    from scipy.ndimage import correlate

    from swath.baseline.encoders import _weights

    encoder, batch = RandomConvolutions(4, patch=1), season()
    p = batch.pixels["s1"]
    batch = Batch({"s1": replace(p, valid=np.ones_like(p.valid), values=np.nan_to_num(p.values, nan=0.1))})
    encoder = encoder.measure(batch)
    got = encoder.encode(batch)[0].grid()[0, 2, 1]
    p = batch.pixels["s1"]
    total = 0
    for i, band in enumerate(p.bands):
        mean, deviation = next(v for k, v in encoder.scaling.items() if k[2] == band.polarisation)
        x = p.values[0, 2, i] if band.units == "dB" else 10 * np.log10(np.maximum(p.values[0, 2, i], 1e-6))
        x = np.clip((x - mean) / deviation, -6, 6)
        total = total + correlate(x, _weights(band, 4, 0)[3][1].reshape(3, 3), mode="constant")
    want = np.maximum(total / np.sqrt(9 * len(p.bands)) - encoder.threshold[1], 0)
    assert np.allclose(got, want, atol=1e-4)


def test_tensors_in_are_tensors_out():
    torch = pytest.importorskip("torch")
    for kind in (Statistics, RandomConvolutions):
        encoder, batch = kind.example()
        out = encoder.encode(batch.to("cpu"))[0]
        assert isinstance(out.values, torch.Tensor)
        assert np.allclose(out.values.numpy(), encoder.encode(batch)[0].values, atol=1e-6)
