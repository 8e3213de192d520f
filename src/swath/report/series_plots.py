"""Figures of series: values with their intervals, errors by gap or lead, how often intervals hold, a date before and after."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.report.plots import COLOURS

if TYPE_CHECKING:
    from swath.estimate import Estimate

__all__ = ["Fan", "coverage", "errors", "fans", "maps"]

_GREY, _OURS = "#8a949c", "#0b6e74"


@dataclass(frozen=True)
class Fan:
    """One pixel of one band: what was observed, and what was said with its interval; days are datetime64."""

    title: str
    seen_day: np.ndarray
    seen: np.ndarray
    day: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    known: np.ndarray


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return file.getvalue()


def fans(panels: Sequence[Fan], unit: str, *, ahead: bool) -> bytes:
    """PNG: a panel for each pixel."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 1.9 * len(panels) + 0.8), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(panels), 1, sharex=True))
    for axis, fan in zip(axes, panels, strict=True):
        where = np.isfinite(fan.low) & np.isfinite(fan.high)
        if ahead:
            axis.fill_between(
                fan.day, fan.low, fan.high, where=where, color=_OURS, alpha=0.2, linewidth=0, label="interval at 0.90"
            )
            axis.plot(fan.day, fan.value, "-o", color=_OURS, linewidth=1.4, markersize=3, label="forecast")
        else:
            axis.plot(fan.day, fan.value, "-", color=_OURS, linewidth=1.0, alpha=0.6)
            said = ~fan.known & np.isfinite(fan.value)
            reach = np.stack([fan.value - fan.low, fan.high - fan.value])[:, said & where]
            axis.errorbar(
                fan.day[said & where], fan.value[said & where], yerr=np.maximum(reach, 0), fmt="none", ecolor=_OURS,
                elinewidth=1.6, alpha=0.35, label="interval at 0.90",
            )  # fmt: skip
            axis.plot(fan.day[said], fan.value[said], "o", color=_OURS, markersize=3.2, label="filled")
        axis.plot(fan.seen_day, fan.seen, "o", color="#20262b", markersize=3.0, label="observed")
        axis.set_title(fan.title, fontsize=9, loc="left")
        axis.grid(alpha=0.25)
        locator = AutoDateLocator()
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    figure.supylabel(unit, fontsize=9)
    handles = {label: h for axis in axes for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4, fontsize=8)
    return _png(figure)


def errors(kinds: Sequence[str], methods: Mapping[str, Sequence[Estimate]], own: str, unit: str) -> bytes:
    """PNG: RMSE with its interval by kind of gap or lead, a colour a method."""
    from matplotlib.figure import Figure

    able = [k for k in range(len(kinds)) if any(e[k].defined for e in methods.values())]
    figure = Figure(figsize=(9.6, 0.62 * len(able) * max(1.0, len(methods) / 6) + 1.6), layout="constrained")
    axis = figure.subplots()
    step = 0.8 / max(1, len(methods))
    for i, (name, found) in enumerate(methods.items()):
        ours = name == own
        colour = "#111111" if ours else ([*COLOURS, "#d08fb2", "#6ba3d6"])[i % 9]
        at = np.array([k + (i - (len(methods) - 1) / 2) * step for k in range(len(able))])
        value = np.array([found[k].value for k in able])
        low, high = (np.array([getattr(found[k], end) for k in able]) for end in ("low", "high"))
        reach = np.nan_to_num(np.stack([value - low, high - value]), nan=0.0)
        axis.errorbar(
            value, at, xerr=np.maximum(reach, 0), fmt="D" if ours else "o", color=colour, markersize=5 if ours else 4,
            elinewidth=2 if ours else 1.1, label=name,
        )  # fmt: skip
    axis.set_yticks(range(len(able)), [kinds[k] for k in able], fontsize=8)
    axis.set_ylim(len(able) - 0.45, -0.55)
    axis.set_xlim(left=0)
    axis.set_xlabel(f"RMSE on hidden values ({unit})", fontsize=9)
    axis.grid(alpha=0.25, axis="x")
    for k in range(1, len(able)):
        axis.axhline(k - 0.5, color="#d6dbdf", linewidth=0.8)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    return _png(figure)


def coverage(
    kinds: Sequence[str], by_kind: Sequence[Estimate], curve: Sequence[tuple[float, float]], level: float
) -> bytes:
    """PNG: the share of hidden values that intervals held, at several levels and by kind."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.5))
    left.plot([0.4, 1], [0.4, 1], ":", color=_GREY)
    left.plot([a for a, _ in curve], [b for _, b in curve], "-o", color=_OURS)
    left.set_xlabel("level asked for", fontsize=9)
    left.set_ylabel("share held", fontsize=9)
    left.set_xlim(0.4, 1.02)
    left.set_ylim(0.4, 1.02)
    left.grid(alpha=0.25)
    able = [k for k in range(len(kinds)) if by_kind[k].defined]
    value = np.array([by_kind[k].value for k in able])
    low, high = (np.array([getattr(by_kind[k], end) for k in able]) for end in ("low", "high"))
    reach = np.maximum(np.nan_to_num(np.stack([value - low, high - value]), nan=0.0), 0) if able else np.zeros((2, 0))
    right.errorbar(value, range(len(able)), xerr=reach, fmt="o", color=_OURS)
    right.axvline(level, color=_GREY, linestyle=":")
    right.set_yticks(range(len(able)), [kinds[k] for k in able], fontsize=8)
    right.set_ylim(len(able) - 0.4, -0.6)
    right.set_xlim(min(0.5, float(np.nanmin(low, initial=0.5))) if able else 0.5, 1.02)
    right.set_xlabel(f"share held at {level:.2f}", fontsize=9)
    right.grid(alpha=0.25, axis="x")
    return _png(figure)


def maps(pictures: Mapping[str, np.ndarray], unit: str, doubt: np.ndarray | None) -> bytes:
    """PNG: pictures of one band on one scale, and the width of intervals beside; what is missing is grey."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    n = len(pictures) + (doubt is not None)
    figure = Figure(figsize=(3.5 * n, 3.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, n))
    known = np.concatenate([p[np.isfinite(p)] for p in pictures.values()])
    low, high = np.percentile(known, [1, 99]) if len(known) else (0.0, 1.0)
    scale, wide = (colormaps[c].with_extremes(bad="#c9ced2") for c in ("viridis", "magma"))
    shown = None
    for axis, (title, picture) in zip(axes, pictures.items(), strict=False):
        shown = axis.imshow(picture, cmap=scale, vmin=low, vmax=high, interpolation="nearest")
        axis.set_title(title, fontsize=9)
    if shown is not None:
        figure.colorbar(shown, ax=list(axes[: len(pictures)]), shrink=0.8, location="bottom").set_label(
            unit, fontsize=8
        )
    if doubt is not None:
        seen = doubt[np.isfinite(doubt)]
        top = float(np.percentile(seen, 99)) if len(seen) else 1.0
        picture = axes[-1].imshow(doubt, cmap=wide, vmin=0, vmax=top, interpolation="nearest")
        axes[-1].set_title("width of the interval", fontsize=9)
        figure.colorbar(picture, ax=axes[-1], shrink=0.8, location="bottom").set_label(unit, fontsize=8)
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    return _png(figure)
