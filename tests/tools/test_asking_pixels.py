"""Every number of an answer leads to its pixels: read again from its evidence they are as many as it says."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine

import swath
from swath.errors import SwathError
from swath.language.answer import Number
from swath.tools.asking_pixels import ASIDE, EDGE, counted, outlines, write

NAMES = {1: "water", 2: "forest", 3: "crops"}
QUESTIONS = (
    "how much water is here?", "how much forest is here?", "what changed between 2016 and 2024?", "compare with 2016",
    "how much forest was lost since 2016?", "how much crops were gained since 2016?", "compare forest with 2016",
)  # fmt: skip


def save(path, codes, *, bare=False, offset=(0, 0)):
    box = Affine(10, 0, 5e5 + 10 * offset[1], 0, -10, 52e5 - 10 * offset[0])
    place = {} if bare else {"crs": "EPSG:32632", "transform": box}
    with rasterio.open(path, "w", driver="GTiff", height=codes.shape[0], width=codes.shape[1], count=1, dtype="uint8",
                       nodata=0, **place) as file:  # fmt: skip
        file.write(codes, 1)
        file.update_tags(**{f"class_{k}": v for k, v in NAMES.items()})
    return str(path)


def worlds(tmp_path, *, bare=False, offset=(0, 0)):
    rng = np.random.default_rng(5)
    before = np.where(rng.random((60, 80)) < 0.3, 1, 2).astype(np.uint8)
    before[:30, 40:] = 3
    after = before.copy()
    after[20:40, 30:60] = 3
    after[0, :5] = 0
    part = after[offset[0] :, offset[1] :]
    return [
        save(tmp_path / "m_2016.tif", before, bare=bare),
        save(tmp_path / "m_2024.tif", part, bare=bare, offset=offset),
    ]


def total(number, **options):
    found = counted(number.evidence, **options)
    return int(sum(found.read(i, min(i + 7, found.shape[0])).sum() for i in range(0, found.shape[0], 7)))


def pixels(number):
    return number.value * 100 if number.unit == "ha" else number.value


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("area", [None, "rows 10:50, columns 20:70"], ids=["whole", "part"])
@pytest.mark.parametrize("bare", [False, True], ids=["on a map", "without a georeference"])
def test_areas_are_as_many_pixels_as_their_evidence_counts(tmp_path, question, area, bare):
    answer = swath.ask(question, worlds(tmp_path, bare=bare), area=area)
    areas = [p for p in answer.parts if isinstance(p, Number) and p.unit in ("ha", "pixel")]
    assert areas, answer.text
    for number in areas:
        assert total(number) == pytest.approx(pixels(number)), (number.text, number.evidence)


def test_the_earlier_map_is_counted_on_the_grid_of_the_later_one(tmp_path):
    answer = swath.ask("compare with 2016", worlds(tmp_path, offset=(10, 20)))
    areas = [p for p in answer.parts if isinstance(p, Number) and p.unit == "ha"]
    assert len(areas) >= 5
    for number in areas:
        assert total(number) == pytest.approx(pixels(number)), (number.text, number.evidence)


def test_the_layer_shows_what_is_counted_and_its_rim(tmp_path):
    maps = worlds(tmp_path)
    answer = swath.ask("how much crops is here?", maps)
    number = next(p for p in answer.parts if isinstance(p, Number))
    path, many = write(tmp_path / "layer.tif", counted(number.evidence))
    with rasterio.open(path) as file, rasterio.open(maps[1]) as real:
        codes, truth = file.read(1), real.read(1) == 3
        assert file.transform == real.transform
    assert many == truth.sum() == pixels(number)
    np.testing.assert_array_equal(codes != ASIDE, truth)
    assert codes[30, 45] == 0
    assert codes[39, 45] == EDGE


def test_a_number_of_a_whole_file_has_no_pixels_of_its_own():
    with pytest.raises(SwathError, match="by the pixels it counts"):
        counted({"map": "x.tif"})


def test_outlines_enclose_what_is_counted_unless_they_are_too_many(tmp_path, monkeypatch):
    from rasterio.features import rasterize
    from shapely.geometry import Polygon

    maps = worlds(tmp_path)
    number = next(p for p in swath.ask("how much crops is here?", maps).parts if isinstance(p, Number))
    found = counted(number.evidence)
    around = outlines(found)
    burnt = rasterize([Polygon(rings[0], rings[1:]) for rings in around], out_shape=found.shape)
    np.testing.assert_array_equal(burnt > 0, found.read(0, 60))
    path, _ = write(tmp_path / "plain.tif", found, rims=False)
    with rasterio.open(path) as file:
        assert set(np.unique(file.read(1))) == {0, ASIDE}
    monkeypatch.setattr("swath.tools.asking_pixels.MOST_RINGS", 0)
    assert outlines(found) is None
