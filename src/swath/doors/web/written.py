"""Files of a map for others: a part of a raster as a COG, areas as a table, labels of a part."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.doors.web.laid import Laid
from swath.earth.colour import from_hexadecimal
from swath.errors import GridError

if TYPE_CHECKING:
    from swath.doors.web.view import View

__all__ = ["areas", "bounds_of", "cut", "labels_within", "window_on"]

Window = tuple[int, int, int, int]


def window_on(path: Path, view: View, window: Sequence[float], corner: tuple[int, int] = (0, 0)) -> Window:
    """(first row, row behind the last, columns likewise) of a raster that hold a window of the page's grid.

    corner: row and column of the raster's first pixel on the grid, where there are no coordinates. Raises GridError when
    the window lies off the raster.
    """
    import rasterio

    with rasterio.open(path) as file:
        height, width = file.height, file.width
        laid = Laid(view, file.crs, file.transform, corner)
    top, bottom, left, right = laid.around(window, inward=True, near=0.01)
    top, bottom, left, right = max(0, top), min(height, bottom), max(0, left), min(width, right)
    if bottom <= top or right <= left:
        raise GridError(rule="what is exported lies on the map", got="a view off the map", remedy="move the view")
    return top, bottom, left, right


def bounds_of(path: Path, window: Window) -> tuple[float, float, float, float] | None:
    """West, south, east, north of a window in the raster's CRS; None without one."""
    import rasterio
    from rasterio.windows import Window as Part
    from rasterio.windows import bounds

    with rasterio.open(path) as file:
        if file.crs is None:
            return None
        top, bottom, left, right = window
        found = bounds(Part(left, top, right - left, bottom - top), file.transform)
    return tuple(float(v) for v in found)  # type: ignore[return-value]


def cut(path: Path, out: Path, window: Window | None, colours: Mapping[str, str] | None = None) -> Path:
    """Write a window of a raster (all of it without one) as a COG with the same bands, names, scale and nodata.

    colours: {class name: "#rrggbb"} instead of the file's own. Raises OutputError.
    """
    import rasterio
    from rasterio.windows import Window as Part

    from swath.cube.blocks import Layer
    from swath.cube.georeference import geobox_of
    from swath.cube.save import write_windows

    with rasterio.open(path) as file:
        top, bottom, left, right = window or (0, file.height, 0, file.width)
        tags = {k: v for k, v in file.tags().items() if k not in ("AREA_OR_POINT", "swath")}
        classes = {int(k[6:]): v for k, v in tags.items() if k.startswith("class_") and k[6:].isdigit()}
        layer = Layer(
            name=out.stem,
            dtype=str(file.dtypes[0]),
            nodata=file.nodata,
            bands=tuple(d or "" for d in file.descriptions),
            units=(file.units[0] or "") if file.units else "",
            scale=None if file.scales[0] == 1.0 else float(file.scales[0]),
            offset=None if file.offsets[0] == 0.0 else float(file.offsets[0]),
            tags=tags,
            band_tags=tuple(file.tags(i) for i in file.indexes),
            classes=classes,
            colours={} if not classes else _colours(file, classes, colours or {}),
        )
        box, _ = geobox_of(file)
        grid = None if box is None else box[top:bottom, left:right]

        def window_of(rows: slice, columns: slice) -> Any:
            part = Part(left + columns.start, top + rows.start, columns.stop - columns.start, rows.stop - rows.start)
            return file.read(window=part)

        write_windows(out, layer, (bottom - top, right - left), grid, window_of)
    out.with_suffix(".qml").unlink(missing_ok=True)  # the colours are in the file
    return out


def _colours(file: Any, classes: Mapping[int, str], wanted: Mapping[str, str]) -> dict[int, tuple[int, int, int]]:
    try:
        table = {code: tuple(rgb[:3]) for code, rgb in file.colormap(1).items()}
    except ValueError:
        table = {}
    for code, name in classes.items():
        if re.fullmatch("#[0-9a-fA-F]{6}", wanted.get(name, "")):
            table[code] = from_hexadecimal(wanted[name])
    return {code: table[code] for code in classes if code in table}


def areas(assessment: Mapping[str, Any]) -> str:
    """CSV of the classes of an assessment: counted on the map, estimated with its interval, accuracies; why one is missing."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    head = ["class", "code", "unit", "counted", "estimate", "low", "high", "level"]
    shares = [f"{whose}_accuracy{end}" for whose in ("users", "producers") for end in ("", "_low", "_high")]
    table.writerow([*head, *shares, "reference_points", "design", "simulated", "note"])
    for c in assessment["classes"]:
        area, based = c["area"], c["area"]["low"] is not None
        cells = [_safe(c["name"]), c["code"], c["unit"], c["mapped_area"], area["value"] if based else None]
        cells += [area["low"], area["high"], area["level"] if based else None]
        for whose in ("users", "producers"):
            share = c[f"{whose}_accuracy"]
            cells += [share["value"], share["low"], share["high"]]
        cells += [c["support"]["truth"], assessment["design"], area["simulated"], _safe(area["reason"])]
        table.writerow(["" if v is None else f"{v:.9g}" if isinstance(v, float) else v for v in cells])
    return out.getvalue()


def _safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" and text[:1] else text


def labels_within(made: dict[str, Any], view: View, window: Sequence[float] | None) -> dict[str, Any]:
    """A FeatureCollection with the labels that touch a window of the page's grid."""
    if window is None:
        return made
    from shapely import Polygon
    from shapely.geometry import shape

    r0, r1, c0, c1 = (float(v) for v in window)
    frame = Polygon([view.to_crs(c, r) for r, c in ((r0, c0), (r0, c1), (r1, c1), (r1, c0))])
    return {**made, "features": [f for f in made["features"] if shape(f["geometry"]).intersects(frame)]}


def as_text(record: Mapping[str, Any]) -> str:
    """JSON as it is written to a file."""
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
