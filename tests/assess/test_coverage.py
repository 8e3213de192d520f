"""Coverage and error: one curve for maps, rankings and tracks."""

from __future__ import annotations

import numpy as np
import pytest

from swath.assess.coverage import coverage_curve
from swath.errors import SwathError


def test_keeping_the_surest_half_halves_the_coverage_and_lowers_the_error():
    rng = np.random.default_rng(0)
    doubt = rng.uniform(size=4000)
    wrong = (rng.uniform(size=4000) < doubt).astype(float)
    half, whole = coverage_curve(wrong, doubt, np.arange(4000) % 40, thresholds=[0.5, 1.0])
    assert half.coverage.value == pytest.approx(0.5, abs=0.03)
    assert half.error.value == pytest.approx(0.25, abs=0.03)
    assert whole.coverage.value == 1
    assert half.error.low < half.error.value < half.error.high < whole.error.low


def test_nothing_kept_has_a_coverage_of_0_and_no_error():
    (point,) = coverage_curve([1.0, 2.0], [1.0, 2.0], ["a", "b"], thresholds=[0.5])
    assert point.coverage.value == 0
    assert not point.error.defined
    assert point.to_json()["error"]["value"] is None


def test_what_has_no_score_is_never_kept_and_lost_time_belongs_to_the_whole():
    points = coverage_curve(
        [1.0, 3.0, 5.0],
        [1.0, np.nan, 5.0],
        ["a", "a", "b"],
        thresholds=[10.0],
        weight=[2.0, 2.0, 2.0],
        unanswered=(["b", "c"], [4.0, 2.0]),
        kind="rms",
        unit="m",
    )
    assert points[0].coverage.value == pytest.approx(4 / 12)
    assert points[0].error.value == pytest.approx(np.sqrt(13))


def test_rows_of_unequal_number_are_refused():
    with pytest.raises(SwathError, match="equal number"):
        coverage_curve([1.0], [1.0, 2.0], ["a"])
