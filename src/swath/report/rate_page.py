"""The page of a rate-distortion curve: bits against quality, the table, and a window before and after; self-contained."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from swath.report.plots import COLOURS

__all__ = ["Page", "curve_picture", "render", "windows_picture"]


@dataclass(frozen=True, slots=True)
class Page:
    """rows: as text, under heads. curve, pictures: data URIs. No clock and no path of the machine."""

    title: str
    headline: str
    says: Sequence[str]
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    curve: str
    pictures: str
    band: str
    mapped: bool = False
    notes: Sequence[str] = ()


def render(page: Page) -> str:
    """The page as text; whatever comes from files is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = files("swath.report")
    template = environment.from_string(source.joinpath("rate.html.j2").read_text("utf-8"))
    text = template.render(p=page, style=source.joinpath("style.css").read_text("utf-8"))
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"


def curve_picture(
    names: Sequence[str],
    bits: Sequence[float],
    psnr: Sequence[float],
    peak: str,
    loss: Sequence[tuple[float, float, float]] | None = None,
    what: str = "accuracy",
) -> str:
    """Bits a value against PSNR (dB), each point named; beside it what the map lost (value, low, high). A data URI."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.4 if loss else 6.2, 3.9), layout="constrained")
    axes = figure.subplots(1, 2 if loss else 1, squeeze=False)[0]
    finite = [k for k, v in enumerate(psnr) if np.isfinite(v)]
    axes[0].plot([bits[k] for k in finite], [psnr[k] for k in finite], "-o", color=COLOURS[0], markersize=4.5)
    for k in finite:
        axes[0].annotate(names[k], (bits[k], psnr[k]), xytext=(6, -9), textcoords="offset points", fontsize=8)
    for k in set(range(len(names))) - set(finite):
        axes[0].axvline(bits[k], color=COLOURS[3], linestyle=":", linewidth=1.3)
        axes[0].annotate(names[k], (bits[k], 0.03), xycoords=("data", "axes fraction"), rotation=90, fontsize=8,
                         ha="right", color="#555")  # fmt: skip
    axes[0].set_xlim(left=0)
    axes[0].set_xlabel("bits a value (missing ones not counted)")
    axes[0].set_ylabel("PSNR, dB")
    axes[0].set_title(f"quality by size ({peak})", fontsize=9)
    if loss:
        at = np.arange(len(names))
        value, low, high = (np.array([v[i] for v in loss], float) for i in range(3))
        spans = np.array(
            [value - np.where(np.isfinite(low), low, value), np.where(np.isfinite(high), high, value) - value]
        )
        axes[1].errorbar(at, value, yerr=np.maximum(spans, 0), fmt="o", color=COLOURS[1], capsize=4, markersize=4.5)
        axes[1].axhline(0, color="#888", linewidth=1)
        axes[1].set_xticks(at, names, rotation=20, ha="right", fontsize=8)
        axes[1].set_ylabel(f"{what}: original minus decoded")
        axes[1].set_title("what the map lost, with 95 % interval over places", fontsize=9)
    for axis in axes:
        axis.grid(alpha=0.25)
    return _uri(figure)


def windows_picture(pictures: Mapping[str, np.ndarray]) -> str:
    """Windows (H, W) in one stretch, original first, and under each its error in one scale. A data URI."""
    from matplotlib.figure import Figure

    names = list(pictures)
    first = pictures[names[0]]
    seen = first[np.isfinite(first)]
    low, high = np.percentile(seen, [2, 98]) if seen.size else (0.0, 1.0)
    errors = {n: pictures[n] - first for n in names[1:]}
    worst = max((float(np.nanmax(np.abs(e))) for e in errors.values() if np.isfinite(e).any()), default=1.0) or 1.0
    figure = Figure(figsize=(1.9 * len(names) + 0.9, 4.2), layout="constrained")
    axes = np.atleast_2d(figure.subplots(2, len(names)))
    shown: Any = None
    for k, name in enumerate(names):
        axes[0, k].imshow(pictures[name], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axes[0, k].set_title(name, fontsize=9)
        if name in errors:
            shown = axes[1, k].imshow(errors[name], cmap="RdBu", vmin=-worst, vmax=worst, interpolation="nearest")
        for axis in axes[:, k]:
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_frame_on(name in errors or axis is axes[0, k])
    if shown is not None:
        figure.colorbar(shown, ax=list(axes[1]), shrink=0.85).set_label("error, stored numbers", fontsize=8)
    return _uri(figure)


def _uri(figure: Any) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, dpi=110, format="png", metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
