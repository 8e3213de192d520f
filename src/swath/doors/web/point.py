"""`GET api/point`: what a pixel holds, in physical units, in the image and in every layer over it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from swath.doors.web import at
from swath.doors.web.answers import Missing, answer, number
from swath.errors import SwathError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from swath.doors.web.scenes import OpenScene
    from swath.doors.web.session import Session

__all__ = ["point", "routes"]

_WAIT = 0.05  # seconds that a click waits for the spread of its class
_BANDS = 400
_CORNERS = 400
_MOST_VALUES = 4_000_000  # read for a mean inside a ring


def point(session: Session, asked: Mapping[str, str]) -> dict[str, Any]:
    """The record of a pixel, of the mean of 3 x 3, or of the mean inside a ring. Raises Missing, SwathError."""
    scene = session.scenes.get(asked.get("scene"))
    x, y = (number(asked, name, low=-1e9, high=1e9) for name in ("col", "row"))
    ring = _ring(asked)
    side = 1 if ring is not None else _side(asked)
    rows, columns = at.window_at(scene.view.shape, y, x, side)
    row, col = math.floor(y), math.floor(x)
    date = scene.date(asked.get("date"))
    planes = session.layers.planes(scene.id)
    bands = range(min(_BANDS, len(planes.names)))
    step, inside = 1, None
    if ring is not None:
        step, rows, columns, inside = _inside(ring, scene.view.shape, len(bands))
    values = at.values_at(planes, [date or 0], bands, rows, columns, step)[0].astype(np.float64)
    good = at.usable_at(planes, [date or 0], rows, columns, step)
    if inside is not None:
        values = np.where(inside, values, np.nan)
    valid = bool(np.isfinite(values).any()) and (good is None or bool(good.any()))
    if (side > 1 or inside is not None) and good is not None and good.any():
        values = np.where(good[0], values, np.nan)
    mapped = at.class_at(session.layers, scene, row, col, asked.get("map"))
    middle = scene.view.to_lonlat(col + 0.5, row + 0.5)
    ground = scene.view.to_crs(col + 0.5, row + 0.5)
    return {
        "col": col + 0.5,
        "row": row + 0.5,
        "size": side if inside is None else "polygon",
        "pixels": None if inside is None else int(inside.sum()) * step * step,
        "x": ground[0],
        "y": ground[1],
        "lon": None if middle is None else middle[0],
        "lat": None if middle is None else middle[1],
        "date": None if date is None else scene.dates[date],
        "values": [
            {**{k: b.get(k) for k in ("name", "nm", "unit")}, "band": b["id"], "value": _mean(v)}
            for b, v in zip(scene.bands, values, strict=False)
        ],
        "valid": valid,
        "class": mapped,
        "layers": _layers(session, scene, row, col),
        "shade": _shade(session, scene, mapped, date or 0),
    }


def _side(asked: Mapping[str, str]) -> int:
    size = asked.get("size") or "1"
    if size not in ("1", "3"):
        raise SwathError(rule="a place is one pixel or 3 by 3", got=size[:20], remedy="size=1 or size=3")
    return int(size)


def _ring(asked: Mapping[str, str]) -> np.ndarray | None:
    """(n, 2) columns and rows of a ring's corners; None where none is given. Raises SwathError."""
    given = asked.get("ring")
    if not given:
        return None
    try:
        found = np.array([float(v) for v in given.split(",", 2 * _CORNERS)], float).reshape(-1, 2)
    except ValueError:
        found = np.zeros((0, 2))
    if len(found) < 3 or not (np.abs(found) < 1e9).all():
        rule = f"a ring has 3 to {_CORNERS} corners, as column and row in turn"
        raise SwathError(rule=rule, got=given[:30], remedy="ring=c,r,c,r,c,r")
    return found


def _inside(ring: np.ndarray, shape: tuple[int, int], bands: int) -> tuple[int, slice, slice, np.ndarray]:
    """(step, rows and columns at that step, which pixels' centres lie inside); a large ring is looked at more coarsely.

    Raises Missing where the ring holds nothing of the scene.
    """
    from rasterio.features import geometry_mask
    from rasterio.transform import Affine

    high = np.clip(np.ceil(ring.max(axis=0)), 0, (shape[1], shape[0]))
    low = np.clip(np.floor(ring.min(axis=0)), 0, (shape[1], shape[0]))
    step = 1
    while float(np.prod((high - low) / step)) * bands > _MOST_VALUES:
        step *= 2
    (c0, r0), (c1, r1) = (low // step).astype(int).tolist(), np.ceil(high / step).astype(int).tolist()
    if c1 <= c0 or r1 <= r0:
        raise Missing(rule="a place lies on the scene", got="one beside it", remedy="click on the scene")
    shape_of = {"type": "Polygon", "coordinates": [[*ring.tolist(), ring[0].tolist()]]}
    placed = Affine(step, 0, c0 * step, 0, step, r0 * step)
    inside = geometry_mask([shape_of], (r1 - r0, c1 - c0), placed, invert=True)
    if not inside.any():
        inside = geometry_mask([shape_of], (r1 - r0, c1 - c0), placed, all_touched=True, invert=True)
    return step, slice(r0, r1), slice(c0, c1), inside


def _mean(values: np.ndarray) -> float | None:
    seen = values[np.isfinite(values)]
    return float(f"{seen.mean():.7g}") if seen.size else None


def _layers(session: Session, scene: OpenScene, row: int, col: int) -> list[dict[str, Any]]:
    """The value of each raster over the scene: a number with its unit, or the name of a class."""
    from swath.doors.web.picture import rule_of
    from swath.report import draw

    found = []
    for key, raster in session.layers.lying_on(scene.id):
        try:
            planes = session.layers.planes(key)
            band = raster.band - 1
            stored = planes.values.read([0], [band], slice(row, row + 1), slice(col, col + 1))[0]
            scale, offset = rule_of(str(raster.file))
        except SwathError:
            continue
        value = float(draw.physical(stored, [(scale, offset, planes.nodata[band])])[0, 0, 0])
        record: dict[str, Any] = {"id": key, "value": value if math.isfinite(value) else None, "unit": raster.unit}
        if raster.colours:
            record["name"] = raster.colours.get(int(stored[0, 0, 0]), (None, ""))[0]
        found.append(record)
    return found


def _shade(session: Session, scene: OpenScene, mapped: Mapping[str, Any] | None, date: int) -> list[Any] | None:
    """Mean less and plus one standard deviation of the mapped class at each wavelength; None until it is known."""
    if mapped is None or not any(b.get("nm") for b in scene.bands):
        return None
    chosen = at.map_of(session.layers, scene, str(mapped["map"]))
    if chosen is None:
        return None
    key, raster = chosen
    looks: at.Looks = session.more.setdefault("looks", at.Looks())
    asked = ("spectra", scene.id, scene.rev, key, raster.rev, date)
    found, _ = looks.get(asked, lambda: at.spectra(session.layers, scene, key, date), _WAIT)
    if not found or mapped["code"] not in found:
        return None
    mean, spread = found[mapped["code"]]
    return [
        {"nm": b["nm"], "low": float(f"{m - s:.6g}"), "high": float(f"{m + s:.6g}")}
        for b, m, s in zip(scene.bands, mean.tolist(), spread.tolist(), strict=True)
        if b.get("nm")
    ]


def routes(session: Session) -> list[Route]:
    """`GET api/point`."""

    async def told(request: Request) -> Response:
        return answer(await run_in_threadpool(point, session, dict(request.query_params)))

    return [Route("/api/point", told, methods=["GET"])]
