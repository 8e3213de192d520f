"""The steps of `change`: the pair, the way to tell change, painting, areas, objects, judging, the page."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.tools import change_areas, change_objects, change_plain, change_truth
from swath.tools.change import ChangeResult
from swath.tools.change_areas import Areas
from swath.tools.change_legend import NO_CHANGE
from swath.tools.change_pair import Pair, open_pair
from swath.tools.change_shift import lined_up
from swath.tools.change_ways import Way, by_measure
from swath.tools.job import Job, Progress, write_json, write_text

if TYPE_CHECKING:
    from swath.tools.scenes import Reading

__all__ = ["run"]


def run(items: list[Any], reading: Reading, asked: dict[str, Any], job: Job, progress: Progress | None) -> ChangeResult:
    """Everything between the options and the finished folder."""
    folder = Path(asked["out"])
    maps = change_plain.open_maps(items) if change_plain.are_maps(items, asked) else None
    pair = open_pair(items, reading, at=asked["at"], gsd=asked["gsd"], maps=maps)
    pair = lined_up(pair, correct=asked["register"], seed=asked["seed"])
    simulated = bool(asked["simulated"] or pair.simulated or (maps is not None and any(m.simulated for m in maps)))
    if maps is not None:
        way = change_plain.by_maps(pair, maps, asked, simulated=simulated)
    else:
        way = _way(pair, asked, progress, simulated=simulated)
    ran = _paint(folder, pair, way, asked, job, progress)
    areas = change_areas.measure(
        folder,
        way.legend,
        pair.grid,
        pair.shape,
        bands=way.bands,
        class_codes=way.class_codes,
        unchanged=way.unchanged,
        reason=way.reason,
        margin=way.margin,
        simulated=simulated,
    )
    objects, count = change_objects.write(folder, way.legend, pair.grid, smallest=asked["smallest"])
    rows = _transitions(way, areas)
    say = [
        *pair.notes,
        *way.notes,
        f"objects of fewer than {asked['smallest']} pixels are not in objects.gpkg (--smallest)",
    ]
    made = [*ran.paths.values(), *way.written, objects, *_tables(folder, way, areas, rows)]
    scores, judged = dict(way.scores), ""
    if way.scores:
        judged = "By the labels themselves, in places that training had not seen."
    if asked["truth"] is not None:
        scores, assessed, how = change_truth.by_truth(
            folder, way.legend, asked, say, simulated=simulated, trained=way.trained
        )
        judged = f"By the truth: {how}."
        if assessed is not None:
            made.append(write_json(folder / "assessment.json", assessed))
            areas = change_areas.by_design(areas, assessed, way.legend)
            rows = _transitions(way, areas)
            _tables(folder, way, areas, rows)
            judged += " Areas are adjusted for the errors of the map, by the sample's design."
    if way.number:
        e = change_plain.mean_difference(folder, pair.shape, way.number, seed=asked["seed"], simulated=simulated)
        scores = {"mean difference": e, **scores}
    if way.kept is not None:
        made += _kept(folder / "model", *way.kept)
    record = _record(pair, way, areas, rows, scores, count, say)
    made.append(write_json(folder / "change.json", record))
    from swath.tools import change_report

    made.append(change_report.write(folder, pair, way, areas, scores, judged, count, asked, say, simulated=simulated))
    made += sorted(folder.glob("*.qml"))
    job.finish(folder, made, failed_windows=[list(f) for f in ran.failed], reasons=list(ran.reasons))
    return ChangeResult(
        out=str(folder),
        way=way.name,
        changed=areas.changed,
        share=areas.changed.value / areas.total if areas.total else math.nan,
        missing=areas.missing,
        transitions=tuple(rows),
        shift=way.shift,
        scores=scores,
        objects=count,
        files=tuple(sorted({p.relative_to(folder).parts[0] for p in made} | {"run.json"})),
        notes=tuple(dict.fromkeys(say)),
        failed=len(ran.failed),
    )


def _way(pair: Pair, asked: Mapping[str, Any], progress: Progress | None, *, simulated: bool) -> Way:
    """The way that the options ask for."""
    from swath.tools import change_learned, change_network

    if asked["network"] is not None:
        return change_network.learned(pair, Path(asked["out"]), asked, progress, simulated=simulated)
    if asked["labels"] is not None:
        return change_learned.by_labels(pair, asked["labels"], asked, progress, simulated=simulated)
    if asked["pairs"] is not None:
        return change_learned.by_pairs(pair, asked["pairs"], asked, progress, simulated=simulated)
    if asked["index"] is not None:
        return change_plain.by_index(pair, asked["index"], asked, simulated=simulated)
    if asked["model"] is not None and change_network.is_file(Path(asked["model"])):
        return change_network.by_file(pair, Path(asked["model"]), asked, simulated=simulated)
    if asked["model"] is not None:
        return change_learned.by_model(pair, Path(asked["model"]), asked, progress, simulated=simulated)
    return by_measure(pair, asked["false_alarms"], asked["seed"], simulated=simulated)


def _kept(folder: Path, record: Any, arrays: Any) -> list[Path]:
    from swath.baseline.keeping import write

    write(record, arrays, folder)
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))


def _paint(folder: Path, pair: Pair, way: Way, asked: Mapping[str, Any], job: Job, progress: Progress | None) -> Any:
    from swath.predict.run import run as painted

    moved = None if not pair.corrected or pair.moved is None else [pair.moved.dy, pair.moved.dx]
    fingerprint = {
        "change": dict(way.fingerprint),
        "moved": moved,
        "inputs": [item.get("digest") or item.get("note") for item in job.inputs],
    }
    return painted(
        way.cubes,
        way.painter,
        way.layers,
        folder,
        reach=way.reach,
        window=way.window,
        fingerprint=json.loads(json.dumps(fingerprint, default=str)),
        scheduler=asked["scheduler"],
        workers=asked["workers"],
        progress=progress,
    )


def _transitions(way: Way, areas: Areas) -> list[dict[str, Any]]:
    """One record a kind of change, the largest first; unchanged ground last (by class where classes are known)."""
    rows: list[dict[str, Any]] = [
        {
            "kind": k.name,
            "code": k.code,
            "from": k.start,
            "to": k.end,
            "unit": areas.unit,
            "mapped": areas.mapped[k.code],
            "area": areas.kinds[k.code].to_json(),
        }
        for k in way.legend.kinds
    ]
    rows.sort(key=lambda r: (-r["mapped"], -(r["area"]["value"] or 0), r["code"]))
    return rows


def _tables(folder: Path, way: Way, areas: Areas, rows: list[dict[str, Any]]) -> list[Path]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["kind", "from", "to", "code", f"mapped_{areas.unit}", f"area_{areas.unit}", "low", "high", "level"]
    )
    for r in rows:
        a = r["area"]
        writer.writerow(
            [
                r["kind"],
                r["from"],
                r["to"],
                r["code"],
                *(_cell(v) for v in (r["mapped"], a["value"], a["low"], a["high"])),
                a["level"],
            ]
        )
    writer.writerow(["no change", "", "", NO_CHANGE, _cell(areas.mapped[NO_CHANGE]), "", "", "", ""])
    record: dict[str, Any] = {"unit": areas.unit, "transitions": rows, "unchanged": areas.mapped[NO_CHANGE]}
    if areas.matrix is not None:
        record["matrix"] = {"classes": list(way.legend.classes), "areas": areas.matrix.tolist()}
    return [write_text(folder / "transitions.csv", text.getvalue()), write_json(folder / "transitions.json", record)]


def _cell(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.6g}"


def _record(
    pair: Pair,
    way: Way,
    areas: Areas,
    rows: list[dict[str, Any]],
    scores: Mapping[str, Any],
    objects: int,
    say: list[str],
) -> dict[str, Any]:
    found = pair.moved
    shift = None
    if found is not None:
        names = ("dy", "dx", "confidence", "se_y", "se_x", "blocks", "agreement", "reach")
        shift = {n: v if math.isfinite(v := getattr(found, n)) else None for n in names}
        shift |= {"length": found.length if math.isfinite(found.length) else None, "corrected": pair.corrected}
    return {
        "way": way.name,
        "before": pair.dates[0],
        "after": pair.dates[1],
        "unit": areas.unit,
        "changed": areas.changed.to_json(),
        "area_with_answer": areas.total,
        "share_without_answer": areas.missing if math.isfinite(areas.missing) else None,
        "shift": shift,
        "shift_said": list(way.shift),
        "transitions": rows,
        "objects": objects,
        "scores": {k: e.to_json() for k, e in scores.items()},
        **dict(way.facts),
        "notes": list(dict.fromkeys(say)),
    }
