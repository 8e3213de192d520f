"""The form of a packed file (.swath): preamble, header, index, chunks, certificate; written and read with every check.

    0    preamble, 80 bytes: magic, format, size of the file, place and CRC-32 of the other parts, its own CRC-32
    80   header: JSON, deflated: what the cube is (grids, bands, dates, CRS, chunks) and what was promised
    ...  index: for each chunk its place (u64), length (u32) and CRC-32 (u32)
    ...  chunks
    ...  certificate: JSON, deflated: what was measured on the decoded numbers

Every byte lies under one of the checksums. Nothing is allocated by what a file declares before its length bears it out.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from swath.errors import FormatError

__all__ = ["FORMAT", "MAGIC", "Grid", "Header", "Preamble", "damaged", "deflated", "inflated"]

MAGIC = b"\x89SWATH\r\n"
FORMAT = 1
PREAMBLE = struct.Struct("<8sIIQQIIQQIQIII")  # see Preamble.pack
ENTRY = np.dtype([("place", "<u8"), ("length", "<u4"), ("crc", "<u4")])
MOST_HEADER = 8 << 20  # bytes of JSON
MOST_CHUNK = 256 << 20  # bytes of one decoded chunk
KINDS = (
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
    "float64",
    "bool",
)
# What the coder takes for types that it does not know; each holds the other's numbers (64 bit: up to 2**53, verified).
CODED = {"bool": "uint8", "int64": "float64", "uint64": "float64", "float16": "float32"}


def damaged(path: str, what: str) -> FormatError:
    """The refusal of a file whose bytes are not what was written."""
    return FormatError(
        rule="a packed file must be whole and unchanged", got=f"{path}: {what}", remedy="fetch or copy it again"
    )


def deflated(record: dict[str, Any]) -> bytes:
    """JSON, deflated. NaN is refused: it must be null."""
    return zlib.compress(json.dumps(record, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode(), 9)


def inflated(data: bytes, path: str, what: str) -> dict[str, Any]:
    """The JSON object again; at most MOST_HEADER bytes of it. Raises FormatError."""
    try:
        inflater = zlib.decompressobj()
        text = inflater.decompress(data, MOST_HEADER)
        if not inflater.eof or inflater.unused_data:
            raise damaged(path, f"its {what} is longer than it may be")
        record = json.loads(text)
    except (zlib.error, ValueError, RecursionError) as error:
        raise damaged(path, f"its {what} cannot be read ({error})") from error
    if not isinstance(record, dict):
        raise damaged(path, f"its {what} is no record")
    return record


@dataclass(frozen=True, slots=True)
class Preamble:
    """Where the parts of the file lie. A file that is being written has size 0."""

    size: int
    header: tuple[int, int, int]  # place, length, crc
    index: tuple[int, int, int]  # place, chunks, crc
    certificate: tuple[int, int, int]

    def pack(self) -> bytes:
        """The first 80 bytes."""
        (hp, hl, hc), (ip, n, ic), (cp, cl, cc) = self.header, self.index, self.certificate
        body = PREAMBLE.pack(MAGIC, FORMAT, hl, self.size, hp, hc, cc, ip, n, ic, cp, cl, 0, 0)
        body = body[:-4]
        return body + struct.pack("<I", zlib.crc32(body))

    @classmethod
    def unpack(cls, data: bytes, path: str, size: int) -> Preamble:
        """Of the first bytes of a file of `size` bytes. Raises FormatError, which says what is missing."""
        if not data.startswith(MAGIC):
            if data.startswith(MAGIC[:6]):
                raise damaged(path, "its line ends were changed: it was copied as text")
            raise FormatError(rule="a packed file starts with its mark", got=path, remedy="name a file of swath pack")
        if len(data) < PREAMBLE.size:
            raise damaged(path, f"cut short: {len(data)} bytes, not even its first {PREAMBLE.size}")
        said = PREAMBLE.unpack(data[: PREAMBLE.size])
        _, version, hl, whole, hp, hc, cc, ip, n, ic, cp, cl, _, crc = said
        if crc != zlib.crc32(data[: PREAMBLE.size - 4]):
            raise damaged(path, "its first bytes have changed")
        if version > FORMAT:
            raise FormatError(
                rule=f"this swath reads packed files up to format {FORMAT}",
                got=f"{path}, format {version}",
                remedy="use a newer swath",
            )
        if whole == 0:
            raise damaged(path, "its writing was never finished")
        found = cls(whole, (hp, hl, hc), (ip, n, ic), (cp, cl, cc))
        if size > whole:
            raise damaged(path, f"{size - whole:,} bytes more than it was written with")
        if max(hp + hl, ip + n * ENTRY.itemsize, cp + cl) > whole:
            raise damaged(path, "its parts do not fit into it")
        return found


@dataclass(frozen=True, slots=True)
class Grid:
    """One native grid of the packed cube.

    shape: (T, B, H, W). chunk: (dates, rows, columns) of one chunk. groups: bands that are coded together. first: number
    of its first chunk in the index. bands: facts of each as in `layer.FileBand`. time: nanoseconds since 1970 (UTC).
    open: units were left open, as in the original. Chunks follow one another by dates, rows, columns, groups; with a
    flag, one chunk of it comes after the groups.
    """

    shape: tuple[int, int, int, int]
    dtype: str
    chunk: tuple[int, int, int]
    groups: tuple[tuple[int, ...], ...]
    first: int
    bands: tuple[dict[str, Any], ...]
    time: tuple[int, ...] | None = None
    affine: tuple[float, ...] | None = None
    crs: str | None = None
    sensor: str | None = None
    flag: bool = False
    attrs: dict[str, Any] = field(default_factory=dict)
    open: bool = False

    @property
    def across(self) -> tuple[int, int, int]:
        """Number of chunks over dates, rows and columns."""
        t, _, h, w = self.shape
        a, b, c = self.chunk
        return -(-t // a), -(-h // b), -(-w // c)

    @property
    def deep(self) -> int:
        """Chunks at one place: the groups of bands, and the flag."""
        return len(self.groups) + self.flag

    @property
    def count(self) -> int:
        """Number of chunks."""
        a, b, c = self.across
        return a * b * c * self.deep

    def number(self, at: tuple[int, int, int], group: int) -> int:
        """The chunk's place in the index; `group` len(groups) is the flag."""
        _, rows, columns = self.across
        return self.first + ((at[0] * rows + at[1]) * columns + at[2]) * self.deep + group

    def window(self, at: tuple[int, int, int]) -> tuple[slice, slice, slice]:
        """Dates, rows and columns of the chunks at a place."""
        sizes = (self.shape[0], self.shape[2], self.shape[3])
        t, y, x = (
            slice(k * step, min((k + 1) * step, n)) for k, step, n in zip(at, self.chunk, sizes, strict=True)
        )  # fmt: skip
        return t, y, x

    @property
    def coded(self) -> np.dtype:
        """The type in which the numbers are coded."""
        return np.dtype(CODED.get(self.dtype, self.dtype))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, told: dict[str, Any], path: str) -> Grid:
        """Read from JSON, every value checked. Raises FormatError."""
        try:
            grid = cls(
                shape=_whole(told["shape"], 4),
                dtype=str(told["dtype"]),
                chunk=_whole(told["chunk"], 3),
                groups=tuple(tuple(int(b) for b in g) for g in told["groups"]),
                first=int(told["first"]),
                bands=tuple(dict(b) for b in told["bands"]),
                time=None if told.get("time") is None else tuple(int(v) for v in told["time"]),
                affine=None if told.get("affine") is None else tuple(float(v) for v in told["affine"]),
                crs=None if told.get("crs") is None else str(told["crs"]),
                sensor=None if told.get("sensor") is None else str(told["sensor"]),
                flag=bool(told.get("flag", False)),
                attrs=dict(told.get("attrs", {})),
                open=bool(told.get("open", False)),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise damaged(path, f"its header says {type(error).__name__}: {error}") from error
        if broken := _broken(grid):
            raise damaged(path, f"its header cannot be: {broken}")
        return grid


def _whole(values: Any, n: int) -> Any:
    out = tuple(int(v) for v in values)
    if len(out) != n or min(out) < 1 or max(out) > 2**40:
        raise ValueError(f"{n} sizes of at least 1, got {out[:8]}")
    return out


def _broken(grid: Grid) -> str:
    t, b, h, w = grid.shape
    members = sorted(m for g in grid.groups for m in g)
    if grid.dtype not in KINDS:
        return f"numbers of type {grid.dtype[:20]}"
    if members != list(range(b)) or len(grid.bands) != b:
        return f"{len(grid.bands)} bands, of which {len(members)} are coded, for {b}"
    if grid.time is not None and len(grid.time) != t:
        return f"{len(grid.time)} dates for {t}"
    if grid.affine is not None and not _is_transform(grid.affine):
        return "a transform that is none"
    if any(c > n for c, n in zip(grid.chunk, (t, h, w), strict=True)):
        return f"chunks of {grid.chunk} for {grid.shape}"
    largest = max(len(g) for g in grid.groups) * int(np.prod(grid.chunk, dtype=object)) * grid.coded.itemsize
    return f"chunks of {largest:,} bytes" if largest > MOST_CHUNK else ""


def _is_transform(numbers: tuple[float, ...]) -> bool:
    """Six numbers that some place on some planet can have, and that do not flatten a pixel."""
    if len(numbers) != 6 or not all(abs(v) < 1e15 for v in numbers):
        return False
    a, b, _, d, e, _ = numbers
    return abs(a * e - b * d) > 1e-30


@dataclass(frozen=True, slots=True)
class Header:
    """What the file says of itself before any chunk: the grids, and what was promised when it was packed."""

    grids: tuple[Grid, ...]
    promise: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    swath: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "format": FORMAT,
            "swath": self.swath,
            "promise": self.promise,
            "tags": self.tags,
            "grids": [g.to_json() for g in self.grids],
        }

    @classmethod
    def of(cls, told: dict[str, Any], path: str, chunks: int) -> Header:
        """Read from JSON. Raises FormatError where it does not fit the index."""
        try:
            grids = tuple(Grid.of(dict(g), path) for g in told["grids"])
            promise, tags = dict(told.get("promise", {})), {str(k): str(v) for k, v in dict(told["tags"]).items()}
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, f"its header says {type(error).__name__}: {error}") from error
        at = 0
        for grid in grids:
            if grid.first != at:
                raise damaged(path, "its grids do not follow one another")
            at += grid.count
        if not grids or at != chunks:
            raise damaged(path, f"{chunks} chunks in its index for {at} in its header")
        return cls(grids, promise, tags, str(told.get("swath", "")))
