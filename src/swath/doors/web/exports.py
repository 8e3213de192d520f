"""What leaves the page as files: pictures, rasters, labels, tables, reports, each with the command that makes it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from swath.doors.web import numbered
from swath.doors.web.answers import answer, body, text, whole, window_given
from swath.errors import SwathError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from swath.doors.web.scenes import OpenScene
    from swath.doors.web.session import Session

__all__ = ["WHAT", "Wanted", "export", "plan", "routes", "wanted"]

WHAT = ("png", "classes", "probability", "labels", "areas", "report", "run")
MOST_LAYERS = 16
Window = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An export that is asked for. n: number of the map, or None. window: of the scene's grid, None for all of it.

    layers: what is seen, the uppermost first: {"id", "opacity", "params"}. marks: labels are seen too. remark: as the page
    says it.
    """

    scene: OpenScene
    n: int | None
    what: tuple[str, ...]
    window: Window | None
    layers: tuple[Mapping[str, Any], ...]
    remark: str = ""
    marks: bool = False


def wanted(session: Session, given: Mapping[str, Any]) -> Wanted:
    """The export of a request's body. Raises Missing, SwathError."""
    what = given.get("what") or []
    if not isinstance(what, list) or any(w not in WHAT for w in what):
        raise SwathError(rule=f"what is exported is of {', '.join(WHAT)}", got=str(what)[:80], remedy="choose some")
    layers = given.get("layers") or []
    if not isinstance(layers, list) or len(layers) > MOST_LAYERS or not all(_layer(one) for one in layers):
        raise SwathError(
            rule=f"layers are up to {MOST_LAYERS} of the page's", got=str(layers)[:80], remedy="send {id, opacity}"
        )
    scene = session.scenes.get(text(given, "scene"))
    return Wanted(
        scene,
        None if given.get("map") is None else whole(given, "map", low=1),
        tuple(w for w in WHAT if w in what),
        _window(given.get("window"), scene),
        tuple(layers),
        text(given, "remark", "", most=300),
        given.get("marks") is True,
    )


def _layer(one: Any) -> bool:
    if not isinstance(one, dict) or not isinstance(one.get("id"), str) or not isinstance(one.get("params") or {}, dict):
        return False
    opacity = one.get("opacity", 1.0)
    return isinstance(opacity, (int, float)) and 0 <= opacity <= 1


def _window(given: Any, scene: OpenScene) -> Window | None:
    """The part of the scene that a window holds. Raises SwathError."""
    if given is None:
        return None
    r0, r1, c0, c1 = window_given(given)
    height, width = scene.view.shape
    r0, r1, c0, c1 = max(0.0, r0), min(float(height), r1), max(0.0, c0), min(float(width), c1)
    if r1 - r0 < 1 or c1 - c0 < 1:
        raise SwathError(
            rule="what is exported lies on the scene", got="a view beside it", remedy="move the view onto the scene"
        )
    return None if (r0, r1, c0, c1) == (0, height, 0, width) else (r0, r1, c0, c1)


class _Map:
    """The finished map of an export and where its files lie."""

    def __init__(self, session: Session, ask: Wanted) -> None:
        from swath.doors.web import maps, reference_card

        assert ask.n is not None
        self.n = ask.n
        self.said = maps.kept(session, ask.n)
        self.folder = maps.folder_of(session, ask.n)
        if self.said.get("key") != ask.scene.key or self.said.get("state") != "done":
            raise SwathError(
                rule="a map that is exported is finished and of this scene", got=f"map {ask.n}", remedy="map again"
            )
        self.sample = reference_card.latest(session.folder, ask.n)
        window = self.said.get("window") or (0, 0, 0, 0)
        self.corner = (int(window[0]), int(window[2]))

    def assessment(self) -> dict[str, Any]:
        """The assessment by the reference sample where there is one, else the map's own."""
        path = self.folder if self.sample is None else self.sample / "assess"
        found: dict[str, Any] = json.loads((path / "assessment.json").read_text("utf-8"))
        return found


def plan(session: Session, ask: Wanted) -> dict[str, Any]:
    """What can be exported and about how large each file will be: {"items": [{"what", "bytes", "files"}]}; files 0: not there."""
    items = []
    found = None if ask.n is None else _Map(session, ask)
    from swath.doors.web.plate import zoom_for

    height, width = ask.scene.view.shape
    r0, r1, c0, c1 = ask.window or (0.0, float(height), 0.0, float(width))
    times = 2.0 ** zoom_for(r1 - r0, c1 - c0)
    share = (r1 - r0) * (c1 - c0) / (height * width)
    pixels = (r1 - r0) * (c1 - c0) * times * times
    items.append({"what": "png", "files": 1, "bytes": round(60_000 + 0.6 * pixels)})
    for name in ("classes", "probability"):
        path = None if found is None else found.folder / f"{name}.tif"
        size = path.stat().st_size if path is not None and path.exists() else 0
        part = 1.0 if found is None or found.said.get("window") else share
        items.append({"what": name, "files": int(bool(size)), "bytes": round(size * part) if size else 0})
    labels = len(_labels(session, ask)["features"])
    items.append({"what": "labels", "files": int(labels > 0), "bytes": 300 + 260 * labels})
    sizes = {"areas": "assessment.json", "report": "report.html", "run": "run.json"}
    for name, file in sizes.items():
        there = found is not None and (found.folder / file).exists()
        size = (found.folder / file).stat().st_size if found is not None and there else 0
        many = 2 if there and name != "areas" and found is not None and found.sample is not None else int(there)
        items.append({"what": name, "files": many, "bytes": 400 + size // 20 if name == "areas" and there else size})
    return {"items": items}


def export(session: Session, ask: Wanted, progress: Callable[[int, int, str], None]) -> dict[str, Any]:
    """Write the files into a new folder of workspace/exports: {"folder", "files": [{"name", "bytes", "href", "command"}]}."""
    if not ask.what:
        raise SwathError(rule="an export has one file or more", got="none", remedy="choose what to export")
    found = None if ask.n is None else _Map(session, ask)
    _, folder = numbered.fresh(session.folder / "exports")
    stem = _stem(ask)
    files: list[dict[str, Any]] = []
    try:
        for i, what in enumerate(ask.what):
            progress(i, len(ask.what), what)
            for path, command, name in _WRITERS[what](session, ask, found, folder / stem):
                files.append({**session.files.give(path), "what": name, "command": command})
        progress(len(ask.what), len(ask.what), "done")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return {"folder": f"{session.folder.name}/exports/{folder.name}", "files": files}


def _stem(ask: Wanted) -> str:
    """A name for files: the scene's, its map's, and whether it is a part."""
    plain = re.sub(r"[^\w.-]+", "-", ask.scene.name).strip("-.")[:80] or "scene"
    return f"{plain}{'' if ask.n is None else f'-map{ask.n}'}"


Made = list[tuple[Path, str | None, str]]


def _named(stem: Path, ending: str) -> Path:
    return stem.with_name(stem.name + ending)


def _need(found: _Map | None) -> _Map:
    if found is None:
        raise SwathError(rule="classes, areas and reports are of a map", got="no map", remedy="map this scene first")
    return found


def _again(session: Session, found: _Map) -> str:
    run = f"{session.folder.name}/maps/{found.n}/run.json"
    return f"swath again {shlex.quote(run)} --out again"


def _picture(session: Session, ask: Wanted, found: _Map | None, stem: Path) -> Made:
    from swath.doors.web import plate, plated

    height, width = ask.scene.view.shape
    window = ask.window or (0.0, float(height), 0.0, float(width))
    layers = ask.layers or ({"id": ask.scene.id, "opacity": 1.0},)
    pixels = plate.composed(session, ask.scene, window, layers)
    metres = ask.scene.view.metres
    times = 2.0 ** plate.zoom_for(window[1] - window[0], window[3] - window[2])
    labels = _labels(session, ask) if ask.marks else None
    made = plated.plate_of(session, ask, None if found is None else found.assessment(), layers)
    if labels is not None:
        made = plated.with_labels(made, labels, ask.scene.view, window, times)
    path = _named(stem, ".png")
    path.write_bytes(plate.drawn(pixels, made, ground=(metres or 1.0) / times, metric=metres is not None))
    return [(path, None, "png")]


def _raster(name: str) -> Callable[[Session, Wanted, _Map | None, Path], Made]:
    def write(session: Session, ask: Wanted, given: _Map | None, stem: Path) -> Made:
        from swath.doors.web import written

        found = _need(given)
        source, out = found.folder / f"{name}.tif", _named(stem, f"-{name}.tif")
        if not source.exists():
            raise SwathError(rule="a map that is exported has its files", got=f"no {name}", remedy="map again")
        command = _again(session, found)
        colours = {str(c["name"]): str(c["colour"]) for c in found.said["classes"]} if name == "classes" else None
        if ask.window is None:
            if colours is None:
                shutil.copyfile(source, out)
            else:
                written.cut(source, out, None, colours)
            return [(out, f"{command} && cp again/{name}.tif {shlex.quote(out.name)}", name)]
        part = written.window_on(source, ask.scene.view, ask.window, found.corner)
        written.cut(source, out, part, colours)
        box = written.bounds_of(source, part)
        if box is None:
            return [(out, None, name)]
        text_ = " ".join(f"{v:.10g}" for v in box)
        clip = f"rio clip again/{name}.tif {shlex.quote(out.name)} --bounds '{text_}' --driver COG"
        return [(out, f"{command} && {clip}", name)]

    return write


def _labels(session: Session, ask: Wanted) -> dict[str, Any]:
    from swath.doors.web import geojson, written
    from swath.doors.web.labels import journal_of

    made = geojson.exported(journal_of(session, ask.scene.key).to_json(), ask.scene.view)
    return written.labels_within(made, ask.scene.view, ask.window)


def _drawn(session: Session, ask: Wanted, found: _Map | None, stem: Path) -> Made:
    from swath.cube.save import write_text
    from swath.doors.web.written import as_text

    made = _labels(session, ask)
    if not made["features"]:
        raise SwathError(
            rule="labels that are exported lie in the view", got="none does", remedy="take the whole scene"
        )
    path = write_text(_named(stem, "-labels.geojson"), as_text(made))
    return [(path, None, "labels")]


def _areas(session: Session, ask: Wanted, given: _Map | None, stem: Path) -> Made:
    from swath.cube.save import write_text
    from swath.doors.web.written import areas

    found = _need(given)
    path = write_text(_named(stem, "-areas.csv"), areas(found.assessment()))
    base = session.folder.name
    if found.sample is None:
        return [(path, f"{_again(session, found)} --json", "areas")]
    line = f"swath assess {base}/maps/{found.n}/classes.tif --truth {base}/samples/{found.sample.name}/reference.gpkg --json"
    return [(path, line, "areas")]


def _report(session: Session, ask: Wanted, given: _Map | None, stem: Path) -> Made:
    found = _need(given)
    path = _named(stem, "-report.html")
    shutil.copyfile(found.folder / "report.html", path)
    made: Made = [(path, _again(session, found), "report")]
    if found.sample is not None:
        from swath.doors.web import reference_report

        other = reference_report.write(
            _named(stem, "-reference.html"), session.folder, found.n, ask.scene.name, found.said["classes"]
        )
        run = f"{session.folder.name}/samples/{found.sample.name}/assess/run.json"
        made.append((other, f"swath again {shlex.quote(run)} --out again", "reference"))
    return made


def _run(session: Session, ask: Wanted, given: _Map | None, stem: Path) -> Made:
    found = _need(given)
    path = _named(stem, "-run.json")
    shutil.copyfile(found.folder / "run.json", path)
    made: Made = [(path, f"swath again {shlex.quote(path.name)} --out again", "run")]
    if found.sample is not None:
        other = _named(stem, "-reference-run.json")
        shutil.copyfile(found.sample / "assess" / "run.json", other)
        made.append((other, f"swath again {shlex.quote(other.name)} --out again", "run"))
    return made


_WRITERS: dict[str, Callable[[Session, Wanted, _Map | None, Path], Made]] = {
    "png": _picture,
    "classes": _raster("classes"),
    "probability": _raster("probability"),
    "labels": _drawn,
    "areas": _areas,
    "report": _report,
    "run": _run,
}


def routes(session: Session) -> list[Route]:
    """`POST api/export`; with `plan` it tells what there is and how large, and writes nothing."""

    async def begin(request: Request) -> Response:
        given = await body(request)

        def start() -> tuple[dict[str, Any], int]:
            ask = wanted(session, given)
            if given.get("plan"):
                return plan(session, ask), 200

            def carried(progress: Callable[[int, int, str], None]) -> dict[str, Any]:
                return export(session, ask, progress)

            return session.job("export", carried, {}), 202

        record, status = await run_in_threadpool(start)
        return answer(record, status)

    return [Route("/api/export", begin, methods=["POST"])]
