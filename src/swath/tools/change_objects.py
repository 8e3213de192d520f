"""What changed as things: patches of a change map as polygons with areas, intervals and probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.tools.change_legend import NO_CHANGE, PROBABILITY_SCALE, Legend

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["write"]

RIM = 2  # pixels around an object that may belong to it
_STRIP = 1024
_SURE, _HARDLY = 0.975, 0.025


class _Changes:
    """A change map in which only change is left, for `sample.things`."""

    def __init__(self, file: Any) -> None:
        self.file, self.width, self.shape = file, file.width, file.shape

    def read(self, band: int, window: Any) -> np.ndarray:
        """A window of codes, 0 where nothing changed."""
        codes = np.asarray(self.file.read(band, window=window))
        return np.where(codes == NO_CHANGE, 0, codes).astype(codes.dtype)


def write(folder: Path, legend: Legend, grid: GeoBox | None, *, smallest: int) -> tuple[Path, int]:
    """Write `folder/objects.gpkg` from change.tif and probability.tif; gives the path and how many objects there are.

    area: counted, in `unit`. area_low, area_high: between the pixels that changed for sure (0.975) and those around that
    may have (0.025), as if all errors of an object were one. Objects of fewer than `smallest` pixels are left out.
    """
    import rasterio

    from swath.earth import grid as grids
    from swath.sample import things

    with rasterio.open(folder / "change.tif") as file:
        frame = things.polygons(_Changes(file), grid, names=legend.names, smallest=smallest)
        shape = file.shape
    kinds = {k.code: k for k in legend.kinds}
    frame["kind"] = frame.pop("label")
    frame["from"] = [kinds[c].start for c in frame["code"]]
    frame["to"] = [kinds[c].end for c in frame["code"]]
    got = _measured(folder, frame, grid, shape)
    unit = grids.area_unit(grid)
    frame["unit"] = [unit] * len(frame)
    for name, values in got.items():
        frame[name] = values
    columns = [
        "kind",
        "code",
        "from",
        "to",
        "pixels",
        "area",
        "area_low",
        "area_high",
        "unit",
        "probability",
        "geometry",
    ]
    order = np.argsort(-frame["area"].to_numpy(), kind="stable")
    return things.write(frame[columns].iloc[order].reset_index(drop=True), folder / "objects.gpkg"), len(frame)


def _measured(folder: Path, frame: Any, grid: GeoBox | None, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Area, its ends, and the mean probability of each object, a strip of rows at a time."""
    import rasterio
    from affine import Affine
    from rasterio.features import rasterize
    from rasterio.windows import Window
    from scipy.ndimage import maximum_filter

    from swath.earth import grid as grids

    n = len(frame)
    sums = np.zeros((4, n + 1))  # area, sure, possible, area times probability
    affine = Affine.identity() if grid is None else grid.affine
    cell = grids.cell_area(grid, shape=shape)
    path = folder / "probability.tif"
    file = rasterio.open(path) if path.is_file() else None
    try:
        for top in range(0, shape[0] if n else 0, _STRIP):
            start, stop = max(0, top - RIM), min(shape[0], top + _STRIP + RIM)
            place = affine @ Affine.translation(0, start)
            shapes = [(g, i + 1) for i, g in enumerate(frame.geometry)]
            label = rasterize(shapes, (stop - start, shape[1]), transform=place, dtype="int32")
            around = maximum_filter(label, 2 * RIM + 1)
            inner = slice(top - start, min(shape[0], top + _STRIP) - start)
            weight = np.broadcast_to(cell[start:stop], label.shape)[inner]
            label, around = label[inner], np.where(label > 0, label, around)[inner]
            if file is None:
                share = (label > 0).astype(float)
            else:
                stored = file.read(1, window=Window(0, start, shape[1], stop - start))[inner]
                share = np.where(stored == 255, 0, stored * PROBABILITY_SCALE)
            for row, (where, values) in enumerate(
                (
                    (label, weight),
                    (label, weight * (share >= _SURE)),
                    (around, weight * (share >= _HARDLY)),
                    (label, weight * share),
                )
            ):
                sums[row] += np.bincount(where.ravel(), weights=values.ravel(), minlength=n + 1)[: n + 1]
    finally:
        if file is not None:
            file.close()
    area, sure, possible, weighted = sums[:, 1:]
    nothing = np.full(n, np.nan)
    return {
        "area": area,
        "area_low": np.minimum(sure, area) if file is not None else nothing,
        "area_high": np.maximum(possible, area) if file is not None else nothing,
        "probability": weighted / np.maximum(area, 1e-300) if file is not None else nothing,
    }
