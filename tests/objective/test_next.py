from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.baseline.forecast import Series  # noqa: E402
from swath.earth.sensor import Band  # noqa: E402
from swath.models import deco_input as prompts  # noqa: E402
from swath.models import deco_say  # noqa: E402
from swath.models.deco import Deco, heard  # noqa: E402
from swath.objective.next import Next  # noqa: E402

BANDS = (Band("NDVI", quantity="index", units="1"),)


@pytest.fixture
def made():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    day = 18_000 + 16.0 * np.arange(10)[None].repeat(5, 0)
    s = Series(
        rng.random((5, 10, 1)).astype(np.float32), np.ones((5, 10, 1), bool), day, np.array(list("abcde")), BANDS
    )
    model = Deco("pico", dim=16, depth=1, heads=2, sensors={"m": heard(BANDS)}, spaces={"x": ("a", "b")})
    return model, deco_say.sight_of(model, s)


def test_each_kind_is_averaged_over_its_own_tokens(made):
    model, sight = made
    crop = prompts.crop(sight, model.vocabulary, "x", np.array([0, 1, 1, -1, 0]))
    ahead = prompts.forecast(sight, model.vocabulary)
    alone = [Next()(model, p.to("cpu")).terms for p in (crop, ahead)]
    both = Next(symbol=2.0, value=0.25)(model, prompts.joined([crop, ahead]).to("cpu")).terms
    torch.testing.assert_close(both["symbol"], 2 * alone[0]["symbol"])
    torch.testing.assert_close(both["value"], 0.25 * alone[1]["value"])
    assert "value" not in alone[0]
    assert "symbol" not in alone[1]


def test_many_values_never_drown_one_class(made):
    model, sight = made
    one = prompts.crop(sight.rows(np.array([0])), model.vocabulary, "x", np.array([1]))
    many = prompts.joined([one, *[prompts.forecast(sight, model.vocabulary)] * 20])
    torch.testing.assert_close(
        Next()(model, many.to("cpu")).terms["symbol"], Next()(model, one.to("cpu")).terms["symbol"]
    )


def test_invalid_targets_count_for_nothing_and_the_floor_is_told(made):
    model, sight = made
    p = prompts.forecast(sight, model.vocabulary)
    clean = Next()
    before = clean(model, p.to("cpu")).terms["value"]
    p.target[~p.targeted] = 1e9
    assert torch.equal(Next()(model, p.to("cpu")).terms["value"], before)
    told = clean.remarks()
    assert told["at the floor"] == 0
    assert told["weight of values"] == 1.0
    with torch.no_grad():
        model.say_value[0].bias[2:] = -50.0
    clean(model, p.to("cpu"))
    assert clean.remarks()["at the floor"] == 1.0


def test_huber_is_of_the_mean_alone(made):
    model, sight = made
    loss = Next(how="huber")(model, prompts.forecast(sight, model.vocabulary).to("cpu"))
    assert 0 < float(loss.value.detach()) < 10
