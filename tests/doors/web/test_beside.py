"""Beside a single pixel and a single scene: means inside a ring, and a scene drawn on another one's grid."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def scene(door: Any) -> Any:
    return door.session.scenes.open([door.folder / "field.tif"], trusted=True)


def ring(*corners: tuple[float, float]) -> str:
    return ",".join(f"{v:g}" for corner in corners for v in corner)


def test_the_mean_inside_a_ring_is_that_of_its_pixels(door: Any, scene: Any) -> None:
    values = np.asarray(scene.cube.values).squeeze()
    corners = ring((10, 20), (18, 20), (18, 26), (10, 26))
    found = door.get("/api/point", scene=scene.id, col=12.5, row=22.5, ring=corners).json()
    assert found["size"] == "polygon"
    assert found["pixels"] == 48
    expected = values[:, 20:26, 10:18].reshape(4, -1).mean(axis=1)
    assert [v["value"] for v in found["values"]] == pytest.approx(expected.tolist(), rel=1e-5)


def test_a_ring_smaller_than_a_pixel_still_has_one(door: Any, scene: Any) -> None:
    corners = ring((10.1, 20.1), (10.3, 20.1), (10.2, 20.3))
    found = door.get("/api/point", scene=scene.id, col=10.2, row=20.2, ring=corners).json()
    assert found["pixels"] == 1
    assert found["valid"]


@pytest.mark.parametrize(
    "corners",
    [
        "1,2,3,4",
        "1,2,3,4,5",
        "a,b,c,d,e,f",
        "nan,1,2,3,4,5",
        "0,0,1e300,0,5,5",
        ring((900, 900), (910, 900), (910, 910)),
    ],
)
def test_rings_that_are_none_are_refused(door: Any, scene: Any, corners: str) -> None:
    answer = door.get("/api/point", scene=scene.id, col=10.5, row=10.5, ring=corners)
    assert answer.status_code in (400, 404)
    assert set(answer.json()) >= {"rule", "got", "remedy"}


def test_a_scene_is_drawn_on_the_grid_of_another(door: Any, scene: Any, tmp_path: Path) -> None:
    import rasterio
    from PIL import Image
    from rasterio.transform import Affine

    t = scene.view.affine
    moved = Affine(
        2 * t[0], 0, t[2] + 16 * t[0], 0, 2 * t[4], t[5] + 8 * t[4]
    )  # pixels twice as large, 16 right, 8 down
    values = np.full((1, 12, 12), 200, np.uint8)
    values[0, :, :6] = 100
    path = door.folder / "coarse.tif"
    profile = {"driver": "GTiff", "count": 1, "height": 12, "width": 12, "dtype": "uint8", "crs": scene.view.crs}
    with rasterio.open(path, "w", transform=moved, **profile) as out:
        out.write(values)
    other = door.session.scenes.open([path], trusted=True)
    address = f"/tiles/{other.id}/{other.rev}/{scene.view.levels}/0/0"
    answer = door.get(address, on=scene.id, lo=0, hi=255)
    assert answer.status_code == 200
    pixels = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA")).astype(int)
    assert pixels[8:32, 16:40, 3].min() == 255
    assert pixels[:8, :, 3].max() == 0
    assert pixels[:, :16, 3].max() == 0
    assert pixels[33:64, 41:64, 3].max() == 0
    assert abs(pixels[12:28, 18:26, 0].mean() - 100) < 4
    assert abs(pixels[12:28, 30:38, 0].mean() - 200) < 4


def test_a_scene_over_one_that_is_not_open_is_not_found(door: Any, scene: Any) -> None:
    assert door.get(f"/tiles/{scene.id}/{scene.rev}/0/0/0", on="s99").status_code == 404
