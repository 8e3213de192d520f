"""Sources made of sources: any window equals the same part of the whole, whatever lies between."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

import swath
from swath.cube.flagged import Flagged
from swath.cube.lazy import ArraySource, Source
from swath.cube.sources import Bands, Part, Physical, Placed, Times, coarse, glance
from swath.cube.warped import Constant, Mosaic, Warped

Raster = Callable[..., Path]


def array(seed: int, shape: tuple[int, int, int, int] = (2, 3, 11, 13)) -> ArraySource:
    return ArraySource(np.random.default_rng(seed).integers(1, 200, shape).astype(np.int16))


def made(kind: str, seed: int) -> Source:
    a, b = array(seed), array(seed + 1)
    box = GeoBox((11, 13), Affine(10, 0, 5e5, 0, -10, 5e6), "EPSG:32632")
    inner: dict[str, Callable[[], Source]] = {
        "part": lambda: Part.of(a, dates=[1, 0, 1], bands=[2, 0], rows=(2, 9), columns=(1, 12)),
        "times": lambda: Times((a, b)),
        "bands": lambda: Bands((a, b)),
        "physical": lambda: Physical(a, (0.1, 1.0, 2.0), (0.0, 0.0, -1.0), (5.0, 6.0, float("nan"))),
        "placed": lambda: Placed(a, (20, 25), (3, 7), -1),
        "mosaic": lambda: Mosaic(
            (Placed(a, (20, 25), (0, 0), -1), Placed(b, (20, 25), (6, 9), -1)), (), (-1.0,) * 3, "values"
        ),
        "warped": lambda: Warped.of(a, box, box.pad(3).zoom_out(0.7), (-1.0,) * 3),
        "constant": lambda: Constant((2, 3, 11, 13), 7, "uint8"),
    }
    return inner[kind]()


KINDS = ["part", "times", "bands", "physical", "placed", "mosaic", "warped", "constant"]


@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 50), data=st.data())
def test_a_window_equals_that_part_of_the_whole(kind: str, seed: int, data: st.DataObject) -> None:
    source = pickle.loads(pickle.dumps(made(kind, seed)))
    t, b, h, w = source.shape
    whole = source.read(range(t), range(b), slice(0, h), slice(0, w))
    assert whole.shape == source.shape
    assert whole.dtype == source.dtype
    dates = data.draw(st.lists(st.integers(0, t - 1), min_size=1, max_size=4))
    bands = data.draw(st.lists(st.integers(0, b - 1), min_size=1, max_size=4))
    y = sorted(data.draw(st.lists(st.integers(0, h), min_size=2, max_size=2, unique=True)))
    x = sorted(data.draw(st.lists(st.integers(0, w), min_size=2, max_size=2, unique=True)))
    part = source.read(dates, bands, slice(*y), slice(*x))
    expected = whole[np.ix_(dates, bands)][:, :, y[0] : y[1], x[0] : x[1]]
    assert np.array_equal(part, expected, equal_nan=whole.dtype.kind == "f")


@pytest.mark.parametrize("kind", KINDS)
def test_a_coarse_look_has_the_size_that_was_asked_and_values_of_the_source(kind: str) -> None:
    source = made(kind, 3)
    look = coarse(source, [0], [1], 4, 5)
    whole = source.read([0], [1], slice(0, source.shape[2]), slice(0, source.shape[3]))
    assert look.shape == (1, 1, 4, 5)
    assert np.isin(look[~np.isnan(look)] if look.dtype.kind == "f" else look, whole).all()


def test_a_glance_at_a_large_source_reads_little() -> None:
    read: list[int] = []

    class Counting(ArraySource):
        def read(self, dates, bands, rows, columns):  # type: ignore[no-untyped-def]
            read.append((rows.stop - rows.start) * (columns.stop - columns.start))
            return super().read(dates, bands, rows, columns)

    source = Counting(np.broadcast_to(np.uint8(3), (1, 1, 5000, 5000)))
    assert glance(source, [0], [0]).shape == (1, 1, 96, 96)
    assert sum(read) == 96 * 96


def test_in_a_mosaic_the_first_usable_value_wins_then_the_least_bad() -> None:
    values = tuple(ArraySource(np.full((1, 1, 1, 4), v, np.float32)) for v in (1.0, 2.0))
    flags = (
        ArraySource(np.array([[[[0, 2, 2, 1]]]], np.uint8)),  # usable, cloud, cloud, never seen
        ArraySource(np.array([[[[0, 0, 3, 1]]]], np.uint8)),  # usable, usable, shadow, never seen
    )
    window = ([0], [0], slice(0, 1), slice(0, 4))
    assert Mosaic(values, flags, (float("nan"),), "values").read(*window).ravel().tolist() == [1, 2, 2, 1]
    assert Mosaic(values, flags, (float("nan"),), "flags").read(*window).ravel().tolist() == [0, 0, 3, 1]


def test_quality_bands_are_read_only_when_flags_are_asked_for(raster: Raster, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.full((2, 6, 6), 4, np.uint8)
    path = raster("scl.tif", values, descriptions=["B04", "SCL"])
    read: list[int] = []
    real = Flagged.read
    monkeypatch.setattr(Flagged, "read", lambda self, *window: (read.append(1), real(self, *window))[1])
    cube = swath.open(path)
    assert cube.band.values.tolist() == ["B04"]
    _ = cube.isel(y=slice(0, 2)).values
    assert read == []
    assert cube.flag.isel(y=slice(0, 2)).values.max() == 0
    assert read
