"""A recipe of a made system: what `check_recipe` and `swath run` are tested with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from swath.estimate import mean
from swath.report.outcome import Card, Outcome, Row

CARD = Card("dynamicvl", 1, "Made", "Nobody 2025", "none", "MIT", {"accuracy": "0.9"}, ("all",), ("nothing",))
SCALES = {"small": 5, "paper": 50, "test": 3}


def run(scale: str, out: Path, *, data: Path | None = None, seed: int = 0, progress: Any = None) -> Outcome:
    """Draw numbers and plot them."""
    from matplotlib.figure import Figure

    values = np.random.default_rng(seed).normal(0.8, 0.01, SCALES[scale])
    figure = Figure()
    figure.subplots().plot(values)
    figure.savefig(out / "curve.png")
    rows = (
        Row("made", "ours", "ours", "accuracy", mean(values, simulated=True), "0.9"),
        Row("made", "chance", "baseline", "accuracy", mean([0.5, 0.51], simulated=True)),
    )
    return Outcome(
        CARD, scale, rows, {"curve.png": "accuracy by draw"}, ("made numbers",), {"timing": {"fitting": 0.1}}
    )
