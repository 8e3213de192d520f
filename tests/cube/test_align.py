"""Cubes of different grids, sensors and dates come together without losing what they are."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from swath.cube import contract
from swath.cube.align import align, crop, to_grid
from swath.cube.lazy import ArraySource, lazy
from swath.errors import GridError


def box(height=60, width=50, gsd=10.0, x=500_000.0, y=5_000_000.0, crs="EPSG:32633"):
    return GeoBox((height, width), Affine(gsd, 0, x, 0, -gsd, y), crs)


def cube(grid, *, bands=("a",), dates=None, seed=0, dtype="float32", nodata=np.nan, flag=None, values=None, **kw):
    rng = np.random.default_rng(seed)
    times = 1 if dates is None else len(dates)
    if values is None:
        values = rng.normal(1, 0.2, (times, len(bands), *grid.shape)).astype("float32")
        if np.dtype(dtype).kind in "iu":
            values = (values * 1000).astype(dtype)
    data = values if dates is not None else values[0]
    kw.setdefault("quantity", "reflectance")
    return contract.make(
        lazy(ArraySource(values)) if dates is not None else data,
        bands=bands, geobox=grid, time=dates, nodata=nodata, flag=flag, **kw,
    )  # fmt: skip


def smooth(grid, crs="EPSG:32633"):
    """A smooth field known at every place, as a cube on `grid`."""
    y, x = np.mgrid[: grid.shape[0], : grid.shape[1]] + 0.5
    e, n = grid.affine * (x, y)
    from pyproj import Transformer

    e, n = Transformer.from_crs(str(grid.crs), crs, always_xy=True).transform(e, n)
    return field(e, n)


def field(e, n):
    return (np.sin(e / 700) + np.cos(n / 900)).astype("float32")


def test_cubes_that_share_the_grid_pass_untouched():
    a, b = cube(box(), bands=("a",)), cube(box(), bands=("b",), seed=1)
    out = align({"one": a, "two": b})
    assert out["one"] is a
    assert out["two"] is b


@given(
    top=st.integers(0, 40), left=st.integers(0, 30), height=st.integers(1, 40), width=st.integers(1, 40),
    gsd=st.sampled_from([7.0, 10.0, 20.0, 33.0]), crs=st.sampled_from(["EPSG:32633", "EPSG:32632", "EPSG:4326"]),
)  # fmt: skip
def test_a_window_equals_the_same_part_of_the_whole_to_the_bit(top, left, height, width, gsd, crs):
    values = np.random.default_rng(3).normal(1, 1, (1, 2, 90, 80)).astype("float32")
    values[:, :, 20:30, 20:30] = np.nan
    source = cube(box(90, 80, gsd), bands=("a", "b"), dates=["2020-01-01"], values=values)
    grid = contract.grid(source)
    target = grid.to_crs(crs) if crs != "EPSG:32633" else box(81, 72, 10.0, 500_003.0, 5_000_001.0)
    out = to_grid(source, target)
    whole = out.values
    bottom, right = min(target.shape[0], top + height), min(target.shape[1], left + width)
    part = out.isel(y=slice(top, bottom), x=slice(left, right)).values
    np.testing.assert_array_equal(part, whole[..., top:bottom, left:right])


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:4326", "EPSG:3035"])
def test_places_in_another_crs_are_right_to_a_fiftieth_of_a_pixel(crs):
    source = box(220, 200)
    target = source.to_crs(crs)
    out = to_grid(cube(source, values=smooth(source)[None, None], dates=["2020-01-01"]), target).values[0, 0]
    want = smooth(target)
    seen = np.isfinite(out)
    assert seen.mean() > 0.8
    error = np.abs(out - want)[seen]  # the field changes by 1.4e-2 a pixel; the outermost half pixel repeats the edge
    assert np.quantile(error, 0.98) < 2e-4
    assert error.max() < 7.5e-3


def test_it_agrees_with_gdal_where_both_see():
    from rasterio.warp import Resampling, reproject

    source, target = box(120, 100), box(120, 100).to_crs("EPSG:32632")
    values = np.random.default_rng(0).normal(1, 1, (1, 1, 120, 100)).astype("float32")
    ours = to_grid(cube(source, values=values, dates=["2020-01-01"]), target).values[0, 0]
    theirs = np.full(target.shape, np.nan, "float32")
    reproject(
        values[0, 0], theirs, src_transform=source.affine, src_crs=str(source.crs), dst_transform=target.affine,
        dst_crs=str(target.crs), resampling=Resampling.bilinear, tolerance=0, src_nodata=np.nan, dst_nodata=np.nan,
    )  # fmt: skip
    both = np.isfinite(ours[3:-3, 3:-3]) & np.isfinite(theirs[3:-3, 3:-3])
    assert both.sum() > 5000
    assert np.abs(ours - theirs)[3:-3, 3:-3][both].max() < 0.05


def test_coarser_output_is_the_mean_of_what_lies_under_it():
    values = np.arange(24, dtype="float32").reshape(1, 1, 4, 6)
    out = to_grid(cube(box(4, 6), values=values, dates=["2020-01-01"]), box(2, 3, 20.0))
    np.testing.assert_allclose(out.values[0, 0], values[0, 0].reshape(2, 2, 3, 2).mean(axis=(1, 3)))
    assert out.attrs["resampling"] == "average"


def test_decibels_are_averaged_as_power():
    values = np.array([[0.0, -20.0], [0.0, -20.0]], "float32")[None, None]
    source = cube(box(2, 2), values=values, dates=["2020-01-01"], quantity="backscatter", units="dB")
    out = to_grid(source, box(1, 1, 20.0)).values.item()
    assert out == pytest.approx(10 * np.log10((1 + 0.01) / 2), abs=1e-5)


def test_classes_are_taken_nearest_and_whole_numbers_stay_whole():
    values = np.array([[1, 7], [7, 1]], "uint8")[None, None]
    source = cube(box(2, 2), values=values, dates=["2020-01-01"], quantity="class", nodata=0)
    out = to_grid(source, box(4, 4, 5.0))
    assert out.dtype == np.uint8
    assert set(np.unique(out.values)) == {1, 7}
    assert out.attrs["resampling"] == "nearest"


def test_outside_the_source_is_missing_and_flags_keep_their_reasons():
    flag = np.zeros((1, 10, 10), "uint8")
    flag[0, :5] = contract.FLAGS["cloud"]
    values = np.full((1, 1, 10, 10), 500, "int16")
    source = cube(box(10, 10), values=values, dates=["2020-01-01"], nodata=-9999, flag=flag)
    out = to_grid(source, box(10, 20, 10.0, 500_005.0))
    assert (out.values[0, 0, :, 10:] == -9999).all()
    assert (out.flag.values[0, :, 10:] == contract.FLAGS["never_seen"]).all()
    assert (out.flag.values[0, :5, :9] == contract.FLAGS["cloud"]).all()
    assert (out.flag.values[0, 5:, :9] == 0).all()
    assert (out.values[0, 0, :, :9] == 500).all()


def test_whole_numbers_without_nodata_get_a_flag_where_they_were_never_seen():
    out = to_grid(
        cube(box(10, 10), dtype="uint8", values=np.full((1, 1, 10, 10), 9, "uint8"), dates=["2020-01-01"]), box(10, 20)
    )
    assert (out.flag.values[0, :, 10:] == contract.FLAGS["never_seen"]).all()


def test_resolutions_of_one_scene_become_one_cube_of_all_bands_sorted_by_wavelength():
    fine = cube(box(20, 20), bands=("B02", "B08"), dates=["2020-01-01"], wavelength=[490, 842], sensor="s2")
    coarse = cube(box(10, 10, 20.0), bands=("B05",), dates=["2020-01-01"], wavelength=[705], sensor="s2")
    out = align({"s2": {20.0: coarse, 10.0: fine}})["s2"]
    assert [str(b) for b in out.band.values] == ["B02", "B05", "B08"]
    assert out.shape == (1, 3, 20, 20)
    np.testing.assert_array_equal(out.sel(band="B08").values, fine.sel(band="B08").values)
    assert "bilinear" in out.attrs["resampling"]
    assert contract.check(out) == ""


def test_dates_of_one_sensor_are_stacked_and_looks_of_one_day_laid_over_one_another():
    left = np.full((1, 1, 8, 8), np.nan, "float32")
    left[..., :4] = 1
    whole = np.full((1, 1, 8, 8), 2, "float32")
    first = cube(box(8, 8), values=left, dates=["2020-01-01T10:00"], sensor="s2")
    again = cube(box(8, 8), values=whole, dates=["2020-01-01T10:05"], sensor="s2")
    later = cube(box(8, 8), values=whole + 1, dates=["2020-02-01"], sensor="s2")
    out = align([later, first, again])
    assert list(out) == ["s2"]
    values = out["s2"].values
    assert values.shape == (2, 1, 8, 8)
    assert (values[0, 0, :, :4] == 1).all()
    assert (values[0, 0, :, 4:] == 2).all()
    assert (values[1] == 3).all()


def test_a_clear_look_wins_over_a_cloudy_one_of_the_same_day():
    cloud = np.full((1, 6, 6), contract.FLAGS["cloud"], "uint8")
    cloudy = cube(
        box(6, 6), dates=["2020-01-01T10:00"], sensor="s2", flag=cloud, values=np.full((1, 1, 6, 6), 9, "float32")
    )
    clear = cube(
        box(6, 6), dates=["2020-01-01T10:05"], sensor="s2", flag=cloud * 0, values=np.ones((1, 1, 6, 6), "float32")
    )
    out = align([cloudy, clear])["s2"]
    assert (out.values == 1).all()
    assert (out.flag.values == 0).all()


def test_other_bands_stay_a_cube_of_their_own():
    out = align(
        [
            cube(box(), bands=("a",), dates=["2020-01-01"], sensor="s"),
            cube(box(), bands=("b",), dates=["2020-01-02"], sensor="s"),
        ]
    )
    assert list(out) == ["s", "s-2"]


def test_scenes_without_georeference_go_together_only_in_one_shape():
    one = cube(GeoBox((5, 6), Affine(2, 0, 0, 0, 2, 0), None))
    plain = contract.make(np.zeros((1, 5, 6), "float32"), bands=["a"], geobox=None, quantity="reflectance")
    other = contract.make(np.zeros((1, 5, 7), "float32"), bands=["a"], geobox=None, quantity="reflectance")
    assert set(align({"a": plain, "b": plain.copy()})) == {"a", "b"}
    with pytest.raises(GridError, match="one shape"):
        align({"a": plain, "b": other})
    assert align({"a": one})["a"] is one


def test_a_scene_over_the_180th_meridian_is_found_from_both_sides():
    fiji = GeoBox((40, 40), Affine(0.01, 0, 179.8, 0, -0.01, -16.0), "EPSG:4326")
    values = np.ones((1, 1, 40, 40), "float32")
    target = GeoBox((80, 80), Affine(500, 0, 800_000, 0, -500, 8_230_000), "EPSG:32760")
    out = to_grid(cube(fiji, values=values, dates=["2020-01-01"]), target).values
    assert np.isfinite(out).mean() > 0.5


def test_area_is_cut_at_whole_pixels_and_refused_when_elsewhere():
    grid = box(100, 100)
    lonlat = grid[20:50, 30:60].extent.to_crs("EPSG:4326").boundingbox
    part = crop(grid, tuple(lonlat))
    assert abs(part.shape[0] - 30) <= 2
    assert part.affine.c % 10 == 0
    with pytest.raises(GridError, match="area must lie on the scene"):
        crop(grid, (100, 10, 101, 11))


def test_another_pixel_size_keeps_corner_and_extent():
    out = align({"a": cube(box(40, 30), dates=["2020-01-01"])}, gsd=20)["a"]
    assert out.shape == (1, 1, 20, 15)
    assert contract.grid(out).affine.c == 500_000.0


def test_rotated_grids_are_followed():
    grid = GeoBox(
        (80, 80), Affine.translation(500_000, 5_000_000) * Affine.rotation(20) * Affine.scale(10, -10), "EPSG:32633"
    )
    out = to_grid(
        cube(grid, values=smooth(grid)[None, None], dates=["2020-01-01"]), box(40, 40, 10.0, 500_250.0, 5_000_200.0)
    )
    want = smooth(box(40, 40, 10.0, 500_250.0, 5_000_200.0))
    seen = np.isfinite(out.values[0, 0])
    assert seen.any()
    assert np.quantile(np.abs(out.values[0, 0] - want)[seen], 0.95) < 2e-4


def test_one_crs_written_in_two_ways_is_one_crs():
    from pyproj import CRS

    other = CRS.from_wkt(CRS.from_epsg(32633).to_wkt("WKT1_GDAL")).to_wkt()
    a, b = cube(box()), cube(box(crs=other))
    assert align({"a": a, "b": b})["b"] is b
    shifted = to_grid(cube(box(crs=other), dates=["2020-01-01"]), box(20, 20, 10.0, 500_010.0, 4_999_990.0))
    np.testing.assert_array_equal(shifted.values, cube(box(), dates=["2020-01-01"]).values[..., 1:21, 1:21])
