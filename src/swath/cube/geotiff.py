"""Rasters that GDAL reads in one file (GeoTIFF, COG, JPEG 2000 and others): lazy numbers and what the file says of them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import gdal
from swath.cube.contract import QUANTITIES
from swath.cube.georeference import geobox_of
from swath.cube.layer import FileBand, Layer
from swath.errors import FormatError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

__all__ = ["MaskSource", "RasterSource", "claims", "layer_of", "read"]

SUFFIXES = (
    ".tif", ".tiff", ".gtif", ".jp2", ".j2k", ".vrt", ".img", ".bil", ".bip", ".bsq", ".asc", ".dem", ".hgt", ".ntf",
    ".nitf", ".kea", ".pix", ".sgi", ".ers", ".rst", ".gpkg", ".dt0", ".dt1", ".dt2", ".bag", ".gtx", ".fits", ".fit",
)  # fmt: skip
Shape = tuple[int, int, int, int]
MOST_BANDS = 10_000


def claims(path: str) -> bool:
    """Whether this is a raster file by its name, or by the first bytes of a TIFF or JPEG 2000."""
    if path.lower().split("?")[0].endswith(SUFFIXES):
        return True
    if gdal.is_remote(path) or not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        start = file.read(12)
    return start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") or start[4:8] == b"jP  "


@dataclass(frozen=True)
class RasterSource:
    """One raster file as a Source of one date. parts: (1-based band, "" or "real" or "imag" of a complex one)."""

    path: str
    parts: tuple[tuple[int, str], ...]
    size: tuple[int, int]
    kind: str

    @property
    def shape(self) -> Shape:
        """(1, B, H, W)."""
        return (1, len(self.parts), *self.size)

    @property
    def dtype(self) -> np.dtype:
        """The type that holds every band."""
        return np.dtype(self.kind)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window, decoded from the blocks that it touches. Raises FormatError when a block is damaged."""
        from rasterio.windows import Window

        window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        out = self._get(bands, window=window)
        return np.broadcast_to(out, (len(dates), *out.shape)) if len(dates) != 1 else out[None]

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel, from an overview where there is one."""
        out = self._get(bands, out_shape=(len(bands), height, width))
        return np.broadcast_to(out, (len(dates), *out.shape)) if len(dates) != 1 else out[None]

    def layered(self) -> bool:
        """Whether the file has overviews, or resolution levels as JPEG 2000 has."""
        dataset = gdal.handle(self.path)
        return bool(dataset.overviews(self.parts[0][0])) or dataset.driver.startswith("JP2")

    def _get(self, bands: Sequence[int], **options: Any) -> np.ndarray:
        from rasterio.errors import RasterioError

        parts = [self.parts[b] for b in bands]
        with gdal.environment(self.path):
            dataset = gdal.handle(self.path)
            try:
                stored = gdal.retried(lambda: dataset.read([index for index, _ in parts], **options))
            except (RasterioError, ValueError, MemoryError) as error:
                raise FormatError(
                    rule="every block of a raster must decode",
                    got=f"{self.path}: {error}",
                    remedy="the file is damaged or cut short: fetch it again, or leave the bad part out with --area",
                ) from error
        if any(part for _, part in parts):
            stored = np.stack(
                [getattr(a, part) if part else a.real for a, (_, part) in zip(stored, parts, strict=True)]
            )
        out: np.ndarray = stored.astype(self.dtype, copy=False)
        return out


@dataclass(frozen=True)
class MaskSource:
    """A file's own mask (inner mask or alpha) as flags: 1 (never seen) where masked, 0 elsewhere."""

    path: str
    size: tuple[int, int]

    @property
    def shape(self) -> Shape:
        """(1, 1, H, W)."""
        return (1, 1, *self.size)

    @property
    def dtype(self) -> np.dtype:
        """uint8."""
        return np.dtype(np.uint8)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window of flags."""
        from rasterio.windows import Window

        window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        return self._get(len(dates), window=window)

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel."""
        return self._get(len(dates), out_shape=(height, width))

    def _get(self, dates: int, **options: Any) -> np.ndarray:
        with gdal.environment(self.path):
            mask = gdal.retried(lambda: gdal.handle(self.path).dataset_mask(**options))
        flags = (mask == 0).astype(np.uint8)[None, None]
        return np.repeat(flags, dates, axis=0)


def read(path: str) -> list[Layer]:
    """The layer of one raster file, nothing of its pixels read but what is needed to tell a mask from a band.

    Raises FormatError: empty or damaged file, a VRT that points elsewhere, no raster inside, absurd declared size.
    """
    from swath.cube.guard import check_declared, check_file

    path = path if gdal.is_remote(path) else os.path.abspath(path)
    check_file(path)
    dataset = gdal.handle(path)
    if dataset.count == 0:
        inside = [name.rpartition(":")[2] for name in dataset.subdatasets]
        raise FormatError(
            rule="a raster has at least one band",
            got=f"{path} with {len(inside)} subdatasets: {', '.join(inside[:8]) or 'none'}",
            remedy="this container needs its own reader; give one of its files",
        )
    if dataset.count > MOST_BANDS:
        raise FormatError(
            rule=f"a raster has at most {MOST_BANDS:,} bands",
            got=f"{path}, {dataset.count:,}",
            remedy="the file is damaged",
        )
    more = check_declared(path, dataset)
    return [layer_of(path, dataset, more)]


@dataclass(frozen=True, slots=True)
class _Told:
    """What a dataset says of each band, asked once: every attribute of a dataset walks through all its bands."""

    descriptions: tuple[str | None, ...]
    colours: tuple[Any, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    nodata: tuple[float | None, ...]
    units: tuple[str | None, ...]
    dtypes: tuple[str, ...]

    @classmethod
    def by(cls, dataset: DatasetReader) -> _Told:
        """The facts of an open dataset."""
        d = dataset
        return cls(d.descriptions, d.colorinterp, d.scales, d.offsets, d.nodatavals, d.units, d.dtypes)


def layer_of(path: str, dataset: DatasetReader, notes: Sequence[str] = ()) -> Layer:
    """A Layer from an open dataset. Raises FormatError when its metadata are damaged."""
    from rasterio._err import CPLE_BaseError  # GDAL's own errors, which attributes of a dataset let through
    from rasterio.errors import RasterioError

    try:
        return _layer_of(path, dataset, notes)
    except (CPLE_BaseError, RasterioError, UnicodeDecodeError) as error:
        raise FormatError(
            rule="a raster's metadata must be whole",
            got=f"{path}: {error}",
            remedy="the file is damaged: fetch it again",
        ) from error


def _layer_of(path: str, dataset: DatasetReader, notes: Sequence[str]) -> Layer:
    notes = list(notes)
    problems: list[str] = []
    box, more = geobox_of(dataset)
    notes += more
    tags = {k: str(v) for k, v in dataset.tags().items() if k not in ("AREA_OR_POINT", "OVR_RESAMPLING_ALG")}
    told = _Told.by(dataset)
    data, masked = _roles(dataset, told, notes)
    if not data:
        raise FormatError(
            rule="a raster has at least one band beside its mask", got=path, remedy="give the image, not its mask"
        )
    parts: list[tuple[int, str]] = []
    bands: list[FileBand] = []
    for index in data:
        for part in ("real", "imag") if "complex" in told.dtypes[index - 1] else ("",):
            parts.append((index, part))
            bands.append(_band(dataset.tags(index), told, index, part, tags))
    if any(part for _, part in parts):
        notes.append("complex numbers: each band opens as its real and its imaginary part")
    kinds = [_real(told.dtypes[index - 1]) for index, _ in parts]
    kind = np.result_type(*kinds)
    if len(set(kinds)) > 1:
        notes.append(f"bands of the types {', '.join(sorted({str(k) for k in kinds}))} are read as {kind}")
    notes += _stacked([b.name for b in bands])
    size = (dataset.height, dataset.width)
    bits = dataset.tags(data[0], ns="IMAGE_STRUCTURE").get("NBITS")
    if bits:
        notes.append(f"only {bits} bits of {told.dtypes[data[0] - 1]} are used")
    source = RasterSource(path, tuple(parts), size, str(kind))
    flag = MaskSource(path, size) if masked else None
    own = _unique(bands, notes)
    said = (tuple(notes), tuple(problems))
    attrs = {k: tags[k] for k in ("simulated",) if "swath" in tags and k in tags}
    return Layer(source, box, own, None, flag, _sensor(own, tags), tags, *said, attrs)


def _real(dtype: str) -> np.dtype:
    """The type of one part of a band; complex ones are halved (complex_int16 is read by GDAL as complex64)."""
    if "complex" in dtype:
        return np.dtype(np.float64 if dtype == "complex128" else np.float32)
    return np.dtype(dtype)


def _roles(dataset: DatasetReader, told: _Told, notes: list[str]) -> tuple[list[int], bool]:
    """The data bands (1-based), and whether the file carries a mask of its own.

    An alpha band is a mask only where it says nothing but 0 and full: many four-band images call infrared alpha.
    """
    from rasterio.enums import ColorInterp, MaskFlags

    data = list(range(1, dataset.count + 1))
    flags = dataset.mask_flag_enums[0]
    masked = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
    if masked:
        notes.append("an inner mask says where the image has no data")
    alpha = [i for i in data if told.colours[i - 1] == ColorInterp.alpha]
    if len(alpha) == 1 and len(data) > 1:
        (index,) = alpha
        height, width = min(dataset.height, 512), min(dataset.width, 512)
        look = dataset.read(index, out_shape=(height, width))
        full = np.iinfo(look.dtype).max if look.dtype.kind in "iu" else 1
        if not told.descriptions[index - 1] and np.isin(look, (0, full)).all():
            data.remove(index)
            masked = True
            notes.append(f"band {index} is an alpha channel: its zeros are missing pixels")
        else:
            notes.append(f"band {index} is called alpha by the file but holds an image: kept as a band")
    return data, masked


def _band(own: dict[str, str], told: _Told, index: int, part: str, tags: dict[str, str]) -> FileBand:
    description = told.descriptions[index - 1] or own.get("BandName") or own.get("band_name") or ""
    wavelength, fwhm = _wavelength(index, description, own, tags)
    scale, offset = told.scales[index - 1], told.offsets[index - 1]
    nodata = told.nodata[index - 1]
    name = _name(description, wavelength) or _colour(told, index) or f"band_{index}"
    if part:
        name = f"{name}_{part}"
    scaled = (scale, offset) != (1.0, 0.0)
    return FileBand(
        name=name,
        description=description,
        wavelength=wavelength,
        fwhm=fwhm,
        scale=float(scale) if scaled else None,
        offset=float(offset) if scaled else None,
        nodata=None if nodata is None or part else float(nodata),
        units=told.units[index - 1] or (own.get("units") if "swath" in tags else None),
        quantity=_quantity(own, tags),
    )


def _quantity(own: dict[str, str], tags: dict[str, str]) -> str | None:
    """The quantity that swath itself wrote beside a band; other programs' words are not taken for it."""
    quantity = own.get("quantity", "")
    return quantity if "swath" in tags and quantity in QUANTITIES else None


def _sensor(bands: Sequence[FileBand], tags: dict[str, str]) -> str | None:
    """The sensor that swath itself wrote into the file, where the bands are still what it measured."""
    made = {"index", "count", "probability", "class", "other", None}
    return tags.get("sensor") if "swath" in tags and {b.quantity for b in bands} - made else None


def _name(description: str, wavelength: float | None) -> str:
    """A band's name from its description; a wavelength in brackets is not a part of it."""
    if wavelength is not None:
        description = re.sub(
            r"\s*\(?\s*[\d.]+\s*(nanometers?|nm|micrometers?|um|µm)\s*\)?", "", description, flags=re.I
        )
    return re.sub(r"\s+", "_", description.strip())


def _colour(told: _Told, index: int) -> str:
    name = told.colours[index - 1].name
    return name if name in ("red", "green", "blue", "nir", "pan", "coastal", "rededge", "swir") else ""


def _wavelength(
    index: int, description: str, own: dict[str, str], tags: dict[str, str]
) -> tuple[float | None, float | None]:
    """Centre and width of a band in nm from its tags, its description, or a list for the whole file."""
    lower = {k.lower(): v for k, v in own.items()}
    centre = _nm(lower.get("wavelength") or lower.get("center_wavelength") or lower.get("wavelength_nm"), lower)
    width = _nm(lower.get("fwhm") or lower.get("bandwidth") or lower.get("fwhm_nm"), lower)
    if centre is None:
        match = re.search(r"([\d.]+)\s*\)?\s*(nanometers?|nm\b|micrometers?|um\b|µm)", description, flags=re.I)
        if match:
            centre = _nm(match[1], {"wavelength_units": match[2]})
    for key, value in tags.items():
        if centre is None and key.lower() in ("wavelengths_nm", "wavelength_nm", "wavelengths", "wavelength"):
            values = [v for v in re.split(r"[,;\s{}\[\]]+", value) if v]
            if len(values) >= index:
                centre = _nm(values[index - 1], {"wavelength_units": "nm"} if key.lower().endswith("_nm") else {})
    return centre, width


def _nm(text: str | None, tags: dict[str, str]) -> float | None:
    """Nanometres from a number and its unit; without a unit values below 100 can only be micrometres."""
    try:
        value = float(str(text).split()[0])
    except (ValueError, IndexError):
        return None
    unit = tags.get("wavelength_units", "").lower()
    if unit.startswith(("micro", "um", "µm")) or (not unit and 0.2 < value < 100):
        value *= 1000.0
    return value if 100 <= value <= 1e6 else None


def _stacked(names: list[str]) -> list[str]:
    """A sentence when most names come again with a running number (B4, B4_1 ... B4_23): stacked dates, undated."""
    stems: dict[str, int] = {}
    for name in names:
        match = re.fullmatch(r"(.+?)_(\d{1,3})", name)
        if match and match[1] in names:
            stems[match[1]] = stems.get(match[1], 1) + 1
    if not stems or sum(stems.values()) < len(names) / 2 or max(stems.values()) < 3:
        return []
    some = ", ".join(list(stems)[:4])
    return [
        f"{len(stems)} names ({some} ...) come {max(stems.values())} times with a running number: stacked dates that the "
        "file does not name; each is a band of its own here"
    ]


def _unique(bands: list[FileBand], notes: list[str]) -> tuple[FileBand, ...]:
    """Bands with names of their own: a repeated name gets a number, said once."""
    from dataclasses import replace

    seen: dict[str, int] = {}
    out = []
    names = {b.name for b in bands}
    for band in bands:
        count = seen.get(band.name, 0)
        seen[band.name] = count + 1
        name = band.name
        while count and name in names:
            count += 1
            name = f"{band.name}#{count}"
        names.add(name)
        out.append(band if name == band.name else replace(band, name=name))
    doubled = sorted(k for k, v in seen.items() if v > 1)
    if doubled:
        notes.append(f"band names repeat ({', '.join(doubled[:5])}): later ones are numbered, as {doubled[0]}#2")
    return tuple(out)
