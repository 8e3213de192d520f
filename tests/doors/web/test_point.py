"""Clicks: values in physical units, the class mapped there, its spread, the series, chips and still pictures."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swath.doors.web.layers import Raster


@pytest.fixture
def scene(door: Any) -> Any:
    return door.session.scenes.open([door.folder / "field.tif"], trusted=True)


def lay_map(door: Any, scene: Any) -> None:
    """A map of two halves, its probabilities and its doubt."""
    import rasterio

    box = scene.view.geobox
    profile = {"driver": "GTiff", "height": 64, "width": 64, "crs": box.crs.to_wkt(), "transform": box.affine}
    half = np.where(np.arange(64)[None] < 32, 1, 2).astype(np.uint8).repeat(64, 0)
    half[:4] = 0
    share = np.stack([np.where(half == 1, 200, 50), np.where(half == 1, 50, 200)]).astype(np.uint8)
    doubt = np.stack([np.ones((64, 64), np.uint8), np.zeros((64, 64), np.uint8)])
    doubt[0, :, 30:34] = 2
    for name, values, names in (
        ("classes", half[None], ["class"]),
        ("probability", share, ["water", "wood"]),
        ("doubt", doubt, ["set_size", "outside"]),
    ):
        path = door.folder / f"{name}.tif"
        nodata = 0 if name == "classes" else 255
        with rasterio.open(path, "w", count=len(values), dtype="uint8", nodata=nodata, **profile) as out:
            out.write(values)
            out.descriptions = names
            if name == "probability":
                out.scales = (0.004, 0.004)
        colours = {1: ("water", "#4676C6"), 2: ("wood", "#00520E")} if name == "classes" else {}
        door.session.layers.add(f"m1.{name}", Raster(path, name, name, scene.id, colours=colours))


def test_a_pixel_tells_its_physical_values(door: Any, scene: Any) -> None:
    import swath

    cube = swath.open(door.folder / "field.tif").values.squeeze()
    found = door.get("/api/point", scene=scene.id, col=10.7, row=20.2).json()
    assert [v["value"] for v in found["values"]] == pytest.approx(cube[:, 20, 10].tolist(), rel=1e-5)
    assert [v["nm"] for v in found["values"]] == [490, 560, 665, 842]
    assert [v["name"] for v in found["values"]][3] == "near infrared"
    assert (found["col"], found["row"], found["x"], found["y"]) == (10.5, 20.5, 400105, 5199795)
    assert 13 < found["lon"] < 14
    assert found["valid"]
    assert found["class"] is None
    mean = door.get("/api/point", scene=scene.id, col=10.7, row=20.2, size=3).json()
    assert mean["values"][0]["value"] == pytest.approx(cube[0, 19:22, 9:12].mean(), rel=1e-5)


@pytest.mark.parametrize("query", [{"col": -1}, {"col": 64}, {"row": "nan"}, {"size": 5}, {"date": "2020-01-01"}])
def test_places_that_are_none_are_refused(door: Any, scene: Any, query: dict[str, Any]) -> None:
    answer = door.get("/api/point", **{"scene": scene.id, "col": 3, "row": 3, **query})
    assert answer.status_code in ((200,) if "date" in query else (400, 404))


def test_the_mapped_class_is_told_with_probabilities_doubt_and_spread(door: Any, scene: Any) -> None:
    lay_map(door, scene)
    values = scene.cube.values.squeeze()
    for _ in range(20):
        found = door.get("/api/point", scene=scene.id, col=10, row=20).json()
        if found["shade"]:
            break
        time.sleep(0.05)
    assert found["class"]["name"] == "water"
    assert found["class"]["map"] == 1
    assert found["class"]["probabilities"] == [{"name": "water", "p": 0.8}, {"name": "wood", "p": 0.2}]
    assert not found["class"]["doubt"]
    part = values[:, 4:, :32].reshape(4, -1)
    assert [s["low"] for s in found["shade"]] == pytest.approx((part.mean(1) - part.std(1, ddof=1)).tolist(), rel=1e-4)
    assert [s["nm"] for s in found["shade"]] == [490, 560, 665, 842]
    assert door.get("/api/point", scene=scene.id, col=31, row=20).json()["class"]["doubt"]
    assert door.get("/api/point", scene=scene.id, col=31, row=1).json()["class"] is None
    by_id = {one["id"]: one for one in found["layers"]}
    assert by_id["m1.classes"]["name"] == "water"
    assert by_id["m1.probability"]["value"] == pytest.approx(0.8)


def test_a_series_has_every_date_and_nothing_under_clouds(door: Any, shared: Path) -> None:
    path = shared / "eopatch" / "TestEOPatch"
    patch = door.session.scenes.open([path], trusted=True)
    cube = patch.cube.isel(band=0, y=33, x=50)
    found = door.get("/api/series", scene=patch.id, col=50, row=33, index="band-0").json()
    assert len(found["dates"]) == len(found["values"]) == 68
    flag = cube.coords["flag"].values == 0
    for value, clear, truth, good in zip(found["values"], found["clear"], cube.values, flag, strict=True):
        assert clear == (bool(good) and bool(np.isfinite(truth)))
        assert (value is None) == (not clear)
        assert value is None or value == pytest.approx(float(truth), rel=1e-4)


def test_a_series_tells_clouds_from_no_data_by_the_flags(door: Any) -> None:
    from odc.geo.geobox import GeoBox
    from rasterio.transform import from_origin

    from swath.cube import contract
    from swath.cube.save import save

    values = np.full((5, 1, 16, 16), 0.3, np.float32)
    values[2] = np.nan
    flag = np.zeros((5, 16, 16), np.uint8)
    for date, name in ((1, "cloud"), (2, "never_seen"), (3, "shadow")):
        flag[date] = contract.FLAGS[name]
    days = [np.datetime64(f"2021-0{m}-01", "ns") for m in range(1, 6)]
    cube = contract.make(
        values, bands=["nir"], geobox=GeoBox((16, 16), from_origin(4e5, 52e5, 10, 10), "EPSG:32633"), time=days,
        wavelength=[842.0], quantity="reflectance", units="1", flag=flag,
    )  # fmt: skip
    path = door.folder / "flagged.zarr"
    save(cube, path)
    scene = door.session.scenes.open([path], trusted=True)
    found = door.get("/api/series", scene=scene.id, col=5, row=5).json()
    assert found["states"] == ["seen", "cloud", "missing", "cloud", "seen"]
    assert [v is not None for v in found["values"]] == [s == "seen" for s in found["states"]]


def test_a_series_is_of_any_index_or_band_by_any_of_its_names(door: Any, scene: Any) -> None:
    for name in ("index-NDVI", "NDVI", "", "nir", "band-3"):
        assert door.get("/api/series", scene=scene.id, col=5, row=5, index=name).status_code == 200
    first = door.get("/api/series", scene=scene.id, col=5, row=5).json()
    red, nir = scene.cube.values.squeeze()[2:, 5, 5]
    assert first["values"][0] == pytest.approx(float((nir - red) / (nir + red)), rel=1e-4)
    assert (first["lo"], first["hi"]) == (-0.2, 1.0)
    assert door.get("/api/series", scene=scene.id, col=5, row=5, index="EVIL").status_code == 400


@pytest.mark.slow
def test_eighty_dates_come_in_time(door: Any, make_scene: Any, tmp_path: Path) -> None:
    days = np.arange("2020-01-01", "2021-12-01", dtype="datetime64[D]")[::8][:80]
    paths = [make_scene(door.folder / f"{d}.tif", side=256, date=str(d), seed=i) for i, d in enumerate(days)]
    scene = door.session.scenes.open(paths, trusted=True)
    assert len(scene.dates) == 80
    took = []
    for col in (5, 200):
        start = time.perf_counter()
        found = door.get("/api/series", scene=scene.id, col=col, row=9).json()
        took.append(time.perf_counter() - start)
        assert len(found["values"]) == 80
    assert min(took) < 2.0


def picture(answer: Any) -> np.ndarray:
    from PIL import Image

    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))


def test_a_chip_is_centred_on_its_place_and_clear_beside_the_scene(door: Any, scene: Any) -> None:
    found = picture(door.get("/api/chip", scene=scene.id, col=0, row=32, pixels=32, size=64))
    assert found.shape == (64, 64, 4)
    assert not found[:, :31, 3].any()
    assert found[:, 33:, 3].all()
    by_metres = picture(door.get("/api/chip", scene=scene.id, col=0, row=32, metres=320, size=64))
    assert np.array_equal(found, by_metres)
    assert door.get("/api/chip", scene=scene.id, col=0, row=32, size=9999).status_code == 400


def test_a_still_picture_lays_layers_over_one_another(door: Any, scene: Any) -> None:
    lay_map(door, scene)
    ask = {"scene": scene.id, "width": 64, "height": 64, "window": "0,64,0,64"}
    both = [{"id": scene.id, "show": "band-0"}, {"id": "m1.classes", "opacity": 1}]
    found = picture(door.get("/api/still", **ask, layers=json.dumps(both)))
    assert found[20, 10].tolist() == [0x46, 0x76, 0xC6, 255]
    half = [both[0], {"id": "m1.classes", "opacity": 0.5}]
    plain, mixed = (picture(door.get("/api/still", **ask, layers=json.dumps(v))) for v in (both[:1], half))
    wanted = (plain[20, 10, :3].astype(int) + np.array([0x46, 0x76, 0xC6])) / 2
    assert np.abs(mixed[20, 10, :3] - wanted).max() <= 1
    wider = picture(door.get("/api/still", **{**ask, "window": "-64,128,-64,128"}, layers=scene.id))
    assert not wider[:20, :, 3].any()
    assert wider[32, 32, 3] == 255


@pytest.mark.parametrize(
    "query",
    [{"window": "0,0,0,0"}, {"window": "a"}, {"width": 10**9}, {"layers": "[1]"}, {"layers": '[{"id":"s9"}]'},
     {"layers": '[{"id":"s1","opacity":7}]'}, {"width": 8000, "height": 8000}],
)  # fmt: skip
def test_pictures_that_cannot_be_are_refused(door: Any, scene: Any, query: dict[str, Any]) -> None:
    ask = {"scene": scene.id, "width": 64, "height": 64, "window": "0,64,0,64", **query}
    answer = door.get("/api/still", **ask)
    assert answer.status_code in (400, 404)
    assert set(answer.json()) >= {"rule", "got", "remedy"}


@pytest.mark.parametrize("times", [1, 16])
def test_the_hatch_of_doubt_is_as_fine_in_an_enlarged_picture(door: Any, scene: Any, times: int) -> None:
    from swath.doors.web import plate
    from swath.report import draw

    lay_map(door, scene)
    half = 32 // times
    ask = {"scene": scene.id, "width": 64, "height": 64, "window": f"0,{2 * half},{32 - half},{32 + half}"}
    found = picture(door.get("/api/still", **ask, layers='[{"id":"m1.doubt"}]'))
    seen = found[..., 3] > 0
    columns = np.flatnonzero(seen.any(axis=0))
    assert (columns[0], columns[-1]) == ((30, 33) if times == 1 else (0, 63))
    inner = found[:, columns[0] : columns[-1] + 1, 3].astype(int)
    assert np.array_equal(inner[: -draw.PITCH], inner[draw.PITCH :])
    assert np.array_equal(inner[1:, :-1], inner[:-1, 1:])
    assert inner[:, 0].max() - inner[:, 0].min() > 100
    exported = plate.composed(door.session, scene, (10, 12, 31, 33), [{"id": "m1.doubt", "opacity": 1}])[..., 3]
    assert exported.shape[0] >= 64
    assert np.array_equal(exported[1:, :-1], exported[:-1, 1:])
    assert exported.max() > 100
