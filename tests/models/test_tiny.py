from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.batch import Batch, Encoder, Pixels  # noqa: E402
from swath.datasets import toy  # noqa: E402
from swath.errors import SwathError, UnitError  # noqa: E402
from swath.models import build  # noqa: E402
from swath.models.tiny import describe, measure  # noqa: E402
from swath.sample.loader import join, take  # noqa: E402
from swath.sample.window import read  # noqa: E402

WHEN = toy.dates("2021-03-01", "2021-10-01", 40)


def scene(seed, *, size=12):
    place = toy.world(seed, 32)
    s2, _ = toy.view(place, "sentinel-2a-l2a", WHEN, seed=seed)
    s1, _ = toy.view(place, "sentinel-1-grd", WHEN[::2], seed=seed)
    return read({"s2": s2, "s1": s1, "dem": toy.elevation(place)}, slice(3, 3 + size), slice(5, 5 + size))


@pytest.fixture(scope="module")
def batch():
    return join([scene(1), scene(2), scene(3)])


@pytest.fixture(scope="module")
def model(batch):
    torch.manual_seed(0)
    return build("tiny", dim=32, depth=2, statistics=measure([batch])).eval()


def same(a, b, tolerance=2e-5):
    np.testing.assert_array_equal(a.valid, b.valid)
    np.testing.assert_allclose(a.values, b.values, atol=tolerance)


def permuted(pixels, order):
    return replace(
        pixels,
        values=pixels.values[:, :, order],
        valid=pixels.valid[:, :, order],
        bands=tuple(pixels.bands[i] for i in order),
    )


def test_it_is_an_encoder_whose_tokens_lie_on_the_pixel_grid(model, batch):
    assert isinstance(model, Encoder)
    (tokens,) = model.encode(batch)
    assert isinstance(tokens.values, np.ndarray)
    assert tokens.values.shape == (3, 144, 32)
    assert tokens.grid().shape == (3, 1, 32, 12, 12)
    assert tokens.pooled().shape == (3, 32)
    first, last = model.encode(batch, levels=(0, -1))
    assert not np.allclose(first.values, last.values)
    same(last, tokens)


def test_permuting_bands_with_their_descriptions_changes_nothing(model, batch):
    order = np.random.default_rng(0).permutation(12)
    other = replace(batch, pixels={**batch.pixels, "s2": permuted(batch.pixels["s2"], order)})
    same(model.encode(other)[0], model.encode(batch)[0])
    with torch.no_grad():
        a, b = model(batch)["s2"], model(other)["s2"]
    np.testing.assert_allclose(a[:, :, order], b, atol=2e-5)


def test_permuting_bands_without_their_descriptions_changes_something(model, batch):
    p = batch.pixels["s2"]
    order = np.arange(12)[::-1]
    other = replace(batch, pixels={**batch.pixels, "s2": replace(permuted(p, order), bands=p.bands)})
    assert np.abs(model.encode(other)[0].values - model.encode(batch)[0].values).max() > 0.05


def test_the_order_of_dates_and_sensors_does_not_matter(model, batch):
    p = batch.pixels["s2"]
    turned = replace(p, values=p.values[:, ::-1], valid=p.valid[:, ::-1], day=p.day[:, ::-1])
    other = Batch({"dem": batch.pixels["dem"], "s1": batch.pixels["s1"], "s2": turned})
    same(model.encode(other)[0], model.encode(batch)[0])


def test_what_is_not_valid_changes_nothing(model, batch):
    noise = np.random.default_rng(1)
    pixels = {}
    for name, p in batch.pixels.items():
        wild = np.where(p.valid, p.values, noise.choice([np.nan, np.inf, 1e9, -5], p.values.shape)).astype(np.float32)
        pixels[name] = replace(p, values=wild)
    same(model.encode(replace(batch, pixels=pixels))[0], model.encode(batch)[0])


def test_a_pixel_that_nothing_saw_has_no_valid_token(model, batch):
    pixels = {}
    for name, p in batch.pixels.items():
        valid = p.valid.copy()
        valid[..., 4, 5] = False
        pixels[name] = replace(p, valid=valid)
    (tokens,) = model.encode(replace(batch, pixels=pixels))
    assert not tokens.valid[:, 4 * 12 + 5].any()
    assert (tokens.values[:, 4 * 12 + 5] == 0).all()
    assert np.isfinite(tokens.values).all()


def test_a_batch_of_one_equals_its_place_in_a_batch(model, batch):
    (tokens,) = model.encode(batch)
    for i in range(3):
        (alone,) = model.encode(take(batch, [i]))
        np.testing.assert_allclose(alone.values[0], tokens.values[i], atol=2e-5)


def test_how_pixels_are_chunked_does_not_matter(model, batch):
    whole = model.encode(batch)[0]
    for chunk in (2, 7, 144, 200, 300):
        model.chunk = chunk
        same(model.encode(batch)[0], whole)
    model.chunk = 2048


def test_missing_sensors_dates_and_bands_are_read_as_they_come(model, batch):
    for pixels in (
        {"s2": batch.pixels["s2"]},
        {"s1": batch.pixels["s1"]},
        {"s2": permuted(batch.pixels["s2"], [3])},
        {"dem": batch.pixels["dem"]},
    ):
        (tokens,) = model.encode(Batch(pixels))
        assert np.isfinite(tokens.values).all()
        assert tokens.valid.any()


def test_sensors_of_different_resolution_meet_on_the_finer_grid(model, batch):
    p = batch.pixels["s1"]
    coarse = replace(p, values=p.values[..., ::3, ::3], valid=p.valid[..., ::3, ::3], gsd=30.0)
    both = Batch({"s2": batch.pixels["s2"], "s1": coarse})
    assert model.encode(both)[0].values.shape == (3, 144, 32)
    with torch.no_grad():
        assert model(both)["s1"].shape == coarse.values.shape


def test_linear_power_and_decibel_are_the_same_radar(model, batch):
    p = batch.pixels["s1"]
    power = replace(p, values=10 ** (p.values / 10), bands=tuple(replace(b, units="1") for b in p.bands))
    same(model.encode(Batch({"s1": power}))[0], model.encode(Batch({"s1": p}))[0], 1e-3)
    back = model.physical(model.scaled(Batch({"s1": power}))["s1"], power.bands)
    np.testing.assert_allclose(back, power.values, rtol=0.2)


def test_scaling_and_its_inverse_agree(model, batch):
    p = batch.pixels["s2"]
    back = model.physical(model.scaled(batch)["s2"], p.bands).numpy()
    inside = p.valid & (np.abs(model.scaled(batch)["s2"].numpy()) < 5.9)
    np.testing.assert_allclose(back[inside], p.values[inside], atol=1e-5)


def test_gradients_flow_through_tensors(model, batch):
    tokens = model.encode(batch.to("cpu"))[0]
    assert tokens.values.requires_grad
    tokens.values.square().mean().backward()
    assert all(p.grad is not None for name, p in model.named_parameters() if name.startswith("vit.blocks"))
    model.zero_grad()


def test_digital_numbers_unknown_quantities_and_missing_statistics_are_refused(model, batch):
    p = batch.pixels["s2"]
    counts = replace(p, bands=tuple(replace(b, quantity="digital_number") for b in p.bands))
    with pytest.raises(UnitError, match="digital_number"):
        model.encode(Batch({"s2": counts}))
    nowhere = replace(p, bands=tuple(replace(b, wavelength=float("nan")) for b in p.bands))
    with pytest.raises(UnitError, match="wavelength"):
        model.encode(Batch({"s2": nowhere}))
    with pytest.raises(SwathError, match="statistics"):
        build("tiny", dim=32).encode(batch)


def test_descriptions_tell_bands_apart():
    from swath.earth.sensor import sensor

    bands = sensor("sentinel-2a-l2a").bands + sensor("landsat-8-c2-l2").bands + toy.SENTINEL_1
    apart = torch.cdist(describe(bands), describe(bands)) + 10 * torch.eye(len(bands))
    assert apart.min() > 0.01


def test_measuring_nothing_is_refused():
    empty = Pixels(
        np.zeros((1, 1, 1, 2, 2)),
        np.zeros((1, 1, 1, 2, 2), bool),
        toy.SENTINEL_2[:1],
        10,
        np.zeros((1, 1)),
        np.zeros((1, 2)),
    )
    with pytest.raises(SwathError, match="valid"):
        measure([Batch({"s2": empty})])
