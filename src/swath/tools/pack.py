"""Scenes made small in one file that says what was lost: the verb `pack`."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from swath.errors import OutputError, SwathError
from swath.tools.job import Job, Progress, can_be_written, write_json
from swath.tools.scenes import Reading

__all__ = ["Packed", "pack"]


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed file and what was measured when it was decoded again.

    original_bytes: of the files that were read (None where they are no local files); raw_bytes: of their numbers,
    uncompressed. bits_per_value: of the packed file for each value that counts, everything included; bits_stored, and
    bits_that_tell: of those the ones that the range of the values needs. max_error: {unit: largest error}.
    """

    out: str
    promise: str
    shape: dict[str, int]
    original_bytes: int | None
    raw_bytes: int
    packed_bytes: int
    values: int
    bits_per_value: float
    bits_stored: int
    bits_that_tell: float
    max_error_stored: float
    max_error: dict[str, float]
    psnr_db: float | None
    peak: str
    bands: list[dict[str, Any]] = field(default_factory=list)
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values; psnr_db is null where nothing was lost."""
        record = {name: getattr(self, name) for name in self.__slots__}
        return record | {"files": list(self.files), "notes": list(self.notes)}

    def __str__(self) -> str:
        return "\n".join(
            [self.out, *(f"  {k:<9} {v}" for k, v in self._lines()), *(f"  note      {n}" for n in self.notes)]
        )

    def _lines(self) -> list[tuple[str, str]]:
        s = self.shape
        before = "" if self.original_bytes is None else f"{self.original_bytes:,} in the files, "
        errors = ", ".join(f"{v:.6g} {u}".strip() for u, v in self.max_error.items())
        lost = self.max_error_stored > 0
        quality = "undefined: the bands are constant" if lost else "no error"
        if self.psnr_db is not None:
            quality = f"{self.psnr_db:.2f} dB ({self.peak})"
        lines = [
            ("holds", f"{s['band']} bands, {s['time']} dates, {s['y']} x {s['x']} pixels"),
            ("promised", self.promise),
            ("bytes", f"{self.packed_bytes:,} ({before}{self.raw_bytes:,} as plain numbers)"),
            (
                "rate",
                f"{self.bits_per_value:.3f} bits a value of {self.bits_that_tell:.1f} that tell ({self.bits_stored} stored)",
            ),
            (
                "max error",
                f"{errors} ({self.max_error_stored:g} in stored numbers)" if lost else "0: every bit as it was",
            ),
            ("PSNR", quality),
            ("verified", "every chunk was decoded and compared"),
        ]
        return [*lines, *(("and", f) for f in self.files[1:])]

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in self._lines())
        return f"<table><caption>{html.escape(self.out)}</caption>{rows}</table>"


def pack(
    scenes: list[str],
    *,
    out: str | Path = "scene.swath",
    lossless: bool = False,
    max_error: list[str] | None = None,
    psnr: float | None = None,
    peak: float | None = None,
    curve: bool = False,
    labels: Any = None,
    column: str | None = None,
    xy: str | None = None,
    seed: int = 0,
    workers: int | None = None,
    area: str | None = None,
    dates: str | None = None,
    bands: list[str] | None = None,
    offset: float | None = None,
    scale: float | None = None,
    sensor: str | None = None,
    safe: bool = False,
    progress: Progress | None = None,
) -> Packed:
    """Make scenes small in one file: nothing lost, or a largest error or quality that is kept and measured.

    The file (.swath) keeps stored numbers, missing values, flags, units, grid and dates; every verb, swath.open and xarray
    open it, window by window. It counts as written when all of it was decoded and compared. Without a choice nothing is lost.

    Args:
        scenes: files, folders or a cube of one sensor; several are stacked over dates.
        out: the packed file, NAME.swath.
        lossless: keep every stored number bit by bit.
        max_error: largest error of any value: 20 (stored numbers), 5,5,10 (for each band), or "0.002 reflectance", "0.5 K".
        psnr: quality to reach in dB, with as large an error as that allows.
        peak: what the dB are measured against, in the bands' unit: by default 1 for reflectance, 255 for bytes, else the range.
        curve: also measure the scene at several errors: NAME.report.html and NAME.rate.json.
        labels: points, polygons or a mask: what each error does to the map they make, with an interval (asks for the curve).
        column: the column of the labels that holds class or number.
        xy: columns of a CSV for x and y, or lat,lon to swap the axes of a file.
        seed: of the map's folds and models.
        workers: how many threads; as many as there are cores by default.
        area: file or bbox west,south,east,north.
        dates: 2019-05-01/2019-09-30, 2019-05..2019-09 or 2019.
        bands: only these bands.
        offset: settles units: physical = (stored + offset) x scale.
        scale: settles units, with offset.
        sensor: key of the sensor where the file is silent.
        safe: open files in a guarded child process.

    Returns:
        Packed: bytes before and after, bits a value, and the errors that were measured.

    Raises:
        SwathError: options that contradict, scenes of several sensors. UnitError: an error in a unit that no band has.
        OutputError: no room, not writable, or another ending than .swath. LabelError: labels that make no map.

    Examples:
        swath pack S2A_MSIL2A_20220101T101421.SAFE --max-error "0.002 reflectance" --out scene.swath
        swath pack scenes/*.tif --psnr 55 --labels fields.gpkg --out series.swath
    """
    asked = dict(locals())
    from swath.cube.packed import SUFFIX
    from swath.tools.packing import bytes_of, pack_parts, parts_of, tags_of
    from swath.tools.promise import promise_of

    path = Path(out)
    if path.suffix != SUFFIX:
        raise OutputError(
            rule=f"a packed file is called NAME{SUFFIX}", got=str(path), remedy=f"--out {path.stem}{SUFFIX}"
        )
    if workers is not None and workers < 1:
        raise SwathError(rule="at least one thread works", got=f"--workers {workers}", remedy="leave it out")
    promise = promise_of(lossless, max_error, psnr, peak)
    can_be_written(path.parent)
    notes: list[str] = []
    parts = parts_of(scenes, Reading(area, dates, bands, offset, scale, sensor, safe), notes)
    many = [scenes] if isinstance(scenes, (str, Path)) or hasattr(scenes, "dims") else list(scenes)
    job = Job.start("pack", asked, [*many, *([labels] if labels is not None else [])])
    tags = tags_of(scenes, parts, safe)
    file, _ = pack_parts(parts, path, promise, notes=notes, tags=tags, workers=workers, progress=progress)
    more: list[Path] = []
    if curve or labels is not None:
        from swath.tools.rate_report import write_curve

        options = {"column": column, "xy": xy}
        grouped = [replace(p, dates=g.chunk[0]) for p, g in zip(parts, file.header.grids, strict=True)]
        more = write_curve(path, grouped, max_error, labels, options, seed=seed, progress=progress)
    before = bytes_of(many)
    if before is not None and file.size > before:
        notes.append("the files were smaller: they are coded with loss already (JPEG), or hold next to nothing")
    result = _result(path, file, parts, before, promise.words, notes)
    result = replace(result, files=(path.name, *(p.name for p in more)))
    record = job.record([path, *more], path.parent, out_name=path.name, result=result.to_json() | {"out": path.name})
    write_json(path.with_name(path.name + ".run.json"), record)
    return result


def _result(path: Path, file: Any, parts: Any, before: int | None, promise: str, notes: list[str]) -> Packed:
    told = file.certificate
    sizes = [p.source.shape for p in parts]
    raw = sum(math.prod(p.source.shape) * p.source.dtype.itemsize for p in parts)
    raw += sum(math.prod((s[0], *s[2:])) for p, s in zip(parts, sizes, strict=True) if p.flag is not None)
    worst: dict[str, float] = {}
    for b in told["bands"]:
        if b["max_error"] is not None and parts[b["grid"]].bands:
            band = next(x for x in parts[b["grid"]].bands if x.name == b["band"])
            unit = (
                "reflectance"
                if band.quantity.endswith("reflectance")
                else b["units"]
                if b["units"] != "1"
                else band.quantity
            )
            worst[unit] = max(worst.get(unit, 0.0), b["max_error"])
    first = sizes[0]
    return Packed(
        out=str(path),
        promise=promise,
        shape={"time": first[0], "band": sum(s[1] for s in sizes), "y": first[2], "x": first[3]},
        original_bytes=before,
        raw_bytes=raw,
        packed_bytes=file.size,
        values=told["values"],
        bits_per_value=8.0 * file.size / told["values"] if told["values"] else 0.0,
        bits_stored=parts[0].source.dtype.itemsize * 8,
        bits_that_tell=told["bits_that_tell"],
        max_error_stored=told["max_error_stored"],
        max_error=worst,
        psnr_db=told["psnr_db"],
        peak=told["peak"],
        bands=told["bands"],
        files=(path.name,),
        notes=tuple(dict.fromkeys(notes)),
    )
