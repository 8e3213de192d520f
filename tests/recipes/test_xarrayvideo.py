"""The recipe of xarrayvideo: the rules of a recipe, peaks stated, video's loss named, the published configuration."""

from __future__ import annotations

import pytest

pytest.importorskip("av")
pytest.importorskip("imagecodecs")

from swath import testing
from swath.recipes import xarrayvideo


@pytest.fixture(scope="module")
def outcome():
    return testing.check_recipe(xarrayvideo)


def test_every_coder_stands_in_the_table_with_its_peak(outcome):
    rated = {r.method for r in outcome.rows if r.metric == "bits a value at 55 dB, peak 1"}
    assert len(rated) >= 5
    assert "10 000" in outcome.facts["peak"]
    assert outcome.facts["the same sizes twice"]


def test_the_conversion_of_colours_loses_what_lossless_should_keep(outcome):
    off = [(r.data, r.method, r.estimate.value) for r in outcome.rows if r.metric == "largest error, DN"]
    yuv = {data: v for data, method, v in off if "yuv" in method}
    gbr = {data: v for data, method, v in off if "gbr" in method}
    assert yuv
    assert all(1 <= v <= 6 for v in yuv.values())
    assert all(v <= 1 for v in gbr.values())  # 1: numbers of more than 12 bits are rounded
    assert any("16.33 dB" in v for v in outcome.verdicts)


def test_bounds_hold_at_every_setting(outcome):
    for curves in outcome.facts["points"].values():
        for name in ("swath", "JPEG-LS near", "SZ3"):
            assert all(p[4] <= float(p[0]) for p in curves[name])  # columns: setting ... worst


def test_the_published_configuration_codes_three_bands_a_frame(tmp_path):
    found = xarrayvideo.run("paper", tmp_path)
    assert found.rows[0].estimate.value == found.rows[1].estimate.value == 60
    assert found.facts["bits"] == 12
    assert set(found.facts["ladder"]) == set(xarrayvideo.video.LADDER)
