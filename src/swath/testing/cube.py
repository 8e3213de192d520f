"""What a cube keeps beyond `cube.contract.check`: values fit their quantity, windows keep their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from swath.cube import contract
from swath.testing.rules import run

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

__all__ = ["RULES", "check_cube"]

_POSSIBLE = {
    "reflectance": (-0.5, 2.0), "toa_reflectance": (-0.5, 2.0), "temperature": (150.0, 400.0),
    "brightness_temperature": (100.0, 450.0), "elevation": (-500.0, 9_000.0), "probability": (0.0, 1.0),
}  # fmt: skip


def keeps_the_contract(cube: xr.DataArray) -> str:
    """Dimensions, coordinates, quantities and dates are as the contract says."""
    return contract.check(cube)


def values_are_possible(cube: xr.DataArray) -> str:
    """Nine tenths of usable floats lie where their quantity can be (reflectance -0.5 to 2, kelvin, metres)."""
    if cube.dtype.kind != "f":
        return ""
    for i, quantity in enumerate(cube.coords["quantity"].values):
        part = cube.isel(band=i)
        values = np.asarray(part.values)
        values = values[np.isfinite(values)]
        low, high = _POSSIBLE.get(str(quantity), (-np.inf, np.inf))
        if values.size and ((values >= low) & (values <= high)).mean() < 0.9:
            return f"band {cube.coords['band'].values[i]}: {quantity} from {values.min():.4g} to {values.max():.4g}"
    return ""


def windows_keep_their_place(cube: xr.DataArray) -> str:
    """A window cut from it has the same CRS and lies where it was cut."""
    box = contract.grid(cube)
    if box is None or min(cube.sizes["y"], cube.sizes["x"]) < 3:
        return ""
    cut = contract.grid(cube.isel(y=slice(1, 3), x=slice(2, 3)))
    if cut is None or cut.crs != box.crs:
        return "a window loses its CRS"
    here, a = cut.affine, box.affine
    wanted = (2 * a.a + a.b + a.c, 2 * a.d + a.e + a.f)
    size = abs(a.a) + abs(a.b)
    off = max(abs(here.c - wanted[0]), abs(here.f - wanted[1]))
    return f"a window lies {off:.3g} units off" if off > 1e-3 * size else ""


def reads_the_same_in_parts(cube: xr.DataArray) -> str:
    """A window read alone equals the same window of the whole."""
    if "y" not in cube.dims:
        return ""
    h, w = cube.sizes["y"], cube.sizes["x"]
    rows, columns = slice(h // 3, h // 3 + max(1, h // 3)), slice(w // 2, w)
    alone, whole = cube.isel(y=rows, x=columns).values, cube.values[..., rows, columns]
    return "" if np.array_equal(alone, whole, equal_nan=whole.dtype.kind == "f") else "a window differs from the whole"


RULES: tuple[Callable[[xr.DataArray], str], ...] = (
    keeps_the_contract, values_are_possible, windows_keep_their_place, reads_the_same_in_parts,
)  # fmt: skip


def check_cube(cube: xr.DataArray) -> None:
    """Run RULES over a cube (it is read whole). Raises SwathError that names every broken rule."""
    run(f"the cube of {contract.sensor_key(cube) or 'no known sensor'}", RULES, cube)
