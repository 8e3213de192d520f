"""Local STAC items and catalogues: assets found, the item's words on bands, nothing outside the catalogue."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from swath.cube import stac
from swath.errors import FormatError

VALUES = np.random.default_rng(0).integers(1, 5000, (3, 8, 9), dtype="u2")


def raster(path, bands, gsd=10):
    profile = {"width": 9, "height": 8, "count": len(bands), "dtype": "uint16", "crs": "EPSG:32633"}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", driver="GTiff", transform=from_origin(0, 80, gsd, gsd), **profile) as file:
        file.write(VALUES[bands])


def item(name="scene", day="2022-06-01", **properties):
    def asset(key, scale=0.0001, offset=-0.1, **more):
        return {
            "href": f"./{name}_{key}.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "eo:bands": [{"name": key, "center_wavelength": 0.665, "full_width_half_max": 0.03}],
            "raster:bands": [{"scale": scale, "offset": offset, "nodata": 0, "unit": "1"}],
            **more,
        }

    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None,
        "properties": {"datetime": f"{day}T10:00:00Z", **properties},
        "assets": {
            "red": asset("red"), "nir": asset("nir"),
            "thumbnail": {"href": "./t.png", "roles": ["thumbnail"]}, "info": {"href": "./i.json", "roles": ["metadata"]},
        },
        "links": [],
    }  # fmt: skip


@pytest.fixture
def scene(tmp_path):
    raster(tmp_path / "scene_red.tif", [0])
    raster(tmp_path / "scene_nir.tif", [1])
    (tmp_path / "scene.json").write_text(json.dumps(item()))
    return str(tmp_path / "scene.json")


def test_one_band_assets_of_one_grid_are_one_layer_with_the_items_words(scene):
    assert stac.claims(scene)
    (layer,) = stac.read(scene)
    assert [b.name for b in layer.bands] == ["red", "nir"]
    band = layer.bands[0]
    assert (band.scale, band.offset, band.nodata, band.wavelength, band.fwhm) == (1e-4, -0.1, 0, 665, 30)
    assert str(layer.time[0])[:10] == "2022-06-01"
    assert (layer.source.read([0], [1, 0], slice(0, 8), slice(2, 9))[0] == VALUES[[1, 0], :, 2:]).all()


def test_an_offset_that_is_applied_already_is_not_applied_again(tmp_path, scene):
    (tmp_path / "scene.json").write_text(json.dumps(item(**{"earthsearch:boa_offset_applied": True})))
    (layer,) = stac.read(scene)
    assert layer.bands[0].offset == 0
    assert any("already" in note for note in layer.notes)


def test_the_form_of_version_1_1_is_understood(tmp_path):
    raster(tmp_path / "a.tif", [0, 1, 2])
    names = [{"name": n, "eo:center_wavelength": w} for n, w in (("blue", 0.49), ("green", 0.56), ("red", 0.66))]
    asset = {"href": "a.tif", "type": "image/tiff", "bands": names, "raster:scale": 0.5, "nodata": 9}
    document = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "a",
        "properties": {"datetime": None},
        "assets": {"data": asset},
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    (layer,) = stac.read(str(tmp_path / "a.json"))
    assert [(b.name, b.wavelength, b.scale, b.nodata) for b in layer.bands] == [
        ("blue", 490, 0.5, 9), ("green", 560, 0.5, 9), ("red", 660, 0.5, 9),
    ]  # fmt: skip


def test_a_catalogue_gives_the_layers_of_its_items(tmp_path):
    for name, day in (("one", "2022-06-01"), ("two", "2022-07-01")):
        for key, band in (("red", 0), ("nir", 1)):
            raster(tmp_path / f"items/{name}_{key}.tif", [band])
        (tmp_path / f"items/{name}.json").write_text(json.dumps(item(name, day)))
    links = [{"rel": "child", "href": "./items/collection.json"}]
    (tmp_path / "catalog.json").write_text(
        json.dumps({"type": "Catalog", "stac_version": "1.0.0", "id": "c", "links": links})
    )
    links = [{"rel": "item", "href": f"./{n}.json"} for n in ("one", "two", "gone")]
    links += [{"rel": "child", "href": "../catalog.json"}]
    (tmp_path / "items/collection.json").write_text(
        json.dumps({"type": "Collection", "stac_version": "1.0.0", "id": "d", "links": links})
    )
    assert stac.claims(str(tmp_path))
    layers = stac.read(str(tmp_path))
    assert [str(layer.time[0])[:10] for layer in layers] == ["2022-06-01", "2022-07-01"]


def test_assets_outside_the_catalogue_are_not_opened(tmp_path):
    raster(tmp_path / "secret.tif", [0])
    document = item()
    document["assets"] = {"red": {"href": "../secret.tif", "type": "image/tiff"}}
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/a.json").write_text(json.dumps(document))
    with pytest.raises(FormatError, match=r"secret\.tif"):
        stac.read(str(tmp_path / "inner/a.json"))


@pytest.mark.parametrize(
    "text", ['{"stac_version": ', '["stac_version"]', '{"stac_version": "1.0.0", "type": "Feature"}']
)
def test_damaged_items_are_refused_in_one_line(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(FormatError) as caught:
        stac.read(str(tmp_path / "a.json"))
    assert "\n" not in str(caught.value)


def test_a_plain_json_is_not_claimed(tmp_path):
    (tmp_path / "a.json").write_text('{"type": "FeatureCollection", "features": []}')
    assert not stac.claims(str(tmp_path / "a.json"))


def test_the_real_landsat_item_finds_its_files_beside_it(shared):
    folder = next(p for p in (shared / "landsat_c2").iterdir() if p.is_dir())
    path = str(next(folder.glob("*_stac.json")))
    assert stac.claims(path)
    (layer,) = stac.read(path)
    assert {"SR_B2", "SR_B6", "QA_PIXEL"} <= {b.name for b in layer.bands}
    assert layer.sensor == "landsat-8-c2-l2"
    assert any("not there" in note for note in layer.notes)
