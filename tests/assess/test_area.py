"""Areas and accuracies from probability samples: the published example, conservation, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.assess.area import area_by_class, design_based, from_points
from swath.errors import DesignError

OLOFSSON_2014 = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])  # table 8
MAPPED = np.array([200_000.0, 150_000.0, 3_200_000.0, 6_450_000.0])  # pixels of 30 m


def stratified_by_map(confusion, mapped, **options):
    k = len(confusion)
    counts = np.zeros((k, k, k))
    counts[np.arange(k), np.arange(k)] = confusion
    return design_based(counts, mapped, mapped=np.diag(mapped), **options)


def test_estimates_agree_with_the_published_worked_example():
    got = stratified_by_map(OLOFSSON_2014, MAPPED, unit="pixel")
    # Olofsson et al. 2014, section 5: deforestation 235,086 pixels (21,158 ha); overall accuracy 0.95
    assert got.areas[0].value == pytest.approx(235_086, abs=1)
    assert got.areas[0].value * 0.09 == pytest.approx(21_158, abs=1)
    assert got.overall.value == pytest.approx(0.947, abs=5e-4)
    assert [round(e.value, 2) for e in got.users] == [0.88, 0.73, 0.93, 0.96]
    assert [round(e.value, 2) for e in got.producers] == [0.75, 0.85, 0.93, 0.96]
    assert got.mapped.tolist() == MAPPED.tolist()


def test_the_interval_is_near_the_published_one_where_that_is_sound():
    got = stratified_by_map(OLOFSSON_2014, MAPPED, unit="pixel")
    assert (got.overall.high - got.overall.low) / 2 == pytest.approx(1.96 * 0.0095, rel=0.1)
    area = got.areas[0]  # published half width 68,418 pixels; ours leans upwards, as an error of omission may
    assert (area.high - area.low) / 2 == pytest.approx(68_418, rel=0.15)
    assert area.high - area.value > area.value - area.low


@settings(max_examples=12)
@given(st.lists(st.integers(0, 40), min_size=9, max_size=9), st.sampled_from([0.9, 0.95]))
def test_areas_sum_to_the_whole_and_lie_in_their_intervals(cells, level):
    confusion = np.reshape(cells, (3, 3)) + 2 * np.eye(3)
    got = stratified_by_map(confusion, np.array([1.0, 2.0, 3.0]), unit="ha", level=level)
    assert sum(e.value for e in got.areas) == pytest.approx(6.0)
    for e in [*got.areas, *got.users, *got.producers, got.overall]:
        assert 0 <= e.low <= e.value + 1e-9
        assert e.value - 1e-9 <= e.high
        assert e.high > e.low


def test_a_class_found_only_where_it_is_mapped_still_has_an_interval():
    got = stratified_by_map([[50, 0], [0, 50]], np.array([10.0, 990.0]), unit="ha")
    assert got.areas[0].value == pytest.approx(10)
    assert got.areas[0].high > 40
    assert got.producers[0].value == 1
    assert got.producers[0].low < 0.5
    assert got.overall.high == 1
    assert 0.9 < got.overall.low < 1


def test_user_accuracy_within_its_own_stratum_does_not_depend_on_the_others():
    one = stratified_by_map([[8, 2], [5, 45]], np.array([10.0, 90.0]), unit="ha").users[0]
    two = stratified_by_map([[8, 2], [0, 500]], np.array([10.0, 90.0]), unit="ha").users[0]
    assert (one.low, one.high) == pytest.approx((two.low, two.high))


def test_strata_other_than_the_map_classes_agree_with_the_published_example():
    # Stehman 2014, numerical example: four strata of 40,000, 30,000, 20,000 and 10,000 pixels, ten units each
    s = "A" * 10 + "B" * 10 + "C" * 10 + "D" * 10
    m = "A" * 7 + "B" * 3 + "A" + "B" * 11 + "C" * 6 + "BB" + "D" * 10
    t = "AAAAA" + "CBABCA" + "BBBBB" + "AABB" + "CCCCC" + "DDBBA" + "DDDDDDD" + "CCB"
    points = [np.array([*map("ABCD".index, text)]) for text in (s, m, t)]
    got = design_based(from_points(*points, 4, 4), [40_000, 30_000, 20_000, 10_000], unit="pixel")
    assert got.areas[0].value == pytest.approx(35_000)  # p. 4932: 0.35, 0.20 and 0.63
    assert got.areas[2].value == pytest.approx(20_000)
    assert got.overall.value == pytest.approx(0.63)
    assert got.users[1].value == pytest.approx(0.574, abs=5e-4)  # p. 4934
    assert got.producers[1].value == pytest.approx(0.794, abs=5e-4)
    assert got.share[1, 2] == pytest.approx(0.08)  # p. 4935
    for estimate, error in ((got.overall, 0.085), (got.users[1], 0.125), (got.producers[1], 0.116)):  # p. 4936
        assert (estimate.high - estimate.low) / 2 == pytest.approx(1.96 * error, rel=0.25)
    assert np.isnan(got.mapped).all()


def test_a_stratum_with_one_unit_is_named():
    counts = from_points([0, 0, 1], [0, 0, 1], [0, 0, 1], 2, 2)
    with pytest.raises(DesignError, match=r"fewer in water \(1\)"):
        design_based(counts, [1.0, 1.0], unit="ha", strata=["land", "water"])


def test_thin_strata_and_few_units_of_a_class_are_said():
    got = stratified_by_map([[2, 0], [3, 95]], np.array([10.0, 90.0]), unit="ha")
    assert "2 in 0" in got.overall.reason
    assert "5 sample units" in got.areas[0].reason
    assert not stratified_by_map([[20, 0], [3, 95]], np.array([10.0, 90.0]), unit="ha").overall.reason


def test_a_stratum_without_area_may_be_without_units():
    counts = from_points([0, 0, 0], [0, 0, 1], [0, 0, 1], 2, 2)
    assert design_based(counts, [5.0, 0.0], unit="ha").areas[0].value == pytest.approx(5 * 2 / 3)


def test_a_census_leaves_no_doubt():
    got = stratified_by_map([[8, 2], [5, 45]], np.array([10.0, 50.0]), unit="pixel", fraction=np.ones(2))
    assert got.areas[0].low == pytest.approx(got.areas[0].high, abs=1e-3)


def test_a_class_without_units_is_undefined_with_the_reason():
    got = stratified_by_map([[5, 0, 0], [1, 9, 0], [0, 0, 0]], np.array([1.0, 9.0, 0.0]), unit="ha")
    assert not got.users[2].defined
    assert "no sample unit" in got.users[2].reason
    assert got.areas[2].value == 0
    assert got.areas[2].high > 0


def test_area_by_class_is_the_short_form():
    areas = area_by_class([[9, 1], [0, 10]], [10.0, 90.0], unit="ha")
    assert [round(e.value) for e in areas] == [9, 91]
    assert areas[0].unit == "ha"
