from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from swath.baseline.mapper import train
from swath.baseline.tokens import TokenPlanes
from swath.batch import Batch, Needs, Tokens
from swath.cube import contract
from swath.sample.window import read

from .worlds import labelled, two_kinds


@dataclass
class Made:
    """An Encoder whose one feature is the product of two bands, or noise."""

    noise: bool = False
    needs: Needs = field(default_factory=Needs)
    width: int = 1

    def encode(self, batch, levels=(-1,)):
        values = next(iter(batch.pixels.values())).values
        b, _, _, h, w = values.shape
        product = (values[:, 0, 0] - 0.3) * (values[:, 0, 1] - 0.3)
        token = np.sin(values[:, 0, 0] * 1e6) if self.noise else 100 * product
        flat = token.reshape(b, h * w, 1).astype(np.float32)
        position = np.zeros((b, h * w, 2), np.float32)
        return [Tokens(flat, np.ones((b, h * w), bool), np.full((b, h * w), np.nan), position, (1, h, w))] * len(levels)


@dataclass
class Mean(Made):
    """The mean over a neighbourhood, which looks `reach` pixels far."""

    reach: int = 5

    def encode(self, batch, levels=(-1,)):
        from scipy.ndimage import uniform_filter

        p = next(iter(batch.pixels.values()))
        plane = np.where(p.valid[:, 0, 0], p.values[:, 0, 0], 0)
        mean = np.stack([uniform_filter(a, 2 * self.reach + 1, mode="constant") for a in plane.astype(np.float64)])
        b, h, w = mean.shape
        position = np.zeros((b, h * w, 2), np.float32)
        day = np.full((b, h * w), np.nan)
        return [Tokens(mean.reshape(b, -1, 1).astype(np.float32), np.ones((b, h * w), bool), day, position, (1, h, w))]


def both_signs(seed=0, size=64):
    """A scene whose class is whether two bands lie on the same side of 0.3: no linear model of the spectra tells it."""
    random = np.random.default_rng(seed)
    sides = random.choice([-1.0, 1.0], (2, size, size))
    values = (0.3 + 0.1 * sides + 0.02 * random.standard_normal(sides.shape)).astype(np.float32)
    truth = (sides[0] * sides[1] > 0).astype(int)
    cube = contract.make(values, bands=["a", "b"], geobox=None, wavelength=[490, 842], quantity="reflectance")
    at = np.sort(random.choice(size * size, 400, replace=False))
    row, column = at // size, at % size
    return cube, *labelled(row, column, truth[row, column], (size, size))


def test_where_the_scene_alone_does_as_well_tokens_are_not_used_and_the_notes_say_so():
    cube, _, labels, places = two_kinds()
    mapper = train({"s": cube}, labels, places, encoder=Made(noise=True), fast=True)
    assert "tokens" not in mapper.candidate.groups
    assert any(name.endswith("with tokens") for name, _ in mapper.candidates)
    (said,) = [n for n in mapper.notes if "tokens" in n]
    assert said.startswith(
        "the encoder's tokens are not used: in spatial cross-validation the scene's own features alone"
    )
    assert np.isfinite(mapper(read({"s": cube}, slice(0, 64), slice(0, 64)))["probability"]).all()


def test_tokens_that_know_more_win_and_the_notes_say_by_how_much():
    cube, labels, places = both_signs()
    mapper = train({"s": cube}, labels, places, encoder=Made(), features=["spectra", "tokens"], fast=True)
    assert "tokens" in mapper.candidate.groups
    (said,) = [n for n in mapper.notes if "tokens" in n]
    assert "won their place in spatial cross-validation (accuracy)" in said
    with_tokens, without = (float(part.split()[-1]) for part in said.split(": ")[1].split(", without "))
    assert with_tokens > without + 0.2


def test_without_an_encoder_nothing_is_said_of_tokens():
    cube, _, labels, places = two_kinds()
    assert not [n for n in train({"s": cube}, labels, places, fast=True).notes if "tokens" in n]


@pytest.mark.parametrize("reach", [1, 5, 12, 40])
def test_an_encoder_that_says_how_far_it_looks_gives_the_same_in_tiles_as_on_the_whole_scene(reach):
    cube = two_kinds(height=150, width=133)[0]
    batch = read({"s": cube}, slice(0, 150), slice(0, 133))
    encoder = Mean(reach=reach)
    planes = TokenPlanes.fit(encoder, batch)
    assert planes.core >= 32
    assert planes.core + 2 * reach == planes.size
    whole = encoder.encode(Batch(batch.pixels))[0].grid()[0, 0]
    np.testing.assert_allclose(planes(batch, 0), whole, atol=1e-6)
