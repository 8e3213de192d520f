"""Files named together are one scene only where they are one place."""

from __future__ import annotations

from pathlib import Path

import pytest

from swath.doors.web.apart import apart


def names(groups: list[list[Path]]) -> list[list[str]]:
    return [[p.name for p in g] for g in groups]


def test_one_file_is_one_scene_and_is_not_read(tmp_path):
    assert apart([tmp_path / "absent.tif"]) == [[tmp_path / "absent.tif"]]


def test_dates_of_one_place_are_one_scene_and_other_places_are_not(shared):
    wetlands = sorted((shared / "naip").glob("m_4709963*.tif"))
    airport = next((shared / "naip").glob("m_4208701*.tif"))
    assert apart([wetlands[0], airport, *wetlands[1:]]) == [wetlands, [airport]]


def test_a_raster_of_labels_is_no_band_of_the_image_beside_it(shared):
    folder = shared / "enmap_potsdam"
    found = apart([folder / "enmap_potsdam_west.tif", folder / "enmap_potsdam_west_landcover.tif"])
    assert names(found) == [["enmap_potsdam_west.tif"], ["enmap_potsdam_west_landcover.tif"]]


def test_two_sensors_over_one_place_are_one_scene(shared):
    tile = "637U_59R_1_3.tif"
    found = apart([shared / "terramind" / kind / tile for kind in ("S2L2A", "S1RTC")])
    assert len(found) == 1


def test_what_cannot_be_read_stays_by_itself(shared, tmp_path):
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"no image")
    image = next((shared / "naip").glob("m_4208701*.tif"))
    assert apart([broken, image]) == [[broken], [image]]


@pytest.mark.parametrize(("gap", "scenes"), [(0, 1), (10_000, 2)])
def test_neighbours_of_a_mosaic_are_one_scene_until_a_gap_parts_them(tmp_path, gap, scenes):
    import numpy as np
    from affine import Affine
    from odc.geo.geobox import GeoBox

    from swath.cube import contract
    from swath.cube.save import save

    made = []
    for k, east in enumerate((500_000, 500_640 + gap)):
        box = GeoBox((64, 64), Affine(10, 0, east, 0, -10, 5_100_000), "EPSG:32633")
        cube = contract.make(
            np.full((1, 1, 64, 64), 0.2, np.float32), bands=["B04"], geobox=box, time=[np.datetime64("2021-07-01", "ns")],
            quantity="reflectance", units="1", sensor="sentinel-2-l2a",
        )  # fmt: skip
        made.append(Path(save(cube, tmp_path / f"part{k}.tif")))
    assert len(apart(made)) == scenes
