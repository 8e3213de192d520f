"""Facts: levels at their edges, north on turned and flipped rasters, patches by strips, areas, borders, the published form."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from swath.errors import SwathError
from swath.language import source
from swath.language.caption import say
from swath.language.facts import facts, level_of, percent
from swath.language.legend import read_legend
from swath.language.north import REGIONS

NAMES = {1: "water", 2: "forest", 3: "crops"}


def box(affine, shape, crs="EPSG:32632"):
    return GeoBox(shape, affine, crs)


@pytest.mark.parametrize(
    ("share", "word"),
    [(0.0, "extra small"), (0.094, "extra small"), (0.0949, "extra small"), (0.095, "small"), (0.10, "small"), (0.1949, "small"),
     (0.195, "medium"), (0.20, "medium"), (0.4949, "medium"), (0.495, "large"), (0.50, "large"), (0.7949, "large"),
     (0.795, "extra large"), (0.80, "extra large"), (1.0, "extra large")],
)  # fmt: skip
def test_levels_at_their_edges(share, word):
    assert level_of(share) == word
    assert level_of(Fraction(str(share))) == word


def test_shares_that_floats_get_wrong_are_rounded_exactly():
    assert [percent(n, 100) for n in (29, 57, 58)] == [29, 57, 58]
    assert percent(19, 200) == 10
    assert percent(39, 200) == 20


def corner_map():
    """Water only where north and west are, on a raster whose first row is north."""
    codes = np.full((24, 30), 2, np.uint8)
    codes[:6, :8] = 1
    return codes


GRIDS = {
    "north up": (lambda c: c, Affine(10, 0, 5e5, 0, -10, 52e5)),
    "south up": (lambda c: c[::-1], Affine(10, 0, 5e5, 0, 10, 52e5 - 240)),
    "mirrored": (lambda c: c[:, ::-1], Affine(-10, 0, 5e5 + 300, 0, -10, 52e5)),
    "half turn": (lambda c: c[::-1, ::-1], Affine(-10, 0, 5e5 + 300, 0, 10, 52e5 - 240)),
    "quarter turn": (lambda c: np.rot90(c, -1), Affine(0, 10, 5e5, 10, 0, 52e5 - 240)),
    "other quarter turn": (lambda c: np.rot90(c), Affine(0, -10, 5e5 + 300, -10, 0, 52e5)),
}


@pytest.mark.parametrize("kind", GRIDS)
def test_places_follow_true_north_on_every_raster(kind):
    turn, affine = GRIDS[kind]
    codes = turn(corner_map()).copy()
    # quarter turns: what is north-west on the ground must be where the affine says, else the test itself is wrong
    row, column = (float(v.mean()) for v in np.nonzero(codes == 1))
    x, y = affine @ (column + 0.5, row + 0.5)
    middle = affine @ (codes.shape[1] / 2, codes.shape[0] / 2)
    west, north = x < middle[0], y > middle[1]
    f = facts(codes, NAMES, grid=box(affine, codes.shape))
    expected = f"{'north' if north else 'south'}-{'west' if west else 'east'}"
    assert f.within([0], expected) == 1
    assert f.to_json()["classes"][0]["centre"] == expected
    if "quarter" not in kind:
        straight = facts(corner_map(), NAMES, grid=box(GRIDS["north up"][1], (24, 30)))
        for region in REGIONS:
            assert f.share([0], region) == straight.share([0], region)
    assert f"{expected}" in say(f, "plain", 0).text


@pytest.mark.parametrize("angle", [30, 45, 100, 200, 300])
def test_a_blob_lies_where_its_coordinates_say_on_a_slanted_raster(angle):
    affine = Affine.translation(5e5, 52e5) @ Affine.rotation(angle) @ Affine.scale(10, -10)
    rng = np.random.default_rng(angle)
    for _ in range(20):
        row, column = int(rng.integers(3, 57)), int(rng.integers(3, 57))
        codes = np.full((60, 60), 2, np.uint8)
        codes[row - 1 : row + 2, column - 1 : column + 2] = 1
        x, y = affine @ (column + 0.5, row + 0.5)
        cx, cy = affine @ (30, 30)
        if min(abs(x - cx), abs(y - cy)) < 40:
            continue
        f = facts(codes, NAMES, grid=box(affine, (60, 60)))
        assert f.within([0], f"{'north' if y > cy else 'south'}-{'west' if x < cx else 'east'}") == 1


def test_without_a_crs_places_are_top_and_left_and_areas_pixels():
    f = facts(corner_map(), NAMES)
    assert f.north.kind == "image"
    assert f.unit == "pixel"
    text = say(f, "plain", 1).text
    assert re.search(r"top left|upper left", text)
    assert "north" not in text
    assert "pixels" in text
    assert not re.search(r"hectares?\b| ha\b", text)


def test_near_a_pole_north_is_not_guessed():
    f = facts(corner_map(), NAMES, grid=box(Affine(100000, 0, -15e5, 0, -100000, 12e5), (24, 30), "EPSG:3995"))
    assert f.north.kind == "image"
    assert "north turns" in f.north.words


def test_polar_stereographic_away_from_the_pole_uses_true_north():
    # at 90 degrees west of the central meridian, true north points to +x on the grid
    f = facts(corner_map(), NAMES, grid=box(Affine(100, 0, -21e5, 0, -100, 1000), (24, 30), "EPSG:3995"))
    assert f.north.kind == "north"
    assert (
        f.within([0], "south-west")
        + f.within([0], "south-east")
        + f.within([0], "north-west")
        + f.within([0], "north-east")
        == 1
    )
    assert abs(f.north.turned) > 80


def test_hectares_in_degrees_are_geodesic_and_shares_of_ground_where_pixels_differ():
    codes = np.full((600, 4), 2, np.uint8)
    codes[:300] = 1
    f = facts(codes, NAMES, grid=box(Affine(0.1, 0, 10, 0, -0.1, 60), (600, 4), "EPSG:4326"))
    assert f.weighted
    assert f.share([0]) < 0.47  # the northern half of the pixels is less ground
    from pyproj import Geod

    ring = [10, 10.4, 10.4, 10], [60, 60, 30, 30]
    lon = np.concatenate([np.linspace(10, 10.4, 50), np.full(50, 10.4), np.linspace(10.4, 10, 50), np.full(50, 10.0)])
    lat = np.concatenate([np.full(50, 60.0), np.linspace(60, 30, 50), np.full(50, 30.0), np.linspace(30, 60, 50)])
    area = abs(Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0]) / 1e4
    assert ring
    assert f.ground([0]) == pytest.approx(area, rel=2e-3)


def test_borders_are_measured_in_metres_along_pixel_sides():
    codes = np.full((10, 10), 2, np.uint8)
    codes[3:7, 2:4] = 1
    f = facts(codes, NAMES, grid=box(Affine(5, 0, 5e5, 0, -20, 52e5), (10, 10)))
    assert f.touch([0], [1]) == 2 * 4 + 2 * 2
    assert f.border([0], [1]) == pytest.approx(2 * 4 * 20 + 2 * 2 * 5, rel=2e-3)


def test_shapes_are_measured_in_metres_not_in_pixels():
    codes = np.full((60, 60), 2, np.uint8)
    codes[20:40, 20:40] = 1  # square in pixels, four times as high as wide on the ground
    long = facts(codes, NAMES, grid=box(Affine(5, 0, 5e5, 0, -20, 52e5), (60, 60)))
    assert long.counts.patches[0].largest[0].ratio == pytest.approx(4, rel=0.01)
    square = facts(codes, NAMES, grid=box(Affine(10, 0, 5e5, 0, -10, 52e5), (60, 60)))
    assert square.counts.patches[0].largest[0].ratio == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_patches_by_strips_equal_those_of_the_whole(monkeypatch, connectivity):
    from scipy import ndimage

    rng = np.random.default_rng(1)
    for seed in range(20):
        codes = ndimage.median_filter(rng.integers(1, 4, (37, 29)), 3).astype(np.uint8)
        whole = facts(codes, NAMES, connectivity=connectivity)
        monkeypatch.setattr(source, "STRIP_PIXELS", 29 * (1 + seed % 5))
        strips = facts(codes, NAMES, connectivity=connectivity)
        monkeypatch.undo()
        assert strips.to_json() == whole.to_json()
        shape = None if connectivity == 4 else np.ones((3, 3))
        for k in (1, 2, 3):
            assert whole.counts.patches[k - 1].count == ndimage.label(codes == k, structure=shape)[1]


def published():
    """A 256 x 256 label map in the published codes; the expected lines below were worked out by hand."""
    codes = np.zeros((256, 256), np.uint8)
    codes[:64, :128], codes[64:112, :128], codes[112:128, :128] = 1, 3, 6  # 8192 water, 6144 tree, 2048 crop
    codes[:128, 128:] = 3
    codes[0, 128:147] = 8  # 19 pixels of snow: under the floor, but in the denominator
    codes[128:132, :128] = 6  # 512 crop, the rest of the quarter is background
    corner = np.full(128 * 128, 2, np.uint8)
    corner[:13024] = 5  # 79.49 % grass
    codes[128:, 128:] = corner.reshape(128, 128)
    return codes


def test_the_published_facts_on_a_patch_worked_by_hand():
    f = facts(published(), "chatearthnet")
    text = re.sub(r"(fraction|part|portion|amount|quantity)", "NOUN", say(f, "chatearthnet", 0).text)
    assert text.splitlines() == [
        "all classes, most first: tree, grass, water, developed area, crop",
        "top left: water (large NOUN), tree (medium NOUN), crop (small NOUN)",
        "top right: tree (extra large NOUN)",
        "bottom left: crop (extra large NOUN)",
        "bottom right: grass (large NOUN), developed area (medium NOUN)",
        "middle: tree (large NOUN), grass (medium NOUN), crop (small NOUN)",
        "no class: 24%",
    ]
    assert [f.pixels([f_index]) for f_index in (0, 1, 2, 4, 5)] == [8192, 3360, 22509, 13024, 2560]
    assert f.floor == 20


def test_no_data_is_in_no_denominator_and_is_always_told():
    codes, valid = corner_map(), np.ones((24, 30), bool)
    valid[12:] = False
    raster = source.open_raster(codes, NAMES, valid=valid)
    f = facts(raster)
    assert f.share([0]) == Fraction(48, 360)
    for style in ("plain", "places", "list", "levels", "chatearthnet"):
        assert "50%" in say(f, style, 0).text
    empty = facts(source.open_raster(codes, NAMES, valid=np.zeros((24, 30), bool)))
    for style in ("plain", "places", "short", "list", "levels", "chatearthnet"):
        assert say(empty, style, 0).text.strip()


def test_legends_come_by_name_file_and_mapping_and_errors_name_the_fix(tmp_path):
    assert read_legend("WorldCover").classes[0].name == "tree cover"
    for name, text in {
        "a.json": '{"1": "water", "2": {"name": "forest", "color": "#00ff00"}}',
        "b.csv": "code,name,colour\n1,water,#0000ff\n2,forest,#00ff00\n",
        "c.txt": "# codes\n1 water\n2: forest\n",
        "d.json": '[{"code": 1, "name": "water"}, {"code": 2, "name": "forest"}]',
    }.items():
        (tmp_path / name).write_text(text)
        assert [c.name for c in read_legend(tmp_path / name).classes] == ["water", "forest"]
    (tmp_path / "bad.txt").write_text("water is one\n")
    for wrong in (tmp_path / "bad.txt", "nothing.json", {}, {1: "water", 2: "Water"}):
        with pytest.raises(SwathError) as error:
            read_legend(wrong)
        assert "\n" not in str(error.value)
    with pytest.raises(SwathError, match="--legend"):
        facts(np.ones((3, 3), np.uint8))
    with pytest.raises(SwathError, match="classes"):
        facts(np.ones((3, 3)), NAMES)
    with pytest.raises(SwathError, match="no name for 9"):
        facts(np.full((3, 3), 9, np.uint8), NAMES)


def test_a_class_without_a_usual_colour_is_not_taken_for_one_that_has_it():
    import math

    from swath.language.legend import Class, colours_of

    classes = [Class(1, "water", "water", False, "water", None), Class(2, "clearing", "clearing", False, "", None)]
    water, clearing = colours_of(classes)
    assert math.dist(water, clearing) >= 90
    assert len(set(colours_of([Class(i, f"k{i}", f"k{i}", False, "", None) for i in range(40)]))) == 40
