"""Which sensor is it, and which band is meant."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.earth.recognise import (
    by_band_names,
    by_wavelengths,
    canonical,
    common_of,
    find,
    from_platform,
    letter_index,
    nearest,
)
from swath.earth.sensor import Band, sensor, sensors

S2 = sensor("sentinel-2a-l2a").bands


@pytest.mark.parametrize(
    ("a", "b"), [("B08A", "B8A"), ("B02", "B2"), ("SR_B2", "B2"), ("band 4", "B4"), ("B02_10m", "b2")]
)
def test_spelling_habits_do_not_matter(a: str, b: str):
    assert canonical(a) == canonical(b)


@pytest.mark.parametrize(("a", "b"), [("B8", "B8A"), ("B1", "B10"), ("VV", "VH"), ("I1", "M1")])
def test_different_bands_stay_different(a: str, b: str):
    assert canonical(a) != canonical(b)


@given(st.sampled_from(sorted(sensors())))
def test_a_sensor_finds_its_own_bands_by_name_and_the_names_find_the_sensor(key: str):
    bands = sensors()[key].bands
    for i, band in enumerate(bands):
        assert find(bands, band.name) == i
    if bands:
        best = by_band_names([b.name for b in bands])
        top = [m.sensor.key for m in best if (m.exact, m.share) == (best[0].exact, best[0].share)]
        assert key in top


@given(st.sampled_from([k for k, s in sensors().items() if s.bands and math.isfinite(s.bands[0].wavelength)]))
def test_a_sensor_is_known_again_by_its_wavelengths(key: str):
    centres = [b.wavelength for b in sensors()[key].bands if math.isfinite(b.wavelength)]
    matches = by_wavelengths(centres)
    assert matches[0].exact > 0.99 or math.isclose(matches[0].exact, 1.0)
    assert key in [m.sensor.key for m in matches if m.exact >= 0.99]


def test_names_letters_and_colour_words_name_a_band():
    assert S2[find(S2, "B8A") or 0].name == "B8A"
    assert S2[find(S2, "B04_10m") or 0].name == "B04"
    assert S2[find(S2, "nir") or 0].name == "B08"
    assert S2[find(S2, "RE2") or 0].name == "B06"
    assert find(S2, "infrared thermal") is None
    assert (common_of("SWIR 1"), common_of("NIR"), common_of("bucket")) == ("S1", "N", "")


def test_the_nearest_band_must_hold_the_wavelength():
    assert S2[nearest(S2, 660) or 0].name == "B04"
    assert nearest(S2, 1100) is None
    assert S2[nearest(S2, 1100, tolerance=300) or 0].name == "B09"
    assert nearest((), 660) is None


def test_one_near_infrared_band_serves_both_letters():
    oli = sensor("landsat-8-c2-l2").bands
    assert letter_index(oli, "N") == letter_index(oli, "N2") == [b.name for b in oli].index("SR_B5")
    assert S2[letter_index(S2, "N2") or 0].name == "B8A"


def test_letters_are_found_by_wavelength_where_bands_have_no_letter():
    bands = [Band(f"{w}", float(w), 10) for w in range(400, 2500, 10)]
    assert bands[letter_index(bands, "R") or 0].wavelength in (660, 670)
    assert bands[letter_index(bands, "N") or 0].wavelength == 840
    assert letter_index(bands, "T1") is None


def test_ambiguous_names_return_every_candidate():
    matches = by_band_names(["B02", "B03", "B04", "B08", "B8A", "B11", "B12"])
    keys = {m.sensor.key for m in matches}
    assert {"sentinel-2a-l2a", "sentinel-2b-l2a", "sentinel-2a-l1c", "hls-s30"} <= keys
    assert by_band_names(["B02", "nonsense"]) == []
    assert by_band_names([]) == []


def test_wavelengths_tell_sentinel_2a_from_2b():
    b = [x.wavelength for x in sensor("sentinel-2b-l2a").bands]
    assert by_wavelengths(b)[0].sensor.key == "sentinel-2b-l2a"


def test_enmap_is_known_by_its_wavelengths(shared: Path):
    import rasterio

    with rasterio.open(shared / "enmap_potsdam/enmap_potsdam_west.tif") as file:
        centres = [float(w) for w in file.tags()["wavelengths_nm"].replace(",", " ").split()]
    assert by_wavelengths(centres)[0].sensor.key == "enmap-l2a"


@pytest.mark.parametrize(
    ("platform", "product", "key"),
    [
        ("Sentinel-2B", "sentinel-2-l2a", "sentinel-2b-l2a"),
        ("sentinel-2c", "SENTINEL-2 L1C", "sentinel-2c-l1c"),
        ("", "sentinel-2-l2a", "sentinel-2-l2a"),
        ("landsat-8", "landsat-c2-l2", "landsat-8-c2-l2"),
        ("LANDSAT_5", "landsat-c2l1", "landsat-5-c2-l1"),
        ("landsat-4", "landsat-c2-l2", "landsat-5-c2-l2"),
        ("sentinel-1a", "sentinel-1-rtc", "sentinel-1-rtc"),
        ("terra", "unheard of", None),
    ],
)
def test_catalogues_name_sensors(platform: str, product: str, key: str | None):
    assert from_platform(platform, product) == key
