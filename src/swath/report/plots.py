"""Plots of recipes: lines in panels, and rows of small maps. PNG files, legible in print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["COLOURS", "Line", "few_colours", "lines", "maps"]

COLOURS = ("#0b6e74", "#c8641e", "#5b4fa2", "#8a949c", "#a8324a", "#3f7d20", "#b08900")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: x, y, and low and high of a band around it where there is one. style: of matplotlib."""

    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    style: str = "-"
    colour: str | None = None


def lines(
    panels: Mapping[str, Mapping[str, Line]], path: Path, *, x: str, y: str, log: bool = False, share_y: bool = True
) -> Path:
    """Panels side by side, each {name: Line}, one legend; x, y: what the axes show, with units."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure = Figure(figsize=(max(5.2, 3.7 * len(panels)), 4.1), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=share_y))
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    for axis, (title, panel) in zip(axes, panels.items(), strict=True):
        for name, line in panel.items():
            colour = line.colour or COLOURS[names.index(name) % len(COLOURS)]
            axis.plot(line.x, line.y, line.style, color=colour, label=name, linewidth=1.7)
            if line.low is not None and line.high is not None:
                axis.fill_between(np.asarray(line.x), line.low, line.high, color=colour, alpha=0.15, linewidth=0)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel(x)
        if log:
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.xaxis.set_minor_formatter(NullFormatter())
        axis.grid(alpha=0.25)
    axes[0].set_ylabel(y)
    handles = {label: h for axis in axes for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=min(len(handles), 2 * len(panels)),
        fontsize=8,
    )
    figure.savefig(path, dpi=110)
    return path


def maps(
    rows: Mapping[str, Sequence[np.ndarray]],
    path: Path,
    *,
    bar: Mapping[str, str] | None = None,
    heads: Sequence[str] = (),
) -> Path:
    """Rows of small maps (h, w), or pictures (h, w, 3) of 0 to 1, beside their names, one scale a row.

    bar: {row: words under its colour bar}; heads: words over the columns.
    """
    from matplotlib.figure import Figure

    wide = max(len(r) for r in rows.values())
    figure = Figure(figsize=(1.75 * wide + 1.4, 1.8 * len(rows)), layout="constrained")
    axes = np.atleast_2d(figure.subplots(len(rows), wide))
    for number, (axis_row, (name, pictures)) in enumerate(zip(axes, rows.items(), strict=True)):
        low, high = min(np.nanmin(p) for p in pictures), max(np.nanmax(p) for p in pictures)
        words = (bar or {}).get(name)
        for axis, picture in zip(axis_row, pictures, strict=False):
            shown = axis.imshow(picture, cmap="cividis" if words else "gray", vmin=low, vmax=high)
        for axis in axis_row:
            axis.set_xticks([])
            axis.set_yticks([])
        axis_row[0].set_ylabel(name, fontsize=9)
        for axis, head in zip(axis_row if number == 0 else (), heads, strict=False):
            axis.set_title(head, fontsize=9)
        if words:
            figure.colorbar(shown, ax=list(axis_row), shrink=0.9).set_label(words, fontsize=8)
    figure.savefig(path, dpi=110)
    return path


def few_colours(path: Path, colours: int = 256) -> Path:
    """The same picture as a PNG of so many colours: a plot needs no more, and is a third of the size."""
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(colours)
    small.save(path, optimize=True)
    return path
