"""Networks run in pieces give what one pass gives, and what looks everywhere is told to state its window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from swath.cube.blocks import Layer
from swath.cube.save import save_array
from swath.errors import SwathError
from swath.predict.embed import Embedding
from swath.predict.network import Network, fast_dtype, reach, stride
from swath.predict.run import run

from .scenes import scene

torch = pytest.importorskip("torch")
nn = torch.nn


def small(seed=0, wide=1):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=wide, dilation=wide), nn.ReLU(), nn.Conv2d(8, 5, 3, padding=1)
    ).eval()


class Global(nn.Module):
    def forward(self, x):
        return x[:, :2] - x.mean(dim=(1, 2, 3), keepdim=True)


def pooled():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(8, 4, 3, padding=1), nn.Upsample(scale_factor=2)
    ).eval()  # fmt: skip


def test_the_reach_is_found_by_changing_one_pixel():
    assert reach(small(), 3) == 2
    assert reach(small(wide=7), 3) == 8
    assert reach(nn.Conv2d(3, 2, 1), 3) == 0
    assert reach(small(wide=55), 3) == 56
    assert reach(Global(), 3, most=128) is None


def test_the_stride_is_found_by_moving_the_picture():
    assert stride(small(), 3) == 1
    assert stride(pooled(), 3) == 2


def classes_of(network, cubes, out, window=64, layer=None):
    run(cubes, network, [layer or Layer("classes")], out, reach=network.reach, window=window)
    with rasterio.open(out / f"{network.name}.tif") as file:
        return file.read()


def test_pieces_equal_one_pass_to_the_last_pixel(tmp_path):
    cubes = {"s": scene(300, 260, holes=False)}
    for module in (small(), small(wide=9), pooled()):
        network = Network.measured(module, 3, precision="float32", piece=64)
        with torch.inference_mode():
            whole = module(torch.from_numpy(cubes["s"].values)).argmax(1)[0].numpy() + 1
        out = tmp_path / str(network.reach)
        np.testing.assert_array_equal(classes_of(network, cubes, out)[0], whole)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_many_classes_and_odd_sizes_give_the_map_of_one_pass(tmp_path, precision):
    torch.manual_seed(3)
    module = nn.Sequential(nn.Conv2d(3, 40, 2, stride=2), nn.Upsample(scale_factor=2)).eval()
    cubes, kind = {"s": scene(97, 75, holes=False)}, getattr(torch, precision)
    network = Network(module, precision=precision, reach=2, stride=2, piece=32)
    with torch.inference_mode():
        x = nn.functional.pad(torch.from_numpy(cubes["s"].values), (0, 1, 0, 1), mode="replicate")
        whole = module.to(kind)(x.to(kind))[0, :, :97, :75].argmax(0).numpy() + 1
    np.testing.assert_array_equal(classes_of(network, cubes, tmp_path)[0], whole)


def test_bands_are_scaled_and_missing_values_become_the_mean(tmp_path):
    cubes = {"s": scene(70, 60)}
    module = nn.Conv2d(3, 1, 1, bias=False)
    nn.init.ones_(module.weight)
    network = Network(
        module, name="a", answer="value", mean=[1, 1, 1], deviation=[2, 2, 2], precision="float32", reach=0
    )
    out = classes_of(network, cubes, tmp_path, layer=Layer("a", dtype="float32", nodata=None))[0]
    seen = np.isfinite(cubes["s"].values[0, 0])
    np.testing.assert_allclose(out[seen], ((cubes["s"].values[0] - 1) / 2).sum(axis=0)[seen], atol=1e-5)
    assert np.isnan(out[~seen]).all()


def test_probabilities_sum_to_one(tmp_path):
    network = Network(small(), name="p", answer="probability", precision="fast", reach=2)
    layer = Layer("p", dtype="float32", nodata=None, bands=tuple("abcde"))
    out = classes_of(network, {"s": scene(40, 40, holes=False)}, tmp_path, layer=layer)
    np.testing.assert_allclose(out.sum(axis=0), 1, atol=1e-5)
    assert fast_dtype() in ("bfloat16", "float32")


def test_a_network_without_bounded_reach_must_state_its_window_and_is_run_in_it(tmp_path):
    with pytest.raises(SwathError, match="state window="):
        Network.measured(Global(), 3)
    with pytest.raises(SwathError, match="reach must be known"):
        Network(Global())
    cubes = {"s": scene(100, 90, holes=False)}
    maps = []
    for window in (32, 64, 128):
        network = Network(Global(), window=32, precision="float32")
        maps.append(classes_of(network, cubes, tmp_path / str(window), window=window))
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0], maps[2])


def test_an_answer_of_another_size_is_refused(tmp_path):
    network = Network(nn.MaxPool2d(2), precision="float32", reach=0)
    with pytest.raises(SwathError, match="one answer a pixel"):
        run({"s": scene(40, 40, holes=False)}, network, [Layer("classes")], tmp_path)


class Means:
    """An encoder of 8-pixel patches: the mean of each band."""

    needs = None

    def encode(self, batch, levels=(-1,)):
        from swath.batch import Tokens

        p = batch.pixels["s"]
        b, t, c, h, w = p.values.shape
        values = np.where(p.valid, p.values, np.nan).reshape(b, t, c, h // 8, 8, w // 8, 8)
        mean = np.nanmean(values, axis=(4, 6)).transpose(0, 1, 3, 4, 2).reshape(b, -1, c)
        ok = np.isfinite(mean).all(-1)
        return [Tokens(np.nan_to_num(mean), ok, np.zeros(ok.shape), np.zeros((*ok.shape, 2)), (t, h // 8, w // 8))]


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_an_encoders_tokens_lie_on_their_pixels_whatever_the_window(tmp_path):
    cubes = {"s": scene(100, 90)}
    layer = Layer("embedding", dtype="float32", nodata=None, bands=tuple("abc"))
    maps = []
    for window in (32, 64):
        run(cubes, Embedding(Means(), size=32), [layer], tmp_path / str(window), window=window)
        with rasterio.open(tmp_path / str(window) / "embedding.tif") as file:
            maps.append(file.read())
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_allclose(maps[0][:, 60, 60], cubes["s"].values[0, :, 56:64, 56:64].mean(axis=(1, 2)), rtol=1e-5)
    assert np.isnan(maps[0][:, 0, 0]).all()


def test_the_page_on_a_network_of_your_own_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    text = (Path(__file__).parents[2] / "docs" / "network.md").read_text(encoding="utf-8")
    code = text.partition("```python\n")[2].partition("```")[0]
    numbers = np.random.default_rng(0).integers(300, 3000, (4, 300, 280)).astype(np.uint16)
    grid = GeoBox((300, 280), Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32633")
    save_array(numbers, tmp_path / "scene.tif", grid=grid, layer=Layer("scene", dtype="uint16", nodata=None))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "network.md", "exec"), {})
    assert "sees 1 pixels" in capsys.readouterr().out
    with rasterio.open("out/classes.tif") as file:
        assert file.shape == (300, 280)
        assert set(np.unique(file.read(1))) <= {1, 2, 3}
