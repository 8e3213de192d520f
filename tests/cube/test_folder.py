"""Products and folders of one-band files, made here in the form that their operators write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

import swath
from swath.cube import contract
from swath.cube.open import gather, understand
from swath.errors import BandError, FormatError, SwathError, UnitError

Raster = Callable[..., Path]
ORDER = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"]


def make_safe(raster: Raster, *, baseline: str, offset: int | None, stored: int = 1400, metadata: bool = True) -> Path:
    """A Sentinel-2B L2A product with two 10 m bands, one 20 m band, one 60 m band and the scene classification."""
    root = f"S2B_MSIL2A_20220601T101559_N{baseline.replace('.', '')}_R065_T32TQM_20220601T130000.SAFE"
    images = f"{root}/GRANULE/L2A_T32TQM_A027000_20220601T101559/IMG_DATA"
    stem = "T32TQM_20220601T101559"
    corner = (600_000, 5_100_000)
    for size, names, pixels in ((10, ("B02", "B04"), 24), (20, ("B05", "SCL"), 12), (60, ("B09",), 4)):
        for name in names:
            values = np.full((1, pixels, pixels), stored, np.uint16)
            if name == "SCL":
                values = np.full((1, pixels, pixels), 4, np.uint8)
                values[0, 0, 0], values[0, 1, 1] = 9, 0
            affine = Affine(size, 0, corner[0], 0, -size, corner[1])
            path = raster(f"{images}/R{size}m/{stem}_{name}_{size}m.tif", values, transform=affine)
    raster(
        f"{images}/R20m/{stem}_B02_20m.tif",
        np.zeros((1, 12, 12), np.uint16),
        transform=Affine(20, 0, 6e5, 0, -20, 5.1e6),
    )
    folder = path.parents[4]
    if metadata:
        lines = (
            ""
            if offset is None
            else "".join(f'<BOA_ADD_OFFSET band_id="{i}">{offset}</BOA_ADD_OFFSET>' for i in range(13))
        )
        (folder / "MTD_MSIL2A.xml").write_text(
            f"""<n1:Level-2A_User_Product xmlns:n1="https://example.org/x"><n1:General_Info><Product_Info>
            <PRODUCT_START_TIME>2022-06-01T10:15:59.024Z</PRODUCT_START_TIME><PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
            <PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE><Datatake><SPACECRAFT_NAME>Sentinel-2B</SPACECRAFT_NAME>
            <DATATAKE_SENSING_START>2022-06-01T10:15:59.024Z</DATATAKE_SENSING_START></Datatake></Product_Info>
            <Product_Image_Characteristics><QUANTIFICATION_VALUES_LIST>
            <BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST>
            <BOA_ADD_OFFSET_VALUES_LIST>{lines}</BOA_ADD_OFFSET_VALUES_LIST></Product_Image_Characteristics>
            </n1:General_Info></n1:Level-2A_User_Product>"""
        )
    return folder


def test_a_safe_of_baseline_4_applies_the_offset_of_its_metadata(raster: Raster) -> None:
    cubes = swath.open(make_safe(raster, baseline="04.00", offset=-1000))
    assert isinstance(cubes, dict)
    assert list(cubes) == [10.0, 20.0, 60.0]
    fine = cubes[10.0]
    assert fine.attrs["sensor"] == "sentinel-2b-l2a"
    assert fine.band.values.tolist() == ["B02", "B04"]
    assert fine.values[0, 0, 0, 0] == pytest.approx(0.04)
    assert str(fine.time.values[0])[:19] == "2022-06-01T10:15:59"


def test_a_safe_before_baseline_4_has_no_offset(raster: Raster) -> None:
    scene = understand(make_safe(raster, baseline="02.09", offset=None))
    assert scene.doubt is None
    assert scene.cubes[10.0].values[0, 0, 0, 0] == pytest.approx(0.14)
    assert scene.bands[0].offset == 0


def test_a_safe_without_metadata_is_ambiguous_and_the_flag_settles_it(raster: Raster) -> None:
    folder = make_safe(raster, baseline="05.09", offset=None, metadata=False)
    with pytest.raises(UnitError, match="--offset -1000"):
        swath.open(folder)
    cubes = swath.open(folder, offset=-1000)
    assert isinstance(cubes, dict)
    assert cubes[20.0].values[0, 0, 0, 0] == pytest.approx(0.04)


def test_the_scene_classification_flags_every_grid_of_the_product(raster: Raster) -> None:
    cubes = swath.open(make_safe(raster, baseline="04.00", offset=-1000))
    assert isinstance(cubes, dict)
    assert "SCL" not in cubes[20.0].band.values
    assert (
        cubes[20.0].flag.values[0, :2, :2] == [[contract.FLAGS["cloud"], 0], [0, contract.FLAGS["never_seen"]]]
    ).all()
    assert (cubes[10.0].flag.values[0, :2, :2] == contract.FLAGS["cloud"]).all()
    assert cubes[60.0].flag.values.shape == (1, 4, 4)


def test_a_safe_without_pictures_is_refused_with_what_its_metadata_say(raster: Raster, shared: Path) -> None:
    (folder,) = (shared / "awkward" / "safe").iterdir()
    with pytest.raises(FormatError, match=r"Sentinel-2A Level-1C .* baseline 02.09"):
        swath.open(folder)


MTL = {
    "LANDSAT_METADATA_FILE": {
        "PRODUCT_CONTENTS": {"LANDSAT_PRODUCT_ID": "LC09_L2SP_193028_20220610_20230412_02_T1"},
        "IMAGE_ATTRIBUTES": {"DATE_ACQUIRED": "2022-06-10", "SCENE_CENTER_TIME": "10:03:12.1Z", "SUN_ELEVATION": "30"},
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": {"REFLECTANCE_MULT_BAND_4": "2.75e-05", "REFLECTANCE_ADD_BAND_4": "-0.2"},
        "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS": {
            "TEMPERATURE_MULT_BAND_ST_B10": "0.00341802", "TEMPERATURE_ADD_BAND_ST_B10": "149.0",
        },
        "LEVEL1_RADIOMETRIC_RESCALING": {"REFLECTANCE_MULT_BAND_4": "2.0e-05", "REFLECTANCE_ADD_BAND_4": "-0.1"},
    }
}  # fmt: skip


def make_landsat(raster: Raster, kind: str) -> Path:
    stem = "LC09_L2SP_193028_20220610_20230412_02_T1"
    for name, value in (("SR_B4", 10_000), ("ST_B10", 44_000), ("QA_PIXEL", 21_824)):
        values = np.full((1, 6, 6), value, np.uint16)
        values[0, 0, 0] = 1 if name == "QA_PIXEL" else 0
        path = raster(f"{stem}/{stem}_{name}.TIF", values, transform=Affine(30, 0, 5e5, 0, -30, 5e6))
    if kind == "json":
        (path.parent / f"{stem}_MTL.json").write_text(json.dumps(MTL))
    else:
        lines = [
            f"  {k} = {json.dumps(v)}" for group in MTL["LANDSAT_METADATA_FILE"].values() for k, v in group.items()
        ]
        (path.parent / f"{stem}_MTL.txt").write_text("\n".join(["GROUP = A", *lines, "END_GROUP = A", "END"]))
    return path.parent


@pytest.mark.parametrize("kind", ["json", "txt"])
def test_landsat_collection_2_takes_its_factors_from_the_mtl(raster: Raster, kind: str) -> None:
    cube = swath.open(make_landsat(raster, kind))
    assert cube.attrs["sensor"] == "landsat-9-c2-l2"
    assert cube.band.values.tolist() == ["SR_B4", "ST_B10"]
    assert cube.quantity.values.tolist() == ["reflectance", "temperature"]
    assert cube.units.values.tolist() == ["1", "K"]
    assert cube.values[0, :, 3, 3] == pytest.approx([0.075, 44_000 * 0.00341802 + 149.0], abs=1e-3)
    assert np.isnan(cube.values[0, :, 0, 0]).all()
    assert cube.flag.values[0, 0, 0] == contract.FLAGS["never_seen"]
    assert str(cube.time.values[0])[:19] == "2022-06-10T10:03:12"


def test_level_1_becomes_reflectance_by_the_suns_height(raster: Raster) -> None:
    stem = "LC08_L1TP_193028_20220610_20230412_02_T1"
    path = raster(f"{stem}/{stem}_B4.TIF", np.full((1, 4, 4), 10_000, np.uint16))
    facts = {"A": {"REFLECTANCE_MULT_BAND_4": "2.0e-05", "REFLECTANCE_ADD_BAND_4": "-0.1", "SUN_ELEVATION": "30.0"}}
    (path.parent / f"{stem}_MTL.json").write_text(json.dumps(facts))
    cube = swath.open(path.parent)
    assert cube.quantity.values.tolist() == ["toa_reflectance"]
    assert cube.values.max() == pytest.approx((2e-5 * 10_000 - 0.1) / 0.5, abs=1e-6)


def test_hls_files_of_one_date_are_bands_and_fmask_their_flag(raster: Raster) -> None:
    for name, value in (("B02", 500), ("B8A", 3000), ("Fmask", 2), ("SAA", 90)):
        values = np.full((1, 5, 5), value, np.uint8 if name == "Fmask" else np.int16)
        path = raster(
            f"hls/HLS.S30.T32TQM.2020123T101010.v2.0.{name}.tif", values, transform=Affine(30, 0, 5e5, 0, -30, 5e6)
        )
    cube = swath.open(path.parent)
    assert cube.attrs["sensor"] == "hls-s30"
    assert cube.band.values.tolist() == ["B02", "B8A"]
    assert (cube.flag.values == contract.FLAGS["cloud"]).all()
    assert cube.values[0, 1, 0, 0] == pytest.approx(0.3)
    assert str(cube.time.values[0])[:10] == "2020-05-02"


def test_dated_files_of_one_band_are_a_series_in_order(raster: Raster) -> None:
    for day in ("2014-03-22", "2013-09-14", "2013-12-19"):
        path = raster(f"series/ndvi_{day}.tif", np.full((1, 3, 3), int(day[5:7]) * 100, np.int16), descriptions=["NDVI"],
                      tags={"scale": "NDVI = DN / 10000"})  # fmt: skip
    cube = swath.open(path.parent)
    assert [str(t)[:10] for t in cube.time.values] == ["2013-09-14", "2013-12-19", "2014-03-22"]
    assert cube.values[:, 0, 0, 0] == pytest.approx([0.09, 0.12, 0.03])


def test_several_files_of_one_sensor_and_day_are_a_mosaic_where_the_first_usable_value_wins(raster: Raster) -> None:
    names = ["B02", "B03", "B04"]
    left = np.full((3, 4, 6), 1000, np.int16)
    left[:, :, 4:] = -9999
    right = np.full((3, 4, 6), 3000, np.int16)
    affine = Affine(30, 0, 5e5, 0, -30, 5e6)
    one = raster("HLS.L30.T32TQM.2020123T101010.v2.0.tif", left, transform=affine, nodata=-9999, descriptions=names)
    two = raster("HLS.L30.T32TQL.2020123T101030.v2.0.tif", right, transform=affine @ Affine.translation(3, 1), nodata=-9999,
                 descriptions=names)  # fmt: skip
    notes: list[str] = []
    cubes = gather([one, two], notes=notes)
    cube = cubes["hls-l30"]
    assert not isinstance(cube, dict)
    assert cube.shape == (1, 3, 5, 9)
    row = cube.values[0, 0, 2]
    assert row[:4] == pytest.approx([0.1] * 4)
    assert row[4:] == pytest.approx([0.3] * 5)
    assert np.isnan(cube.values[0, 0, 0, 8])
    assert cube.flag.values[0, 0, 8] == contract.FLAGS["never_seen"]
    assert any("first usable value wins" in n for n in notes)


def test_scenes_of_another_utm_zone_are_warped_into_the_first_ones(raster: Raster) -> None:
    names = ["B02", "B03", "B04"]
    values = np.full((3, 40, 40), 1000, np.int16)
    one = raster("HLS.L30.T32TQM.2020123T101010.v2.0.tif", values, nodata=-9999, descriptions=names,
                 transform=Affine(30, 0, 738_000, 0, -30, 5_100_000))  # fmt: skip
    first = contract.grid(swath.open(one))
    assert first is not None
    there = first.extent.to_crs("EPSG:32633").boundingbox
    two = raster("HLS.L30.T33TUL.2020139T101030.v2.0.tif", values * 2, crs="EPSG:32633", nodata=-9999, descriptions=names,
                 transform=Affine(30, 0, there.left, 0, -30, there.top))  # fmt: skip
    cube = swath.open([one, two])
    assert cube.sizes["time"] == 2
    box = contract.grid(cube)
    assert box is not None
    assert box.crs is not None
    assert box.crs.epsg == 32632
    assert np.nanmax(cube.values[1]) == pytest.approx(0.2)
    assert np.isfinite(cube.values[1, 0]).sum() > 1400


def test_a_folder_of_undated_scenes_is_refused(raster: Raster) -> None:
    raster("many/a.tif", np.ones((3, 4, 4), np.uint8))
    path = raster("many/b.tif", np.ones((3, 4, 4), np.uint8))
    with pytest.raises(FormatError, match="one by one"):
        swath.open(path.parent)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SwathError, match="folder"):
        swath.open(tmp_path)


def test_scenes_without_a_common_band_are_refused(raster: Raster) -> None:
    one = raster("HLS.L30.T32TQM.2020123T101010.v2.0.tif", np.ones((2, 4, 4), np.int16), descriptions=["B02", "B03"])
    two = raster("HLS.L30.T32TQM.2020139T101010.v2.0.tif", np.ones((2, 4, 4), np.int16), descriptions=["B04", "B05"])
    with pytest.raises(BandError, match="share a band"):
        swath.open([one, two])


def test_the_landsat_scenes_of_new_york_are_one_irregular_cube(shared: Path) -> None:
    cube = swath.open(shared / "landsat8_new_york")
    assert cube.attrs["sensor"] == "landsat-8-l1"
    assert cube.band.values.tolist() == ["B2", "B3", "B4", "B5", "B6"]
    assert cube.sizes["time"] == 11
    assert contract.check(cube) == ""
    one = swath.open(shared / "landsat8_new_york" / "LC08_L1TP_013032_20180710_20180717_01_T1")
    assert one.sizes["time"] == 1


def test_the_landsat_collection_2_window_has_reflectance_and_kelvin(shared: Path) -> None:
    (folder,) = [p for p in (shared / "landsat_c2").iterdir() if p.is_dir()]
    cube = swath.open(folder)
    assert cube.attrs["sensor"] == "landsat-8-c2-l2"
    heat = cube.sel(band="ST_B10").values
    assert 250 < np.nanmedian(heat) < 320
    assert set(np.unique(cube.flag.values)) >= {0, contract.FLAGS["cloud"]}


def test_the_modis_cube_is_ndvi_of_twelve_dates(shared: Path) -> None:
    cube = swath.open(shared / "sits_modis" / "cube")
    assert cube.shape == (12, 1, 147, 255)
    assert cube.attrs["sensor"] == "modis-mod13"
    assert 0.2 < float(np.nanmean(cube.values)) < 0.9


def test_one_picture_of_a_safe_finds_the_metadata_above_it(raster: Raster) -> None:
    folder = make_safe(raster, baseline="04.00", offset=-1000)
    (band,) = folder.rglob("*_B04_10m.tif")
    cube = swath.open(band)
    assert cube.values.ravel()[0] == pytest.approx(0.04)
    assert cube.attrs["sensor"] == "sentinel-2b-l2a"


def test_landsat_files_given_one_by_one_are_one_cube_with_its_flag(raster: Raster) -> None:
    folder = make_landsat(raster, "json")
    cube = swath.open(sorted(folder.glob("*.TIF")))
    assert sorted(cube.band.values.tolist()) == ["SR_B4", "ST_B10"]
    assert cube.flag.values[0, 0, 0] == contract.FLAGS["never_seen"]
    assert cube.sel(band="SR_B4").values[0, 3, 3] == pytest.approx(0.075)


def test_undated_images_of_one_place_are_not_hidden_behind_one_another(raster: Raster) -> None:
    names = ["red", "green", "blue", "nir"]
    one = raster("m_4709963_se_14_1_a.tif", np.ones((4, 4, 4), np.uint8), descriptions=names)
    two = raster("m_4709963_se_14_1_b.tif", np.ones((4, 4, 4), np.uint8), descriptions=names)
    with pytest.raises(SwathError, match="dates"):
        swath.open([one, two])


def test_dates_and_areas_leave_out_the_files_that_lie_outside(raster: Raster) -> None:
    names = ["B02", "B03", "B04"]
    paths = []
    for day, x in (("2020123", 5e5), ("2020139", 5e5), ("2020155", 5.2e5)):
        name = f"HLS.L30.T32TQM.{day}T101010.v2.0.tif"
        paths.append(
            raster(
                name, np.full((3, 20, 20), 900, np.int16), transform=Affine(30, 0, x, 0, -30, 5e6), descriptions=names
            )
        )
    assert swath.open(paths, dates="2020-05-01/2020-05-20").sizes["time"] == 2
    box = contract.grid(swath.open(paths[0]))
    assert box is not None
    here = box.extent.to_crs("EPSG:4326").boundingbox
    there = swath.open(paths, area=[here.left, here.bottom, here.right, here.top])
    assert there.sizes["time"] == 2
    with pytest.raises(SwathError, match="dates"):
        swath.open(paths, dates="1999")
    with pytest.raises(SwathError, match="area must meet"):
        swath.open(paths, area="0,0,1,1")
    with pytest.raises(SwathError, match="area must meet"):
        swath.open(paths, area="-179,-80,-170,-70")
