"""Figures of a stress test: what is lost by corruption and level, curves with intervals, and what the pictures look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swath.report.plots import COLOURS, Line

__all__ = ["Heat", "examples", "grid", "heat"]


@dataclass(frozen=True, slots=True)
class Heat:
    """values (R, C), NaN where not tried; sure (R, C): whether the interval keeps clear of 0. rows, columns: names."""

    values: np.ndarray
    rows: Sequence[str]
    columns: Sequence[str]
    sure: np.ndarray | None = None


def heat(
    panels: Mapping[str, Heat],
    path: Path,
    *,
    bar: str,
    percent: bool = True,
    wide: float = 0.62,
    lines: Sequence[int] = (),
) -> Path:
    """Tables in colours side by side: red loses, blue gains; bold where the interval keeps clear of 0.

    lines: rows under which a line is drawn.
    """
    from matplotlib.figure import Figure

    count = max(len(h.rows) for h in panels.values())
    widths = [len(h.columns) for h in panels.values()]
    figure = Figure(figsize=(2.6 + wide * sum(widths) + 0.5 * len(widths), 1.5 + 0.29 * count), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True, width_ratios=widths))
    factor = 100.0 if percent else 1.0
    top = (
        max([float(np.nanmax(np.abs(h.values))) for h in panels.values() if np.isfinite(h.values).any()] or [1.0])
        or 1.0
    )
    for axis, (title, h) in zip(axes, panels.items(), strict=True):
        shown = axis.imshow(factor * h.values, cmap="RdBu_r", vmin=-factor * top, vmax=factor * top, aspect="auto")
        for r, c in np.argwhere(np.isfinite(h.values)):
            v = factor * h.values[r, c]
            sure = h.sure is not None and bool(h.sure[r, c])
            text = f"{v:.0f}" if percent and abs(v) >= 9.95 else f"{v:.1f}" if percent else f"{v:.2f}"
            colour = "white" if abs(v) > 0.6 * factor * top else "#16202a"
            axis.text(c, r, text.replace("-0.0", "0.0") if text != "-0" else "0", ha="center", va="center", fontsize=7.5,
                      color=colour, fontweight="bold" if sure else "normal")  # fmt: skip
        for row in lines:
            axis.axhline(row + 0.5, color="#16202a", linewidth=0.8)
        axis.set_xticks(range(len(h.columns)), h.columns, fontsize=8, rotation=0 if max(map(len, h.columns)) < 8 else 60,
                        ha="center" if max(map(len, h.columns)) < 8 else "right", rotation_mode="anchor")  # fmt: skip
        axis.set_yticks(range(len(h.rows)), h.rows, fontsize=8)
        axis.set_title(title, fontsize=9)
        axis.tick_params(length=0)
    figure.colorbar(shown, ax=list(axes), shrink=0.8, pad=0.01).set_label(bar, fontsize=8)
    figure.savefig(path, dpi=84)
    return path


def grid(
    panels: Mapping[str, Mapping[str, Line]],
    path: Path,
    *,
    x: str,
    y: str,
    columns: int = 5,
    size: float = 2.1,
    dpi: int = 84,
) -> Path:
    """Small panels in rows, each {name: Line}, one scale and one legend for all."""
    from matplotlib.figure import Figure

    rows = -(-len(panels) // columns)
    columns = min(columns, len(panels))
    figure = Figure(figsize=(size * columns + 0.9, size * 0.92 * rows + 1.0), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)).ravel()
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    for axis, (title, panel) in zip(axes, panels.items(), strict=False):
        for name, line in panel.items():
            colour = line.colour or COLOURS[names.index(name) % len(COLOURS)]
            axis.plot(line.x, line.y, line.style, color=colour, label=name, linewidth=1.6, marker="o", markersize=2.5)
            if line.low is not None and line.high is not None:
                axis.fill_between(np.asarray(line.x), line.low, line.high, color=colour, alpha=0.16, linewidth=0)
        axis.set_title(title, fontsize=8.5)
        axis.grid(alpha=0.25)
        axis.tick_params(labelsize=7.5)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.supxlabel(x, fontsize=9)
    figure.supylabel(y, fontsize=9)
    handles = {label: h for axis in axes for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(
        list(handles.values()), list(handles), loc="outside upper center", ncols=min(len(handles), 5), fontsize=8
    )
    figure.savefig(path, dpi=dpi)
    return path


def examples(rows: Mapping[str, Sequence[np.ndarray]], path: Path, *, heads: Sequence[str], size: float = 1.25) -> Path:
    """Pictures (h, w, 3 or 4) uint8 in a table: a row for each corruption, in two halves side by side where there are many."""
    from matplotlib.figure import Figure

    halves = 2 if len(rows) > 7 else 1
    deep = -(-len(rows) // halves)
    wide = len(heads)
    figure = Figure(figsize=(size * wide * halves + 0.9 * halves, size * deep + 0.3), layout="constrained")
    axes = figure.subplots(deep, wide * halves, squeeze=False)
    for axis in axes.ravel():
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_visible(False)
    for number, (name, pictures) in enumerate(rows.items()):
        half, row = divmod(number, deep)
        for i, picture in enumerate(pictures):
            axis = axes[row, half * wide + i]
            axis.set_visible(True)
            axis.set_facecolor("#d43bd4")
            axis.imshow(picture, interpolation="nearest")
            if row == 0:
                axis.set_title(heads[i], fontsize=8)
            if i == 0:
                axis.set_ylabel(name.replace(" ", "\n"), fontsize=7.5)
    figure.savefig(path, dpi=76)
    return path
