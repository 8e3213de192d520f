"""What swath understands of a file, folder, store or URL, and why: the verb `info`."""

from __future__ import annotations

import html
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import FormatError, SwathError
from swath.tools.job import Progress

if TYPE_CHECKING:
    import numpy as np
    from odc.geo.geobox import GeoBox

    from swath.cube.scene import Piece, Scene

__all__ = ["Info", "info"]

WHOLE = 16_000_000  # pixels that are all looked at; beyond, an overview is


@dataclass(frozen=True, slots=True)
class Info:
    """One path as understood. Fields as in the JSON; `refused` is the error's text when the path cannot be opened."""

    path: str
    sensor: str | None = None
    quantity: str | None = None
    units: str | None = None
    bands: list[dict[str, Any]] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    crs: str | None = None
    shape: dict[str, int] | None = None
    transform: list[float] | None = None
    bounds_lonlat: list[float] | None = None
    valid_share: float | None = None
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    grids: list[dict[str, Any]] = field(default_factory=list)
    refused: str = ""

    @property
    def exit_code(self) -> int:
        """2 when the path was refused."""
        return 2 if self.refused else 0

    def to_json(self) -> dict[str, Any]:
        """The object that `swath info --json` prints; `grids` only for scenes with several native grids."""
        names = [n for n in self.__dataclass_fields__ if n not in ("grids", "refused")]
        record = {name: getattr(self, name) for name in names}
        if len(self.grids) > 1:
            record["grids"] = self.grids
        return record

    def __str__(self) -> str:
        if self.refused:
            return f"{self.path}\n  refused   {self.refused}"
        return "\n".join([self.path, *(f"  {k:<9} {v}" for k, v in _lines(self)), *_table(self)])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in _lines(self))
        return f"<table><caption>{html.escape(self.path)}</caption>{rows}</table>"


def info(
    paths: list[str | Path],
    *,
    quicklook: Path | None = None,
    sensor: str | None = None,
    offset: float | None = None,
    scale: float | None = None,
    area: str | None = None,
    dates: str | None = None,
    bands: list[str] | None = None,
    safe: bool = False,
    progress: Progress | None = None,
) -> list[Info]:
    """Say what files, folders, stores or URLs hold: sensor, bands, units, dates, grid, valid share, and why.

    Ambiguous units are reported, with the flag that settles them; the numbers then stay digital numbers.

    Args:
        paths: Files, folders, Zarr stores, URLs or STAC items.
        quicklook: Write a picture: a PNG for one path, a folder for several.
        sensor: A key of the sensor table, where names and bands do not tell.
        offset: Settles units: physical = (stored + offset) x scale; 0 means none.
        scale: Settles units: the factor.
        area: A vector file, or west,south,east,north in degrees.
        dates: One date, month or year, or FIRST/LAST.
        bands: Names of bands, colours, or letters of spectral indices.
        safe: Read untrusted files in a child process with limits.
        progress: Called with (done, total, what).

    Returns:
        One Info for each path; of several paths, those that cannot be opened carry the reason in `refused`.

    Raises:
        SwathError: The only path cannot be opened, or an option does not fit it.

    Examples:
        swath info scene.tif
        swath info S2A_MSIL2A_20220101T101421.SAFE --json --quicklook look.png
    """
    many = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if not many:
        raise FormatError(rule="info looks at one path or more", got="none", remedy="name a file or folder")
    options = {
        "sensor": sensor, "offset": offset, "scale": scale, "area": area, "dates": dates, "bands": bands, "safe": safe,
    }  # fmt: skip
    results = []
    for done, path in enumerate(many):
        if progress is not None:
            progress(done, len(many), str(path))
        try:
            results.append(_one(path, options, _picture(quicklook, path, len(many))))
        except SwathError as error:
            if len(many) == 1:
                raise
            results.append(Info(str(path), problems=[str(error)], refused=str(error)))
    if progress is not None:
        progress(len(many), len(many), "")
    return results


def _picture(quicklook: Path | None, path: str | Path, n: int) -> Path | None:
    if quicklook is None:
        return None
    target = Path(quicklook)
    if n > 1 or target.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return target / f"{Path(str(path).rstrip('/')).stem}.png"
    return target


def _one(path: str | Path, options: dict[str, Any], picture: Path | None) -> Info:
    from swath.cube.open import understand

    scene = understand(path, **options)
    notes = list(scene.notes)
    first = next(iter(scene.pieces.values()))
    if len(scene.pieces) > 1:
        sizes = ", ".join(f"{gsd:g} m ({len(p.bands)})" for gsd, p in scene.pieces.items())
        notes.append(f"several native grids: {sizes} bands; the finest stands at the top")
    problems = list(scene.problems)
    share = valid_share(first, notes, problems)
    bounds = bounds_lonlat(first.geobox, notes)
    if picture is not None:
        from swath.tools.quicklook import quicklook

        notes.append(quicklook(first, picture)[1])
    quantity, units = _common(first, notes)
    return Info(
        path=str(path),
        sensor=scene.sensor,
        quantity=quantity,
        units=units,
        bands=_bands(first),
        dates=_dates(scene),
        crs=_crs(first.geobox),
        shape=_shape(first),
        transform=_transform(first.geobox),
        bounds_lonlat=bounds,
        valid_share=share,
        notes=notes,
        problems=problems,
        grids=[_grid(gsd, piece) for gsd, piece in scene.pieces.items()],
    )


def _bands(piece: Piece) -> list[dict[str, Any]]:
    from swath.cube.settle import describe

    return [describe(b) for b in piece.bands]


def _common(piece: Piece, notes: list[str]) -> tuple[str, str]:
    """Quantity and units of most bands; what the others are is said."""
    counts = Counter((b.quantity, b.units) for b in piece.bands)
    (best, _), *others = counts.most_common()
    if others:
        more = ", ".join(f"{n} of {q} in {u}" for (q, u), n in others)
        notes.append(f"quantity and units at the top are those of most bands; there are also {more}")
    return best


def _dates(scene: Scene) -> list[str]:
    import numpy as np

    times = [p.time for p in scene.pieces.values() if p.time is not None]
    if not times:
        return []
    out = []
    for moment in np.unique(np.concatenate(times)):
        text = str(moment.astype("datetime64[s]"))
        out.append(text[:10] if text.endswith("T00:00:00") else text + "Z")
    return out


def _shape(piece: Piece) -> dict[str, int]:
    t, b, h, w = piece.source.shape
    return {"time": int(t), "band": int(b), "y": int(h), "x": int(w)}


def _crs(box: GeoBox | None) -> str | None:
    if box is None or box.crs is None:
        return None
    epsg = box.crs.epsg
    return f"EPSG:{epsg}" if epsg is not None else " ".join(str(box.crs.to_wkt()).split())


def _transform(box: GeoBox | None) -> list[float] | None:
    return None if box is None else [float(v) for v in tuple(box.affine)[:6]]


def _grid(gsd: float, piece: Piece) -> dict[str, Any]:
    return {
        "gsd_m": None if math.isnan(gsd) else gsd,
        "crs": _crs(piece.geobox),
        "shape": _shape(piece),
        "transform": _transform(piece.geobox),
        "bands": _bands(piece),
    }


def valid_share(piece: Piece, notes: list[str], problems: list[str]) -> float | None:
    """Share of pixels (over all dates) that are finite and not nodata in every band; from an overview beyond WHOLE."""
    import numpy as np

    from swath.cube.contract import FLAGS
    from swath.cube.sources import coarse

    t, b, h, w = piece.source.shape
    step = 1 if t * h * w <= WHOLE else math.ceil(math.sqrt(t * h * w / (WHOLE / 4)))
    if step > 1:
        notes.append(f"valid share from an overview: every {step}th pixel of {t * h * w / 1e6:,.0f} megapixels")
    height, width = max(1, h // step), max(1, w // step)
    good = 0
    filled = np.zeros(b, bool)
    # Strips of all bands at once: pixel-interleaved files decode every band of a block anyway.
    rows = max(1, min(height, int(64e6 / max(1, b * width * 8))))
    group = max(1, int(64e6 / (height * width)))
    for date in range(t):
        for top in range(0, height, rows) if step == 1 else (0,):
            fine = np.ones((min(rows, height - top) if step == 1 else height, width), bool)
            if step == 1:
                window = slice(top, top + len(fine)), slice(0, width)
                fine &= _finite(piece.source.read([date], list(range(b)), *window)[0], piece, range(b), filled)
                flags = None if piece.flag is None else piece.flag.read([date], [0], *window)[0, 0]
            else:
                for first in range(0, b, group):
                    some = list(range(first, min(first + group, b)))
                    fine &= _finite(coarse(piece.source, [date], some, height, width)[0], piece, some, filled)
                flags = None if piece.flag is None else coarse(piece.flag, [date], [0], height, width)[0, 0]
            good += int((fine if flags is None else fine & (flags != FLAGS["never_seen"])).sum())
    if not filled.all():
        names = [piece.bands[i].name for i in np.flatnonzero(~filled)]
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        problems.append(
            f"no value at all in {len(names)} of {b} bands: {', '.join(names[:8])}{more}; leave them out with --bands"
        )
    return good / (t * height * width)


def _finite(values: np.ndarray, piece: Piece, bands: Any, filled: np.ndarray) -> np.ndarray:
    """(H, W) bool: finite and not nodata in all of `bands`; notes in `filled` which bands have a value."""
    import numpy as np

    good = np.isfinite(values)
    for i, b in enumerate(bands):
        if math.isfinite(piece.empty[b]):
            good[i] &= values[i] != piece.empty[b]
        filled[b] |= bool(good[i].any())
    whole: np.ndarray = good.all(axis=0)
    return whole


def bounds_lonlat(box: GeoBox | None, notes: list[str]) -> list[float] | None:
    """West, south, east, north in degrees; west > east across the 180th meridian; None without a CRS."""
    import numpy as np
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    if box is None or box.crs is None:
        return None
    height, width = box.shape
    columns, rows = np.meshgrid(np.linspace(0, width, 33), np.linspace(0, height, 33))
    x, y = box.affine @ (columns.ravel(), rows.ravel())
    try:
        lon, lat = Transformer.from_crs(box.crs.to_wkt(), "EPSG:4326", always_xy=True).transform(x, y)
    except ProjError:  # another body than the Earth
        return None
    lon, lat = np.asarray(lon), np.asarray(lat)
    if box.crs.geographic:
        lat = np.clip(lat, -90.0, 90.0)  # half a pixel beyond the pole
    fine = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= 90.0 + 1e-6)
    if not fine.any():
        notes.append("no part of the grid lies on the Earth by its CRS")
        return None
    if not fine.all():
        notes.append(f"{100 * (1 - fine.mean()):.0f} % of the grid lies off the Earth (corners of a full disc)")
    lon, lat = lon[fine], lat[fine]
    west, east = float(lon.min()), float(lon.max())
    if east > 180.0 + 1e-9 or west < -180.0 - 1e-9:
        lon = (lon + 180.0) % 360.0 - 180.0
        west, east = (-180.0, 180.0) if east - west > 359.0 else (float(lon.min()), float(lon.max()))
    ordered = np.unique(lon)
    gaps = np.diff(ordered)
    if east - west > 180.0 and gaps.size and gaps.max() > 180.0:
        place = int(gaps.argmax())
        west, east = float(ordered[place + 1]), float(ordered[place])
        notes.append("crosses the 180th meridian: the western bound is east of the eastern one")
    return [round(v, 7) for v in (west, float(lat.min()), east, float(lat.max()))]


def _lines(found: Info) -> list[tuple[str, str]]:
    """What the terminal shows, as pairs of a heading and a text."""
    shape = found.shape or {}
    lines = [("sensor", found.sensor or "not known"), ("holds", f"{found.quantity} [{found.units}]")]
    if found.dates:
        n = len(found.dates)
        lines.append(("dates", found.dates[0] if n == 1 else f"{n}, {found.dates[0]} to {found.dates[-1]}"))
    else:
        lines.append(("dates", "not known"))
    crs = found.crs or "none"
    lines.append(("grid", f"{shape.get('y')} x {shape.get('x')} pixels, {crs if len(crs) < 60 else crs[:57] + '...'}"))
    for grid in found.grids if len(found.grids) > 1 else []:
        names = ", ".join(b["name"] for b in grid["bands"][:12])
        lines.append(
            (
                f"{grid['gsd_m']:g} m" if grid["gsd_m"] else "pixels",
                f"{grid['shape']['y']} x {grid['shape']['x']}: {names}",
            )
        )
    if found.bounds_lonlat:
        west, south, east, north = found.bounds_lonlat
        lines.append(("bounds", f"lon {west:.4f} to {east:.4f}, lat {south:.4f} to {north:.4f}"))
    if found.valid_share is not None:
        lines.append(("valid", f"{100 * found.valid_share:.1f} % of pixels in every band"))
    lines += [("note", text) for text in found.notes]
    lines += [("PROBLEM", text) for text in found.problems]
    return lines


def _table(found: Info, most: int = 20) -> list[str]:
    """The bands as a table of fixed columns."""
    heads = ("band", "nm", "fwhm", "gsd m", "quantity", "units", "scale", "offset", "nodata")
    keys = ("name", "wavelength_nm", "fwhm_nm", "gsd_m", "quantity", "units", "scale", "offset", "nodata")
    shown = found.bands if len(found.bands) <= most else [*found.bands[: most - 1], found.bands[-1]]
    rows = [
        tuple("-" if b[k] is None else f"{b[k]:g}" if isinstance(b[k], float) else str(b[k]) for k in keys)
        for b in shown
    ]
    widths = [max(len(r[i]) for r in (heads, *rows)) for i in range(len(heads))]
    text = ["  " + "  ".join(v.ljust(n) for v, n in zip(r, widths, strict=True)).rstrip() for r in (heads, *rows)]
    if len(shown) < len(found.bands):
        text.insert(-1, f"  ... {len(found.bands) - most} more")
    return text
