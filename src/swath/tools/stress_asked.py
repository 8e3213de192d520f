"""What was asked of `stress`, with what an earlier run of `map` tells where the person does not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swath.errors import FormatError, LabelError, SwathError

__all__ = ["chosen", "levels_of", "reads_of", "told_of"]

OF_RUN = ("area", "dates", "bands", "offset", "scale", "sensor", "gsd", "column", "kind", "classes", "xy", "crs", "weights",
          "encoder", "seed", "simulated")  # fmt: skip


def chosen(only: Sequence[str] | None) -> list[str]:
    """The corruptions to try, all by default. Raises SwathError for an unknown one."""
    from swath.transform.severity import ALL

    only = only.split(",") if isinstance(only, str) else only
    names = [str(n).strip().replace(" ", "_").replace("-", "_") for n in only or ALL]
    if unknown := [n for n in names if n not in ALL]:
        raise SwathError(rule=f"corruptions are {', '.join(ALL)}", got=", ".join(unknown), remedy="choose among them")
    return list(dict.fromkeys(names))


def levels_of(levels: Sequence[Any] | None) -> list[int]:
    """The levels to try, 1 to 5 by default. Raises SwathError for others."""
    levels = levels.split(",") if isinstance(levels, str) else levels
    try:
        found = sorted({int(v) for v in (levels or range(1, 6))})
    except ValueError:
        found = [0]
    if not set(found) <= set(range(1, 6)):
        raise SwathError(
            rule="levels are 1 to 5 (0 is undamaged and always there)", got=", ".join(map(str, levels or ())),
            remedy="e.g. --levels 1,3,5",
        )  # fmt: skip
    return found


def told_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with those of an earlier map where the model is its output folder; `model` then is what mapped."""
    told = dict(asked)
    told["seed"] = told["seed"] if told["seed"] is not None else 0
    run = Path(str(asked["model"])) / "run.json"
    run = run if run.is_file() else Path(str(asked["model"]))
    if run.name == "run.json" and run.is_file():
        told = _of_run(run, asked)
    elif not Path(str(asked["model"])).exists() and str(asked["model"]) != "sen2lcz":
        raise FormatError(
            rule="stress takes a model, or the output folder of swath map", got=f"no file or folder {asked['model']}",
            remedy="name out/, out/model, a file of swath train, or sen2lcz",
        )  # fmt: skip
    if told["area"] == "labels":
        told["area"] = told["labels"] or told["truth"]
    if not told["scenes"]:
        raise FormatError(rule="stress makes scenes worse", got="none", remedy="name the scenes behind the model")
    if told["truth"] is not None and told["labels"] is not None:
        raise LabelError(
            rule="one reference judges",
            got="truth and labels",
            remedy="give --truth (never seen) or --labels (learned from)",
        )
    return told


def _of_run(run: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        record = json.loads(run.read_text("utf-8"))
        verb, before = record["verb"], dict(record["arguments"])
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(
            rule="run.json of swath map tells scenes and options", got=f"{run}: {error}", remedy="name the model"
        ) from error
    if verb != "map":
        raise FormatError(
            rule="stress takes a run of swath map", got=f"a run of swath {verb}", remedy="name the map's folder"
        )
    told = dict(asked)
    for name in OF_RUN:
        if told[name] is None or told[name] is False:
            told[name] = before.get(name, told[name])
    new_scenes = bool(told["scenes"])
    told["scenes"] = told["scenes"] or before["scenes"]
    if told["truth"] is None and told["labels"] is None and not new_scenes:
        told["truth"] = before.get("truth")
        told["labels"] = before.get("labels") if told["truth"] is None else None
    kept = run.parent / "model"
    told["model"] = str(kept) if (kept / "model.json").is_file() else before.get("model")
    if told["model"] is None:
        raise FormatError(
            rule="a run of swath map keeps its model", got=f"none in {run.parent}", remedy="run the map again"
        )
    if told["area"] == "labels" and asked["area"] is None:
        told["area"] = before.get("labels")
    told["seed"] = told["seed"] or 0
    return told


def reads_of(told: Mapping[str, Any]) -> list[Any]:
    """The files that the numbers depend on."""
    scenes = told["scenes"] if isinstance(told["scenes"], (list, tuple)) else [told["scenes"]]
    some = [
        *scenes,
        told["truth"],
        told["labels"],
        told["weights"],
        told["model"] if told["model"] != "sen2lcz" else None,
    ]
    return [s for s in some if s is not None]
