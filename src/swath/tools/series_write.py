"""The store that fill and forecast write: the chosen methods fitted to all drawn series, and every window answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.assess import hidden
from swath.assess.answer import NEW, NOTHING, Answer
from swath.baseline.methods import AHEAD, BETWEEN
from swath.tools.job import Progress
from swath.tools.series import Learned

if TYPE_CHECKING:
    import xarray as xr

    from swath.cube.blocks import Layer
    from swath.predict.series import Written

__all__ = ["answer_of", "named", "write"]


def answer_of(learned: Learned, cube: xr.DataArray) -> Answer:
    """The chosen methods fitted to all drawn series, ready for windows of the cube."""
    table = BETWEEN if learned.task == "fill" else AHEAD
    fitted: dict[str, Any] = {}
    for name in dict.fromkeys(learned.chosen):
        maker = table.get(name)
        fitted[name] = maker().fit(learned.series) if maker is not None else learned.model
    s = learned.series
    reach = []
    for c in range(len(s.bands)):
        seen = s.values[..., c][s.valid[..., c]]
        low, high = (float(seen.min()), float(seen.max())) if len(seen) else (-np.inf, np.inf)
        ends = _bounded((low - 0.25 * (high - low), high + 0.25 * (high - low)), low, high, s.bands[c].quantity)
        reach.append(_within(ends, low, high, _layers(cube, 1)[0]))
    flags = None
    if "flag" in cube.coords:
        variable = cube.coords["flag"].variable

        def flags(rows: slice, columns: slice) -> np.ndarray:
            return np.asarray(variable.isel(y=rows, x=columns).values)

    return Answer(
        task=learned.task,
        seen=fitted[learned.chosen[0]],
        alone=fitted[learned.chosen[1]],
        intervals=learned.intervals,
        lonely=hidden.lonely(s.valid),
        day=s.day[0],
        days=learned.days,
        reach=np.array(reach),
        reasons=flags,
    )


def _bounded(reach: tuple[float, float], low: float, high: float, quantity: str) -> tuple[float, float]:
    """What was never below 0 stays there; indices and shares that never passed 1 do not."""
    top = 1.0 if quantity in ("index", "probability", "coherence") and high <= 1 else np.inf
    return (max(reach[0], 0.0) if low >= 0 else reach[0]), min(reach[1], top)


def _within(reach: tuple[float, float], low: float, high: float, layer: Layer) -> tuple[float, float]:
    """A reach that the stored type holds, on the side of nodata where the values are."""
    kind = np.dtype(layer.dtype)
    if kind.kind not in "iu":
        return reach
    info, nodata = np.iinfo(kind), layer.fill
    first, last = max(reach[0], float(info.min)), min(reach[1], float(info.max))
    if nodata <= low:
        first = max(first, nodata + 1)
    if nodata >= high:
        last = min(last, nodata - 1)
    return first, last


def write(
    learned: Learned, cube: xr.DataArray, path: Path, *, allow: Sequence[str], mark: Any, simulated: bool,
    workers: int | None, progress: Progress | None, window: int | None = None,
) -> Written:  # fmt: skip
    """The Zarr store: values, low, high and filled by date, band, row and column, and flag."""
    from swath.cube import contract
    from swath.earth.time import from_days
    from swath.predict.series import frame_of, run_series

    answer = answer_of(learned, cube)
    layers = _layers(cube, len(learned.days))
    stored = layers[0]
    nodata = [stored.nodata if stored.nodata is not None else np.nan] * cube.sizes["band"]
    frame = frame_of(cube, from_days(learned.days), nodata=nodata)
    others = [str(k) for k in frame.coords if k not in frame.dims and k != "spatial_ref"]
    about = {str(k): v if isinstance(v, (str, int, float, bool)) else str(v) for k, v in cube.attrs.items()}
    grid = {"grid_mapping": "spatial_ref"} if "spatial_ref" in frame.coords else {}
    ends = {
        "long_name": f"end of the {learned.intervals.level:.2f} interval, missing where observed or not known"
    } | grid
    meanings = {
        "flag_values": [0, 1, 2, 3, 4, 5, 6, NEW, NOTHING],
        "flag_meanings": "observed was_missing was_cloud was_shadow was_snow was_saturated was_read_failed no_scene_on_this_date no_value",
    }
    attrs: dict[str, dict[str, Any]] = {
        "values": about | grid | {"ancillary_variables": "low high filled", "coordinates": " ".join([*others, "flag"])},
        "low": ends, "high": ends, "filled": meanings | grid,
        "flag": {"flag_values": list(contract.FLAGS.values()), "flag_meanings": " ".join(contract.FLAGS)} | grid,
    }  # fmt: skip
    tags = {"made_by": f"swath {learned.task}", "method": "; ".join(dict.fromkeys(learned.chosen))}
    tags |= {"simulated": "True"} if simulated else {}
    return run_series(
        cube, answer, layers, path, frame=frame, attrs=attrs, tags=tags,
        fingerprint=[mark, answer.facts()], allow=allow, window=window, workers=workers, progress=progress,
    )  # fmt: skip


def _layers(cube: xr.DataArray, dates: int) -> list[Layer]:
    from swath.cube.blocks import Layer

    kind, nodata = cube.dtype, float("nan")
    if kind.kind in "iu":
        stored = {float(v) for v in cube.coords["nodata"].values}
        whole = stored.pop() if len(stored) == 1 else float("nan")
        if not np.isfinite(whole):
            kind = np.dtype("int16" if kind.itemsize == 1 else "int32")
            whole = float(np.iinfo(kind).min)
        nodata = whole
    else:
        kind = np.dtype("float32")
    n = dates * cube.sizes["band"]
    return [
        Layer("values", kind.name, nodata, ("",) * n),
        Layer("low", "float32", float("nan"), ("",) * n),
        Layer("high", "float32", float("nan"), ("",) * n),
        Layer("filled", "uint8", NOTHING, ("",) * n),
        Layer("flag", "uint8", 1, ("",) * dates),
    ]


def named(cubes: Mapping[str, Any], stem: str) -> dict[str, str]:
    """{cube: file name of its store}."""
    plain = {n: "".join(c if c.isalnum() or c in "-._" else "-" for c in n) for n in cubes}
    return {n: f"{stem}.zarr" if len(cubes) == 1 else f"{stem}_{plain[n]}.zarr" for n in cubes}
