"""What the curve says in words of the map's losses, and that a page can be made of any of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from swath.estimate import Estimate
from swath.tools.rate import Curve, Rate
from swath.tools.rate_report import page_of


def rate(name: str, low: float, high: float) -> Rate:
    loss = Estimate((low + high) / 2, "1", low, high, n=50)
    return Rate(name, 2.0, 5.0, 3.0, 60.0, {"NDVI": (0.01, 0.1)}, loss, loss)


def curve(*rates: Rate) -> Curve:
    first = Rate("nothing lost", 4.0, 0.0, 0.0, math.inf, {"NDVI": (0.0, 0.0)}, None, Estimate(0.0, "1", n=50))
    pictures = {n: np.random.default_rng(0).normal(size=(8, 9)) for n in ("original", *(r.name for r in rates))}
    return Curve((first, *rates), "peak 1 reflectance", (3, 9), pictures, "B08", Estimate(0.8, "1", 0.7, 0.9, n=50))


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ([(-0.1, 0.1), (-0.1, 0.2)], "At none of these errors"),
        ([(-0.1, 0.1), (0.1, 0.2)], "The map is worse from an error of 20 on; up to 5 no loss is shown"),
        ([(0.1, 0.2), (0.1, 0.3)], "The map is worse from an error of 5 on."),
        ([(0.1, 0.2), (-0.1, 0.3)], "A loss is shown at 5, but not at 20: of 2 comparisons"),
        ([(math.nan, math.nan), (math.nan, math.nan)], "Too few places"),
    ],
)
def test_losses_are_said_as_they_are(losses, words):
    rates = [rate(name, *loss) for name, loss in zip(("5", "20"), losses, strict=True)]
    page = page_of(curve(*rates), "a <scene>")
    assert words in page
    assert "a &lt;scene&gt;" in page
    assert "no error" in page


def test_a_curve_of_nothing_but_missing_values_still_has_a_page():
    empty = Rate("nothing lost", 0.0, 0.0, 0.0, math.nan, {})
    page = page_of(Curve((empty,), "peak 255", (1, 1), {"original": np.full((4, 4), np.nan)}, "b"), "empty")
    assert "0.00 bits a value" in page
