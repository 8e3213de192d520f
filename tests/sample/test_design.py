"""Reference samples: size, allocation, an unbiased seeded draw, a file that remembers how it was drawn."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import from_origin
from scipy.stats import chisquare

from swath.errors import DesignError, FormatError, GridError, OutputError
from swath.sample import classmap
from swath.sample.design import allocate, draw, read_design, sample_size, write

WHERE = from_origin(500_000, 5_000_000, 30, 30)


def raster(path: Path, values: np.ndarray, *, crs: str | None = "EPSG:32633", transform=WHERE, **tags: str) -> Path:
    form = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype}
    with rasterio.open(path, "w", crs=crs, transform=transform, **form) as file:
        file.write(values, 1)
        file.update_tags(**tags)
    return path


@pytest.fixture
def made(tmp_path: Path) -> classmap.ClassMap:
    values = np.random.default_rng(0).choice([1, 2, 3], (300, 400), p=[0.02, 0.28, 0.7]).astype(np.uint8)
    values[:10] = 0
    return classmap.open_map(raster(tmp_path / "map.tif", values, class_1="water", class_2="field", class_3="forest"))


def test_the_size_agrees_with_the_published_example():
    # Olofsson et al. 2014, section 5.1.1: 641 units for a standard error of 0.01
    weight, users = np.array([0.020, 0.015, 0.320, 0.645]), np.array([0.70, 0.60, 0.90, 0.95])
    assert sample_size(weight, users, 0.01) == pytest.approx(641, abs=1)
    assert sample_size(weight, users, 0.01, population=1000) < 500
    with pytest.raises(DesignError, match=r"between 0 and 0\.5"):
        sample_size(weight, users, 0)


@given(
    st.integers(1, 6).flatmap(
        lambda s: st.tuples(
            st.lists(st.integers(1, 100_000), min_size=s, max_size=s), st.integers(2 * s, 3000), st.integers(0, 200)
        )
    )
)
def test_allocation_spends_the_size_and_never_more_than_a_stratum_has(case):
    pixels, size, minimum = np.array(case[0]), case[1], case[2]
    points = allocate(size, pixels / pixels.sum(), pixels, minimum)
    assert (points <= pixels).all()
    assert (points >= np.minimum(2, pixels)).all()
    assert points.sum() == min(size, pixels.sum())
    assert (points >= np.minimum(pixels, min(minimum, size // (2 * len(pixels))))).all()


def test_rare_classes_get_their_minimum_and_the_rest_is_proportional():
    points = allocate(641, np.array([0.02, 0.015, 0.32, 0.645]), np.full(4, 10**6), 75)
    assert points[:2].tolist() == [75, 75]
    assert points.sum() == 641
    assert points[2] / points[3] == pytest.approx(0.32 / 0.645, rel=0.02)
    with pytest.raises(DesignError, match="two points in every stratum"):
        allocate(7, np.full(4, 0.25), np.full(4, 100), 50)


def test_the_draw_is_seeded_lies_in_its_strata_and_holds_no_pixel_twice(made):
    one, two, three = draw(made, size=300, seed=4), draw(made, size=300, seed=4), draw(made, size=300, seed=5)
    assert (one.row == two.row).all()
    assert (one.column == two.column).all()
    assert set(zip(one.row, one.column, strict=True)) != set(zip(three.row, three.column, strict=True))
    assert len(set(zip(one.row.tolist(), one.column.tolist(), strict=True))) == 300
    codes = made.at(one.row, one.column)
    assert (codes == np.array(one.strata)[one.stratum]).all()
    assert np.bincount(one.stratum).tolist() == one.points.tolist()
    assert one.area[0] == pytest.approx(one.pixels[0] * 0.09)
    assert one.unit == "ha"


def test_each_pixel_of_a_stratum_has_the_same_chance(tmp_path):
    values = np.ones((60, 60), np.uint8)
    values[:, 30:] = 2
    here = classmap.open_map(raster(tmp_path / "m.tif", values))
    hits = np.zeros(values.shape)
    for seed in range(200):
        d = draw(here, size=90, seed=seed)
        np.add.at(hits, (d.row, d.column), 1)
    blocks = hits[:, :30].reshape(6, 10, 3, 10).sum((1, 3)).ravel()
    assert chisquare(blocks).pvalue > 0.001


def test_windows_do_not_matter_to_what_is_in_a_map(made, monkeypatch):
    whole = classmap.count(made)
    monkeypatch.setattr(classmap.windows, "__defaults__", (64,))
    parts = classmap.count(made)
    assert (whole.pixels == parts.pixels).all()
    assert whole.digest == parts.digest
    assert np.allclose(whole.area, parts.area)


def test_on_a_geographic_grid_ground_decides_not_pixels(tmp_path):
    values = np.ones((800, 20), np.uint8)
    where = from_origin(0, 80, 0.1, 0.1)  # from 80 degrees north to the equator
    here = classmap.open_map(raster(tmp_path / "m.tif", values, crs="EPSG:4326", transform=where))
    south = np.concatenate([draw(here, size=400, seed=s).row >= 400 for s in range(10)])
    ground = here.area(slice(0, 800))[:, 0]
    assert south.mean() == pytest.approx(ground[400:].sum() / ground.sum(), abs=0.03)


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "csv"])
def test_the_file_remembers_how_it_was_drawn(made, tmp_path, ending):
    drawn = draw(made, size=120, seed=1)
    path = write(drawn, made, tmp_path / f"points.{ending}")
    data = pd.read_csv(path) if ending == "csv" else gpd.read_file(path)
    design = read_design(data)
    assert design.kind == "stratified"
    assert design.names == ("water", "field", "forest")
    assert np.allclose(design.area, drawn.area)
    assert (np.bincount(design.stratum) == drawn.points).all()
    assert design.map_id == drawn.map_id
    assert list(tmp_path.glob(".*part*")) == []
    assert "label" in data.columns


def test_points_are_pixel_centres(made, tmp_path):
    drawn = draw(made, size=50, seed=1)
    data = gpd.read_file(write(drawn, made, tmp_path / "points.gpkg"))
    assert data.crs.to_epsg() == 32633
    assert np.allclose(data.geometry.x, 500_000 + 30 * (drawn.column + 0.5))
    assert np.allclose(data.geometry.y, 5_000_000 - 30 * (drawn.row + 0.5))


def test_a_simple_sample_has_one_stratum(made):
    drawn = draw(made, design="simple", size=100)
    assert len(drawn) == 100
    assert drawn.names == ("the whole map",)
    assert drawn.pixels[0] == 290 * 400


def test_strata_may_be_another_raster_on_the_same_grid(made, tmp_path):
    zones = np.repeat(np.array([7, 9], np.uint8), 150)[:, None] * np.ones((1, 400), np.uint8)
    other = classmap.open_map(raster(tmp_path / "zones.tif", zones))
    drawn = draw(made, strata=other, size=60)
    assert drawn.strata == (7, 9)
    assert ((drawn.row < 150) == (drawn.stratum == 0)).all()
    assert drawn.map_id == ""
    shifted = raster(tmp_path / "off.tif", zones, transform=from_origin(0, 0, 30, 30))
    with pytest.raises(GridError, match="own grid"):
        draw(made, strata=classmap.open_map(shifted), size=60)


def test_what_cannot_be_drawn_or_written_is_refused(made, tmp_path):
    with pytest.raises(DesignError, match="two points"):
        draw(made, size=3)
    with pytest.raises(DesignError, match="name the map's strata"):
        draw(made, expected={"lava": 0.9})
    with pytest.raises(OutputError, match="GPKG"):
        write(draw(made, size=30), made, tmp_path / "points.shp")
    many = classmap.open_map(raster(tmp_path / "many.tif", np.arange(4096, dtype=np.uint16).reshape(64, 64)))
    with pytest.raises(FormatError, match="1000"):
        classmap.count(many)
    with pytest.raises(FormatError, match="no file"):
        classmap.open_map(tmp_path / "none.tif")


def test_rows_that_contradict_one_another_or_are_missing_are_refused(made, tmp_path):
    data = gpd.read_file(write(draw(made, size=60), made, tmp_path / "p.gpkg"))
    assert read_design(data.drop(columns="stratum_area")) is None
    with pytest.raises(DesignError, match="every stratum"):
        read_design(data[data["stratum"] != 1])
    data.loc[0, "stratum_area"] = 1.0
    with pytest.raises(DesignError, match="agree"):
        read_design(data)


def test_category_names_beside_a_raster_name_its_classes(tmp_path):
    path = raster(tmp_path / "m.tif", np.ones((4, 4), np.uint8))
    (tmp_path / "m.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><CategoryNames><Category/><Category>lake</Category></CategoryNames>'
        "</PAMRasterBand></PAMDataset>"
    )
    assert classmap.open_map(path).name(1) == "lake"
    assert classmap.open_map(path).name(5) == "5"
