"""Galileo nano: the published file, its golden values, patches of any size, and what its Encoder promises."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.batch import Batch, Pixels  # noqa: E402
from swath.earth.sensor import sensor  # noqa: E402
from swath.errors import FormatError, GridError, SwathError, UnitError  # noqa: E402
from swath.models import load  # noqa: E402
from swath.models.galileo import Galileo, _code, _published  # noqa: E402
from swath.models.galileo_input import GROUPS, World, example_batch, read_world, scaling  # noqa: E402
from swath.models.weights import state  # noqa: E402
from swath.nn.flexible import inverse, resized  # noqa: E402

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "galileo-nano.json").read_text())
FILE = "weights/galileo_nano/encoder.pt"
SIZES = {"space_time": 13, "space": 16, "time": 6, "static": 18}
CASES = [{"name": name, **case} for name, case in GOLDEN["cases"].items()]
MADE = [c for c in CASES if c.get("fill") == "rule"]
LIMIT = 5e-5


@pytest.fixture(scope="module")
def nano(shared):
    return Galileo.read(shared / FILE)


def frac(rate, *shape):
    return np.mod(rate * np.arange(np.prod(shape), dtype=np.float64), 1.0).reshape(shape)


def world_of(case):
    """The network's own input of a case made by the fill rule."""
    b, h, _, t = case["B,H,W,T"]
    p = case["patch_size"]
    n = h // p
    shapes = {"space_time": (b, h, h, t, 13), "space": (b, h, h, 16), "time": (b, t, 6), "static": (b, 18)}
    values = {}
    for k, (kind, shape) in enumerate(shapes.items()):
        i = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
        values[kind] = torch.tensor(0.5 + 0.25 * np.sin(0.37 * i + k)).float()
    cells = {"space_time": (b, n, n, t, 7), "space": (b, n, n, 3), "time": (b, t, 3), "static": (b, 4)}
    hidden = {kind: np.zeros(shape, bool) for kind, shape in cells.items()}
    name = case["name"]
    if name == "masked_unequal_patch4":
        limit = np.array([0.3, 0.6]).reshape(2, 1, 1, 1, 1)
        hidden["space_time"] = frac(0.6180339887, *cells["space_time"]) < limit
        hidden["space"] = frac(0.7548776662, *cells["space"]) < 0.5
        hidden["time"] = frac(0.5698402910, *cells["time"]) < 0.5
        hidden["static"] = np.array([[1, 0, 1, 1], [0, 0, 1, 0]], bool)
    seen = {
        "one_month_sentinel2_only": {"space_time": list(GROUPS["space_time"])[1:]},
        "sentinel1_only": {"space_time": ["S1"]},
        "weather_and_place_only": {"time": ["ERA5"], "static": ["location"]},
    }.get(name)
    if seen is not None:
        for kind, groups in GROUPS.items():
            out = [g not in seen.get(kind, []) for g in groups]
            hidden[kind] = np.broadcast_to(out, hidden[kind].shape).copy()
    month = torch.tensor(case["months"])
    day = torch.full(month.shape, float("nan"))
    gsd = float(case.get("input_resolution_m", 10))
    return World(values, {k: torch.tensor(v) for k, v in hidden.items()}, month, day, p, gsd)


def stages(model, world, blocks):
    from swath.nn.visible import back, front

    out = {f"projection_{kind}": v for kind, v in model.projections(world).items()}
    x, seen, order = front(model.tokens(world), world.visible())
    out["sequence_into_block_0"] = x
    for i in range(blocks):
        x = model.blocks[i](x, seen)
        out[f"after_block_{i}"] = x
    whole, start = model.norm(back(x, seen, order)), 0
    for kind in GROUPS:
        shape = world.hidden[kind].shape
        count = int(np.prod(shape[1:]))
        out[f"final_{kind}"] = whole[:, start : start + count].reshape(*shape, -1)
        start += count
    return whole, out


def agree(values, expected):
    values = values.detach().numpy()
    assert list(values.shape) == expected["shape"]
    flat = values.reshape(-1, values.shape[-1])
    found = [values.mean(), values.std(), np.abs(values).max()]
    np.testing.assert_allclose(found, [expected[k] for k in ("mean", "std", "abs_max")], atol=LIMIT)
    np.testing.assert_allclose(flat[0, :4], expected["first_first4"], atol=LIMIT)
    np.testing.assert_allclose(flat[-1, :4], expected["last_first4"], atol=LIMIT)


def per_patch(whole, world):
    """The published pooling of a patch: its own visible tokens, and all of time and place."""
    _, h, w = world.cells
    parts = torch.split(whole, [v.flatten(1).shape[1] for v in world.hidden.values()], 1)
    seen = {k: (~v).float() for k, v in world.hidden.items()}
    own = [x.reshape(*seen[k].shape, -1) * seen[k][..., None] for (k, x) in zip(GROUPS, parts, strict=True)]
    total = own[0].sum((3, 4)) + own[1].sum(3) + (own[2].sum((1, 2)) + own[3].sum(1))[:, None, None]
    count = seen["space_time"].sum((3, 4)) + seen["space"].sum(3)
    count = count + (seen["time"].sum((1, 2)) + seen["static"].sum(1))[:, None, None]
    return (total / count[..., None]).reshape(len(whole), h * w, -1)


def check_case(model, world, case):
    visible = world.visible()
    assert visible.sum(1).tolist() == case["visible_tokens_per_example"]
    level = case.get("exit_after", len(model.blocks))
    with torch.no_grad():
        values = model(world, (level,))[0]
        whole, found = stages(model, world, level)
    weight = visible[..., None].float()
    pooled = (values * weight).sum(1) / weight.sum(1)
    np.testing.assert_allclose(pooled, np.array(case["pooled"]), atol=LIMIT, rtol=0)
    np.testing.assert_allclose(values, whole, atol=1e-6)
    for name, expected in case.get("stages", {}).items():
        agree(found[name], expected)
    if "per_patch" in case:
        agree(per_patch(whole, world), case["per_patch"])


@pytest.mark.parametrize("case", MADE, ids=lambda c: c["name"])
def test_golden_vectors_and_stages_agree(nano, case):
    check_case(nano, world_of(case), case)


def test_a_batch_equals_each_example_alone_with_unequal_masks(nano):
    case = next(c for c in MADE if c["name"] == "masked_unequal_patch4")
    world = world_of(case)
    with torch.no_grad():
        whole = nano(world)[0]
        for i in range(2):
            alone = nano(world.rows(slice(i, i + 1)))[0]
            seen = world.visible()[i]
            np.testing.assert_allclose(alone[0][seen], whole[i][seen], atol=1e-6)


@pytest.mark.parametrize("patch", [1, 2, 3, 4, 8])
def test_patch_kernels_are_those_of_the_published_resize(nano, patch):
    expected = GOLDEN["patch_kernel"]
    weight = nano.projection["space_time"]["S2_NIR_10m"].weight.detach()
    found = resized(weight, patch)
    if patch == 8:
        np.testing.assert_allclose(
            found[0, 0].flatten()[:4], expected["S2_NIR_10m_channel0_out0_8x8_first4"], rtol=1e-6
        )
        return
    key = f"{patch}x{patch}"
    first = np.array(expected[f"S2_NIR_10m_out0_{key}"])
    np.testing.assert_allclose(found[0, 0].flatten(), first, rtol=1e-4, atol=1e-4 * np.abs(first).max())
    assert float(found.square().sum()) == pytest.approx(expected[f"sum_of_squares_{key}"], rel=1e-4)
    assert np.square(inverse(8, patch)).sum() == pytest.approx(expected[f"pinv_sum_of_squares_{key}"], rel=1e-4)


def test_counts_fixed_tables_and_scaling_are_those_of_the_file(nano, shared):
    assert sum(p.numel() for p in nano.parameters()) == 1_036_704
    tensors, new = state(shared / FILE), Galileo().state_dict()
    assert len(tensors) == 106
    assert sum(t.numel() for t in tensors.values()) == 1_037_856
    assert torch.equal(new["time_code"], tensors["pos_embed"])
    assert torch.equal(new["month_code"], tensors["month_embed.weight"])
    for kind, table in GOLDEN["scaling_std"].items():
        shift, divisor = scaling(kind)
        np.testing.assert_allclose(shift, table["shift"], rtol=1e-6)
        np.testing.assert_allclose(divisor, table["div"], rtol=1e-6)
    place = _code(torch.tensor([0.0, 4.0]), 16)
    check = GOLDEN["space_embed_2x2_patch4_10m"]
    np.testing.assert_allclose(place[1, :8], check["row0_col1_first8"], atol=1e-6)
    np.testing.assert_allclose(place[1, :4], check["row1_col0_16_19"], atol=1e-6)


def test_other_sizes_have_the_published_counts_and_refuse_this_file(shared):
    for size, count in (("tiny", 5_703_792), ("base", 86_516_160)):
        with torch.device("meta"):
            assert sum(p.numel() for p in Galileo(size).parameters()) == count
    with pytest.raises(FormatError, match=r"galileo:tiny key by key.*blocks\.10"):
        Galileo.read(shared / FILE, size="tiny")
    with pytest.raises(SwathError, match="nano, tiny, base"):
        Galileo("huge")
    with pytest.raises(SwathError, match="1 to 8"):
        Galileo(patch=9)


def test_names_with_a_backbone_are_read_and_others_refused_by_name(nano, shared, tmp_path):
    tensors = state(shared / FILE)
    torch.save({k.replace("blocks.", "backbone.blocks."): v for k, v in tensors.items()}, tmp_path / "old.pt")
    assert torch.equal(Galileo.read(tmp_path / "old.pt").norm.weight, nano.norm.weight)
    tensors["surplus"] = tensors.pop("blocks.0.attn.k.bias")
    torch.save(tensors, tmp_path / "wrong.pt")
    with pytest.raises(FormatError, match=r"missing blocks.0.attn.k.bias; extra surplus"):
        Galileo.read(tmp_path / "wrong.pt")


def test_rows_of_points_through_physical_values_give_the_golden_vectors(nano, shared):
    from swath.datasets.presto_eval import rows
    from swath.sample.loader import take

    case = next(c for c in CASES if c["name"] == "real_pixel_series")
    batch = take(rows(shared / "presto_eval", "algae_blooms").batch, case["rows"])
    model = with_options(nano, patch=1)
    world = read_world(batch.to("cpu"), 1)
    got = world.values["space_time"][0, 0, 0, 0]
    np.testing.assert_allclose(got, case["scaled_row0_step0_space_time"], atol=1e-5)
    np.testing.assert_allclose(world.values["space"][0, 0, 0, :2], case["scaled_row0_space_first2"], atol=1e-6)
    np.testing.assert_allclose(world.values["time"][0, 0, :2], case["scaled_row0_step0_time_first2"], atol=1e-6)
    check_case(model, world, case)
    np.testing.assert_allclose(model.encode(batch)[0].pooled(), np.array(case["pooled"]), atol=LIMIT, rtol=0)


def with_options(model, **options):
    other = Galileo(**options).eval()
    other.load_state_dict(model.state_dict())
    return other


def five_dates(shared):
    folder = shared / "eopatch/FiveDates"
    path = folder / "data/BANDS-S2-L1C.npy.gz"
    values = np.load(io.BytesIO(gzip.decompress(path.read_bytes())))[:, 40:48, 40:48]
    order = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"]
    bands = tuple(next(b for b in sensor("sentinel-2-l1c").bands if b.name == n) for n in order)
    stamps = next(folder.glob("timestamp*.json"))
    dates = np.array([d[:10] for d in json.loads(stamps.read_text())], "datetime64[D]")[: len(values)]
    shape = np.ascontiguousarray(values.transpose(0, 3, 1, 2), np.float32)[None]
    return Pixels(shape, np.ones(shape.shape, bool), bands, 10.0, dates.astype(float)[None], np.full((1, 2), np.nan))


@pytest.mark.parametrize(("name", "count"), [("real_scene_one_date", 1), ("real_scene_five_dates", 5)])
def test_a_real_scene_through_physical_values_gives_the_golden_vectors(nano, shared, name, count):
    case = GOLDEN["cases"][name]
    p = five_dates(shared)
    p = replace(p, values=p.values[:, :count], valid=p.valid[:, :count], day=p.day[:, :count])
    for ndvi, key in ((False, "pooled"), (True, "pooled_with_ndvi_seen_too")):
        found = with_options(nano, ndvi=ndvi).encode(Batch({"s2": p}))[0]
        np.testing.assert_allclose(found.pooled(), np.array(case[key]), atol=LIMIT, rtol=0)
    assert found.grid().shape == (1, count, 128, 2, 2)
    check_case(nano, read_world(Batch({"s2": p}).to("cpu"), 4, ndvi=False), case)


def test_a_patch_is_seen_where_all_of_it_is_or_the_share_asked_for():
    model, batch = Galileo.example()
    p = batch.pixels["sentinel-2a-l1c"]
    valid = np.ones_like(p.valid)
    valid[0, 0, :, 0, 0] = False
    batch = Batch({"s2": replace(p, valid=valid)})
    strict, lenient = (read_world(batch.to("cpu"), 2, share=s).hidden["space_time"] for s in (1.0, 0.7))
    assert strict[0, 0, 0, 0].all()
    assert not strict[0, 0, 1, 0, 1:].any()
    assert not lenient[0, 0, 0, 0, 1:].any()
    assert model.encode(batch)[0].valid[0].tolist() == [False] + [True] * 11


def test_weather_belongs_to_the_step_of_its_month():
    _, batch = Galileo.example()
    world = read_world(batch.to("cpu"), 2)
    assert world.day.shape == (2, 4)  # a radar date of its own
    months = (world.day[0].numpy().astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12).tolist()
    assert world.month[0].tolist() == months
    assert not world.hidden["time"][0, :, 1].any()
    radar = ~world.hidden["space_time"][..., 0].all(2).all(1)
    assert radar[:, 3].all()
    assert not radar[:, 2].any()


def test_what_it_cannot_read_is_refused_in_words():
    model, batch = Galileo.example()
    p = batch.pixels["sentinel-2a-l1c"]
    with pytest.raises(GridError, match="square windows"):
        model.encode(Batch({"s2": replace(p, values=p.values[..., :3], valid=p.valid[..., :3])}))
    with pytest.raises(UnitError, match="between 0 and 1"):
        model.encode(Batch({"s2": replace(p, values=p.values * 10_000)}))
    with pytest.raises(SwathError, match="date"):
        model.encode(Batch({"s2": replace(p, day=p.day * np.nan)}))
    with pytest.raises(ValueError, match="levels"):
        model.encode(batch, levels=(3,))
    water = batch.pixels["terraclimate"]
    tenths = tuple(replace(b, units="1") for b in water.bands)
    with pytest.raises(UnitError, match="mm"):
        model.encode(replace(batch, pixels={**batch.pixels, "terraclimate": replace(water, bands=tenths)}))
    model.most = 100
    with pytest.raises(SwathError, match="smaller windows"):
        model.encode(batch)


def test_levels_are_numbers_of_blocks_and_gradients_flow():
    model, batch = Galileo.example()
    first, last, end = model.encode(batch, levels=(0, 2, -1))
    assert np.array_equal(last.values, end.values)
    assert end.values.shape == (2, 4 * 2 * 2, 32)
    assert end.every.values.shape == (2, 140, 32)
    assert np.isnan(end.every.day[:, -4:]).all()
    assert np.isnan(end.every.position[:, -4:]).all()
    groups = end.every.values[0, :7][end.every.valid[0, :7]]  # of the first patch and date
    np.testing.assert_allclose(end.values[0, 0], groups.mean(0), atol=1e-6)
    assert not np.allclose(first.values, end.values)
    model.encode(example_batch().to("cpu"))[0].pooled().sum().backward()
    assert model.channel["space_time"].grad is not None
    assert model.projection["space_time"]["S1"].weight.grad is not None


def test_the_published_file_is_found_by_name_and_a_twin_has_random_weights(shared, monkeypatch):
    monkeypatch.setenv("SWATH_WEIGHTS", str(shared / "weights"))
    batch = example_batch()
    found = load("galileo", patch=2)
    assert found.facts.licence == "MIT"
    values = found.encode(batch)[0].pooled()
    twin = load("random:galileo", patch=2).encode(batch)[0].pooled()
    assert values.shape == twin.shape == (2, 128)
    assert not np.allclose(values, twin)
    with pytest.raises(SwathError):
        load("galileo:tiny")


def test_names_are_those_of_the_published_file(shared):
    names = [n for key in Galileo().state_dict() for n in _published(key)]
    assert sorted(names) == sorted(state(shared / FILE))
