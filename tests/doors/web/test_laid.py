"""From pixels of the view to those of a raster and back; folders that are counted; numbers as parts of an address."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from swath.doors.web.answers import number, numeral, whole, window_given
from swath.doors.web.laid import Laid, corner_of
from swath.doors.web.numbered import fresh, numbers
from swath.doors.web.view import view_of
from swath.errors import GridError, SwathError

UTM = GeoBox((300, 400), Affine(10, 0, 500_000, 0, -10, 5_200_000), "EPSG:32632")


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:4326", "EPSG:3035"])
def test_places_go_to_the_raster_and_back(crs: str) -> None:
    view, other = view_of(UTM, (300, 400)), UTM.to_crs(crs)
    laid = Laid(view, other.crs, other.affine)
    columns, rows = np.array([0.0, 12.5, 399.5]), np.array([0.0, 100.25, 299.5])
    back = laid.to_view(*laid.to_raster(columns, rows))
    np.testing.assert_allclose(back, (columns, rows), atol=1e-4)


def test_a_part_without_coordinates_lies_where_its_corner_is() -> None:
    laid = Laid(view_of(None, (300, 400)), None, Affine.identity(), (20, 30))
    assert laid.to_raster(35.5, 22.5) == (5.5, 2.5)
    assert laid.to_view(5.5, 2.5) == (35.5, 22.5)
    assert laid.around((20, 40, 30, 60), inward=True, near=0.01) == (0, 20, 0, 30)
    assert corner_of(None) == (0, 0)


def test_a_window_in_the_same_coordinates_is_exact() -> None:
    part = UTM[20:120, 30:230]
    laid = Laid(view_of(UTM, (300, 400)), part.crs, part.affine)
    assert laid.around((20, 40, 30, 60), inward=True, near=0.01) == (0, 20, 0, 30)
    assert laid.around((0, 100, 0, 200), inward=False, near=0.01) == (20, 120, 30, 230)


def test_folders_of_many_who_ask_at_once_have_numbers_of_their_own(tmp_path: Path) -> None:
    for name in ("r7", "r07", "rx", "3", "r"):
        (tmp_path / name).mkdir()
    (tmp_path / "r9").write_text("no folder")
    assert numbers(tmp_path, "r") == [7]
    assert numbers(tmp_path) == [3]
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(fresh(tmp_path, "r")[0])) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(found) == [8, 10, 11, 12, 13, 14, 15, 16]


@pytest.mark.parametrize("word", ["", "-1", "1.0", "9" * 5000, "²", "101", " 1"])
def test_what_is_no_number_of_an_address_is_none(word: str) -> None:
    assert numeral(word, high=100) is None
    assert numeral("100", high=100) == 100


def test_windows_are_four_bounded_numbers() -> None:
    assert window_given([0, 1.5, 2, 3]) == (0, 1.5, 2, 3)
    for bad in (None, "0,1,2,3", [1, 2, 3], {"r0": 1}):
        with pytest.raises(GridError):
            window_given(bad)
    for bad in ([0, 1, 2, 1e300], [0, 1, 2, float("nan")], [0, 1, 2, "x"], [0, True, 2, 3]):
        with pytest.raises(SwathError):
            window_given(bad, number)
    with pytest.raises(SwathError):
        window_given([0, 1.5, 2, 3], whole)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/point", {"col": 1e300, "row": 5}),
        ("/api/chip", {"col": 5, "row": -1e300}),
        ("/api/point", {"col": 5, "row": 5, "date": "9" * 5000}),
        ("/tiles/s1/1/0/0/0", {"lo": -1e300, "hi": 1e300}),
        ("/tiles/s1/1/0/0/" + "9" * 5000, {}),
        ("/api/maps/" + "9" * 5000, {}),
        ("/api/jobs/" + "9" * 5000, {}),
    ],
)
def test_numbers_out_of_all_bounds_are_refused_in_one_line(door: Any, path: str, query: dict[str, Any]) -> None:
    assert door.post("/api/scenes", {"name": "field.tif"}).status_code in (200, 201)
    answer = door.get(path, scene="s1", **query)
    assert answer.status_code in (200, 204, 400, 404)
    if answer.status_code >= 400:
        assert set(answer.json()) >= {"rule", "got", "remedy"}
