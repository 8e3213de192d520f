"""assessment.json: the form that programs read, strict JSON, nothing made up."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from swath.assess import record as records
from swath.assess.area import design_based, from_points
from swath.errors import DesignError
from swath.estimate import Estimate, undefined

KEYS = {"design", "accuracy", "classes", "confusion", "candidates", "chosen", "baselines", "conformal", "leakage"}
ESTIMATE = {"value", "unit", "low", "high", "level", "n", "method", "simulated", "reason"}


@pytest.fixture
def judged():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 200)
    return truth, np.where(rng.random(200) < 0.8, truth, 1 - truth), np.arange(200) // 10


def made(judged, **options):
    truth, mapped, place = judged
    options = {"names": ["field", "forest", "water"], "codes": [1, 2, 7], "areas": [10, 20, 30], "unit": "ha"} | options
    return records.record(truth, mapped, place, **options)


def test_the_record_has_every_key_and_survives_strict_json(judged):
    score = Estimate(0.7, "1", 0.6, 0.8, n=9, method="five folds")
    got = made(
        judged,
        candidates=[("majority", undefined("1", "one class"))],
        chosen="majority",
        baselines=[("forest", score)],
        conformal=records.conformal_record(0.9, score, float("nan")),
        leakage={"found": False},
    )
    assert set(got) >= KEYS
    back = json.loads(json.dumps(got, allow_nan=False))
    assert set(back["accuracy"]) == ESTIMATE
    assert [c["code"] for c in back["classes"]] == [1, 2, 7]
    assert set(back["classes"][0]) >= {"name", "code", "users_accuracy", "producers_accuracy", "area", "unit"}
    assert back["confusion"]["rows"] == back["confusion"]["columns"] == ["field", "forest", "water"]
    assert back["candidates"][0]["score"]["reason"] == "one class"
    assert back["conformal"]["mean_set_size"] is None


def test_rows_of_the_confusion_are_the_map(judged):
    truth, mapped, _ = judged
    counts = np.array(made(judged)["confusion"]["counts"])
    assert counts[0, 1] == ((mapped == 0) & (truth == 1)).sum()


def test_truth_that_is_no_probability_sample_gives_no_area_interval(judged):
    got = made(judged)
    area = got["classes"][0]["area"]
    assert area["value"] == 10
    assert area["low"] is None
    assert area["high"] is None
    assert "no probability sample" in area["reason"]
    assert got["design"] == "none"
    assert "not design-based" in got["accuracy"]["method"]
    assert got["accuracy"]["low"] < got["accuracy"]["value"] < got["accuracy"]["high"]


def test_a_class_in_neither_map_nor_truth_is_null_with_a_reason(judged):
    water = made(judged)["classes"][2]
    assert water["users_accuracy"]["value"] is None
    assert "no unit of the truth" in water["users_accuracy"]["reason"]


def test_few_places_give_no_interval(judged):
    truth, mapped, _ = judged
    got = made((truth, mapped, np.arange(200) // 100))
    assert got["accuracy"]["low"] is None
    assert "2 places" in got["accuracy"]["reason"]


def test_a_probability_sample_gives_adjusted_areas_beside_the_mapped_ones(judged):
    truth, mapped, place = judged
    design = design_based(
        from_points(mapped, mapped, truth, 3, 3), [10.0, 20.0, 0.0], mapped=np.diag([10.0, 20.0, 0.0]), unit="ha"
    )
    got = records.record(
        truth, mapped, place, names=["a", "b", "c"], codes=[1, 2, 3], unit="ha", design=design, kind="stratified"
    )
    assert got["classes"][0]["mapped_area"] == 10
    assert got["classes"][0]["area"]["value"] == pytest.approx(design.areas[0].value)
    assert got["classes"][0]["area"]["low"] is not None
    assert "stratified random sample" in got["accuracy"]["method"]


def test_numbers_have_rmse_mae_r2_bias_and_coverage():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=300)
    predicted = truth + rng.normal(0.1, 0.5, 300)
    got = records.record_of_numbers(
        truth, predicted, np.arange(300) // 10, unit="t ha-1", low=predicted - 1, high=predicted + 1
    )
    assert set(got) >= {"rmse", "mae", "r2", "bias", "interval_coverage"} | KEYS
    assert got["rmse"]["unit"] == "t ha-1"
    assert got["bias"]["value"] == pytest.approx(np.mean(predicted - truth))
    assert got["rmse"]["low"] < got["rmse"]["value"] < got["rmse"]["high"]
    assert 0.9 < got["interval_coverage"]["value"] < 1
    none = records.record_of_numbers(truth, predicted, np.arange(300))
    assert none["interval_coverage"]["reason"]


def test_the_validator_names_what_is_wrong(judged):
    good = made(judged)
    for spoil, said in (
        (lambda r: r.pop("leakage"), "leakage"),
        (lambda r: r["accuracy"].update(value=float("nan")), "JSON"),
        (lambda r: r["accuracy"].update(low=None, reason=""), "no reason"),
        (lambda r: r["accuracy"].pop("n"), "accuracy"),
    ):
        bad = copy.deepcopy(good)
        spoil(bad)
        with pytest.raises(DesignError, match=said):
            records.validate(bad)
