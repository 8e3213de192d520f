"""The rules for sensors: every one of ours keeps them, and each rule can fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swath.earth.sensor import Band, Sensor, sensors
from swath.errors import BandError
from swath.testing.sensor import RULES, check_sensor


@pytest.mark.parametrize("key", sensors())
def test_every_sensor_keeps_the_rules(key: str):
    check_sensor(sensors()[key])


BROKEN = Sensor("Bad Key", "", (Band("a", 0.56, 60, 10), Band("a", 1.0, -1, 10, "warmth", scale=0)), product=(".*",))


def test_every_rule_can_fail():
    lone = replace(BROKEN, bands=(Band("a", 560, 60, 10, common="R"), Band("b", 665, 30, 10, common="R")))
    for rule in RULES:
        assert rule(lone) or rule(BROKEN), rule.__name__
    with pytest.raises(BandError, match="source_is_named"):
        check_sensor(BROKEN)
