from __future__ import annotations

import json
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely

import swath
from swath.cube import contract
from swath.cube.blocks import Layer
from swath.cube.save import save, save_array
from swath.datasets import toy
from swath.errors import FormatError, GridError, LabelError, OutputError, SwathError
from swath.geometry.shift import shift

SIZE = 96


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A made place before and after woods were cut and town was built: scenes, class maps, truth, labels of both kinds."""
    folder = tmp_path_factory.mktemp("pair")
    place = toy.world(5, SIZE)
    later = toy.build(toy.cut(place, "2020-06-01", share=0.3, seed=3), "2020-06-02", share=0.1, seed=4)
    one, first = toy.view(place, "sentinel-2a-l2a", ["2019-07-10"], cloud=0, seed=1)
    two, second = toy.view(later, "sentinel-2a-l2a", ["2021-07-18"], cloud=0, seed=2)
    save(one, folder / "a.tif")
    save(two, folder / "b.tif")
    a, b, names = first.classes[0], second.classes[0], first.names
    grid = contract.grid(one)
    save_array((a != b).astype(np.uint8), folder / "truth.tif", grid=grid, layer=Layer("truth", "uint8", None, ("t",)))
    for name, values in (("ca", a), ("cb", b)):
        legend = {i + 1: n for i, n in enumerate(names)}
        layer = Layer(name, "uint8", 0, ("class",), classes=legend)
        save_array((values + 1).astype(np.uint8), folder / f"{name}.tif", grid=grid, layer=layer)
    rng = np.random.default_rng(0)
    at = rng.integers(0, SIZE, (150, 2))
    frame(grid, at, label=[names[a[r, c]] for r, c in at]).to_file(folder / "labels.gpkg")
    ch, un = (np.argwhere(m) for m in (a != b, a == b))
    at = np.concatenate([ch[rng.choice(len(ch), 60, replace=False)], un[rng.choice(len(un), 90, replace=False)]])
    frame(grid, at, label=["change" if a[r, c] != b[r, c] else "no change" for r, c in at]).to_file(
        folder / "pairs.gpkg"
    )
    (folder / "share.json").write_text(json.dumps(float((a != b).mean())))
    return folder


def frame(grid, at, **columns):
    points = [shapely.Point(grid.affine @ (c + 0.5, r + 0.5)) for r, c in at]
    return gpd.GeoDataFrame(columns, geometry=points, crs=grid.crs.to_wkt())


def codes(folder):
    with rasterio.open(folder / "change.tif") as file:
        return file.read(1)


def test_without_labels_change_is_found_and_everything_is_written(made, tmp_path):
    got = swath.change([str(made / "a.tif"), str(made / "b.tif")], out=tmp_path, truth=made / "truth.tif")
    truth = json.loads((made / "share.json").read_text())
    assert got.changed.low <= truth * got.changed.n <= got.changed.high
    assert got.changed.unit == "ha"
    assert got.scores["recall"].value > 0.8
    assert got.changed.simulated
    wanted = {
        "change.json", "change.qml", "change.tif", "doubt.tif", "objects.gpkg", "probability.tif", "report.html",
        "run.json", "transitions.csv", "transitions.json",
    }  # fmt: skip
    assert wanted <= set(got.files)
    things = gpd.read_file(tmp_path / "objects.gpkg")
    assert (things["area_low"] <= things["area"]).all()
    assert (things["area"] <= things["area_high"]).all()
    assert things["area"].sum() <= (codes(tmp_path) == 2).sum() / 100 + 1e-6
    page = (tmp_path / "report.html").read_text()
    assert "Simulated" in page
    assert "pixels down" in page
    assert all(t in str(got) for t in ("changed:", "shift:", "F1 of change"))
    with rasterio.open(tmp_path / "change.tif") as file:
        assert file.tags()["class_1"] == "no change"
        assert file.nodata == 0


def test_the_same_run_again_gives_the_same_bytes(made, tmp_path):
    swath.change([str(made / "a.tif"), str(made / "b.tif")], out=tmp_path / "one", truth=made / "truth.tif")
    got = swath.again(tmp_path / "one", out=tmp_path / "two")
    assert not got.different
    assert "report.html" in got.same


def test_a_date_against_itself_changes_nowhere(made, tmp_path):
    got = swath.change([str(made / "a.tif"), str(made / "a.tif")], out=tmp_path, truth=made / "truth.tif")
    assert got.objects == 0
    assert got.changed.value == 0.0
    assert set(np.unique(codes(tmp_path))) == {1}


@pytest.mark.slow
def test_swapped_dates_find_about_the_same_places(made, tmp_path):
    for name, order in (("ab", "ab"), ("ba", "ba")):
        swath.change([str(made / f"{side}.tif") for side in order], out=tmp_path / name)
    first, second = (codes(tmp_path / n) == 2 for n in ("ab", "ba"))
    assert (first & second).sum() / (first | second).sum() > 0.8


def test_a_shift_is_told_and_taken_back(made, tmp_path):
    import xarray as xr

    cube = swath.open(str(made / "b.tif"))
    moved = xr.DataArray(
        shift(np.asarray(cube.values), 1.5, -0.8), dims=cube.dims, coords=cube.coords, attrs=cube.attrs
    )
    plain = swath.change([made / "a.tif", moved], out=tmp_path / "plain", truth=made / "truth.tif")
    mended = swath.change([made / "a.tif", moved], out=tmp_path / "mended", truth=made / "truth.tif", register=True)
    told = json.loads((tmp_path / "plain" / "change.json").read_text())["shift"]
    assert abs(told["dy"] + 1.5) < 0.3
    assert abs(told["dx"] - 0.8) < 0.3
    assert mended.scores["F1 of change"].value > plain.scores["F1 of change"].value
    assert any("--register" in s for s in plain.shift)
    assert any("corrected" in s for s in mended.shift)


def test_labels_of_one_date_tell_from_what_to_what(made, tmp_path):
    scenes = [str(made / "a.tif"), str(made / "b.tif")]
    got = swath.change(scenes, out=tmp_path, labels=str(made / "labels.gpkg"), fast=True, truth=made / "truth.tif")
    assert got.scores["F1 of change"].value > 0.5
    assert {"before.tif", "after.tif", "model"} <= set(got.files)
    with rasterio.open(tmp_path / "before.tif") as before, rasterio.open(tmp_path / "after.tif") as after:
        differ = before.read(1) != after.read(1)
    assert (differ == (codes(tmp_path) > 1)).all()
    record = json.loads((tmp_path / "transitions.json").read_text())
    matrix = np.array(record["matrix"]["areas"])
    assert matrix.sum() == pytest.approx(SIZE**2 / 100)
    row = record["transitions"][0]
    names = record["matrix"]["classes"]
    assert matrix[names.index(row["from"]), names.index(row["to"])] == pytest.approx(row["mapped"])


def test_labels_of_pairs_teach_change(made, tmp_path):
    scenes = [str(made / "a.tif"), str(made / "b.tif")]
    got = swath.change(scenes, out=tmp_path, pairs=str(made / "pairs.gpkg"), fast=True, truth=made / "truth.tif")
    assert got.scores["F1 of change"].value > 0.85
    truth = json.loads((made / "share.json").read_text()) * SIZE**2 / 100
    assert got.changed.value == pytest.approx(truth, rel=0.25)
    with rasterio.open(tmp_path / "doubt.tif") as file:
        assert file.descriptions == ("undecided", "shift", "outside")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["labels", "pairs"])
def test_a_kept_model_tells_the_same_again(made, tmp_path, way):
    scenes = [str(made / "a.tif"), str(made / "b.tif")]
    swath.change(scenes, out=tmp_path, **{way: str(made / f"{way}.gpkg")}, fast=True)
    swath.change(scenes, out=tmp_path / "again", model=tmp_path / "model")
    assert (codes(tmp_path / "again") == codes(tmp_path)).mean() > 0.999
    got = swath.again(tmp_path, out=tmp_path / "twice")
    assert not got.different


def test_two_class_maps_are_compared_as_they_are(made, tmp_path):
    maps = [str(made / "ca.tif"), str(made / "cb.tif")]
    got = swath.change(maps, out=tmp_path / "x", truth=made / "truth.tif")
    assert got.scores["F1 of change"].value == 1.0
    assert got.changed.value == pytest.approx(json.loads((made / "share.json").read_text()) * SIZE**2 / 100)
    assert "reference sample" in got.changed.reason
    same = swath.change([maps[0], maps[0]], out=tmp_path / "same")
    assert same.changed.value == 0.0
    with pytest.raises(FormatError, match="class map"):
        swath.change([maps[0], str(made / "b.tif")], out=tmp_path / "y")


def test_a_drawn_sample_gives_design_based_areas(made, tmp_path):
    scenes = [str(made / "a.tif"), str(made / "b.tif")]
    swath.change(scenes, out=tmp_path / "first")
    drawn = swath.sample(tmp_path / "first" / "change.tif", size=120, out=tmp_path / "points.gpkg", seed=1)
    points = gpd.read_file(tmp_path / "points.gpkg")
    with rasterio.open(made / "truth.tif") as file:
        at = np.array(list(file.sample([(p.x, p.y) for p in points.geometry])))[:, 0]
    points["label"] = np.where(at > 0, "change", "no change")
    points.to_file(tmp_path / "points.gpkg")
    got = swath.change(scenes, out=tmp_path / "second", truth=tmp_path / "points.gpkg")
    truth = json.loads((made / "share.json").read_text()) * SIZE**2 / 100
    assert "sample" in got.changed.method
    assert got.changed.low <= truth <= got.changed.high
    assert drawn is not None


def test_an_index_rises_or_falls_with_an_interval(made, tmp_path):
    got = swath.change([str(made / "a.tif"), str(made / "b.tif")], out=tmp_path, index="NDVI")
    with rasterio.open(tmp_path / "difference.tif") as file:
        d, low, high = file.read()
        assert file.descriptions == ("difference", "low", "high")
    assert (low <= d).all()
    assert (d <= high).all()
    assert ((codes(tmp_path) == 2) == (high < 0)).all()
    assert got.scores["mean difference"].n == SIZE**2
    assert {t["kind"] for t in got.transitions} == {"decrease", "increase"}


def test_flags_on_either_date_leave_no_answer(made, tmp_path):
    cube = swath.open(str(made / "a.tif"))
    dims = tuple(d for d in ("time", "y", "x") if d in cube.dims)
    flag = np.zeros([cube.sizes[d] for d in dims], np.uint8)
    flag[..., :20, :] = contract.FLAGS["cloud"]
    clouded = cube.assign_coords(flag=(dims, flag))
    got = swath.change([clouded, str(made / "b.tif")], out=tmp_path)
    assert (codes(tmp_path)[:20] == 0).all()
    assert (codes(tmp_path)[20:] > 0).all()
    assert got.missing == pytest.approx(20 / SIZE)
    assert "no answer" in str(got)


def test_other_resolution_and_crs_are_brought_together_and_said(made, tmp_path):
    coarse = tmp_path / "coarse.tif"
    from swath.cube.align import align

    cube = align({"b": swath.open(str(made / "b.tif"))}, gsd=20)["b"]
    save(cube, coarse)
    got = swath.change([str(made / "a.tif"), str(coarse)], out=tmp_path / "out")
    assert codes(tmp_path / "out").shape == (SIZE // 2, SIZE // 2)
    assert any("compared at 20 m" in n for n in got.notes)


def test_what_is_no_pair_is_refused_in_one_line(made, tmp_path):
    a, b = str(made / "a.tif"), str(made / "b.tif")
    far = swath.open(a)
    far = far.assign_coords(x=far.x + 1e6)
    attrs = {**far.spatial_ref.attrs, "GeoTransform": far.spatial_ref.attrs["GeoTransform"].replace("4", "5", 1)}
    far = far.assign_coords(spatial_ref=far.spatial_ref.assign_attrs(attrs))
    bare = [np.zeros((3, n, 40), np.uint8) for n in (40, 50)]
    cubes = [contract.make(v, bands=["1", "2", "3"], geobox=None) for v in bare]
    cases = [
        ([a, b, a], {}, SwathError, "3 scenes"),
        ([a], {}, SwathError, "two dates"),
        ([a, far], {}, GridError, "do not overlap"),
        (cubes, {}, GridError, "one shape"),
        ([a, b], {"labels": "x.gpkg", "index": "NDVI"}, SwathError, "one way"),
        ([a, b], {"network": "schanger"}, SwathError, "learns from labels"),
        ([a, b], {"false_alarms": 0.9}, LabelError, "false-alarm rate"),
        ([a, b], {"model": str(made)}, FormatError, "earlier change"),
        ([a, b], {"at": ["2019-07-10"]}, SwathError, "--at"),
    ]
    for scenes, options, kind, text in cases:
        with pytest.raises(kind, match=text) as caught:
            swath.change(scenes, out=tmp_path / "none", **options)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        swath.change([a, b], out=tmp_path / "file")


def test_two_dates_of_a_stack_are_chosen_by_name(tmp_path):
    place = toy.cut(toy.world(9, 64), "2020-01-01", share=0.5)
    stack, _ = toy.view(place, "sentinel-2a-l2a", ["2019-07-01", "2020-07-01", "2021-07-01"], cloud=0)
    with pytest.raises(SwathError, match="3 dates"):
        swath.change([stack], out=tmp_path)
    got = swath.change([stack], out=tmp_path, at=["2019-07-01", "2021-07-01"])
    assert got.changed.value > 0


def test_places_without_georeference_have_areas_in_pixels(made, tmp_path):
    values = [np.asarray(swath.open(str(made / f"{n}.tif")).values).reshape(-1, SIZE, SIZE)[:3] for n in "ab"]
    cubes = [contract.make((1000 * v).astype(np.uint8), bands=["1", "2", "3"], geobox=None) for v in values]
    got = swath.change(cubes, out=tmp_path)
    assert got.changed.unit == "pixel"
    assert len(gpd.read_file(tmp_path / "objects.gpkg")) == got.objects


def test_units_of_result_survive_json(made, tmp_path):
    got = swath.change([str(made / "a.tif"), str(made / "b.tif")], out=tmp_path)
    text = json.dumps(got.to_json(), allow_nan=False)
    assert json.loads(text)["changed"]["unit"] == "ha"
    assert "<pre>" in got._repr_html_()
    assert replace(got, failed=2).exit_code == 3
