from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.models.tiny import SURROUNDINGS, Tiny  # noqa: E402
from swath.objective import hiding  # noqa: E402
from swath.objective.hiding import Hiding, surroundings  # noqa: E402


@pytest.fixture(scope="module")
def parts():
    from dataclasses import replace

    model, batch = Tiny.example()
    rng = np.random.default_rng(0)
    ((name, p),) = batch.pixels.items()
    values = rng.uniform(0, 0.5, (3, 2, 4, 16, 16)).astype(np.float32)
    p = replace(p, values=values, valid=rng.random(values.shape) < 0.9, day=p.day[:, :2])
    return model, replace(batch, pixels={name: p}).to("cpu"), name


def test_its_terms_are_finite_and_reach_every_weight_that_encoding_uses(parts):
    model, batch, _ = parts
    found = set()
    for seed in range(6):
        model.zero_grad()
        loss = Hiding(SURROUNDINGS)(model, batch, torch.Generator().manual_seed(seed))
        assert torch.isfinite(loss.value)
        loss.value.backward()
        found |= {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    model.zero_grad()
    assert {n for n, _ in model.named_parameters()} - found <= {"bands.2.bias"}


def test_whole_patches_are_hidden_for_all_dates_and_bands(parts, monkeypatch):
    _, batch, name = parts
    monkeypatch.setattr(hiding, "CUBE", ((("patch", 0.5),),))
    hidden = Hiding(SURROUNDINGS).hidden(batch, torch.Generator().manual_seed(0))[name]
    assert hidden.float().mean() == pytest.approx(0.5)
    assert (hidden == hidden[:, :1, :1]).all()
    blocks = hidden[:, 0, 0].reshape(3, 4, 4, 4, 4).float().mean((2, 4))
    assert ((blocks == 0) | (blocks == 1)).all()


def test_what_lies_around_is_measured_on_valid_pixels_alone(parts):
    _, batch, name = parts
    p = batch.pixels[name]
    wild = torch.where(p.valid, p.values, 1e3)
    scaled = {name: torch.where(p.valid, wild, 0.0)}
    truth, counts = surroundings(scaled, {name: p.valid}, (("mean", 1), ("mean", 3), ("spread", 3)))[name]
    assert truth.shape == (3, 3, 4, 16, 16)
    seen = p.valid.any(1)
    one = torch.where(p.valid, p.values, 0.0).sum(1) / p.valid.sum(1).clamp(min=1)
    assert torch.allclose(truth[:, 0][seen], one[seen], atol=1e-5)
    assert not counts[:, 0][~seen].any()
    inner = np.s_[0, 0, 4:7, 4:7]
    assert truth[0, 1, 0, 5, 5] == pytest.approx(float(one[inner][seen[inner]].mean()), abs=1e-5)


def test_the_answer_read_from_the_pooled_token_alone_ignores_the_tokens_of_dates(parts):
    model, batch, name = parts
    with torch.no_grad():
        alone, whole = model.told(batch, tokens=0.0)[0][name], model(batch)[name]
    assert alone.shape == whole.shape == batch.pixels[name].values.shape
    assert (alone - whole).abs().max() > 1e-4
