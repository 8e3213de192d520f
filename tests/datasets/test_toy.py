from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.cube import contract
from swath.datasets import toy
from swath.datasets.spectra import MATERIALS, respond
from swath.earth.sensor import Band
from swath.errors import BandError, GridError, SwathError, UnitError

SUMMER = toy.dates("2021-05-01", "2021-09-01", 20)


def exact(place, sensor="sentinel-2a-l2a", when=SUMMER, **options):
    return toy.view(place, sensor, when, cloud=0, noise=0, looks=np.inf, **options)


def ndvi(cube):
    red, near = (cube.sel(band=b).values for b in ("B04", "B08"))
    return (near - red) / (near + red)


def test_the_same_seed_gives_the_same_world_and_view_and_another_seed_another():
    a, b, c = toy.world(4, 48), toy.world(4, 48), toy.world(5, 48)
    np.testing.assert_array_equal(a.classes, b.classes)
    assert (a.classes != c.classes).mean() > 0.3
    one, two = (toy.view(w, "sentinel-2a-l2a", SUMMER, seed=1)[0] for w in (a, b))
    np.testing.assert_array_equal(one.values, two.values)
    assert not np.array_equal(one.values, toy.view(a, "sentinel-2a-l2a", SUMMER, seed=2)[0].values)


@pytest.mark.parametrize("seed", range(6))
def test_every_class_occurs_and_one_is_rare(seed):
    share = np.bincount(toy.world(seed, 128).classes.ravel(), minlength=len(toy.CLASSES)) / 128**2
    assert (share > 0).all()
    assert share[toy.CLASSES.index("wetland")] < 0.02


def test_neighbours_mostly_share_their_class_and_objects_hold_one_class():
    place = toy.world(2, 128)
    assert (place.classes[:, 1:] == place.classes[:, :-1]).mean() > 0.9
    for number in np.unique(place.objects)[::17]:
        assert len(np.unique(place.classes[place.objects == number])) == 1


def test_a_view_keeps_the_cube_contract_and_says_that_it_is_simulated():
    cube, truth = toy.view(toy.world(1, (40, 56)), "sentinel-2a-l2a", SUMMER, seed=1)
    assert contract.check(cube) == ""
    assert cube.attrs["simulated"] is True
    assert contract.grid(cube) == toy.world(1, (40, 56)).geobox
    assert cube.sizes == {"time": len(SUMMER), "band": 12, "y": 40, "x": 56}
    assert truth.classes.shape == (len(SUMMER), 40, 56)
    assert contract.check(toy.elevation(toy.world(1, 16))) == ""


def test_reflectance_is_between_zero_and_one_and_vegetation_and_water_look_like_themselves():
    cube, truth = exact(toy.world(3, 128))
    assert 0 < cube.values.min() < cube.values.max() < 1
    index = ndvi(cube)
    mean = {name: index[2][truth.classes[2] == i].mean() for i, name in enumerate(truth.names)}
    assert mean["water"] < 0 < mean["bare"] < 0.35
    assert min(mean["broadleaf"], mean["conifer"]) > 0.6


def test_wheat_is_green_before_maize():
    cube, truth = exact(toy.world(3, 128))
    index = ndvi(cube)
    wheat, maize = (truth.classes[0] == toy.CLASSES.index(name) for name in ("wheat", "maize"))
    assert index[0][wheat].mean() > index[0][maize].mean() + 0.3
    assert index[4][maize].mean() > index[4][wheat].mean() + 0.3


def test_clouds_are_bright_flagged_and_leave_radar_alone():
    place = toy.world(1, 64)
    when = toy.dates("2021-05-01", "2021-09-01", 5)
    clear, _ = exact(place, when=when)
    cloudy, _ = toy.view(place, "sentinel-2a-l2a", when, cloud=0.4, noise=0, seed=3)
    flag = cloudy.flag.values
    assert 0.25 < (flag == 2).mean() < 0.55
    assert (flag == 3).any()
    difference = (cloudy - clear).sel(band="B02").values
    assert np.abs(difference[flag == 0]).mean() < 2e-3
    assert difference[flag == 2].mean() > 0.2
    assert difference[flag == 3].mean() < 0
    radar, _ = toy.view(place, "sentinel-1-grd", when, cloud=0.9, seed=3)
    assert "flag" not in radar.coords


def test_radar_is_in_decibel_with_speckle_of_the_asked_looks():
    place = toy.world(1, 96)
    noisy, truth = toy.view(place, "sentinel-1-grd", SUMMER, looks=4.0, seed=1)
    plain, _ = exact(place, "sentinel-1-grd")
    ratio = 10 ** ((noisy - plain).values / 10)
    assert ratio.mean() == pytest.approx(1, abs=0.02)
    assert ratio.var() == pytest.approx(0.25, rel=0.05)
    water, town = (plain.values[0, 0][truth.classes[0] == toy.CLASSES.index(n)].mean() for n in ("water", "town"))
    assert water < -17 < -10 < town
    assert (plain.sel(band="VH") < plain.sel(band="VV")).all()


def test_coarse_bands_are_averaged_to_their_own_size():
    cube, _ = exact(toy.world(1, 64))
    b11 = cube.sel(band="B11").values
    np.testing.assert_array_equal(b11[:, ::2, ::2], b11[:, 1::2, 1::2])
    coarse, truth = exact(toy.world(1, 64), gsd=20)
    np.testing.assert_allclose(coarse.sel(band="B11").values, b11[:, ::2, ::2], rtol=1e-6)
    assert coarse.shape[-2:] == truth.classes.shape[-2:] == (32, 32)
    assert contract.grid(coarse).resolution.x == 20


@pytest.mark.parametrize(
    ("event", "was", "to"),
    [
        (toy.cut, {"conifer", "broadleaf"}, "bare"),
        (toy.build, {"meadow", "wheat", "maize", "bare"}, "town"),
        (toy.grow, {"meadow", "bare"}, "broadleaf"),
    ],
)
def test_an_event_changes_whole_objects_from_its_day_on(event, was, to):
    place = toy.world(6, 96)
    after = event(place, "2021-06-15", share=0.3)
    before, then = after.truth("2021-06-14"), after.truth("2021-06-15")
    changed = before != then
    assert changed.any()
    assert {toy.CLASSES[c] for c in np.unique(before[changed])} <= was
    assert {toy.CLASSES[c] for c in np.unique(then[changed])} == {to}
    for number in np.unique(place.objects[changed]):
        assert changed[place.objects == number].all()
    old, new = exact(place)[0], exact(after)[0]
    moved = np.abs(old.values - new.values).max(1) > 1e-7
    assert not moved[:2].any()
    assert moved[-1][changed].mean() > 0.95


def test_a_flood_takes_the_lowest_land_and_goes_again():
    place = toy.flood(toy.world(6, 96), "2021-06-15", days=20, share=0.1)
    before, during, after = (place.truth(d) for d in ("2021-06-01", "2021-06-20", "2021-07-20"))
    np.testing.assert_array_equal(before, after)
    wet = during != before
    assert wet.mean() == pytest.approx(0.1, abs=0.01)
    assert place.height[wet].max() <= place.height[(during != toy.CLASSES.index("water"))].min() + 1e-3


@pytest.mark.parametrize("key", ["landsat-8-c2-l2", "sentinel-1-rtc", "modis-mod09", "planetscope-8-sr"])
def test_many_sensors_of_the_table_see_a_world(key):
    cube, _ = exact(toy.world(1, 64), key, when=SUMMER[:2])
    assert contract.check(cube) == ""
    assert np.isfinite(cube.values).all()
    if "ST_B10" in cube.band.values:
        assert 250 < cube.sel(band="ST_B10").values.mean() < 320


def test_what_a_world_cannot_show_is_refused():
    place = toy.world(1, 16)
    with pytest.raises(UnitError, match="made world shows"):
        exact(place, [Band("mystery", quantity="digital_number")])
    with pytest.raises(GridError, match="whole multiples"):
        exact(place, gsd=15)
    with pytest.raises(SwathError, match="8 x 8"):
        toy.world(1, 4)
    with pytest.raises((BandError, SwathError)):
        toy.view(place, "no-such-sensor", SUMMER)


@given(st.floats(420, 2400), st.floats(5, 200))
def test_a_band_measures_within_the_range_of_the_curves(wavelength, fwhm):
    seen = respond([Band("x", wavelength, fwhm)])
    assert seen.shape == (len(MATERIALS), 1)
    assert (seen > 0).all()
    assert (seen < 0.8).all()


def test_two_sensors_over_two_years_take_seconds():
    start = time.process_time()
    place = toy.world(1)
    toy.view(place, "sentinel-2a-l2a", toy.dates("2020-01-01", "2022-01-01", 10), seed=1)
    toy.view(place, "sentinel-1-grd", toy.dates("2020-01-01", "2022-01-01", 12), seed=1)
    assert time.process_time() - start < 12  # 2 on an idle machine


def test_the_demo_writes_files_that_fit_one_another(tmp_path):
    import geopandas as gpd
    import rasterio

    made = toy.demo_world(tmp_path, size=64, every=60)
    scenes = sorted(made.sensors["sentinel-2"].glob("*.tif"))
    assert len(scenes) > 8
    with rasterio.open(scenes[3]) as file, rasterio.open(made.truth) as truth, rasterio.open(made.test) as test:
        assert file.transform == truth.transform == test.transform
        assert file.crs == truth.crs
        assert file.descriptions[0] == "B02"
        assert file.scales[0] == 1e-4
        codes, held = truth.read(1), test.read(1)
        assert (codes > 0).all()
        assert (held[held > 0] == codes[held > 0]).all()
        labels = gpd.read_file(made.labels)
        rows, columns = rasterio.transform.rowcol(truth.transform, labels.geometry.x, labels.geometry.y)
        rows, columns = np.asarray(rows, int), np.asarray(columns, int)
        assert [made.classes[c - 1] for c in codes[rows, columns]] == labels["class"].tolist()
        assert (held[rows, columns] == 0).all()
