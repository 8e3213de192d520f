"""The result card of a map that was judged by a reference sample: every figure has its interval, and one finding is picked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["card", "figure", "finding", "is_of", "judged", "latest"]

AGREE = "Counted and estimated areas agree within their intervals."


def judged(folder: Path, n: int) -> list[Path]:
    """The folders of the assessed samples of map `n` in a workspace, the newest last."""
    found = []
    for path in (folder / "samples").glob("*/assess/assessment.json"):
        try:
            design = json.loads((path.parent.parent / "design.json").read_text("utf-8"))
            if int(design["map"]) == n and is_of(folder, design):
                found.append((path.stat().st_mtime_ns, path.parent.parent))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return [path for _, path in sorted(found)]


def latest(folder: Path, n: int) -> Path | None:
    """The folder of the newest assessed sample of map `n` in a workspace, or None."""
    found = judged(folder, n)
    return found[-1] if found else None


def is_of(folder: Path, design: Mapping[str, Any]) -> bool:
    """Whether the map that a sample was drawn from is still there: its number may have gone to another."""
    try:
        said = json.loads((folder / "maps" / str(int(design["map"])) / "map.json").read_text("utf-8"))
        made = str(said["made"])
    except (OSError, ValueError, KeyError, TypeError):
        made = ""
    return str(design.get("map_made") or "") == made


def card(folder: Path, n: int, classes: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The card of map `n`, or None while no reference sample of it is assessed. classes: the map's legend (name, colour)."""
    from swath.doors.web.walk import Walk

    sample = latest(folder, n)
    if sample is None:
        return None
    record = json.loads((sample / "assess" / "assessment.json").read_text("utf-8"))
    walk = Walk(sample)
    legend = {str(c["name"]): str(c["colour"]) for c in (*walk.classes, *classes)}
    order = {name: i for i, name in enumerate(legend)}
    parts = sorted(enumerate(record["classes"]), key=lambda p: order.get(p[1]["name"], len(order)))
    rows = [_row(part, legend) for _, part in parts]
    index = [i for i, _ in parts]
    counts = record["confusion"]["counts"]
    accuracy = record["accuracy"]
    unit = parts[0][1]["unit"] if parts else "ha"
    return {
        "form": "reference",
        "big": {name: accuracy[name] for name in ("value", "low", "high", "level")},
        "sentence": _sentence(walk, record, counts),
        "area": {
            "unit": unit,
            "level": accuracy["level"],
            "rows": rows,
            "all": sum(r["counted"] or 0.0 for r in rows),
            "digits": digits(rows),
        },
        "finding": finding(rows, unit),
        "matrix": {
            "classes": [r["class"] for r in rows],
            "counts": [[counts[i][j] for j in index] for i in index],
            "users": [p["users_accuracy"] for _, p in parts],
            "producers": [p["producers_accuracy"] for _, p in parts],
        },
        "missing": record.get("missing"),
        "agreement": walk.agreement(),
        "sample": walk.id,
        "answered": walk.record()["answered"],
        "steps": len(walk.steps),
        "samples": len(judged(folder, n)),
        "seed": walk.design["seed"],
        "simulated": bool(accuracy["simulated"]),
        "notes": [*record["notes"], *_others(folder, n)],
    }


def _others(folder: Path, n: int) -> list[str]:
    """That there were other samples: who draws until a figure pleases has no interval any more."""
    count = len(judged(folder, n))
    if count < 2:
        return []
    return [f"{count} reference samples of this map were judged; this is the latest, its interval knows of no other"]


def _row(part: Mapping[str, Any], legend: Mapping[str, str]) -> dict[str, Any]:
    area = part["area"]
    return {
        "class": part["name"],
        "colour": legend.get(part["name"], "#808080"),
        "estimate": area["value"],
        "low": area["low"],
        "high": area["high"],
        "counted": part["mapped_area"] if part["mapped_area"] is not None else 0.0,
        "reason": area["reason"],
    }


def _sentence(walk: Any, record: Mapping[str, Any], counts: Sequence[Sequence[int]]) -> str:
    points, right = sum(map(sum, counts)), sum(counts[i][i] for i in range(len(counts)))
    looked = len(walk.answers())
    some = f"{looked} of {len(walk.places)}" if looked < len(walk.places) else f"{looked}"
    share = f"{100 * right / points:.1f} %" if points else "none"
    text = (
        f"{some} reference points, drawn at random in each mapped class. {share} of the points agree; by area each "
        "counts for the land it stands for."
    )
    if lost := record.get("missing"):
        text += (
            f" {lost['points']} could not be told ({100 * lost['share']:.1f} % by area) and are taken to be like the "
            f"others: wrong at all of them would give {100 * lost['accuracy_if_wrong']:.1f} %."
        )
    return text


def digits(rows: Sequence[Mapping[str, Any]]) -> int:
    """Decimals that the widest interval of a table justifies: three figures of its half; below 0 tens and hundreds."""
    half = [(r["high"] - r["low"]) / 2 for r in rows if r["high"] is not None and r["low"] is not None]
    widest = max((h for h in half if h > 0), default=1.0)
    return min(6, 2 - math.floor(math.log10(widest)))


def finding(rows: Sequence[Mapping[str, Any]], unit: str) -> dict[str, Any]:
    """The class whose mapped count lies furthest outside its interval, in half-widths; {"class", "text", "before", "after"}.

    The half-width is the one of the side on which the count lies, so that "outside" means outside.
    """
    worst: tuple[float, Mapping[str, Any] | None] = (1.0, None)
    for row in rows:
        if row["estimate"] is None or row["low"] is None or row["high"] is None:
            continue
        off = row["counted"] - row["estimate"]
        half = row["high"] - row["estimate"] if off > 0 else row["estimate"] - row["low"]
        if half > 0 and abs(off) / half > worst[0]:
            worst = (abs(off) / half, row)
    row = worst[1]  # type: ignore[assignment]
    if row is None:
        return {"class": None, "text": AGREE}
    off = row["counted"] - row["estimate"]
    word = {"pixel": "pixels"}.get(unit, unit)
    after = f" is {figure(abs(off), digits(rows))} {word} too {'large' if off > 0 else 'small'}."
    before = "Counted on the map, "
    return {"class": row["class"], "text": before + row["class"] + after, "before": before, "after": after}


def figure(value: float, k: int) -> str:
    """A number with k decimals (below 0 tens and hundreds), thin spaces between thousands."""
    return f"{round(value, k):,.{max(0, k)}f}".replace(",", "\u2009")
