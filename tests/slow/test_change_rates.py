"""How far the numbers of change hold on made worlds: the false-alarm rate, recall, and the interval of the changed area."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from swath.baseline import change
from swath.datasets import toy
from swath.tools.change_areas import spread_of
from swath.tools.change_paint import stored_share

WORLDS = range(60, 70)
KINDS = {
    "same day": ("2021-06-20", "2021-06-20"),
    "two years": ("2019-06-20", "2021-06-20"),
    "season": ("2019-06-20", "2021-07-25"),
}


def measured(kind: str, share: float) -> np.ndarray:
    """A row a world: false alarms away from change, recall, F1, area estimate, low, high, true area (shares)."""
    rows = []
    for seed in WORLDS:
        place = toy.world(seed, 128)
        later = place
        if share:
            later = toy.cut(place, "2020-06-01", share=share, seed=seed)
            later = toy.build(later, "2020-06-02", share=0.6 * share, seed=seed + 1)
        first, second = KINDS[kind]
        one, before = toy.view(place, "sentinel-2a-l2a", [first], cloud=0, seed=seed)
        two, after = toy.view(later, "sentinel-2a-l2a", [second], cloud=0, seed=seed + 1000)
        a, b = (np.asarray(c.values)[0] for c in (one, two))
        truth = before.classes[0] != after.classes[0]
        if kind == "same day" and not share:
            truth = np.zeros_like(truth)
        seen = np.ones(truth.shape, bool)
        detector = change.fit([(a, b, seen)], false_alarms=0.01)
        measure = detector.measure(a, b, seen)
        hit = measure > detector.threshold
        away = ~ndimage.binary_dilation(truth, iterations=2)
        stored = stored_share(detector.null.probability(measure), seen)
        mean, variance = spread_of(stored, np.ones(truth.shape))
        n, half = truth.size, 1.96 * np.sqrt(variance)
        low, high = detector.null.between
        f1 = 2 * (hit & truth).sum() / max(1, hit.sum() + truth.sum())
        rows.append(
            [
                (hit & away).sum() / away.sum(), hit[truth].mean() if truth.any() else np.nan, f1 if truth.any() else np.nan,
                mean / n, min((mean - half) / n, 1 - high), max((mean + half) / n, 1 - low), truth.mean(),
            ]
        )  # fmt: skip
    return np.array(rows)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_rates_on_made_worlds():
    held = []
    for kind in KINDS:
        for share in (0.0, 0.05, 0.2):
            r = measured(kind, share)
            inside = (r[:, 4] <= r[:, 6] + 1e-9) & (r[:, 6] <= r[:, 5] + 1e-9)
            held.append(inside.mean())
            print(
                f"| {kind} | {100 * r[:, 6].mean():.0f} % | "
                f"{100 * r[:, 0].mean():.1f} ({100 * r[:, 0].min():.1f} to {100 * r[:, 0].max():.1f}) | "
                f"{100 * np.nanmean(r[:, 1]):.0f} | {np.nanmean(r[:, 2]):.2f} | {100 * r[:, 3].mean():.0f} | {inside.sum()} of {len(r)} |"
            )
            if kind == "same day" and not share:
                assert 0.005 < r[:, 0].mean() < 0.02
    assert np.mean(held) > 0.6
