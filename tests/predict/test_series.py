"""What is said of every date, written by windows: the same bytes by any window, whole after an interruption."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

import swath
from swath.batch import Batch
from swath.cube import contract
from swath.cube.blocks import Layer
from swath.errors import Cancelled, OutputError
from swath.predict.series import frame_of, run_series
from swath.tools.job import digest

TIME = np.array(["2020-01-01", "2020-02-01", "2020-03-01", "2020-05-01"], "datetime64[ns]")


def cube(height: int = 300, width: int = 170) -> xr.DataArray:
    values = np.random.default_rng(0).random((4, 2, height, width)).astype(np.float32)
    values[:, :, :130, :40] = np.nan
    box = GeoBox((height, width), Affine(10, 0, 4e5, 0, -10, 5e6), "EPSG:32633")
    return contract.make(values, bands=["a", "b"], geobox=box, time=TIME, quantity="reflectance")


def twice(batch: Batch) -> dict[str, np.ndarray]:
    values = batch.pixels["series"].values[0]
    t, c, h, w = values.shape
    return {"values": 2 * values.reshape(1, t * c, h, w), "flag": np.zeros((1, t, h, w), np.uint8)}


def go(one: xr.DataArray, path: Path, window: int | None = None, **more: object) -> object:
    n = 4 * 2
    layers = [Layer("values", "float32", float("nan"), ("",) * n), Layer("flag", "uint8", 1, ("",) * 4)]
    return run_series(
        one, twice, layers, path, frame=frame_of(one, TIME), attrs={"values": {"coordinates": "flag"}},
        tags={"made_by": "test"}, fingerprint="x",
        window=window, **more,
    )  # fmt: skip


def test_windows_of_any_size_give_the_same_bytes(tmp_path: Path) -> None:
    one = cube()
    found = [digest(go(one, tmp_path / f"{w}.zarr", w).path) for w in (128, 256, 512)]  # type: ignore[attr-defined]
    assert len(set(found)) == 1
    again = swath.open(tmp_path / "128.zarr")
    np.testing.assert_array_equal(again.values, 2 * one.values)
    assert (again.time.values == TIME).all()
    assert contract.grid(again) == contract.grid(one)


def test_an_interrupted_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    one = cube()
    whole = digest(go(one, tmp_path / "whole.zarr", 128).path)  # type: ignore[attr-defined]

    def stop(done: int, total: int, what: str) -> None:
        if done >= 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        go(one, tmp_path / "part.zarr", 128, progress=stop, workers=1)
    assert not (tmp_path / "part.zarr").exists()
    ran = go(one, tmp_path / "part.zarr", 128)
    assert 0 < ran.resumed < ran.windows  # type: ignore[attr-defined]
    assert digest(tmp_path / "part.zarr") == whole
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_the_rest_of_another_run_is_refused(tmp_path: Path) -> None:
    def stop(done: int, total: int, what: str) -> None:
        if done >= 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        go(cube(), tmp_path / "part.zarr", 128, progress=stop, workers=1)
    with pytest.raises(OutputError, match="same parameters"):
        go(cube(), tmp_path / "part.zarr", 256)


def test_a_window_that_nothing_has_seen_holds_no_value(tmp_path: Path) -> None:
    one = cube(128, 256).copy()
    one.values[..., :128] = np.nan
    ran = go(one, tmp_path / "out.zarr", 128)
    assert ran.empty == 1  # type: ignore[attr-defined]
    found = xr.open_zarr(tmp_path / "out.zarr")
    assert np.isnan(found["values"].values[..., :128]).all()
    assert (found["flag"].values[..., :128] == 1).all()
