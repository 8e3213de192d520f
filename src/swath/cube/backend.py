"""Packed files in plain xarray: `xr.open_dataset("scene.swath")`, by the entry point `xarray.backends`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from xarray.backends import BackendEntrypoint

from swath.cube.packed import claims, open_packed
from swath.errors import GridError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SwathBackend"]


class SwathBackend(BackendEntrypoint):  # type: ignore[misc]
    """Lazy variables of a packed file: only the chunks of a window that is asked for are read and decoded."""

    description = "Open packed scenes (.swath) of swath"
    url = "https://swath.readthedocs.io"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "mask_and_scale", "gsd")
    supports_groups = True

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        mask_and_scale: bool = True,
        gsd: float | None = None,
    ) -> xr.Dataset:
        """The variable `values` (time, band, y, x) with the cube's coordinates.

        mask_and_scale: physical values, missing is NaN; False gives stored numbers, whose nodata, scale and offset are
        coordinates of the bands. gsd: which grid of a file with several, in metres; the finest by default.
        Raises FormatError for damaged files, GridError for a grid that is not there.
        """
        grids = _grids(filename_or_obj, mask_and_scale)
        if gsd is None:
            found = next(iter(grids.values()))
        else:
            near = [k for k in grids if abs(k - gsd) < 0.01 * gsd]
            if not near:
                there = ", ".join(f"{k:g}" for k in grids)
                raise GridError(rule="gsd names a grid of the file", got=f"{gsd:g} m", remedy=f"there are {there} m")
            found = grids[near[0]]
        if len(grids) > 1:
            found.attrs["grids"] = " ".join(f"{k:g}" for k in grids)
        names = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or [])
        return found.drop_vars([n for n in names if n in found.variables])

    def open_groups_as_dict(  # type: ignore[override]
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        mask_and_scale: bool = True,
    ) -> dict[str, xr.Dataset]:
        """{"/": empty, "/10m": dataset, ...}: one group for each native grid."""
        import xarray as xr

        names = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or [])
        grids = _grids(filename_or_obj, mask_and_scale)
        found = {f"/{k:g}m": d.drop_vars([n for n in names if n in d.variables]) for k, d in grids.items()}
        return {"/": xr.Dataset(), **found}

    def open_datatree(self, filename_or_obj: Any, **options: Any) -> xr.DataTree:
        """All native grids as a tree."""
        import xarray as xr

        return xr.DataTree.from_dict(self.open_groups_as_dict(filename_or_obj, **options))

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether this is a packed file, by its first bytes or name."""
        return isinstance(filename_or_obj, (str, os.PathLike)) and claims(str(filename_or_obj))


def _grids(path: Any, physical: bool) -> dict[float, xr.Dataset]:
    from swath.cube.open import understand
    from swath.cube.unpacking import stored_cube

    scene = understand(str(path))
    chunks = [(*g.chunk, len(g.groups[0])) for g in open_packed(str(path)).header.grids]
    out: dict[float, xr.Dataset] = {}
    for (gsd, piece), (dates, rows, columns, bands) in zip(scene.pieces.items(), chunks, strict=True):
        if physical:
            cube = scene.cubes[gsd]
        else:
            cube, rules = stored_cube(piece)
            cube = cube.assign_coords(scale=("band", [s for s, _ in rules]), offset=("band", [o for _, o in rules]))
        units = {str(u) for u in cube.coords["units"].values}
        if physical and len(units) == 1:
            cube.attrs["units"] = units.pop()
        frame = cube.to_dataset(name="values")
        sizes = {"time": dates, "band": bands, "y": rows, "x": columns}
        frame["values"].encoding["preferred_chunks"] = {d: sizes[d] for d in frame["values"].dims}
        if scene.doubt is not None:
            frame.attrs["units_left_open"] = str(scene.doubt)
        frame.attrs["packed"] = str(open_packed(str(path)).header.promise.get("words", ""))
        out[gsd] = frame
    return out
