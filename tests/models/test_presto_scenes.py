"""Presto over opened scenes: the same ground in any stored form, cut into tiles, and weights from a hub."""

from __future__ import annotations

import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

torch = pytest.importorskip("torch")

import swath  # noqa: E402
from swath.batch import Batch  # noqa: E402
from swath.earth.sensor import sensor  # noqa: E402
from swath.errors import FormatError, SwathError, UnitError  # noqa: E402
from swath.models import load  # noqa: E402
from swath.models.presto import Presto  # noqa: E402
from swath.models.presto_input import example_batch  # noqa: E402
from swath.sample.window import read  # noqa: E402

BANDS = [b.name for b in sensor("sentinel-2a-l1c").bands]


def scene(path, stored, **tags):
    profile = {
        "driver": "GTiff", "width": 8, "height": 8, "count": len(BANDS), "dtype": stored.dtype, "crs": "EPSG:32633",
        "transform": from_origin(500_000, 5_100_000, 10, 10),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(stored)
        file.descriptions = BANDS
        file.update_tags(**tags)
    return path


def vectors(path, **options):
    cube = swath.open(path, **options)
    return Presto.example()[0].encode(read({"s2": cube}, slice(0, 8), slice(0, 8)))[0].values


def test_any_stored_form_of_a_scene_gives_the_same_vectors(tmp_path):
    dn = np.random.default_rng(0).integers(300, 5000, (len(BANDS), 8, 8)).astype(np.uint16)
    name = "S2A_MSIL1C_20200717T000000_{}.tif"
    plain = vectors(scene(tmp_path / name.format("dn"), dn), offset=0)
    moved = vectors(scene(tmp_path / name.format("offset"), (dn + 1000).astype(np.uint16)), offset=-1000)
    share = (dn / 10_000).astype(np.float32)
    physical = vectors(scene(tmp_path / name.format("physical"), share), scale=1, offset=0)
    np.testing.assert_allclose(moved, plain, atol=1e-6)
    np.testing.assert_allclose(physical, plain, atol=1e-5)
    with pytest.raises(UnitError):
        vectors(scene(tmp_path / name.format("wrong"), dn.astype(np.float32)), scale=1, offset=0)


def test_tiles_give_the_vectors_of_the_whole():
    model, batch = Presto.example()
    whole = model.encode(batch)[0].grid()
    for rows in (slice(0, 1), slice(1, 4)):
        for columns in (slice(0, 3), slice(3, 4)):
            pixels = {
                n: p if p.values.shape[-1] == 1
                else replace(p, values=p.values[..., rows, columns], valid=p.valid[..., rows, columns])
                for n, p in batch.pixels.items()
            }  # fmt: skip
            part = model.encode(Batch(pixels))[0].grid()
            np.testing.assert_allclose(part, whole[..., rows, columns], atol=1e-6)


def test_weights_come_from_a_hub_by_its_own_client(shared, monkeypatch):
    asked = []
    fake = types.ModuleType("huggingface_hub")
    fake.hf_hub_download = lambda repository, file: (
        asked.append((repository, file)) or str(shared / "weights/presto/default_model.pt")
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    model = load("presto", weights="hf:someone/presto/data/default_model.pt")
    assert asked == [("someone/presto", "data/default_model.pt")]
    assert model.encode(example_batch())[0].values.shape == (2, 16, 128)

    def broken(repository, file):
        raise OSError("no network")

    fake.hf_hub_download = broken
    with pytest.raises(FormatError, match="look at the name and the network"):
        load("presto", weights="hf:someone/presto/data/default_model.pt")
    with pytest.raises(FormatError, match="all three parts"):
        load("presto", weights="hf:presto")


def test_without_the_client_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(SwathError, match="hub"):
        load("presto", weights="hf:someone/presto/file.pt")
