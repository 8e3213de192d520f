"""What is written around an exported picture: the scene, its date, the legends of what is seen, what the map is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from swath.doors.web.layers import Raster, legend
from swath.doors.web.plate import Plate

if TYPE_CHECKING:
    from swath.doors.web.exports import Wanted
    from swath.doors.web.session import Session
    from swath.doors.web.view import View

__all__ = ["plate_of", "with_labels"]

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MOST_CLASSES = 24


def plate_of(
    session: Session, ask: Wanted, assessment: Mapping[str, Any] | None, layers: Sequence[Mapping[str, Any]]
) -> Plate:
    """Title, remark, legends and notes of a picture of these layers."""
    scene = ask.scene
    legends, images = [], []
    for asked in layers:
        layer = session.layers.get(str(asked["id"]))
        params = dict(asked.get("params") or {})
        if isinstance(layer, Raster):
            legends.append((_title(layer, params), _entries(layer, params)))
        else:
            images.append(_image(layer, params))
            show = _show(layer, params)
            if show is not None and show["kind"] == "index":
                low, high = _plain(show["lo"]), _plain(show["hi"])
                legends.append((str(show["name"]), [("ramp", "", (str(show.get("ramp") or "grey"), low, high))]))
    title = scene.name if ask.n is None else f"{scene.name}, map {ask.n}"
    simulated = ["simulated data"] if scene.simulated else []
    remark = ask.remark or " · ".join([*dict.fromkeys(images), *simulated])
    grid = scene.view.crs if not scene.view.pixel else "pixels, no ground size known"
    grid = "coordinates of its own" if grid is not None and len(grid) > 40 else grid
    return Plate(title, remark, legends, [*_worth(assessment), f"{grid} · made with swath"])


def with_labels(plate: Plate, labels: Mapping[str, Any], view: View, window: Sequence[float], times: float) -> Plate:
    """The same with labels drawn: a FeatureCollection in the scene's coordinates, on a window enlarged `times`."""
    colours = {str(c["name"]): str(c["colour"]) for c in labels["swath:classes"]}
    top, left = round(window[0] * times), round(window[2] * times)
    marks = []
    for feature in labels["features"]:
        shape = feature["geometry"]
        rings = [[shape["coordinates"]]] if shape["type"] == "Point" else shape["coordinates"]
        at = [[view.to_pixel(*place[:2]) for place in ring] for ring in rings]
        placed = [[(c * times - left, r * times - top) for c, r in ring] for ring in at]
        marks.append((colours.get(feature["properties"]["class"], "#808080"), placed))
    if not marks:
        return plate
    shown = any(kind == "colour" for _, rows in plate.legends for kind, _, _ in rows)
    used = {f["properties"]["class"] for f in labels["features"]}
    rows = [("disc", f"{len(marks)}, in the colours of the classes", "#ffffff")]
    if not shown:
        rows = [("disc", name, colour) for name, colour in colours.items() if name in used]
    return replace(plate, marks=marks, legends=[("Labels", rows), *plate.legends])


def _title(layer: Raster, params: Mapping[str, Any]) -> str:
    name = params.get("class")
    return f"{layer.name} of {name}" if layer.kind == "probability" and name else layer.name


def _entries(layer: Raster, params: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    found = legend(layer)
    if isinstance(found, list):
        rows: list[tuple[str, str, Any]] = [("colour", c["name"], c["colour"]) for c in found[:MOST_CLASSES]]
        return rows + (
            [("colour", f"and {len(found) - MOST_CLASSES} more", "#ffffff")] if len(found) > MOST_CLASSES else []
        )
    if found.get("hatch"):
        return [("hatch", "more than one class remains at 90 %, or unlike any label", None)]
    lo, hi = float(params.get("lo") or found["lo"]), float(params.get("hi") or found["hi"])
    unit = "" if found["unit"] in ("", "1") else f" {found['unit']}"
    return [("ramp", "", (found["ramp"], _plain(lo), _plain(hi) + unit))]


def _show(scene: Any, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if params.get("bands"):
        return None
    found: Mapping[str, Any] = scene.show(params.get("show"))
    return found


def _image(scene: Any, params: Mapping[str, Any]) -> str:
    """How a scene is shown and of when: True colour, 19 Feb 2019."""
    show = _show(scene, params)
    name = ", ".join(str(params["bands"]).split(",")) if show is None else str(show["name"])
    at = scene.date(params.get("date"))
    return name if at is None else f"{name}, {_day(scene.dates[at])}"


def _day(date: str) -> str:
    year, month, day = date[:10].split("-")
    return f"{int(day)} {MONTHS[int(month) - 1]} {year}"


def _worth(assessment: Mapping[str, Any] | None) -> list[str]:
    """How right the map is, with its interval and how that was found."""
    if assessment is None or assessment["accuracy"]["value"] is None:
        return []
    score = assessment["accuracy"]
    by = (
        "correct by area, from a reference sample"
        if assessment["design"] != "none"
        else "correct, expected on similar places"
    )
    if score["low"] is None:
        return []
    span = f"{100 * score['low']:.0f} to {100 * score['high']:.0f} %"
    if assessment["design"] == "none":
        return [f"{span} {by}"]
    return [f"{100 * score['value']:.1f} % ({span}) {by}"]


def _plain(value: float) -> str:
    return f"{value:.3g}".replace("-", "\u2212")
