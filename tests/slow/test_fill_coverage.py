"""Intervals of filled values against what was really under the clouds of made worlds, which no validation can see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

import swath
from swath.datasets import toy
from swath.tools import series as tools_series

BANDS = [b for b in toy.SENTINEL_2 if b.name in ("B04", "B08")]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [41, 42, 43])
def test_intervals_hold_about_nine_tenths_of_the_truth_under_the_clouds(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools_series, "ROUNDS", 3)
    place, when = toy.world(seed, 40), toy.dates("2019-01-01", "2021-01-01", 14, seed=seed)
    cube, _ = toy.view(place, BANDS, when, cloud=0.5, seed=seed)
    exact, _ = toy.view(place, BANDS, when, cloud=0, noise=0, seed=seed)
    result = swath.fill([cube], out=tmp_path)
    group = zarr.open_group(tmp_path / "filled.zarr", mode="r")
    value, low, high, filled = (np.asarray(group[k]) for k in ("values", "low", "high", "filled"))
    truth = exact.values + 0.01 * np.random.default_rng(seed).standard_normal(value.shape)  # as the sensor would see it
    asked = (filled > 0) & (filled < 255)
    known = asked & np.isfinite(low)
    assert known.sum() > 0.9 * asked.sum()
    inside = float(((low <= truth) & (truth <= high))[known].mean())
    assert 0.87 <= inside <= 0.98
    assert result.series[0].coverage.simulated
    assert abs(result.series[0].coverage.value - 0.90) < 0.08
