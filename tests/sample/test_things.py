"""Masks to polygons: the areas add up, strips leave no seam."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from scipy import ndimage

from swath.errors import OutputError
from swath.sample import labels, things


@given(st.integers(0, 500), st.integers(1, 30))
def test_polygons_are_the_connected_patches_of_the_map_whatever_the_strips(seed, strip):
    g = np.random.default_rng(seed)
    codes = g.integers(0, 4, (20, 17)).astype(np.uint8)
    found = things.polygons(codes, None, strip=strip)
    assert found.pixels.groupby(found.code).sum().to_dict() == {
        c: int((codes == c).sum()) for c in (1, 2, 3) if (codes == c).any()
    }
    assert len(found) == sum(ndimage.label(codes == c)[1] for c in (1, 2, 3))


def test_areas_are_in_square_metres_and_labels_come_back_from_polygons():
    grid = GeoBox((30, 40), Affine(20, 0, 400_000, 0, -20, 5_000_000), "EPSG:32633")
    codes = np.kron(np.random.default_rng(1).integers(0, 3, (6, 8)), np.ones((5, 5), int)).astype(np.uint8)
    found = things.polygons(codes, grid, names={1: "wood", 2: "field"})
    assert found.area.sum() == pytest.approx((codes > 0).sum() * 400)
    assert (found["area"] == found.pixels * 400).all()
    back = labels.read(found, grid, shape=codes.shape, column="code")
    assert (back.raster() == codes).all()


def test_small_patches_are_left_out():
    codes = np.zeros((5, 5), np.uint8)
    codes[0, 0], codes[2:4, 2:4] = 1, 1
    assert things.polygons(codes, None, smallest=2).pixels.tolist() == [4]
    assert len(things.polygons(np.zeros((5, 5), np.uint8), None)) == 0


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "parquet"])
def test_written_polygons_open_again_and_the_bytes_repeat(tmp_path, ending):
    grid = GeoBox((8, 8), Affine(20, 0, 400_000, 0, -20, 5_000_000), "EPSG:32633")
    codes = np.kron(np.arange(4).reshape(2, 2), np.ones((4, 4), int)).astype(np.uint8)
    frame = things.polygons(codes, grid)
    path = things.write(frame, tmp_path / f"a.{ending}")
    first = path.read_bytes()
    things.write(frame, path)
    assert path.read_bytes() == first
    back = gpd.read_parquet(path) if ending == "parquet" else gpd.read_file(path)
    assert sorted(back.code) == [1, 2, 3]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_other_endings_and_missing_folders_are_refused(tmp_path):
    frame = things.polygons(np.ones((2, 2), np.uint8), None)
    with pytest.raises(OutputError, match=r"\.gpkg"):
        things.write(frame, tmp_path / "a.kml")
    with pytest.raises(OutputError):
        things.write(frame, tmp_path / "nowhere" / "a.gpkg")
