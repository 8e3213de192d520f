"""fill and forecast by a trained file: its protocol, the simple methods beside it, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("torch")

import swath
from swath.baseline.plain import Line
from swath.cube import contract
from swath.errors import SwathError
from swath.tools import serial, series


class Named(Line):
    """Stands for a trained file: asked only for what is missing, never fitted again."""

    name = "a trained file"

    def fit(self, series: object) -> Named:
        return self

    def fill(self, series: object, asked: np.ndarray) -> object:
        return super().fill(series, asked)  # type: ignore[arg-type]


@pytest.fixture
def cube() -> xr.DataArray:
    random = np.random.default_rng(4)
    time = np.datetime64("2019-01-05") + np.arange(16) * np.timedelta64(20, "D")
    wave = 0.4 + 0.2 * np.cos(np.arange(16) / 3.0)
    values = (wave[:, None, None, None] + 0.02 * random.standard_normal((16, 1, 8, 8))).astype(np.float32)
    values[random.random(values.shape) < 0.2] = np.nan
    return contract.make(values, bands=["NDVI"], geobox=None, time=time.astype("datetime64[ns]"), quantity="index")


def test_a_trained_file_answers_and_the_simple_methods_stand_beside(
    cube: xr.DataArray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "ROUNDS", 1)
    monkeypatch.setattr(serial, "_model", lambda path, verb: Named())
    result = swath.fill([cube], out=tmp_path, model="x.safetensors")
    assert result.series[0].method == "a trained file"
    assert "climatology" in result.table
    assert any("trained beforehand" in n for n in result.notes)
    assert "too good" in (tmp_path / "report.html").read_text()
    after = xr.open_zarr(tmp_path / "filled.zarr")["values"].values
    assert np.isfinite(after).all()


def test_a_file_that_is_no_forecaster_is_refused(cube: xr.DataArray, tmp_path: Path) -> None:
    from swath import models

    other = Path(models.__file__).parent / "weights_files" / "tiny.safetensors"
    with pytest.raises(SwathError, match="learned to fill or forecast"):
        swath.fill([cube], out=tmp_path / "out", model=other)
    assert not (tmp_path / "out").exists()
