from __future__ import annotations

from dataclasses import replace
from pathlib import Path

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


def test_no_token_depends_on_what_lies_further_away_than_its_reach(model):
    cube, _ = toy.view(toy.world(4, 32), "sentinel-2a-l2a", WHEN[:2], seed=4)
    p = read({"s2": cube}, slice(0, 32), slice(0, 32)).pixels["s2"]
    other = p.values.copy()
    other[..., 15, 16] += 0.3
    moved = Batch({"s2": replace(p, values=other, valid=np.ones_like(p.valid))})
    still = Batch({"s2": replace(p, valid=np.ones_like(p.valid))})
    apart = np.abs(model.encode(moved)[0].values - model.encode(still)[0].values).max(-1)[0].reshape(32, 32) > 1e-5
    rows, columns = np.nonzero(apart)
    far = max(abs(rows - 15).max(), abs(columns - 16).max())
    assert 8 < far <= model.reach == 14


def test_the_mappers_tiles_give_the_tokens_of_the_whole_scene(model):
    from swath.baseline.tokens import TokenPlanes

    place = toy.world(5, 80)
    cube, _ = toy.view(place, "sentinel-2a-l2a", WHEN[:2], seed=5)
    whole = read({"s2": cube}, slice(0, 80), slice(0, 71))
    planes = TokenPlanes.fit(model, whole)
    assert planes.core == 64
    np.testing.assert_allclose(planes(whole, 0), model.encode(whole)[0].grid()[0, 0], atol=5e-5)


def test_strips_of_a_large_window_give_what_one_piece_gives(model, batch, monkeypatch):
    whole = model.encode(batch)[0]
    monkeypatch.setattr("swath.models.tiny._PIECE", 60)
    same(model.encode(batch)[0], whole, 5e-5)


def test_the_weights_that_come_with_swath_are_small():
    from swath.models import WEIGHTS, load, weights

    tiny = load("tiny")
    path = Path(weights.__file__).parent / "weights_files" / WEIGHTS["tiny"][0]
    tensors, facts = weights.read(path)
    assert path.stat().st_size <= 5_000_000
    assert sum(t.numel() for t in tensors.values()) <= 2_500_000
    assert {t.dtype for t in tensors.values()} == {torch.float16}
    assert {p.dtype for p in tiny.parameters()} == {torch.float32}
    assert facts.trained_on
    assert facts.licence == "Apache-2.0"


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
