"""A packed file made a GeoTIFF or Zarr store again: the verb `unpack`."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swath.errors import FormatError, OutputError
from swath.tools.job import Job, Progress, can_be_written, write_json
from swath.tools.scenes import Reading

__all__ = ["Unpacked", "unpack"]


@dataclass(frozen=True, slots=True)
class Unpacked:
    """files: what was written, one for each native grid (and flag). promise: what the packed file says may have been lost."""

    out: str
    files: tuple[str, ...]
    promise: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"out": self.out, "files": list(self.files), "promise": self.promise, "notes": list(self.notes)}

    def __str__(self) -> str:
        lines = [f"{self.out}", f"  packed    {self.promise}", *(f"  and       {f}" for f in self.files[1:])]
        return "\n".join([*lines, *(f"  note      {n}" for n in self.notes)])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def unpack(
    packed: str | Path,
    *,
    out: str | Path = "scene.tif",
    area: str | None = None,
    dates: str | None = None,
    bands: list[str] | None = None,
    safe: bool = False,
    progress: Progress | None = None,
) -> Unpacked:
    """Write a packed file as GeoTIFF or Zarr again: stored numbers, nodata, scale and offset as they were.

    Every checksum is compared on the way: a file that changed by one bit is refused. A Zarr store keeps dates and flags;
    a GeoTIFF has one band for each date and band, and the flag in a file beside it.

    Args:
        packed: a file of swath pack.
        out: NAME.tif or NAME.zarr; scenes of several native grids become NAME_10m.tif, NAME_20m.tif and so on.
        area: file or bbox west,south,east,north; only its chunks are decoded.
        dates: 2019-05-01/2019-09-30, 2019-05..2019-09 or 2019.
        bands: only these bands.
        safe: open the file in a guarded child process.

    Returns:
        Unpacked: the files, and what the packed file had promised.

    Raises:
        FormatError: no packed file, cut short or damaged. OutputError: no room, not writable, or another ending.

    Examples:
        swath unpack scene.swath --out scene.tif
        swath unpack series.swath --out series.zarr --dates 2020
    """
    asked = dict(locals())
    from swath.cube.open import layers_of, understand
    from swath.cube.packed import claims
    from swath.cube.unpacking import save_stored

    path, name = Path(out), str(packed)
    if path.suffix not in (".tif", ".tiff", ".zarr"):
        raise OutputError(
            rule="a packed file becomes a GeoTIFF or a Zarr store", got=path.name, remedy="--out NAME.tif or NAME.zarr"
        )
    can_be_written(path.parent)
    if "://" not in name and not Path(name).exists():
        raise FormatError(rule="the packed file exists", got=f"{name}, which does not", remedy="check the path")
    if not claims(name):
        raise FormatError(rule="unpack takes a file of swath pack", got=name, remedy="name a .swath file")
    reading = Reading(area=area, dates=dates, bands=bands, safe=safe)
    scene = understand(name, **reading.options())
    job = Job.start("unpack", asked, [name])
    untold = layers_of(name, safe)[0].tags.get("nodata") == "untold"
    written: list[Path] = []
    notes: list[str] = []
    for done, (gsd, piece) in enumerate(scene.pieces.items()):
        if progress is not None:
            progress(done, len(scene.pieces), "unpacking")
        target = path if len(scene.pieces) == 1 else path.with_name(f"{path.stem}_{gsd:g}m{path.suffix}")
        files, said = save_stored(piece, target, untold=untold)
        written += files
        notes += said
    if progress is not None:
        progress(len(scene.pieces), len(scene.pieces), "")
    result = Unpacked(
        out=str(path),
        files=tuple(p.name for p in written),
        promise=next((n.partition(": ")[2] for n in scene.notes if n.startswith("packed: ")), "not told"),
        notes=tuple(dict.fromkeys(notes)),
    )
    record = job.record(written, path.parent, out_name=path.name, result=result.to_json() | {"out": path.name})
    write_json(path.with_name(path.name + ".run.json"), record)
    return result
