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
    """Open Indian Pines (True or "pines"), a piece of Sentinel-2 ("sentinel"), or the made world ("world").

    Raises ExtraError without the package that carries it, SwathError for other names.
    """
    if which in (True, "pines"):
        return session.scenes.open([_pines(session.folder / "demo")], trusted=True, name="Indian Pines")
    if which == "sentinel":
        return session.scenes.open([_sentinel(session.folder / "demo")], trusted=True, name="Sentinel-2 sample")
    if which == "world":
        return session.scenes.open(_world(session.folder / "demo" / "world"), trusted=True, name="A made world")
    raise SwathError(rule="a demo is pines, sentinel or world", got="another", remedy="choose one")


def _pines(folder: Path) -> Path:
    path = folder / "indian_pines.tif"
    if not path.is_file():
        from swath.datasets import indian_pines
        from swath.tools.demo import write_scene

        folder.mkdir(parents=True, exist_ok=True)
        write_scene(indian_pines.load(), path)
    return path


def _sentinel(folder: Path) -> Path:
    """The sample that the package spyndex carries: reflectance x 10 000 of the four 10 m bands."""
    path = folder / "sentinel2_sample.tif"
    if not path.is_file():
        import spyndex

        from swath.cube.blocks import Layer
        from swath.cube.save import save_array
        from swath.earth.sensor import sensor

        sample = spyndex.datasets.open("sentinel")
        names = tuple(str(b) for b in sample.coords["band"].values)
        known = {b.name: b for b in sensor("sentinel-2a-l2a").bands}
        tags = tuple(
            {"quantity": "reflectance", "wavelength": f"{known[n].wavelength:g}", "wavelength_units": "nm"}
            for n in names
        )
        folder.mkdir(parents=True, exist_ok=True)
        save_array(
            sample.values.astype("uint16"),
            path,
            grid=None,
            layer=Layer(
                name="sentinel2_sample",
                dtype="uint16",
                nodata=None,
                bands=names,
                units="1",
                scale=1e-4,
                tags={"quantity": "reflectance", "source": "Copernicus Sentinel-2, by spyndex"},
                band_tags=tags,
            ),
        )
    return path


def _world(folder: Path) -> list[Path]:
    optical, radar = folder / "sentinel-2", folder / "sentinel-1"
    if not (folder / "test.tif").is_file():  # what is written last
        from swath.datasets.made import demo_world

        demo_world(folder, seed=1)
    return [optical, radar]
