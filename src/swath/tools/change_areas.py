"""How much changed: areas of every kind of change from the finished layers, with intervals, read window by window."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.estimate import Estimate, undefined
from swath.tools.change_legend import NO_CHANGE, PROBABILITY_SCALE, Legend

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["Areas", "BLOCK_PX", "by_design", "measure", "spread_of"]

BLOCK_PX = 64  # errors are taken as shared within squares of so many pixels, and independent between
_STEPS = round(1 / PROBABILITY_SCALE)
NO_PROBABILITY = "two class maps carry no probability: an interval needs a reference sample of the change map (--truth)"
DESIGN = "not design-based: swath sample change.tif draws a reference sample, --truth takes it"


@dataclass(frozen=True, slots=True)
class Areas:
    """What the layers say. unit: ha, or pixel without a CRS. mapped: area of each code as counted.

    kinds: {code: Estimate} of each kind of change; changed: of all change. total: area with an answer; missing: share of
    the scene without one. matrix: (K, K) mapped areas of the classes before and after, where there are class maps.
    """

    unit: str
    mapped: dict[int, float]
    kinds: dict[int, Estimate]
    changed: Estimate
    total: float
    missing: float
    matrix: np.ndarray | None = None


def measure(
    folder: Path,
    legend: Legend,
    grid: GeoBox | None,
    shape: tuple[int, int],
    *,
    bands: Sequence[int],
    class_codes: Sequence[int] = (),
    unchanged: tuple[float, float] | None = None,
    reason: str = "",
    margin: float = 0.0,
    level: float = 0.95,
    simulated: bool = False,
) -> Areas:
    """Areas from change.tif, probability.tif and the class maps before.tif and after.tif.

    bands: the code of change that each band of probability.tif from the second on belongs to; () when it has one band or
    does not exist. class_codes: of the two class maps. unchanged: shares without change that other cuts of the no-change
    model give: the interval holds them too. reason: why there is no interval, where there is no probability.
    margin: share of the ground that may be told wrong beyond what the probabilities say: it widens the interval of all
    change, and those of its kinds by their part of it.
    """
    import rasterio

    from swath.earth import grid as grids

    cell = grids.cell_area(grid, shape=shape)
    top = max(legend.names) + 1
    counted = np.zeros(top)
    k = len(class_codes)
    lookup = np.full(max(class_codes, default=0) + 1, -1)
    lookup[list(class_codes)] = np.arange(k)
    matrix = np.zeros((k, k))
    known = (folder / "probability.tif").is_file()
    count = 1 + len(bands) if known else 0
    mean, variance = np.zeros(max(count, 1)), np.zeros(max(count, 1))
    opened = [rasterio.open(folder / "change.tif")]
    try:
        opened += [
            rasterio.open(folder / f"{n}.tif")
            for n in (["probability"] if known else []) + (["before", "after"] if k else [])
        ]
        files = dict(
            zip(
                (["change"] + (["probability"] if known else []) + (["before", "after"] if k else [])),
                opened,
                strict=True,
            )
        )
        for window in _strips(shape):
            codes = files["change"].read(1, window=window)
            rows = slice(window.row_off, window.row_off + window.height)
            weight = np.broadcast_to(cell[rows], codes.shape)
            counted += np.bincount(codes.ravel(), weights=weight.ravel(), minlength=top)[:top]
            if k:
                a, b = (files[n].read(1, window=window) for n in ("before", "after"))
                good = (codes > 0) & (a > 0) & (b > 0)
                pair = lookup[a[good]] * k + lookup[b[good]]
                matrix += np.bincount(pair, weights=weight[good], minlength=k * k).reshape(k, k)
            for i in range(count):
                stored = files["probability"].read(i + 1, window=window)
                m, v = spread_of(stored, weight)
                mean[i] += m
                variance[i] += v
    finally:
        for file in opened:
            file.close()
    return _areas(
        legend,
        grids.area_unit(grid),
        counted,
        mean,
        variance,
        count,
        bands,
        matrix if k else None,
        unchanged,
        reason or NO_PROBABILITY,
        margin,
        level,
        simulated,
    )


def _strips(shape: tuple[int, int]) -> list[Any]:
    from rasterio.windows import Window

    return [Window(0, top, shape[1], min(BLOCK_PX, shape[0] - top)) for top in range(0, shape[0], BLOCK_PX)]


def spread_of(stored: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Expected area and its variance over a strip of stored probabilities (h, W), by squares of BLOCK_PX pixels.

    Within a square all pixels share one error (pixel i changed when a common draw falls below its probability), between
    squares errors are independent.
    """
    mean = variance = 0.0
    step = PROBABILITY_SCALE
    for left in range(0, stored.shape[1], BLOCK_PX):
        p, w = stored[:, left : left + BLOCK_PX].ravel(), weight[:, left : left + BLOCK_PX].ravel()
        area = np.bincount(p, weights=w, minlength=256)[: _STEPS + 1]
        above = np.cumsum(area[::-1])[::-1][1:]  # area of pixels with at least k steps, k = 1 on
        expected = float(above.sum() * step)
        mean += expected
        variance += max(0.0, float((above**2).sum() * step) - expected**2)
    return mean, variance


def _areas(
    legend: Legend,
    unit: str,
    counted: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    count: int,
    bands: Sequence[int],
    matrix: np.ndarray | None,
    unchanged: tuple[float, float] | None,
    reason: str,
    margin: float,
    level: float,
    simulated: bool,
) -> Areas:
    from scipy.special import ndtri

    total = float(counted[1:].sum())
    z = float(ndtri((1 + level) / 2))
    how = (
        f"sum of probabilities; errors shared within squares of {BLOCK_PX} pixels and independent between; holds as far "
        f"as the probabilities do; {DESIGN}"
    )
    if margin > 0:
        how = how.replace(
            "between; holds", f"between, and {100 * margin:.1f} % of the ground by what few labels leave open; holds"
        )
    if unchanged is not None:
        how = how.replace("between; holds", "between, widened by other cuts of the no-change model; holds")

    def estimate(i: int) -> Estimate:
        part = mean[i] / mean[0] if mean[0] > 0 else 1.0
        half = math.hypot(z * math.sqrt(variance[i]), margin * total * math.sqrt(min(1.0, part)))
        low, high = max(0.0, mean[i] - half), min(total, mean[i] + half)
        if unchanged is not None:
            low, high = min(low, total * (1 - unchanged[1])), max(high, total * (1 - unchanged[0]))
        return Estimate(float(mean[i]), unit, low, high, level, round(total), how, simulated)

    def bare(value: float) -> Estimate:
        if total <= 0:
            return undefined(unit, "no pixel has an answer")
        return Estimate(
            value,
            unit,
            level=level,
            n=round(total),
            method="counted on the map",
            simulated=simulated,
            reason=reason,
        )

    mapped = {code: float(counted[code]) for code in legend.names}
    at = {code: i + 1 for i, code in enumerate(bands)}
    if count and len(legend.kinds) == 1:
        at = {legend.kinds[0].code: 0}
    kinds: dict[int, Estimate] = {}
    for kind in legend.kinds:
        if count and kind.code in at and total > 0:
            kinds[kind.code] = estimate(at[kind.code])
        elif count and total > 0:
            kinds[kind.code] = Estimate(
                mapped[kind.code], unit, level=level, n=round(total), method="counted on the map", simulated=simulated,
                reason="too rare to have a band in probability.tif",
            )  # fmt: skip
        else:
            kinds[kind.code] = bare(mapped[kind.code])
    changed = estimate(0) if count and total > 0 else bare(total - mapped[NO_CHANGE])
    missing = float(counted[0] / counted.sum()) if counted.sum() else math.nan
    return Areas(unit, mapped, kinds, changed, total, missing, matrix)


def by_design(areas: Areas, assessed: Mapping[str, Any], legend: Legend) -> Areas:
    """The same with the areas that a drawn sample gives (the record of `swath assess`), where it gives them."""
    found = {c["code"]: Estimate.from_json(c["area"]) for c in assessed["classes"] if c["code"] is not None}
    kinds = {code: found.get(code, e) for code, e in areas.kinds.items()}
    if len(legend.kinds) == 1:
        return replace(areas, kinds=kinds, changed=kinds[legend.kinds[0].code])
    quiet = found.get(NO_CHANGE)
    if quiet is None or not quiet.defined:
        return replace(areas, kinds=kinds)
    rest = replace(
        quiet, value=areas.total - quiet.value, low=max(0.0, areas.total - quiet.high), high=areas.total - quiet.low
    )
    return replace(areas, kinds=kinds, changed=rest)
