from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from swath.baseline.forecast import Forecaster, Series  # noqa: E402
from swath.earth.sensor import Band  # noqa: E402
from swath.errors import BandError, FormatError, SwathError, UnitError  # noqa: E402
from swath.models import deco_input as prompts  # noqa: E402
from swath.models import deco_say  # noqa: E402
from swath.models.deco import FLOOR, Deco, heard, measured  # noqa: E402
from swath.models.earthpt import EarthPT, inputs  # noqa: E402

OPTICAL = (Band("RED", quantity="reflectance", units="1"), Band("NIR", quantity="reflectance", units="1"))
RADAR = (Band("VH", quantity="backscatter", units="dB"),)
CLASSES = ("wheat", "maize", "grass")


def series(n=6, t=12, seed=0, *, bands=OPTICAL, clear=0.8, first=17_900.0):
    rng = np.random.default_rng(seed)
    values = rng.normal(0.4, 0.2, (n, t, len(bands))).astype(np.float32)
    valid = (rng.random((n, t, 1)) < clear) & np.ones((n, t, len(bands)), bool)
    day = first + np.sort(rng.choice(900, (n, t), replace=False) if n * t < 900 else rng.uniform(0, 900, (n, t)), 1)
    return Series(values, valid, day, np.array([f"p{i}" for i in range(n)]), bands)


@pytest.fixture(scope="module")
def model():
    """A decoder of two sensors with loud random weights, so that differences would show."""
    torch.manual_seed(3)
    parts = {"s2": series(), "s1": series(bands=RADAR, seed=1)}
    made = Deco(
        "pico", dim=32, depth=2, heads=2, sensors={k: heard(s.bands) for k, s in parts.items()},
        spaces={"crops": CLASSES}, statistics=measured(parts), dates=40,
    )  # fmt: skip
    for p in made.parameters():
        if p.ndim > 1:
            torch.nn.init.normal_(p, 0, 0.25)
    return made.eval()


def hidden_of(model, packed):
    with torch.inference_mode():
        return model(packed.to("cpu"))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), pads=st.integers(1, 9))
def test_pads_and_what_stands_under_invalid_bits_change_no_output(model, seed, pads):
    s = series(seed=seed)
    rng = np.random.default_rng(seed)
    s = replace(s, valid=s.valid & (rng.random(s.valid.shape) < 0.8))
    wild = replace(s, values=np.where(s.valid, s.values, rng.choice([np.nan, np.inf, -1e9, 7.0], s.values.shape)))
    more = ((0, 0), (0, pads), (0, 0))
    longer = Series(
        np.pad(s.values, more, constant_values=9.0),
        np.pad(s.valid, more),
        np.pad(s.day, more[:2], "edge"),
        s.place,
        s.bands,
    )
    whole = prompts.crop(deco_say.sight_of(model, s), model.vocabulary, "crops")
    grown = prompts.joined(
        [whole, prompts.crop(deco_say.sight_of(model, series(t=12 + pads, clear=1)), model.vocabulary, "crops")]
    )
    base = hidden_of(model, whole)[np.arange(len(s)), whole.last]
    for other in (wild, longer):
        packed = prompts.crop(deco_say.sight_of(model, other), model.vocabulary, "crops")
        torch.testing.assert_close(hidden_of(model, packed)[np.arange(len(s)), packed.last], base, atol=1e-6, rtol=0)
    padded = hidden_of(model, grown)[np.arange(len(s)), whole.last]
    torch.testing.assert_close(padded, base, atol=2e-5, rtol=0)
    said, other = (model.fill(x, np.pad(np.arange(12) % 5 == 2, (0, n))[None].repeat(6, 0)).value[:, :12]
                   for x, n in ((s, 0), (longer, pads)))  # fmt: skip
    np.testing.assert_allclose(said, other, atol=2e-5)


def test_tokens_from_p_on_change_nothing_that_was_said_before(model):
    s = series(clear=1.0)
    other = replace(s, values=s.values.copy())
    other.values[:, 7:] = 3.0
    a, b = (hidden_of(model, prompts.forecast(deco_say.sight_of(model, x), model.vocabulary)) for x in (s, other))
    assert torch.equal(a[:, :8], b[:, :8])  # the task's symbol, then seven observations
    assert not torch.allclose(a[:, 8:], b[:, 8:])


def test_whole_years_leave_the_phase_as_it_is():
    day = np.array(["2019-03-01", "2019-12-31", "2019-02-28", "2019-07-11T12:00"], "datetime64[m]")
    here = prompts.phase(day.astype(float) / 1440)
    for year in (2020, 2024, 2100, 1999):
        moved = np.array([f"{year}{str(d)[4:]}" for d in day], "datetime64[m]")
        assert (prompts.phase(moved.astype(float) / 1440) == here).all()
    leap = prompts.phase(np.array(["2020-02-28", "2020-02-29", "2020-03-01"], "datetime64[D]").astype(float))
    assert leap[0] < leap[1] < leap[2]
    assert np.isnan(prompts.phase(np.array([np.nan]))[0])


def test_moving_all_dates_by_four_years_changes_no_class(model):
    s = series(first=17_000.0)
    later = replace(s, day=s.day + 4 * 365.25)
    np.testing.assert_allclose(model.classify(later, "crops"), model.classify(s, "crops"), atol=1e-5)


def test_observations_in_another_order_with_their_dates_are_a_prompt_of_the_same_tokens(model):
    sight = deco_say.sight_of(model, series(clear=1.0))
    straight = prompts.crop(sight, model.vocabulary, "crops")
    mixed = prompts.crop(sight, model.vocabulary, "crops", random=np.random.default_rng(0))
    assert (straight.values != mixed.values).any()
    for name in ("values", "elapsed", "phase"):
        a, b = (np.nan_to_num(getattr(p, name)).reshape(len(sight), -1) for p in (straight, mixed))
        np.testing.assert_array_equal(np.sort(a, 1), np.sort(b, 1))


def test_a_forecast_prompt_asks_each_next_date_and_answers_plainly_with_the_last_value(model):
    s = series(n=1, t=4, clear=1.0)
    s.valid[0, 1, 0] = False  # RED of the second date is not valid
    p = prompts.forecast(deco_say.sight_of(model, s), model.vocabulary)
    assert p.kind[0].tolist() == [1, 2, 2, 2, 2]
    assert p.ask[0].tolist() == [0, 0, 0, 0, -1]
    np.testing.assert_allclose(p.ask_elapsed[0, :4], s.day[0] - s.day[0, 0], atol=1e-3)
    assert p.targeted[0].tolist() == [[True, True], [False, True], [True, True], [True, True], [False, False]]
    assert p.anchored[0, 0].tolist() == [False, False]
    np.testing.assert_allclose(p.anchor[0, 2], [s.values[0, 0, 0], s.values[0, 1, 1]])
    assert p.role[0].tolist() == [2, 2, 2, 2, 1]


def test_a_gap_is_asked_for_last_with_the_straight_line_as_plain_answer(model):
    s = series(n=1, t=3, clear=1.0)
    asked = np.array([[False, True, False]])
    sight = deco_say.sight_of(model, s.without(asked))
    p = prompts.impute(
        sight, model.vocabulary, np.array([[0]]), s.day[:, 1:2], target=(s.values[:, 1:2], s.valid[:, 1:2])
    )
    assert p.kind[0].tolist() == [1, 2, 2, 1]
    share = (s.day[0, 1] - s.day[0, 0]) / (s.day[0, 2] - s.day[0, 0])
    np.testing.assert_allclose(p.anchor[0, 3], s.values[0, 0] + share * (s.values[0, 2] - s.values[0, 0]), rtol=1e-4)
    np.testing.assert_allclose(p.target[0, 3], s.values[0, 1])
    assert p.role[0].tolist() == [1, 1, 1, 2]


def test_two_sensors_are_one_sequence_in_order_of_time(model):
    both = {"s2": series(n=2, t=5, clear=1.0), "s1": series(n=2, t=3, bands=RADAR, seed=5, clear=1.0)}
    sight = deco_say.sight_of(model, both)
    assert sight.sensor.shape == (2, 8)
    assert (np.diff(sight.day, axis=1) >= 0).all()
    assert ((sight.sensor == 1).sum(1) == 3).all()
    assert not sight.valid[..., 1][sight.sensor == 1].any()  # the radar has one band
    said = model.translate({"s1": both["s1"]}, "s2", both["s2"].day)
    assert said.value.shape == (2, 5, 2)
    assert np.isfinite(said.value).all()
    assert (said.low < said.high).all()


def test_it_is_a_forecaster_and_keeps_what_was_seen(model):
    assert isinstance(model, Forecaster)
    s = series(t=60, clear=0.7)  # longer than training's 40 dates: filled in windows
    asked = np.arange(60)[None].repeat(6, 0) % 4 == 1
    said = model.fit(s).fill(s, asked)
    kept = s.valid & ~asked[..., None]
    np.testing.assert_array_equal(said.value[kept], s.values[kept])
    assert np.isfinite(said.value[asked]).all()
    assert np.isnan(said.value[~asked & ~s.valid.any(-1)]).all()
    assert (said.low[asked] < said.value[asked]).all()
    changed = replace(s, values=np.where(asked[..., None], np.float32(99), s.values))
    np.testing.assert_array_equal(model.fill(changed, asked).value[asked], said.value[asked])


def test_free_running_feeds_back_what_was_said_and_equals_a_run_without_cache(model):
    s = series(n=3, t=8, clear=1.0)
    days = s.day[:, -1:] + np.array([16.0, 32.0, 48.0])
    run = deco_say.forecast(model, s, days, feed="mean")
    known = s
    for i in range(3):
        p = prompts.forecast(deco_say.sight_of(model, known), model.vocabulary, (np.zeros(3, int), days[:, i])).to(
            "cpu"
        )
        hidden = hidden_of(model, p)[torch.arange(3), p.last]
        at = (torch.arange(3), p.last)
        z, spread, _ = model.values(hidden, torch.zeros(3, dtype=torch.long), p.anchor[at], p.anchored[at])
        mean, _ = model.physical(z, spread, torch.zeros(3, dtype=torch.long), "forecast")
        np.testing.assert_allclose(run.value[:, i], mean.detach().numpy(), atol=1e-5)
        grown = np.concatenate([known.values, mean.detach().numpy()[:, None]], 1)
        known = Series(grown, np.isfinite(grown), np.concatenate([known.day, days[:, i : i + 1]], 1), s.place, s.bands)
    drawn = deco_say.forecast(model, s, days, 40, seed=1)
    assert drawn.draws.shape == (40, 3, 3, 2)
    assert (drawn.low <= drawn.high).all()
    np.testing.assert_array_equal(deco_say.forecast(model, s, days, 40, seed=1).draws, drawn.draws)


def test_what_it_never_learned_is_refused_with_what_it_knows(model):
    s = series()
    with pytest.raises(
        SwathError, match=r"label space pastis; it knows the tasks crop, forecast.*crops \(wheat, maize"
    ):
        model.classify(s, "pastis")
    with pytest.raises(BandError, match="s2: RED, NIR; s1: VH"):
        model.classify(series(bands=(Band("EVI", quantity="index", units="1"),)))
    with pytest.raises(SwathError, match="the sensor s3; it knows"):
        model.translate(s, "s3", np.array([18_000.0]))
    other = replace(s, bands=(OPTICAL[0], replace(OPTICAL[1], quantity="digital_number")))
    with pytest.raises(UnitError, match="digital_number"):
        model.fit(other)
    lone = Deco("pico", dim=16, depth=1, heads=2, sensors={"s2": heard(OPTICAL)}, tasks=("impute",))
    with pytest.raises(SwathError, match="the task forecast; it knows the tasks impute"):
        lone.forecast(s, np.array([19_000.0]))
    with pytest.raises(SwathError, match="no label space named"):
        Deco("pico", dim=16, depth=1, heads=2, sensors={"s2": heard(OPTICAL)}).classify(s)


def test_a_constant_band_rests_at_the_floor_of_the_variance(model):
    hidden = torch.randn(5, 32) * 1000
    which, none = torch.zeros(5, dtype=torch.long), torch.zeros(5, 2)
    _, log_variance, low = model.values(hidden, which, none, none > 0)
    assert float(log_variance.detach().min()) >= FLOOR
    assert (low == (log_variance < FLOOR + np.log(2))).all()


def test_places_that_nobody_saw_have_no_answer(model):
    s = series()
    blind = replace(s, valid=s.valid & (np.arange(6) > 1)[:, None, None])
    p = model.classify(blind)
    assert np.isnan(p[:2]).all()
    np.testing.assert_allclose(p[2:].sum(1), 1, atol=1e-5)
    assert np.isnan(model.fill(blind, np.ones((6, 12), bool) & (np.arange(12) == 3)).value[:2]).all()


def test_earthpt_has_the_published_keys_and_count():
    with torch.device("meta"):
        made = EarthPT()
    state = made.state_dict()
    assert state["transformer.wte.0.weight"].shape == (1280, 14)
    assert state["transformer.wpe.weight"].shape == (256, 1280)
    assert state["transformer.h.35.attn.c_attn.weight"].shape == (3840, 1280)
    assert state["transformer.h.0.mlp.c_proj.weight"].shape == (1280, 5120)
    assert state["lm_head.2.weight"].shape == (1280, 2560)
    assert len(state) == 4 + 1 + 36 * 6 + 1 + 6
    assert not [k for k in state if k.endswith(("ln_1.bias", "c_attn.bias"))]


def test_a_checkpoint_of_earthpt_is_read_strictly(tmp_path):
    small = EarthPT(dim=64, depth=2, heads=1, block_size=16)
    torch.save({"model": {f"_orig_mod.{k}": v for k, v in small.state_dict().items()}}, tmp_path / "ckpt.pt")
    again = EarthPT.read(tmp_path / "ckpt.pt")
    x = torch.from_numpy(inputs(np.full((2, 6, 10), 0.1, np.float32), np.arange(6)[None].repeat(2, 0) * 30.0))
    assert x.shape == (2, 5, 14)
    assert float(x[0, 0, 0]) == pytest.approx(1.0)
    assert torch.equal(again(x), small(x))
    torch.save({k: v for k, v in small.state_dict().items() if "ln_2" not in k}, tmp_path / "lost.pt")
    with pytest.raises(FormatError, match="ln_2"):
        EarthPT.read(tmp_path / "lost.pt")


def test_it_is_an_encoder_that_keeps_the_rules(model):
    from swath.batch import Batch, Pixels
    from swath.testing import check_encoder

    rng = np.random.default_rng(0)
    day = 18_000.0 + 16 * np.arange(6)[None].repeat(2, 0)

    def pixels(bands):
        values = rng.normal(0.4, 0.2, (2, 6, len(bands), 4, 5)).astype(np.float32)
        return Pixels(values, rng.random(values.shape) < 0.8, bands, 10.0, day, np.zeros((2, 2)))

    check_encoder(model, Batch({"a": pixels(OPTICAL), "b": pixels(RADAR)}))
    lone = Deco("pico", dim=16, depth=1, heads=2, sensors={"s2": heard(OPTICAL)}, tasks=("impute",)).eval()
    check_encoder(lone, Batch({"a": pixels(OPTICAL)}))


def test_position_may_be_a_number_instead_of_days():
    torch.manual_seed(0)
    made = Deco(
        "pico", dim=32, depth=2, heads=2, sensors={"s2": heard(OPTICAL)}, spaces={"c": CLASSES}, position="number"
    )
    torch.nn.init.normal_(made.place.weight, 0, 0.5)
    s = series(n=3, t=8, clear=1.0)
    days = s.day[:, -1:] + np.array([16.0, 32.0])
    run = deco_say.forecast(made.eval(), s, days, feed="mean")
    longer = replace(s, values=np.concatenate([s.values, run.value[:, :1]], 1), day=np.concatenate([s.day, days[:, :1]], 1),
                     valid=np.ones((3, 9, 2), bool))  # fmt: skip
    again = deco_say.forecast(made, longer, days[:, 1:], feed="mean")  # from the start, in the place of the cache
    np.testing.assert_allclose(again.value[:, 0], run.value[:, 1], atol=1e-5)
    assert made.config["position"] == "number"
