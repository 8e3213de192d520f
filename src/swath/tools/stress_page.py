"""What a stress test shows: its figures, its tables and its sentences, from the table of places alone (and some pictures)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from swath.bench import robust
from swath.bench.robust import Table
from swath.bench.robust_curve import Curve, first_broken
from swath.estimate import Estimate
from swath.report.plots import Line
from swath.report.stress_page import Page, Shown, write
from swath.report.stress_plots import Heat, examples, grid, heat
from swath.tools.stressing import Chip, Plan
from swath.transform.corrupt import corrupt, why_not
from swath.transform.severity import TABLE, TWELVE, strength

if TYPE_CHECKING:
    from swath.batch import Pixels
    from swath.tools.scenes import Opened

__all__ = ["lead_of", "make", "spoken"]

SHOWN = (1, 3, 5)
CUT = 96  # pixels of an example


def spoken(name: str) -> str:
    """The corruption in words."""
    return name.replace("_", " ")


def points(e: Estimate) -> str:
    """A difference of scores in points, with its interval."""
    if not e.defined:
        return f"undefined ({e.reason})"
    text = f"{100 * e.value:+.1f}".replace("+-", "-")
    return f"{text} [{100 * e.low:+.1f}, {100 * e.high:+.1f}]" if math.isfinite(e.low) else f"{text} (no interval)"


def lead_of(table: Table, curves: Sequence[Curve]) -> list[str]:
    """Sentences that say what came out."""
    clean = robust.score(table)
    own = table.reference == "own"
    word = "R2" if table.kind == "number" else "agreement with its own clean answer" if own else "overall accuracy"
    said = [f"{word}, undamaged: {clean if not own else '100 % (nothing but its own clean answers judges it)'}"]
    twelve = [c.name for c in curves if c.name in TWELVE]
    if twelve:
        mean = robust.mean_drop(table, twelve)
        said.append(f"mean drop over {len(twelve)} of the twelve corruptions and their levels: {points(mean)} points")
    if table.kind == "class" and twelve and not own:
        even = replace(table, measure="balanced")
        said.append(
            f"each class counting the same (balanced accuracy): {robust.score(even)} undamaged, mean drop "
            f"{points(robust.mean_drop(even, twelve))} points"
        )
        chance = robust.chance_of(table)
        if clean.value <= chance:
            said.append(
                f"always saying the commonest class would be right in {100 * chance:.1f} %, no less than this map: where a damaged "
                "map says that class more often, overall accuracy rises; look at balanced accuracy and at the classes"
            )
    ranked = sorted((c for c in curves if c.mean.defined), key=lambda c: -c.mean.value)
    if ranked:
        worst, least = ranked[0], ranked[-1]
        said.append(
            f"worst: {spoken(worst.name)}, {points(worst.mean)} points; least: {spoken(least.name)}, {points(least.mean)}"
        )
    firsts: dict[str, list[str]] = {}
    for c in curves:
        if found := first_broken(table, c.name):
            firsts.setdefault(found[0], []).append(spoken(c.name))
    if firsts:
        most = max(firsts, key=lambda k: len(firsts[k]))
        said.append(f"the class that most often breaks first: {most} (under {', '.join(firsts[most])})")
    silent = [(c, max(c.silent)) for c in curves if c.silent and max(c.silent) > 0.05]
    if silent:
        words = ", ".join(f"{spoken(c.name)} {100 * s:.0f} %" for c, s in silent)
        said.append(f"without an answer at the worst level (counted as wrong): {words}")
    return said


def make(
    folder: Path, table: Table, curves: Sequence[Curve], chips: Sequence[Chip], plan: Plan, opened: Opened, *, title: str,
    notes: Sequence[str],
) -> list[Path]:  # fmt: skip
    """Write heatmap.png, curves.png, classes.png, examples.png and report.html."""
    parts = [
        Shown("What each corruption costs", _heat_words(table), _heat(folder, curves)),
        Shown("Curves", _curve_words(table), _curves(folder, table, curves)),
    ]
    made = [folder / "heatmap.png", folder / "curves.png"]
    if table.kind == "class":
        parts.append(_classes(folder, table, curves))
        made.append(folder / "classes.png")
    pictures = _examples(folder, chips, plan, opened)
    parts.append(Shown("What the levels look like", pictures[1], pictures[0]))
    parts += [_firsts(table, curves)] if table.kind == "class" else []
    parts += [_numbers(table, curves), _strengths(plan)]
    left = [f"{spoken(n)} was not tried: {why}" for n, why in plan.left.items()]
    grouped = {"Not tried": left, "How it was done": [*notes]}
    lead = lead_of(table, curves)
    page = Page(title, lead, parts, grouped, table.simulated)
    return [*made, pictures[0], write(folder / "report.html", page)]


def _heat(folder: Path, curves: Sequence[Curve]) -> Path:
    levels = sorted({v for c in curves for v in c.levels})
    values = np.full((len(curves), len(levels) + 1), np.nan)
    sure = np.zeros(values.shape, bool)
    for r, c in enumerate(curves):
        for v, e, p in zip(c.levels, c.drop, c.p, strict=True):
            values[r, levels.index(v)], sure[r, levels.index(v)] = e.value, p < 0.05
        values[r, -1] = c.mean.value
        sure[r, -1] = math.isfinite(c.mean.low) and (c.mean.low > 0 or c.mean.high < 0)
    names = [spoken(c.name) for c in curves]
    edge = [i for i, c in enumerate(curves[:-1]) if c.name in TWELVE and curves[i + 1].name not in TWELVE]
    panel = Heat(values, names, [*(str(v) for v in levels), "mean"], sure)
    return heat({"drop by level": panel}, folder / "heatmap.png", bar="drop in points", lines=edge)


def _heat_words(table: Table) -> str:
    score = "R2 times 100" if table.kind == "number" else "points of accuracy"
    return (
        f"drop from the undamaged score in {score}, paired by pixel; red loses. Bold: p below 0.05 after Holm's correction over all "
        "corruptions and levels (by levels), or an interval clear of 0 (mean); below the line: what is not among the twelve"
    )


def _curves(folder: Path, table: Table, curves: Sequence[Curve]) -> Path:
    clean = robust.score(table)
    panels = {}
    for c in curves:
        x = [0, *c.levels]

        def line(
            first: Estimate | float,
            row: Sequence[Estimate],
            style: str = "-",
            colour: str | None = None,
            x: list[int] = x,
        ) -> Line:
            start = first if isinstance(first, Estimate) else Estimate(first, "1", first, first)
            all_ = [start, *row]
            low, high = ([v if math.isfinite(v) else e.value for v, e in zip(side, all_, strict=True)]
                         for side in ([e.low for e in all_], [e.high for e in all_]))  # fmt: skip
            return Line(x, [e.value for e in all_], low, high, style, colour)

        name = {"own": "agreement with the clean map", "truth": "R2" if table.kind == "number" else "accuracy"}[
            table.reference
        ]
        panel = {name: line(clean if table.reference == "truth" else 1.0, c.score)}
        panel["share of the map that changes"] = line(0.0, c.flipped, "--")
        if "1 - largest probability" in c.doubt:
            at = table.doubts.index("1 - largest probability")
            start = robust.doubt_of(table, "clean", 0, at)
            said = [_one_minus(e) for e in c.doubt["1 - largest probability"]]
            panel["probability that the map states"] = line(_one_minus(start), said, ":", "#5b4fa2")
        if "outside what it learned from" in c.doubt:
            at = table.doubts.index("outside what it learned from")
            panel["outside what it learned from"] = line(
                robust.doubt_of(table, "clean", 0, at), c.doubt["outside what it learned from"], "-.", "#8a949c"
            )
        panels[spoken(c.name)] = panel
    return grid(panels, folder / "curves.png", x="level", y="share")


def _one_minus(e: Estimate) -> Estimate:
    return Estimate(1 - e.value, "1", 1 - e.high, 1 - e.low, n=e.n)


def _curve_words(table: Table) -> str:
    return (
        "level 0 is undamaged; bands: 95 % intervals that resample whole places. Where the stated probability stays high while the "
        "accuracy falls, the map does not know that it is wrong; 'outside' is the area of applicability"
    )


def _classes(folder: Path, table: Table, curves: Sequence[Curve]) -> Shown:
    there = [k for k in range(len(table.classes)) if table.cells[robust.CLEAN].n[:, k].sum() > 0]
    found = [[robust.class_drop(table, k, [c.name]) for k in there] for c in curves]
    values = np.array([[e.value for e in row] for row in found])
    sure = np.array([[math.isfinite(e.low) and (e.low > 0 or e.high < 0) for e in row] for row in found])
    names = [f"{table.classes[k][:22]} ({int(table.cells[robust.CLEAN].n[:, k].sum()):,})" for k in there]
    path = heat({"mean over levels": Heat(values, [spoken(c.name) for c in curves], names, sure)}, folder / "classes.png",
                bar="drop in points of the class's pixels", wide=0.45)  # fmt: skip
    words = (
        "drop of the share of each class's reference pixels that are right (their number in brackets), mean over levels; bold: the "
        "interval over places keeps clear of 0. A class may gain: a damaged map says it more often"
    )
    return Shown("Which classes break", words, path)


def _firsts(table: Table, curves: Sequence[Curve]) -> Shown:
    rows = []
    for c in curves:
        found = first_broken(table, c.name)
        lost = [v for v, e, p in zip(c.levels, c.drop, c.p, strict=True) if p < 0.05 and e.value > 0]
        whole = str(lost[0]) if lost else "none"
        told = ["none is clear of 0", "", ""] if found is None else [found[0], str(found[1]), points(found[2])]
        rows.append([spoken(c.name), whole, *told])
    words = (
        "first the lowest level at which the map as a whole loses (p below 0.05 after Holm's correction over everything tried); then the "
        "lowest level at which some class does (corrected over classes and levels of the corruption), and which loses most there"
    )
    head = ("corruption", "the map loses from level", "class", "from level", "drop in points")
    return Shown("Which class breaks first", words, None, head, rows)


def _numbers(table: Table, curves: Sequence[Curve]) -> Shown:
    head = ["corruption", "level", "score", "drop in points", "p (Holm)", "map that changes", "no answer", "skill left"]
    rows = []
    for c in curves:
        for i, level in enumerate(c.levels):
            p, skill = c.p[i], c.retained[i]
            rows.append([
                spoken(c.name), str(level), str(c.score[i]), points(c.drop[i]), f"{p:.3f}" if math.isfinite(p) else "-",
                str(c.flipped[i]), f"{100 * c.silent[i]:.1f} %", f"{100 * skill:.0f} %" if math.isfinite(skill) else "-",
            ])  # fmt: skip
    words = (
        "skill left: (damaged - chance) / (clean - chance), chance being the commonest class"
        if table.kind == "class"
        else "skill left: damaged R2 / clean R2"
    )
    return Shown("All numbers", words, None, head, rows, folded=True)


def _strengths(plan: Plan) -> Shown:
    scale = next(iter(plan.options.values())).scale_of if plan.options else "swath"
    rows = [
        [
            spoken(n),
            TABLE[n].parameter,
            *(" / ".join(f"{v:g}" for v in strength(n, level, scale)) for level in range(1, 6)),
        ]
        for n in plan.names
    ]
    words = "swath's own choice: the published benchmark gives no numbers" + (
        "; noise, blur and JPEG as ImageNet-C has them" if scale == "imagenet_c" else ""
    )
    return Shown("How strong the levels are", words, None, ("corruption", "parameter", *"12345"), rows)


def _examples(folder: Path, chips: Sequence[Chip], plan: Plan, opened: Opened) -> tuple[Path, str]:
    """Level 1, 3 and 5 of a part of the first window, in the colours of the report of a map."""
    from swath.report.figures import Cutter, three_of

    cubes = {n: c for n, c in opened.cubes.items() if n not in plan.keep} or dict(opened.cubes)
    name, bands, words = three_of(cubes)
    ends = Cutter.of({name: cubes[name]}).ends
    chip = max(chips, key=lambda c: float(c.batch.pixels[name].valid.mean()))
    pixels = chip.batch.pixels[name]
    date = int(pixels.valid[0].mean((1, 2, 3)).argmax())
    size = [min(CUT, n) for n in pixels.values.shape[-2:]]
    cut = tuple(slice((n - s) // 2, (n - s) // 2 + s) for n, s in zip(pixels.values.shape[-2:], size, strict=True))
    levels = [v for v in SHOWN if v in plan.levels] or list(plan.levels)[:3]
    rows = {}
    for corruption in plan.names:
        if why_not(corruption, pixels.bands, pixels.values.shape[1]):
            continue  # it acts on another sensor than the one shown
        pictures = [_coloured(pixels.values[0, date][bands], pixels.valid[0, date][bands], ends)[cut]]
        for level in levels:
            worse = corrupt(pixels, corruption, level, (chip.key,), options=plan.options[name])
            at = date
            if corruption in ("missing_dates", "misregistration"):
                at = next((t for t in range(len(worse.values[0])) if _other(worse, pixels, t)), date)
            pictures.append(_coloured(worse.values[0, at][bands], worse.valid[0, at][bands], ends)[cut])
        rows[spoken(corruption)] = pictures
    path = examples(rows, folder / "examples.png", heads=["undamaged", *(f"level {v}" for v in levels)])
    return path, f"{name}, {words}; the middle of a window, one stretch for all; magenta: no value"


def _other(worse: Pixels, clean: Pixels, date: int) -> bool:
    return not np.array_equal(worse.values[0, date], clean.values[0, date], equal_nan=True)


def _coloured(values: np.ndarray, valid: np.ndarray, ends: np.ndarray) -> np.ndarray:
    good = valid.all(0) & np.isfinite(values).all(0)
    low, high = ends[:, 0, None, None], ends[:, 1, None, None]
    share = np.clip((np.nan_to_num(values) - low) / np.where(high > low, high - low, 1.0), 0, 1) ** 0.8
    image = np.round(255 * share).astype(np.uint8).transpose(1, 2, 0)
    return np.where(good[..., None], image, np.array([212, 59, 212], np.uint8))
