"""Label rasters: which pixels of the scene they label and with what. Here: reading only; codes become classes in
`coding`.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import FormatError, GridError, LabelError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["MaskPixels", "is_mask", "names", "read", "zero_is_class"]

ENDINGS = (".tif", ".tiff", ".img", ".vrt", ".png", ".jp2", ".bil", ".npy", ".npy.gz", ".asc", ".bsq")
# Values that files use for "nothing here" without saying so; taken as such only where one fills most of a float raster.
FILLERS = (-1.0, -99.0, -999.0, -9999.0, -32768.0, -3.4028234663852886e38)
STRIP = 2048


@dataclass(frozen=True, slots=True)
class MaskPixels:
    """Pixels of the scene's grid that a raster labels: row, column, value (n,); whole = the raster holds integers.

    titles: {code: name} where the file's tags `class_CODE` give them, as swath's own maps do.
    """

    row: np.ndarray
    column: np.ndarray
    value: np.ndarray
    whole: bool
    crs_note: str
    band: str
    notes: list[str] = field(default_factory=list)
    titles: dict[int, str] = field(default_factory=dict)


def is_mask(source: str | Path) -> bool:
    """Whether a path names a raster by its ending."""
    return str(source).partition("#")[0].lower().endswith(ENDINGS)


def names(source: str | Path) -> dict[int, str]:
    """{code: name} as a raster of classes tells in its tags (`class_3=forest`, the way swath writes them); else
    empty.
    """
    import rasterio
    from rasterio.errors import RasterioIOError

    try:
        with rasterio.open(str(source).partition("#")[0]) as dataset:
            tags = dataset.tags()
    except RasterioIOError:
        return {}  # what cannot be opened is refused where it is read
    found = {key.removeprefix("class_"): name for key, name in tags.items() if key.startswith("class_")}
    return {int(code): name for code, name in sorted(found.items()) if code.isdigit()}


def zero_is_class(values: np.ndarray, classes: Any) -> bool:
    """0 is unlabelled, unless it was asked for or fewer than two classes would be left without it (land 0, water 1)."""
    if classes is not None:
        return any(str(c) == "0" for c in classes)
    return bool((values > 0).sum() < 2)


def read(source: Any, grid: GeoBox | None, shape: tuple[int, int], *, band: str | None, title: str) -> MaskPixels:
    """Labelled pixels of an array, a .npy file or a raster; a raster of another grid is brought to the scene's.

    Unlabelled: nodata, NaN; 0 and negative codes of integer rasters are left in for the caller to judge.
    Raises GridError when the shapes differ and no CRS says how they lie, FormatError when the file does not open.
    """
    if isinstance(source, np.ndarray):
        return _of_array(source, shape, title, [])
    file = Path(str(source))
    if file.name.lower().endswith((".npy", ".npy.gz")):
        return _of_array(_load_npy(file), shape, title, [])
    return _of_raster(file, grid, shape, band, title)


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


def _of_array(values: np.ndarray, shape: tuple[int, int], title: str, notes: list[str]) -> MaskPixels:
    flat = values.squeeze() if values.ndim > 2 else values
    if flat.shape != tuple(shape):
        raise GridError(
            rule="a mask without georeference has the scene's shape",
            got=f"{title} of {flat.shape}, the scene has {tuple(shape)} pixels",
            remedy="give a mask of the same rows and columns, or a georeferenced one",
        )
    if flat.dtype.kind not in "iufb":
        raise LabelError(rule="a mask holds numbers", got=f"{title} of {flat.dtype}", remedy="write integer codes")
    return _pixels(flat, None, "the mask has the scene's rows and columns", "", title, notes)


def _pixels(
    flat: np.ndarray, nodata: float | None, crs_note: str, band: str, title: str, notes: list[str]
) -> MaskPixels:
    whole = flat.dtype.kind in "iub"
    good = np.isfinite(flat) if flat.dtype.kind == "f" else np.ones(flat.shape, bool)
    if nodata is not None and np.isfinite(nodata):
        good &= flat != flat.dtype.type(nodata)
    if not whole and good.any():
        values, counts = np.unique(flat[good], return_counts=True)
        filler = float(values[counts.argmax()])
        if filler in FILLERS and counts.max() > 0.5 * counts.sum() and (values[values != filler] > filler).all():
            good &= flat != flat.dtype.type(filler)
            notes = [
                *notes,
                f"{filler:g} fills {counts.max():,} of {counts.sum():,} pixels of {title}: taken as unlabelled",
            ]
    row, column = np.nonzero(good)
    return MaskPixels(row, column, flat[good].astype(np.float64), whole, crs_note, band, notes)


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


def _of_raster(file: Path, grid: GeoBox | None, shape: tuple[int, int], band: str | None, title: str) -> MaskPixels:
    import rasterio

    if not file.exists():
        raise FormatError(
            rule="labels are in a file", got=f"nothing at {file.name}", remedy="mend the path given with --labels"
        )
    try:
        with rasterio.open(file) as dataset:
            index = _band(dataset, band, title)
            titles = _titles(dataset)
            name = str(dataset.descriptions[index - 1] or "")
            box = None if dataset.crs is None or grid is None or grid.crs is None else grid
            if box is None and dataset.shape != tuple(shape):
                return _of_array(np.empty(dataset.shape, np.uint8), shape, title, [])  # refuses, and says why
            if box is not None:
                there = (dataset.shape, dataset.crs) == (tuple(shape), box.crs.to_wkt())
                if not (there and dataset.transform.almost_equals(box.affine, 1e-6)):
                    return replace(_warped(dataset, index, box, shape, name, title), titles=titles)
            said = "the mask has the scene's rows and columns" if box is None else "mask and scene share their grid"
            found = _pixels(dataset.read(index), dataset.nodatavals[index - 1], said, name, title, [])
            return replace(found, titles=titles)
    except rasterio.errors.RasterioIOError as error:
        raise FormatError(
            rule="a label raster must open",
            got=f"{file.name} ({str(error)[:120]})",
            remedy="check the file: swath doctor FILE",
        ) from error


def _warped(dataset: Any, index: int, grid: GeoBox, shape: tuple[int, int], band: str, title: str) -> MaskPixels:
    """A raster of another grid: the class of most of a scene pixel where the mask is finer, else the nearest."""
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT
    from rasterio.warp import transform_bounds
    from rasterio.windows import Window

    whole = np.dtype(dataset.dtypes[index - 1]).kind in "iub"
    box = grid.extent.boundingbox
    theirs = transform_bounds(grid.crs.to_wkt(), dataset.crs, *box, densify_pts=21)
    step = max(theirs[2] - theirs[0], theirs[3] - theirs[1]) / max(shape)
    finer = step / max(abs(dataset.transform.a), abs(dataset.transform.e), abs(dataset.transform.b))
    way = (Resampling.mode if whole else Resampling.average) if finer > 1.5 else Resampling.nearest
    nodata = dataset.nodatavals[index - 1]
    missing = nodata if nodata is not None else 0 if whole else np.nan
    rows, columns, values = [], [], []
    with WarpedVRT(
        dataset,
        crs=grid.crs.to_wkt(),
        transform=grid.affine,
        width=shape[1],
        height=shape[0],
        resampling=way,
        nodata=missing,
    ) as vrt:
        for top in range(0, shape[0], STRIP):
            window = Window(0, top, shape[1], min(STRIP, shape[0] - top))
            strip = vrt.read(index, window=window)
            inside = vrt.dataset_mask(window=window) > 0
            part = _pixels(np.where(inside, strip, missing).astype(strip.dtype), missing, "", band, title, [])
            rows.append(part.row + top)
            columns.append(part.column)
            values.append(part.value)
    value = np.concatenate(values)
    if not value.size:
        ours, label = " ".join(f"{v:.6g}" for v in box), " ".join(f"{v:.6g}" for v in dataset.bounds)
        raise LabelError(
            rule="labels must lie on the scene",
            got=f"no labelled pixel of {title} ({dataset.crs}, {label}) on the scene (EPSG:{grid.crs.epsg}, {ours})",
            remedy="check that labels and scene show the same place",
        )
    note = f"mask of another grid ({dataset.crs}) brought to the scene's by {way.name} resampling"
    return MaskPixels(np.concatenate(rows), np.concatenate(columns), value, whole, note, band)
