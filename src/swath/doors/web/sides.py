"""The two sides of a comparison: files with their dates wherever the scene allows it, so that run.json repeats; else cubes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.doors.web.answers import text
from swath.errors import SwathError

if TYPE_CHECKING:
    from swath.doors.web.scenes import OpenScene
    from swath.doors.web.session import Session

__all__ = ["IN_MEMORY", "Side", "arguments", "sides"]

IN_MEMORY = "run.json of this comparison cannot run again: {}. Prepare each date as a file of its own (swath prepare) to repeat it"
Side = tuple["OpenScene", str | None]
"""A scene and one of its dates; None where it has none."""


def sides(session: Session, scene: OpenScene, given: Mapping[str, Any]) -> tuple[Side, Side, tuple[str, str]]:
    """The two sides of a request, and what each is called. Raises Missing, SwathError."""
    if given.get("other"):
        second = session.scenes.get(text(given, "other"))
        dates = (_date(scene, given.get("a")), _date(second, given.get("b")))
        called = tuple(s.name if d is None else f"{s.name}, {d}" for s, d in zip((scene, second), dates, strict=True))
        return (scene, dates[0]), (second, dates[1]), (called[0], called[1])
    if len(scene.dates) < 2:
        raise SwathError(
            rule="change is told between two dates",
            got="a scene of one date" if scene.dates else "a scene without dates",
            remedy="open the other date too, or compare two maps",
        )
    a, b = (_date(scene, text(given, side)) for side in ("a", "b"))
    if a == b:
        raise SwathError(rule="two dates are compared", got="the same twice", remedy="choose another for B")
    return (scene, a), (scene, b), (str(a), str(b))


def _date(scene: OpenScene, given: Any) -> str | None:
    at = scene.date(None if given is None else str(given))
    return None if at is None else scene.dates[at]


def arguments(first: Side, second: Side) -> tuple[dict[str, Any], str | None]:
    """What `change` is called with: scenes, at, and how they are read; and why the run cannot be repeated, where it cannot.

    Files are looked at, in a guarded child where they are not trusted: this may take as long as opening them did.
    """
    (scene, a), (other, b) = first, second
    alike = _options(scene) == _options(other)
    if scene is other and len(scene.paths) == 1 and a and b and _lone(scene.dates, a) and _lone(scene.dates, b):
        return {"scenes": [str(scene.paths[0])], "at": [a[:10], b[:10]], **_options(scene)}, None
    if alike:
        files = [_file(*side) for side in (first, second)]
        if all(files):
            at = [d[:10] for d in (a, b) if d is not None]
            found: dict[str, Any] = {"scenes": [str(f) for f in files], **_options(scene)}
            return found | ({"at": at} if len(at) == 2 else {}), None
    why = "a date comes from several files" if alike else "the two scenes are read with different options"
    return {"scenes": [_cube(*side) for side in (first, second)]}, IN_MEMORY.format(why)


def _options(scene: OpenScene) -> dict[str, Any]:
    return {**scene.reading, "safe": not scene.trusted}


def _lone(dates: list[str], date: str) -> bool:
    """Whether the day of a date has no other date."""
    return sum(d[:10] == date[:10] for d in dates) == 1


def _cube(scene: OpenScene, date: str | None) -> Any:
    """The scene's cube at one date."""
    return scene.cube if date is None else scene.cube.isel(time=[scene.dates.index(date)])


def _file(scene: OpenScene, date: str | None) -> Path | None:
    """The one file or folder of a scene that holds this date and no other of the same day; None where there is none."""
    from swath.cube.open import understand
    from swath.doors.web.opening import dates_of

    if date is None:
        return scene.paths[0] if len(scene.paths) == 1 else None
    bands = [str(b) for b in scene.cube.coords["band"].values]
    found: list[Path] = []
    reading = {k: v for k, v in _options(scene).items() if v is not None}
    for path in scene.paths:
        try:
            seen = understand(path, **reading)
        except SwathError:
            return None
        held = [dates_of(cube) for cube in seen.cubes.values()]
        if not any(d[:10] == date[:10] for dates in held for d in dates):
            continue
        names = {str(b) for cube in seen.cubes.values() for b in cube.coords["band"].values}
        if names != set(bands) or not all(_lone(dates, date) for dates in held):
            return None  # part of the date only, or the day twice
        found.append(path)
    return found[0] if len(found) == 1 else None
