"""Values hidden on purpose: how they are hidden, which method is taken, whether intervals hold elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from swath.assess import foretold, hidden
from swath.assess.calibrate import threshold
from swath.baseline.forecast import Series
from swath.baseline.methods import AHEAD, BETWEEN, PLAIN
from swath.earth.sensor import Band

DAY = np.arange(60) * 12.0 + 17_000


def made(n: int = 120, seed: int = 0, cloud: float = 0.35, places: int = 24) -> Series:
    """Series with a season, departures that last, and clouds in runs over whole places."""
    random = np.random.default_rng(seed)
    place = np.arange(n) % places
    level, late = random.uniform(0.3, 0.6, n), random.uniform(-0.4, 0.4, n)
    away = np.zeros((n, 60))
    for t in range(1, 60):
        away[:, t] = 0.7 * away[:, t - 1] + 0.03 * random.standard_normal(n)
    values = level[:, None] + 0.2 * np.cos(2 * np.pi * DAY / 365.2425 + late[:, None]) + away
    clear = np.ones((places, 60), bool)
    for p in range(places):
        t = 0
        while t < 60:
            length = int(random.integers(1, 4))
            if random.random() < cloud / 2:
                clear[p, t : t + length] = False
            t += length
    clear[:, random.choice(60, 6, replace=False)] = False
    return Series(
        values[..., None].astype(np.float32), clear[place][..., None], np.broadcast_to(DAY, (n, 60)),
        np.array([f"{p:02d}" for p in place]), (Band("NDVI", quantity="index"),),
    )  # fmt: skip


def test_values_are_hidden_by_the_shapes_of_the_series_own_gaps() -> None:
    one = made()
    asked, words = hidden.gaps_like(one, 3)
    clear = one.valid[..., 0]
    share = (asked & clear).sum() / clear.sum()
    assert 0.10 < share < 0.30
    assert "own" in words
    whole_date = (~clear).all(0).any() and asked.all(0).any()
    assert whole_date  # dates that are cloudy everywhere hide whole dates too
    by_place = [np.unique(asked[one.place == p], axis=0).shape[0] for p in np.unique(one.place)]
    assert max(by_place) == 1  # what a cloud hides is alike within a place
    again, _ = hidden.gaps_like(one, 3)
    np.testing.assert_array_equal(asked, again)


def test_series_without_gaps_get_runs_and_say_so() -> None:
    one = made(cloud=0.0)
    one = Series(one.values, np.ones_like(one.valid), one.day, one.place, one.bands)
    asked, words = hidden.gaps_like(one, 1)
    assert 0.1 < asked.mean() < 0.3
    assert "no gaps" in words
    assert (one.valid[..., 0] & ~asked).sum(1).min() >= 2


def test_no_case_is_judged_by_a_method_that_saw_its_place() -> None:
    seen: list[set[str]] = []

    class Spy(type(BETWEEN["linear in time"]())):  # type: ignore[misc]
        name = "spy"

        def fit(self, series: Series) -> Spy:
            self.places = set(series.place.tolist())
            seen.append(self.places)
            return self

        def fill(self, series: Series, asked: np.ndarray) -> object:
            assert not self.places & set(series.place.tolist())
            return super().fill(series, asked)

    cases = hidden.fill_cases(made(), {"spy": Spy}, seed=0, rounds=1, folds=4)
    assert len(seen) == 4
    assert len(cases) > 200
    assert np.isfinite(cases.value).all()


def test_forecasts_are_tried_from_dates_of_the_past_at_all_leads_at_once() -> None:
    one = made()
    cases = hidden.forecast_cases(one, {n: AHEAD[n] for n in ("last clear value", "climatology")}, horizon=60.0, seed=0)
    assert cases.moments > 6
    assert cases.size.min() > 0
    assert cases.size.max() <= 60
    assert len(np.unique(cases.moment)) == cases.moments


def _two(better: float, n: int = 4000, seed: int = 0) -> hidden.Cases:
    """Cases of two methods with known errors: the first of deviation 1, the second of `better`."""
    random = np.random.default_rng(seed)
    truth = random.standard_normal(n)
    place, moment = random.integers(0, 30, n), random.integers(0, 12, n)
    value = np.stack([truth + random.standard_normal(n), truth + better * random.standard_normal(n)])
    return hidden.Cases(
        "fill", ("plain", "fine"), place, moment, place % 5, np.zeros(n, int), random.uniform(1, 90, n), random.random(n) < 0.3,
        truth, value, np.full((2, n), np.nan), 12,
    )  # fmt: skip


def test_the_better_method_is_taken_and_the_plainer_one_where_they_are_alike() -> None:
    for better, name in ((0.5, "fine"), (1.0, "plain"), (1.5, "plain")):
        cases = _two(better)
        edges = foretold.edges_of(cases)
        assert foretold.choose(cases, edges, np.ones((1, 2 * len(edges) + 2))) == name


def test_errors_and_paired_differences_have_intervals_that_hold_the_truth() -> None:
    cases = _two(0.5)
    edges = foretold.edges_of(cases)
    rows = foretold.judge(cases, edges, np.ones((1, 2 * len(edges) + 2)), units=["m"], best=("plain",))
    plain, fine = rows
    assert plain.rmse.low < 1.0 < plain.rmse.high
    assert fine.rmse.low < 0.5 < fine.rmse.high
    assert fine.difference.low < -0.5 < fine.difference.high < 0
    assert not plain.difference.defined
    assert fine.rmse.unit == "m"
    assert fine.crps.value == pytest.approx(0.5 * 0.564, rel=0.1)  # CRPS of a normal is 0.564 deviations


def test_weights_tell_how_often_a_kind_occurs() -> None:
    cases = _two(0.5)
    loud = cases.alone
    value = cases.value.copy()
    value[0, loud] = cases.truth[loud] + 3.0
    from dataclasses import replace

    cases = replace(cases, value=value)
    edges: tuple[float, ...] = ()
    quiet = foretold.judge(cases, edges, np.array([[1.0, 0.0]]), units=["m"])[0].rmse.value
    both = foretold.judge(cases, edges, np.array([[1.0, 1.0]]), units=["m"])[0].rmse.value
    assert quiet == pytest.approx(1.0, abs=0.1)
    assert both == pytest.approx(np.sqrt(0.5 * 1 + 0.5 * 9), abs=0.1)


@pytest.mark.parametrize("scaled", [False, True])
def test_intervals_hold_their_level_in_places_and_moments_they_never_saw(*, scaled: bool) -> None:
    from dataclasses import replace

    cases = _two(0.5, 8000)
    spread = np.full(cases.value.shape, np.nan)
    if scaled:
        wide = np.random.default_rng(4).uniform(0.2, 2.0, len(cases))
        value = cases.truth + wide * np.random.default_rng(5).standard_normal(len(cases))
        cases = replace(cases, value=np.stack([value, value]), spread=np.stack([wide, wide]))
    else:
        cases = replace(cases, spread=spread)
    edges = foretold.edges_of(cases)
    made_, whole, by_kind, curve = foretold.intervals(cases, "fine", edges, 1)
    assert made_.scaled == (scaled, scaled)
    assert 0.88 < whole.value < 0.95
    assert whole.low < whole.value < whole.high
    assert all(0.85 < e.value < 0.97 for e in by_kind if e.defined)
    assert [a for a, _ in curve] == [0.5, 0.7, 0.8, 0.9, 0.95]
    assert all(abs(b - a) < 0.06 for a, b in curve)


def test_too_few_hidden_values_give_no_interval_and_a_reason() -> None:
    cases = _two(0.5).rows(np.arange(20))
    made_, whole, _, _ = foretold.intervals(cases, "fine", (), 1)
    assert "too few" in made_.reason
    assert not whole.defined
    half = made_.half(np.full((3, 1), 5.0), np.zeros((3, 1), bool), np.ones((3, 1)))
    assert np.isnan(half).all()


def test_nothing_is_promised_for_gaps_far_longer_than_any_that_was_tried() -> None:
    cases = _two(0.5)
    made_, *_ = foretold.intervals(cases, "fine", foretold.edges_of(cases), 1)
    size = np.array([[50.0], [400.0], [np.inf]])
    half = made_.half(size, np.zeros((3, 1), bool), np.ones((3, 1)))
    assert np.isfinite(half[0, 0])
    assert np.isnan(half[1:]).all()


def test_a_spliced_method_answers_as_its_two_parts() -> None:
    cases = foretold.spliced(_two(0.5), "both", "plain", "fine")
    assert cases.methods[-1] == "both"
    np.testing.assert_array_equal(cases.value[2], np.where(cases.alone, cases.value[1], cases.value[0]))


def test_a_threshold_leaves_about_a_tenth_above_and_is_endless_without_labels() -> None:
    random = np.random.default_rng(0)
    score, place = random.random(5000), random.integers(0, 40, 5000)
    assert threshold(score, place) == pytest.approx(0.9, abs=0.03)
    assert np.isinf(threshold([0.1, 0.2], [0, 1]))
    assert np.isinf(threshold([], []))


def test_on_lasting_departures_the_choice_beats_the_best_plain_baseline() -> None:
    one = made(200, seed=5)
    cases = hidden.fill_cases(one, BETWEEN, seed=0, rounds=2, folds=4)
    edges = foretold.edges_of(cases)
    weight = np.ones((1, 2 * len(edges) + 2))
    name = foretold.choose(cases, edges, weight)
    rows = {r.name: r for r in foretold.judge(cases, edges, weight, units=["NDVI"], best=PLAIN)}
    assert name not in PLAIN
    assert rows[name].difference.high < 0
    _, coverage, _, _ = foretold.intervals(cases, name, edges, 1)
    assert coverage.low < 0.9 < coverage.high or abs(coverage.value - 0.9) < 0.05
