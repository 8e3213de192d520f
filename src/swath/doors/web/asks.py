"""Ask: a question about what is seen, answered by the verb `ask` over the scene's maps; every number leads to its pixels."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from swath.doors.web import asks_said
from swath.doors.web.answers import Missing, answer, body, numeral, text, whole, window_given
from swath.errors import SwathError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from swath.doors.web.scenes import OpenScene
    from swath.doors.web.session import Session
    from swath.tools.job import Progress

__all__ = ["Ask", "Source", "ask", "planner", "routes", "sources_of"]

LONGEST = 400
KEPT = 24
"""Answers whose pixels can still be shown."""
SHOWN = 8
"""Layers of an answer that stay on the map's list of layers at once."""


@dataclass(frozen=True, slots=True)
class Source:
    """A map or scene that a question may be about. path: as the verb reads it; n: number of the map, None for a scene."""

    name: str
    path: Path
    dates: tuple[str, ...]
    n: int | None = None

    @property
    def named(self) -> str:
        """NAME=DATE/DATE, as the verb takes it."""
        return f"{self.name}={'/'.join(dict.fromkeys(self.dates))}" if self.dates else self.name


@dataclass(frozen=True)
class Ask:
    """One question that was answered. numbers: the evidence of each number, in order."""

    key: str
    scene: str
    question: str
    sources: tuple[Source, ...]
    area: str | None
    window: tuple[int, int, int, int] | None
    folder: Path
    safe: bool
    numbers: tuple[dict[str, Any], ...] = ()


def routes(session: Session) -> list[Route]:
    """`POST api/ask`, `POST api/ask/replay`, `GET api/asks/{id}/pixels/{n}`: the layer of a number's pixels."""
    session.more.setdefault("state", {})["ask"] = planner

    async def asked(request: Request) -> Response:
        given = await body(request)
        scene = session.scenes.get(text(given, "scene", ""))
        question = " ".join(text(given, "question", most=4 * LONGEST).split())
        if not question or len(question) > LONGEST:
            raise SwathError(
                rule=f"a question has up to {LONGEST} characters", got=f"{len(question)}", remedy="ask in a sentence"
            )
        arguments = {
            "session": session,
            "scene": scene,
            "question": question,
            "n": whole(given, "map", low=1) if given.get("map") is not None else None,
            "window": _window(given.get("window"), scene),
        }
        return answer(await run_in_threadpool(session.job, "ask", ask, arguments), 202)

    async def replayed(request: Request) -> Response:
        given = await body(request)
        made = _find(session, text(given, "replay", most=64))
        return answer(await run_in_threadpool(session.job, "ask", again, {"session": session, "made": made}), 202)

    def pixels(request: Request) -> Response:
        made = _find(session, request.path_params["id"])
        n = numeral(request.path_params["n"], high=len(made.numbers) - 1)
        if n is None:
            raise _no_answer()
        return answer(session.roots.hide(layer(session, made, n)))

    return [
        Route("/api/ask", asked, methods=["POST"]),
        Route("/api/ask/replay", replayed, methods=["POST"]),
        Route("/api/asks/{id}/pixels/{n}", pixels, methods=["GET"]),
    ]


def planner(session: Session | None = None) -> str:
    """Who plans: the model's name where an endpoint is configured, else "rules"."""
    model = os.environ.get("SWATH_MODEL")
    return model if model and os.environ.get("SWATH_ENDPOINT") else "rules"


def _no_answer() -> Missing:
    return Missing(rule="an answer is one of this run", got="no such answer", remedy="ask again")


def _find(session: Session, key: str) -> Ask:
    found: dict[str, Ask] = session.more.get("asks", {})
    if key not in found:
        raise _no_answer()
    return found[key]


def _window(given: Any, scene: OpenScene) -> tuple[int, int, int, int] | None:
    """What is seen of the scene, in whole pixels; None for all of it. Raises SwathError."""
    if given is None:
        return None
    height, width = scene.view.shape
    r0, r1, c0, c1 = window_given(given, whole)
    top, bottom, left, right = max(0, r0), min(height, r1), max(0, c0), min(width, c1)
    if top >= bottom or left >= right:
        raise SwathError(rule="the view shows a part of the scene", got="none of it", remedy="move back to the scene")
    return None if (top, bottom, left, right) == (0, height, 0, width) else (top, bottom, left, right)


def sources_of(session: Session, scene: OpenScene, n: int | None) -> list[Source]:
    """The scene's maps, the one that is looked at (`n`, else the newest) last; without maps the scene itself, and other open
    scenes of the ground.
    """
    found = [*_maps(session, scene)]
    if n is not None and n not in [m.n for m in found]:
        from swath.doors.web import maps

        if maps.kept(session, n).get("key") != scene.key:
            raise Missing(rule="a map is one of this scene", got="another", remedy="choose one of its maps")
        n = None  # not finished: the newest that is
    if found:
        return sorted(found, key=lambda m: (m.n == n, m.n or 0))
    every = [s for s in session.scenes.all() if s is scene or _meet(s, scene)]
    made = [_scene(s) for s in every if len(s.paths) == 1]
    return [*sorted((m for m in made if m.path != scene.paths[0]), key=lambda m: m.dates), _scene(scene)]


def _maps(session: Session, scene: OpenScene) -> list[Source]:
    from swath.doors.web import maps

    dates = tuple(dict.fromkeys(d[:10] for d in (scene.dates[:1] + scene.dates[-1:])))
    found = []
    for n in maps.numbers(session):
        try:
            said = maps.kept(session, n)
        except Missing:
            continue
        folder = maps.folder_of(session, n)
        if said.get("key") == scene.key and said.get("state") == "done" and (folder / "classes.tif").is_file():
            found.append(Source(f"map {n}", folder, dates, n))
    return found


def _scene(scene: OpenScene) -> Source:
    name = scene.name if scene.name.isprintable() and "=" not in scene.name else scene.id
    return Source(name, scene.paths[0], tuple(dict.fromkeys(d[:10] for d in (scene.dates[:1] + scene.dates[-1:]))))


def _meet(one: OpenScene, other: OpenScene) -> bool:
    """Whether two scenes show common ground."""
    a, b = one.view.bounds, other.view.bounds
    if a is None or b is None:
        return False
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def ask(
    session: Session,
    scene: OpenScene,
    question: str,
    n: int | None = None,
    window: tuple[int, int, int, int] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The answer as the page is told it: parts, calls, or a question back."""
    sources = sources_of(session, scene, n)
    key = secrets.token_hex(8)
    area = None if window is None else asks_said.area_of(scene.view, sources[-1], window)
    made = Ask(key, scene.id, question, tuple(sources), area, window, session.folder / "asks" / key, not scene.trusted)
    return _carried(session, scene, made, None, progress)


def again(session: Session, made: Ask, progress: Progress | None = None) -> dict[str, Any]:
    """The same answer from calls carried out once more. Raises SwathError where a number differs."""
    scene = session.scenes.get(made.scene)
    key = secrets.token_hex(8)
    from dataclasses import replace

    fresh = replace(made, key=key, folder=session.folder / "asks" / key, numbers=())
    record = _carried(session, scene, fresh, made.folder / "answer.json", progress)
    return {**record, "replayed": True}


def _carried(
    session: Session, scene: OpenScene, made: Ask, replay: Path | None, progress: Progress | None
) -> dict[str, Any]:
    import swath

    found = swath.ask(
        made.question,
        [str(s.path) for s in made.sources],
        names=[s.named for s in made.sources],
        out=made.folder,
        area=made.area,
        replay=None if replay is None else str(replay),
        safe=made.safe,
        progress=progress,
        **scene.reading,
    )
    record, numbers = asks_said.told(found, made.sources, scene.view, made.folder)
    _keep(session, made, numbers)
    return {
        **record,
        "id": made.key,
        "replay": made.key if found.calls else None,
        "map": made.sources[-1].n,
        "maps": [s.n for s in made.sources if s.n is not None],
        "window": None if made.area is None else list(made.window or ()),
    }


def _keep(session: Session, made: Ask, numbers: Sequence[Mapping[str, Any]]) -> None:
    from dataclasses import replace

    kept: dict[str, Ask] = session.more.setdefault("asks", {})
    lock: threading.Lock = session.more.setdefault("asks-lock", threading.Lock())
    with lock:
        kept[made.key] = replace(made, numbers=tuple(dict(n) for n in numbers))
        for old in list(kept)[:-KEPT]:
            del kept[old]


def layer(session: Session, made: Ask, n: int) -> dict[str, Any]:
    """The record of the layer that shows the pixels of number `n`: the rest dimmed. Raises SwathError where it has none."""
    from swath.doors.web.layers import Raster
    from swath.tools.asking_pixels import ASIDE, EDGE, counted, write

    path = made.folder / f"pixels-{n}.tif"
    lock: threading.Lock = session.more.setdefault("asks-lock", threading.Lock())
    with lock:
        around: dict[tuple[str, int], Any] = session.more.setdefault("asks-around", {})
        if (made.key, n) not in around or not path.exists():
            found = counted(made.numbers[n]["evidence"], safe=made.safe)
            rings = asks_said.rings_of(session.scenes.get(made.scene).view, found)
            write(path, found, rims=rings is None)
            around[made.key, n] = rings
            for past in list(around)[:-SHOWN]:
                del around[past]
    key = f"ask.{made.key}.{n}"
    shown: list[str] = session.more.setdefault("asks-shown", [])
    if key not in shown:
        shown.append(key)
    for old in shown[:-SHOWN]:
        session.layers.remove(old)
        shown.remove(old)
    colours = {ASIDE: ("Not counted", "#0f1314"), EDGE: ("Edge of what is counted", "#5cc6c9")}
    more = {"ask": made.key, "number": n, "window": made.numbers[n]["window"]}
    name = f"Counted: {made.numbers[n]['text']}"
    raster = Raster(path, "classes", name, made.scene, colours=colours, opacity=0.66, more=more)
    return {**session.layers.add(key, raster), "outline": around[made.key, n]}
