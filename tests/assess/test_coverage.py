"""Intervals hold the truth as often as they say: a small form of tests/slow/test_area_coverage.py."""

from __future__ import annotations

import pytest

from swath.testing.surveys import coverage, heavy, surveys


@pytest.mark.parametrize("level", [0.90, 0.95])
@pytest.mark.parametrize("which", [0, 1, 4])
def test_intervals_of_areas_and_accuracies_cover_near_their_level(which, level):
    number = 400
    error = 3 * (level * (1 - level) / number) ** 0.5  # of the simulation: three standard errors
    for name, (held, _) in coverage(surveys()[which], level, number=number).items():
        assert abs(held - level) < 0.02 + error, (name, held)


def test_two_points_in_a_stratum_that_matters_make_intervals_wide_not_short():
    for name, (held, _) in coverage(heavy()[1], 0.95, number=300).items():
        assert held > 0.93 - 0.03, (name, held)
