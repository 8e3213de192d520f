"""What `swath.open` promises: units are applied or refused, missing is NaN, nothing is guessed in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import swath
from swath.cube import contract
from swath.cube.open import gather, understand
from swath.errors import BandError, GridError, UnitError

Raster = Callable[..., Path]
S2 = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"]


def test_a_plain_geotiff_keeps_its_integers_and_its_nodata(raster: Raster) -> None:
    values = np.arange(2 * 5 * 4, dtype=np.uint16).reshape(2, 5, 4)
    cube = swath.open(raster("plain.tif", values, nodata=7))
    assert contract.check(cube) == ""
    assert cube.dtype == np.uint16
    assert cube.dims == ("band", "y", "x")
    assert (cube.values == values).all()
    assert cube.coords["nodata"].values.tolist() == [7.0, 7.0]
    assert set(cube.coords["quantity"].values) == {"digital_number"}


def test_hls_numbers_become_reflectance_and_minus_9999_becomes_nan(raster: Raster) -> None:
    values = np.full((3, 4, 4), 1500, np.int16)
    values[0, 0, 0] = -9999
    cube = swath.open(
        raster("HLS.L30.T32TQM.2020123T101010.v2.0.tif", values, nodata=-9999, descriptions=["B02", "B03", "B04"])
    )
    assert cube.attrs["sensor"] == "hls-l30"
    assert cube.dtype == np.float32
    assert np.isnan(cube.values[0, 0, 0, 0])
    assert cube.values[0, 1, 0, 0] == pytest.approx(0.15)
    assert str(cube.time.values[0])[:19] == "2020-05-02T10:10:10"


def test_sentinel_2_without_metadata_is_refused_with_the_flags_that_settle_it(raster: Raster) -> None:
    path = raster("S2L2A/tile.tif", np.full((12, 3, 3), 1400, np.int16), descriptions=S2)
    with pytest.raises(UnitError, match=r"--offset -1000 .* --offset 0"):
        swath.open(path)
    scene = understand(path)
    assert scene.sensor == "sentinel-2-l2a"
    assert scene.problems
    assert {b.quantity for b in scene.bands} == {"digital_number"}


@pytest.mark.parametrize(("offset", "value"), [(-1000, 0.04), (0, 0.14)])
def test_the_offset_flag_settles_sentinel_2(raster: Raster, offset: float, value: float) -> None:
    path = raster("S2L2A/tile.tif", np.full((12, 3, 3), 1400, np.int16), descriptions=S2)
    cube = swath.open(path, offset=offset)
    assert cube.values[0, 0, 0] == pytest.approx(value, abs=1e-6)
    assert set(cube.coords["quantity"].values) == {"reflectance"}


def test_scale_and_offset_of_the_file_are_applied_as_gdal_writes_them(raster: Raster) -> None:
    path = raster("own.tif", np.full((1, 3, 3), 2000, np.int16), scales=[0.0001], offsets=[-0.1], descriptions=["red"])
    assert swath.open(path).values[0, 0, 0] == pytest.approx(0.1)


def test_the_pixels_are_read_only_when_they_are_asked_for(raster: Raster, monkeypatch: pytest.MonkeyPatch) -> None:
    path = raster("lazy.tif", np.ones((1, 64, 64), np.uint8))
    cube = swath.open(path)
    from swath.cube.geotiff import RasterSource

    read: list[tuple[slice, slice]] = []
    real = RasterSource.read
    monkeypatch.setattr(RasterSource, "read", lambda self, d, b, y, x: (read.append((y, x)), real(self, d, b, y, x))[1])
    part = cube.isel(y=slice(3, 7), x=slice(10, 12))
    assert read == []
    assert part.values.shape == (1, 4, 2)
    assert read == [(slice(3, 7), slice(10, 12))]


def test_bands_are_asked_by_name_colour_or_letter(raster: Raster) -> None:
    path = raster("hls_l30.tif", np.full((3, 4, 4), 1500, np.int16), descriptions=["B02", "B03", "B04"])
    assert swath.open(path, bands="red,B02").band.values.tolist() == ["B04", "B02"]
    with pytest.raises(BandError, match="there are B02, B03, B04"):
        swath.open(path, bands="nir")


def test_an_area_cuts_on_the_grid_and_one_outside_is_refused(raster: Raster) -> None:
    values = np.arange(100 * 100, dtype=np.uint16).reshape(1, 100, 100)
    path = raster("area.tif", values)
    whole = swath.open(path)
    box = contract.grid(whole)
    assert box is not None
    window = box[10:20, 30:50].extent.to_crs("EPSG:4326").boundingbox
    part = swath.open(path, area=[window.left + 1e-6, window.bottom + 1e-6, window.right - 1e-6, window.top - 1e-6])
    assert part.sizes["y"] <= 12
    assert float(part.values.min()) in whole.values
    with pytest.raises(GridError, match="area"):
        swath.open(path, area="0,0,1,1")


def test_a_cube_is_pickled_unread_and_reads_the_same(raster: Raster) -> None:
    import pickle

    values = np.arange(12 * 5000, dtype=np.uint16).reshape(1, 12, 5000)
    cube = swath.open(raster("p.tif", values))
    sent = pickle.dumps(cube.isel(y=slice(2, 5)))
    assert len(sent) < values.nbytes
    assert (pickle.loads(sent).values == values[:, 2:5]).all()


def test_scenes_of_unknown_sensors_are_called_scene_and_told_apart_by_their_files(raster: Raster) -> None:
    one = raster("2020.tif", np.ones((1, 4, 4), np.uint16))
    two = raster("heights.tif", np.ones((2, 4, 4), np.uint16))
    known = raster(
        "HLS.L30.T32TQM.2020123T101010.v2.0.tif", np.ones((3, 4, 4), np.int16), descriptions=["B02", "B03", "B04"]
    )
    assert list(gather(one)) == ["scene"]
    assert list(gather([known, one])) == ["hls-l30", "scene"]
    assert list(gather([one, two])) == ["scene 2020", "scene heights"]
