"""SChanger: the published keys, counts and outputs, sides of any length, one return type, and the step from one date to two."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.batch import Batch, Pixels  # noqa: E402
from swath.earth.sensor import Band, sensor  # noqa: E402
from swath.errors import BandError, FormatError, GridError, SwathError, UnitError  # noqa: E402
from swath.models import build, load  # noqa: E402
from swath.models import schanger_input as given  # noqa: E402
from swath.models.schanger import SChanger, begin, fusion_keys  # noqa: E402

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "32-schanger.json").read_text())
COUNTS = {("small", 2): 607_305, ("base", 2): 2_369_995, ("small", 1): 580_849, ("base", 1): 2_265_163}


def filled(model):
    """Weights by the rule of the golden file."""
    state = model.state_dict()
    for j, key in enumerate(sorted(state)):
        value = state[key]
        i = np.arange(value.numel(), dtype=np.float64)
        wave = np.sin(0.37 * i + j)
        if key.endswith("num_batches_tracked"):
            continue
        if key.endswith("running_mean"):
            wave = 0.1 * wave
        elif key.endswith("running_var"):
            wave = 1 + 0.1 * np.cos(0.37 * i + j)
        elif value.ndim >= 2:
            wave = wave * math.sqrt(2 / (value.numel() / value.shape[0]))
        elif "layer_scale" in key:
            wave = 0.5 + 0.1 * wave
        else:
            wave = 1 + 0.1 * wave if key.endswith("weight") else 0.05 * wave
        state[key] = torch.tensor(wave).float().reshape(value.shape)
    model.load_state_dict(state)
    return model.eval()


def made(s, shape=(1, 3, 64, 96)):
    return torch.tensor(np.sin(0.013 * np.arange(math.prod(shape)) * s + s)).float().reshape(shape)


@pytest.fixture(scope="module")
def small():
    return filled(SChanger("small"))


@pytest.fixture(scope="module")
def single():
    return filled(SChanger("small", dates=1))


@pytest.mark.parametrize("size", ["small", "base"])
def test_both_dates_in_both_orders_agree_with_the_reference(size):
    model, expected = filled(SChanger(size)), GOLDEN[size]
    assert len(model.state_dict()) == 638
    assert sum(p.numel() for p in model.parameters()) == COUNTS[size, 2]
    found, swapped = model.probability(made(1), made(2)), model.probability(made(2), made(1))
    assert list(found.shape) == expected["shape"]
    np.testing.assert_allclose(found[0, 0, :5, :5], expected["corner_5x5"], atol=1e-5)
    np.testing.assert_allclose(found[0, 0, 31, ::8], expected["row31_every8"], atol=1e-5)
    np.testing.assert_allclose(swapped[0, 0, 31, ::8], expected["swapped_row31_every8"], atol=1e-5)
    np.testing.assert_allclose([found.mean(), found.std()], [expected["mean"], expected["std"]], atol=1e-5)


@pytest.mark.parametrize("size", ["small", "base"])
def test_every_stage_agrees_with_the_reference(size):
    model, expected, seen = filled(SChanger(size)), GOLDEN[size]["stages"], {}
    for name in expected:
        part = getattr(model, name)
        part = part["1"] if name.startswith("head") and name != "head6" else part["0"] if name == "head6" else part
        part = part[0] if name.startswith("Bi") else part
        part.register_forward_hook(lambda m, i, out, name=name: seen.setdefault(name, []).append(out))
    model.probability(made(2), made(1))  # the file's stages were kept in the last run of the reference, dates swapped
    for name, dates in expected.items():
        found = [x for out in seen[name] for x in (out if isinstance(out, list) else [out])]
        for x, want in zip(found, dates, strict=True):
            assert list(x.shape) == want["shape"]
            np.testing.assert_allclose(x.flatten()[:4], want["first4"], atol=2e-5)
            np.testing.assert_allclose(x.mean(), want["mean"], atol=2e-5)


@pytest.mark.parametrize("size", ["small", "base"])
def test_the_single_date_form_agrees_with_the_reference(size):
    model, expected = filled(SChanger(size, dates=1)), GOLDEN[f"single_date_{size}"]
    assert len(model.state_dict()) == expected["keys"] == 598
    assert sum(p.numel() for p in model.parameters()) == expected["parameters"] == COUNTS[size, 1]
    found = model.probability(made(1))
    np.testing.assert_allclose(found[0, 0, :5, :5], expected["corner_5x5"], atol=1e-5)
    np.testing.assert_allclose(found[0, 0, 31, ::8], expected["row31_every8"], atol=1e-5)


@pytest.mark.parametrize("shape", [(101, 100), (64, 96), (17, 33), (16, 16), (5, 3), (1, 1)])
def test_sides_that_are_no_multiples_of_sixteen_are_mirrored_and_cut(small, shape):
    first, second = (made(s, (1, 3, *shape)) for s in (1, 2))
    found = small.probability(first, second)
    assert found.shape == (1, 1, *shape)
    more = [(0, 0), (0, 0), *((0, -n % 16) for n in shape)]
    a, b = (torch.tensor(np.pad(x.numpy(), more, mode="reflect")) for x in (first, second))
    torch.testing.assert_close(found, small.probability(a, b)[..., : shape[0], : shape[1]], rtol=0, atol=1e-6)


def test_training_and_evaluation_return_the_same_kind(small):
    model = SChanger("nano")
    shapes = {tuple(model.train(on)(made(1), made(2)).shape) for on in (True, False)}
    assert shapes == {(1, 6, 64, 96)}


def test_the_attention_map_is_shared_and_the_order_of_the_dates_matters(small):
    maps = []
    hook = small.Bi5[0].attn.spatial_gating_unit.register_forward_hook(lambda m, i, out: maps.append(out))
    first, second = small.probability(made(1), made(2)), small.probability(made(2), made(1))
    hook.remove()
    assert len(maps) == 2  # one a pass, for both dates
    assert (first - second).abs().max() > 1e-3
    both = filled(SChanger("small", symmetric=True))
    assert torch.equal(both.probability(made(1), made(2)), both.probability(made(2), made(1)))


def test_the_wrong_number_of_dates_or_two_grids_are_refused_in_one_line(small):
    for dates in ((made(1),), (made(1), made(2), made(1))):
        with pytest.raises(SwathError, match=f"reads 2 dates; got {len(dates)};"):
            small(*dates)
    with pytest.raises(GridError, match="both dates have one grid"):
        small(made(1), made(2, (1, 3, 64, 64)))
    with pytest.raises(SwathError, match="reads 3 bands; got 4"):
        small(made(1, (1, 4, 16, 16)), made(2, (1, 4, 16, 16)))


def test_any_number_of_bands_goes_in():
    for channels in (1, 4, 13):
        x = torch.randn(1, channels, 32, 32)
        assert SChanger("nano", channels=channels).eval().probability(x, x).shape == (1, 1, 32, 32)


def test_published_files_load_strictly_and_wrong_sizes_are_named(tmp_path, small, single):
    good = tmp_path / "schanger_small_levir.pth"
    torch.save({"state_dict": small.state_dict(), "epoch": 3}, good)
    model = load("schanger", weights=good, size="small")
    assert all(torch.equal(v, small.state_dict()[k]) for k, v in model.state_dict().items())
    assert model.facts.trained_on.endswith("table of levir")
    assert model.scaling.mean["before"][0] == pytest.approx(255 * 0.450260)
    assert model.scaling.mean["after"][0] == pytest.approx(255 * 0.345523)
    assert load("schanger", weights=good).config["size"] == "small"
    with pytest.raises(FormatError, match=r"reshaped conv_1.conv.weight \(8, 3, 3, 3\) for \(24, 3, 3, 3\)"):
        load("schanger", weights=good, size="base")
    lacking = tmp_path / "schanger_small_whu.pth"
    torch.save({"state_dict": {k: v for k, v in small.state_dict().items() if k != "head6.0.conv.bias"}}, lacking)
    with pytest.raises(FormatError, match=r"missing head6.0.conv.bias"):
        load("schanger", weights=lacking)
    alone = tmp_path / "schanger_small_pretrain.pth"
    torch.save({"state_dict": single.state_dict()}, alone)
    assert load("schanger", weights=alone).dates == 1
    with pytest.raises(FormatError, match="and 34 more"):
        load("schanger", weights=alone, dates=2)


def test_unknown_names_are_refused_with_the_list(tmp_path, small):
    path = tmp_path / "renamed.pth"
    torch.save({"state_dict": small.state_dict()}, path)
    with pytest.raises(SwathError, match=r"schanger_base_sysu\.pth"):
        load("schanger", weights=path)
    assert load("schanger", weights=path, data="cdd").scaling.source.endswith("cdd")
    with pytest.raises(SwathError, match="one of levir, levir_plus"):
        load("schanger", weights=path, data="inria")
    with pytest.raises(SwathError, match=r"schanger_SIZE_DATA\.pth"):
        load("schanger")
    with pytest.raises(SwathError, match="known sizes; got huge"):
        build("schanger:huge")
    assert load("random:schanger", seed=1).config["size"] == "small"


def test_from_one_date_to_two_exactly_forty_tensors_are_new(single):
    model, new = begin(single)
    assert new == fusion_keys()
    assert len(new) == 40
    kept = single.state_dict()
    assert all(torch.equal(v, kept[k]) for k, v in model.state_dict().items() if k in kept)
    with pytest.raises(SwathError, match="begins from a single-date one"):
        begin(model)


def test_begun_as_a_difference_equal_dates_give_one_value_that_holds_the_prior(single):
    model, _ = begin(single, prior=0.02)
    same = model.eval().probability(made(1), made(1))
    assert same.std() < 1e-6
    np.testing.assert_allclose(same.mean(), 0.02, atol=1e-5)
    assert model.probability(made(1), made(2)).std() > 1e-4
    random, _ = begin(single, start="random")
    assert random.eval().probability(made(1), made(1)).std() > 1e-4


def pair(values=None, *, bands=None, dates=1, size=(20, 24), seed=0):
    rng = np.random.default_rng(seed)
    bands = sensor("rgb").bands if bands is None else bands
    values = rng.uniform(0, 255, (2, dates, len(bands), *size)).astype(np.float32) if values is None else values
    nothing = np.full((2, dates), np.nan)
    return Pixels(values, np.ones(values.shape, bool), tuple(bands), 0.5, nothing, np.full((2, 2), np.nan))


@pytest.fixture(scope="module")
def scaled():
    table = given.published("levir", single=False)
    return filled(SChanger("nano", statistics=table))


def test_change_takes_physical_pixels_and_gives_probabilities(scaled):
    a, b = pair(seed=1), pair(seed=2)
    found = scaled.change(a, b)
    assert found.shape == (2, 1, 20, 24)
    assert found.dtype == np.float32
    assert ((found >= 0) & (found <= 1)).all()
    lost = replace(a, values=np.where(np.arange(24) > 3, a.values, np.nan), valid=a.valid & (np.arange(24) > 3))
    assert np.isfinite(scaled.change(lost, b)).all()
    turned = replace(a, values=a.values[:, :, ::-1], bands=a.bands[::-1])
    np.testing.assert_array_equal(scaled.change(turned, b), found)
    assert scaled.needs.bands == ("red", "green", "blue")
    assert scaled.window == 256
    np.testing.assert_allclose(scaled.logits(Batch({"before": a, "after": b}))[:, :1].sigmoid().detach(), found)


def test_change_refuses_what_it_cannot_read(scaled):
    a = pair()
    with pytest.raises(GridError, match="one grid"):
        scaled.change(a, pair(size=(20, 20)))
    with pytest.raises(SwathError, match="one date before and one after; got 3 dates after"):
        scaled.change(a, pair(dates=3))
    with pytest.raises(BandError, match="without blue"):
        scaled.change(a, pair(bands=sensor("rgb").bands[:2]))
    with pytest.raises(UnitError, match="red as digital_number"):
        scaled.change(a, pair(bands=[replace(x, quantity="reflectance") for x in sensor("rgb").bands]))
    with pytest.raises(SwathError, match="carries the mean and deviation"):
        SChanger("nano").change(a, a)


def test_the_single_date_form_compares_two_segmentations():
    model = filled(SChanger("nano", dates=1, classes=("building",), statistics=given.published("whu", single=False)))
    a, b = pair(seed=1), pair(seed=2)
    assert (model.change(a, a) < 1).all()
    found = model.change(a, b)
    np.testing.assert_array_equal(found, model.change(a, b))
    assert found.shape == (2, 1, 20, 24)
    assert model.segment(a).shape == (2, 1, 20, 24)


def test_scaling_is_measured_on_both_dates_alike_and_comes_back_from_its_file():
    bands = (Band("nir", 842.0, 100.0, 10.0), Band("swir", quantity="backscatter", units="dB"))
    a, b = pair(bands=bands, seed=1), pair(bands=bands, seed=2)
    scaling = given.measure([a, b], source="a test")
    assert scaling.mean["before"] == scaling.mean["after"]
    both = np.concatenate([a.values, b.values]).astype(np.float64)
    np.testing.assert_allclose(scaling.mean["before"], both.mean((0, 1, 3, 4)))
    again = given.Scaling.from_json(json.loads(json.dumps(scaling.to_json())))
    torch.testing.assert_close(again(a, "before"), scaling(a, "before"))
    assert again.bands[1].units == "dB"
