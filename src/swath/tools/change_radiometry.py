"""Both dates of a pair in one set of bands, one unit and one radiometry, as one classifier must read them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from swath.errors import BandError, LabelError, UnitError
from swath.tools.change_pair import BEFORE, SIDES, Pair, samples, shared_bands

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fit_together"]

_PHYSICAL = ("reflectance", "toa_reflectance", "brightness_temperature", "temperature", "backscatter", "index")


def fit_together(pair: Pair, reference: str, normalise: str, seed: int) -> Pair:
    """The pair with the bands that both have, the other date in the units and radiometry of the reference date.

    normalise: auto brings it there where the units of either are not physical, or differ. Raises BandError without a
    common band, UnitError when units differ and may not be brought together.
    """
    shared = shared_bands(pair.before, pair.after)
    if not shared:
        raise BandError(
            rule="labels of one date need the same bands on both",
            got=f"{_names(pair.before)} and {_names(pair.after)}",
            remedy="give pairs of one kind of sensor, or labels of pairs (--pairs)",
        )
    notes = list(pair.notes)
    cut = [cube.isel(band=[s[i] for s in shared]) for i, cube in enumerate((pair.before, pair.after))]
    if len(shared) < max(pair.before.sizes["band"], pair.after.sizes["band"]):
        notes.append(f"bands that both dates have: {_names(cut[0])}")
    keep, other = (0, 1) if reference == BEFORE else (1, 0)
    alike = all(list(cut[0].coords[n].values) == list(cut[1].coords[n].values) for n in ("quantity", "units"))
    physical = all(str(q) in _PHYSICAL for c in cut for q in c.coords["quantity"].values)
    if normalise == "no" and not alike:
        raise UnitError(
            rule="one classifier reads both dates in one unit",
            got=f"{_units(cut[0])} and {_units(cut[1])}",
            remedy="leave --normalise auto, or settle units with --scale and --offset",
        )
    if normalise == "yes" or (normalise == "auto" and not (alike and physical)):
        cut[other], said = _normalised(replace(pair, before=cut[0], after=cut[1]), keep, seed)
        notes.append(said)
    names = ("band", "wavelength", "fwhm", "gsd", "quantity", "units", "common", "polarisation")
    coords = {n: ("band", cut[keep].coords[n].values) for n in names if n in cut[keep].coords}
    drop = [n for n in ("common", "polarisation") if n in cut[other].coords and n not in coords]
    cut[other] = cut[other].drop_vars(drop).assign_coords(coords)
    return replace(pair, before=cut[0], after=cut[1], notes=tuple(notes))


def _names(cube: xr.DataArray) -> str:
    return ", ".join(str(b) for b in cube.coords["band"].values[:12])


def _units(cube: xr.DataArray) -> str:
    return ", ".join(
        sorted({f"{q} ({u})" for q, u in zip(cube.coords["quantity"].values, cube.coords["units"].values, strict=True)})
    )


def _normalised(pair: Pair, keep: int, seed: int) -> tuple[xr.DataArray, str]:
    """The other date brought to the radiometry of the kept one by pixels that did not change, and how, in words."""
    from swath.baseline import mad
    from swath.cube.adjust import scaled

    pixels: list[list[np.ndarray]] = [[], []]
    for batch in samples(pair, seed):
        values = [batch.pixels[n].values[0, 0] for n in SIDES]
        seen = np.logical_and(*(batch.pixels[n].valid[0, 0].all(0) for n in SIDES))
        for part, v in zip(pixels, values, strict=True):
            part.append(v[:, seen].T)
    x, y = (np.concatenate(p) for p in pixels)
    step = max(1, len(x) // 40_000)
    x, y = x[::step], y[::step]
    if len(x) <= 2 * x.shape[1]:
        raise LabelError(rule="normalisation needs pixels seen on both dates", got=f"{len(x)}", remedy="widen --area")
    _, weight = mad.fit(x, y)
    made = mad.normalisation(*((x, y) if keep == 0 else (y, x)), weight)
    cube = pair.after if keep == 0 else pair.before
    said = (
        made.said()
        if keep == 0
        else made.said().replace("after date is", "before date is").replace("of the before date", "of the after date")
    )
    return scaled(cube, made.gain.tolist(), made.offset.tolist()), said
