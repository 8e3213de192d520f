"""`map --model sen2lcz`: local climate zones on the grid of cells, what is missing left empty, what was read told."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

torch = pytest.importorskip("torch")

import swath  # noqa: E402
from swath.cube import contract  # noqa: E402
from swath.errors import BandError, GridError, LabelError  # noqa: E402
from swath.predict.cells import starts  # noqa: E402
from swath.tools.map import map as swath_map  # noqa: E402

CHIP = "terramind/S2L1C/637U_59R_1_3.tif"


@pytest.fixture(scope="module")
def weights(shared):
    return shared / "weights/sen2lcz/sen2lcz_32.hdf5"


@pytest.fixture(scope="module")
def scene(shared):
    return swath.open(shared / CHIP, offset=0).isel(y=slice(0, 131), x=slice(0, 96)).load()


def physical(da, quantity="toa_reflectance", hole=None):
    """The same scene as reflectance 0..1, NaN where something is missing."""
    values = np.where(np.asarray(da.values) == 0, np.nan, da.values).astype(np.float32)
    if da.dtype.kind in "iu":
        values = values / 10_000
    if hole is not None:
        values[..., hole[0], hole[1]] = np.nan
    time = da.coords["time"].values if "time" in da.dims else None
    return contract.make(
        values, bands=[str(b) for b in da.coords["band"].values], geobox=contract.grid(da), time=time,
        wavelength=da.coords["wavelength"].values, fwhm=da.coords["fwhm"].values, gsd=da.coords["gsd"].values,
        quantity=quantity, units="1", sensor=da.attrs.get("sensor"),
    )  # fmt: skip


def run(scene, out, weights, **options):
    result = swath_map([scene], out=out, model="sen2lcz", weights=weights, **options)
    with rasterio.open(out / "classes.tif") as file:
        return result, file.read(1), file.transform, file.crs


def test_cells_lie_on_the_grid_and_every_number_form_gives_the_same_map(scene, weights, tmp_path):
    result, classes, transform, crs = run(scene, tmp_path / "stored", weights)
    box = contract.grid(scene)
    assert classes.shape == (13, 10)  # 131 and 96 pixels: the last cells' centres lie within the scene
    assert (transform.a, transform.e) == (100.0, -100.0)
    assert (transform.c, transform.f) == (box.affine.c, box.affine.f)
    assert crs == rasterio.crs.CRS.from_wkt(box.crs.to_wkt())
    assert (classes > 0).all()
    again, other, *_ = run(physical(scene), tmp_path / "physical", weights)
    np.testing.assert_array_equal(other, classes)
    assert any("top of the atmosphere (L1C)" in n for n in again.notes)
    assert "low plants" in [c["name"] for c in result.classes if c["area"]["value"]]
    assert not result.accuracy.defined
    record = json.loads((tmp_path / "stored/assessment.json").read_text())
    mapped = sum(c["area"]["value"] for c in record["classes"])
    assert mapped == pytest.approx(130, rel=0.01)  # hectares
    page = (tmp_path / "stored/report.html").read_text()
    assert "low plants" in page
    assert "unsure" in page
    with rasterio.open(tmp_path / "stored/classes.tif") as file:
        assert file.colormap(1)[14][:3] == (181, 218, 127)
    with rasterio.open(tmp_path / "stored/probability.tif") as file:
        assert file.descriptions[16] == "water"
        np.testing.assert_allclose(file.read().sum(0) * 0.004, 1, atol=0.04)


def test_windows_with_missing_pixels_are_empty_not_a_class(scene, weights, tmp_path):
    hole = (slice(40, 50), slice(40, 50))
    _, whole, *_ = run(scene, tmp_path / "whole", weights)
    _, classes, *_ = run(physical(scene, hole=hole), tmp_path / "hole", weights)
    rows, columns = starts(131, 32, 10), starts(96, 32, 10)
    meets = ((rows[:, None] < 50) & (rows[:, None] + 32 > 40)) & ((columns < 50) & (columns + 32 > 40))
    assert (classes[meets] == 0).all()
    np.testing.assert_array_equal(classes[~meets], whole[~meets])
    with rasterio.open(tmp_path / "hole/doubt.tif") as file:
        assert (file.read(1)[meets] == 255).all()


def test_surface_reflectance_is_named_and_wrong_scenes_are_refused(scene, weights, tmp_path):
    result, *_ = run(physical(scene, "reflectance"), tmp_path / "l2a", weights)
    assert any("surface reflectance (L2A)" in n for n in result.notes)
    assert any("learned from reflectance at the top" in n for n in result.notes)
    with pytest.raises(BandError, match="without B5"):
        run(physical(scene.isel(band=[1, 2, 3, 7])), tmp_path / "few", weights)
    with pytest.raises(GridError, match="at least one window"):
        run(scene.isel(y=slice(0, 30)), tmp_path / "small", weights)
    with pytest.raises(GridError, match="pixels of 10 m"):
        run(scene, tmp_path / "coarse", weights, gsd=20.0)
    with pytest.raises(LabelError, match="swath assess"):
        run(scene, tmp_path / "truth", weights, truth="some.gpkg")
    assert not (tmp_path / "truth").exists()


def test_windows_are_centred_and_move_inwards_at_the_edges():
    found = starts(96, 32, 10)
    assert found.tolist() == [0, 0, 9, 19, 29, 39, 49, 59, 64, 64]
    assert starts(32, 32, 10).tolist() == [0, 0, 0]


def test_weights_without_a_published_model_are_refused(scene, weights, tmp_path):
    with pytest.raises(LabelError, match="--model sen2lcz or --encoder"):
        swath_map([scene], labels="labels.gpkg", weights=weights, out=tmp_path)
