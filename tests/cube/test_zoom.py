"""Scenes seen from further away: every k-th pixel, by windows, whatever lies between the file and the cube."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swath.cube import look
from swath.cube.lazy import ArraySource
from swath.cube.sources import Bands, Part, Physical, Placed, Times
from swath.cube.under import source_of
from swath.cube.zoom import Strided, zoom


def numbers(t: int = 2, b: int = 3, h: int = 70, w: int = 90) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 60000, (t, b, h, w)).astype(np.uint16)


def middles(size: int, step: int) -> np.ndarray:
    return np.minimum(np.arange(-(-size // step)) * step + step // 2, size - 1)


@pytest.mark.parametrize("step", [1, 2, 4, 16, 128])
def test_any_source_gives_the_middle_of_each_step(step: int) -> None:
    values = numbers()
    seen = zoom(ArraySource(values), step)
    y, x = middles(70, step), middles(90, step)
    assert seen.shape == (2, 3, len(y), len(x))
    whole = seen.read([1], [2, 0], slice(0, len(y)), slice(0, len(x)))
    assert np.array_equal(whole[0], values[1, [2, 0]][:, y][:, :, x])
    if len(y) > 3:
        part = seen.read([0], [1], slice(1, 3), slice(2, len(x)))
        assert np.array_equal(part[0, 0], values[0, 1][y[1:3]][:, x[2:]])


def test_trees_of_sources_are_seen_through() -> None:
    values = numbers()
    source = ArraySource(values)
    tree = Physical(Times((source, source)), (0.5,) * 3, (1.0,) * 3, (float("nan"),) * 3)
    y, x = middles(70, 4), middles(90, 4)
    found = zoom(tree, 4).read([3], [1], slice(0, len(y)), slice(0, len(x)))[0, 0]
    assert np.allclose(found, values[1, 1][y][:, x] * 0.5 + 1)
    both = zoom(Bands((source, source)), 4).read([0], [4], slice(0, len(y)), slice(0, len(x)))[0, 0]
    assert np.array_equal(both, values[0, 1][y][:, x])


def test_parts_and_places_keep_their_place_to_half_a_pixel() -> None:
    ramp = np.broadcast_to(np.arange(96, dtype=np.float32), (1, 1, 64, 96)).copy()
    part = Part.of(ArraySource(ramp), rows=(5, 60), columns=(13, 90))
    seen = zoom(part, 4)
    found = seen.read([0], [0], slice(0, 1), slice(0, seen.shape[3]))[0, 0, 0]
    assert np.abs(found - (13 + np.arange(len(found)) * 4 + 2)).max() <= 3
    placed = zoom(Placed(ArraySource(ramp), (100, 200), (10, 20), -1.0), 4)
    row = placed.read([0], [0], slice(5, 6), slice(0, placed.shape[3]))[0, 0, 0]
    inside = np.flatnonzero(row >= 0)
    assert abs(inside[0] * 4 - 20) <= 4
    assert np.abs(row[inside] - (inside * 4 + 2 - 20)).max() <= 3


def write(path: Path, values: np.ndarray, crs: str = "EPSG:32632", step: float = 10, overviews: Any = (2, 4)) -> Path:
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.transform import from_origin

    b, h, w = values.shape
    profile = {"driver": "GTiff", "count": b, "height": h, "width": w, "dtype": values.dtype.name, "crs": crs}
    with rasterio.open(path, "w", transform=from_origin(5e5, 5.2e6, step, step), tiled=True, **profile) as out:
        out.write(values)
        if overviews:
            out.build_overviews(list(overviews), Resampling.nearest)
    return path


def test_a_file_is_read_from_its_overviews(tmp_path: Path) -> None:
    import rasterio

    import swath

    values = numbers(1, 2, 600, 520)[0]
    cube = swath.open(write(tmp_path / "a.tif", values))
    source = source_of(cube)
    assert source is not None
    seen = zoom(source, 4)
    assert "Overview" in repr(seen)
    found = seen.read([0], [1], slice(0, 150), slice(0, 130))[0, 0]
    with rasterio.open(tmp_path / "a.tif", overview_level=1) as file:
        assert np.array_equal(found, file.read(2))


def test_a_scene_on_another_grid_is_taken_by_the_nearest_pixel(tmp_path: Path) -> None:
    import swath
    from swath.cube import align, contract

    ramp = np.broadcast_to(np.arange(256, dtype=np.uint16) + 1, (1, 256, 256)).copy()
    fine = write(tmp_path / "fine.tif", ramp, overviews=(2, 4, 8))
    coarse = write(tmp_path / "coarse.tif", ramp[:, :64, :64], step=40, overviews=None)
    cubes = align.align({"a": swath.open(coarse), "b": swath.open(fine)}, grid=contract.grid(swath.open(fine)))
    source = source_of(cubes["a"])
    assert source is not None
    seen = zoom(source, 4)
    found = seen.read([0], [0], slice(0, 64), slice(0, 64))[0, 0]
    assert np.array_equal(found, ramp[0, :64, :64])


def test_a_part_of_a_cube_is_still_read_lazily(tmp_path: Path) -> None:
    import swath

    values = numbers(1, 3, 200, 220)[0]
    cube = swath.open(write(tmp_path / "a.tif", values))
    part = cube.isel(band=[2, 0], y=slice(20, 120), x=slice(7, 99))
    source = source_of(part)
    assert source is not None
    assert "CubeSource" not in repr(source)
    dims = part.values.reshape(source.shape)
    assert np.array_equal(source.read([0], [0, 1], slice(3, 9), slice(4, 8)), dims[:, :, 3:9, 4:8])


def test_a_large_file_without_smaller_copies_grows_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import swath

    monkeypatch.setattr(look, "AT_ONCE", 1000)
    monkeypatch.setattr(look, "_STRIP", 600 * 2 * 100)
    monkeypatch.setattr("swath.cube.zoom._READ", 64)
    told: list[float] = []
    listener = lambda source, share: told.append(share)  # noqa: E731
    monkeypatch.setattr(look, "listeners", [listener])
    values = numbers(1, 1, 500, 600)[0]
    source = source_of(swath.open(write(tmp_path / "a.tif", values, overviews=None)))
    assert source is not None
    seen = zoom(source, 16)
    assert isinstance(seen, Strided)
    seen.read([0], [0], slice(0, 32), slice(0, 38))
    end = time.monotonic() + 20
    while look.pending(seen) and time.monotonic() < end:
        time.sleep(0.01)
    assert not look.pending(seen)
    assert told[-1] == 1.0
    assert len(told) > 2
    whole = seen.read([0], [0], slice(0, 32), slice(0, 38))[0, 0]
    assert np.array_equal(whole, values[0][middles(500, 16)][:, middles(600, 16)])
    assert look.holds(seen, source)
    assert not look.holds(seen, ArraySource(values[None]))
