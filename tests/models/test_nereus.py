"""Nereus: the published layout, key by key; strict reading with and without a head; one channel and no other."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from swath.errors import BandError, FormatError  # noqa: E402
from swath.models import build, load  # noqa: E402
from swath.models.nereus import Nereus  # noqa: E402

SMALL = {"embedding": 8, "widths": (16, 32), "depths": (1, 1)}


def _published():
    """Keys and shapes of the card: 318 of them."""
    norm = ("weight", "bias", "running_mean", "running_var")
    keys = {"embedder.embedder.convolution.weight": (64, 1, 7, 7)}
    keys |= {f"embedder.embedder.normalization.{n}": (64,) for n in norm}
    keys["embedder.embedder.normalization.num_batches_tracked"] = ()

    def conv(name, shape):
        keys[f"{name}.convolution.weight"] = shape
        keys.update({f"{name}.normalization.{n}": shape[:1] for n in norm})
        keys[f"{name}.normalization.num_batches_tracked"] = ()

    inside = 64
    for s, (depth, m) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True)):
        for i in range(depth):
            at = f"encoder.stages.{s}.layers.{i}"
            conv(f"{at}.layer.0", (m, inside, 1, 1))
            conv(f"{at}.layer.1", (m, m, 3, 3))
            conv(f"{at}.layer.2", (4 * m, m, 1, 1))
            if i == 0:
                conv(f"{at}.shortcut", (4 * m, inside, 1, 1))
            inside = 4 * m
    return keys


def test_keys_shapes_and_parameters_are_those_published():
    with torch.device("meta"):
        model = Nereus()
    own = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    assert own == _published()
    assert len(own) == 318
    assert sum(p.numel() for p in model.parameters()) == 23_501_760


def test_a_vignette_gives_a_map_of_8_by_8_and_2048_numbers():
    with torch.device("meta"):
        model = Nereus()
        x = torch.zeros(2, 1, 256, 256)
        assert tuple(model.maps(x)[-1].shape) == (2, 2048, 8, 8)
        assert tuple(model.pooled(x).shape) == (2, 2048)
        with pytest.raises(BandError, match="2 channels"):
            model.maps(torch.zeros(1, 2, 64, 64))


@pytest.mark.parametrize("head", [False, True])
def test_a_published_file_is_read_with_and_without_a_head(tmp_path, head):
    model = build("nereus", seed=1, **SMALL)
    tensors = model.state_dict()
    if head:
        tensors = {f"resnet.{k}": v for k, v in tensors.items()}
        tensors |= {"classifier.1.weight": torch.zeros(1, 32), "classifier.1.bias": torch.zeros(1)}
    save_file(tensors, tmp_path / "model.safetensors")
    found = load("nereus", tmp_path / "model.safetensors", **SMALL)
    assert all(torch.equal(a, b) for a, b in zip(found.state_dict().values(), model.state_dict().values(), strict=True))


def test_other_files_are_refused_with_the_list(tmp_path):
    tensors = build("nereus", seed=1, **SMALL).state_dict()
    two = dict(tensors) | {"embedder.embedder.convolution.weight": torch.zeros(8, 2, 7, 7)}
    save_file(two, tmp_path / "two.safetensors")
    with pytest.raises(BandError, match="2 channels"):
        Nereus.read(tmp_path / "two.safetensors", **SMALL)
    name = "encoder.stages.0.layers.0.layer.0.convolution.weight"
    save_file({k: v for k, v in tensors.items() if k != name}, tmp_path / "less.safetensors")
    with pytest.raises(FormatError, match="missing encoder"):
        Nereus.read(tmp_path / "less.safetensors", **SMALL)
    other = {f"resnet.{k}": v for k, v in tensors.items()} | {"student.x": torch.zeros(1)}
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(FormatError, match=r"student\.x"):
        Nereus.read(tmp_path / "other.safetensors", **SMALL)


def test_backscatter_in_decibel_and_linear_is_the_same():
    from dataclasses import replace

    model, batch = Nereus.example()
    p = batch.pixels["sentinel-1-wave"]
    band = replace(p.bands[0], units="dB")
    decibel = 10 * np.log10(np.maximum(p.values, 1e-5))
    other = replace(batch, pixels={"x": replace(p, values=decibel, bands=(band,))})
    assert np.allclose(model.encode(batch)[0].values, model.encode(other)[0].values, atol=1e-4)
