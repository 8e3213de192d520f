from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.baseline.forecast import Series  # noqa: E402
from swath.baseline.series import linear  # noqa: E402
from swath.datasets import double_logistic as made  # noqa: E402
from swath.errors import LabelError, SwathError  # noqa: E402
from swath.estimate import block_bootstrap  # noqa: E402
from swath.train.series import Plan, fit_series, spread_of  # noqa: E402

SMALL = {"dim": 16, "depth": 1, "heads": 2, "batch": 8}


def series_of(season, *, radar=False):
    optical, heard = made.bands()
    out = {"optical": Series(season.ndvi[..., None], season.clear[..., None], season.day, season.place, (optical,))}
    if radar:
        out["radar"] = Series(season.vh[..., None], season.heard[..., None], season.vh_day, season.place, (heard,))
    return out


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    season = made.seasons(60, 3, dates=12)
    plan = Plan(steps=20, seed=5, **SMALL)
    a, b = (fit_series(series_of(season), plan, target=season.target, classes=made.CLASSES)[0] for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    other, history = fit_series(
        series_of(season), Plan(steps=20, seed=6, **SMALL), target=season.target, classes=made.CLASSES
    )
    assert not torch.equal(a.say_symbol.weight, other.say_symbol.weight)
    assert {"symbol", "value", "at the floor"} <= set(history[-1])


def test_all_prompts_of_two_sensors_are_learned_in_every_step():
    season = made.seasons(80, 3, dates=12)
    plan = Plan(("crop", "forecast", "impute", "translate"), steps=20, **SMALL)
    model, _ = fit_series(series_of(season, radar=True), plan, target=season.target, classes=made.CLASSES)
    said = model.translate({"radar": series_of(season, radar=True)["radar"]}, "optical", season.day)
    assert np.isfinite(said.value).all()
    assert set(spread_of(model, series_of(season, radar=True), np.arange(40))) == {"forecast", "impute", "translate"}


def test_held_out_places_are_never_read():
    season = made.seasons(60, 3, dates=12)
    wild = series_of(season)
    wild["optical"].values[40:] = 1e6  # would show in every weight
    target = np.where(np.arange(60) < 20, season.target, -1)
    plan = Plan(steps=20, **SMALL)
    model, _ = fit_series(wild, plan, target=target, classes=made.CLASSES, pool=np.arange(40))
    clean, _ = fit_series(series_of(season), plan, target=target, classes=made.CLASSES, pool=np.arange(40))
    assert all(torch.equal(x, y) for x, y in zip(model.parameters(), clean.parameters(), strict=True))


def test_what_cannot_be_learned_is_refused():
    season = made.seasons(20, 3, dates=8)
    with pytest.raises(LabelError, match="labels of two"):
        fit_series(series_of(season), Plan(("crop",)))
    with pytest.raises(SwathError, match="two sensors"):
        fit_series(series_of(season), Plan(("translate",)))
    with pytest.raises(SwathError, match="tasks are crop"):
        fit_series(series_of(season), Plan(("guess",)))
    blind = series_of(season)
    blind["optical"].valid[:] = False
    with pytest.raises(SwathError, match="three clear dates"):
        fit_series(blind, Plan(("impute",)))


def test_the_best_accuracy_of_made_seasons_is_that_of_the_stated_probabilities():
    season = made.seasons(3000, 8, dates=20)
    p = made.posterior(season)
    right = (p.argmax(1) == season.target).mean()
    assert right == pytest.approx(p.max(1).mean(), abs=0.02)  # calibrated, hence the true posterior
    both = made.posterior(season, radar=True)
    assert (both.argmax(1) == season.target).mean() >= right - 0.01


@pytest.mark.slow
def test_with_enough_labels_it_comes_within_three_points_of_the_best_and_fills_better_than_lines():
    season, test = made.seasons(3000, 11), made.seasons(2000, 12)
    plan = Plan(("crop", "impute"), steps=300, seed=1)
    model, _ = fit_series(series_of(season), plan, target=season.target, classes=made.CLASSES)
    best = made.posterior(test).argmax(1) == test.target
    ours = model.classify(series_of(test)).argmax(1) == test.target
    _, at = np.unique(test.place, return_inverse=True)
    parts = np.stack([np.bincount(at, weights=best.astype(float) - ours), np.bincount(at)], 1)
    short = block_bootstrap(parts, lambda s: s[..., 0] / s[..., 1])
    assert short.value <= 0.03
    assert short.high <= 0.045
    assert short.high >= 0.0, "nothing exceeds the best"
    s = series_of(test)["optical"]
    asked = (np.random.default_rng(0).random(s.day.shape) < 0.2) & test.clear
    clear = s.without(asked)
    line = linear(np.nan_to_num(clear.values[..., 0]), clear.valid[..., 0], s.day)
    counts = asked & np.isfinite(line)
    error = [np.where(counts, (v - test.truth) ** 2, 0).sum(1) for v in (line, model.fill(s, asked).value[..., 0])]
    parts = np.stack([np.bincount(at, weights=error[0] - error[1]), np.bincount(at, weights=counts.sum(1))], 1)
    assert block_bootstrap(parts, lambda s: s[..., 0] / s[..., 1]).low > 0
