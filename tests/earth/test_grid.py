"""Ground size, area, bounds and zones, against pyproj's own geodesics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Geod

from swath.earth.grid import area_unit, cell_area, gsd, lonlat_bounds, pixel_size, same, utm
from swath.errors import GridError

UTM32 = GeoBox((100, 80), Affine(10, 0, 600000, 0, -10, 5200000), "EPSG:32632")
DEGREES = GeoBox((100, 80), Affine(0.001, 0, 11.0, 0, -0.002, 47.0), "EPSG:4326")
BARE = GeoBox((10, 20), Affine(1, 0, 0, 0, -1, 0), None)


def test_ground_size_in_metres():
    assert pixel_size(UTM32) == (10, 10)
    assert gsd(UTM32) == 10
    down, right = pixel_size(DEGREES)
    assert down == pytest.approx(222.3, abs=0.3)
    assert right == pytest.approx(76.1, abs=0.3)
    assert math.isnan(gsd(BARE))
    assert math.isnan(gsd(None))
    feet = GeoBox((5, 5), Affine(10, 0, 0, 0, -10, 0), "EPSG:2263")
    assert gsd(feet) == pytest.approx(3.048, abs=1e-3)
    turned = GeoBox((5, 5), Affine.rotation(30) @ Affine.scale(20, -20), "EPSG:32632")
    assert gsd(turned) == pytest.approx(20)


@pytest.mark.parametrize("latitude", [0.0, 47.0, -60.0, 89.0])
def test_cells_in_degrees_have_their_area_on_the_ellipsoid(latitude: float):
    box = GeoBox((3, 2), Affine(0.1, 0, 10, 0, -0.1, latitude + 0.15), "EPSG:4326")
    area = cell_area(box)
    assert area.shape == (3, 1)
    for row in range(3):
        top = latitude + 0.15 - 0.1 * row
        lon = np.linspace(10, 10.1, 200)
        ring_lon = np.concatenate([lon, lon[::-1]])
        ring_lat = np.concatenate([np.full(200, top), np.full(200, top - 0.1)])
        truth = abs(Geod(ellps="WGS84").polygon_area_perimeter(ring_lon, ring_lat)[0]) / 1e4
        assert area[row, 0] == pytest.approx(truth, rel=1e-5)


def test_the_whole_earth_has_the_ellipsoid_s_area():
    box = GeoBox((180, 360), Affine(1, 0, -180, 0, -1, 90), "EPSG:4326")
    assert float(cell_area(box).sum() * 360) / 1e2 == pytest.approx(510_065_622, rel=1e-6)


def test_areas_without_crs_are_in_pixels():
    assert area_unit(BARE) == area_unit(None) == "pixel"
    assert cell_area(BARE).tolist() == [[1.0]] * 10
    assert area_unit(UTM32) == "ha"
    assert cell_area(UTM32, slice(0, 2)).tolist() == [[0.01], [0.01]]


def test_web_mercator_is_corrected_by_latitude():
    y = 6_378_137.0 * math.log(math.tan(math.pi / 4 + math.radians(60) / 2))
    box = GeoBox((1, 1), Affine(100, 0, 0, 0, -100, y + 50), "EPSG:3857")
    assert cell_area(box)[0, 0] == pytest.approx(0.25, rel=1e-3)


def test_grids_are_the_same_up_to_a_thousandth_of_a_pixel():
    near = GeoBox((100, 80), Affine(10, 0, 600000.004, 0, -10, 5200000), "EPSG:32632")
    far = GeoBox((100, 80), Affine(10, 0, 600001, 0, -10, 5200000), "EPSG:32632")
    assert same(UTM32, near)
    assert not same(UTM32, far)
    assert not same(UTM32, None)
    assert same(None, None)
    assert not same(UTM32, GeoBox((100, 81), UTM32.affine, "EPSG:32632"))


def test_bounds_in_degrees_cross_the_antimeridian_as_geojson_does():
    west, south, east, north = lonlat_bounds(UTM32) or (0, 0, 0, 0)
    assert 10.2 < west < east < 10.4
    assert 46.9 < south < north < 47.0
    assert lonlat_bounds(DEGREES) == pytest.approx((11.0, 46.8, 11.08, 47.0))
    fiji = GeoBox((2000, 2000), Affine(100, 0, 750000, 0, -100, 8200000), "EPSG:32760")
    west, _, east, _ = lonlat_bounds(fiji) or (0, 0, 0, 0)
    assert west > 178
    assert east < -178
    crossing = GeoBox((10, 100), Affine(0.1, 0, 175, 0, -0.1, 0), "EPSG:4326")
    assert lonlat_bounds(crossing) == pytest.approx((175.0, -1.0, -175.0, 0.0))
    assert lonlat_bounds(BARE) is None


def test_a_grid_over_the_pole_goes_all_around():
    pole = GeoBox((100, 100), Affine(10000, 0, -500000, 0, -10000, 500000), "EPSG:3413")
    west, south, east, north = lonlat_bounds(pole) or (0, 0, 0, 0)
    assert (west, east, north) == (-180, 180, 90)
    assert 80 < south < 90


@pytest.mark.parametrize(
    ("lon", "lat", "zone"),
    [
        (11, 46, 32632),
        (-74, 40, 32618),
        (151, -33, 32756),
        (5, 60, 32632),
        (20, 78, 32633),
        (180, 0, 32660),
        (-180, 1, 32601),
    ],
)
def test_utm_zones(lon: float, lat: float, zone: int):
    assert utm(lon, lat) == f"EPSG:{zone}"


def test_zones_of_places_on_both_sides_of_the_antimeridian():
    assert utm([179.5, -179.5], [0, 0]) in ("EPSG:32601", "EPSG:32660")
    with pytest.raises(GridError, match="3413"):
        utm(0, 88)
