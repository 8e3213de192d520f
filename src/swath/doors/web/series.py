"""`GET api/series`: an index or a band at a pixel on every date, with what was clear and the median of its class."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from swath.cube.contract import FLAGS
from swath.doors.web import at
from swath.doors.web.answers import answer, number
from swath.errors import BandError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from swath.doors.web.layers import Planes
    from swath.doors.web.scenes import OpenScene
    from swath.doors.web.session import Session

__all__ = ["routes", "series"]

READERS = 4
"""Dates read at once. Each reader has dates of its own, so that its files stay open and their blocks decoded."""
_WAIT = 0.05
_readers = [ThreadPoolExecutor(1, thread_name_prefix=f"series {i}") for i in range(READERS)]


def series(session: Session, asked: Mapping[str, str]) -> dict[str, Any]:
    """The series of a pixel; values under cloud are null. Raises Missing, BandError.

    states: of each date "seen", "cloud" (under a cloud or its shadow, by the scene's flags) or "missing".
    """
    scene = session.scenes.get(asked.get("scene"))
    x, y = number(asked, "col"), number(asked, "row")
    rows, columns = at.window_at(scene.view.shape, y, x, 1)
    planes = session.layers.planes(scene.id)
    show, bands, compute = _way(scene, planes, asked.get("index"))
    count = max(1, len(scene.dates))
    values, flags = _all(planes, count, bands, compute, rows, columns)
    good = np.where(flags == FLAGS["usable"], values, np.nan)
    mapped = at.class_at(session.layers, scene, math.floor(y), math.floor(x), asked.get("map"))
    return {
        "index": show["id"],
        "name": show.get("index") or show["name"],
        "unit": show.get("unit", ""),
        "lo": show["lo"] if show["kind"] == "index" else None,
        "hi": show["hi"] if show["kind"] == "index" else None,
        "dates": scene.dates,
        "values": [float(f"{v:.6g}") if math.isfinite(v) else None for v in good.tolist()],
        "states": _states(good, flags),
        "clear": [bool(math.isfinite(v)) for v in good.tolist()],
        "class": _class(session, scene, mapped, show, bands, compute),
    }


def _way(
    scene: OpenScene, planes: Planes, key: str | None
) -> tuple[Mapping[str, Any], list[int], Callable[[np.ndarray], np.ndarray]]:
    """(the way to show, places of its bands, how (T, B, h, w) becomes (T, h, w)) of an index, band or show by name."""
    from swath.doors.web.picture import indices

    single = [s for s in scene.shows if s["kind"] != "composite"]
    usual = next((s for s in single if s["kind"] == "index"), single[0])
    named = [s for s in single if key and key in (s["id"], s.get("index"))]
    fits = named or [s for s in single if s["kind"] == "band" and s["bands"] == [key]]
    if key and not fits:
        raise BandError(rule="a series is of an index or a band of the scene", got=key[:60], remedy="see its shows")
    show = fits[0] if fits else usual
    if show["kind"] != "index":
        return show, [planes.names.index(show["bands"][0])], lambda values: values[:, 0]
    index = indices(scene, show)
    needs = list(index.needs)

    def compute(values: np.ndarray) -> np.ndarray:
        found: np.ndarray = index.plans[0]({place: values[:, i] for i, place in enumerate(needs)})
        return found

    return show, needs, compute


def _all(
    planes: Planes,
    count: int,
    bands: Sequence[int],
    compute: Callable[[np.ndarray], np.ndarray],
    rows: slice,
    columns: slice,
) -> tuple[np.ndarray, np.ndarray]:
    """((T,) values, (T,) flags: 0 where the scene has none) of one pixel, some dates at a time by several readers."""

    def read(dates: list[int]) -> tuple[np.ndarray, np.ndarray | None]:
        values = compute(at.values_at(planes, dates, bands, rows, columns))[:, 0, 0]
        flags = at.flags_at(planes, dates, rows, columns)
        return values, None if flags is None else flags[:, 0, 0]

    shares = [list(range(i, count, READERS)) for i in range(min(READERS, count))]
    waiting = [reader.submit(read, dates) for reader, dates in zip(_readers, shares, strict=False)]
    values, flags = np.empty(count, np.float32), np.zeros(count, np.uint8)
    for dates, future in zip(shares, waiting, strict=True):
        found, why = future.result()
        values[dates] = found
        if why is not None:
            flags[dates] = why
    return values, flags


def _states(good: np.ndarray, flags: np.ndarray) -> list[str]:
    """Of each date whether the pixel was seen, and else why not."""
    clouded = np.isin(flags, (FLAGS["cloud"], FLAGS["shadow"]))
    return [
        "seen" if seen else "cloud" if under else "missing"
        for seen, under in zip(np.isfinite(good), clouded, strict=True)
    ]


def _class(
    session: Session,
    scene: OpenScene,
    mapped: Mapping[str, Any] | None,
    show: Mapping[str, Any],
    bands: Sequence[int],
    compute: Callable[[np.ndarray], np.ndarray],
) -> dict[str, Any] | None:
    """The median of the pixel's mapped class on each date; without numbers while they are computed."""
    chosen = None if mapped is None else at.map_of(session.layers, scene, str(mapped["map"]))
    if mapped is None or chosen is None or len(scene.dates) < 2:
        return None
    key, raster = chosen
    looks: at.Looks = session.more.setdefault("looks", at.Looks())
    asked = ("medians", scene.id, scene.rev, key, raster.rev, show["id"])
    found, waiting = looks.get(asked, lambda: at.medians(session.layers, scene, key, compute, bands), _WAIT)
    if waiting:
        return {"name": mapped["name"], "median": [], "pending": True}
    if not found or mapped["code"] not in found:
        return None
    return {"name": mapped["name"], "median": found[mapped["code"]]}


def routes(session: Session) -> list[Route]:
    """`GET api/series`."""

    async def told(request: Request) -> Response:
        return answer(await run_in_threadpool(series, session, dict(request.query_params)))

    return [Route("/api/series", told, methods=["GET"])]
