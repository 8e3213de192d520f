"""Presto: the published file, its golden values, and what its Encoder promises."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.batch import Batch  # noqa: E402
from swath.errors import BandError, FormatError, SwathError, UnitError  # noqa: E402
from swath.models import load  # noqa: E402
from swath.models.presto import Presto, _published  # noqa: E402
from swath.models.presto_input import CHANNEL, COLUMNS, Series, example_batch, read_series  # noqa: E402
from swath.models.weights import state  # noqa: E402
from swath.nn.visible import back, front  # noqa: E402

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "presto.json").read_text())
FILE = "weights/presto/default_model.pt"


@pytest.fixture(scope="module")
def presto(shared):
    return Presto.read(shared / FILE)


@pytest.fixture(scope="module")
def sets(shared):
    return {name: dict(np.load(shared / f"presto_eval/{name}.npz")) for name in ("algae_blooms", "fuel_moisture")}


def frac(rate, n):
    return np.mod(rate * np.arange(n, dtype=np.float64), 1.0)


def rows_of(sets, case):
    """(raw (n, T, 18), land, month, latlon, groups hidden (n, T, 9)) of a golden case."""
    data, name = sets[case["set"]], case["name"]
    rows = [0, 1] if name == "24_months_start_7" else case["rows"]
    raw, land = data["s1_s2_era5_srtm"][rows], data["dynamic_world"][rows].astype(int)
    month, latlon = data["month"][rows].astype(int), data["latlon"][rows]
    if name == "24_months_start_7":
        raw, land = raw.reshape(1, 24, 18), land.reshape(1, 24)
        month, latlon = (7 + np.arange(24))[None] % 12, latlon[:1]
    if name.startswith("one_month"):
        raw, land, month = raw[:, :1], land[:, :1], month[:, :1]
    n, t = land.shape
    hidden = np.zeros((n, t, 9), bool)
    if name == "sentinel2_only":
        hidden[..., [CHANNEL[g] for g in ("S1", "ERA5", "SRTM")]] = True
    if name == "masked_unequal":
        hidden = (frac(0.6180339887, n * t * 9) < 0.5).reshape(n, t, 9)
        land = np.where(frac(0.7548776662, n * t).reshape(n, t) < np.array([[0.2], [0.5], [0.8]]), 9, land)
    if name == "one_month_four_bands":
        hidden[...] = True
        hidden[..., [CHANNEL[g] for g in ("S2_RGB", "S2_NIR_10m", "NDVI")]] = False
    if name == "nothing_but_place":
        hidden[...] = True
    if name in ("sentinel2_only", "one_month_four_bands", "nothing_but_place"):
        land = np.full_like(land, 9)
    return raw, land, month, latlon, hidden


def series_of(raw, land, month, latlon, hidden):
    """What the network itself takes, written from the card's table and not through the Encoder."""
    add, divide = np.array(GOLDEN["add"]), np.array(GOLDEN["divide"])
    x = (raw.astype(np.float64) + add) / divide
    total = x[..., 8] + x[..., 4]
    ndvi = np.where(total > 0, (x[..., 8] - x[..., 4]) / np.where(total > 0, total, 1), 0)
    values = np.concatenate([np.delete(x[..., :17], 10, -1), ndvi[..., None]], -1)
    for i, columns in enumerate(COLUMNS.values()):
        values[..., columns] = np.where(hidden[..., i, None], 0, values[..., columns])
    lat, lon = np.deg2rad(latlon.astype(np.float64)).T
    place = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
    return Series(
        torch.tensor(values).float(), torch.tensor(hidden), torch.tensor(land), torch.tensor(month),
        torch.tensor(place).float(), (len(raw), 1, 1),
    )  # fmt: skip


def days_of(month):
    """Days that fall into the months: the first of each, a repeated one on its last but one day."""
    out = np.zeros(month.shape)
    for i, row in enumerate(month):
        year, before = 2019, -1
        for t, m in enumerate(row):
            again = m == before
            year += int(m < before)
            first = np.datetime64(f"{year}-{m + 1:02}-01")
            out[i, t] = (first + (29 if again else 0)).astype(int)
            before = m
    return out


def batch_of(raw, land, month, latlon, hidden):
    """The same through physical values and the Encoder's own reading."""
    from swath.datasets.presto_eval import pixels

    batch = pixels(raw, land, days_of(month), latlon)
    groups = {name: hidden[..., i] for i, name in enumerate(COLUMNS)}
    s1, s2 = batch.pixels["sentinel-1"], batch.pixels["sentinel-2-l1c"]
    of = {"B2": "S2_RGB", "B3": "S2_RGB", "B4": "S2_RGB", "B5": "S2_Red_Edge", "B6": "S2_Red_Edge", "B7": "S2_Red_Edge",
          "B8": "S2_NIR_10m", "B8A": "S2_NIR_20m", "B11": "S2_SWIR", "B12": "S2_SWIR"}  # fmt: skip
    seen = np.stack([~groups[of.get(b.name.replace("B0", "B"), "S1")] for b in s2.bands], -1)
    hide = {
        "sentinel-1": np.repeat(~groups["S1"][..., None], len(s1.bands), -1),
        "sentinel-2-l1c": seen,
        "era5-land-months": np.repeat(~groups["ERA5"][..., None], 2, -1),
        "srtm-terrain": np.repeat(~groups["SRTM"][..., None], 2, -1),
        "dynamic-world": (land < 9)[..., None],
    }
    return Batch(
        {n: replace(p, valid=p.valid & hide[n][:, : p.valid.shape[1], :, None, None]) for n, p in batch.pixels.items()}
    )


CASES = [{"name": name, **case} for name, case in GOLDEN["cases"].items()]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_golden_vectors_and_stages_agree(presto, sets, case):
    series = series_of(*rows_of(sets, case))
    with torch.no_grad():
        x, seen, _ = presto.encoder.sequence(series)
        assert seen.sum(1).tolist() == case["visible_tokens_per_row"]
        assert x.shape[1] == case["sequence_length"]
        stages = {"sequence_into_block_0": x}
        for i, block in enumerate(presto.encoder.blocks):
            x = block(x, seen)
            stages[f"after_block_{i}"] = x
        weight = seen[..., None].float()
        stages["mean_before_norm"] = (x * weight).sum(1) / weight.sum(1)
        pooled = presto.encoder.pooled(series, (-1,))[0]
    np.testing.assert_allclose(pooled, np.array(case["pooled"]), atol=1e-5, rtol=0)
    for name, expected in case.get("stages", {}).items():
        agree(stages[name].numpy(), expected)


def agree(values, expected):
    assert list(values.shape) == expected["shape"]
    tail = values.reshape(-1, values.shape[-1])
    found = [values.mean(), values.std(), np.abs(values).max()]
    np.testing.assert_allclose(found, [expected[k] for k in ("mean", "std", "abs_max")], atol=2e-5)
    np.testing.assert_allclose(tail[0, :4], expected["first_token_first4"], atol=1e-5)
    np.testing.assert_allclose(tail[-1, :4], expected["last_token_first4"], atol=1e-5)


def test_the_decoder_agrees_with_the_golden_case(presto, sets):
    case = next(c for c in CASES if c["name"] == "masked_unequal")
    raw, land, month, latlon, hidden = rows_of(sets, case)
    series = series_of(raw, land, month, latlon, hidden)
    with torch.no_grad():
        found, logits = (v.numpy() for v in presto(series))
    expected = case["decoder"]
    agree(found, expected["reconstruction"])
    agree(logits, expected["dw_logits"])
    np.testing.assert_allclose(found[0, 0], expected["reconstruction_row0_step0"], atol=1e-5)
    np.testing.assert_allclose(found[2, 11], expected["reconstruction_row2_step11"], atol=1e-5)
    np.testing.assert_allclose(logits[0, 0], expected["dw_logits_row0_step0"], atol=1e-5)
    truth = series_of(raw, land, month, latlon, np.zeros_like(hidden)).values.numpy()
    where = np.concatenate([np.repeat(hidden[..., i, None], len(c), -1) for i, c in enumerate(COLUMNS.values())], -1)
    where[:, 1:, COLUMNS["SRTM"]] = False
    error = np.square(found - truth)[where].mean()
    assert error == pytest.approx(expected["mse_on_hidden_first_srtm_step_only"], rel=1e-4)


# One case hides the NDVI where its bands are seen: the network can, an Encoder of physical values never does.
@pytest.mark.parametrize("case", [c for c in CASES if c["name"] != "masked_unequal"], ids=lambda c: c["name"])
def test_physical_values_through_the_encoder_give_the_golden_vectors(presto, sets, case):
    found = presto.encode(batch_of(*rows_of(sets, case)))[0]
    assert found.shape == (1, 1, 1)
    np.testing.assert_allclose(found.values[:, 0], np.array(case["pooled"]), atol=1e-5, rtol=0)
    assert found.valid.all() == (case["name"] != "nothing_but_place")


def test_counts_and_fixed_tables_are_those_of_the_file(presto, shared):
    fixed = sum(b.numel() for b in presto.encoder.buffers())
    assert sum(p.numel() for p in presto.encoder.parameters()) == 402_240
    assert fixed + 402_240 == 404_160
    assert sum(p.numel() for p in presto.parameters()) == 819_034
    assert sum(t.numel() for t in [*presto.parameters(), *presto.buffers()]) == 822_682
    tensors, new = state(shared / FILE), Presto().state_dict()
    assert len(tensors) == 102
    for key in ("encoder.position", "encoder.month", "decoder.position", "decoder.month"):
        assert torch.equal(new[key], tensors[_published(key)[0]])
    check = GOLDEN["pos_embed_encoder"]
    np.testing.assert_allclose(new["encoder.position"][0, 1, :8], check["row_1_first8"], atol=1e-6)
    assert torch.equal(tensors["decoder.channel_embeddings.weight"], tensors["encoder.channel_embed.weight"])


def test_a_file_with_other_keys_is_refused_with_their_names(shared, tmp_path):
    tensors = state(shared / FILE)
    tensors["surplus"] = torch.zeros(1)
    del tensors["encoder.norm.bias"]
    tensors["encoder.eo_patch_embed.S1.weight"] = torch.zeros(128, 3)
    torch.save(tensors, tmp_path / "other.pt")
    with pytest.raises(FormatError, match=r"missing encoder.norm.bias; extra surplus; .*S1.weight \(128, 3\)"):
        Presto.read(tmp_path / "other.pt")


def test_a_batch_equals_each_row_alone_with_unequal_masks(presto, sets):
    batch = batch_of(*rows_of(sets, next(c for c in CASES if c["name"] == "masked_unequal")))
    from swath.sample.loader import take

    whole = presto.encode(batch)[0].values
    alone = np.concatenate([presto.encode(take(batch, [i]))[0].values for i in range(3)])
    np.testing.assert_allclose(whole, alone, atol=1e-6)


def hide(batch, sensor, names):
    p = batch.pixels[sensor]
    out = np.array([b.name in names for b in p.bands])
    valid = p.valid & ~out[:, None, None]
    values = np.where(valid, p.values, np.nan).astype(np.float32)
    return replace(batch, pixels={**batch.pixels, sensor: replace(p, values=values, valid=valid)})


def test_hiding_one_band_of_a_group_hides_the_group_and_nan_never_matters():
    model, batch = Presto.example()
    one = hide(batch, "sentinel-2a-l1c", ["B02"])
    all_ = hide(batch, "sentinel-2a-l1c", ["B02", "B03"])
    series = [read_series(b.to("cpu"), 24) for b in (one, all_)]
    assert torch.equal(series[0].hidden, series[1].hidden)
    red = COLUMNS["S2_RGB"][2]
    values = [s.values.clone() for s in series]
    for v in values:
        v[..., [2, 3, red]] = 0  # what is hidden may differ, and red itself is still seen by the NDVI
    assert torch.equal(values[0], values[1])
    a, b = model.encode(one)[0], model.encode(all_)[0]
    np.testing.assert_array_equal(a.values, b.values)
    assert np.isfinite(a.values).all()


def test_a_sensor_that_gives_the_index_alone_is_read_as_the_index():
    from swath.earth.sensor import sensor

    _, batch = Presto.example()
    p = batch.pixels["sentinel-2a-l1c"]
    both = [next(i for i, b in enumerate(p.bands) if b.name == n) for n in ("B04", "B08")]
    red, nir = (p.values[:, :, i] for i in both)
    index = ((nir - red) / (nir + red))[:, :, None]
    valid = p.valid[:, :, both].all(2, keepdims=True)
    band = next(b for b in sensor("modis-mod13").bands if b.quantity == "index")
    alone = replace(p, values=index, valid=valid, bands=(replace(band, name="NDVI"),))
    series = read_series(Batch({"modis-mod13": alone}).to("cpu"), 24)
    whole = read_series(batch.to("cpu"), 24)
    seen = ~series.hidden[..., CHANNEL["NDVI"]]
    assert torch.equal(seen, ~whole.hidden[..., CHANNEL["NDVI"]])
    np.testing.assert_allclose(series.values[..., 16][seen], whole.values[..., 16][seen], atol=1e-6)
    assert series.hidden[..., : CHANNEL["NDVI"]].all()


def test_terrain_of_later_steps_changes_nothing():
    model, batch = Presto.example()
    p = batch.pixels["srtm-terrain"]
    p = replace(p, valid=np.ones_like(p.valid))
    other = p.values.copy()
    other[:, 1:] += 500
    first = model.encode(replace(batch, pixels={**batch.pixels, "srtm-terrain": p}))[0]
    second = model.encode(replace(batch, pixels={**batch.pixels, "srtm-terrain": replace(p, values=other)}))[0]
    np.testing.assert_array_equal(first.values, second.values)


def test_sensors_of_other_dates_meet_in_their_months_and_gaps_are_hidden():
    model, batch = Presto.example()
    p = batch.pixels["sentinel-1-rtc"]
    moved = replace(p, day=p.day + 9.0)
    later = model.encode(replace(batch, pixels={**batch.pixels, "sentinel-1-rtc": moved}))[0]
    np.testing.assert_allclose(later.values, model.encode(batch)[0].values, atol=1e-6)
    cut = replace(p, values=p.values[:, 1:], valid=p.valid[:, 1:], day=p.day[:, 1:])
    gone = replace(p, valid=p.valid & (np.arange(3) > 0)[:, None, None, None])
    a, b = (model.encode(replace(batch, pixels={**batch.pixels, "sentinel-1-rtc": x}))[0] for x in (cut, gone))
    np.testing.assert_allclose(a.values, b.values, atol=1e-6)


def with_(batch, sensor, **changes):
    return replace(batch, pixels={**batch.pixels, sensor: replace(batch.pixels[sensor], **changes)})


def test_what_it_cannot_read_is_refused_in_words():
    model, batch = Presto.example()
    s1, s2 = batch.pixels["sentinel-1-rtc"], batch.pixels["sentinel-2a-l1c"]
    linear = tuple(replace(b, units="1") for b in s1.bands)
    with pytest.raises(UnitError, match="dB"):
        model.encode(with_(batch, "sentinel-1-rtc", bands=linear))
    with pytest.raises(UnitError, match="between 0 and 1"):
        model.encode(with_(batch, "sentinel-2a-l1c", values=s2.values * 10_000))
    with pytest.warns(UserWarning, match=r"below 0\.01"):
        model.encode(with_(batch, "sentinel-2a-l1c", values=s2.values / 10_000))
    surface = tuple(replace(b, quantity="reflectance") for b in s2.bands)
    with pytest.warns(UserWarning, match="top of the atmosphere"):
        model.encode(with_(batch, "sentinel-2a-l1c", bands=surface))
    with pytest.raises(SwathError, match="one value a month"):
        model.encode(with_(batch, "sentinel-2a-l1c", day=s2.day * 0 + s2.day[:, :1] + np.array([0, 5, 40])))
    with pytest.raises(SwathError, match="date"):
        model.encode(with_(batch, "sentinel-2a-l1c", day=s2.day * np.nan))
    nowhere = {n: replace(p, lonlat=p.lonlat * np.nan) for n, p in batch.pixels.items()}
    with pytest.raises(SwathError, match="where on Earth"):
        model.encode(Batch(nowhere))
    hours = tuple(replace(b, units="m") if "precip" in b.name else b for b in batch.pixels["era5-land-months"].bands)
    with pytest.raises(UnitError, match="summed"):
        model.encode(with_(batch, "era5-land-months", bands=hours))
    other = tuple(replace(b, name=f"X{i}", wavelength=3000.0 + 40 * i, aliases=()) for i, b in enumerate(s2.bands))
    with pytest.raises(BandError, match="Sentinel-1"):
        model.encode(Batch({"x": replace(s2, bands=other)}))
    day = np.tile(18_262.0 + 30.5 * np.arange(25), (2, 1))
    many = replace(s2, values=s2.values[:, :1].repeat(25, 1), valid=s2.valid[:, :1].repeat(25, 1), day=day)
    with pytest.raises(SwathError, match=r"25 dates.*monthly medians"):
        model.encode(Batch({"s2": many}))


def test_tiles_equal_the_whole(monkeypatch):
    model, batch = Presto.example()
    whole = model.encode(batch)[0].values
    small = Presto.example()[0]
    small.load_state_dict(model.state_dict())
    small.chunk = 64
    np.testing.assert_allclose(small.encode(batch)[0].values, whole, atol=1e-6)


def test_levels_are_means_after_the_blocks_and_gradients_flow():
    model = Presto(width=64, depth=2, heads=2, decoder_width=64, decoder_depth=1).eval()
    batch = example_batch()
    first, second, last = model.encode(batch, levels=(0, 1, -1))
    normed = model.encoder.norm(torch.tensor(second.values)).detach().numpy()
    np.testing.assert_allclose(normed, last.values, atol=1e-6)
    assert not np.allclose(first.values, second.values)
    with pytest.raises(ValueError, match="levels"):
        model.encode(batch, levels=(2,))
    tokens = model.encode(batch.to("cpu"))[0]
    tokens.values.sum().backward()
    assert model.encoder.bands["S1"].weight.grad is not None


def test_the_published_file_is_found_by_name_and_a_twin_has_random_weights(shared, monkeypatch):
    monkeypatch.delenv("SWATH_WEIGHTS", raising=False)
    with pytest.raises(SwathError, match="SWATH_WEIGHTS"):
        load("presto")
    monkeypatch.setenv("SWATH_WEIGHTS", str(shared / "weights"))
    batch = example_batch()
    found = load("presto")
    assert found.facts.licence == "MIT"
    values = found.encode(batch)[0].values
    twin = [load("random:presto", seed=s).encode(batch)[0].values for s in (0, 0, 1)]
    assert np.array_equal(twin[0], twin[1])
    assert not np.allclose(twin[0], twin[2])
    assert not np.allclose(twin[0], values)


def test_hidden_tokens_go_out_and_come_back():
    x = torch.arange(24.0).reshape(2, 4, 3)
    visible = torch.tensor([[True, False, True, False], [False, False, True, False]])
    kept, valid, order = front(x, visible)
    assert kept.shape == (2, 2, 3)
    assert valid.tolist() == [[True, True], [True, False]]
    again = back(kept, valid, order, torch.tensor([-1.0, -2.0, -3.0]))
    assert torch.equal(again[visible], x[visible])
    assert (again[~visible] == torch.tensor([-1.0, -2.0, -3.0])).all()
