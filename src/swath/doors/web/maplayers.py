"""The layers of a map on the page: classes, probability of each, doubt; while it is made, the tiles that are finished."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from swath.doors.web.layers import Raster
    from swath.doors.web.scenes import OpenScene
    from swath.doors.web.session import Session

__all__ = ["ALL", "Live", "codes_of", "lay", "part_of", "scene_of"]

ALL = ("classes", "doubt", "probability")
_OFTEN = 0.5  # seconds between two looks of the page at a map under way


def scene_of(session: Session, said: Mapping[str, Any]) -> OpenScene | None:
    """The open scene that a map is of, or None."""
    return next((s for s in session.scenes.all() if s.key == said.get("key")), None)


def part_of(folder: Path) -> Path:
    """The file that is being filled while a map is made."""
    return folder / ".classes.part" / "classes.blocks.tif"


def codes_of(names: Sequence[str]) -> dict[str, int]:
    """The codes that `swath map` gives to class names: whole numbers stand for themselves, others are counted in order."""
    if names and all(name.isascii() and name.isdigit() and 0 < int(name) <= 65535 for name in names):
        return {name: int(name) for name in names}
    return {name: i for i, name in enumerate(sorted(names), 1)}


def colours_of(said: Mapping[str, Any]) -> dict[int, tuple[str, str]]:
    """{code: (name, colour)} of a map's classes."""
    codes = codes_of([c["name"] for c in said["classes"]])
    return {codes[c["name"]]: (c["name"], c["colour"]) for c in said["classes"]}


def lay(session: Session, n: int, scene: OpenScene, said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Put the map's layers over its scene; their records, the uppermost first."""
    from swath.doors.web.layers import Raster

    folder = session.folder / "maps" / str(n)
    common: dict[str, Any] = {"scene": scene.id}
    if said["state"] != "done":
        part = part_of(folder)
        if said["state"] == "waiting" or not part.exists():
            return []
        return [session.layers.add(f"m{n}.classes", _classes(part, n, scene, said))]
    names = [c["name"] for c in said["classes"]]
    bands = _bands(folder / "probability.tif", names)
    found = []
    if (folder / "doubt.tif").exists():
        doubt = Raster(folder / "doubt.tif", "doubt", "Doubt", more={"map": n}, **common)
        found.append(session.layers.add(f"m{n}.doubt", doubt))
    found.append(session.layers.add(f"m{n}.classes", _classes(folder / "classes.tif", n, scene, said)))
    if bands:
        more = {"map": n, "bands": [{"name": name, "band": band} for name, band in bands.items()]}
        first = Raster(folder / "probability.tif", "probability", "Probability", on=False, more=more, **common)
        found.append(session.layers.add(f"m{n}.probability", first))
    return found


def _classes(path: Path, n: int, scene: OpenScene, said: Mapping[str, Any]) -> Raster:
    from swath.doors.web.layers import Raster

    more = {"map": n}
    then = path.parent.parent / "classes.tif" if path.name != "classes.tif" else None
    return Raster(path, "classes", "Classes", scene.id, colours=colours_of(said), more=more, then=then)


def _bands(path: Path, names: Sequence[str]) -> dict[str, int]:
    """Band number of each class in probability.tif."""
    import rasterio

    if not path.exists():
        return {}
    with rasterio.open(path) as file:
        found = {str(d): i for i, d in enumerate(file.descriptions, 1) if d}
    return {name: found[name] for name in names if name in found}


class Live:
    """What is finished of a map, laid over the scene again and again while it is made."""

    def __init__(self, session: Session, n: int, scene: OpenScene, said: Mapping[str, Any]) -> None:
        self.session, self.n, self.scene, self.said = session, n, scene, said
        self.done = 0
        self._shown = 0.0
        self._ready: bool | None = None

    def show(self, done: int, *, last: bool = False) -> None:
        """Tell the page of the tiles finished so far, not more often than it can follow."""
        now = time.monotonic()
        first = done > 0 and not self.done
        self.done = max(self.done, done)
        if not done or not (first or last or now - self._shown >= _OFTEN):
            return
        self._shown = now
        if not self._placed():
            return
        part = part_of(self.session.folder / "maps" / str(self.n))
        record = self.session.layers.add(f"m{self.n}.classes", _classes(part, self.n, self.scene, self.said))
        self.session.events.send("layers", record)

    def _placed(self) -> bool:
        """Whether the file under way lies on the scene's grid: as it is, or once its place is written beside it."""
        import rasterio
        from rasterio.errors import RasterioError

        if self._ready is not None:
            return self._ready
        part = part_of(self.session.folder / "maps" / str(self.n))
        view, window = self.scene.view, self.said.get("window")
        try:
            with rasterio.open(part) as file:
                size = (file.height, file.width)
        except RasterioError:
            return False
        if size == view.shape and window is None:
            self._ready = True
        elif window is not None and size == (window[1] - window[0], window[3] - window[2]):
            self._ready = _describe(part, view, window)
        else:
            self._ready = False
        return self._ready


def _describe(part: Path, view: Any, window: Sequence[int]) -> bool:
    """Write the place of the file under way into the small file beside it that GDAL reads."""
    from xml.sax.saxutils import escape

    if view.pixel:
        return False
    x, y = view.to_crs(window[2], window[0])
    a, b, _, d, e, _ = view.affine
    numbers = ", ".join(f"{v!r}" for v in (x, a, b, y, d, e))
    wkt = escape(str(view.geobox.crs.to_wkt()))
    text = f"<PAMDataset>\n<SRS>{wkt}</SRS>\n<GeoTransform>{numbers}</GeoTransform>\n</PAMDataset>\n"
    part.with_name(part.name + ".aux.xml").write_text(text, "utf-8")
    return True
