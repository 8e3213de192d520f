"""Comparisons that were made: kept in the workspace, listed in `api/state`, laid over their scene again when asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from swath.doors.web import numbered
from swath.doors.web.answers import Missing, answer, numeral

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from swath.doors.web.scenes import OpenScene
    from swath.doors.web.session import Session

__all__ = ["keep", "listing", "record", "routes"]

_FILES = (("report", "report.html"), ("run", "run.json"), ("areas", "transitions.csv"))


def keep(
    folder: Path, scene: OpenScene, given: Mapping[str, Any], card: Mapping[str, Any], codes: Iterable[int]
) -> None:
    """Write down what the page was told of a comparison. codes: of the kinds of change that occur. Raises OutputError."""
    from swath.tools.job import write_json

    sides = {side: given.get(side) for side in ("a", "b")}
    said = {
        "key": scene.key,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kind": given.get("kind", "dates"),
        **{side: value if isinstance(value, (str, int)) else None for side, value in sides.items()},
        "codes": sorted(codes),
        "card": dict(card),
    }
    write_json(folder / "compare.json", said)


def _kept(session: Session, n: int) -> tuple[Path, OpenScene, dict[str, Any]]:
    """Folder, open scene and record of a comparison. Raises Missing."""
    folder = session.folder / "compare" / str(n)
    try:
        said = json.loads((folder / "compare.json").read_text("utf-8"))
        scene = next(s for s in session.scenes.all() if s.key == said["key"])
        if not (isinstance(said["card"], dict) and isinstance(said["codes"], list) and isinstance(said["made"], str)):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, StopIteration, RecursionError) as error:
        raise _none() from error
    return folder, scene, said


def _none() -> Missing:
    return Missing(
        rule="a comparison is one of those in the workspace", got="no such comparison", remedy="compare again"
    )


def listing(session: Session) -> list[dict[str, Any]]:
    """Comparisons of the open scenes, by number."""
    found = []
    for n in numbered.numbers(session.folder / "compare"):
        try:
            _, scene, said = _kept(session, n)
        except Missing:
            continue
        about = {name: said.get(name) for name in ("made", "kind", "a", "b")}
        found.append({"n": n, "scene": scene.id, "title": said["card"].get("title", ""), **about})
    return found


def record(session: Session, n: int) -> dict[str, Any]:
    """{id, layers, card, files} of a comparison, as its job told it; its layers lie over the scene. Raises Missing."""
    from swath.doors.web.compare import colours_of, lay

    folder, scene, said = _kept(session, n)
    try:
        layers = lay(session, scene, n, folder, set(said["codes"]), colours_of(session, scene, folder))
    except (OSError, ValueError, KeyError) as error:
        raise _none() from error
    return {"id": n, "layers": layers, "card": said["card"], "files": files_of(session, folder)}


def files_of(session: Session, folder: Path) -> dict[str, Any]:
    """What the card links to."""
    return {name: session.files.give(folder / file) for name, file in _FILES if (folder / file).exists()}


def routes(session: Session) -> Sequence[Route]:
    """`GET api/compares` and `api/compares/{n}`; the comparisons in `api/state`."""
    session.more.setdefault("state", {})["compares"] = listing

    def one(request: Request) -> Response:
        n = numeral(request.path_params["n"], low=1)
        if n is None:
            raise _none()
        return answer(session.roots.hide(record(session, n)))

    def all_(request: Request) -> Response:
        return answer(session.roots.hide({"compares": listing(session)}))

    return [Route("/api/compares", all_, methods=["GET"]), Route("/api/compares/{n}", one, methods=["GET"])]
