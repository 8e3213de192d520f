"""A page on the reference sample of a map: accuracy, areas, matrix, how the places were drawn and what was not told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swath.doors.web.reference_card import card, figure, latest
from swath.errors import DesignError

__all__ = ["write"]


def write(path: Path, folder: Path, n: int, name: str, classes: Sequence[Mapping[str, Any]]) -> Path:
    """Write the page of map `n` of a workspace. Raises DesignError when no sample of it is assessed."""
    from swath.report import sheet

    made, sample = card(folder, n, classes), latest(folder, n)
    if made is None or sample is None:
        raise DesignError(
            rule="a reference report is of an assessed sample", got=f"none of map {n}", remedy="judge the map first"
        )
    design = json.loads((sample / "design.json").read_text("utf-8"))
    big = made["big"]
    page = sheet.Sheet(
        verb="assess",
        title=f"Map {n} of {name}, judged by a reference sample",
        headline=f"{_share(big)} correct, by area.",
        says=[made["sentence"], made["finding"]["text"], _agreed(made["agreement"])],
        notes=made["notes"],
        simulated=made["simulated"],
        sections=[_areas(made), _matrix(made), _design(design, made)],
    )
    return sheet.write(path, page)


def _share(estimate: Mapping[str, Any]) -> str:
    if estimate["value"] is None:
        return "–"
    text = f"{100 * estimate['value']:.1f} %"
    return text if estimate["low"] is None else f"{text} ({100 * estimate['low']:.1f} to {100 * estimate['high']:.1f})"


def _bracket(estimate: Mapping[str, Any]) -> str:
    return _share(estimate).replace(" (", " [").replace(")", "]")


def _agreed(agreement: Mapping[str, int]) -> str:
    if not agreement["asked"]:
        return "No place had come back yet to see whether the interpreter agrees with themselves."
    return (
        f"{agreement['asked']} places came back unannounced: the interpreter agreed with themselves on "
        f"{agreement['same']}. The first answer counts."
    )


def _areas(made: Mapping[str, Any]) -> Any:
    from swath.report.sheet import Section, Table

    area, unit = made["area"], {"pixel": "pixels"}.get(made["area"]["unit"], made["area"]["unit"])
    k = area["digits"]

    def cell(value: float | None) -> str:
        return "–" if value is None else figure(value, k)

    rows = [
        [r["class"], cell(r["counted"]), cell(r["estimate"]), cell(r["low"]), cell(r["high"])] for r in area["rows"]
    ]
    level = round(100 * area["level"])
    return Section(
        "Area",
        ["Estimated: what the reference points say of the whole map. Counted: what the map itself shows."],
        Table(
            ["Class", f"Counted ({unit})", "Estimated", f"{level} % from", "to"],
            rows,
            (1, 2, 3, 4),
            f"All: {cell(area['all'])} {unit}.",
        ),
    )


def _matrix(made: Mapping[str, Any]) -> Any:
    from swath.report.sheet import Section, Table

    m = made["matrix"]
    rows = [
        [name, *(str(v) if v else "·" for v in counts), _bracket(user)]
        for name, counts, user in zip(m["classes"], m["counts"], m["users"], strict=True)
    ]
    rows.append(["found", *(_bracket(p) for p in m["producers"]), ""])
    return Section(
        "Matrix",
        [
            "Rows: map. Columns: reference points. right: of what the map calls so, by area. found: of what is so, by area."
        ],
        Table(["", *m["classes"], "right"], rows, tuple(range(1, len(m["classes"]) + 2))),
    )


def _design(design: Mapping[str, Any], made: Mapping[str, Any]) -> Any:
    from swath.report.sheet import Section, Table

    drawn = design["drawn"]
    words = [
        f"{drawn['points']} places drawn at random within each class of the map, seed {design['seed']}; shown in random "
        "order, without the map's class.",
    ]
    if lost := made["missing"]:
        why = ", ".join(f"{reason} {number}" for reason, number in lost["reasons"].items())
        words.append(
            f"{lost['points']} of {lost['looked_at']} places looked at could not be told ({100 * lost['share']:.1f} % by "
            f"area): {why}. They are taken to be like the others of their class. Were the map wrong at all of them, "
            f"accuracy would be {100 * lost['accuracy_if_wrong']:.1f} %; right at all, {100 * lost['accuracy_if_right']:.1f} %."
        )
    unit = drawn["unit"]
    rows = [[s["name"], f"{s['pixels']:,}", f"{s['area']:,.1f}", str(s["points"])] for s in drawn["strata"]]
    return Section(
        "How the places were drawn",
        words,
        Table(["Class of the map", "Pixels", f"Area ({unit})", "Places drawn"], rows, (1, 2, 3)),
    )
