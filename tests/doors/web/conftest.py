"""The page's server as a browser with its cookie sees it, over a workspace of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx2")

HOST = "127.0.0.1:8321"


@dataclass
class Door:
    """session: behind the page; client: with cookie and headers; folder: a root with scenes."""

    session: Any
    client: Any
    keys: Any
    folder: Path

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, params=query or None)

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        return self.client.post(path, json={} if body is None else body, **more)

    def delete(self, path: str) -> Any:
        return self.client.request("DELETE", path)

    def done(self, answer: Any, seconds: float = 60.0) -> Any:
        """The finished job of a 202."""
        assert answer.status_code == 202, answer.text
        job = self.session.jobs.get(answer.json()["job"]["id"])
        assert job.over.wait(seconds)
        return self.get(f"/api/jobs/{job.number}").json()["job"]


def scene(
    path: Path,
    *,
    side: int = 64,
    bands: int = 4,
    crs: str | None = "EPSG:32633",
    seed: int = 0,
    date: str | None = None,
) -> Path:
    """A small scene of reflectance with blue, green, red, near infrared; deterministic."""
    from odc.geo.geobox import GeoBox
    from rasterio.transform import from_origin

    from swath.cube.blocks import Layer
    from swath.cube.save import save_array

    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    base = np.add.outer(np.arange(side), np.arange(side)) / (2 * side)
    values = np.stack([(0.05 + 0.1 * b + 0.3 * base + 0.02 * rng.random((side, side))) for b in range(bands)])
    colours, waves = ["blue", "green", "red", "nir"], [490.0, 560.0, 665.0, 842.0]
    grid = None if crs is None else GeoBox((side, side), from_origin(400000, 5200000, 10, 10), crs)
    tags = [
        {"quantity": "reflectance", "units": "1", "wavelength": str(waves[b]), "wavelength_units": "nm"}
        if b < 4
        else {}
        for b in range(bands)
    ]
    when = {"TIFFTAG_DATETIME": f"{date.replace('-', ':')} 10:00:00"} if date else {}
    layer = Layer(
        name=path.stem,
        dtype="float32",
        nodata=float("nan"),
        bands=tuple(colours[b] if b < 4 else f"band {b + 1}" for b in range(bands)),
        units="1",
        tags={"quantity": "reflectance", **when},
        band_tags=tuple(tags),
    )
    save_array(values.astype(np.float32), path, grid=grid, layer=layer)
    return path


@pytest.fixture
def make_scene() -> Callable[..., Path]:
    return scene


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """A guarded server over a folder with `field.tif` (64 x 64, four bands, EPSG:32633), not yet open."""
    from starlette.testclient import TestClient

    from swath.doors.web.app import guarded
    from swath.doors.web.security import Keys, allowed_hosts
    from swath.doors.web.session import start

    folder = tmp_path / "scenes"
    scene(folder / "field.tif")
    session = start([folder], tmp_path / "work")
    keys = Keys()
    app = guarded(session, keys, allowed_hosts(8321))
    with TestClient(app, base_url=f"http://{HOST}", raise_server_exceptions=False) as client:
        assert client.get(f"/?token={keys.new()}").status_code == 200
        client.headers.update({"Origin": f"http://{HOST}", "X-Swath": "1"})
        yield Door(session, client, keys, folder)
    session.events.close()


@pytest.fixture
def opened(door: Door) -> Door:
    """The same with `field.tif` open as s1, as the person's own scene: without the child that guards what the page names."""
    door.session.scenes.open([door.folder / "field.tif"], trusted=True)
    return door
