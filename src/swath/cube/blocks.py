"""A raster file that many hands fill: fixed block places aside, then one copy to a Cloud-Optimised GeoTIFF.

The file aside is an uncompressed tiled BigTIFF whose blocks lie where arithmetic says, so its bytes depend on the
numbers alone, never on the order in which they came. Its disk is reserved when it is made.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

import numpy as np

from swath.errors import OutputError, SwathError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["BLOCK", "BlockFile", "Layer", "fsync_folder", "refuse", "to_stored"]

BLOCK = 512
# (bytes of one block beyond which smaller blocks are used): a 200-band float cube would need 200 MB a block.
_LARGEST_BLOCK = 64 << 20
_FORMATS = {"u": 1, "i": 2, "f": 3}
_HEADER = 4096
# DEFLATE at GDAL's own 6 takes twice as long as at 5 for a map an eighth smaller; Zstandard above 1 is decoded more slowly.
_LEVEL = {"DEFLATE": 5, "ZSTD": 1}


@dataclass(frozen=True, slots=True)
class Layer:
    """What one output file holds: everything of a raster but its pixels and its grid.

    name: file stem. dtype, nodata as stored. bands: a description for each. physical = stored * scale + offset.
    classes {code: name} and colours {code: (r, g, b)}: for maps of classes (8 or 16 bit); `tags` are file-wide.
    rules: (scale, offset) of each band, where they differ.
    overview: how overviews are made; None: nearest for classes, average for what is continuous. compress: DEFLATE, which every
    program reads, or ZSTD, which is decoded about twice as fast (GDAL since 2.3).
    """

    name: str
    dtype: str = "uint8"
    nodata: float | None = 0
    bands: tuple[str, ...] = ("",)
    units: str = ""
    scale: float | None = None
    offset: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    band_tags: tuple[Mapping[str, str], ...] = ()
    classes: Mapping[int, str] = field(default_factory=dict)
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    overview: str | None = None
    rules: tuple[tuple[float, float], ...] = ()
    compress: Literal["DEFLATE", "ZSTD"] = "DEFLATE"

    def facts(self) -> dict[str, Any]:
        """What decides the stored bytes, for fingerprints."""
        names = ("name", "dtype", "nodata", "units", "scale", "offset", "overview")
        facts: dict[str, Any] = {n: getattr(self, n) for n in names}
        facts |= {"bands": list(self.bands), "tags": dict(self.tags), "band_tags": [dict(t) for t in self.band_tags]}
        facts |= {"classes": {str(k): v for k, v in self.classes.items()}}
        facts |= {"colours": {str(k): list(v) for k, v in self.colours.items()}}
        facts |= {} if self.compress == "DEFLATE" else {"compress": self.compress}
        return facts | ({"rules": [list(r) for r in self.rules]} if self.rules else {})

    @property
    def fill(self) -> float:
        """What stands where there is nothing: nodata, else NaN or 0."""
        if self.nodata is not None:
            return float(self.nodata)
        return float("nan") if np.dtype(self.dtype).kind == "f" else 0.0


def to_stored(layer: Layer, values: np.ndarray) -> np.ndarray:
    """Numbers as the file keeps them: floats scaled and rounded into integers, NaN and infinities as nodata.

    values: any shape. Raises OutputError when a number does not fit the stored type.
    """
    dtype = np.dtype(layer.dtype)
    if values.dtype == dtype and (dtype.kind != "f" or layer.nodata is None or np.isnan(layer.nodata)):
        return values
    if dtype.kind == "f":
        out = values.astype(dtype)
        bad = ~np.isfinite(out)
        if bad.any():
            out[bad] = layer.fill
        return out
    if values.dtype.kind != "f":
        _fits(layer, values, dtype)
        return values.astype(dtype)
    bad = ~np.isfinite(values)
    number = np.where(bad, 0, values)
    if layer.scale is not None or layer.offset is not None:
        number = (number - (layer.offset or 0.0)) / (layer.scale or 1.0)
    number = np.rint(number)
    _fits(layer, number, dtype)
    out = number.astype(dtype)
    out[bad] = dtype.type(layer.fill)
    return out


def _fits(layer: Layer, values: np.ndarray, dtype: np.dtype) -> None:
    if not values.size:
        return
    low, high, info = values.min(), values.max(), np.iinfo(dtype)
    if low < info.min or high > info.max:
        raise OutputError(
            rule=f"values of {layer.name} must fit {dtype} ({info.min} to {info.max})",
            got=f"{low} to {high}",
            remedy="choose a larger type or another scale for this layer",
        )


def refuse(error: BaseException, path: Path) -> SwathError:
    """The one-line refusal for a failed write; what is a refusal already stays as it is."""
    if isinstance(error, SwathError):
        return error
    code = getattr(error, "errno", None)
    text = str(error)
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "No space left" in text or "File too large" in text:
        remedy = "free some disk or choose another --out; finished windows are kept, the same command goes on from them"
        return OutputError(rule="there must be room for the output", got=f"disk full at {path}", remedy=remedy)
    if code in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
        remedy = "choose a folder you may write to"
        return OutputError(rule="the output folder must be writable", got=f"{path}: {os.strerror(code)}", remedy=remedy)
    remedy = "check the disk and the folder, then give the same command again"
    return OutputError(rule="the output must be written whole", got=f"{path}: {text}", remedy=remedy)


def fsync_folder(folder: Path) -> None:
    """Make names in a folder last (nothing to do where folders cannot be opened)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)


class BlockFile:
    """The uncompressed tiled file aside of one layer. Writing disjoint windows from many threads is safe."""

    def __init__(self, path: Path, layer: Layer, shape: tuple[int, int], *, create: bool) -> None:
        """Make (or, with create False, open again) the file aside for (H, W) pixels. Raises OutputError."""
        self.path, self.layer, self.shape = path, layer, shape
        self.dtype = np.dtype(layer.dtype)
        if self.dtype.kind not in _FORMATS:
            raise OutputError(
                rule="a raster holds whole numbers or floats",
                got=f"{layer.name}: {self.dtype}",
                remedy="store masks as uint8 and complex numbers as two bands",
            )
        self.count = len(layer.bands)
        self.block = BLOCK
        while self.block > 64 and self.block**2 * self.count * self.dtype.itemsize > _LARGEST_BLOCK:
            self.block //= 2
        self.across = -(-shape[1] // self.block)
        self.down = -(-shape[0] // self.block)
        self.block_bytes = self.block**2 * self.count * self.dtype.itemsize
        header = self._header()
        self.first = -(-len(header) // _HEADER) * _HEADER
        self.size = self.first + self.across * self.down * self.block_bytes
        try:
            self._open(header, create)
        except OSError as error:
            raise refuse(error, path.parent if create else path) from error

    def _open(self, header: bytes, create: bool) -> None:
        if not create:
            self._file = os.open(self.path, os.O_RDWR)
            if os.fstat(self._file).st_size != self.size or os.pread(self._file, len(header), 0) != header:
                os.close(self._file)
                raise OSError(errno.EIO, "the file aside is not the one that the journal tells of")
            return
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._file, 0, self.size)
            else:
                os.ftruncate(self._file, self.size)
            os.pwrite(self._file, header, 0)
            os.fsync(self._file)
        except BaseException:
            os.close(self._file)
            raise

    def _header(self) -> bytes:
        """A little-endian BigTIFF directory (TIFF 6.0 tags) whose blocks follow one another."""
        n = self.across * self.down
        per_band = np.full(self.count, self.dtype.itemsize * 8, "<u2").tobytes()
        formats = np.full(self.count, _FORMATS[self.dtype.kind], "<u2").tobytes()
        entries: list[tuple[int, int, int, bytes]] = [
            (256, 4, 1, struct.pack("<I", self.shape[1])),
            (257, 4, 1, struct.pack("<I", self.shape[0])),
            (258, 3, self.count, per_band),
            (259, 3, 1, struct.pack("<H", 1)),
            (262, 3, 1, struct.pack("<H", 1)),
            (277, 3, 1, struct.pack("<H", self.count)),
            (284, 3, 1, struct.pack("<H", 1)),
            (322, 4, 1, struct.pack("<I", self.block)),
            (323, 4, 1, struct.pack("<I", self.block)),
            (324, 16, n, b""),
            (325, 16, n, np.full(n, self.block_bytes, "<u8").tobytes()),
            *([(338, 3, self.count - 1, np.zeros(self.count - 1, "<u2").tobytes())] if self.count > 1 else []),
            (339, 3, self.count, formats),
        ]
        place = 16 + 8 + 20 * len(entries) + 8
        total = place + sum(-(-len(v) // 8) * 8 for _, _, _, v in entries if len(v) > 8) + (8 * n if n > 1 else 0)
        first = -(-total // _HEADER) * _HEADER
        offsets = (first + self.block_bytes * np.arange(n, dtype="<u8")).astype("<u8").tobytes()
        head, body = b"II" + struct.pack("<HHHQ", 43, 8, 0, 16) + struct.pack("<Q", len(entries)), b""
        for tag, kind, count, value in entries:
            data = offsets if tag == 324 else value
            head += struct.pack("<HHQ", tag, kind, count)
            if len(data) <= 8:
                head += data.ljust(8, b"\0")
            else:
                head += struct.pack("<Q", place + len(body))
                body += data.ljust(-(-len(data) // 8) * 8, b"\0")
        return head + struct.pack("<Q", 0) + body

    def _pieces(self, rows: slice, columns: slice) -> Any:
        """(byte place, rows in window, columns in window, whole rows of the block?) of what a window touches."""
        pixel, block = self.count * self.dtype.itemsize, self.block
        for i in range(rows.start // block, -(-rows.stop // block)):
            for j in range(columns.start // block, -(-columns.stop // block)):
                top, left = max(rows.start, i * block), max(columns.start, j * block)
                bottom, right = min(rows.stop, (i + 1) * block), min(columns.stop, (j + 1) * block)
                base = self.first + (i * self.across + j) * self.block_bytes
                base += ((top - i * block) * block + (left - j * block)) * pixel
                yield (
                    base,
                    slice(top - rows.start, bottom - rows.start),
                    slice(left - columns.start, right - columns.start),
                )

    def write(self, rows: slice, columns: slice, values: np.ndarray) -> int:
        """Put (bands, rows, columns) of stored numbers in their places; gives back their CRC-32. Raises OutputError."""
        pixels = np.ascontiguousarray(np.moveaxis(values, 0, -1), dtype=self.dtype)
        stride = self.block * self.count * self.dtype.itemsize
        try:
            for base, y, x in self._pieces(rows, columns):
                part = np.ascontiguousarray(pixels[y, x])
                if part.shape[1] == self.block:
                    self._put(part.data.cast("B"), base)
                    continue
                for k in range(part.shape[0]):
                    self._put(part[k].data.cast("B"), base + k * stride)
        except OSError as error:
            raise refuse(error, self.path) from error
        return zlib.crc32(pixels.data.cast("B"))

    def _put(self, data: memoryview, place: int) -> None:
        while len(data):
            n = os.pwrite(self._file, data, place)
            data, place = data[n:], place + n

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """(bands, rows, columns) of what was written."""
        out = np.empty((rows.stop - rows.start, columns.stop - columns.start, self.count), self.dtype)
        stride = self.block * self.count * self.dtype.itemsize
        for base, y, x in self._pieces(rows, columns):
            height, width = y.stop - y.start, x.stop - x.start
            # One read from the first to the last pixel of this part of the block, then the rows are cut from it.
            length = (height - 1) * stride + width * self.count * self.dtype.itemsize
            data = os.pread(self._file, length, base).ljust(height * stride, b"\0")
            rows_of = np.frombuffer(data, self.dtype, count=height * self.block * self.count)
            out[y, x] = rows_of.reshape(height, self.block, self.count)[:, :width]
        return np.moveaxis(out, -1, 0)

    def crc(self, rows: slice, columns: slice) -> int:
        """The CRC-32 that `write` gave for this window, from what the disk holds now."""
        values = np.ascontiguousarray(np.moveaxis(self.read(rows, columns), 0, -1))
        return zlib.crc32(values.data.cast("B"))

    def sync(self) -> None:
        """Make what was written last through a power cut."""
        try:
            os.fsync(self._file)
        except OSError as error:
            raise refuse(error, self.path) from error

    def close(self) -> None:
        """Close the file aside; it stays where it is."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def publish(self, target: Path, geobox: GeoBox | None) -> None:
        """Copy to `target` as a COG that carries grid, names, tags and colours. Raises OutputError.

        `target` is written in place: give a name aside, and rename when all is well.
        """
        import rasterio
        import rasterio.shutil
        from rasterio.errors import RasterioError

        numbers = np.dtype(self.layer.dtype).kind
        classes = bool(self.layer.classes or self.layer.colours)
        try:
            # GDAL packs overviews for itself before it packs them for the file: cheaply is enough, the bytes are the same.
            settings = {"GDAL_CACHEMAX": 64 << 20, "GDAL_TIFF_INTERNAL_MASK": True, "COG_TMP_COMPRESSION": "PACKBITS"}
            with rasterio.Env(**settings):
                rasterio.shutil.copy(
                    self.describe(geobox),
                    str(target),
                    driver="COG",
                    blocksize=self.block,
                    compress=self.layer.compress,
                    level=_LEVEL[self.layer.compress],
                    predictor="NO" if classes else ("FLOATING_POINT" if numbers == "f" else "STANDARD"),
                    num_threads=min(4, os.cpu_count() or 1),  # nothing else runs by now
                    bigtiff="IF_SAFER",
                    overviews="AUTO",
                    overview_resampling=self.layer.overview or ("nearest" if classes else "average"),
                )
            with open(target, "rb+") as file:
                os.fsync(file.fileno())
            self._compare(target)
        except (OSError, RasterioError) as error:
            raise refuse(error, target) from error

    def _compare(self, target: Path) -> None:
        """Read the copy again: GDAL's COG writer does not tell when the disk was full. Raises OSError."""
        import rasterio
        from rasterio.errors import RasterioError
        from rasterio.windows import Window

        short = OSError(errno.ENOSPC, "No space left on device: the copy does not hold what was written")
        try:
            with rasterio.Env(GDAL_CACHEMAX=64 << 20), rasterio.open(target, num_threads=2) as file:
                levels = len(file.overviews(1))
                for top in range(0, self.shape[0], self.block):
                    rows = slice(top, min(self.shape[0], top + self.block))
                    for left in range(0, self.shape[1], 8 * self.block):
                        columns = slice(left, min(self.shape[1], left + 8 * self.block))
                        window = Window(columns.start, rows.start, columns.stop - left, rows.stop - top)
                        mine, copy = self.read(rows, columns), file.read(window=window)
                        if mine.tobytes() != copy.tobytes() and not np.array_equal(mine, copy, equal_nan=True):
                            raise short
            for level in range(levels):
                with rasterio.open(target, overview_level=level) as file:
                    last = Window(
                        max(0, file.width - 8), max(0, file.height - 8), min(8, file.width), min(8, file.height)
                    )
                    file.read(window=last)
        except RasterioError as error:
            raise short from error

    def describe(self, geobox: GeoBox | None) -> str:
        """A VRT over the file aside that adds all that its plain directory does not say."""
        layer = self.layer
        root = ElementTree.Element("VRTDataset", rasterXSize=str(self.shape[1]), rasterYSize=str(self.shape[0]))
        if geobox is not None:
            if geobox.crs is not None:
                ElementTree.SubElement(root, "SRS").text = geobox.crs.to_wkt()
            a = geobox.affine
            ElementTree.SubElement(root, "GeoTransform").text = ", ".join(
                repr(float(v)) for v in (a.c, a.a, a.b, a.f, a.d, a.e)
            )
        _metadata(root, {**layer.tags, **{f"class_{k}": v for k, v in layer.classes.items()}})
        kind = {"uint8": "Byte", "int8": "Int8", "float16": "Float32"}.get(
            str(self.dtype), str(self.dtype).capitalize()
        )
        kind = kind.replace("Uint", "UInt")
        for i, name in enumerate(layer.bands, start=1):
            band = ElementTree.SubElement(root, "VRTRasterBand", dataType=kind, band=str(i))
            band.set("blockXSize", str(self.block))  # without them GDAL copies in blocks of 128 pixels: twice the time
            band.set("blockYSize", str(self.block))
            _metadata(band, layer.band_tags[i - 1] if i <= len(layer.band_tags) else {})
            if name:
                ElementTree.SubElement(band, "Description").text = name
            own = layer.band_tags[i - 1].get("units", "") if layer.rules and i <= len(layer.band_tags) else ""
            if layer.units or own:
                ElementTree.SubElement(band, "UnitType").text = layer.units or own
            if layer.nodata is not None:
                ElementTree.SubElement(band, "NoDataValue").text = repr(layer.nodata)
            scale, offset = layer.rules[i - 1] if layer.rules else (layer.scale, layer.offset)
            if scale is not None or offset is not None:
                ElementTree.SubElement(band, "Offset").text = repr(float(offset or 0.0))
                ElementTree.SubElement(band, "Scale").text = repr(float(1.0 if scale is None else scale))
            if layer.colours and self.count == 1 and str(self.dtype) in ("uint8", "uint16"):
                ElementTree.SubElement(band, "ColorInterp").text = "Palette"
                table = ElementTree.SubElement(band, "ColorTable")
                for code in range(max(layer.colours) + 1):
                    r, g, b = layer.colours.get(code, (0, 0, 0))
                    opaque = "0" if code == layer.nodata else "255"
                    ElementTree.SubElement(table, "Entry", c1=str(r), c2=str(g), c3=str(b), c4=opaque)
            else:
                ElementTree.SubElement(band, "ColorInterp").text = "Gray" if self.count == 1 else "Undefined"
            source = ElementTree.SubElement(band, "SimpleSource")
            ElementTree.SubElement(source, "SourceFilename", relativeToVRT="0").text = str(self.path.resolve())
            ElementTree.SubElement(source, "SourceBand").text = str(i)
        return ElementTree.tostring(root, encoding="unicode")


def _metadata(parent: ElementTree.Element, tags: Mapping[str, str]) -> None:
    if tags:
        holder = ElementTree.SubElement(parent, "Metadata")
        for key, value in tags.items():
            ElementTree.SubElement(holder, "MDI", key=str(key)).text = str(value)
