"""prepare: what it writes opens again as the same thing, composites keep their promises, nothing is made twice."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

import swath
from swath.cube.contract import FLAGS, make
from swath.earth.sensor import sensor
from swath.errors import BandError, Cancelled, SwathError, UnitError
from swath.predict.plan import Cost
from swath.tools.prepare import Prepared, prepare

BOX = GeoBox((40, 50), Affine(10, 0, 600000, 0, -10, 5200000), "EPSG:32632")
BANDS = [b for b in sensor("sentinel-2a-l2a").bands if b.common in ("B", "G", "R", "N")]
DATES = ["2020-05-03", "2020-05-13", "2020-05-23", "2020-06-02", "2020-06-12"]


def cube(dates: list[str] | None = DATES, flags: bool = True, **more: Any) -> xr.DataArray:
    rng = np.random.default_rng(0)
    n = len(dates) if dates else 1
    base = np.array([0.04, 0.07, 0.05, 0.35], np.float32)[None, :, None, None]
    values = (base + rng.normal(0, 0.005, (n, 4, 40, 50))).astype(np.float32)
    flag = np.zeros((n, 40, 50), np.uint8)
    if flags:
        flag[0, :20] = FLAGS["cloud"]
        values[0, :, :20] = 0.8
        flag[:3, 30:, 40:] = FLAGS["never_seen"]
    options: dict[str, Any] = {"quantity": "reflectance", "sensor": "sentinel-2a-l2a"} | more
    da = make(
        values if dates else values[0], bands=[b.name for b in BANDS], geobox=BOX, time=dates,
        wavelength=[b.wavelength for b in BANDS], fwhm=[b.fwhm for b in BANDS], gsd=[10.0] * 4,
        flag=(flag if dates else flag[0]) if flags else None, **options,
    )  # fmt: skip
    return da.assign_coords(common=("band", [b.common for b in BANDS]))


def test_monthly_medians_are_cloud_free_and_open_again_with_units_and_dates(tmp_path: Path):
    result = prepare([cube()], out=tmp_path, index="NDVI", composite="median", every="month")
    assert isinstance(result, Prepared)
    assert result.exit_code == 0
    assert sorted(f["path"] for f in result.files) == [
        f"{folder}/sentinel-2a-l2a_median_2020-0{m}-01{end}.tif"
        for folder, end in (("count", "_count"), ("index", "_index"), ("median", ""))
        for m in (5, 6)
    ]
    back = swath.open(tmp_path / "median")
    assert back.attrs["sensor"] == "sentinel-2a-l2a"
    assert [str(t)[:10] for t in back.coords["time"].values] == ["2020-05-01", "2020-06-01"]
    assert set(back.coords["quantity"].values) == {"reflectance"}
    values = back.values
    assert np.isnan(values[0, :, 30:, 40:]).all()
    assert np.isfinite(values[1]).all()
    assert np.nanmax(values[:, 0]) < 0.1
    truth = np.median(cube().values[1:3, :, :20, :40], axis=0)
    np.testing.assert_allclose(values[0, :, :20, :40], truth, atol=1e-6)


def test_counts_are_of_usable_dates_and_indices_have_their_quantity(tmp_path: Path):
    prepare([cube()], out=tmp_path, index="NDVI", composite="median", every="month")
    with rasterio.open(tmp_path / "count/sentinel-2a-l2a_median_2020-05-01_count.tif") as file:
        n = file.read(1)
        assert file.tags()["dates_used"] == "2020-05-03 2020-05-13 2020-05-23"
    assert (n[:20, :40] == 2).all()
    assert (n[20:30] == 3).all()
    assert (n[30:, 40:] == 0).all()
    index = swath.open(tmp_path / "index/sentinel-2a-l2a_median_2020-06-01_index.tif")
    assert index.coords["quantity"].values.tolist() == ["index"]
    assert 0.6 < float(np.nanmedian(index.values)) < 0.9
    count = swath.open(tmp_path / "count/sentinel-2a-l2a_median_2020-06-01_count.tif")
    assert count.coords["quantity"].values.tolist() == ["count"]


def test_files_are_tiled_with_overviews_where_they_are_large(tmp_path: Path):
    big = xr.DataArray(np.zeros((1, 1100, 1030), np.float32))
    da = make(
        big.values, bands=["B04"], geobox=GeoBox((1100, 1030), BOX.affine, BOX.crs), quantity="reflectance", wavelength=[665]
    )  # fmt: skip
    result = prepare([da], out=tmp_path)
    with rasterio.open(tmp_path / result.files[0]["path"]) as file:
        assert file.block_shapes[0] == (512, 512)
        assert file.overviews(1)
        assert file.crs.to_epsg() == 32632
        assert file.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "ZSTD"
    month = prepare([cube()], out=tmp_path / "months", composite="median", every="month")
    for found in month.files:
        with rasterio.open(tmp_path / "months" / found["path"]) as file:
            assert file.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "ZSTD"


def test_clearest_takes_all_bands_from_one_date(tmp_path: Path):
    da = cube()
    prepare([da], out=tmp_path, composite="clearest")
    got = swath.open(tmp_path / "clearest").values[0]
    usable = da.coords["flag"].values == 0
    matches = np.stack([(da.values[t] == got).all(0) & usable[t] for t in range(len(DATES))])
    assert (matches.sum(0) >= 1)[np.isfinite(got[0])].all()


def test_the_same_command_again_makes_nothing_twice_and_another_one_does(tmp_path: Path):
    path = tmp_path / "scene"
    path.mkdir()
    for f in prepare([cube()], out=tmp_path / "one", composite="median", every="month").files:
        if f["path"].startswith("median"):
            (path / Path(f["path"]).name).write_bytes((tmp_path / "one" / f["path"]).read_bytes())
    first = prepare([str(path)], out=tmp_path / "two", composite="median")
    stamp = {f["path"]: (tmp_path / "two" / f["path"]).stat().st_mtime_ns for f in first.files}
    again = prepare([str(path)], out=tmp_path / "two", composite="median")
    assert any("was there already" in n for n in again.notes)
    assert stamp == {f["path"]: (tmp_path / "two" / f["path"]).stat().st_mtime_ns for f in again.files}
    other = prepare([str(path)], out=tmp_path / "two", composite="median", bands=["B04"])
    assert not any("was there already" in n for n in other.notes)


def test_cancelled_leaves_nothing_half_written_and_goes_on(tmp_path: Path):
    def stop(done: int, total: int, what: str) -> None:
        if "2020-06" in what:
            raise Cancelled

    with pytest.raises(Cancelled):
        prepare([cube()], out=tmp_path, composite="median", every="month", progress=stop)
    seen = sorted(p.name for p in tmp_path.rglob("*.tif") if not any(q.startswith(".") for q in p.parts))
    assert seen == ["sentinel-2a-l2a_median_2020-05-01.tif", "sentinel-2a-l2a_median_2020-05-01_count.tif"]
    assert not (tmp_path / "run.json").exists()
    done = prepare([cube()], out=tmp_path, composite="median", every="month")
    assert len(done.files) == 4


def test_one_date_becomes_a_raster_without_its_clouds_several_a_store_with_its_flags(tmp_path: Path):
    one = prepare([cube(DATES[:1])], out=tmp_path / "one")
    assert [f["path"] for f in one.files] == ["sentinel-2a-l2a_2020-05-03.tif"]
    assert any("no data in the file" in n for n in one.notes)
    back = swath.open(tmp_path / "one" / one.files[0]["path"])
    assert np.isnan(back.values[0, :, :20]).all()
    assert str(back.coords["time"].values[0])[:10] == "2020-05-03"
    many = prepare([cube()], out=tmp_path / "many")
    store = swath.open(tmp_path / "many" / many.files[0]["path"])
    np.testing.assert_allclose(store.values, cube().values, atol=1e-6)
    assert (store.coords["flag"].values == cube().coords["flag"].values).all()
    assert store.attrs["sensor"] == "sentinel-2a-l2a"
    assert set(store.coords["quantity"].values) == {"reflectance"}
    np.testing.assert_array_equal(store.coords["wavelength"].values, cube().coords["wavelength"].values)


def test_run_json_says_what_was_done(tmp_path: Path):
    result = prepare([cube()], out=tmp_path, index="NDVI", composite="median")
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["verb"] == "prepare"
    assert record["arguments"]["index"] == "NDVI"
    assert sorted(o["path"] for o in record["outputs"]) == sorted(f["path"] for f in result.files)
    assert "NDVI" in str(result)
    assert "<pre>" in result._repr_html_()


def test_another_crs_and_pixel_size(tmp_path: Path):
    result = prepare([cube(DATES[:1], flags=False)], out=tmp_path, crs="EPSG:4326")
    with rasterio.open(tmp_path / result.files[0]["path"]) as file:
        assert file.crs.to_epsg() == 4326
        assert np.isfinite(file.read(1)).mean() > 0.8
    coarse = prepare([cube(DATES[:1], flags=False)], out=tmp_path / "c", gsd=20)
    with rasterio.open(tmp_path / "c" / coarse.files[0]["path"]) as file:
        assert (file.res, file.shape) == ((20, 20), (20, 25))


def test_the_plan_writes_nothing(tmp_path: Path):
    cost = prepare([cube()], out=tmp_path / "no", composite="median", every="month", plan=True)
    assert isinstance(cost, Cost)
    assert cost.pixels == 2000
    assert cost.disk > 0
    assert not (tmp_path / "no").exists()
    assert prepare([cube()], out=tmp_path / "no", plan=True).seconds >= 0


def test_digital_numbers_stay_whole_numbers(tmp_path: Path):
    stored = np.full((3, 1, 8, 8), 700, np.uint16)
    stored[:, :, 0] = 0
    da = make(
        stored,
        bands=["B4"],
        geobox=GeoBox((8, 8), BOX.affine, BOX.crs),
        time=DATES[:3],
        quantity="digital_number",
        nodata=0,
    )
    result = prepare([da], out=tmp_path, composite="median")
    with rasterio.open(tmp_path / result.files[0]["path"]) as file:
        assert (file.dtypes[0], file.nodata) == ("uint16", 0)
        assert (file.read(1)[1:] == 700).all()
        assert (file.read(1)[0] == 0).all()


@pytest.mark.parametrize(
    ("given", "options", "kind", "words"),
    [
        (cube(), {"every": "month"}, SwathError, "--composite"),
        (cube(None, flags=False), {"composite": "median"}, SwathError, "dates are known"),
        (cube(), {"composite": "median", "every": "fortnight"}, SwathError, "every"),
        (cube(), {"composite": "best"}, SwathError, "median"),
        (cube(), {"index": "NDMI"}, BandError, "no band for S1"),
        (cube(quantity="radiance", units="W m-2 sr-1 um-1"), {"index": "NDVI"}, UnitError, "reflectance alone"),
        (cube(), {"crs": "EPSG:0"}, SwathError, "pyproj"),
    ],
)
def test_what_cannot_be_made_is_refused(tmp_path: Path, given: Any, options: Any, kind: type, words: str):
    with pytest.raises(kind, match=words):
        prepare([given], out=tmp_path / "no", **options)
    assert not (tmp_path / "no").exists()


def test_each_sensor_gives_the_indices_that_its_bands_allow(tmp_path: Path):
    radar = make(
        np.full((2, 40, 50), 0.1, np.float32), bands=["VV", "VH"], geobox=BOX, quantity="backscatter", sensor="sentinel-1-rtc"
    ).assign_coords(polarisation=("band", ["VV", "VH"]))  # fmt: skip
    result = prepare([cube(None, flags=False), radar], out=tmp_path, index="NDVI,DpRVIVV,NDVI[N=B08 R=B03]")
    assert {f["path"]: f["bands"] for f in result.files} == {
        "index/sentinel-2a-l2a.tif": ["NDVI", "NDVI[N=B08 R=B03]"],
        "index/sentinel-1-rtc.tif": ["DpRVIVV"],
    }
    assert any("no DpRVIVV from it" in n for n in result.notes)


def test_the_eopatch_s_five_dates(shared: Path, tmp_path: Path):
    result = prepare([str(shared / "eopatch/FiveDates")], out=tmp_path, index="NDVI", composite="median")
    bands = np.load(io.BytesIO(gzip.decompress((shared / "eopatch/FiveDates/data/BANDS-S2-L1C.npy.gz").read_bytes())))
    back = swath.open(tmp_path / result.files[0]["path"]).values[0]
    np.testing.assert_allclose(back, np.median(bands, axis=0).transpose(2, 0, 1), atol=1e-6)


def test_landsat_scenes_of_new_york_become_seasons(shared: Path, tmp_path: Path):
    result = prepare([str(shared / "landsat8_new_york")], out=tmp_path, composite="clearest", every="season")
    pictures = [f for f in result.files if f["kind"].startswith("clearest")]
    assert [f["date"] for f in pictures] == ["2017-12-01", "2018-03-01", "2018-06-01", "2018-09-01", "2018-12-01"]
    back = swath.open(tmp_path / "clearest")
    assert back.attrs["sensor"] == "landsat-8-l1"
    assert back.sizes["time"] == 5
