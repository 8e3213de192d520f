"""Labels as GeoJSON: out of the journal in the scene's own coordinates, and in from files of other places and habits."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from swath.doors.web.answers import Clash
from swath.doors.web.journal import MOST_NAME, geometry_of
from swath.errors import GridError, LabelError

if TYPE_CHECKING:
    from swath.doors.web.view import View

__all__ = ["PALETTE", "colour_of", "exported", "imported", "outline"]

PALETTE = {
    "water": "#4676c6", "woodland": "#00520e", "cropland": "#f5e05d", "grassland": "#a5c270", "built-up": "#b14761",
    "bare": "#a98f7e", "wetland": "#65dbdb", "other": "#742c92",
}  # fmt: skip
"""Colours of classes in the order in which they are suggested; the smallest OKLab distance of any pair is 0.136."""
WORDS = {
    "water": ("water", "river", "lake", "sea", "ocean", "pond", "reservoir"),
    "woodland": ("wood", "forest", "tree", "conifer", "broadleaf", "palm", "mangrove"),
    "cropland": ("crop", "field", "farm", "arable", "maize", "wheat", "soy", "rice", "agri", "cereal", "orchard"),
    "grassland": ("grass", "meadow", "pasture", "savanna", "range", "lawn", "shrub"),
    "built-up": ("built", "town", "urban", "city", "house", "road", "building", "settlement", "roof", "industr"),
    "bare": ("bare", "sand", "soil", "rock", "desert", "beach", "burnt", "gravel", "quarry"),
    "wetland": ("wetland", "marsh", "swamp", "bog", "flood", "peat", "snow", "ice"),
}
CLASS_KEYS = ("class", "classes", "label", "class_name", "name", "category", "landcover", "land_cover", "cover", "lulc")
MOST_FEATURES = 20_000


def colour_of(name: str, taken: Iterable[str]) -> str:
    """A colour for a class by its name, else the next free one."""
    used = {c.lower() for c in taken}
    low = name.casefold()
    for kind in ("wetland", *(k for k in WORDS if k != "wetland")):
        if any(word in low for word in WORDS[kind]) and PALETTE[kind] not in used:
            return PALETTE[kind]
    free = [c for c in PALETTE.values() if c not in used]
    return free[-1] if low in ("other", "rest") and free else free[0] if free else list(PALETTE.values())[len(used) % 8]


def exported(state: Mapping[str, Any], view: View) -> dict[str, Any]:
    """A FeatureCollection of the labels: read by `swath map`, GIS programs, and `imported`.

    Coordinates are the scene's; its CRS stands in `crs`. Without one they are pixels (x column, y row) and say so.
    """
    names = {c["id"]: c["name"] for c in state["classes"]}
    features = []
    for label in state["labels"]:
        own = {k: label[k] for k in ("made", "by", "date_seen") if label.get(k)}
        properties = {"class": names[label["class"]], **own}
        features.append({"type": "Feature", "id": label["id"], "properties": properties, "geometry": label["geometry"]})
    made: dict[str, Any] = {"type": "FeatureCollection"}
    if view.pixel:
        made["swath:crs"] = "pixel"
    else:
        crs = str(view.crs)
        code = crs.partition(":")[2] if crs.startswith("EPSG:") else ""
        made["crs"] = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{code}" if code else crs}}
    made["swath:classes"] = [{"name": c["name"], "colour": c["colour"]} for c in state["classes"]]
    made["features"] = features
    return made


def outline(view: View, window: tuple[int, int, int, int]) -> dict[str, Any]:
    """GeoJSON of a window (first row, row behind the last, columns likewise) in the scene's CRS. Raises GridError."""
    top, bottom, left, right = window
    height, width = view.shape
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        got = f"rows {top} to {bottom}, columns {left} to {right} of {height} x {width}"
        raise GridError(rule="a window lies on the scene", got=got, remedy="move the view onto the scene")
    if view.pixel:
        raise GridError(
            rule="a part of a scene is mapped where the scene has coordinates",
            got="a scene in pixels",
            remedy="map the whole scene",
        )
    ring = [
        list(view.to_crs(c, r)) for r, c in ((top, left), (top, right), (bottom, right), (bottom, left), (top, left))
    ]
    made = exported({"classes": [], "labels": []}, view)
    made["features"] = [{"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}]
    del made["swath:classes"]
    return made


def imported(
    given: Mapping[str, Any],
    view: View,
    state: Mapping[str, Any],
    *,
    swap: bool = False,
    own: bool = False,
    column: str | None = None,
    by: str = "file",
) -> tuple[list[dict[str, Any]], list[str]]:
    """Operations that add the labels of a GeoJSON object, and what was left out, in words.

    swap: x and y stand the wrong way round. own: the coordinates are the scene's, whatever the file says.
    Raises LabelError; Clash, with the choices that would help, when none lies on the scene.
    """
    features = given.get("features") if given.get("type") == "FeatureCollection" else [given]
    if not isinstance(features, list) or not features or len(features) > MOST_FEATURES:
        got = f"{len(features)}" if isinstance(features, list) else "none"
        raise LabelError(rule=f"a file of labels has 1 to {MOST_FEATURES:,} features", got=got, remedy="give another")
    found, notes = _parts(features, column)
    source = None if own else _crs_of(given, view)
    moved = [(name, _moved(g, source, view, swap)) for name, g in found]
    inside = [(name, g) for name, g in moved if g is not None and _on(g, view)]
    if not inside:
        raise _none_on(given, found, view, swap, source)
    if len(inside) < len(moved):
        notes.append(f"{len(moved) - len(inside)} of {len(moved)} labels do not lie on the scene and are left out")
    return _operations(inside, state, given, by), notes


def _parts(features: Sequence[Any], column: str | None) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """(class, Point or Polygon) of each part of each feature."""
    properties = [f.get("properties") or {} for f in features if isinstance(f, Mapping)]
    key = _key(properties, column)
    found: list[tuple[str, dict[str, Any]]] = []
    lost = 0
    for feature in features:
        geometry = feature.get("geometry") if isinstance(feature, Mapping) else None
        value = (feature.get("properties") or {}).get(key) if isinstance(feature, Mapping) else None
        name = " ".join(str(value).split())[:MOST_NAME] if value not in (None, "") else ""
        kind = geometry.get("type") if isinstance(geometry, Mapping) else None
        if not name or kind not in ("Point", "MultiPoint", "Polygon", "MultiPolygon"):
            lost += 1
            continue
        assert isinstance(geometry, Mapping)
        each = geometry.get("coordinates") if kind.startswith("Multi") else [geometry.get("coordinates")]
        one = kind.removeprefix("Multi")
        found += [(name, geometry_of({"type": one, "coordinates": part})) for part in each or []]
    if not found:
        raise LabelError(
            rule="labels are points or polygons with a class",
            got=f"{len(features)} features, none of which is",
            remedy="name the property that holds the class",
        )
    return found, [f"{lost} of {len(features)} features have no class, or are no points or polygons"] if lost else []


def _key(properties: Sequence[Mapping[str, Any]], column: str | None) -> str:
    names = list(dict.fromkeys(k for p in properties for k in p))
    if column is not None:
        if column in names:
            return column
        raise LabelError(
            rule=f"the property {column} holds the class", got=", ".join(names[:12]), remedy="name another"
        )
    lower = {str(k).casefold(): k for k in names}
    known = next((lower[k] for k in CLASS_KEYS if k in lower), None)
    if known is None and len(names) == 1:
        known = names[0]
    if known is None:
        got = f"the properties {', '.join(map(str, names[:12]))}" if names else "features without properties"
        raise LabelError(rule="one property holds the class", got=got, remedy=f"call it {CLASS_KEYS[0]}")
    return str(known)


def _crs_of(given: Mapping[str, Any], view: View) -> str | None:
    """The CRS that the file is in, None for the scene's own. Raises LabelError where the two can never meet."""
    pixels = given.get("swath:crs") == "pixel"
    named = given.get("crs")
    name = (named.get("properties") or {}).get("name") if isinstance(named, Mapping) else None
    if pixels != view.pixel and (pixels or name):
        raise LabelError(
            rule="labels and scene both have places on Earth, or both have pixels",
            got="labels in pixels" if pixels else "a scene without a CRS",
            remedy="load labels that were made on this scene",
        )
    if view.pixel or pixels:
        return None
    return str(name)[:20_000] if name else "EPSG:4326"


def _moved(geometry: dict[str, Any], source: str | None, view: View, swap: bool) -> dict[str, Any] | None:
    """The geometry in the scene's coordinates; None where it has no place there."""
    from pyproj import CRS, Transformer
    from pyproj.exceptions import CRSError

    rings = [[geometry["coordinates"]]] if geometry["type"] == "Point" else geometry["coordinates"]
    if swap:
        rings = [[[p[1], p[0]] for p in ring] for ring in rings]
    if source is not None and view.crs is not None:
        try:
            change = _transformer(source, view.crs, CRS, Transformer)
        except CRSError as error:
            got = " ".join(source.split())[:60]
            raise LabelError(
                rule="the CRS of labels is known", got=got, remedy="save them as longitude, latitude"
            ) from error
        rings = [[list(change.transform(p[0], p[1])) for p in ring] for ring in rings]
    if not all(abs(v) < 1e12 for ring in rings for p in ring for v in p):
        return None
    return geometry_of({"type": geometry["type"], "coordinates": rings[0][0] if geometry["type"] == "Point" else rings})


_KNOWN: dict[tuple[str, str], Any] = {}


def _transformer(source: str, target: str, crs: Any, transformer: Any) -> Any:
    key = (source, target)
    if key not in _KNOWN:
        if source.lstrip().startswith(("+", "/", "http")) or "://" in source:
            raise LabelError(rule="a CRS is named by its authority", got=source[:60], remedy="save the labels with one")
        _KNOWN.clear()
        _KNOWN[key] = transformer.from_crs(crs.from_user_input(source), crs.from_user_input(target), always_xy=True)
    return _KNOWN[key]


def _on(geometry: Mapping[str, Any], view: View) -> bool:
    """Whether a point lies on the scene, or the box of a polygon touches it."""
    places = [geometry["coordinates"]] if geometry["type"] == "Point" else geometry["coordinates"][0]
    at = [view.to_pixel(p[0], p[1]) for p in places]
    columns, rows = [p[0] for p in at], [p[1] for p in at]
    height, width = view.shape
    return max(columns) > 0 and min(columns) < width and max(rows) > 0 and min(rows) < height


def _none_on(given: Mapping[str, Any], found: Any, view: View, swap: bool, source: str | None) -> LabelError | Clash:
    """Why no label lies on the scene: what would bring them there is tried and offered."""
    few = found[:: max(1, len(found) // 200)]

    def share(where: str | None, turned: bool) -> float:
        at = [_moved(g, where, view, turned) for _, g in few]
        return sum(g is not None and _on(g, view) for g in at) / len(few)

    choices = []
    for label, words, options, where, turned in (
        ("Swap and load", "latitude and longitude swapped", {"swap": True}, source, True),
        ("Take them as the scene's own", "coordinates of the scene's CRS", {"own": True}, None, False),
        (
            "Swap, in the scene's own",
            "coordinates of the scene's CRS, swapped",
            {"own": True, "swap": True},
            None,
            True,
        ),
    ):
        if (turned != swap or where != source) and share(where, turned) >= 0.5:
            choices.append({"label": label, "options": options, "words": words})
    rule, got = "labels must lie on the scene", f"0 of {len(found)} do"
    if not choices:
        return LabelError(rule=rule, got=got, remedy="check which scene they belong to")
    del given
    return Clash(
        rule=rule,
        got=got,
        remedy=f"they look like {choices[0]['words']}",
        choices=[{k: c[k] for k in ("label", "options")} for c in choices],
    )


def _operations(found: Any, state: Mapping[str, Any], given: Mapping[str, Any], by: str) -> list[dict[str, Any]]:
    """class-add for names that are new, then add for every label."""
    ids = {c["name"].casefold(): c["id"] for c in state["classes"]}
    colours = [c["colour"] for c in state["classes"]]
    said = {
        str(c.get("name", "")).casefold(): str(c.get("colour", ""))
        for c in given.get("swath:classes") or []
        if isinstance(c, Mapping)
    }
    ops: list[dict[str, Any]] = []
    for name, geometry in found:
        if name.casefold() not in ids:
            one = ids[name.casefold()] = uuid.uuid4().hex
            wanted = said.get(name.casefold(), "")
            fine = len(wanted) == 7 and wanted.startswith("#") and wanted.lower() not in colours
            colour = wanted.lower() if fine else colour_of(name, colours)
            colours.append(colour)
            hotkey = str(len(ids) % 10) if len(ids) <= 9 else ""
            about = {"id": one, "name": name, "colour": colour, "hotkey": hotkey}
            ops.append({"id": uuid.uuid4().hex, "op": "class-add", "class": about})
        label = {"id": uuid.uuid4().hex, "class": ids[name.casefold()], "geometry": geometry, "by": by}
        ops.append({"id": uuid.uuid4().hex, "op": "add", "label": label})
    return ops
