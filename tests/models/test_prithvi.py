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
from swath.errors import BandError, FormatError, SwathError, UnitError  # noqa: E402
from swath.models import build, load  # noqa: E402
from swath.models.prithvi import Prithvi  # noqa: E402
from swath.models.prithvi_files import BANDS, SIZES, STATISTICS  # noqa: E402
from swath.models.prithvi_input import calendar, place_of, reflectance  # noqa: E402
from swath.models.prithvi_net import lost, patchify, place_code, time_code, unpatchify  # noqa: E402

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "52-prithvi.json").read_text())
SMALL = {"dim": 32, "depth": 2, "heads": 4, "patch": 8, "image": 32, "decoder_dim": 32, "decoder_depth": 1,
         "decoder_heads": 4}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def filled(model):
    """The golden file's rule for weights."""
    tensors = model.state_dict()
    for rank, name in enumerate(sorted(tensors)):
        if "pos_embed" in name:
            continue
        base = 1.0 if "norm" in name and name.endswith(".weight") else 0.0
        i = np.arange(tensors[name].numel(), dtype=np.float64)
        value = (base + 0.05 * np.sin(0.37 * i + rank)).astype(np.float32).reshape(tuple(tensors[name].shape))
        tensors[name] = torch.from_numpy(value)
    model.load_state_dict(tensors)
    return model.eval()


def golden(**changes):
    c = GOLDEN["config"]
    config = {
        "dim": c["embed_dim"], "depth": c["depth"], "heads": c["num_heads"], "patch": c["patch_size"][1],
        "frames": c["num_frames"], "image": c["img_size"], "decoder_dim": c["decoder_embed_dim"],
        "decoder_depth": c["decoder_depth"], "decoder_heads": c["decoder_num_heads"], "codes": ("time", "place"),
        "eps": GOLDEN["layer_norm_eps"], **changes,
    }  # fmt: skip
    return filled(Prithvi("tiny", **config))


def wave(*shape):
    n = math.prod(shape)
    return torch.from_numpy(np.sin(0.01 * np.arange(n, dtype=np.float64)).astype(np.float32).reshape(shape))


def agrees(values, name):
    want, v = GOLDEN[name], values.detach().double()
    assert list(v.shape) == want["shape"], name
    assert abs(float(v.mean()) - want["mean"]) < 1e-5
    assert abs(float(v.std()) - want["std"]) < 1e-5
    for key, part in (("first8", v.flatten()[:8]), ("last8", v.flatten()[-8:])):
        np.testing.assert_allclose(part.numpy(), want[key], atol=1e-5, rtol=0, err_msg=f"{name} {key}")


TIME = torch.tensor(GOLDEN["time"])
PLACE = torch.tensor(GOLDEN["latlon"])
NOISE = ((0.6180339887 * torch.arange(54, dtype=torch.float64)) % 1).reshape(2, 27)


def test_keys_and_shapes_are_the_published_ones():
    state = golden().state_dict()
    assert {k: list(v.shape) for k, v in state.items()} == GOLDEN["keys"]


def test_features_equal_the_published_code():
    model, x = golden(), wave(2, 6, 3, 48, 48)
    agrees(model.encoder.pos_embed, "pos_embed")
    for row in (1, 2):
        np.testing.assert_allclose(
            model.encoder.pos_embed[0, row].numpy(), GOLDEN[f"pos_embed_row_{row}_all64"], atol=1e-6, rtol=0
        )
    scale = model.encoder.temporal_embed_enc.scale
    agrees(scale * time_code(TIME, 64).repeat_interleave(9, 1), "time_encoding")
    agrees(model.encoder.location_embed_enc.scale * place_code(PLACE, 64), "place_encoding")
    with torch.no_grad():
        blocks = model.encoder(x, TIME, PLACE)
        agrees(blocks[0], "features_block0")
        agrees(blocks[-1], "features_last_normed")
        agrees(model.encoder(x)[-1], "features_last_without_coords")
        agrees(model.encoder(wave(1, 6, 3, 64, 80))[-1], "features_last_64x80_px_1_sample_no_coords")


def test_the_masked_autoencoder_equals_the_published_code():
    model, x = golden(), wave(2, 6, 3, 48, 48)
    agrees(patchify(x, 16), "patchify_of_input")
    with torch.no_grad():
        out = model.mae(x, TIME, PLACE, ratio=GOLDEN["mask_ratio"], noise=NOISE)
        bare = model.mae(x, ratio=GOLDEN["mask_ratio"], noise=NOISE)
    agrees(out.latent, "masked_encoder_output")
    assert out.hidden[0].int().tolist() == GOLDEN["mask_row0"]
    agrees(unpatchify(out.prediction, 16, (3, 48, 48)), "pred_image")
    assert float(out.loss) == pytest.approx(GOLDEN["loss_with_coords"], abs=1e-5)
    assert float(bare.loss) == pytest.approx(GOLDEN["loss_without_coords"], abs=1e-5)


COUNTS = {
    "v1-100m": (86_237_184, 26_402_304, 254),
    "v2-tiny-tl": (5_634_050, 26_107_394, 258),
    "v2-100m-tl": (86_237_186, 26_402_306, 258),
    "v2-300m": (303_886_336, 26_533_376, 398),
    "v2-300m-tl": (303_886_338, 26_533_378, 402),
    "v2-600m": (631_188_480, 26_479_768, 494),
    "v2-600m-tl": (631_188_482, 26_479_770, 498),
}


def blocks_of(prefix, dim, depth):
    shapes = {"norm1": (dim,), "attn.qkv": (3 * dim, dim), "attn.proj": (dim, dim), "norm2": (dim,),
              "mlp.fc1": (4 * dim, dim), "mlp.fc2": (dim, 4 * dim)}  # fmt: skip
    for i in range(depth):
        for name, shape in shapes.items():
            yield f"{prefix}.{i}.{name}.weight", shape
            yield f"{prefix}.{i}.{name}.bias", shape[:1]


@pytest.mark.parametrize("size", COUNTS)
def test_published_sizes_have_their_parameters_keys_and_shapes(size):
    with torch.device("meta"):
        model = Prithvi(size)
    parts = [sum(p.numel() for p in part.parameters()) for part in (model.encoder, model.decoder)]
    state = model.state_dict()
    assert (*parts, len(state)) == COUNTS[size]
    s = SIZES[size]
    n, p = 1 + s.frames * (224 // s.patch) ** 2, s.patch
    want = {
        "encoder.patch_embed.proj.weight": (s.dim, 6, 1, p, p), "encoder.patch_embed.proj.bias": (s.dim,),
        "encoder.cls_token": (1, 1, s.dim), "encoder.pos_embed": (1, n, s.dim), "encoder.norm.weight": (s.dim,),
        "encoder.norm.bias": (s.dim,), **dict(blocks_of("encoder.blocks", s.dim, s.depth)),
        "decoder.decoder_embed.weight": (512, s.dim), "decoder.decoder_embed.bias": (512,),
        "decoder.mask_token": (1, 1, 512), "decoder.decoder_pos_embed": (1, n, 512), "decoder.decoder_norm.weight": (512,),
        "decoder.decoder_norm.bias": (512,), "decoder.decoder_pred.weight": (p * p * 6, 512),
        "decoder.decoder_pred.bias": (p * p * 6,), **dict(blocks_of("decoder.decoder_blocks", 512, 8)),
    }  # fmt: skip
    if size.endswith("tl"):
        scales = [f"{a}coder.{b}_embed_{a}c.scale" for a in ("en", "de") for b in ("temporal", "location")]
        want |= dict.fromkeys(scales, (1,))
    assert {k: tuple(v.shape) for k, v in state.items()} == want


def flat(tensors, form):
    """The same tensors under the names of the other published forms."""
    if form == "v1":
        return {k.removeprefix("encoder.").removeprefix("decoder."): v for k, v in tensors.items()}
    return {k.replace("coder.", "coder._timm_module.", 1): v for k, v in tensors.items()} if form == "timm" else tensors


def saved(path, model, form="v2", **changes):
    tensors = flat(model.state_dict(), form)
    tensors |= {k: v for k, v in changes.items() if v is not None}
    for key in [k for k, v in changes.items() if v is None]:
        del tensors[key]
    torch.save(tensors, path)
    return path


@pytest.mark.parametrize("form", ["v1", "v2", "timm"])
def test_files_of_all_published_forms_load_to_the_same_model(tmp_path, form):
    model = Prithvi("tiny", **SMALL, frames=3, codes=("time", "place"))
    file = saved(tmp_path / "p.pt", model, form)
    again = load("prithvi:tiny", file, **SMALL, frames=3, codes=("time", "place"))
    assert again.facts.model == "prithvi:tiny"
    for key, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


def test_a_size_is_recognised_by_its_widths(tmp_path):
    model = Prithvi("v2-tiny-tl", decoder_depth=8)
    assert Prithvi.read(saved(tmp_path / "p.pt", model)).size == "v2-tiny-tl"
    odd = Prithvi("v2-tiny-tl", dim=48, heads=3, depth=1, decoder_depth=1)
    with pytest.raises(FormatError, match="sizes"):
        Prithvi.read(saved(tmp_path / "q.pt", odd))


def test_what_does_not_fit_is_refused_with_the_list(tmp_path):
    model = Prithvi("tiny", **SMALL)
    key = "encoder.blocks.1.attn.qkv.weight"
    cases = {
        "missing encoder.blocks.1.attn.qkv.weight": {key: None},
        "extra encoder.head.weight": {"encoder.head.weight": torch.zeros(2)},
        r"reshaped encoder.blocks.1.attn.qkv.weight \(96, 31\) for \(96, 32\)": {key: torch.zeros(96, 31)},
        "reshaped encoder.pos_embed": {"encoder.pos_embed": torch.zeros(1, 17, 48)},
        "reshaped encoder.patch_embed.proj.weight": {"encoder.patch_embed.proj.weight": torch.zeros(32, 5, 1, 8, 8)},
    }
    for text, changes in cases.items():
        file = saved(tmp_path / "p.pt", model, **changes)
        for bands in (tuple(BANDS), ("RED", "GREEN")):
            with pytest.raises(FormatError, match=text) as caught:
                Prithvi.read(file, "tiny", bands=bands, **SMALL)
            assert "\n" not in str(caught.value)
    with pytest.raises(FormatError, match="once"):
        Prithvi.read(saved(tmp_path / "p.pt", model, cls_token=torch.zeros(1, 1, 32)), "tiny", **SMALL)


def test_bands_take_the_columns_they_are_named_after(tmp_path):
    model = Prithvi("tiny", **SMALL)
    file = saved(tmp_path / "p.pt", model)
    some = Prithvi.read(file, "tiny", bands=("RED", "GREEN", "BLUE", "NEW"), **SMALL)
    kernel, whole = some.encoder.patch_embed["proj"].weight, model.encoder.patch_embed["proj"].weight
    assert kernel.shape == (32, 4, 1, 8, 8)
    assert torch.equal(kernel[:, :3], whole[:, [2, 1, 0]])
    assert float(kernel[:, 3].detach().abs().max()) > 0
    rows, old = (
        some.decoder.decoder_pred.weight.reshape(64, 4, 32),
        model.decoder.decoder_pred.weight.reshape(64, 6, 32),
    )
    assert torch.equal(rows[:, :3], old[:, [2, 1, 0]])
    with pytest.raises(SwathError, match="mean and a deviation"):
        some.scaled(batch_of(np.full((1, 1, 7, 16, 16), 0.2, np.float32), more=("NEW",)))


def batch_of(values, *, valid=None, bands=None, day=None, lonlat=None, more=()):
    """A Batch in HLS bands."""
    names = ("B02", "B03", "B04", "B05", "B06", "B07")
    found = tuple(b for b in sensor("hls-l30").bands if b.name in names) if bands is None else bands
    found += tuple(Band(n) for n in more)
    b, t = values.shape[:2]
    valid = np.ones(values.shape, bool) if valid is None else valid
    day = np.tile(18_300.0 + 30 * np.arange(t), (b, 1)) if day is None else day
    lonlat = np.full((b, 2), np.nan) if lonlat is None else np.asarray(lonlat, float)
    return Batch({"hls-l30": Pixels(values, valid, found, 30.0, day, lonlat)})


def made(b=1, t=3, h=32, w=32, seed=0):
    return np.random.default_rng(seed).uniform(0, 0.5, (b, t, 6, h, w)).astype(np.float32)


def numpy_table(t, h, w, dim):
    """The published formula, written out."""

    def code(d, position):
        omega = 10_000.0 ** (-np.arange(d // 2) / (d / 2))
        return np.concatenate([np.sin(position * omega), np.cos(position * omega)])

    rows = [np.zeros(dim)]
    part = dim // 16
    for i in range(t):
        for j in range(h):
            rows += [np.concatenate([code(6 * part, k), code(6 * part, j), code(4 * part, i)]) for k in range(w)]
    return np.stack(rows)


@pytest.mark.parametrize("frames", range(1, 9))
def test_position_tables_equal_the_formula_for_any_grid(frames):
    model = Prithvi("tiny", **{**SMALL, "dim": 64, "image": (24, 40)}, frames=frames)
    np.testing.assert_allclose(model.encoder.pos_embed[0].numpy(), numpy_table(frames, 3, 5, 64), atol=1e-6, rtol=0)


def test_position_tables_have_the_published_check_values():
    with torch.device("meta"):
        model = Prithvi("v1-100m")
    assert model.encoder.pos_embed.shape == (1, 589, 768)
    table = Prithvi("v1-100m", depth=1, decoder_depth=1)
    code = table.encoder.pos_embed[0].double()
    assert float(code.sum()) == pytest.approx(215_883.2713, abs=1e-2)
    assert float(code.square().sum()) == pytest.approx(225_792, abs=1e-1)
    assert float(table.decoder.decoder_pos_embed.double().sum()) == pytest.approx(143_748.1407, abs=1e-2)
    want = {0: 0.141120, 1: 0.321646, 144: -0.989992, 288: -0.958924, 289: -0.999754, 432: 0.283662, 576: 0.909297,
            577: 0.969836, 672: -0.416147}  # fmt: skip
    for column, value in want.items():
        assert float(code[466, column]) == pytest.approx(value, abs=1e-6)


def test_one_patch_to_the_east_changes_only_the_part_of_the_column():
    code = Prithvi("tiny", **{**SMALL, "dim": 64}, frames=2).encoder.pos_embed[0, 1:].reshape(2, 4, 4, 64)
    assert not torch.equal(code[1, 2, 1, :24], code[1, 2, 2, :24])
    assert torch.equal(code[1, 2, 1, 24:], code[1, 2, 2, 24:])
    assert torch.equal(code[1, 1, 1, :24], code[1, 2, 1, :24])
    assert torch.equal(code[0, 2, 1, :48], code[1, 2, 1, :48])


def test_time_and_place_codes_are_the_formula_in_float32():
    dim = 1024
    code = time_code(torch.tensor([[[2020.0, 190.0]]]), dim)[0, 0].double().numpy()
    for at, value in {0: 0.04406, 1: 0.73735, 256: -0.99903, 512: 0.99780, 513: 0.87880, 768: 0.06631}.items():
        assert code[at] == pytest.approx(value, abs=1e-5)
    omega = np.float32(1) / np.float32(10_000) ** (np.arange(256, dtype=np.float32) / np.float32(256))
    angle = (np.float32(2020) * omega).astype(np.float64)
    np.testing.assert_allclose(code[:512], np.concatenate([np.sin(angle), np.cos(angle)]), atol=2.5e-4, rtol=0)
    place = place_code(torch.tensor([[47.3, 8.5]]), 64)[0, 0].double().numpy()
    exact = 10_000.0 ** (-np.arange(16) / 16)
    want = np.concatenate([f(np.float32(x) * exact) for x in (47.3, 8.5) for f in (np.sin, np.cos)])
    np.testing.assert_allclose(place, want, atol=5e-6, rtol=0)
    np.testing.assert_allclose(0.1 * place, 0.1 * want, atol=1e-6, rtol=0)
    assert (time_code(torch.tensor([[[math.nan, 3.0]]]), 16) == 0).all()


def test_days_become_year_and_day_of_the_year_from_zero():
    day = np.array(["2020-01-01", "2019-12-31", "2021-03-01"], "datetime64[D]").astype(float) + 0.6
    found = calendar(torch.tensor([[*day, math.nan]]))
    assert found[0, :3].tolist() == [[2020.0, 0.0], [2019.0, 364.0], [2021.0, 59.0]]
    assert found[0, 3].isnan().all()


def test_places_are_latitude_then_longitude_and_swapped_ones_are_found_out():
    assert place_of(torch.tensor([[8.5, 47.25]])).tolist() == [[47.25, 8.5]]
    with pytest.raises(SwathError, match="swapped"):
        Prithvi("tiny", **SMALL).encode(batch_of(made(), lonlat=[[-12.0, 134.0]]))


@pytest.mark.parametrize("dates", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [(32, 32), (40, 24), (37, 30)])
def test_other_numbers_of_dates_and_sizes_work(dates, size):
    model = Prithvi("tiny", **SMALL, frames=4, codes=("time", "place")).eval()
    tokens = model.encode(batch_of(made(2, dates, *size), lonlat=[[8.5, 47.3], [np.nan, np.nan]]))[0]
    h, w = -(-size[0] // 8), -(-size[1] // 8)
    assert tokens.shape == (dates, h, w)
    assert tokens.grid().shape == (2, dates, 32, h, w)
    assert np.isfinite(tokens.values).all()
    assert tokens.valid.all()
    if dates > 1:
        day = tokens.day[0].reshape(dates, -1)
        assert (day[1] - day[0] == 30).all()


def test_a_file_made_for_four_dates_serves_one_and_three_at_another_size(tmp_path):
    file = saved(tmp_path / "p.pt", Prithvi("tiny", **SMALL, frames=4))
    model = Prithvi.read(file, "tiny", **{**SMALL, "image": 64}, frames=1)
    assert model.encoder.pos_embed.shape == (1, 65, 32)
    for dates in (1, 3):
        assert model.encode(batch_of(made(1, dates, 128, 128)))[0].shape == (dates, 16, 16)


def test_the_time_of_every_date_belongs_to_its_own_tokens():
    model = Prithvi("tiny", **SMALL, frames=4, codes=("time",)).eval()
    x = torch.zeros(1, 6, 3, 32, 32)
    time = torch.tensor([[[2020.0, 10.0], [2020.0, 100.0], [2021.0, 5.0]]])
    rows, _, _ = model.encoder.tokens(x, time, None)
    bare, _, _ = model.encoder.tokens(x, None, None)
    said = (rows - bare).reshape(3, 16, 32)
    torch.testing.assert_close(said, (0.1 * time_code(time, 32)[0])[:, None].expand(-1, 16, -1), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="every date"):
        model.encoder.tokens(x, time[:, :2], None)


def test_eps_is_a_field_of_the_checkpoint_that_deep_outputs_show():
    x = wave(1, 6, 3, 48, 48) * 1e-2
    with torch.no_grad():
        a, b = (golden(eps=eps).encoder(x)[-1] for eps in (1e-5, 1e-6))
    assert float((a - b).abs().max()) > 1e-6
    assert golden(eps=1e-6).encoder.norm.eps == 1e-6


def test_kept_and_hidden_tokens_are_exact_and_ratio_zero_hides_none():
    model = Prithvi("tiny", **SMALL, frames=3).eval()
    x = torch.randn(2, 6, 3, 32, 32)
    for ratio, kept in ((0.75, 12), (0.5, 24), (0.9, 4), (0.0, 48), (1.0, 0)):
        out = model.mae(x, ratio=ratio)
        assert (~out.hidden).sum(1).tolist() == [kept, kept]
        assert out.latent.shape == (2, 1 + kept, 32)
        assert torch.isfinite(out.prediction).all()
    assert float(model.mae(x, ratio=0.0).loss) == 0.0
    with pytest.raises(SwathError, match="ratio"):
        model.mae(x, ratio=1.5)


def test_the_loss_counts_only_what_is_hidden_and_valid():
    truth = torch.randn(2, 12, 30, requires_grad=True)
    hidden = torch.arange(12)[None].expand(2, -1) >= 5
    said = torch.randn(2, 12, 30)
    assert float(lost(truth.detach(), truth.detach(), hidden)) == 0.0
    loss = lost(said, truth, hidden)
    loss.backward()
    assert (truth.grad[~hidden] == 0).all()
    assert (truth.grad[hidden] != 0).all()
    other = said.clone()
    other[~hidden] = 1e6
    assert float(lost(other, truth, hidden)) == float(loss)
    valid = torch.rand(2, 12, 30) < 0.5
    other = torch.where(valid, said, 1e6)
    assert float(lost(other, truth, hidden, valid)) == float(lost(said, truth, hidden, valid))
    assert float(lost(said, truth, hidden, torch.zeros_like(valid))) == 0.0


def test_given_hidden_patches_are_what_a_plain_mask_of_them_gives():
    model = Prithvi("tiny", **SMALL, frames=3, codes=("time",)).eval()
    x, time = torch.randn(2, 6, 3, 32, 32), torch.tensor([[[2020.0, 10.0 * i] for i in range(3)]] * 2)
    hidden = torch.rand(2, 48) < torch.tensor([[0.3], [0.6]])
    both = model.mae(x, time, hidden=hidden)
    assert torch.equal(both.hidden, hidden)
    for i in range(2):
        alone = model.mae(x[i : i + 1], time[i : i + 1], hidden=hidden[i : i + 1])
        torch.testing.assert_close(both.prediction[i : i + 1], alone.prediction, atol=1e-5, rtol=1e-5)
    wild = torch.where(unpatchify(hidden[..., None].expand(-1, -1, 384), 8, (3, 32, 32)), 50.0, x)
    torch.testing.assert_close(model.mae(wild, time, hidden=hidden).prediction, both.prediction)


@pytest.mark.parametrize("dates", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(16, 16), (24, 40)])
def test_unpatchify_undoes_patchify_bit_for_bit_bands_fastest(dates, size):
    x = torch.randn(2, 6, dates, *size)
    rows = patchify(x, 8)
    assert torch.equal(unpatchify(rows, 8, (dates, *size)), x)
    assert torch.equal(rows[1, 0, :6], x[1, :, 0, 0, 0])
    assert torch.equal(rows[1, 0, 6:12], x[1, :, 0, 0, 1])
    assert torch.equal(rows[1, 1, :6], x[1, :, 0, 0, 8])


def test_bands_permuted_with_the_kernels_columns_change_nothing():
    model, other = (Prithvi("tiny", **SMALL, frames=3).double().eval() for _ in range(2))
    order = [3, 0, 5, 1, 2, 4]
    tensors = model.state_dict()
    tensors["encoder.patch_embed.proj.weight"] = tensors["encoder.patch_embed.proj.weight"][:, order]
    other.load_state_dict(tensors)
    x = torch.randn(1, 6, 3, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(other.encoder(x[:, order])[-1], model.encoder(x)[-1], atol=1e-6, rtol=0)
    model, batch = model.float(), batch_of(made())
    p = batch.pixels["hls-l30"]
    turned = replace(p, values=p.values[:, :, order], valid=p.valid, bands=tuple(p.bands[i] for i in order))
    a, b = (model.encode(Batch({"hls-l30": q}))[0].values for q in (p, turned))
    np.testing.assert_array_equal(a, b)


def test_bands_are_found_by_wavelength_and_the_wide_near_infrared_is_not_taken():
    model = Prithvi("tiny", **SMALL).eval()
    bands = sensor("sentinel-2a-l2a").bands
    values = made(1, 1)
    at = [next(i for i, b in enumerate(bands) if b.name == n) for n in ("B02", "B03", "B04", "B8A", "B11", "B12")]
    wide = np.random.default_rng(3).uniform(0, 1, (1, 1, len(bands), 32, 32)).astype(np.float32)
    wide[:, :, at] = values
    a = model.encode(batch_of(wide, bands=tuple(replace(b, quantity="reflectance") for b in bands)))[0].values
    b = model.encode(batch_of(values))[0].values
    np.testing.assert_array_equal(a, b)
    rest = tuple(replace(b, quantity="reflectance") for b in bands if b.name not in ("B8A", "B11"))
    with pytest.raises(BandError, match="no NIR_NARROW, SWIR_1 among") as caught:
        model.encode(batch_of(np.zeros((1, 1, len(rest), 32, 32), np.float32), bands=rest))
    assert "bands=" in caught.value.remedy


def test_scaling_is_that_of_the_size():
    for size, key in (("v1-100m", "v1"), ("v2-tiny-tl", "v2")):
        model = Prithvi(size, depth=1, decoder_depth=1)
        values = np.broadcast_to(
            np.array(STATISTICS[key]["mean"], np.float32)[:, None, None] / 1e4, (1, 1, 6, 16, 16)
        ).copy()
        np.testing.assert_allclose(model.scaled(batch_of(values)).numpy(), 0, atol=1e-5)
        values += np.array(STATISTICS[key]["deviation"], np.float32)[:, None, None] / 1e4
        scaled = model.scaled(batch_of(values))
        np.testing.assert_allclose(scaled.numpy(), 1, atol=1e-5)
        np.testing.assert_allclose(model.physical(scaled).numpy(), values, atol=1e-6)


def test_stored_numbers_in_three_forms_give_the_same_tokens_and_say_what_they_were_taken_for():
    model = Prithvi("tiny", **SMALL).eval()
    whole = np.round(made() * 10_000)
    forms = {"reflectance": whole / 10_000, "x10000": whole, "x10000+1000": whole + 1000}
    found = []
    for stored, values in forms.items():
        pixels = batch_of(values.astype(np.float32)).pixels["hls-l30"]
        bands = tuple(replace(b, quantity="digital_number") for b in pixels.bands)
        settled, words = reflectance(replace(pixels, bands=bands), stored)
        assert "reflectance" in words
        found.append(model.encode(Batch({"hls-l30": settled}))[0].values)
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=2e-5)
    pixels = batch_of(made()).pixels["hls-l30"]
    with pytest.warns(UserWarning, match="0 to 1"):
        reflectance(pixels, "x10000")
    with pytest.raises(UnitError, match="one of"):
        reflectance(pixels, "percent")


def test_digital_numbers_are_refused_whatever_they_are_called():
    model = Prithvi("tiny", **SMALL)
    values = made() * 10_000
    with pytest.raises(UnitError, match="scale"):
        model.encode(batch_of(values))
    pixels = batch_of(values).pixels["hls-l30"]
    plain = replace(pixels, bands=tuple(replace(b, quantity="digital_number") for b in pixels.bands))
    with pytest.raises(UnitError, match="offset"):
        model.encode(Batch({"hls-l30": plain}))


def test_values_that_are_missing_make_no_nan_and_are_not_valid():
    model = Prithvi("tiny", **SMALL, frames=3).eval()
    values, valid = made(), np.ones((1, 3, 6, 32, 32), bool)
    valid[0, 1, :, :8, 8:16] = False
    values[~valid] = np.nan
    scaled = model.scaled(batch_of(values, valid=valid)).numpy()
    assert (scaled[~valid] == np.float32(1e-4)).all()
    tokens = model.encode(batch_of(values, valid=valid))[0]
    assert np.isfinite(tokens.values).all()
    want = np.ones((3, 4, 4), bool)
    want[1, 0, 1] = False
    assert (tokens.valid.reshape(3, 4, 4) == want).all()
    nothing = model.encode(batch_of(values, valid=np.zeros_like(valid)))[0]
    assert not nothing.valid.any()
    assert np.isfinite(nothing.values).all()


def test_levels_are_blocks_of_which_only_the_last_is_normed():
    model = Prithvi("tiny", **SMALL, frames=3).eval()
    batch = batch_of(made())
    first, last, again = model.encode(batch, levels=(0, 1, -1))
    np.testing.assert_array_equal(last.values, again.values)
    with torch.no_grad():
        blocks = model.encoder(model.seen(batch).x)
    np.testing.assert_allclose(first.values, blocks[0][:, 1:].numpy(), atol=1e-6)
    with pytest.raises(SwathError, match="levels"):
        model.encode(batch, levels=(2,))
    assert Prithvi("tiny").needs.levels == (0, 1, 2, 3)


def test_unknown_sizes_and_fields_are_refused():
    with pytest.raises(SwathError, match="v1-100m"):
        build("prithvi:v3")
    with pytest.raises(SwathError, match="eps"):
        build("prithvi:tiny", width=4)


def test_it_is_written_and_read_as_weights_of_swath(tmp_path):
    from swath.models import weights

    model = Prithvi.read(saved(tmp_path / "p.pt", Prithvi("tiny", **SMALL)), "tiny", **SMALL)
    weights.write(tmp_path / "p.safetensors", model.state_dict(), model.facts)
    again = load("prithvi", tmp_path / "p.safetensors")
    batch = batch_of(made())
    np.testing.assert_array_equal(again.encode(batch)[0].values, model.encode(batch)[0].values)
