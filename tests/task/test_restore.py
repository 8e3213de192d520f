from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.baseline import gaps  # noqa: E402
from swath.errors import SwathError  # noqa: E402
from swath.metric.regression import rmse  # noqa: E402
from swath.models.prithvi import Prithvi  # noqa: E402
from swath.task import Restore  # noqa: E402
from swath.task.restore import scores  # noqa: E402


@pytest.fixture(scope="module")
def pair():
    return Prithvi.example()


def asked_of(batch, seed=0):
    p = batch.pixels["hls-l30"]
    b, t, _, h, w = p.values.shape
    return np.random.default_rng(seed).random((b, t, h, w)) < 0.2


@pytest.mark.parametrize("name", [*gaps.FILLERS, "prithvi"])
def test_observed_values_pass_through_and_asked_ones_are_never_seen(pair, name):
    model, batch = pair
    task = Restore(gaps.FILLERS.get(name) or model.fill)
    p, asked = batch.pixels["hls-l30"], asked_of(batch)
    found = task.restore(batch, {"hls-l30": asked})["hls-l30"]
    assert found.shape == (1, *p.values.shape)
    kept = p.valid & ~asked[:, :, None]
    assert np.array_equal(found[0][kept], p.values[kept])
    assert np.isnan(found[0][~p.valid & ~asked[:, :, None]]).all()
    other = np.where(asked[:, :, None], np.float32(9e3), p.values)
    again = task.restore(replace(batch, pixels={"hls-l30": replace(p, values=other)}), {"hls-l30": asked})["hls-l30"]
    np.testing.assert_array_equal(found, again)


def test_nothing_asked_changes_nothing(pair):
    model, batch = pair
    p = batch.pixels["hls-l30"]
    none = np.zeros_like(asked_of(batch))
    found = Restore(model.fill).restore(batch, {"hls-l30": none})["hls-l30"]
    np.testing.assert_array_equal(found[0], np.where(p.valid, p.values, np.nan))


def test_wrong_masks_sensors_and_draws_are_refused(pair):
    model, batch = pair
    task, asked = Restore(model.fill), asked_of(batch)
    with pytest.raises(SwathError, match="bool"):
        task.restore(batch, {"hls-l30": asked[:, :1]})
    with pytest.raises(SwathError, match="sensors"):
        task.restore(batch, {"s2": asked})
    with pytest.raises(SwathError, match="one draw"):
        task.restore(batch, {"hls-l30": asked}, draws=4)


def test_prithvi_fills_in_physical_units_and_is_nan_for_bands_it_does_not_know(pair):
    model, batch = pair
    p = batch.pixels["hls-l30"]
    more = replace(
        p,
        values=np.concatenate([p.values, p.values[:, :, :1]], 2),
        valid=np.concatenate([p.valid, p.valid[:, :, :1]], 2),
        bands=(*p.bands, replace(p.bands[0], name="B01", wavelength=443.0)),
    )
    found = model.fill(replace(batch, pixels={"hls-l30": more}))["hls-l30"]
    assert np.isfinite(found[0, :, :, :6]).all()
    assert np.isnan(found[0, :, :, 6]).all()
    assert 0 < float(np.median(found[0, :, :, :6])) < 1


def test_baselines_say_what_their_names_say(pair):
    _, batch = pair
    p = batch.pixels["hls-l30"]
    values = np.zeros((1, 4, 1, 1, 1), np.float32)
    values[0, :, 0, 0, 0] = [1, 2, 9, 5]
    valid = np.array([True, True, False, True]).reshape(1, 4, 1, 1, 1)
    day = np.array([[0.0, 10.0, 20.0, 40.0]])
    one = replace(p, values=values, valid=valid, day=day, bands=p.bands[:1], lonlat=p.lonlat[:1])
    small = replace(batch, pixels={"x": one})
    said = {name: float(how(small)["x"][0, 0, 2, 0, 0, 0]) for name, how in gaps.FILLERS.items()}
    assert said == pytest.approx(
        {"linear in time": 3.0, "temporal median": 2.0, "temporal mean": 8 / 3, "previous date": 2.0}
    )
    nothing = replace(one, valid=np.zeros_like(valid))
    for how in gaps.FILLERS.values():
        assert np.isnan(how(replace(batch, pixels={"x": nothing}))["x"]).all()


def test_scores_are_those_of_the_asked_values_alone():
    rng = np.random.default_rng(0)
    values = rng.random((2, 3, 2, 12, 12))
    valid = np.ones(values.shape, bool)
    asked = np.zeros((2, 3, 12, 12), bool)
    asked[:, 1, 3:8, 3:8] = True
    said = values.copy()
    said[:, 1, 0, 3:8, 3:8] += 0.1
    error, alike = scores(said[None], values, valid, asked, peak=1.0)
    np.testing.assert_allclose(rmse(error), [[0.1, 0.0]] * 2, atol=1e-12)
    assert error[..., 0].tolist() == [[25, 25]] * 2
    share = alike[..., 0] / alike[..., 1]
    assert (share[:, 0] < 1).all()
    np.testing.assert_allclose(share[:, 1], 1.0)
