"""The view grid: tiles over a scene's own pixels, places in pixels, coordinates and degrees."""

from __future__ import annotations

import pytest

from swath.doors.web.view import View, metric, view_of


def utm_view(height: int = 700, width: int = 1000) -> View:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    return view_of(GeoBox((height, width), Affine(10, 0, 500_000, 0, -10, 5_200_000), "EPSG:32632"), (height, width))


def test_the_last_level_shows_each_pixel_once() -> None:
    view = utm_view()
    assert view.levels == 2
    assert view.step(2) == 1
    assert view.step(0) == 4
    assert view.step(3) == 0.5
    assert view.tiles(0) == (1, 1)
    assert view.tiles(2) == (3, 4)
    assert view.window(2, 3, 2) == ((512, 768), (768, 1024))
    assert view.inside(2, 3, 2)
    assert not view.inside(2, 4, 0)
    assert not view.inside(-1, 0, 0)


@pytest.mark.parametrize("side", [1, 255, 256, 257, 20_000])
def test_level_zero_holds_the_whole_scene_in_one_tile(side: int) -> None:
    view = View((side, 3))
    assert view.tiles(0) == (1, 1)
    assert view.levels == 0 or View((side, 3)).step(0) * 256 >= side > view.step(0) * 128


def test_places_go_to_coordinates_and_back() -> None:
    view = utm_view()
    assert view.to_crs(0, 0) == (500_000, 5_200_000)
    assert view.to_pixel(*view.to_crs(12.5, 7.25)) == pytest.approx((12.5, 7.25))
    lon, lat = view.to_lonlat(0, 0) or (0, 0)
    assert lon == pytest.approx(9.0)
    assert 46.9 < lat < 47.0
    assert view.metres == 10
    assert view.crs == "EPSG:32632"
    assert not view.pixel
    assert view.record()["proj"].startswith("+proj=utm")


def test_a_picture_without_a_grid_is_told_in_pixels() -> None:
    view = view_of(None, (30, 40))
    assert view.pixel
    assert view.crs is None
    assert view.metres is None
    assert view.bounds is None
    assert view.affine == (1, 0, 0, 0, 1, 0)
    assert view.to_crs(3, 4) == (3, 4)
    assert view.to_lonlat(3, 4) is None


def test_small_geographic_grids_are_looked_at_in_metres() -> None:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    small = GeoBox((100, 100), Affine(0.001, 0, 9, 0, -0.001, 47), "EPSG:4326")
    world = GeoBox((180, 360), Affine(1, 0, -180, 0, -1, 90), "EPSG:4326")
    assert metric(small) == "utm"
    assert metric(world) is None
    assert metric(None) is None
    assert metric(utm_view().geobox) is None
