"""The few-label curve of a training: as a table and as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from swath.tools.job import write_text

__all__ = ["write"]


def write(path: Path, rows: Sequence[dict[str, Any]], encoder: str, kind: str) -> list[Path]:
    """NAME.curve.csv and NAME.curve.png beside the model `path`."""
    table = write_text(path.with_suffix(".curve.csv"), _curve_csv(rows))
    return [table, _curve_png(path.with_suffix(".curve.png"), rows, encoder, kind)]


def _curve_csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["share", "labels", "method", "value", "low", "high", "method_words"])
    for r in rows:
        e = r["score"]
        writer.writerow([r["share"], round(r["labels"], 1), r["method"], e.value, e.low, e.high, e.method])
    return text.getvalue()


def _curve_png(path: Path, rows: Sequence[dict[str, Any]], encoder: str, kind: str) -> Path:
    """Accuracy against the number of labels, with intervals over the draws."""
    import os

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, colour, marker in (("frozen head", "#0b6e74", "o"), ("random forest on bare pixels", "#9a4a00", "s")):
        mine = [r for r in rows if r["method"] == name]
        n = [max(1.0, r["labels"]) for r in mine]
        value = np.array([r["score"].value for r in mine])
        ends = np.array([[r["score"].low, r["score"].high] for r in mine])
        gap = np.nan_to_num(np.abs(ends - value[:, None])).T
        title = f"frozen head on {encoder}" if name == "frozen head" else name
        axes.errorbar(n, value, yerr=gap, color=colour, marker=marker, capsize=3, label=title)
    axes.set_xscale("log")
    axes.set_xlabel("labelled pixels to train on (nested draws)")
    axes.set_ylabel("overall accuracy (share)" if kind == "class" else "R2")
    axes.set_title("With few labels: places left out, 95 % over draws", fontsize=11)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    aside = path.with_name(f".{path.name}.part")
    figure.savefig(aside, format="png", metadata={"Software": None})
    os.replace(aside, path)
    return path
