"""`swath info`: one object for each path, every key there, nothing that JSON cannot hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from swath.errors import SwathError
from swath.tools.info import info

Raster = Callable[..., Path]
KEYS = {
    "path", "sensor", "quantity", "units", "bands", "dates", "crs", "shape", "transform", "bounds_lonlat", "valid_share",
    "notes", "problems",
}  # fmt: skip
BAND_KEYS = {"name", "wavelength_nm", "fwhm_nm", "gsd_m", "quantity", "units", "scale", "offset", "nodata"}


def told(path: Path | str, **options: Any) -> dict[str, Any]:
    """The JSON object of one path, checked to be strict JSON with all its keys."""
    (result,) = info([path], **options)
    record: dict[str, Any] = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert set(record) - {"grids"} == KEYS
    assert all(set(b) == BAND_KEYS for b in record["bands"])
    assert str(result)
    return record


@pytest.fixture
def raster(tmp_path: Path) -> Raster:
    """Write a GeoTIFF from (B, H, W)."""

    def write(name: str, values: np.ndarray, *, descriptions: list[str] | None = None, **options: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        bands, height, width = values.shape
        profile = {"crs": "EPSG:32632", "transform": Affine(10, 0, 5e5, 0, -10, 5e6), **options}
        with rasterio.open(
            path, "w", driver="GTiff", width=width, height=height, count=bands, dtype=values.dtype, **profile
        ) as out:
            out.write(values)
            for i, text in enumerate(descriptions or []):
                out.set_band_description(i + 1, text)
        return path

    return write


def test_a_scene_is_told_with_all_its_keys(raster: Raster) -> None:
    values = np.full((3, 10, 20), 2000, np.int16)
    values[1, 0, :5] = -9999
    path = raster("HLS.L30.T32TQM.2020123T101010.v2.0.tif", values, nodata=-9999, descriptions=["B02", "B03", "B04"])
    record = told(path)
    assert record["path"] == str(path)
    assert record["sensor"] == "hls-l30"
    assert (record["quantity"], record["units"]) == ("reflectance", "1")
    assert record["dates"] == ["2020-05-02T10:10:10Z"]
    assert record["crs"] == "EPSG:32632"
    assert record["shape"] == {"time": 1, "band": 3, "y": 10, "x": 20}
    assert record["transform"] == [10, 0, 500_000, 0, -10, 5_000_000]
    assert record["valid_share"] == pytest.approx(195 / 200)
    assert record["bands"][0]["scale"] == 0.0001
    assert record["bands"][0]["nodata"] == -9999
    west, south, east, north = record["bounds_lonlat"]
    assert west < east
    assert south < north


def test_ambiguous_units_are_a_problem_and_no_failure(raster: Raster) -> None:
    names = [f"B{i:02d}" for i in range(1, 9)] + ["B8A", "B09", "B11", "B12"]
    path = raster("S2L2A/a.tif", np.full((12, 5, 5), 1400, np.int16), descriptions=names)
    record = told(path)
    assert record["quantity"] == "digital_number"
    assert "--offset -1000" in record["problems"][0]
    assert "--offset 0" in record["problems"][0]
    settled = told(path, offset=-1000)
    assert settled["quantity"] == "reflectance"
    assert settled["bands"][0]["offset"] == pytest.approx(-0.1)
    assert settled["problems"] == []


def test_offset_alone_needs_a_known_scale(raster: Raster) -> None:
    path = raster("a.tif", np.full((1, 5, 5), 1400, np.int16))
    with pytest.raises(SwathError, match="--scale"):
        info([path], offset=-1000)
    record = told(path, offset=-1000, scale=0.0001)
    assert record["bands"][0]["scale"] == 0.0001
    assert record["bands"][0]["offset"] == pytest.approx(-0.1)


def test_reflectance_below_zero_names_both_readings(raster: Raster) -> None:
    names = [f"B{i:02d}" for i in range(1, 9)] + ["B8A", "B09", "B11", "B12"]
    path = raster("S2L2A/dark.tif", np.full((12, 9, 9), 300, np.int16), descriptions=names)
    (problem, *_) = told(path, offset=-1000)["problems"]
    assert "without the offset" in problem


def test_without_georeference_transform_and_bounds_are_null(raster: Raster) -> None:
    record = told(raster("a.tif", np.ones((1, 4, 4), np.uint8), crs=None, transform=Affine.identity()))
    assert record["transform"] is None
    assert record["bounds_lonlat"] is None
    assert record["crs"] is None
    assert record["sensor"] is None


def test_the_antimeridian_is_crossed_from_west_to_east(raster: Raster) -> None:
    path = raster(
        "a.tif", np.ones((1, 100, 100), np.uint8), crs="EPSG:32701", transform=Affine(1000, 0, 99_960, 0, -1000, 8.3e6)
    )
    west, _, east, _ = told(path)["bounds_lonlat"]
    assert west > 170
    assert east < -170


def test_bands_without_a_single_value_are_named(raster: Raster) -> None:
    values = np.ones((3, 4, 4), np.int16)
    values[1] = -1
    record = told(raster("a.tif", values, nodata=-1, descriptions=["x", "y", "z"]))
    assert record["valid_share"] == 0
    assert "1 of 3 bands: y" in record["problems"][0]


def test_beyond_16_megapixels_an_overview_is_used_and_said(raster: Raster) -> None:
    values = np.ones((1, 4100, 4100), np.uint8)
    values[0, :2050] = 0
    record = told(raster("big.tif", values, nodata=0, compress="deflate", tiled=True))
    assert record["valid_share"] == pytest.approx(0.5, abs=0.01)
    assert any("overview" in n for n in record["notes"])


def test_of_several_paths_one_that_cannot_be_opened_does_not_hide_the_others(raster: Raster, tmp_path: Path) -> None:
    good = raster("a.tif", np.ones((1, 4, 4), np.uint8))
    (tmp_path / "empty.tif").touch()
    results = info([tmp_path / "empty.tif", good])
    assert [r.exit_code for r in results] == [2, 0]
    assert "empty" in results[0].to_json()["problems"][0]
    with pytest.raises(SwathError):
        info([tmp_path / "empty.tif"])


def test_the_quicklook_is_true_colour_and_clear_where_nothing_is(raster: Raster, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(100, 3000, (3, 30, 40)).astype(np.int16)
    values[:, :10] = -9999
    path = raster("hls_l30.tif", values, nodata=-9999, descriptions=["B02", "B03", "B04"])
    record = told(path, quicklook=tmp_path / "look.png")
    assert any("true colour B04, B03, B02" in n for n in record["notes"])
    with rasterio.open(tmp_path / "look.png") as picture:
        assert picture.count == 4
        assert (picture.read(4)[:10] == 0).all()
        assert (picture.read(4)[10:] == 255).all()
    assert not list(tmp_path.glob(".look*"))


REAL = {
    "hls_l30_texas/hls_l30.tif": ("hls-l30", "reflectance"),
    "enmap_potsdam/enmap_potsdam_west.tif": ("enmap-l2a", "reflectance"),
    "enmap_potsdam/enmap_potsdam_west_landcover.tif": (None, "class"),
    "terramind/S2L1C/282D_485L_3_3.tif": ("sentinel-2-l1c", "digital_number"),
    "terramind/S2L2A/637U_59R_1_3.tif": ("sentinel-2-l2a", "digital_number"),
    "terramind/S1RTC/282D_485L_3_3.tif": ("sentinel-1-rtc", "backscatter"),
    "terramind/DEM/282D_485L_3_3.tif": (None, "elevation"),
    "terramind/LULC/282D_485L_3_3.tif": (None, "class"),
    "terramind/NDVI/282D_485L_3_3.tif": (None, "index"),
    "sen1floods11/India_900498_S2.tif": ("sentinel-2-l1c", "digital_number"),
    "sen1floods11/India_900498_S1.tif": (None, "backscatter"),
    "sen1floods11/India_900498_label.tif": (None, "class"),
    "naip/m_4709963_se_14_1_20160816.tif": ("naip", "digital_number"),
    "landsat_pucallpa/1985.tif": (None, "digital_number"),
    "landsat8_new_york": ("landsat-8-l1", "digital_number"),
    "landsat_c2": ("landsat-8-c2-l2", "reflectance"),
    "sits_modis/cube": ("modis-mod13", "index"),
    "modis_mato_grosso/ndvi.tif": (None, "index"),
    "levir_cd/A/train_36_0512_0512.png": ("rgb", "digital_number"),
    "awkward/cog/cog_rgb_mask.tif": ("rgb", "digital_number"),
    "awkward/cog/cog_tags.tif": (None, "other"),
    "awkward/geotiff/LC08_LST_crop.tif": (None, "temperature"),
    "awkward/geotiff/cint16.tif": (None, "other"),
    "awkward/geotiff/test_rpcs.tif": (None, "digital_number"),
    "awkward/jp2/TERRA_MODIS_012010_NDVI_2013-09-14.jp2": ("modis-mod13", "index"),
    "awkward/jp2/img-15bit.jp2": (None, "digital_number"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_scenes_are_understood(shared: Path, name: str) -> None:
    record = told(shared / name)
    assert (record["sensor"], record["quantity"]) == REAL[name]
    for problem in record["problems"]:
        assert "\n" not in problem


def test_the_full_disc_says_what_lies_off_the_earth(shared: Path) -> None:
    record = told(shared / "awkward" / "geotiff" / "goes.tif")
    assert any("off the Earth" in n for n in record["notes"])


def test_the_tags_of_an_absurd_offset_name_the_other_reading(shared: Path) -> None:
    record = told(shared / "awkward" / "cog" / "cog_tags.tif")
    assert record["bands"][0]["offset"] == 1000
    assert "--offset 1000 --scale 0.0001" in record["problems"][0]
    settled = told(shared / "awkward" / "cog" / "cog_tags.tif", offset=1000, scale=0.0001)
    assert settled["bands"][0]["offset"] == pytest.approx(0.1)


def test_control_points_alone_state_their_residual(shared: Path) -> None:
    assert any("residual" in n for n in told(shared / "awkward" / "geotiff" / "au-gcp.tif")["notes"])


def test_stacked_names_of_an_export_are_said_to_be_undated_dates(shared: Path) -> None:
    (path,) = (shared / "awkward" / "earth_engine").iterdir()
    record = told(path)
    assert record["shape"]["band"] == 410
    assert any("17 names" in n and "24 times" in n for n in record["notes"])


def test_a_spectral_library_is_refused(shared: Path) -> None:
    with pytest.raises(SwathError, match="spectral libraries"):
        info([shared / "awkward" / "envi" / "library_berlin.sli"])


def test_a_crs_of_mars_has_no_longitudes_on_the_earth(raster: Raster) -> None:
    record = told(raster("mars.tif", np.ones((1, 4, 4), np.uint8), crs="+proj=eqc +R=3396190 +units=m +no_defs"))
    assert record["crs"] is not None
