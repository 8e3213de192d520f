"""`GET api/chip`: a square picture around a place, for galleries and for the walk through a sample."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from swath.doors.web.answers import number, whole
from swath.errors import SwathError
from swath.report import draw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from swath.doors.web.layers import Planes
    from swath.doors.web.scenes import OpenScene
    from swath.doors.web.session import Session

__all__ = ["chip", "resized", "routes", "view_of_window"]

LARGEST = 1024


def chip(session: Session, asked: Mapping[str, str]) -> bytes:
    """WebP of `size` pixels a side around (col, row), `metres` or `pixels` wide. Raises Missing, SwathError."""
    scene = session.scenes.get(asked.get("scene"))
    size = whole(asked, "size", 148, low=8, high=LARGEST)
    side = _side(scene, asked)
    col, row = (number(asked, name, low=-1e9, high=1e9) for name in ("col", "row"))
    window = (row - side / 2, row + side / 2, col - side / 2, col + side / 2)
    planes = session.layers.planes(scene.id)
    pixels = view_of_window(scene, planes, window, (size, size), asked)
    return draw.webp(pixels, 88)


def _side(scene: OpenScene, asked: Mapping[str, str]) -> float:
    """Grid pixels across."""
    if asked.get("metres") and scene.view.metres:
        side = number(asked, "metres", low=1e-6, high=1e9) / scene.view.metres
    else:
        side = number(asked, "pixels", 64, low=1, high=1e6)
    return max(1.0, side)


def view_of_window(
    scene: OpenScene,
    planes: Planes,
    window: tuple[float, float, float, float],
    size: tuple[int, int],
    asked: Mapping[str, str],
) -> np.ndarray:
    """(height, width, 4) uint8 of rows and columns (r0, r1, c0, c1; they may leave the scene) of a scene's image."""
    from swath.doors.web.picture import scene_pixels

    return resized(lambda part: scene_pixels(scene, planes, part, asked), scene.view.shape, window, size)


def resized(
    pixels: Any, shape: tuple[int, int], window: tuple[float, float, float, float], size: tuple[int, int]
) -> np.ndarray:
    """(height, width, 4) uint8: what `pixels` gives for a part of the scene, brought to a size by the nearest pixel.

    pixels: a function of a `picture.Window`. Clear beside the scene.
    """
    from swath.doors.web.picture import Window

    r0, r1, c0, c1 = window
    if not (r1 > r0 and c1 > c0):
        raise SwathError(rule="a window has rows and columns", got="none", remedy="r0 below r1, c0 below c1")
    fine = max((r1 - r0) / size[0], (c1 - c0) / size[1])
    step = 2 ** max(0, min(16, math.floor(math.log2(max(fine, 1.0)) + 0.01)))
    out = np.zeros((*size, 4), np.uint8)
    high, wide = -(-shape[0] // step), -(-shape[1] // step)
    rows = np.floor((r0 + (np.arange(size[0]) + 0.5) * (r1 - r0) / size[0]) / step).astype(int)
    columns = np.floor((c0 + (np.arange(size[1]) + 0.5) * (c1 - c0) / size[1]) / step).astype(int)
    y, x = np.flatnonzero((rows >= 0) & (rows < high)), np.flatnonzero((columns >= 0) & (columns < wide))
    if not len(y) or not len(x):
        return out
    top, left, bottom, right = rows[y[0]], columns[x[0]], rows[y[-1]] + 1, columns[x[-1]] + 1
    inside = (int(bottom - top), int(right - left))
    part = Window(
        step, 1, (int(top), int(bottom)), (int(left), int(right)), (0, 0), inside, (int(top), int(left)), inside
    )
    found = pixels(part)
    if found is None:
        return out
    taken = found[rows[y] - top][:, columns[x] - left]
    place = np.ix_(y, x)
    out[..., : taken.shape[2]][place] = taken
    if taken.shape[2] == 3:
        out[..., 3][place] = 255
    return out


def routes(session: Session) -> list[Route]:
    """`GET api/chip`."""

    async def told(request: Request) -> Response:
        made = await run_in_threadpool(chip, session, dict(request.query_params))
        # An id is a scene's for one run only: what does not name the content is asked for again.
        kept = "private, max-age=3600" if "rev" in request.query_params else "no-store"
        return Response(made, media_type="image/webp", headers={"Cache-Control": kept})

    return [Route("/api/chip", told, methods=["GET"])]
