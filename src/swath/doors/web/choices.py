"""What may be opened from the page: files and folders of the roots that look like scenes, and what comes with swath."""

from __future__ import annotations

import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swath.doors.roots import Roots

__all__ = ["DEMOS", "choices"]

SCENES = frozenset(
    (".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg", ".nc", ".nc4", ".h5", ".he5", ".hdf", ".hdf5", ".grb", ".grib", ".grb2",
     ".grib2", ".bsq", ".bil", ".bip", ".img", ".npy", ".npz", ".tar", ".swath", ".fits")
)  # fmt: skip
STORES = (".zarr", ".safe", ".zip")
MOST = 500
SECONDS = 2.0
"""Looking through folders takes no longer; what was found until then is told."""
DEMOS = (
    {
        "id": "pines",
        "name": "Indian Pines",
        "about": "Fields in Indiana seen from the air in 200 colours, 1992; no georeference",
    },
    {
        "id": "sentinel",
        "name": "Sentinel-2 sample",
        "about": "Three kilometres of fields and trees in four colours of 10 m; no georeference, no date",
    },
    {
        "id": "world",
        "name": "A made world",
        "about": "Simulated: two years of Sentinel-2 with clouds, and Sentinel-1; no place on Earth",
    },
)


def choices(roots: Roots, workspace: Path) -> dict[str, Any]:
    """{"files": names, "folders": names, "demos": [...]}, sorted, at most 500 of each; the workspace shows its uploads only."""
    files: list[str] = []
    folders: list[str] = []
    end = time.monotonic() + SECONDS
    for root in roots.folders:
        start = workspace / "uploads" if root == workspace else root
        for place, inner, names in os.walk(start):
            here = Path(place)
            inner[:] = sorted(f for f in inner if not f.startswith(".") and here / f != workspace)
            stores = [f for f in inner if f.lower().endswith(STORES)]
            inner[:] = [f for f in inner if f not in stores]
            found = sorted(f for f in names if not f.startswith(".") and Path(f).suffix.lower() in SCENES)
            files += [roots.name(here / f) for f in found]
            folders += [roots.name(here / f) for f in stores]
            if len(found) > 1 and here != start:
                folders.append(roots.name(here))
            if len(files) >= MOST or len(folders) >= MOST or time.monotonic() > end:
                break
    demos = [d for d in DEMOS if d["id"] != "pines" or find_spec("tensorly") is not None]
    return {"files": sorted(set(files))[:MOST], "folders": sorted(set(folders))[:MOST], "demos": demos}
