"""Pictures made worse by degrees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from swath.batch import Pixels
from swath.earth.sensor import sensor
from swath.errors import SwathError
from swath.transform.corrupt import CORRUPTIONS, corrupt


@pytest.fixture
def pixels() -> Pixels:
    rng = np.random.default_rng(0)
    bands = tuple(b for b in sensor("sentinel-2a-l2a").bands if b.name in ("B02", "B04", "B08"))
    values = rng.uniform(0.05, 0.4, (3, 2, 3, 33, 21)).astype(np.float32)
    valid = rng.random(values.shape) < 0.9
    return Pixels(values, valid, bands, 10.0, np.full((3, 2), np.nan), np.full((3, 2), np.nan))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_level_0_changes_no_bit_and_every_level_is_worse_than_the_one_before(name: str, pixels: Pixels) -> None:
    assert corrupt(pixels, name, 0).values is pixels.values
    apart = []
    for level in range(1, 6):
        worse = corrupt(pixels, name, level)
        assert np.array_equal(worse.values[~pixels.valid], pixels.values[~pixels.valid])
        apart.append(float(np.abs(worse.values - pixels.values)[pixels.valid].mean()))
    assert apart[0] > 0
    assert apart == sorted(apart) or name in ("coarse", "blur")


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_an_example_is_made_worse_alone_as_among_others_and_nan_where_not_valid_does_not_spread(
    name: str, pixels: Pixels
) -> None:
    whole = corrupt(pixels, name, 3, key="a")
    alone = corrupt(replace(pixels, values=pixels.values[1:2], valid=pixels.valid[1:2]), name, 3, key="a")
    np.testing.assert_array_equal(alone.values[0], whole.values[1])
    wild = replace(pixels, values=np.where(pixels.valid, pixels.values, np.nan))
    np.testing.assert_array_equal(corrupt(wild, name, 3, key="a").values[pixels.valid], whole.values[pixels.valid])


def test_haze_lies_before_the_blue_more_than_before_the_infrared(pixels: Pixels) -> None:
    dark = replace(pixels, values=np.full_like(pixels.values, 0.05))
    dark.values[:, :, :, :4, :12] = 0.5
    hazy = corrupt(dark, "haze", 3).values - dark.values
    there = pixels.valid[:, :, 0] & pixels.valid[:, :, 2] & (dark.values[:, :, 0] < 0.1)
    assert (hazy[:, :, 0][there] > hazy[:, :, 2][there]).all()


def test_an_unknown_corruption_is_refused(pixels: Pixels) -> None:
    with pytest.raises(SwathError, match="corruptions are noise, blur"):
        corrupt(pixels, "rain", 1)
