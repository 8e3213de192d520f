"""Pictures of SITS-DECO's recipe: accuracy by dates, a forecast as a fan, error by how far ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from swath.baseline.forecast import Said, Series
from swath.bench.series_scores import Errors
from swath.estimate import Estimate
from swath.report.plots import Line, lines

__all__ = ["by_lead", "fan_of", "thinning"]


def thinning(curve: Mapping[str, Sequence[Estimate]], dates: Sequence[int], out: Path) -> None:
    """thinning.png: accuracy by the number of dates, with intervals."""
    panel = {
        m: Line(dates, [e.value for e in es], [e.low for e in es], [e.high for e in es], "o-")
        for m, es in curve.items()
    }
    lines(
        {"Mato Grosso, folds of blocks": panel},
        out / "thinning.png",
        x="dates of a season",
        y="overall accuracy",
    )


def fan_of(known: Series, later: Series, direct: Said, free: Said) -> dict[str, dict[str, Line]]:
    """The pixel of the largest swing."""
    i = int(np.argmax(known.values[:, :, 0].std(1)))
    year = [1970 + s.day[i] / 365.2425 for s in (known, later)]
    seen = Line(
        np.r_[year[0][-30:], year[1]],
        np.r_[known.values[i, -30:, 0], later.values[i, :, 0]],
        style="k.",
        colour="#333333",
    )
    shown = {"asked directly": direct, "free-running": free}
    return {
        name: {"seen": seen, "said": Line(year[1], s.value[i, :, 0], s.low[i, :, 0], s.high[i, :, 0])}
        for name, s in shown.items()
    }


def by_lead(errors: Errors, out: Path) -> None:
    """lead.png."""
    panel: dict[str, Line] = {}
    for name, parts in errors.by_lead.items():
        square, count = np.sum(parts, 0)
        panel[name] = Line(16 * (1 + np.arange(len(square))), np.sqrt(square / np.maximum(count, 1)))
    lines({"Mato Grosso, the last year": panel}, out / "lead.png", x="days ahead", y="RMSE in deviations")
