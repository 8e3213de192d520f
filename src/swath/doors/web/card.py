"""The result card of a map: what its assessment says, in the form that the design of the points allows.

Labels that somebody chose give an interval for the share that is right on similar places, and no intervals for areas;
a reference sample gives both (`reference_card`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.assess.next_places import next_places
from swath.doors.web import paired, reference_card
from swath.doors.web.laid import Laid

if TYPE_CHECKING:
    from swath.doors.web.scenes import OpenScene
    from swath.doors.web.session import Session
    from swath.doors.web.view import View

__all__ = ["drawn", "made"]

_COUNTED = 25_000_000  # pixels up to which shares are counted, beyond they are taken from an overview


def made(
    session: Session, n: int, scene: OpenScene, said: Mapping[str, Any], folder: Path, *, before: int | None
) -> dict[str, Any]:
    """Card, shares in doubt and unlike the labels, next places, notes. before: an earlier map of the scene."""
    assessment = json.loads((folder / "assessment.json").read_text("utf-8"))
    legend = [
        {"name": c["name"], "colour": next((x["colour"] for x in said["classes"] if x["name"] == c["name"]), "#808080")}
        for c in assessment["classes"]
    ]
    card = reference_card.card(session.folder, n, legend) or drawn(assessment, legend, said, scene.view)
    card.setdefault("against", None)
    if before is not None:
        earlier = session.folder / "maps" / str(before)
        if card["form"] == "drawn":
            card["against"] = paired.by_labels(folder, earlier, before)
        else:
            card["against"] = paired.by_sample(reference_card.latest(session.folder, n), earlier, before, scene.view)
    doubt, unlike = _kept(folder, "shares.json", lambda: list(_shares(folder / "doubt.tif")))
    places = _kept(folder, "next.json", lambda: _next(folder, scene.view, said))
    return {
        "card": card,
        "doubt_share": doubt,
        "unlike_share": unlike,
        "next": places,
        "notes": [*card.get("notes", []), *assessment["notes"]],
        "level": (assessment.get("conformal") or {}).get("level"),
    }


def _kept(folder: Path, name: str, find: Any) -> Any:
    """What was found once of a finished map is kept beside it."""
    from swath.tools.job import write_json

    path = folder / name
    try:
        return json.loads(path.read_text("utf-8"))["found"]
    except (OSError, ValueError, KeyError, TypeError):
        found = find()
        write_json(path, {"found": found})
        return found


def drawn(
    assessment: Mapping[str, Any], legend: list[dict[str, str]], said: Mapping[str, Any], view: View
) -> dict[str, Any]:
    """The card of a map that its own labels judge, each by a model that did not see its neighbourhood."""
    accuracy = assessment["accuracy"]
    colour = {c["name"]: c["colour"] for c in legend}
    order = {c["name"]: i for i, c in enumerate(said["classes"])}
    at = sorted(range(len(legend)), key=lambda i: order.get(legend[i]["name"], len(order)))
    parts = [assessment["classes"][i] for i in at]
    counts = [[assessment["confusion"]["counts"][i][j] for j in at] for i in at]
    right = sum(counts[i][i] for i in range(len(counts)))
    rows = [
        {
            "class": c["name"],
            "colour": colour[c["name"]],
            "estimate": None,
            "low": None,
            "high": None,
            "counted": c["mapped_area"] or 0.0,
        }
        for c in parts
    ]
    return {
        "form": "drawn",
        "big": {k: accuracy[k] for k in ("value", "low", "high", "level", "reason")},
        "right": right,
        "judged": sum(map(sum, counts)),
        "sentence": _sentence(accuracy, said, view),
        "area": {
            "unit": parts[0]["unit"] if parts else "ha",
            "rows": rows,
            "all": sum(r["counted"] for r in rows),
            "digits": _digits([r["counted"] for r in rows]),
        },
        "finding": None,
        "matrix": {
            "classes": [c["name"] for c in parts],
            "counts": counts,
            "users": [c["users_accuracy"] for c in parts],
            "producers": [c["producers_accuracy"] for c in parts],
        },
        "warnings": _warnings(assessment, view),
        "simulated": bool(accuracy["simulated"]),
        "baselines": [
            {"name": b["name"], **{k: b["score"][k] for k in ("value", "low", "high")}} for b in assessment["baselines"]
        ],
    }


def _sentence(accuracy: Mapping[str, Any], said: Mapping[str, Any], view: View) -> str:
    """How the figure came about, with the side of the blocks."""
    size = _side(accuracy, view)
    blocks = f" (blocks of {size})" if size else ""
    if accuracy["value"] is None:
        return f"From your {said['labels']} labels no figure can be had yet: {accuracy['reason']}."
    return f"From your {accuracy['n']} labels, each tested on a model that did not see its neighbourhood{blocks}."


def _warnings(assessment: Mapping[str, Any], view: View) -> list[str]:
    """What a reader of the figure must know: classes that nothing could test, labels that test themselves."""
    found = []
    size = _side(assessment["accuracy"], view)
    for note in assessment["notes"]:
        alone = re.search(r"in one block only, so that no check can score them: (.+)$", note)
        if alone is not None:
            names = alone[1].split(", ")
            far = f" {size} apart" if size else ""
            has = "has" if len(names) == 1 else "have"
            found.append(
                f"A class needs labels in two places{far}, so that one can test the other. {', '.join(names)} {has} one. "
                "Add one elsewhere."
            )
    leak = assessment.get("leakage") or {}
    if leak.get("shared_pixels") or leak.get("shared_places") or leak.get("within_buffer"):
        found.append(f"The figure may flatter: {'; '.join(leak['words'])}.")
    elif (leak.get("near_duplicates") or 0) > 0.1 * max(1, leak.get("test") or 0):
        found.append(f"The figure may flatter: {leak['words'][-1]}.")
    return found


def _side(accuracy: Mapping[str, Any], view: View) -> str:
    """The side of the blocks in words, "" where it is not told."""
    side = re.search(r"\((\d+)-px blocks\)", accuracy["method"])
    if side is None:
        return ""
    pixels = int(side[1])
    return f"{pixels} pixels" if view.metres is None else _metres(pixels * view.metres)


def _metres(value: float) -> str:
    return f"{float(f'{value:.2g}'):,.0f} m".replace(",", " ") if value < 10_000 else f"{value / 1000:.2g} km"


def _digits(values: list[float]) -> int:
    """Decimals of counted areas: three figures of the largest."""
    top = max(values, default=0.0)
    return 2 if top < 1 else 1 if top < 1000 else 0


def _shares(path: Path) -> tuple[float | None, float | None]:
    """Share of the mapped pixels with more or fewer classes left than one, and of those unlike any label."""
    import rasterio

    if not path.exists():
        return None, None
    sizes, outside = np.zeros(256), np.zeros(256)
    with rasterio.open(path) as file:
        if file.height * file.width > _COUNTED:
            step = int(np.ceil(np.sqrt(file.height * file.width / 4e6)))
            shape = (max(1, file.height // step), max(1, file.width // step))
            sizes += np.bincount(file.read(1, out_shape=shape).ravel(), minlength=256)
            outside += np.bincount(file.read(2, out_shape=shape).ravel(), minlength=256)
        else:
            for _, window in file.block_windows(1):
                sizes += np.bincount(file.read(1, window=window).ravel(), minlength=256)
                outside += np.bincount(file.read(2, window=window).ravel(), minlength=256)
    mapped, known = sizes[:255].sum(), outside[:2].sum()
    doubtful = float(1 - sizes[1] / mapped) if mapped else None
    return doubtful, float(outside[1] / known) if known else None


def _next(folder: Path, view: View, said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Next places in pixels of the view, with the names of the two classes."""
    import rasterio

    with np.load(folder / "model" / "training.npz") as file:
        labelled = list(zip(file["training_row"].tolist(), file["training_column"].tolist(), strict=True))
    with rasterio.open(folder / "probability.tif") as file:
        names = [str(d) for d in file.descriptions]
        top, _, left, _ = said.get("window") or (0, 0, 0, 0)
        laid = Laid(view, file.crs, file.transform, (top, left))
    found = []
    for i, place in enumerate(next_places(folder, labelled), 1):
        column, row = laid.to_view(place.column + 0.5, place.row + 0.5)
        shares = {"pa": round(place.pa, 4), "pb": round(place.pb, 4)}
        found.append({"n": i, "col": column, "row": row, "a": names[place.a], "b": names[place.b], **shares})
    return found
