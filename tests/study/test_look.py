"""What a tile looks like, and whether it is a picture: bands in any order, invalid pixels, every fault named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from swath.batch import Batch, Pixels
from swath.earth.sensor import Band
from swath.study.look import fault, form, look


def _batch(values, valid=None, quantity="reflectance", names=None):
    values = np.asarray(values, np.float32)
    if values.ndim == 3:
        values = values[None, None]
    names = names or [f"b{i}" for i in range(values.shape[2])]
    valid = np.ones(values.shape, bool) if valid is None else np.broadcast_to(valid, values.shape).copy()
    bands = tuple(Band(n, quantity=quantity) for n in names)
    return Batch({"s": Pixels(values, valid, bands, 10.0, np.full(values.shape[:2], np.nan), np.full((1, 2), np.nan))})


@pytest.fixture
def noise():
    return np.random.default_rng(0).uniform(0.1, 0.9, (3, 20, 20))


def test_bands_in_another_order_look_the_same(noise):
    a = _batch(noise, names=["x", "y", "z"])
    b = _batch(noise[::-1], names=["z", "y", "x"])
    assert form(a) == form(b)
    assert np.allclose(look(a), look(b))


def test_values_that_are_not_valid_do_not_matter(noise):
    valid = np.ones((20, 20), bool)
    valid[:4] = False
    wild = noise.copy()
    wild[:, :4] = np.nan
    assert np.allclose(look(_batch(noise, valid)), look(_batch(np.where(valid, noise, 1e9), valid)))
    assert np.isfinite(look(_batch(wild, valid))).all()


def test_rough_and_smooth_differ_and_steps_tell_scale(noise):
    from scipy.ndimage import gaussian_filter

    smooth = np.stack([gaussian_filter(b, 3) for b in noise])
    a, b = look(_batch(noise)).reshape(3, -1), look(_batch(smooth)).reshape(3, -1)
    assert (a[:, 7] > 2 * b[:, 7]).all()


def test_many_bands_have_a_short_name_of_their_own():
    many = [f"band{i}" for i in range(100)]
    a = form(_batch(np.zeros((100, 2, 2)), names=many))
    b = form(_batch(np.zeros((100, 2, 2)), names=[*many[:-1], "other"]))
    assert len(a) < 120
    assert a != b


def test_a_good_picture_has_no_fault_and_a_band_that_is_bad_everywhere_is_none(noise):
    assert fault(_batch(noise)) == ""
    valid = np.ones((1, 1, 3, 20, 20), bool)
    valid[:, :, 1] = False
    assert fault(_batch(noise, valid)) == ""


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda v: (v, np.zeros((20, 20), bool)), "empty: no pixel"),
        (lambda v: (v, np.arange(20)[:, None] < 8), "half missing"),
        (lambda v: (np.where(np.arange(20)[:, None] < 8, v, 0), None), "are 0 in all bands"),
        (lambda v: (np.where(np.arange(20)[:, None] < 8, v, 1), None), "saturated"),
        (lambda v: (np.full_like(v, 0.3), None), "one value everywhere"),
    ],
)
def test_every_fault_has_its_words(noise, change, word):
    values, valid = change(noise)
    assert word in fault(_batch(values, valid))


def test_maps_of_classes_may_be_flat(noise):
    flat = _batch(np.ones_like(noise), quantity="class")
    assert fault(flat) == ""
    sea = _batch(np.zeros_like(noise), quantity="elevation")
    assert fault(sea) == ""


def test_the_dates_change_is_seen(noise):
    still = np.stack([noise, noise])[None]
    moving = np.stack([noise, noise + 1.0])[None]
    days = np.array([[0.0, 10.0]])
    a, b = (_batch(v) for v in (still, moving))
    a, b = (replace(x, pixels={"s": replace(x.pixels["s"], day=days)}) for x in (a, b))
    assert look(a).reshape(3, -1)[:, -1] == pytest.approx(0)
    assert (look(b).reshape(3, -1)[:, -1] > 0.4).all()
