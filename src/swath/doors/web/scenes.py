"""Open scenes: by name inside the folders given at start, by upload, or as the person named them on the command line."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from swath.doors.web.answers import Clash, Missing, answer, body, number, numeral, text
from swath.errors import FormatError, SwathError, UnitError

if TYPE_CHECKING:
    import xarray as xr
    from starlette.requests import Request
    from starlette.responses import Response

    from swath.doors.roots import Roots
    from swath.doors.web.session import Session
    from swath.doors.web.view import View
    from swath.tools.scenes import Opened

__all__ = ["OpenScene", "Scenes", "routes"]

MOST = 24
"""Scenes open at once."""
_FORM = 3  # of what is kept in the workspace's cache


@dataclass(frozen=True)
class OpenScene:
    """A scene on the page's grid. cube: (time, band, y, x) or (band, y, x) of its first sensor, in physical units.

    id: of this run; key: of its paths, the same in every run. paths: files and folders it is made of. options: how it was
    read (offset, scale, sensor, safe). rev: changes when its files do. dates: ISO texts. shows: ways to show it.
    """

    id: str
    key: str
    name: str
    paths: list[Path]
    opened: Opened
    cube: xr.DataArray
    view: View
    dates: list[str]
    bands: list[dict[str, Any]]
    shows: list[dict[str, Any]]
    options: dict[str, Any]
    rev: str
    simulated: bool = False
    clear: list[float | None] = field(default_factory=list)
    trusted: bool = False

    def show(self, key: str | None) -> dict[str, Any]:
        """A way to show the scene; the first without a key. Raises Missing."""
        found = next((s for s in self.shows if key in (None, "", s["id"])), None)
        if found is None:
            raise Missing(rule="a scene is shown in one of its ways", got="another", remedy="see the scene's shows")
        return found

    def date(self, given: str | None) -> int | None:
        """The index of a date, by its text or number; the latest clear one without. None where there are no dates.

        Raises Missing.
        """
        if not self.dates:
            return None
        if not given:
            return self.latest
        if given in self.dates:
            return self.dates.index(given)
        if (place := numeral(given, high=len(self.dates) - 1)) is not None:
            return place
        raise Missing(rule="a date is one of the scene", got="another", remedy="see the scene's dates")

    @property
    def reading(self) -> dict[str, Any]:
        """The options that verbs take with its files: offset, scale, sensor, as far as they were given."""
        return {name: self.options[name] for name in ("offset", "scale", "sensor") if name in self.options}

    @property
    def latest(self) -> int:
        """The index of the latest date with at most a fifth fewer usable pixels than the clearest."""
        share = [c if c is not None else 0.0 for c in self.clear] or [1.0]
        enough = 0.8 * max(share)
        return max(i for i, s in enumerate(share) if s >= enough)

    def record(self) -> dict[str, Any]:
        """What the page is told."""
        from swath.doors.web.told import scene_record

        return scene_record(self)


class Scenes:
    """The open scenes of a session, and the names that may be opened."""

    def __init__(self, roots: Roots, folder: Path) -> None:
        self._roots, self._folder = roots, folder
        self._open: dict[str, OpenScene] = {}
        self._number = 0
        self._lock = threading.RLock()
        self._busy: dict[str, threading.Lock] = {}
        self.own: set[Path] = set()
        """Paths that the person named on the command line: read as any verb reads them."""
        self.changed: Callable[[str], None] = lambda key: None
        """Called with the id of a scene of which more is known."""

    def get(self, key: str | None) -> OpenScene:
        """An open scene; the only one without an id. Raises Missing."""
        if not key and len(self._open) == 1:
            return next(iter(self._open.values()))
        found = self._open.get(key or "")
        if found is None:
            raise _no_scene()
        return found

    def all(self) -> list[OpenScene]:
        """All open scenes, in the order of opening."""
        return list(self._open.values())

    def close(self, key: str) -> None:
        """Forget a scene; its labels and maps stay in the workspace. Raises Missing."""
        with self._lock:
            self.get(key)
            del self._open[key]
            self._remember()

    def restore(self) -> bool:
        """Open again what was open in this workspace the last time; whether anything was."""
        from swath.doors.web.remembered import remembered

        for paths, options, trusted, name in remembered(self._folder):
            try:
                if trusted:
                    self.open(paths, options, trusted=True, name=name)
                else:
                    self.named([str(p) for p in paths], options)
            except SwathError:
                continue  # it has gone, or changed into something else
        return bool(self._open)

    def choices(self) -> dict[str, Any]:
        """{"files", "folders", "demos"} that can be opened from the page."""
        from swath.doors.web.choices import choices

        return choices(self._roots, self._folder)

    def admit(self, names: Sequence[str]) -> OpenScene:
        """Open a scene by names that come from the page. Raises Missing, Clash, SwathError."""
        return self.named(names, {})

    def named(self, names: Sequence[str], options: dict[str, Any]) -> OpenScene:
        """The same with options offset, scale, sensor."""
        from swath.doors.straight import straight

        if not names or len(names) > 200:
            raise SwathError(rule="a scene has 1 to 200 files", got=f"{len(names)} names", remedy="choose some")
        found = []
        for name in names:
            try:
                one = self._roots.admit(name)
            except FormatError as error:
                raise _no_scene() from error
            own = one.path in self.own
            if not own:
                straight(one.path, self._roots)
            found.append((one, own))
        try:
            scene = self.open([one.path for one, _ in found], options, trusted=all(own for _, own in found))
        except Clash as error:
            error.more["names"] = [self._roots.name(one.path) for one, _ in found]
            raise
        if not all(self._roots.still(one) for one, _ in found):
            self.close(scene.id)
            raise _no_scene()
        return scene

    def open(
        self, paths: Sequence[Path], options: dict[str, Any] | None = None, *, trusted: bool, name: str | None = None
    ) -> OpenScene:
        """Open files of one scene; the same files and options give the scene that is open already.

        trusted: read in this process, as on the command line; else in a child with limits. Raises Clash where units are
        ambiguous, with the choices; SwathError.
        """
        given = {k: v for k, v in (options or {}).items() if v is not None}
        full = [Path(p).resolve() for p in paths]
        if trusted:
            self.own.update(full)
        key = hashlib.sha256("\n".join(sorted(map(str, full))).encode()).hexdigest()[:16]
        with self._lock:
            alone = self._busy.setdefault(key, threading.Lock())
        with alone:  # a second click waits for the first, and gets its scene
            return self._opened(full, given, key, trusted, name or _title(full))

    def _opened(self, paths: list[Path], options: dict[str, Any], key: str, trusted: bool, name: str) -> OpenScene:
        from swath.doors.web.opening import opened

        there = next((s for s in self.all() if s.key == key and s.options == options), None)
        rev = revision(paths, options)
        if there is not None and there.rev == rev:
            return there
        if there is None and len(self._open) >= MOST:
            raise SwathError(rule=f"at most {MOST} scenes are open", got="one more", remedy="close one first")
        try:
            made, rest = opened(paths, options, trusted=trusted)(self._folder / "cache", key)
        except UnitError as error:
            raise _which(error, paths, options, trusted) from error
        with self._lock:
            self._number += there is None
            identity = f"s{self._number}" if there is None else there.id
            own: dict[str, Any] = {
                "id": identity,
                "key": key,
                "name": name,
                "paths": paths,
                "options": options,
                "rev": rev,
            }
            scene = OpenScene(**own, trusted=trusted, **made)
            self._open[identity] = scene
            self._remember()
        if rest is not None:
            threading.Thread(target=self._complete, args=(scene, rest), daemon=True).start()
        return scene

    def _complete(self, scene: OpenScene, rest: Callable[[], list[float | None]]) -> None:
        """Look how clear the other dates are, and tell the page."""
        with contextlib.suppress(SwathError):
            clear = rest()
            with self._lock:
                if self._open.get(scene.id) is not scene:
                    return
                self._open[scene.id] = replace(scene, clear=clear)
            self.changed(scene.id)

    def _remember(self) -> None:
        from swath.doors.web.remembered import remember

        remember(self._folder, self.all())


def revision(paths: Sequence[Path], options: dict[str, Any]) -> str:
    """Changes when a file's size or time, or the way of reading, does."""
    state: list[Any] = [_FORM, sorted(options.items())]
    for path in sorted(paths):
        whole = path if path.exists() else Path(str(path).partition("#")[0])  # FILE#DATASET
        parts = sorted(p for p in path.rglob("*") if p.is_file())[:2000] if path.is_dir() else [whole]
        for part in parts:
            try:
                found = part.stat()
            except OSError:
                continue
            state.append([str(part), found.st_size, found.st_mtime_ns])
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:12]


def _title(paths: Sequence[Path]) -> str:
    """A scene's name: its file's, or that of the folder where many files of one folder make it up."""
    first = paths[0].name.removesuffix(".gz")
    stem = Path(first).stem if Path(first).suffix else first
    if len(paths) > 3 and len({p.parent for p in paths}) == 1:
        return f"{paths[0].parent.name}, {len(paths)} files"
    return stem if len(paths) == 1 else f"{stem} and {len(paths) - 1} more"


def _no_scene() -> Missing:
    return Missing(
        rule="a scene is one of those in the folders given at start",
        got="no such scene",
        remedy="choose one from the list",
    )


def _which(error: UnitError, paths: Sequence[Path], options: dict[str, Any], trusted: bool) -> SwathError:
    """The question back where the offset is ambiguous; else the refusal itself."""
    from swath.cube.open import understand
    from swath.earth.sensor import sensors

    if "offset" in options or "scale" in options:
        return error
    for path in paths:
        try:
            scene = understand(path, sensor=options.get("sensor"), safe=not trusted)
        except SwathError:
            continue
        known = sensors().get(scene.sensor or "")
        if scene.doubt is not None and known is not None and known.ambiguous_offset:
            choices = [
                {
                    "label": f"Subtract {-n:g}" if n else "Use them as they are",
                    "options": {**options, "offset": n},
                }
                for n in known.ambiguous_offset
            ]
            return Clash(rule=error.rule, got=error.got, remedy=error.remedy, choices=choices)
    return error


def _options(given: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    inner = given.get("options")
    merged = {**given, **inner} if isinstance(inner, dict) else given
    for name in ("offset", "scale"):
        if merged.get(name) is not None:
            found[name] = number(merged, name, low=-1e12, high=1e12)
    if merged.get("sensor") is not None:
        found["sensor"] = text(merged, "sensor", most=64)
    return found


def routes(session: Session) -> list[Route]:
    """`POST api/scenes`, `GET` and `DELETE api/scenes/{id}`, `POST api/scenes/upload`."""
    from swath.doors.web.upload import upload

    scenes = session.scenes

    scenes.changed = lambda key: session.events.send("scenes", {"id": key, "state": "open"})

    def told(scene: OpenScene, status: int = 201) -> Response:
        session.events.send("scenes", {"id": scene.id, "state": "open"})
        return answer(session.roots.hide(scene.record()), status)

    async def open_(request: Request) -> Response:
        given = await body(request)

        def work() -> OpenScene:
            if given.get("demo"):
                from swath.doors.web.demos import open_demo

                return open_demo(session, given["demo"])
            names = [given["name"]] if "name" in given else given.get("names")
            if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
                raise SwathError(rule="names is a list of texts", got="something else", remedy="send {names: [...]}")
            from swath.doors.remote import fetched

            return scenes.named(fetched(names, session.more.get("remote")), _options(given))

        return told(await run_in_threadpool(work))

    async def uploaded(request: Request) -> Response:
        path = await upload(session, request)

        def work() -> OpenScene:
            try:
                return scenes.named([str(path)], {})
            except Clash:
                raise  # it waits for the answer
            except Exception:
                path.unlink(missing_ok=True)
                raise

        return told(await run_in_threadpool(work))

    def one(request: Request) -> Response:
        return answer(session.roots.hide(scenes.get(request.path_params["id"]).record()))

    def close(request: Request) -> Response:
        key = request.path_params["id"]
        scenes.close(key)
        for layer in session.layers.of(key):
            session.layers.remove(layer["id"])
        session.events.send("scenes", {"id": key, "state": "closed"})
        return answer({"closed": key})

    return [
        Route("/api/scenes", open_, methods=["POST"]),
        Route("/api/scenes/upload", uploaded, methods=["POST"]),
        Route("/api/scenes/{id}", one, methods=["GET"]),
        Route("/api/scenes/{id}", close, methods=["DELETE"]),
    ]
