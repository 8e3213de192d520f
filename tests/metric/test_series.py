"""Scores of answers over time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from swath.metric.series import LEVELS, bin_of, covered, crps, crps_of_quantiles, pinball, width


def test_crps_of_many_draws_is_that_of_the_normal_distribution() -> None:
    random = np.random.default_rng(0)
    truth = np.array([0.0, 0.7, -1.5])
    z = truth
    exact = z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi)
    found = crps(random.standard_normal((60_000, 3)), truth)
    np.testing.assert_allclose(found, exact, atol=0.01)
    quantiles = norm.ppf(LEVELS)[:, None]
    np.testing.assert_allclose(crps_of_quantiles(quantiles, truth), exact, atol=0.07)


def test_crps_of_one_draw_is_the_absolute_error_and_few_draws_are_not_favoured() -> None:
    assert crps([[1.0]], [3.0]).tolist() == [2.0]
    random = np.random.default_rng(1)
    truth = random.standard_normal(20_000)
    few, many = (crps(random.standard_normal((n, 20_000)), truth).mean() for n in (3, 50))
    assert few == pytest.approx(many, abs=0.01)


def test_pinball_is_least_at_the_quantile() -> None:
    truth = np.random.default_rng(2).standard_normal(50_000)
    found = [pinball(q, 0.9, truth).mean() for q in (0.8, norm.ppf(0.9), 1.8)]
    assert found[1] == min(found)


def test_coverage_leaves_out_what_is_missing() -> None:
    assert np.isnan(covered([0, np.nan], [1, 1], [0.5, 0.5])).tolist() == [False, True]
    assert covered([0, 0], [1, 1], [1.0, 1.1]).tolist() == [1.0, 0.0]
    assert width([0, 1], [2, 4]).tolist() == [2.0, 3.0]


def test_bins_end_where_they_say() -> None:
    assert bin_of([5, 10, 10.1, 99], [10, 30]).tolist() == [0, 0, 1, 2]
