"""swath pack and unpack: what is promised holds, what is written is what was there, and again gives the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.transform import from_origin

import swath
import swath.cube.contract
from swath.cube import packed
from swath.errors import FormatError, OutputError, SwathError, UnitError


def scene(
    path: Path, *, bands: int = 3, size=(90, 110), seed: int = 0, scaled: bool = True, nodata=0, crs="EPSG:32633"
):
    """A GeoTIFF of smooth uint16 numbers with a rule and a nodata value."""
    rng = np.random.default_rng(seed)
    values = 1500 + rng.normal(size=(bands, *size)).cumsum(-1).cumsum(-2) * 3
    values = np.clip(values, 1, 12000).astype(np.uint16)
    values[:, :7, :9] = 0 if nodata is not None else 5
    profile = {"driver": "GTiff", "count": bands, "height": size[0], "width": size[1], "dtype": "uint16"}
    where = {} if crs is None else {"crs": crs, "transform": from_origin(5e5, 5e6, 10, 10)}
    with rasterio.open(path, "w", **profile, **where, nodata=nodata) as file:
        file.write(values)
        file.descriptions = [f"b{i + 1}" for i in range(bands)]
        if scaled:
            file.scales, file.offsets = [1e-4] * bands, [-0.1] * bands
            file.units = ["1"] * bands
            file.update_tags(swath="x")
            for i in range(bands):
                file.update_tags(i + 1, quantity="reflectance", units="1")
    return values


def test_lossless_gives_the_stored_numbers_and_tags_again(tmp_path):
    values = scene(tmp_path / "s.tif")
    packed = swath.pack([str(tmp_path / "s.tif")], out=tmp_path / "s.swath")
    assert packed.max_error_stored == 0
    assert packed.psnr_db is None
    assert packed.original_bytes == (tmp_path / "s.tif").stat().st_size
    swath.unpack(tmp_path / "s.swath", out=tmp_path / "g.tif")
    with rasterio.open(tmp_path / "s.tif") as a, rasterio.open(tmp_path / "g.tif") as b:
        assert np.array_equal(b.read(), values)
        for name in ("dtypes", "nodata", "crs", "transform", "descriptions", "scales", "offsets", "units"):
            assert getattr(a, name) == getattr(b, name), name


def test_zarr_keeps_rule_and_missing_values_for_anyone(tmp_path):
    scene(tmp_path / "s.tif")
    swath.pack([str(tmp_path / "s.tif")], out=tmp_path / "s.swath")
    swath.unpack(tmp_path / "s.swath", out=tmp_path / "g.zarr")
    before, after = swath.open(tmp_path / "s.tif").load(), swath.open(tmp_path / "g.zarr").load()
    xr.testing.assert_identical(before, after)
    plain = xr.open_zarr(tmp_path / "g.zarr", consolidated=True)["values"]
    np.testing.assert_allclose(plain.values, before.values, atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [(["20"], 20), (["0.002 reflectance"], 20), (["0.002 1"], 20), (["0.2 %"], 20), (["0"], 0), ("7.9", 7), (3.0, 3)],
)
def test_the_largest_error_holds_in_stored_numbers_and_in_units(tmp_path, asked, allowed):
    values = scene(tmp_path / "s.tif").astype(int)
    packed = swath.pack([str(tmp_path / "s.tif")], out=tmp_path / "s.swath", max_error=asked)
    swath.unpack(tmp_path / "s.swath", out=tmp_path / "g.tif")
    with rasterio.open(tmp_path / "g.tif") as file:
        back = file.read().astype(int)
    assert np.abs(back - values).max() == packed.max_error_stored <= allowed
    assert np.array_equal(back == 0, values == 0)
    if allowed:
        assert packed.max_error["reflectance"] == pytest.approx(packed.max_error_stored * 1e-4)
        assert packed.peak == "peak 1 reflectance"


def test_each_band_has_its_own_error(tmp_path):
    values = scene(tmp_path / "s.tif").astype(int)
    swath.pack([str(tmp_path / "s.tif")], out=tmp_path / "s.swath", max_error=["0", "5", "50"])
    swath.unpack(tmp_path / "s.swath", out=tmp_path / "g.tif")
    with rasterio.open(tmp_path / "g.tif") as file:
        worst = np.abs(file.read().astype(int) - values).max((1, 2))
    assert worst[0] == 0
    assert 0 < worst[1] <= 5 < worst[2] <= 50


@pytest.mark.parametrize("psnr", [45.0, 60.0, 85.0])
def test_a_quality_is_reached_and_hardly_surpassed(tmp_path, psnr):
    values = scene(tmp_path / "s.tif")
    packed = swath.pack([str(tmp_path / "s.tif")], out=tmp_path / "s.swath", psnr=psnr)
    back = swath.open(tmp_path / "s.swath").values.astype(float)
    truth = np.where(values == 0, np.nan, values * 1e-4 - 0.1)
    measured = -10 * np.log10(np.nanmean((back - truth) ** 2)) if packed.psnr_db else np.inf
    assert measured >= psnr - 0.001
    if packed.psnr_db is not None:
        assert packed.psnr_db == pytest.approx(measured, abs=0.01)
        assert packed.psnr_db < psnr + 6


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"max_error": ["5"], "psnr": 50.0}, SwathError),
        ({"lossless": True, "max_error": ["5"]}, SwathError),
        ({"max_error": ["5", "5"]}, SwathError),
        ({"max_error": ["-1"]}, SwathError),
        ({"max_error": ["nan"]}, SwathError),
        ({"max_error": ["0.002 reflectance", "5"]}, SwathError),
        ({"max_error": ["0.5 K"]}, UnitError),
        ({"psnr": -3.0}, SwathError),
        ({"peak": 1.0}, SwathError),
        ({"out": "a.tif"}, OutputError),
    ],
)
def test_promises_that_make_no_sense_are_refused_in_one_line(tmp_path, options, kind):
    scene(tmp_path / "s.tif")
    with pytest.raises(kind) as error:
        swath.pack([str(tmp_path / "s.tif")], **{"out": tmp_path / "s.swath", **options})
    assert "\n" not in str(error.value)
    assert not (tmp_path / "s.swath").exists()


def test_several_dates_stack_and_come_back_with_their_dates(tmp_path):
    names = []
    for k, day in enumerate(("2020-05-01", "2020-06-01", "2020-07-11")):
        scene(tmp_path / f"s_{day}.tif", seed=k)
        names.append(str(tmp_path / f"s_{day}.tif"))
    swath.pack(names, out=tmp_path / "s.swath", lossless=True)
    back = swath.open(tmp_path / "s.swath")
    xr.testing.assert_identical(back.load(), swath.open(names).load())
    said = swath.unpack(tmp_path / "s.swath", out=tmp_path / "g.zarr", dates="2020-06")
    assert swath.open(tmp_path / "g.zarr").sizes["time"] == 1
    assert said.files == ("g.zarr",)


def test_without_crs_one_pixel_and_nothing_valid(tmp_path):
    scene(tmp_path / "plain.tif", crs=None)
    scene(tmp_path / "one.tif", size=(1, 1))
    with rasterio.open(tmp_path / "one.tif", "r+") as file:
        file.write(np.full((3, 1, 1), 7, np.uint16))
    values = np.zeros((1, 30, 30), np.int16)
    with rasterio.open(
        tmp_path / "none.tif", "w", driver="GTiff", count=1, height=30, width=30, dtype="int16", nodata=0
    ) as file:
        file.write(values)
    for name in ("plain", "one", "none"):
        packed = swath.pack([str(tmp_path / f"{name}.tif")], out=tmp_path / f"{name}.swath", max_error=["3"])
        str(packed), packed.to_json(), packed._repr_html_()
        json.dumps(packed.to_json(), allow_nan=False)
        swath.unpack(tmp_path / f"{name}.swath", out=tmp_path / f"{name}_back.tif")
        with rasterio.open(tmp_path / f"{name}.tif") as a, rasterio.open(tmp_path / f"{name}_back.tif") as b:
            assert np.abs(a.read().astype(int) - b.read()).max() <= 3
            assert a.crs == b.crs


def test_classes_are_never_changed(tmp_path):
    codes = np.random.default_rng(0).integers(0, 9, (1, 50, 60)).astype(np.uint8)
    with rasterio.open(
        tmp_path / "landcover.tif", "w", driver="GTiff", count=1, height=50, width=60, dtype="uint8"
    ) as file:
        file.write(codes)
        file.set_band_description(1, "landcover")
    packed = swath.pack([str(tmp_path / "landcover.tif")], out=tmp_path / "a.swath", max_error=["3"])
    assert packed.max_error_stored == 0
    assert any("kept bit by bit" in n for n in packed.notes)


def test_an_open_question_about_units_stays_open(shared, tmp_path):
    tile = str(shared / "terramind/S2L1C/282D_485L_3_3.tif")
    packed = swath.pack([tile], out=tmp_path / "a.swath")
    assert any("not settled" in n for n in packed.notes)
    with pytest.raises(UnitError, match="--offset"):
        swath.open(tmp_path / "a.swath")
    xr.testing.assert_identical(
        swath.open(tmp_path / "a.swath", offset=-1000).load(), swath.open(tile, offset=-1000).load()
    )
    with pytest.raises(UnitError):
        swath.pack([tile], out=tmp_path / "b.swath", max_error=["0.002 reflectance"])


def test_a_damaged_file_is_not_unpacked(tmp_path):
    scene(tmp_path / "s.tif")
    swath.pack([str(tmp_path / "s.tif")], out=tmp_path / "s.swath")
    data = bytearray((tmp_path / "s.swath").read_bytes())
    data[-900] ^= 4
    (tmp_path / "s.swath").write_bytes(data)
    with pytest.raises(FormatError, match="has changed"):
        swath.unpack(tmp_path / "s.swath", out=tmp_path / "g.tif")
    assert not (tmp_path / "g.tif").exists()
    found = swath.doctor(tmp_path / "s.swath")
    assert not found.healthy
    assert "rows 0-89" in found.advice[0]
    with pytest.raises(FormatError):
        swath.unpack(tmp_path / "s.tif", out=tmp_path / "g.tif")
    with pytest.raises(OutputError):
        swath.unpack(tmp_path / "s.swath", out=tmp_path / "g.png")


def test_again_gives_the_same_bytes(tmp_path):
    scene(tmp_path / "s.tif")
    swath.pack([str(tmp_path / "s.tif")], out=tmp_path / "a" / "s.swath", psnr=60.0)
    swath.unpack(tmp_path / "a" / "s.swath", out=tmp_path / "b" / "g.tif")
    for run in (tmp_path / "a" / "s.swath.run.json", tmp_path / "b" / "g.tif.run.json"):
        assert swath.again(run, out=tmp_path / f"again_{run.parent.name}").different == ()


def test_the_command_line_packs_and_unpacks(tmp_path, capsys, monkeypatch):
    from swath.doors.cli import run

    monkeypatch.chdir(tmp_path)
    scene(tmp_path / "s.tif")
    assert run(["pack", "s.tif", "--max-error", "0.002 reflectance", "--out", "s.swath"]) in (0, None)
    assert "peak 1 reflectance" in capsys.readouterr().out
    assert run(["unpack", "s.swath", "--out", "g.tif"]) in (0, None)
    assert run(["info", "s.swath"]) in (0, None)
    assert "packed: largest error 0.002 reflectance; measured 20" in capsys.readouterr().out


def test_the_curve_shows_each_error_and_what_the_map_loses(tmp_path):
    rng = np.random.default_rng(0)
    scene(tmp_path / "s.tif", bands=4, size=(120, 130), nodata=None)
    fields = np.kron(rng.integers(1, 4, (12, 13)), np.ones((10, 10), int)).astype(np.uint8)
    with rasterio.open(tmp_path / "s.tif", "r+") as file:
        values = 1500 + fields[None] * np.array([30, 60, -40, 90])[:, None, None] + rng.normal(0, 60, (4, 120, 130))
        file.write(values.astype(np.uint16))
        crs, transform = file.crs, file.transform
    labels = np.where(rng.random(fields.shape) < 0.05, fields, 0).astype(np.uint8)
    with rasterio.open(
        tmp_path / "l.tif", "w", driver="GTiff", count=1, height=120, width=130, dtype="uint8", crs=crs,
        transform=transform, nodata=0,
    ) as file:  # fmt: skip
        file.write(labels[None])
    packed = swath.pack(
        [str(tmp_path / "s.tif")], out=tmp_path / "s.swath", max_error=["400"], labels=str(tmp_path / "l.tif")
    )
    assert packed.files == ("s.swath", "s.report.html", "s.rate.json")
    told = json.loads((tmp_path / "s.rate.json").read_text())
    rates = told["rates"]
    assert told["peak"] == "peak 1 reflectance"
    assert [r["error"] for r in rates] == ["nothing lost", "5", "20", "50", "200", "400"]
    bits = [r["bits_per_value"] for r in rates]
    assert bits == sorted(bits, reverse=True)
    assert all(r["max_error_stored"] <= float(r["error"]) for r in rates[1:])
    assert rates[0]["psnr_db"] is None
    assert rates[0]["map_loss"]["value"] == 0
    assert rates[-1]["map_loss"]["value"] > 0.05
    assert rates[-1]["map_loss"]["low"] is not None
    page = (tmp_path / "s.report.html").read_text()
    assert "bits a value" in page
    assert "http" not in page.split("<style>")[0].replace("http-equiv", "")


def test_dates_share_a_chunk_only_where_that_pays(tmp_path):
    rng = np.random.default_rng(0)
    ground = rng.normal(size=(1, 1, 300, 400)).cumsum(-1).cumsum(-2) * 2 + 3000
    days = np.arange(6).astype("datetime64[D]").astype("datetime64[ns]")
    chunks = {}
    for name, noise in (("still", 1.0), ("restless", 400.0)):
        values = (ground + rng.normal(0, noise, (6, 1, 300, 400))).clip(0, 9000).astype(np.int16)
        cube = swath.cube.contract.make(values, bands=["a"], geobox=None, time=days)
        swath.pack(cube, out=tmp_path / f"{name}.swath", max_error=["2"])
        chunks[name] = packed.open_packed(tmp_path / f"{name}.swath").header.grids[0].chunk[0]
        assert np.abs(swath.open(tmp_path / f"{name}.swath").values.astype(int) - values).max() <= 2
    assert chunks == {"still": 4, "restless": 1}


def test_an_error_that_swallows_a_band_is_said(tmp_path):
    values = np.random.default_rng(0).uniform(0, 0.6, (1, 40, 50)).astype(np.float32)
    cube = swath.cube.contract.make(values, bands=["red"], geobox=None, quantity="reflectance")
    found = swath.pack(cube, out=tmp_path / "a.swath", max_error=["20"])
    assert any("leaves little of red" in n for n in found.notes)


def test_native_grids_stay_apart_in_one_file(tmp_path):
    from affine import Affine
    from odc.geo.geobox import GeoBox

    rng = np.random.default_rng(0)
    cubes = {}
    for gsd, names in ((10.0, ["red", "nir"]), (20.0, ["swir1"])):
        side = int(600 / gsd)
        box = GeoBox((side, side), Affine(gsd, 0, 5e5, 0, -gsd, 5e6), "EPSG:32633")
        values = rng.uniform(0, 0.6, (1, len(names), side, side)).astype(np.float32)
        when = np.array(["2020-01-01"], "datetime64[ns]")
        cubes[gsd] = swath.cube.contract.make(
            values, bands=names, geobox=box, time=when, gsd=gsd, quantity="reflectance"
        )
    made = swath.pack(cubes, out=tmp_path / "s.swath", max_error=["0.001 reflectance"])
    assert made.shape == {"time": 1, "band": 3, "y": 60, "x": 60}
    back = swath.open(tmp_path / "s.swath")
    assert list(back) == [10.0, 20.0]
    for gsd, cube in cubes.items():
        assert float(np.abs(back[gsd] - cube).max()) <= 0.001
    tree = xr.open_datatree(tmp_path / "s.swath", engine="swath")
    assert set(tree.children) == {"10m", "20m"}
    assert xr.open_dataset(tmp_path / "s.swath", engine="swath", gsd=20).sizes["y"] == 30
    said = swath.unpack(tmp_path / "s.swath", out=tmp_path / "g.tif")
    assert said.files == ("g_10m.tif", "g_20m.tif")


def test_a_packed_file_goes_wherever_a_scene_goes(tmp_path):
    scene(tmp_path / "s_2020-01-01.tif", bands=4)
    scene(tmp_path / "s_2020-02-01.tif", bands=4, seed=1)
    for day in ("2020-01-01", "2020-02-01"):
        swath.pack([str(tmp_path / f"s_{day}.tif")], out=tmp_path / f"p_{day}.swath")
    names = [
        [str(tmp_path / f"{k}_{d}{e}") for d in ("2020-01-01", "2020-02-01")]
        for k, e in (("s", ".tif"), ("p", ".swath"))
    ]
    xr.testing.assert_identical(*(swath.open(n).load() for n in names))
    again = swath.pack([names[1][0]], out=tmp_path / "twice.swath")  # packed once more: still stored numbers
    assert again.bits_stored == 16
    xr.testing.assert_identical(swath.open(tmp_path / "twice.swath").load(), swath.open(names[0][0]).load())
    part = swath.open(names[1][0], area="15.0,45.1,15.005,45.2", bands="b2")
    assert part.sizes["x"] < 110
    assert list(part.band.values) == ["b2"]


@pytest.mark.parametrize("nodata", [None, 0, -9999.0, float("nan")])
def test_the_nodata_tag_comes_back_as_it_was_even_none(tmp_path, nodata):
    rng = np.random.default_rng(0)
    whole = nodata is None or nodata == 0
    values = rng.integers(0, 9000, (12, 40, 50)).astype(np.uint16 if whole else np.float32)
    if not whole:
        values[0, :4], values[0, 5], values[1, 6] = nodata, np.nan, np.inf
    with rasterio.open(
        tmp_path / "S2B_MSIL2A.tif",
        "w",
        driver="GTiff",
        count=12,
        height=40,
        width=50,
        dtype=values.dtype,
        nodata=nodata,
    ) as file:
        file.write(values)
        file.descriptions = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"]
    swath.pack([str(tmp_path / "S2B_MSIL2A.tif")], out=tmp_path / "s.swath")
    swath.unpack(tmp_path / "s.swath", out=tmp_path / "g.tif")
    with rasterio.open(tmp_path / "g.tif") as file:
        assert np.array_equal(file.read(), values, equal_nan=not whole)
        assert file.nodata == nodata or (nodata is not None and np.isnan(file.nodata) and np.isnan(nodata))
        assert file.dtypes[0] == values.dtype


def test_a_series_comes_back_from_a_geotiff_too(tmp_path):
    names = []
    for k, day in enumerate(("2020-05-01", "2020-06-01")):
        scene(tmp_path / f"s_{day}.tif", seed=k)
        names.append(str(tmp_path / f"s_{day}.tif"))
    swath.pack(names, out=tmp_path / "s.swath")
    swath.unpack(tmp_path / "s.swath", out=tmp_path / "g.tif")
    xr.testing.assert_identical(swath.open(tmp_path / "g.tif").load(), swath.open(names).load())
    swath.unpack(tmp_path / "s.swath", out=tmp_path / "one.tif", dates="2020-06-01")
    xr.testing.assert_identical(swath.open(tmp_path / "one.tif").load(), swath.open(names[1]).load())


def test_bits_are_counted_against_those_that_tell(tmp_path):
    rng = np.random.default_rng(0)
    stored = rng.integers(100, 4100, (1, 60, 70))
    for kind, values in (("decimal", stored / 10_000), ("measured", rng.normal(size=(1, 60, 70)))):
        cube = swath.cube.contract.make(values.astype(np.float64), bands=["a"], geobox=None, quantity="reflectance")
        found = swath.pack(cube, out=tmp_path / "a.swath")
        assert found.bits_stored == 64
        assert found.bits_that_tell == (12 if kind == "decimal" else 64)
