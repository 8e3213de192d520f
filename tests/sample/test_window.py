"""A window is the same whether it is read alone or put together from kept blocks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from swath.cube import contract
from swath.cube.lazy import ArraySource, lazy
from swath.predict.tile import tiles
from swath.sample.window import Windows, read

GRID = GeoBox((130, 110), Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32633")


class Counting(ArraySource):
    """A source that counts how often each pixel is read, and may fail once."""

    def __init__(self, values):
        super().__init__(values)
        object.__setattr__(self, "seen", np.zeros(values.shape[-2:], int))
        object.__setattr__(self, "lock", threading.Lock())
        object.__setattr__(self, "fail", [])

    def read(self, dates, bands, rows, columns):
        if self.fail:
            raise OSError(self.fail.pop())
        with self.lock:
            self.seen[rows, columns] += 1
        return super().read(dates, bands, rows, columns)


def cube(seed=0, dtype="float32"):
    rng = np.random.default_rng(seed)
    values = (rng.normal(1, 1, (2, 3, *GRID.shape)) * (1 if dtype == "float32" else 100)).astype(dtype)
    if dtype == "float32":
        values[rng.random(values.shape) < 0.1] = np.nan
    else:
        values[rng.random(values.shape) < 0.1] = -9999
    source = Counting(values)
    flag = rng.integers(0, 5, (2, *GRID.shape)).astype("uint8")
    da = contract.make(
        lazy(source), bands=["a", "b", "c"], geobox=GRID, time=["2020-01-01", "2020-02-01"], flag=flag,
        nodata=-9999 if dtype != "float32" else np.nan, quantity="reflectance" if dtype == "float32" else "digital_number",
    )  # fmt: skip
    return da, source, values, flag


@given(
    top=st.integers(0, 129), left=st.integers(0, 109), height=st.integers(1, 130), width=st.integers(1, 110),
    unit=st.sampled_from([16, 32, 64]), budget=st.sampled_from([0, 20_000, 10**9]), dtype=st.sampled_from(["float32", "int16"]),
)  # fmt: skip
def test_blocks_put_together_equal_the_window_itself(top, left, height, width, unit, budget, dtype):
    da, _, values, flag = cube(dtype=dtype)
    rows, columns = slice(top, min(130, top + height)), slice(left, min(110, left + width))
    batch = Windows({"s": da}, unit=unit, budget=budget).read(rows, columns)
    pixels = batch.pixels["s"]
    part = values[:, :, rows, columns]
    missing = np.isnan(part) if dtype == "float32" else part == -9999
    usable = np.isin(flag[:, None, rows, columns], [0, contract.FLAGS["snow"]])
    np.testing.assert_array_equal(pixels.valid[0], ~missing & usable)
    np.testing.assert_array_equal(pixels.values[0], part.astype("float32"))
    assert pixels.values.dtype == np.float32
    assert pixels.day[0].tolist() == [18262.0, 18293.0]


def test_every_block_is_read_once_by_many_threads_at_once():
    da, source, values, _ = cube()
    windows = Windows({"s": da}, unit=32, budget=10**9)
    spots = [(i, j) for i in range(0, 128, 16) for j in range(0, 96, 16)]

    def one(spot):
        rows, columns = slice(spot[0], spot[0] + 20 if spot[0] < 110 else 130), slice(spot[1], spot[1] + 14)
        np.testing.assert_array_equal(windows.read(rows, columns).pixels["s"].values[0], values[:, :, rows, columns])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, spots))
    assert source.seen.max() == 1


def test_a_block_that_failed_is_tried_again_when_it_is_asked_again():
    da, source, values, _ = cube()
    windows = Windows({"s": da}, unit=32, budget=10**9)
    source.fail.append("the network stuttered")
    with pytest.raises(OSError, match="stuttered"):
        windows.read(slice(0, 64), slice(0, 64))
    out = windows.read(slice(0, 64), slice(0, 64))
    np.testing.assert_array_equal(out.pixels["s"].values[0], values[:, :, :64, :64])


def test_the_middle_of_the_window_is_told_in_degrees():
    da, *_ = cube()
    lon, lat = read({"s": da}, slice(0, 10), slice(0, 10)).pixels["s"].lonlat[0]
    assert lon == pytest.approx(15.0, abs=0.01)
    assert lat == pytest.approx(45.15, abs=0.01)


def test_a_budget_is_kept():
    da, *_ = cube()
    windows = Windows({"s": da}, unit=16, budget=60_000)
    for i in range(0, 128, 16):
        windows.read(slice(i, i + 16), slice(0, 96))
    assert windows._bytes <= 60_000


def test_a_window_over_a_block_edge_tells_missing_values_at_one_pixel_width():
    da, _, values, flag = cube()
    batch = Windows({"s": da}, unit=16, budget=10**9).read(slice(4, 8), slice(95, 99))
    usable = np.isin(flag[:, None, 4:8, 95:99], [0, contract.FLAGS["snow"]])
    np.testing.assert_array_equal(batch.pixels["s"].valid[0], np.isfinite(values[:, :, 4:8, 95:99]) & usable)


def test_expected_windows_decode_every_block_once_though_few_are_kept():
    da, source, *_ = cube()
    windows = Windows({"s": da}, unit=16, budget=10**9)
    todo = [(t.read_rows, t.read_columns) for t in tiles(GRID.shape, size=16, halo=2)]
    windows.expect(todo)
    most = 0
    for rows, columns in todo:
        windows.read(rows, columns)
        most = max(most, len(windows._kept))
    assert most <= 2 * -(-GRID.shape[1] // 16) + 3
    assert source.seen.min() == source.seen.max() == 1
    assert not windows._kept
    assert windows._bytes == 0


def test_whole_numbers_without_nodata_are_judged_without_looking():
    da, *_ = cube(dtype="int16")
    stored, flag = np.ones((2, 3, 4, 4), np.uint8), np.zeros((2, 4, 4), np.uint8)
    windows = Windows({"s": da})  # nodata -9999, which bytes cannot hold
    assert windows.judge("s", stored, None).strides == (0, 0, 0, 0)
    flag[0, 0, 0] = contract.FLAGS["cloud"]
    assert windows.judge("s", stored, flag).sum() == stored.size - 3
