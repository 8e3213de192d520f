"""`GET api/still`: several layers of one view in one PNG, where the browser cannot draw a map and for exports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from swath.doors.web.answers import text, whole
from swath.doors.web.layers import Raster
from swath.errors import SwathError
from swath.report import draw

if TYPE_CHECKING:
    from starlette.requests import Request

    from swath.doors.web.layers import Planes
    from swath.doors.web.session import Session

__all__ = ["composed", "routes", "still"]

LARGEST = 8192
MOST = 16_000_000
"""Pixels of one picture."""
LAYERS = 24
Window = tuple[float, float, float, float]


def still(session: Session, asked: Mapping[str, str]) -> bytes:
    """PNG of a view. asked: scene, window (r0,r1,c0,c1), width, height, layers (JSON, the lowest first, or ids).

    Raises Missing, SwathError.
    """
    scene = session.scenes.get(asked.get("scene"))
    width, height = (whole(asked, n, low=1, high=LARGEST) for n in ("width", "height"))
    if width * height > MOST:
        raise SwathError(rule="a picture has at most 16 megapixels", got=f"{width} x {height}", remedy="ask for fewer")
    window = _window(asked.get("window"), scene.view.shape)
    pixels = composed(session, scene.id, window, (height, width), _layers(asked.get("layers"), scene.id))
    return draw.png(pixels, 3)


def composed(
    session: Session, scene: str, window: Window, size: tuple[int, int], layers: Sequence[Mapping[str, Any]]
) -> np.ndarray:
    """(height, width, 4) uint8: layers {id, opacity, show, date, lo, hi, bands, class} laid over one another, the lowest
    first. Raises Missing, SwathError.
    """
    from swath.doors.web.chip import resized
    from swath.doors.web.picture import layer_pixels

    out = np.zeros((*size, 4), np.float32)
    shape = session.scenes.get(scene).view.shape
    for one in layers:
        key = text(one, "id", most=64)
        layer = session.layers.get(key)
        if isinstance(layer, Raster) and layer.kind == "doubt":
            if layer.scene == scene:
                draw.over(out, _hatched(session.layers.planes(key), shape, window, size), _opacity(one))
            continue
        asked = {k: str(v) for k, v in one.items() if k not in ("id", "opacity") and v is not None}
        pixels = partial(layer_pixels, session.layers, scene, key, asked=asked)
        draw.over(out, resized(pixels, shape, window, size), _opacity(one))
    return np.rint(out).astype(np.uint8)


def _hatched(planes: Planes, shape: tuple[int, int], window: Window, size: tuple[int, int]) -> np.ndarray:
    """(height, width, 4) uint8 of doubt: the hatch in pixels of the picture, however large those of the scene are in it."""
    from swath.doors.web.chip import resized
    from swath.doors.web.picture import doubtful

    def mask(part: Any) -> np.ndarray:
        where: np.ndarray = doubtful(planes, part)
        return np.where(where[..., None], np.uint8(255), np.uint8(0)).repeat(4, axis=2)

    where = resized(mask, shape, window, size)[..., 3] > 0
    r0, r1, c0, c1 = window
    row, column = round(r0 * size[0] / (r1 - r0)), round(c0 * size[1] / (c1 - c0))  # it stays when the view is moved
    drawn: np.ndarray = draw.hatch_colours()[draw.hatch(where, row % draw.PITCH, column % draw.PITCH)]
    return drawn


def _opacity(one: Mapping[str, Any]) -> float:
    value = one.get("opacity", 1.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise SwathError(rule="an opacity lies between 0 and 1", got=repr(value)[:20], remedy="leave it out for 1")
    return float(value)


def _window(given: str | None, shape: tuple[int, int]) -> Window:
    if not given:
        return (0.0, float(shape[0]), 0.0, float(shape[1]))
    wrong = SwathError(rule="a window is r0,r1,c0,c1 in pixels", got=given[:60], remedy="e.g. window=0,512,0,768")
    try:
        r0, r1, c0, c1 = (float(v) for v in given.split(","))
    except ValueError as error:
        raise wrong from error
    if not all(abs(v) < 1e9 for v in (r0, r1, c0, c1)) or r1 <= r0 or c1 <= c0:
        raise wrong
    return (r0, r1, c0, c1)


def _layers(given: str | None, scene: str) -> list[dict[str, Any]]:
    if not given:
        return [{"id": scene}]
    if not given.lstrip().startswith("["):
        return [{"id": key} for key in given.split(",")[:LAYERS] if key]
    wrong = SwathError(rule="layers are a list of {id, opacity, ...}", got="something else", remedy="send JSON")
    try:
        found = json.loads(given)
    except ValueError as error:
        raise wrong from error
    if not isinstance(found, list) or len(found) > LAYERS or not all(isinstance(one, dict) for one in found):
        raise wrong
    return found


def routes(session: Session) -> list[Route]:
    """`GET api/still`."""

    async def told(request: Request) -> Response:
        return Response(await run_in_threadpool(still, session, dict(request.query_params)), media_type="image/png")

    return [Route("/api/still", told, methods=["GET"])]
