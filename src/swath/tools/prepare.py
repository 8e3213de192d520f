"""Scenes made ready: tiled files with overviews in one CRS, spectral indices, cloud-free composites: the verb `prepare`."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from swath.errors import BandError, OutputError, SwathError, UnitError
from swath.tools.job import Job, Progress
from swath.tools.preparing import ALLOW, Piece, Series, Todo, as_piece, pieces_of
from swath.tools.scenes import Opened, Reading, open_scenes

if TYPE_CHECKING:
    from swath.predict.plan import Cost

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was written. files: a record each: path (relative to out), kind, sensor, date, bands, units, dates_used."""

    out: str
    files: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    failed: int = 0

    @property
    def exit_code(self) -> int:
        """3 when some windows are missing, else 0."""
        return 3 if self.failed else 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"out": self.out, "files": list(self.files), "notes": list(self.notes), "failed_windows": self.failed}

    def __str__(self) -> str:
        lines = [f"in {self.out}:"]
        for f in self.files:
            bands = ", ".join(f["bands"][:6]) + (f" ... ({len(f['bands'])})" if len(f["bands"]) > 6 else "")
            used = f"  from {f['dates_used']} dates" if f.get("dates_used", 0) > 1 else ""
            lines.append(f"  {f['path']}  {f['kind']}: {bands} [{f['units']}]{used}")
        lines += [f"note: {n}" for n in self.notes]
        if self.failed:
            lines.append(f"{self.failed} windows failed three times and are no data")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def prepare(
    scenes: list[str],
    *,
    out: str | Path = "prepared",
    index: str | None = None,
    composite: Literal["median", "clearest"] | None = None,
    every: str | None = None,
    gsd: float | None = None,
    crs: str | None = None,
    clouds: bool = False,
    plan: bool = False,
    scheduler: str = "threads",
    workers: int | None = None,
    area: str | None = None,
    dates: str | None = None,
    bands: list[str] | None = None,
    offset: float | None = None,
    scale: float | None = None,
    sensor: str | None = None,
    safe: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Write scenes so that reading is fast, with indices and cloud-free composites, in physical units.

    All scenes come onto one grid. One date becomes a tiled GeoTIFF with overviews (Zstandard; pixels under cloud or shadow are no
    data); several dates become one Zarr store with dates and flags, or one GeoTIFF a period where a composite is asked
    for, beside the number of dates used for each pixel. Interrupted, the same command goes on where it stopped.

    Args:
        scenes: files, folders or cubes of one place; several sensors and dates as they come.
        out: folder for the files; composites in median/ or clearest/, indices in index/, counts of dates in count/.
        index: names of spyndex indices, e.g. NDVI,NDWI or NDVI[N=B8A R=665]; computed from reflectance only.
        composite: median of the usable dates, or clearest: the one date nearest to that median, all bands together.
        every: month, season, year or a number of days; one composite for each (all dates in one by default).
        gsd: pixel size in metres; the finest scene's by default.
        crs: EPSG code or WKT of the output, or utm; the first scene's by default.
        clouds: find clouds in Sentinel-2 L1C scenes that have no mask (s2cloudless, the extra clouds).
        plan: say pixels, time, memory and disk beforehand, measured on one window, and stop.
        scheduler: threads, dask, or tcp://... of a running Dask cluster.
        workers: how many threads or processes.
        area: file, or west,south,east,north in degrees.
        dates: 2019-05-01/2019-09-30, 2019-05..2019-09 or 2019.
        bands: only these bands.
        offset: settles units: physical = (stored + offset) x scale.
        scale: settles units, with offset.
        sensor: key of the sensor where the file is silent.
        safe: open files in a guarded child process.

    Returns:
        Prepared: the files with their bands and units, and what was assumed (a Cost with `plan`).

    Raises:
        UnitError: an index of numbers that are no reflectance. BandError: an index whose bands are not there.
        SwathError: a composite of scenes without dates, or `every` without a composite.
        OutputError: no room, not writable.

    Examples:
        swath prepare S2A_MSIL2A_20220101T101421.SAFE --index NDVI,NDWI --out prepared/
        swath prepare scenes/ --composite median --every month --dates 2020 --crs utm --out months/
    """
    asked = dict(locals())
    from swath.cube.composite import HOW

    if composite not in (None, *HOW):
        raise SwathError(
            rule=f"a composite is one of {', '.join(HOW)}", got=repr(composite), remedy="choose one of them"
        )
    if every is not None and composite is None:
        raise SwathError(
            rule="--every groups the dates of a composite",
            got=f"--every {every} alone",
            remedy="add --composite median or --composite clearest",
        )
    opened = open_scenes(scenes, Reading(area, dates, bands, offset, scale, sensor, safe), gsd=gsd, crs=crs)
    todo = pieces_of(_with_clouds(opened) if clouds else opened, index, composite, every)
    if plan:
        return _plan(todo, workers)
    job = Job.start("prepare", asked, opened.reads)
    return _write(job, Path(out), todo, asked, progress)


def _with_clouds(opened: Opened) -> Opened:
    """Scenes with clouds found where s2cloudless can; refused where it can in none."""
    from swath.cube.clouds import with_clouds

    cubes, notes, refusals = {}, list(opened.notes), []
    for name, cube in opened.cubes.items():
        try:
            cubes[name] = with_clouds(cube)
            notes.append(f"{name}: clouds found by s2cloudless")
        except (BandError, UnitError) as error:
            cubes[name] = cube
            refusals.append(error)
    if len(refusals) == len(cubes):
        raise refusals[0]
    return replace(opened, cubes=cubes, notes=tuple(notes))


def _plan(todo: Todo, workers: int | None) -> Cost:
    """The cost of all, measured on one window of the first of each sensor."""
    from swath.predict.plan import plan

    whole: Cost | None = None
    groups: dict[str, list[Piece]] = {}
    for piece in [*todo.pieces, *map(as_piece, todo.series)]:
        groups.setdefault(piece.name, []).append(piece)
    for pieces in groups.values():
        one = pieces[0]
        cost = plan({one.name: one.cube}, one.maker, one.layers, workers=workers, allow=ALLOW)
        n = sum(p.dates for p in pieces) / one.dates
        kept = cost.disk // 2 * len(pieces)
        part = replace(cost, windows=cost.windows * len(pieces), seconds=cost.seconds * n, disk=kept + cost.disk // 2)
        whole = part if whole is None else _sum(whole, part)
    if whole is None:
        raise SwathError(rule="there is something to prepare", got="nothing", remedy="name a scene")
    return whole


def _sum(a: Cost, b: Cost) -> Cost:
    return replace(
        a,
        windows=a.windows + b.windows,
        seconds=a.seconds + b.seconds,
        memory=max(a.memory, b.memory),
        disk=a.disk + b.disk,
    )


def _write(job: Job, out: Path, todo: Todo, asked: dict[str, Any], progress: Progress | None) -> Prepared:
    files: list[dict[str, Any]] = []
    notes = list(todo.notes)
    failed = 0
    for k, piece in enumerate(todo.pieces):
        mark = _mark(job, piece)
        if _there(out, piece, mark):
            notes.append(f"{piece.layers[0].name}: was there already, made of the same input by the same command")
        else:
            failed += _run(out, piece, mark, asked, _said(progress, k, len(todo.pieces), piece.layers[0].name))
        files += [_record(out, piece, i) for i in range(len(piece.layers))]
    for series in todo.series:
        files.append(_save(out, series, progress))
    paths = [out / f["path"] for f in files]
    result = Prepared(str(out), tuple(files), tuple(dict.fromkeys(notes)), failed)
    job.finish(out, [p for p in paths if p.is_file()], result=result.to_json() | {"out": "."})
    return result


def _said(progress: Progress | None, k: int, n: int, name: str) -> Progress | None:
    if progress is None:
        return None

    def say(done: int, total: int, what: str) -> None:
        progress(k * total + done, n * total, f"{name}: {what}" if n > 1 else what)

    return say


def _mark(job: Job, piece: Piece) -> str:
    """What decides a piece's bytes, in one word that its files carry."""
    from swath.predict.journal import fingerprint

    inputs = [{k: v for k, v in i.items() if k != "path"} for i in job.inputs]
    arguments = {k: v for k, v in job.arguments.items() if k not in ("out", "plan", "scheduler", "workers", "scenes")}
    times = [str(t) for t in piece.cube.coords["time"].values] if "time" in piece.cube.dims else []
    return fingerprint([inputs, arguments, times, [layer.facts() for layer in piece.layers]])


def _there(out: Path, piece: Piece, mark: str) -> bool:
    import rasterio

    for layer, folder in zip(piece.layers, piece.folders, strict=True):
        path = out / folder / f"{layer.name}.tif"
        if not path.is_file():
            return False
        with rasterio.open(path) as file:
            if file.tags().get("prepared") != mark:
                return False
    return True


def _run(out: Path, piece: Piece, mark: str, asked: dict[str, Any], progress: Progress | None) -> int:
    """Make one piece's files and put each in its folder; the number of windows that failed."""
    from swath.cube.blocks import fsync_folder, refuse
    from swath.predict.run import run

    layers = [replace(layer, tags={**layer.tags, "prepared": mark}, compress="ZSTD") for layer in piece.layers]
    ran = run(
        {piece.name: piece.cube},
        piece.maker,
        layers,
        out,
        fingerprint=mark,
        scheduler=asked["scheduler"],
        workers=asked["workers"],
        allow=ALLOW,
        progress=progress,
    )
    try:
        for layer, folder in zip(layers, piece.folders, strict=True):
            if folder:
                (out / folder).mkdir(exist_ok=True)
                os.replace(ran.paths[layer.name], out / folder / f"{layer.name}.tif")
                fsync_folder(out / folder)
    except OSError as error:
        raise refuse(error, out) from error
    return len(ran.failed)


def _record(out: Path, piece: Piece, i: int) -> dict[str, Any]:
    layer = piece.layers[i]
    path = Path(piece.folders[i]) / f"{layer.name}.tif"
    if not (out / path).is_file():
        raise OutputError(rule="what was written stays", got=f"{path} is gone", remedy="run the same command again")
    units = list(dict.fromkeys(str(t.get("units", "1")) for t in layer.band_tags))
    bands = [str(t.get("band", b)) for t, b in zip(layer.band_tags, layer.bands, strict=True)]
    quantities = list(dict.fromkeys(str(t.get("quantity", "")) for t in layer.band_tags))
    return {
        "path": path.as_posix(),
        "kind": piece.kinds[i],
        "sensor": str(piece.cube.attrs.get("sensor") or "") or None,
        "date": piece.date or None,
        "bands": bands,
        "quantity": ", ".join(quantities),
        "units": ", ".join(units),
        "dates_used": piece.dates,
    }


def _save(out: Path, series: Series, progress: Progress | None) -> dict[str, Any]:
    from swath.cube.save import save

    several = series.cube.sizes.get("time", 1) > 1
    path = Path(series.folder) / f"{series.name}{'.zarr' if several else '.tif'}"
    if progress is not None:
        progress(0, 1, f"writing {path.name}")
    (out / series.folder).mkdir(parents=True, exist_ok=True)
    tags = {} if several or "time" not in series.cube.dims else {"date": str(series.cube.coords["time"].values[0])[:10]}
    save(series.cube, out / path, tags=tags, compress="ZSTD")
    c = series.cube.coords
    return {
        "path": path.as_posix(),
        "kind": series.kind,
        "sensor": str(series.cube.attrs.get("sensor") or "") or None,
        "date": None,
        "bands": [str(b) for b in c["band"].values],
        "quantity": ", ".join(dict.fromkeys(str(q) for q in c["quantity"].values)),
        "units": ", ".join(dict.fromkeys(str(u) for u in c["units"].values)),
        "dates_used": int(series.cube.sizes.get("time", 1)),
    }
