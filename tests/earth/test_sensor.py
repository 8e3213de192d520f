"""The table of sensors: it loads fast, knows the promised sensors, and says what the operators say."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from swath.earth.sensor import from_product_name, load, sensor, sensors
from swath.errors import BandError, SwathError


def test_the_table_knows_the_promised_sensors():
    wanted = (
        [f"sentinel-2{u}-{p}" for u in "abc" for p in ("l1c", "l2a")]
        + ["sentinel-1a-grd", "sentinel-1-rtc", "hls-l30", "hls-s30", "modis-mod09", "modis-mod13", "modis-mod02"]
        + [f"landsat-{n}-c2-{p}" for n in (5, 7, 8, 9) for p in ("l1", "l2")] + ["landsat-8-l1", "landsat-5-l1"]
        + ["viirs-vnp09", "viirs-dnb", "enmap-l2a", "desis-l2a", "prisma-l2d", "eo1-hyperion-l1", "aviris"]
        + ["planetscope-4-sr", "planetscope-8-sr", "naip", "worldview-2", "worldview-3", "spot-6", "spot-7", "pleiades"]
        + ["copernicus-dem-30", "srtm", "era5", "rgb"]
    )  # fmt: skip
    assert sorted(set(wanted) - set(sensors())) == []


def test_loading_the_table_needs_no_numpy():
    code = "import sys; from swath.earth.sensor import sensors; sensors(); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_factors_are_the_operators():
    sr = sensor("landsat-8-c2-l2").bands[1]
    assert (sr.name, sr.scale, sr.offset, sr.nodata) == ("SR_B2", 2.75e-5, -0.2, 0.0)
    heat = sensor("landsat-8-c2-l2").bands[-1]
    assert (heat.name, heat.quantity, heat.units, heat.scale, heat.offset) == (
        "ST_B10",
        "temperature",
        "K",
        0.00341802,
        149.0,
    )
    assert sensor("landsat-5-c2-l2").bands[-1].name == "ST_B6"
    warm = sensor("hls-l30").bands[-2]
    assert (warm.name, warm.units, warm.offset) == ("B10", "K", 273.15)
    assert sensor("sentinel-2b-l2a").ambiguous_offset == (0.0, -1000.0)
    assert "B10" not in [b.name for b in sensor("sentinel-2b-l2a").bands]


def test_a_wrong_key_names_the_nearest():
    with pytest.raises(BandError, match=r"did you mean.*sentinel-2a-l2a"):
        sensor("sentinel2a-l2a")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("S2A_MSIL1C_20200717T221941_R029_T01LAC_20200717T234135.SAFE", "sentinel-2a-l1c"),
        (
            "S2B_MSIL2A_20220717T221941_N0400.SAFE/GRANULE/a/T01LAC_20220717T221941_B02_10m.jp2",
            "sentinel-2b-l2a",
        ),
        ("S2C_MSIL2A_20260713T114351_N0512_R123_T29UNT_20260713T163414.SAFE", "sentinel-2c-l2a"),
        ("T32TQM_20200101T101010_B02_10m.jp2", "sentinel-2-l2a"),
        ("T32TQM_20200101T101010_B02.jp2", "sentinel-2-l1c"),
        ("LC08_L1TP_013032_20180710_20180717_01_T1_B2.TIF", "landsat-8-l1"),
        ("LC80130322018191LGN00_B2.TIF", "landsat-8-l1"),
        ("LC09_L1TP_013032_20220710_20220717_02_T1_B2.TIF", "landsat-9-c2-l1"),
        ("LC08_L2SP_008059_20191201_20200825_02_T1_SR_B2.TIF", "landsat-8-c2-l2"),
        ("LE07_L2SP_008059_20011201_20200825_02_T1", "landsat-7-c2-l2"),
        ("LT05_L1TP_013032_19850710_20161004_01_T1", "landsat-5-l1"),
        ("HLS.L30.T14RNV.2020001T170000.v2.0.B02.tif", "hls-l30"),
        ("HLS.S30.T14RNV.2020001T170000.v2.0", "hls-s30"),
        ("MOD13Q1.A2013257.h12v10.006.2015.hdf", "modis-mod13"),
        ("TERRA_MODIS_012010_NDVI_2014-08-29.tif", "modis-mod13"),
        ("MYD09GA.A2020001.h18v04.061.hdf", "modis-myd09"),
        ("MOD021KM.A2020001.1010.061.hdf", "modis-mod02"),
        ("VNP46A2.A2020001.h18v04.001.h5", "viirs-dnb"),
        ("VJ109GA.A2020001.h18v04.002.h5", "viirs-vj109"),
        ("ENMAP01-____L2A-DT0000002000_20220724T103030Z_001_V010111", "enmap-l2a"),
        ("DESIS-HSI-L2A-DT0000000001_001-20200101T101010-V0210", "desis-l2a"),
        ("PRS_L2D_STD_20200101101010_20200101101014_0001.he5", "prisma-l2d"),
        ("EO1H0010012001001110KF_1R", "eo1-hyperion-l1"),
        ("m_4112001_sw_10_060_20220716.tif", "naip"),
        ("S1A_IW_GRDH_1SDV_20200101T101010_20200101T101035_030601_03818C_0001.SAFE", "sentinel-1a-grd"),
        ("s1b-iw-grd-vv-20200101t101010-20200101t101035-019571-024fe6-001.tiff", "sentinel-1b-grd"),
        ("S1B_IW_20200101T101010_DVP_RTC30_G_gpuned_1234", "sentinel-1-rtc"),
        ("20200101_101010_12_1234_3B_AnalyticMS_SR_8b_clip.tif", "planetscope-8-sr"),
        ("era5-land-monthly.nc", "era5-land"),
        ("N34W119.SRTMGL1.hgt", "srtm"),
        ("scene.tif", None),
        ("rgb_mosaic.tif", None),
        ("dem.tif", None),
        ("landsat-8-c2-l2_median_2020-05-01.tif", "landsat-8-c2-l2"),
        ("summer_2019/holiday.jpg", None),
    ],
)
def test_product_names_tell_the_sensor(text: str, key: str | None):
    assert from_product_name(text) == key


def test_the_real_names_of_the_shared_data_are_known(shared: Path):
    scene = next((shared / "awkward/safe").glob("*.SAFE"))
    assert from_product_name(scene.name) == "sentinel-2a-l1c"
    for folder in sorted((shared / "landsat8_new_york").iterdir()):
        assert from_product_name(folder.name) == "landsat-8-l1"
    assert {from_product_name(f.name) for f in (shared / "sits_modis/cube").glob("*.tif")} == {"modis-mod13"}
    assert {from_product_name(f.name) for f in (shared / "naip").glob("m_*.tif")} == {"naip"}


def test_centres_equal_those_in_a_product_s_own_metadata(shared: Path):
    """ESA writes each unit's centres into MTD xml: the table must say the same."""
    from xml.etree import ElementTree

    xml = ElementTree.parse(next((shared / "awkward/safe").glob("*.SAFE/MTD_MSIL1C.xml")))
    centres = [float(node.text or "nan") for node in xml.iter("CENTRAL")]
    assert centres == [b.wavelength for b in sensor("sentinel-2a-l1c").bands]


def test_a_table_with_a_broken_row_is_refused(tmp_path: Path):
    bad = tmp_path / "bad.toml"
    bad.write_text('[sensor.one]\ntitle = "One"\nlike = "two"\n')
    with pytest.raises(SwathError, match="another sensor"):
        load(bad)
    bad.write_text('[sensor.one]\ntitle = "One"\nband.B1 = { nodata = 0.0 }\n')
    with pytest.raises(SwathError, match="band of the sensor"):
        load(bad)


def test_a_hyperspectral_sensor_gives_a_range_and_a_count():
    enmap = sensor("enmap-l2a")
    assert enmap.spectrum is not None
    assert enmap.bands == ()
    assert enmap.spectrum.count[0] <= 224 <= enmap.spectrum.count[1]
    assert math.isclose(enmap.scale, 1e-4)


@pytest.mark.parametrize(
    ("key", "platform"),
    [
        ("sentinel-2a-l1c", "sentinel2a"), ("sentinel-2b-l1c", "sentinel2b"), ("landsat-5-c2-l1", "landsat5"),
        ("landsat-7-c2-l1", "landsat7"), ("landsat-8-c2-l1", "landsat8"), ("landsat-9-c2-l1", "landsat9"),
        ("modis-mod02", "modis"), ("planetscope-8-sr", "planetscope"), ("worldview-2", "worldview2"),
        ("worldview-3", "worldview3"),
    ],
)  # fmt: skip
def test_centres_agree_with_a_second_source(key: str, platform: str):
    """spyndex lists centres and widths of its own for these platforms; 3.5 nm and a tenth of a width are rounding."""
    import spyndex

    compared = 0
    for band in sensor(key).bands:
        other = getattr(spyndex.bands.get(band.common), platform, None)
        if other is None:
            continue
        compared += 1
        assert abs(band.wavelength - other.wavelength) <= 3.5 + 0.02 * band.fwhm, band.name
        assert abs(band.fwhm - other.bandwidth) <= 5 + 0.1 * band.fwhm, band.name
    assert compared >= 5


class _Entry:
    """An installed package's entry point."""

    value = "their_package:sensors"

    def __init__(self, given: object) -> None:
        self.given = given

    def load(self) -> object:
        return self.given


def test_other_packages_add_sensors_by_entry_point(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    table = tmp_path / "more.toml"
    table.write_text(
        '[instrument.cam]\nsource = "Data sheet of the camera, 2026"\nbands = [["red", 650, 20, 0.1, "R"]]\n'
        '[sensor.drone-cam]\ntitle = "A camera"\ninstrument = "cam"\nproduct = [\'DRONE_\\d{4}\']\n'
    )
    drone = replace(sensor("naip"), key="drone-cam")
    for given in (str(table), drone, lambda: [drone]):
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group, g=given: [_Entry(g)])
        sensors.cache_clear()
        try:
            assert sensor("drone-cam").bands[0].common == "R"
        finally:
            monkeypatch.undo()
            sensors.cache_clear()
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [_Entry(replace(drone, key="naip"))])
    sensors.cache_clear()
    try:
        with pytest.raises(SwathError, match="naip again from their_package"):
            sensors()
    finally:
        monkeypatch.undo()
        sensors.cache_clear()
