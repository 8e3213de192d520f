"""Pictures of judged tracks: when each was right, wrong or lost; the tracks from above; rates against the limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from swath.assess.coverage import Point
from swath.assess.tracks import Judged
from swath.geometry.trajectory import Limits, correct, held
from swath.report.plots import COLOURS, Line, lines

__all__ = ["above", "curves", "timeline"]

RIGHT, WRONG, LOST = "#0b6e74", "#e08a3c", "#dfe3e4"


def timeline(judged: Mapping[str, Judged], limits: Limits, path: Path) -> Path:
    """One bar for each estimate and sequence along the truth's seconds: correct, wrong, lost."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    sequences = [r.sequence for r in next(iter(judged.values())).runs]
    figure = Figure(figsize=(9.5, 1.1 + 0.34 * len(judged) * len(sequences)), layout="constrained")
    axis = figure.subplots()
    marks, names = [], []
    for s, sequence in enumerate(sequences):
        for i, (name, whole) in enumerate(judged.items()):
            y = -(s * (len(judged) + 0.6) + i)
            run = next(r for r in whole.runs if r.sequence == sequence)
            m = run.match
            axis.broken_barh([(0, max(m.end - m.start, 0))], (y - 0.4, 0.8), color=LOST)
            right = correct(m, limits)
            for wanted, colour in ((True, RIGHT), (False, WRONG)):
                spans = [
                    (float(t - m.start), float(h))
                    for t, h, ok in zip(m.stamp, held(m, limits), right, strict=True)
                    if bool(ok) is wanted
                ]
                axis.broken_barh(_joined(spans), (y - 0.4, 0.8), color=colour, linewidth=0)
            marks.append(y)
            names.append(f"{name}, {sequence}" if len(sequences) > 1 else name)
    axis.set_yticks(marks, names, fontsize=8)
    axis.set_xlabel("seconds since the truth begins")
    axis.spines[["top", "right"]].set_visible(False)
    words = (("correct", RIGHT), ("wrong", WRONG), ("lost", LOST))
    figure.legend(handles=[Patch(color=c, label=w) for w, c in words], loc="outside upper right", ncols=3, fontsize=8)
    figure.savefig(path, dpi=110)
    return path


def _joined(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    out: list[tuple[float, float]] = []
    for start, length in spans:
        if out and start <= out[-1][0] + out[-1][1] + 1e-6:
            out[-1] = (out[-1][0], max(out[-1][1], start + length - out[-1][0]))
        else:
            out.append((start, length))
    return out


def above(truth: Mapping[int, np.ndarray], judged: Mapping[str, Judged], path: Path) -> Path:
    """The two widest axes of the truth, a panel for each sequence; estimates as aligned. truth: {sequence: (N, 3)}."""
    from matplotlib.figure import Figure

    wide = len(truth)
    columns = min(wide, 3)
    rows = -(-wide // columns)
    figure = Figure(figsize=(1 + 3.6 * columns, 1.2 + 3.4 * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    whole = np.concatenate(list(truth.values()))
    a, b = sorted(np.argsort(-np.ptp(whole, axis=0), kind="stable")[:2])
    for axis, (sequence, true) in zip(axes, truth.items(), strict=False):
        axis.plot(true[:, a], true[:, b], color="#16202a", linewidth=2.2, label="truth")
        for i, (name, one) in enumerate(judged.items()):
            run = next(r for r in one.runs if r.sequence == sequence)
            place = run.match.estimate[:, :3]
            if len(place) and np.isfinite(run.match.distance).all():
                axis.plot(place[:, a], place[:, b], ".", markersize=2.2, color=COLOURS[i % len(COLOURS)], label=name)
        middle = (true[:, [a, b]].max(0) + true[:, [a, b]].min(0)) / 2
        half = 0.7 * max(float(np.ptp(true[:, [a, b]], axis=0).max()), 1e-3)
        axis.set_xlim(middle[0] - half, middle[0] + half)
        axis.set_ylim(middle[1] - half, middle[1] + half)
        axis.set_aspect("equal")
        axis.set_title(f"sequence {sequence}" if wide > 1 else "from above", fontsize=9)
        axis.set_xlabel(f"{'xyz'[a]}, m", fontsize=8)
        axis.set_ylabel(f"{'xyz'[b]}, m", fontsize=8)
        axis.grid(alpha=0.25)
    for axis in axes[wide:]:
        axis.set_visible(False)
    handles = {label: h for axis in axes for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4, fontsize=8, markerscale=4)
    figure.savefig(path, dpi=110)
    return path


def curves(points: Mapping[str, Sequence[Point]], path: Path) -> Path:
    """Correct rate, and RMSE of the correct poses, against the limit of distance."""
    panels: dict[str, dict[str, Line]] = {"share of the time correctly tracked": {}, "RMSE of correct poses, m": {}}
    for name, found in points.items():
        x = [p.threshold for p in found]
        for title, of in zip(panels, ("coverage", "error"), strict=True):
            y = [getattr(p, of) for p in found]
            panels[title][name] = Line(x, [e.value for e in y], [e.low for e in y], [e.high for e in y])
    return lines(panels, path, x="a pose counts as correct up to, m", y="", log=True, share_y=False)
