"""Label rasters: which pixels of the scene they label and with what. Read in strips, so that a large mask costs no memory.

Here: reading, and what counts as unlabelled. Codes become classes in `coding`.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import FormatError, GridError, LabelError
from swath.sample.burn import priority

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["MaskPixels", "is_mask", "read", "zero_is_class"]

ENDINGS = (".tif", ".tiff", ".img", ".vrt", ".png", ".jp2", ".bil", ".npy", ".npy.gz", ".asc", ".bsq")
# Values that files use for "nothing here" without saying so; taken as such only where one fills most of a float raster.
FILLERS = (-1.0, -99.0, -999.0, -9999.0, -32768.0, -3.4028234663852886e38)
STRIP = 1024
MOST = 4_000_000
RARE = 2_000

Strips = Callable[[], Iterator[tuple[int, np.ndarray, np.ndarray]]]
"""Gives (first row, values (h, W), valid (h, W)) from top to bottom, each time anew."""


@dataclass(frozen=True, slots=True)
class MaskPixels:
    """Labelled pixels of the scene's grid: row, column, value (n,); whole = the raster holds integers.

    counts: {value: pixels} before any thinning. titles: {code: name} where the file's tags `class_CODE` give them.
    """

    row: np.ndarray
    column: np.ndarray
    value: np.ndarray
    whole: bool
    counts: dict[float, int]
    crs_note: str = ""
    band: str = ""
    notes: list[str] = field(default_factory=list)
    titles: dict[int, str] = field(default_factory=dict)


def is_mask(source: str | Path) -> bool:
    """Whether a path names a raster by its ending."""
    return str(source).partition("#")[0].lower().endswith(ENDINGS)


def zero_is_class(values: np.ndarray, classes: Any) -> bool:
    """0 is unlabelled, unless it was asked for or fewer than two classes would be left without it (land 0, water 1)."""
    if classes is not None:
        return any(str(c) == "0" for c in classes)
    return bool((values > 0).sum() < 2)


def read(
    source: Any,
    grid: GeoBox | None,
    shape: tuple[int, int],
    *,
    band: str | None,
    title: str,
    kind: str | None = None,
    classes: Any = None,
    seed: int = 0,
) -> MaskPixels:
    """Labelled pixels of an array, a .npy file or a raster; a raster of another grid is brought to the scene's.

    Unlabelled: nodata, NaN, a filler that fills most of a float raster; of integer codes those below 0, and 0 unless
    `zero_is_class` (all count where kind is number). Of more than 4 million labelled pixels an even, seeded share is
    kept, with every pixel of a value that has up to 2,000, and it is said.
    Raises GridError when the shapes differ and no CRS says how they lie, FormatError when the file does not open.
    """
    if isinstance(source, np.ndarray):
        return _of_array(source, shape, title, kind, classes, seed)
    file = Path(str(source).partition("#")[0])
    if not file.exists():
        raise FormatError(
            rule="labels are in a file", got=f"nothing at {file.name}", remedy="mend the path given with --labels"
        )
    if file.name.lower().endswith((".npy", ".npy.gz")):
        return _of_array(_load_npy(file), shape, title, kind, classes, seed)
    return _of_raster(file, grid, shape, band, title, kind, classes, seed)


def _load_npy(file: Path) -> np.ndarray:
    try:
        with gzip.open(file, "rb") if file.name.endswith(".gz") else file.open("rb") as stream:
            return np.asarray(np.load(stream, allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise FormatError(
            rule="a .npy mask holds a plain array",
            got=f"{file.name} ({str(error)[:80]})",
            remedy="write it with numpy.save, no objects",
        ) from error


def _refuse_shape(title: str, got: tuple[int, ...], shape: tuple[int, int]) -> GridError:
    return GridError(
        rule="a mask without georeference has the scene's shape",
        got=f"{title} of {got}, the scene has {tuple(shape)} pixels",
        remedy="give a mask of the same rows and columns, or a georeferenced one",
    )


def _of_array(values: np.ndarray, shape: tuple[int, int], title: str, kind: Any, classes: Any, seed: int) -> MaskPixels:
    flat = values.squeeze() if values.ndim > 2 else values
    if flat.shape != tuple(shape):
        raise _refuse_shape(title, flat.shape, shape)
    if flat.dtype.kind not in "iufb":
        raise LabelError(rule="a mask holds numbers", got=f"{title} of {flat.dtype}", remedy="write integer codes")

    def strips() -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        for top in range(0, shape[0], STRIP):
            part = flat[top : top + STRIP]
            yield top, part, np.isfinite(part)

    found = _gathered(strips, flat.dtype, shape[1], title, kind, classes, seed)
    return replace(found, crs_note="the mask has the scene's rows and columns")


def _gathered(
    strips: Strips, dtype: np.dtype, width: int, title: str, kind: Any, classes: Any, seed: int
) -> MaskPixels:
    """Twice through the strips: to count, then to take."""
    whole = np.dtype(dtype).kind in "iub"
    if kind == "class" and not whole:
        strips, whole = _rounded(strips), True
    if whole:
        counts, notes = _labelled(_counted(strips), kind, classes, title)
        total, filler = sum(counts.values()), None
    else:
        total, filler, notes = _without_filler(strips, title)
        counts = {}
    share = min(1.0, MOST / total) if total else 1.0
    if share < 1:
        notes.append(f"{total:,} labelled pixels in {title}: an even, seeded share of about {MOST:,} is used")
    wanted = np.array(sorted(counts))
    rare = np.array([v for v in wanted if counts[v] <= RARE])
    parts = []
    for top, values, valid in strips():
        use = valid & np.isin(values, wanted) if whole else valid
        if filler is not None:
            use &= values != values.dtype.type(filler)
        row, column = np.nonzero(use)
        value = values[row, column].astype(np.float64)
        row = row + top
        if share < 1:
            kept = priority(row * width + column, seed) < np.uint64(share * 2**64)
            kept |= np.isin(value, rare)
            row, column, value = row[kept], column[kept], value[kept]
        parts.append((row, column, value))
    rows, columns, found = (np.concatenate(p) for p in zip(*parts, strict=True))
    return MaskPixels(rows, columns, found, whole, counts, notes=notes)


def _rounded(strips: Strips) -> Strips:
    """Floats that are asked for as classes, as integers."""

    def rounded() -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        for top, values, valid in strips():
            yield top, np.round(np.where(valid, values, 0)).astype(np.int64), valid

    return rounded


def _counted(strips: Strips) -> dict[float, int]:
    counts: dict[float, int] = {}
    for _, values, valid in strips():
        for value, n in zip(*np.unique(values[valid], return_counts=True), strict=True):
            counts[float(value)] = counts.get(float(value), 0) + int(n)
    return counts


def _labelled(counts: dict[float, int], kind: Any, classes: Any, title: str) -> tuple[dict[float, int], list[str]]:
    """The integer codes that label, and what is to be said of the others."""
    if kind == "number":
        return counts, []
    notes = []
    below = sum(n for v, n in counts.items() if v < 0)
    zero = zero_is_class(np.array(sorted(counts)), classes)
    if zero and 0.0 in counts and classes is None:
        notes.append(f"0 is a class in {title}: without it fewer than two classes would be left")
    if below:
        notes.append(f"{below:,} pixels of {title} with codes below 0 taken as unlabelled")
    return {v: n for v, n in counts.items() if v > 0 or (v == 0 and zero)}, notes


def _without_filler(strips: Strips, title: str) -> tuple[int, float | None, list[str]]:
    """How many pixels of a float raster count, and the value that stands for nothing, if there is one.

    It is a usual filler, the lowest of all values, and fills more than half.
    """
    total, lowest, fills = 0, np.inf, dict.fromkeys(FILLERS, 0)
    for _, values, valid in strips():
        good = values[valid]
        total += good.size
        lowest = min(lowest, float(good.min())) if good.size else lowest
        for f in FILLERS:
            fills[f] += int((good == good.dtype.type(f)).sum())
    filler = next((f for f in FILLERS if fills[f] > 0.5 * total and lowest >= f), None)
    if filler is None:
        return total, None, []
    said = f"{filler:g} fills {fills[filler]:,} of {total:,} pixels of {title}: taken as unlabelled"
    return total - fills[filler], filler, [said]


def _band(dataset: Any, band: str | None, title: str) -> int:
    named = {str(d).lower(): i for i, d in zip(dataset.indexes, dataset.descriptions, strict=True) if d}
    if band is not None:
        if band.lower() in named:
            return int(named[band.lower()])
        if band.isdigit() and 1 <= int(band) <= dataset.count:
            return int(band)
    if dataset.count == 1 and band is None:
        return 1
    bands = ", ".join(named) or f"1..{dataset.count}"
    raise LabelError(
        rule="a label raster has one band, or --column names one",
        got=f"{title} with {dataset.count} bands{f' and --column {band}' if band else ''}",
        remedy=f"choose of {bands}",
    )


def _titles(dataset: Any) -> dict[int, str]:
    tags = {k.lower(): str(v) for k, v in dataset.tags().items()}
    return {int(k[6:]): v for k, v in tags.items() if k.startswith("class_") and k[6:].isdigit()}


def _of_raster(
    file: Path,
    grid: GeoBox | None,
    shape: tuple[int, int],
    band: str | None,
    title: str,
    kind: Any,
    classes: Any,
    seed: int,
) -> MaskPixels:
    import rasterio
    from rasterio.windows import Window

    try:
        with rasterio.open(file) as dataset, ExitStack() as stack:
            index = _band(dataset, band, title)
            dtype = np.dtype(dataset.dtypes[index - 1])
            nodata = dataset.nodatavals[index - 1]
            box = None if dataset.crs is None or grid is None or grid.crs is None else grid
            if box is None and dataset.shape != tuple(shape):
                raise _refuse_shape(title, dataset.shape, shape)
            if box is None or _same_grid(dataset, box, shape):
                view, masked = dataset, False
                said = "the mask has the scene's rows and columns" if box is None else "mask and scene share their grid"
            else:
                view, said = _warped(dataset, box, shape, nodata, dtype)
                stack.enter_context(view)
                masked = True

            def strips() -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
                for top in range(0, shape[0], STRIP):
                    window = Window(0, top, shape[1], min(STRIP, shape[0] - top))
                    values = view.read(index, window=window)
                    valid = np.isfinite(values)
                    if nodata is not None and np.isfinite(nodata):
                        valid &= values != dtype.type(nodata)
                    if masked:
                        valid &= view.dataset_mask(window=window) > 0
                    yield top, values, valid

            found = _gathered(strips, dtype, shape[1], title, kind, classes, seed)
            if masked and not found.value.size and grid is not None:
                raise _elsewhere(dataset, grid, title)
            name = str(dataset.descriptions[index - 1] or "")
            return replace(found, crs_note=said, band=name, titles=_titles(dataset))
    except rasterio.errors.RasterioIOError as error:
        raise FormatError(
            rule="a label raster must open",
            got=f"{file.name} ({str(error)[:120]})",
            remedy="check the file: swath doctor FILE",
        ) from error


def _same_grid(dataset: Any, grid: GeoBox, shape: tuple[int, int]) -> bool:
    if dataset.shape != tuple(shape) or dataset.crs != grid.crs.to_wkt():
        return False
    return bool(dataset.transform.almost_equals(grid.affine, 1e-6))


def _warped(dataset: Any, grid: GeoBox, shape: tuple[int, int], nodata: Any, dtype: np.dtype) -> tuple[Any, str]:
    """A raster of another grid: the class of most of a scene pixel where the mask is finer, else the nearest."""
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT
    from rasterio.warp import transform_bounds

    whole = dtype.kind in "iub"
    theirs = transform_bounds(grid.crs.to_wkt(), dataset.crs, *grid.extent.boundingbox, densify_pts=21)
    step = max(theirs[2] - theirs[0], theirs[3] - theirs[1]) / max(shape)
    finer = step / max(abs(dataset.transform.a), abs(dataset.transform.e), abs(dataset.transform.b))
    way = (Resampling.mode if whole else Resampling.average) if finer > 1.5 else Resampling.nearest
    missing = nodata if nodata is not None else 0 if whole else np.nan
    vrt = WarpedVRT(
        dataset,
        crs=grid.crs.to_wkt(),
        transform=grid.affine,
        width=shape[1],
        height=shape[0],
        resampling=way,
        nodata=missing,
    )
    return vrt, f"mask of another grid ({dataset.crs}) brought to the scene's by {way.name} resampling"


def _elsewhere(dataset: Any, grid: GeoBox, title: str) -> LabelError:
    ours = " ".join(f"{v:.6g}" for v in grid.extent.boundingbox)
    theirs = " ".join(f"{v:.6g}" for v in dataset.bounds)
    return LabelError(
        rule="labels must lie on the scene",
        got=f"no labelled pixel of {title} ({dataset.crs}, {theirs}) on the scene (EPSG:{grid.crs.epsg}, {ours})",
        remedy="check that labels and scene show the same place",
    )
