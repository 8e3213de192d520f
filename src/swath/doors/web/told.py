"""What the page is told of a scene."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swath.doors.web.scenes import OpenScene

__all__ = ["scene_record"]


def scene_record(scene: OpenScene) -> dict[str, Any]:
    """The record of a scene: sensor, units, grid, bands, dates, ways to show it, its layer."""
    from swath.doors.web.layers import Layers
    from swath.earth.sensor import sensors

    view, cube = scene.view, scene.cube
    known = sensors().get(str(cube.attrs.get("sensor") or ""))
    kinds = Counter(zip(cube.coords["quantity"].values.tolist(), cube.coords["units"].values.tolist(), strict=True))
    quantity, unit = kinds.most_common(1)[0][0]
    clear = scene.clear or [None] * len(scene.dates)
    return {
        "id": scene.id,
        "key": scene.key,
        "name": scene.name,
        "sensor": _short(known.title) if known is not None and known.key != "rgb" else None,
        "quantity": str(quantity).replace("_", " "),
        "unit": "" if unit == "1" else str(unit),
        "grid": view.record(),
        "levels": view.levels,
        "bounds": None if view.bounds is None else list(view.bounds),
        "bands": scene.bands,
        "dates": [{"date": d, "clear": c} for d, c in zip(scene.dates, clear, strict=True)],
        "default_date": scene.dates[scene.latest] if scene.dates else None,
        "shows": scene.shows,
        "default_show": scene.shows[0]["id"],
        "layer": Layers().image(scene),
        "rev": scene.rev,
        "notes": list(scene.opened.notes),
        "simulated": scene.simulated,
        "megapixels": round(view.shape[0] * view.shape[1] / 1e6, 3),
    }


def _short(title: str) -> str:
    """A sensor's title up to its first comma, without brackets: what stands beside a scene's name."""
    return re.sub(r"\s*\(.*?\)", "", title.partition(",")[0]).strip()
