"""What a run costs is measured on one window and said beforehand."""

from __future__ import annotations

import json

from swath.predict.plan import plan

from .scenes import LAYERS, neighbours, scene


def test_pixels_time_memory_and_disk_are_told(cubes):
    cost = plan(cubes, neighbours, LAYERS, reach=2, window=64, workers=2)
    assert cost.pixels == 300 * 260
    assert cost.windows == 25
    assert cost.seconds > 0
    assert cost.memory > 3 * 64 * 64 * 4
    assert cost.disk == 2 * 512 * 512 * 3
    assert json.loads(json.dumps(cost.to_json()))["measured"][2:] == [64, 64]
    assert "megapixels" in str(cost)


def test_a_scene_that_is_missing_in_the_middle_is_measured_where_it_is_not():
    measured = []
    plan({"s": scene()}, lambda b: measured.append(b) or neighbours(b), LAYERS, window=64)
    assert measured
