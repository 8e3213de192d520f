"""Labels: any source, any CRS, to pixels; what cannot be used is counted, what is wrong says its remedy."""

from __future__ import annotations

import itertools
import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from swath.errors import FormatError, GridError, LabelError
from swath.sample import burn, labels, mask, vector

SHAPE = (50, 60)
UTM = GeoBox(SHAPE, Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32633")


def points(rows, columns, values, crs="EPSG:32633", name="label"):
    """Points at pixel centres of UTM."""
    xy = [UTM.affine * (c + 0.5, r + 0.5) for r, c in zip(rows, columns, strict=True)]
    frame = gpd.GeoDataFrame({name: values}, geometry=[shapely.Point(p) for p in xy], crs="EPSG:32633")
    return frame.to_crs(crs)


FOUR = ([3, 4, 10, 20], [5, 6, 7, 59], ["wood", "field", "wood", "field"])


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326", "EPSG:3035", "EPSG:3857"])
@pytest.mark.parametrize("ending", ["geojson", "gpkg", "shp", "parquet"])
def test_points_of_any_file_and_crs_land_on_their_pixels(tmp_path, crs, ending):
    frame = points(*FOUR, crs=crs)
    path = tmp_path / f"labels.{ending}"
    if ending == "parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    got = labels.read(path, UTM, shape=SHAPE)
    assert (got.row.tolist(), got.column.tolist()) == (FOUR[0], FOUR[1])
    assert (got.names, got.codes) == (["field", "wood"], [1, 2])
    assert got.value.tolist() == [1, 0, 1, 0]
    assert got.label_column == "label"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("names", [("lon", "lat"), ("Longitude", "LATITUDE"), ("x", "y")])
def test_a_table_with_lon_and_lat_is_read(tmp_path, separator, names):
    frame = points(*FOUR, crs="EPSG:4326")
    table = pd.DataFrame({names[0]: frame.geometry.x, names[1]: frame.geometry.y, "class": frame.label})
    table.to_csv(tmp_path / "t.csv", sep=separator, index=False)
    got = labels.read(tmp_path / "t.csv", UTM, shape=SHAPE)
    assert (got.row.tolist(), got.column.tolist()) == (FOUR[0], FOUR[1])


def test_swapped_axes_are_seen_and_the_remedy_works(tmp_path):
    frame = points(*FOUR, crs="EPSG:4326")
    table = pd.DataFrame({"lon": frame.geometry.y, "lat": frame.geometry.x, "label": frame.label})
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(LabelError, match="try --xy lat,lon") as error:
        labels.read(tmp_path / "t.csv", UTM, shape=SHAPE)
    assert "0 of 4" in error.value.got
    assert "EPSG:32633" in error.value.got
    assert labels.read(tmp_path / "t.csv", UTM, shape=SHAPE, xy="lat,lon").row.tolist() == FOUR[0]
    swapped = gpd.GeoDataFrame(
        {"label": frame.label}, geometry=gpd.points_from_xy(frame.geometry.y, frame.geometry.x), crs=4326
    )
    with pytest.raises(LabelError, match="lat/lon swapped"):
        labels.read(swapped, UTM, shape=SHAPE)
    assert labels.read(swapped, UTM, shape=SHAPE, xy="lat,lon").row.tolist() == FOUR[0]


def test_labels_elsewhere_are_refused_with_both_extents(tmp_path):
    far = gpd.GeoDataFrame({"label": ["a", "b"]}, geometry=gpd.points_from_xy([-60.0, -60.1], [-3.0, -3.1]), crs=4326)
    with pytest.raises(LabelError) as error:
        labels.read(far, UTM, shape=SHAPE)
    assert "EPSG:4326" in error.value.got
    assert "-60.1" in error.value.got
    assert "500000" in error.value.got


def test_metres_in_a_file_that_says_degrees_are_named():
    frame = points(*FOUR)
    wrong = gpd.GeoDataFrame({"label": frame.label}, geometry=frame.geometry.to_numpy(), crs=4326)
    with pytest.raises(LabelError, match="no degrees"):
        labels.read(wrong, UTM, shape=SHAPE)


def test_labels_outside_are_dropped_and_counted():
    frame = points([3, 4, 5, 6, 900], [3, 3, 3, 3, 3], ["a", "b", "a", "b", "a"])
    got = labels.read(frame, UTM, shape=SHAPE)
    assert len(got) == 4
    assert got.dropped == {"outside the scene": 1}


def test_two_labels_on_one_pixel_merge_when_equal_and_fall_when_different():
    frame = points([3, 3, 4, 4, 5, 6], [3, 3, 3, 3, 3, 3], ["a", "a", "a", "b", "b", "b"])
    got = labels.read(frame, UTM, shape=SHAPE, least=1)
    assert got.row.tolist() == [3, 5, 6]
    assert got.dropped == {"pixels with two different labels": 1}


def test_a_class_with_one_label_is_left_out_and_named():
    got = labels.read(points([1, 2, 3, 4, 5], [1] * 5, ["a", "a", "b", "b", "lonely"]), UTM, shape=SHAPE)
    assert got.names == ["a", "b"]
    assert any("lonely" in n for n in got.notes)
    assert got.dropped["of classes with too few labels"] == 1


@pytest.mark.parametrize("values", [["a", "a", "a"], ["a", "a", "b"]])
def test_fewer_than_two_classes_are_refused(values):
    with pytest.raises(LabelError, match="two classes"):
        labels.read(points([1, 2, 3], [1, 1, 1], values), UTM, shape=SHAPE)


def test_integers_keep_their_codes_and_names_get_numbers():
    got = labels.read(points([1, 2, 3, 4], [1] * 4, [111, 111, 523, 523], name="code"), UTM, shape=SHAPE)
    assert (got.names, got.codes) == (["111", "523"], [111, 523])
    assert got.raster().dtype == np.uint16
    text = labels.read(points([1, 2, 3, 4], [1] * 4, ["7", "7", "9", "9"]), UTM, shape=SHAPE)
    assert text.codes == [7, 9]


def test_codes_that_do_not_fit_are_numbered_and_it_is_said():
    got = labels.read(points([1, 2, 3, 4], [1] * 4, [0, 0, 5, 5]), UTM, shape=SHAPE)
    assert (got.names, got.codes) == (["0", "5"], [6, 5])
    assert any("0 means no data" in n for n in got.notes)
    big = labels.read(points([1, 2, 3, 4], [1] * 4, [3_301_000_000, 3_301_000_000, 70_000, 70_000]), UTM, shape=SHAPE)
    assert (big.names, big.codes) == (["70000", "3301000000"], [1, 2])


def test_fractions_are_numbers_and_kind_decides_otherwise():
    frame = points([1, 2, 3, 4], [1] * 4, [0.5, 1.5, 2.5, 2.5])
    got = labels.read(frame, UTM, shape=SHAPE)
    assert (got.kind, got.value.tolist(), got.names) == ("number", [0.5, 1.5, 2.5, 2.5], [])
    assert any("--kind class" in n for n in got.notes)
    whole = points([1, 2, 3, 4], [1] * 4, [1, 1, 2, 2])
    assert labels.read(whole, UTM, shape=SHAPE, kind="number").kind == "number"
    with pytest.raises(LabelError, match="needs numbers"):
        labels.read(points(*FOUR), UTM, shape=SHAPE, kind="number")


def test_many_distinct_integers_are_a_number():
    n = 200
    got = labels.read(points(np.arange(n) // 60, np.arange(n) % 60, list(range(n))), UTM, shape=SHAPE)
    assert got.kind == "number"


def test_numbers_on_one_pixel_are_averaged():
    got = labels.read(points([1, 1, 2, 3], [1] * 4, [1.5, 2.5, 7.25, 8.25]), UTM, shape=SHAPE)
    assert got.value.tolist() == [2.0, 7.25, 8.25]


def test_the_label_column_is_found_or_asked_for():
    frame = points(*FOUR).assign(other=1).rename(columns={"label": "kind_of_thing"})
    with pytest.raises(LabelError, match="kind_of_thing, other"):
        labels.read(frame, UTM, shape=SHAPE)
    assert labels.read(frame, UTM, shape=SHAPE, column="KIND_OF_THING").names == ["field", "wood"]
    with pytest.raises(LabelError, match="--column"):
        labels.read(frame, UTM, shape=SHAPE, column="nothing")
    assert labels.read(frame.drop(columns="other").assign(fid=3), UTM, shape=SHAPE).label_column == "kind_of_thing"


def test_only_the_asked_classes_are_kept():
    frame = points([1, 2, 3, 4, 5, 6], [1] * 6, ["a", "a", "b", "b", "c", "c"])
    got = labels.read(frame, UTM, shape=SHAPE, classes=["a", "c"])
    assert (got.names, got.codes) == (["a", "c"], [1, 3])
    assert got.dropped == {"of classes not asked for": 2}
    with pytest.raises(LabelError, match="the labels have a, b, c"):
        labels.read(frame, UTM, shape=SHAPE, classes=["z"])


def test_rows_without_a_label_are_counted():
    got = labels.read(points([1, 2, 3, 4, 5], [1] * 5, ["a", "a", "b", "b", None]), UTM, shape=SHAPE)
    assert got.dropped == {"without a label": 1}


def square(row, column, height, width):
    """A rectangle in UTM over whole pixels."""
    left, top = UTM.affine * (column, row)
    right, bottom = UTM.affine * (column + width, row + height)
    return shapely.box(left, bottom, right, top)


def test_polygons_hold_the_pixels_whose_centre_is_inside():
    frame = gpd.GeoDataFrame(
        {"label": ["a", "b"]}, geometry=[square(2, 3, 4, 5), square(20.4, 30.6, 2, 2)], crs=UTM.crs.to_wkt()
    )
    got = labels.read(frame, UTM, shape=SHAPE)
    assert got.support == {"a": (20, 1), "b": (4, 1)}
    b = got.value == 1
    assert (sorted(set(got.row[b])), sorted(set(got.column[b]))) == ([20, 21], [31, 32])
    assert got.form == "polygons"
    assert set(got.thing) == {0, 1}


@given(
    st.lists(st.sampled_from([i / 2 for i in range(1, 80)]), min_size=1, max_size=6, unique=True),
    st.lists(st.sampled_from([i / 2 for i in range(1, 80)]), min_size=1, max_size=6, unique=True),
)
def test_touching_polygons_share_no_pixel_and_miss_none(xs, ys):
    """A mosaic cut at half pixels, so that edges run through pixel centres: each pixel belongs to one cell."""
    xs, ys = [0.0, *sorted(xs), 40.0], [0.0, *sorted(ys), 40.0]
    cells = [shapely.box(a, c, b, d) for a, b in itertools.pairwise(xs) for c, d in itertools.pairwise(ys)]
    got = burn.burn(np.array(cells, object), np.arange(len(cells), dtype=float), (40, 40), numbers=False)
    assert got.conflicts == 0
    assert len(got.row) == 1600


def test_overlapping_polygons_of_two_classes_lose_the_overlap():
    shapes = [square(0, 0, 10, 10), square(5, 5, 10, 10), square(7, 7, 2, 2)]
    frame = gpd.GeoDataFrame({"label": ["a", "b", "a"]}, geometry=shapes, crs=UTM.crs.to_wkt())
    got = labels.read(frame, UTM, shape=SHAPE)
    assert got.support == {"a": (75, 1), "b": (75, 1)}
    assert got.dropped == {"pixels with two different labels": 25}


def test_windows_do_not_change_what_is_burnt(monkeypatch):
    g = np.random.default_rng(0)
    shapes = np.array([shapely.Point(g.uniform(0, 90, 2)).buffer(g.uniform(1, 20)) for _ in range(25)], object)
    values = np.arange(25) % 3.0
    whole = burn.burn(shapes, values, (80, 90), numbers=False)
    monkeypatch.setattr(burn, "WINDOW", 17)
    cut = burn.burn(shapes, values, (80, 90), numbers=False)
    assert (whole.row == cut.row).all()
    assert (whole.column == cut.column).all()
    assert (whole.value == cut.value).all()
    assert whole.conflicts == cut.conflicts > 0


@given(st.integers(0, 1000))
def test_burning_agrees_with_point_in_polygon(seed):
    g = np.random.default_rng(seed)
    ring = shapely.Polygon(g.uniform(0, 30, (5, 2))).buffer(0)
    if ring.is_empty:
        return
    got = burn.burn(np.array([ring], object), np.zeros(1), (30, 30), numbers=False)
    y, x = np.mgrid[0:30, 0:30] + 0.5
    inside = shapely.contains_xy(ring, x, y)
    drawn = np.zeros((30, 30), bool)
    drawn[got.row, got.column] = True
    assert (drawn == inside).all()


def test_invalid_polygons_are_mended_and_counted():
    bow = shapely.Polygon([UTM.affine * p for p in [(2, 2), (12, 12), (12, 2), (2, 12)]])
    frame = gpd.GeoDataFrame({"label": ["a", "b"]}, geometry=[bow, square(20, 20, 5, 5)], crs=UTM.crs.to_wkt())
    got = labels.read(frame, UTM, shape=SHAPE)
    assert any("1 invalid geometries mended" in n for n in got.notes)
    assert got.support["a"][0] > 30


def test_empty_geometries_are_counted():
    frame = points(*FOUR)
    frame.loc[4] = ["wood", shapely.Point()]
    frame.loc[5] = ["wood", None]
    assert labels.read(frame, UTM, shape=SHAPE).dropped == {"empty geometry": 2}


def test_a_rotated_grid_is_understood():
    turned = GeoBox(
        SHAPE, Affine.translation(500_000, 5_000_000) * Affine.rotation(30) * Affine.scale(10, -10), "EPSG:32633"
    )
    xy = [turned.affine * (c + 0.5, r + 0.5) for r, c in zip(FOUR[0], FOUR[1], strict=True)]
    frame = gpd.GeoDataFrame({"label": FOUR[2]}, geometry=[shapely.Point(p) for p in xy], crs=32633)
    got = labels.read(frame, turned, shape=SHAPE)
    assert (got.row.tolist(), got.column.tolist()) == (FOUR[0], FOUR[1])


def test_labels_across_the_180th_meridian_find_their_pixels():
    grid = GeoBox((20, 20), Affine(0.1, 0, 179.0, 0, -0.1, 1.0), "EPSG:4326")
    frame = gpd.GeoDataFrame(
        {"label": list("aabb")}, geometry=gpd.points_from_xy([179.05, 179.45, -179.95, -179.05], [0.5] * 4), crs=4326
    )
    assert labels.read(frame, grid, shape=(20, 20)).column.tolist() == [0, 4, 10, 19]


def test_a_scene_without_crs_takes_pixel_coordinates(tmp_path):
    text = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"label": n},
                "geometry": {"type": "Point", "coordinates": [c + 0.5, r + 0.5]},
            }
            for r, c, n in zip(*FOUR, strict=True)
        ],
    }
    (tmp_path / "l.geojson").write_text(json.dumps(text))
    got = labels.read(tmp_path / "l.geojson", None, shape=SHAPE)
    assert (got.row.tolist(), got.column.tolist()) == (FOUR[0], FOUR[1])
    assert "pixel coordinates" in got.crs_note
    pd.DataFrame({"row": FOUR[0], "column": FOUR[1], "label": FOUR[2]}).to_csv(tmp_path / "t.csv", index=False)
    assert labels.read(tmp_path / "t.csv", None, shape=SHAPE).row.tolist() == FOUR[0]
    with pytest.raises(GridError, match="pixel coordinates"):
        labels.read(points(*FOUR), None, shape=SHAPE)


def test_arrays_are_labels_too():
    got = labels.read((FOUR[0], FOUR[1], FOUR[2]), None, shape=SHAPE)
    assert (got.row.tolist(), got.names) == (FOUR[0], ["field", "wood"])
    mask = np.zeros(SHAPE, np.uint8)
    mask[1, 2:6] = [1, 1, 4, 4]
    got = labels.read(mask, None, shape=SHAPE)
    assert (got.codes, got.column.tolist()) == ([1, 4], [2, 3, 4, 5])
    assert (got.raster() == mask).all()
    with pytest.raises(GridError, match="the scene has"):
        labels.read(mask[1:], None, shape=SHAPE)


def written(path, values, transform, crs, nodata=None):
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype,
        transform=transform, crs=crs, nodata=nodata,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


def test_a_mask_of_the_same_grid_is_read_as_it_is(tmp_path):
    g = np.random.default_rng(0)
    mask = g.integers(0, 5, SHAPE).astype(np.uint8)
    path = written(tmp_path / "m.tif", mask, UTM.affine, "EPSG:32633", nodata=4)
    got = labels.read(path, UTM, shape=SHAPE)
    assert got.codes == [1, 2, 3]
    assert (got.raster() == np.where(mask == 4, 0, mask)).all()


def test_a_finer_mask_gives_the_class_of_most_of_the_pixel(tmp_path):
    g = np.random.default_rng(0)
    mask = g.integers(1, 4, SHAPE).astype(np.uint8)
    fine = written(
        tmp_path / "m.tif", np.kron(mask, np.ones((5, 5), np.uint8)), UTM.affine * Affine.scale(0.2), "EPSG:32633"
    )
    got = labels.read(fine, UTM, shape=SHAPE)
    assert (got.raster() == mask).all()
    assert "mode" in got.crs_note


def test_a_mask_in_another_crs_is_brought_over(tmp_path):
    mask = np.ones((40, 40), np.uint8)
    mask[:, 20:] = 2
    lon, lat = 14.998, 45.156
    there = written(tmp_path / "m.tif", mask, Affine(0.0003, 0, lon, 0, -0.0003, lat), "EPSG:4326")
    got = labels.read(there, UTM, shape=SHAPE)
    assert got.codes == [1, 2]
    assert "EPSG:4326" in got.crs_note


def test_land_0_and_water_1_are_two_classes(tmp_path):
    mask = np.zeros(SHAPE, np.int16)
    mask[:10], mask[20:22] = 1, -1
    got = labels.read(written(tmp_path / "m.tif", mask, UTM.affine, "EPSG:32633"), UTM, shape=SHAPE)
    assert got.names == ["0", "1"]
    assert got.codes == [2, 1]
    assert any("0 is a class" in n for n in got.notes)
    named = labels.read(tmp_path / "m.tif", UTM, shape=SHAPE, classes={0: "land", 1: "water"})
    assert named.names == ["land", "water"]


def test_a_float_mask_is_a_number_and_its_filler_is_seen(tmp_path):
    values = np.full(SHAPE, -1, np.float32)
    values[5, 5:9] = [1.2, 3.4, 5.6, 7.8]
    got = labels.read(written(tmp_path / "m.tif", values, UTM.affine, "EPSG:32633", nodata=-9999), UTM, shape=SHAPE)
    assert (got.kind, len(got)) == ("number", 4)
    assert any("-1 fills" in n for n in got.notes)


def test_a_mask_elsewhere_is_refused(tmp_path):
    there = written(tmp_path / "m.tif", np.ones((5, 5), np.uint8), Affine(1, 0, 0, 0, -1, 0), "EPSG:32633")
    with pytest.raises(LabelError, match="same place"):
        labels.read(there, UTM, shape=SHAPE)


def test_thinning_is_a_function_of_place_and_seed():
    rows, columns = np.mgrid[0:50, 0:60]
    values = (rows + columns).ravel() % 3
    whole = labels.read((rows.ravel(), columns.ravel(), values), None, shape=SHAPE)
    thin = whole.thin(7, seed=1)
    assert [n for n, _ in thin.support.values()] == [7, 7, 7]
    other = np.random.default_rng(0).permutation(3000)
    again = labels.read(
        (rows.ravel()[other], columns.ravel()[other], values[other]), None, shape=SHAPE, per_class=7, seed=1
    )
    assert (again.row == thin.row).all()
    assert (again.column == thin.column).all()
    assert (whole.thin(7, seed=2).row != thin.row).any()


def test_times_and_scores_travel_along():
    frame = points(*FOUR).assign(date=["2020-01-01", "2020-02-01", None, "2020-03-01"], score=[0.5, 1.0, 1.0, 0.2])
    got = labels.read(frame, UTM, shape=SHAPE)
    assert got.score.tolist() == [0.5, 1.0, 1.0, 0.2]
    assert got.time[0] == np.datetime64("2020-01-01")
    assert np.isnat(got.time[2])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.geojson", b""),
        ("a.geojson", b"{"),
        ("a.geojson", b"[" * 100_000),
        ("a.geojson", b'{"type":"FeatureCollection","features":[]}'),
        ("a.gpkg", b"SQLite format 3\x00" + b"\x00" * 200),
        ("a.csv", b"\x00\xff\xfe,,\n1,2"),
        ("a.csv", b"label\na\nb\n"),
        ("a.csv", b"lon,lat,label\nx,y,a\n"),
        ("a.tif", b"II*\x00garbage"),
        ("a.npy", b"\x93NUMPY"),
        ("a.xyz", b"hello"),
    ],
)
def test_damaged_files_end_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises((LabelError, FormatError)) as error:
        labels.read(tmp_path / name, UTM, shape=SHAPE)
    assert "\n" not in str(error.value)


def test_a_pickled_array_is_refused(tmp_path):
    np.save(tmp_path / "m.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(FormatError, match="no objects"):
        labels.read(tmp_path / "m.npy", UTM, shape=SHAPE)


def test_a_missing_file_is_said():
    with pytest.raises(FormatError, match="nothing at"):
        labels.read("/nowhere/labels.gpkg", UTM, shape=SHAPE)


def test_a_file_with_two_layers_asks_which(tmp_path):
    points(*FOUR).to_file(tmp_path / "l.gpkg", layer="one")
    points(*FOUR).to_file(tmp_path / "l.gpkg", layer="two")
    with pytest.raises(LabelError, match="one, two"):
        labels.read(tmp_path / "l.gpkg", UTM, shape=SHAPE)
    assert len(labels.read(f"{tmp_path / 'l.gpkg'}#two", UTM, shape=SHAPE)) == 4


def test_deep_and_huge_json_is_refused_before_parsing(tmp_path, monkeypatch):
    (tmp_path / "a.geojson").write_text('{"a":' * 60 + "1" + "}" * 60)
    with pytest.raises(FormatError, match="levels"):
        labels.read(tmp_path / "a.geojson", UTM, shape=SHAPE)
    points(*FOUR, crs="EPSG:4326").to_file(tmp_path / "b.geojson")
    monkeypatch.setattr(vector, "MOST_BYTES", 10)
    with pytest.raises(FormatError, match="GPKG"):
        labels.read(tmp_path / "b.geojson", UTM, shape=SHAPE)


def test_the_real_sets_are_understood(shared):
    with rasterio.open(shared / "hls_l30_texas" / "hls_l30.tif") as s:
        grid = GeoBox(s.shape, s.transform, s.crs.to_wkt())
    got = labels.read(shared / "hls_l30_texas" / "label.tif", grid, shape=grid.shape)
    assert (got.kind, len(got)) == ("number", 246)
    with rasterio.open(shared / "sits_modis" / "cube" / "TERRA_MODIS_012010_NDVI_2013-09-14.tif") as s:
        grid = GeoBox(s.shape, s.transform, s.crs.to_wkt())
    got = labels.read(shared / "sits_modis" / "samples_sinop_crop.csv", grid, shape=grid.shape)
    assert {n: p for n, (p, _) in got.support.items()} == {"Cerrado": 3, "Forest": 3, "Pasture": 4, "Soy_Corn": 8}
    with pytest.raises(LabelError, match="--column LULC_NAME"):
        labels.read(shared / "eopatch" / "TestEOPatch" / "vector_timeless" / "LULC.gpkg", grid, shape=grid.shape)


def test_class_names_in_the_tags_of_a_mask_are_its_names(tmp_path):
    mask = np.zeros(SHAPE, np.uint8)
    mask[:5], mask[5:9] = 3, 7
    path = written(tmp_path / "m.tif", mask, UTM.affine, "EPSG:32633")
    with rasterio.open(path, "r+") as file:
        file.update_tags(class_3="wood", class_7="field")
    got = labels.read(path, UTM, shape=SHAPE)
    assert (got.names, got.codes) == (["wood", "field"], [3, 7])
    assert labels.read(path, UTM, shape=SHAPE, classes=["wood", "7"]).names == ["wood", "field"]


def test_a_huge_mask_is_thinned_evenly_and_its_rare_class_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(mask, "MOST", 500)
    monkeypatch.setattr(mask, "RARE", 10)
    monkeypatch.setattr(mask, "STRIP", 7)
    values = np.ones(SHAPE, np.uint8)
    values[:, 30:], values[0, :5] = 2, 3
    path = written(tmp_path / "m.tif", values, UTM.affine, "EPSG:32633")
    got = labels.read(path, UTM, shape=SHAPE)
    assert 380 < len(got) < 620
    assert got.support["3"][0] == 5
    assert got.support["1"][0] == pytest.approx(got.support["2"][0], rel=0.3)
    assert any("3,000 labelled pixels" in n for n in got.notes)
    monkeypatch.setattr(mask, "STRIP", 1024)
    again = labels.read(path, UTM, shape=SHAPE)
    assert (again.row == got.row).all()
    assert (again.column == got.column).all()


def test_a_mask_of_numbers_may_hold_zero(tmp_path):
    values = np.arange(SHAPE[0] * SHAPE[1], dtype=np.int16).reshape(SHAPE) % 400
    path = written(tmp_path / "m.tif", values, UTM.affine, "EPSG:32633")
    got = labels.read(path, UTM, shape=SHAPE, kind="number")
    assert got.value.min() == 0
    assert len(got) == 3000


def test_classes_stored_as_floats_are_classes_when_asked_for(tmp_path):
    values = np.zeros(SHAPE, np.float32)
    values[:3], values[5:9], values[20] = 2, 5, np.nan
    path = written(tmp_path / "m.tif", values, UTM.affine, "EPSG:32633")
    assert labels.read(path, UTM, shape=SHAPE, kind="class").codes == [2, 5]
