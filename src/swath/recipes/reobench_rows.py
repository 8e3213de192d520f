"""Rows, figures and sentences of REOBench's recipe, all from tables of what every place adds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from swath.bench import robust
from swath.bench.robust import Table
from swath.estimate import Estimate
from swath.report.outcome import Row
from swath.report.plots import Line
from swath.report.stress_plots import Heat, grid, heat

__all__ = ["VHM", "figures", "keep", "rows_of", "verdicts_of", "vhm_rows"]

CLEAN_VHM, PRINTED_DROP = 60.21, 1.38
VHM = {  # accuracy in per cent of VHM on VRSBench's questions: mean of five levels (VRSBench/cal_stat.ipynb)
    "brightness_contrast": 59.26, "clouds": 59.73, "compression": 57.93, "gaps": 59.64, "gaussian_blur": 59.21,
    "gaussian_noise": 58.27, "haze": 59.63, "motion_blur": 59.17, "salt_and_pepper": 57.27,
}  # fmt: skip


def rows_of(data: str, tables: Mapping[str, Table], roles: Mapping[str, Any]) -> list[Row]:
    """Clean score, mean drop, retained skill, answers that change, and the drop under each corruption, of every encoder."""
    first = next(iter(tables.values()))
    own, names = first.reference == "own", list(first.names)
    chance = robust.chance_of(first)
    word = "agreement with its clean answer" if own else f"{'balanced ' if first.measure == 'balanced' else ''}accuracy"
    rows = []
    constant = Estimate(0.0, "1", 0.0, 0.0, method="an answer that never changes", simulated=first.simulated)
    if not own:
        always = Estimate(chance, "1", chance, chance, method="of the reference", simulated=first.simulated)
        rows.append(Row(data, "commonest class", "baseline", f"{word}, undamaged", always))
    rows.append(Row(data, "commonest class", "baseline", f"{word}, mean drop", constant))
    rows.append(Row(data, "commonest class", "baseline", "answers that change, mean", constant))
    rows += (
        [Row(data, "commonest class", "baseline", f"drop, {n.replace('_', ' ')}", constant) for n in names]
        if own
        else []
    )
    for name, table in tables.items():
        role = roles.get(name, "ours")
        if not own:
            rows.append(Row(data, name, role, f"{word}, undamaged", robust.score(table)))
            rows.append(Row(data, name, role, "retained skill, mean", robust.retained_mean(table, names, chance)))
        claim = "1 to 20 points (other data)" if not table.simulated else ""
        rows.append(Row(data, name, role, f"{word}, mean drop", robust.mean_drop(table, names), claim))
        rows.append(Row(data, name, role, "answers that change, mean", robust.flipped_mean(table, names)))
        rows += [Row(data, name, role, f"drop, {n.replace('_', ' ')}", robust.mean_drop(table, [n])) for n in names]
    return rows


def verdicts_of(data: str, tables: Mapping[str, Table]) -> list[str]:
    """Which encoder loses least and most, by mean drop and by retained skill; which corruption costs most."""
    names = list(next(iter(tables.values())).names)
    drops = {n: robust.mean_drop(t, names) for n, t in tables.items()}
    ranked = sorted(drops, key=lambda n: drops[n].value)
    words = [f"{data}: mean drop " + ", ".join(f"{n} {_points(drops[n])}" for n in ranked) + " points"]
    if len(tables) > 1:
        table = next(iter(tables.values()))
        kept = {n: robust.retained_mean(t, names, robust.chance_of(table)) for n, t in tables.items()}
        best = max((n for n in kept if kept[n].defined), key=lambda n: kept[n].value, default="")
        if best and best != ranked[0]:
            words.append(
                f"{data}: by retained skill {best} is the sturdiest ({kept[best]}), by drop {ranked[0]}: it had less to lose"
            )
    for name, table in tables.items():
        by = {n: robust.mean_drop(table, [n]) for n in names}
        worst = max(by, key=lambda n: by[n].value)
        p = robust.holm([robust.p_value(table, n, v) for n in names for v in table.levels(n)])
        known = p[np.isfinite(p)]
        words.append(
            f"{data}, {name}: worst {worst.replace('_', ' ')} ({_points(by[worst])} points); {int((known < 0.05).sum())} of {len(p)} "
            "corruptions and levels differ from clean after Holm's correction"
        )
        levels = table.levels(names[0])
        gains = [n.replace("_", " ") for n in names if robust.mean_drop(table, [n], [levels[0]]).value < 0]
        if gains and name == next(iter(tables)):
            words.append(
                f"{data}, {name}: level {levels[0]} scores above clean under {', '.join(gains)}: the noise floor, as in the paper's clouds"
            )
        words += _doubt_words(data, name, table)
    return words


def _doubt_words(data: str, name: str, table: Table) -> list[str]:
    """Whether the doubt rises where accuracy falls, at the strongest level; clear where intervals do not touch."""
    before = robust.doubt_of(table, *robust.CLEAN, 0)
    surer, aware = [], []
    for n in table.names:
        level = table.levels(n)[-1]
        after = robust.doubt_of(table, n, level, 0)
        if not robust.mean_drop(table, [n], [level]).low > 0:
            continue
        surer += [n.replace("_", " ")] if after.high < before.low else []
        aware += [n.replace("_", " ")] if after.low > before.high else []
    return [
        f"{data}, {name}: at the strongest level answers get worse and surer of themselves under {', '.join(surer) or 'none'}, worse and "
        f"more in doubt under {', '.join(aware) or 'none'}"
    ]


def _points(e: Estimate) -> str:
    text = f"{100 * e.value:.1f}"
    return f"{text} [{100 * e.low:.1f}, {100 * e.high:.1f}]" if math.isfinite(e.low) else text


def vhm_rows() -> list[Row]:
    """The published row, averaged by the code that averages here: the printed difference is not that of its own cell."""
    found = robust.averages(CLEAN_VHM, {name: [value] for name, value in VHM.items()})
    data, why = "VRSBench questions, VHM (published)", "no interval: published figures, without their items"
    values = {"mean over nine corruptions": found.mean, "drop": found.drop}
    printed = {"mean over nine corruptions": "58.90", "drop": f"{PRINTED_DROP} as printed; its own cell gives 1.31"}
    return [
        Row(
            data,
            "averaged again",
            "reference",
            f"accuracy in per cent, {what}",
            Estimate(value, "%", n=9, reason=why),
            printed[what],
        )
        for what, value in values.items()
    ]


def figures(tables: Mapping[str, Mapping[str, Table]], out: Path) -> dict[str, str]:
    """heat.png: models and corruptions; curves.png: score by level; doubt.png: what the answers say of themselves."""
    names = list(dict.fromkeys(n for some in tables.values() for t in some.values() for n in t.names))
    panels = {}
    for title, some in tables.items():
        estimates = [[robust.mean_drop(t, [n]) if n in t.names else None for t in some.values()] for n in names]
        values = np.array([[np.nan if e is None else e.value for e in row] for row in estimates])
        sure = np.array(
            [[e is not None and math.isfinite(e.low) and (e.low > 0 or e.high < 0) for e in row] for row in estimates]
        )
        panels[_short(title)] = Heat(values, [n.replace("_", " ") for n in names], list(some), sure)
    heat(panels, out / "heat.png", bar="mean drop over levels, points", wide=0.85)
    main = next(iter(tables.values()))
    grid(_by_level(main, names, "score"), out / "curves.png", x="level", y="accuracy", columns=4, dpi=68)
    grid(_by_level(main, names, "doubt"), out / "doubt.png", x="level", y="1 - largest probability", columns=4, dpi=68)
    first = next(iter(tables))
    return {
        "heat.png": "mean drop over the levels by encoder and corruption; bold: the interval over places keeps clear of 0; red loses",
        "curves.png": f"{first}: accuracy by level (0 is undamaged); bands resample pictures",
        "doubt.png": f"{first}: mean of 1 - largest probability by level; flat while accuracy falls: the answer does not know",
    }


def keep(tables: Mapping[str, Mapping[str, Table]], path: Path) -> Path:
    """What every item adds, from which `Table.from_json` gives all numbers again: {data: {encoder: table}}, gzipped JSON."""
    import gzip

    record = {title: {name: t.to_json() for name, t in some.items()} for title, some in tables.items()}
    text = json.dumps(record, allow_nan=False, separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    return path


def _short(title: str) -> str:
    return title.split(",")[0]


def _by_level(tables: Mapping[str, Table], names: Sequence[str], what: str) -> dict[str, dict[str, Line]]:
    panels: dict[str, dict[str, Line]] = {}
    for name in names:
        panel = {}
        for encoder, table in tables.items():
            keys = [robust.CLEAN, *((name, v) for v in table.levels(name))]
            found = [robust.score(table, *k) if what == "score" else robust.doubt_of(table, *k, 0) for k in keys]
            low, high = ([v if math.isfinite(v) else e.value for v, e in zip(side, found, strict=True)]
                         for side in ([e.low for e in found], [e.high for e in found]))  # fmt: skip
            panel[encoder] = Line([v for _, v in keys], [e.value for e in found], low, high)
        panels[name.replace("_", " ")] = panel
    return panels
