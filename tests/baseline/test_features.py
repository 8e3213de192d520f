import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.baseline.features import GROUPS, Features
from swath.batch import Batch
from swath.errors import BandError, UnitError
from swath.sample.window import read

from .worlds import scene, season


def both(missing=0.2):
    return {"one": scene(60, 58, missing=missing), "many": season(60, 58, missing=missing)}


CUBES = both()
FITTED = Features.fit(CUBES)
WHOLE = FITTED(read(CUBES, slice(0, 60), slice(0, 58)))


@settings(max_examples=15)
@given(st.integers(0, 59), st.integers(0, 57), st.integers(1, 20), st.integers(1, 20))
def test_a_window_with_its_reach_gives_bit_for_bit_what_the_whole_scene_gives(top, left, height, width):
    r, bottom, right = FITTED.reach, min(60, top + height), min(58, left + width)
    y, x = max(0, top - r), max(0, left - r)
    values, valid = FITTED(read(CUBES, slice(y, min(60, bottom + r)), slice(x, min(58, right + r))))
    core = (slice(top - y, bottom - y), slice(left - x, right - x))
    assert np.array_equal(values[0][(slice(None), *core)], WHOLE[0][0][:, top:bottom, left:right])
    assert np.array_equal(valid[0][core], WHOLE[1][0, top:bottom, left:right])


def test_features_are_finite_named_once_and_zero_where_missing():
    values, valid = WHOLE
    assert np.isfinite(values).all()
    assert values.shape[1] == len(FITTED.names) == len(set(FITTED.names))
    assert (values[0][:, ~valid[0]] == 0).all()
    assert not valid.all()
    assert FITTED.groups == tuple(g for g in GROUPS if g != "tokens")


def test_each_group_alone_gives_its_columns():
    batch = read(CUBES, slice(0, 60), slice(0, 58))
    for group in FITTED.groups:
        alone = FITTED.only([group])
        assert alone.reach <= FITTED.reach
        assert np.array_equal(alone(batch)[0], WHOLE[0][:, FITTED.columns([group])])


def test_a_band_that_never_lives_is_left_out_and_one_gap_is_filled():
    cube = scene(40, 40, bands=6)
    cube.values[2] = np.nan
    cube.values[4, 7, 7] = np.nan
    fitted = Features.fit({"s": cube}, names=["spectra"])
    assert [n for n in fitted.names if "b2" in n] == []
    values, valid = fitted(read({"s": cube}, slice(0, 40), slice(0, 40)))
    assert valid.all()
    assert np.isfinite(values).all()


def test_state_survives_json_and_gives_the_same_features():
    record, arrays = FITTED.state()
    again = Features.from_state(json.loads(json.dumps(record, allow_nan=False)), arrays)
    assert np.array_equal(again(read(CUBES, slice(0, 60), slice(0, 58)))[0], WHOLE[0])
    assert again.names == FITTED.names


def test_the_same_seed_fits_the_same():
    a, b = Features.fit(both(), seed=3).state(), Features.fit(both(), seed=3).state()
    assert a[0] == b[0]
    assert all(np.array_equal(a[1][k], b[1][k]) for k in a[1])


def test_other_bands_units_or_sensors_are_refused_by_name():
    fitted = Features.fit({"s": scene()}, names=["spectra"])
    with pytest.raises(BandError, match=r"c0.*missing b0"):
        fitted(read({"s": scene(name="c")}, slice(0, 9), slice(0, 9)))
    with pytest.raises(UnitError, match="reflectance"):
        fitted(read({"s": scene(quantity="radiance")}, slice(0, 9), slice(0, 9)))
    with pytest.raises(BandError, match="train without it"):
        fitted(read({"t": scene()}, slice(0, 9), slice(0, 9)))
    with pytest.raises(BandError, match="feature groups"):
        Features.fit({"s": scene()}, names=["colour"])


def test_another_year_is_told_at_the_same_days():
    cube = season(missing=0.0)
    fitted = Features.fit({"m": cube}, names=["spectra"])
    later = cube.assign_coords(time=cube.time.values + np.timedelta64(730, "D"))
    window = (slice(0, 10), slice(0, 10))
    a, b = (fitted(read({"m": c}, *window))[0] for c in (cube, later))
    assert np.abs(a - b).max() < 0.02


def test_many_dates_are_told_by_statistics():
    import xarray as xr

    base = season(10, 10, dates=40)
    cube = xr.concat([base.assign_coords(band=[f"{k}r", f"{k}n"]) for k in range(4)], "band")
    fitted = Features.fit({"m": cube}, names=["spectra"])
    assert len(fitted.names) == 5 * 8
    assert np.isfinite(fitted(read({"m": cube}, slice(0, 10), slice(0, 10)))[0]).all()


def test_one_pixel_is_a_scene():
    cube = scene(1, 1)
    values, valid = Features.fit({"s": cube})(read({"s": cube}, slice(0, 1), slice(0, 1)))
    assert valid.all()
    assert np.isfinite(values).all()


def test_points_have_no_neighbours():
    cube = season(1, 50).isel(y=0).rename(x="place").drop_vars(["y"])
    fitted = Features.fit({"m": cube})
    assert set(fitted.groups) == {"spectra", "indices", "season", "components"}
    assert fitted.reach == 0


class Doubler:
    """An encoder of 4-px patches in tiles of 12: mean of valid values, twice."""

    from swath.batch import Needs

    needs = Needs(size=12)

    def encode(self, batch, levels=(-1,)):
        from swath.batch import Tokens

        p = next(iter(batch.pixels.values()))
        v = np.where(p.valid, p.values, 0).mean(1)
        b, c, h, w = v.shape
        v = 2 * v.reshape(b, c, h // 4, 4, w // 4, 4).mean((3, 5)).reshape(b, c, -1).transpose(0, 2, 1)
        n = v.shape[1]
        return [Tokens(v, np.ones((b, n), bool), np.full((b, n), np.nan), np.zeros((b, n, 2)), (1, h // 4, w // 4))]


def test_tokens_of_an_encoder_are_features_that_windows_do_not_change():
    cubes = {"s": scene(50, 45)}
    fitted = Features.fit(cubes, names=["tokens"], encoder=Doubler())
    assert (fitted.align, fitted.reach % fitted.align, len(fitted.names)) == (8, 0, 5)
    whole = fitted(read(cubes, slice(0, 50), slice(0, 45)))[0]
    r = fitted.reach
    part = fitted(read(cubes, slice(24 - r, 32 + r), slice(16 - r, 24 + r)))[0]
    assert np.array_equal(part[..., r : r + 8, r : r + 8], whole[..., 24:32, 16:24])
    inside = whole[0, :, 8:16, 8:16]
    assert np.allclose(inside[:, 2, 2], 2 * cubes["s"].values[:, 10:14, 10:14].mean((1, 2)), atol=1e-5)


def test_several_examples_in_a_batch_are_worked_each_alone():
    from dataclasses import replace

    cubes = {"s": scene(20, 20)}
    fitted = Features.fit(cubes)
    one = read(cubes, slice(0, 20), slice(0, 20)).pixels["s"]
    two = replace(one, **{k: np.concatenate([getattr(one, k)] * 2) for k in ("values", "valid", "day", "lonlat")})
    values, _ = fitted(Batch({"s": two}))
    assert np.array_equal(values[0], values[1])
