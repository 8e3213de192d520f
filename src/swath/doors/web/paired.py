"""How much better a map is than an earlier one of the same scene: both judged on the same points, the difference with its interval."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.doors.web.laid import Laid

if TYPE_CHECKING:
    from swath.doors.web.view import View

__all__ = ["by_labels", "by_sample"]

LEAST = 10
"""Labels that two maps must share to be held against one another."""
NORMAL = 1.959964  # 97.5 % of a normal distribution


def by_labels(folder: Path, before: Path, n: int) -> dict[str, Any] | None:
    """How much more of the labels that two maps share the newer one gets right, in places that neither saw, paired.

    The interval comes from drawing the newer map's blocks again. None where they share fewer than ten labels, or have
    other grids.
    """
    from swath.estimate import block_bootstrap

    new, old = _answers(folder), _answers(before)
    if new is None or old is None or new["grid"] != old["grid"]:
        return None
    keys = [k for k in new["right"] if k in old["right"]]
    if len(keys) < LEAST:
        return None
    better = np.array([float(new["right"][k][0]) - float(old["right"][k][0]) for k in keys])
    place = np.array([new["right"][k][1] for k in keys])
    _, at, count = np.unique(place, return_inverse=True, return_counts=True)
    parts = np.stack([np.bincount(at, weights=better), count.astype(float)], axis=1)
    found = block_bootstrap(
        parts, lambda s: s[..., 0] / s[..., 1], n=len(keys), method="paired on the labels of both", seed=0
    )
    value = float(better.mean())
    low = found.low if np.isfinite(found.low) else value
    high = found.high if np.isfinite(found.high) else value
    return _told(n, value, low, high, len(keys))


def by_sample(sample: Path | None, before: Path, n: int, view: View) -> dict[str, Any] | None:
    """The same on the places of a reference sample of the newer map, each stratum counting for its area.

    Stratified estimator of the mean paired difference (Cochran 1977, ch. 5). None where a stratum has fewer than two answers or
    the earlier map does not reach a place.
    """
    from swath.doors.web.walk import Walk

    if sample is None:
        return None
    walk = Walk(sample)
    shown = _classes_at(before, [(p.col, p.row) for p in walk.places], view)
    if shown is None:
        return None
    differences: dict[str, list[float]] = {name: [] for name, pixels in walk.pixels.items() if pixels}
    for place, (answer, _) in walk.answers().items():
        one, old = walk.places[place], shown[place]
        if answer is None:
            continue
        if old is None:
            return None
        differences.setdefault(one.stratum, []).append(float(one.stratum == answer) - float(old == answer))
    if any(len(d) < 2 for d in differences.values()):
        return None
    total = sum(walk.pixels[name] for name in differences)
    value = variance = 0.0
    for name, found in differences.items():
        weight = walk.pixels[name] / total
        value += weight * float(np.mean(found))
        variance += weight**2 * float(np.var(found, ddof=1)) / len(found)
    half = NORMAL * math.sqrt(variance)
    return _told(n, value, value - half, value + half, sum(map(len, differences.values())))


def _classes_at(folder: Path, places: list[tuple[float, float]], view: View) -> list[str | None] | None:
    """The class names of a map at places of the view, None where it has none; None for a map that cannot be read."""
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.windows import Window

    try:
        said = json.loads((folder / "map.json").read_text("utf-8"))
        record = json.loads((folder / "assessment.json").read_text("utf-8"))
        names = {int(c["code"]): str(c["name"]) for c in record["classes"] if c["code"] is not None}
        with rasterio.open(folder / "classes.tif") as file:
            top, _, left, _ = said.get("window") or (0, 0, 0, 0)
            laid = Laid(view, file.crs, file.transform, (top, left))
            found: list[str | None] = []
            for column, row in places:
                c, r = (math.floor(v) for v in laid.to_raster(column, row))
                inside = 0 <= r < file.height and 0 <= c < file.width
                found.append(names.get(int(file.read(1, window=Window(c, r, 1, 1))[0, 0])) if inside else None)
    except (OSError, ValueError, RasterioError):
        return None
    return found


def _told(n: int, value: float, low: float, high: float, points: int) -> dict[str, Any]:
    clear = low > 0 or high < 0
    verdict = ("better" if value > 0 else "worse") if clear else "no clear difference"
    text = f"Against map {n}: {_points(value)} points ({_points(low)} to {_points(high)}): {verdict}."
    return {"map": n, "difference": value, "low": low, "high": high, "labels": points, "clear": clear, "words": text}


def _points(share: float) -> str:
    value = round(100 * share, 1) + 0.0
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{abs(value):.1f}"


def _answers(folder: Path) -> dict[str, Any] | None:
    """{"grid", "right": {(row, column, class): (right, place)}} of labels as a model said them that had not seen their places."""
    import rasterio

    try:
        record = json.loads((folder / "model" / "model.json").read_text("utf-8"))
        with np.load(folder / "model" / "training.npz") as file:
            row, column, y = file["training_row"], file["training_column"], file["training_y"]
            value, scorable, place = file["oof_value"], file["oof_scorable"], file["training_place"]
        with rasterio.open(folder / "classes.tif") as file:
            grid = (file.height, file.width, tuple(file.transform), str(file.crs))
    except (OSError, ValueError, KeyError, rasterio.errors.RasterioError):
        return None
    names = record["classes"]
    answer = np.where(scorable, np.nan_to_num(value).argmax(1), -1)
    right = {
        (int(r), int(c), names[int(k)]): (bool(a == k), int(p))
        for r, c, k, a, p, ok in zip(row, column, y, answer, place, scorable, strict=True)
        if ok
    }
    return {"grid": grid, "right": right}
