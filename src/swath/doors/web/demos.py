"""Scenes that come with swath: written into the workspace once, then opened as any other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import SwathError

if TYPE_CHECKING:
    from swath.doors.web.scenes import OpenScene
    from swath.doors.web.session import Session

__all__ = ["open_demo"]


def open_demo(session: Session, which: Any) -> OpenScene:
    """Open Indian Pines (True or "pines"), or the made world ("world"). Raises ExtraError without the package, SwathError."""
    if which in (True, "pines"):
        return session.scenes.open([_pines(session.folder / "demo")], trusted=True, name="Indian Pines")
    if which == "world":
        return session.scenes.open(_world(session.folder / "demo" / "world"), trusted=True, name="A made world")
    raise SwathError(rule="a demo is pines or world", got="another", remedy="choose one")


def _pines(folder: Path) -> Path:
    path = folder / "indian_pines.tif"
    if not path.is_file():
        from swath.datasets import indian_pines
        from swath.tools.demo import write_scene

        folder.mkdir(parents=True, exist_ok=True)
        write_scene(indian_pines.load(), path)
    return path


def _world(folder: Path) -> list[Path]:
    optical, radar = folder / "sentinel-2", folder / "sentinel-1"
    if not (folder / "test.tif").is_file():  # what is written last
        from swath.datasets.made import demo_world

        demo_world(folder, seed=1)
    return [optical, radar]
