"""GRIB files of editions 1 and 2 by GDAL: elements and levels as bands, valid times as dates.

Messages are counted first, from their own lengths, so that a damaged file or a reduced grid is named for what it is.
Source: WMO Manual on Codes, FM 92 GRIB (sections 0, 2 or 3, and the end section).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from swath.cube import gdal
from swath.cube.georeference import geobox_of
from swath.cube.layer import FileBand, Layer
from swath.errors import FormatError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

__all__ = ["GribSource", "check_messages", "claims", "read"]

_UNITS = {"GRIB_NORMALIZE_UNITS": "NO"}  # else GDAL calls kelvin Celsius, and not always with the numbers changed
_ABSURD = 1e30


def claims(path: str) -> bool:
    """Whether the file starts as GRIB does."""
    if "://" in path or not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"GRIB" or path.lower().endswith((".grib", ".grib2", ".grb", ".grb2"))


@dataclass(frozen=True)
class GribSource:
    """A Source over messages. table: the file's band number for each (date, band), 0 where there is none."""

    path: str
    table: tuple[tuple[int, ...], ...]
    size: tuple[int, int]
    nodata: float

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, B, H, W)."""
        return (len(self.table), len(self.table[0]), *self.size)

    @property
    def dtype(self) -> np.dtype:
        """GDAL decodes GRIB to float64."""
        return np.dtype(np.float64)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window; missing values and messages that are not there are NaN."""
        import rasterio
        from rasterio.errors import RasterioError
        from rasterio.windows import Window

        window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        out = np.full((len(dates), len(bands), rows.stop - rows.start, columns.stop - columns.start), np.nan)
        with gdal.environment(self.path), rasterio.Env(**_UNITS):
            dataset = gdal.handle(self.path)
            for t, date in enumerate(dates):
                for b, band in enumerate(bands):
                    number = self.table[date][band]
                    if not number:
                        continue
                    try:
                        out[t, b] = dataset.read(number, window=window)
                    except RasterioError as error:
                        raise _damaged(self.path, f"message {number}: {error}") from error
                    if (np.abs(out[t, b]) > _ABSURD).any():
                        raise _damaged(self.path, f"message {number} decodes to numbers beyond {_ABSURD:g}")
        if not np.isnan(self.nodata):
            out[out == self.nodata] = np.nan
        return out


def _damaged(path: str, why: object) -> FormatError:
    return FormatError(rule="a GRIB file must be whole", got=f"{path}: {why}", remedy="fetch it again")


def check_messages(path: str) -> int:
    """The number of messages. Raises FormatError when one is cut short or damaged, or lies on a reduced grid."""
    size = os.path.getsize(path)
    count = 0
    with open(path, "rb") as file:
        at = 0
        while (at := _next(file, at, size)) < size:
            start = file.read(16)
            if len(start) < 16:
                raise _damaged(path, f"it ends inside message {count + 1}")
            edition = start[7]
            length = int.from_bytes(start[8:16] if edition == 2 else start[4:7], "big")
            if edition not in (1, 2):
                raise _damaged(path, f"message {count + 1} is of edition {edition}")
            if at + length > size or length < 20:
                raise _damaged(path, f"message {count + 1} says {length} bytes, {size - at} are left")
            file.seek(at)
            message = file.read(length)
            if message[-4:] != b"7777":
                raise _damaged(path, f"message {count + 1} has no end mark")
            _check_sections(path, message, edition, count + 1)
            at += length
            count += 1
    if not count:
        raise _damaged(path, "no message in it")
    return count


def _next(file: BinaryIO, at: int, size: int) -> int:
    """Where the next message starts; zeros or headers between messages are skipped."""
    while at < size:
        file.seek(at)
        chunk = file.read(65536)
        found = chunk.find(b"GRIB")
        if found >= 0:
            file.seek(at + found)
            return at + found
        at += max(len(chunk) - 3, 1)
    return size


def _check_sections(path: str, message: bytes, edition: int, number: int) -> None:
    reduced = False
    if edition == 1:
        at = 8 + int.from_bytes(message[8:11], "big")
        if message[15] & 0x80:  # a grid description is there: octet 6 its type, octets 7-8 points along a row
            grid = message[at : at + int.from_bytes(message[at : at + 3], "big")]
            reduced = len(grid) > 8 and grid[5] in (0, 4, 10, 14) and grid[6:8] == b"\xff\xff"
            at += len(grid)
        if message[15] & 0x40:
            at += int.from_bytes(message[at : at + 3], "big")
        data = int.from_bytes(message[at : at + 3], "big")
        if abs(at + data + 4 - len(message)) > 120:
            raise _damaged(path, f"the sections of message {number} do not fill it")
    else:
        at = 16
        while at + 5 <= len(message) and message[at : at + 4] != b"7777":
            length = int.from_bytes(message[at : at + 4], "big")
            if length < 5 or at + length > len(message):
                raise _damaged(path, f"section {message[at + 4]} of message {number} says {length} bytes")
            if message[at + 4] == 3:
                template = int.from_bytes(message[at + 12 : at + 14], "big")
                reduced = reduced or (template in (0, 40) and message[at + 30 : at + 34] == b"\xff\xff\xff\xff")
            at += length
    if reduced:
        raise FormatError(
            rule="GRIB grids have rows of equal length",
            got=f"{path}: message {number} lies on a reduced Gaussian grid",
            remedy="regrid it first, for instance: cdo setgridtype,regular IN OUT",
        )


def read(path: str) -> list[Layer]:
    """The layer of a GRIB file. Raises FormatError when it is damaged, or lies on a reduced Gaussian grid."""
    import rasterio

    path = os.path.abspath(path)
    check_messages(path)
    with gdal.environment(path), rasterio.Env(**_UNITS):
        dataset = gdal.handle(path)
        return [_layer(path, dataset)]


def _layer(path: str, dataset: DatasetReader) -> Layer:
    facts = [dataset.tags(i) for i in range(1, dataset.count + 1)]
    times = [_time(tags) for tags in facts]
    names = _names(facts, [d or "" for d in dataset.descriptions])
    order = sorted({t for t in times if t is not None})
    bands = list(dict.fromkeys(names))
    table = np.zeros((max(len(order), 1), len(bands)), int)
    notes: list[str] = []
    for number, (time, name) in enumerate(zip(times, names, strict=True), start=1):
        row = order.index(time) if time is not None else 0
        if table[row, bands.index(name)]:
            notes.append(f"{name} comes twice at one time: the first is kept")
            continue
        table[row, bands.index(name)] = number
    if (table == 0).any():
        notes.append(f"{int((table == 0).sum())} of {table.size} combinations of date and band are not in the file")
    first = {name: facts[names.index(name)] for name in bands}
    nodata = dataset.nodata
    box, more = geobox_of(dataset)
    source = GribSource(
        path, tuple(tuple(int(v) for v in row) for row in table), (dataset.height, dataset.width),
        float("nan") if nodata is None else float(nodata),
    )  # fmt: skip
    _probe(source)
    return Layer(
        source=source,
        geobox=box,
        bands=tuple(_band(name, first[name]) for name in bands),
        time=np.array(order, dtype="datetime64[s]").astype("datetime64[ns]") if order else None,
        notes=(*more, *notes),
    )


def _probe(source: GribSource) -> None:
    """Decode the first row of every message once: a damaged one shows in absurd numbers, not in an error."""
    dates, bands, _, width = source.shape
    if dates * bands <= 64:
        source.read(range(dates), range(bands), slice(0, 1), slice(0, width))


def _time(tags: dict[str, str]) -> np.datetime64 | None:
    match = re.match(r"\s*(-?\d+)", tags.get("GRIB_VALID_TIME", ""))
    return np.datetime64(int(match[1]), "s") if match else None


def _names(facts: Sequence[dict[str, str]], descriptions: Sequence[str]) -> list[str]:
    """The element, with its level where an element stands on several."""
    elements = [tags.get("GRIB_ELEMENT") or f"band{i}" for i, tags in enumerate(facts, start=1)]
    levels = [tags.get("GRIB_SHORT_NAME", "") for tags in facts]
    several = {e for e in elements if len({lv for e2, lv in zip(elements, levels, strict=True) if e2 == e}) > 1}
    return [f"{e}_{lv}" if e in several else e for e, lv in zip(elements, levels, strict=True)]


def _band(name: str, tags: dict[str, Any]) -> FileBand:
    units = tags.get("GRIB_UNIT", "").strip("[]") or None
    comment = re.sub(r"\s*\[.*\]\s*$", "", tags.get("GRIB_COMMENT", ""))
    quantity = "temperature" if units in ("K", "C") and "emperature" in comment else None
    if quantity is None and units not in (None, "-", "Code", "0=no, 1=yes"):
        quantity = "other"
    return FileBand(name, description=comment, nodata=float("nan"), quantity=quantity, units=units)
