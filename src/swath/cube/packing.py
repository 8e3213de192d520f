"""Writing packed files: window by window, each chunk decoded and compared before it counts; aside first, then renamed."""

from __future__ import annotations

import math
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

import swath
from swath.cube import packed_chunk
from swath.cube.blocks import fsync_folder, refuse
from swath.cube.lazy import Source
from swath.cube.packed import PackedFile, open_packed
from swath.cube.packed_chunk import Measured
from swath.cube.packed_form import ENTRY, KINDS, PREAMBLE, Grid, Header, Preamble, damaged, deflated
from swath.cube.stored import stored
from swath.errors import FormatError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from swath.cube.scene import Piece
    from swath.earth.sensor import Band

__all__ = ["Part", "code", "dates_that_pay", "fitting", "grid_of", "part_of", "spread", "windows", "write"]

SIDE = 256  # pixels of a chunk's side
WHOLE = 384  # sides up to this are one chunk
BANDS = 96  # more bands than this are coded in groups of GROUP
GROUP = 64
TOGETHER = 4  # times as many dates in a chunk, where that saves PAYS of the bytes
PAYS = 0.05
PIXELS = SIDE * SIDE  # small grids put several dates into a chunk, up to this many pixels
_WINDOW = 48 << 20  # bytes of stored numbers that one task reads
_LARGE = 8 << 20  # numbers in a chunk of several dates
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Part:
    """One native grid to be packed: stored numbers, the bands' facts, and the largest error of each band.

    source: (T, B, H, W). flag: (T, 1, H, W). error: in stored numbers; 0 keeps a band bit by bit. exact: whether the
    numbers are the files' own (else physical ones). open: units were left open. dates: in one chunk; 0 as few as sensible.
    """

    source: Source
    bands: tuple[Band, ...]
    geobox: GeoBox | None
    time: np.ndarray | None
    flag: Source | None = None
    sensor: str | None = None
    attrs: dict[str, Any] = field(default_factory=dict)
    error: tuple[float, ...] = ()
    exact: bool = True
    open: bool = False
    dates: int = 0


def part_of(piece: Piece, *, open: bool = False) -> Part:
    """The stored numbers of a piece of a scene, to be kept exactly until an error is allowed."""
    source, bands, exact = stored(piece)
    if str(source.dtype) not in KINDS:
        raise FormatError(
            rule="a scene of whole or real numbers can be packed",
            got=f"{piece.name} of {source.dtype}",
            remedy="open complex numbers as two bands",
        )
    attrs = {str(k): v for k, v in piece.attrs.items() if isinstance(v, (str, int, float, bool))}
    return Part(
        source, bands, piece.geobox, piece.time, piece.flag, piece.sensor, attrs, (0.0,) * len(bands), exact, open
    )  # fmt: skip


def grid_of(part: Part, first: int) -> Grid:
    """How a part is cut into chunks, with all facts that the header keeps."""
    t, b, h, w = part.source.shape
    whole = WHOLE if b <= GROUP // 2 else SIDE
    y, x = (n if n <= whole else SIDE for n in (h, w))
    dates = min(t, part.dates or max(1, PIXELS // (y * x)))
    groups = [tuple(range(b))] if b <= BANDS else [tuple(range(k, min(k + GROUP, b))) for k in range(0, b, GROUP)]
    box = part.geobox
    return Grid(
        shape=(t, b, h, w),
        dtype=str(part.source.dtype),
        chunk=(dates, y, x),
        groups=tuple(groups),
        first=first,
        bands=tuple(_facts(band) for band in part.bands),
        time=None if part.time is None else tuple(part.time.astype("datetime64[ns]").astype(np.int64).tolist()),
        affine=None if box is None else tuple(float(v) for v in tuple(box.affine)[:6]),
        crs=None if box is None or box.crs is None else str(box.crs.to_wkt()),
        sensor=part.sensor,
        flag=part.flag is not None,
        attrs=part.attrs,
        open=part.open,
    )


def _facts(band: Band) -> dict[str, Any]:
    """A band's facts as JSON keeps them: what is not known is left out."""
    numbers = {k: float(getattr(band, k)) for k in ("wavelength", "fwhm", "gsd", "nodata", "scale", "offset")}
    known = {k: v for k, v in numbers.items() if math.isfinite(v)}
    if known.get("scale") == 1.0 and known.get("offset") == 0.0:
        known = {k: v for k, v in known.items() if k not in ("scale", "offset")}
    texts = {k: str(getattr(band, k)) for k in ("common", "polarisation")}
    about = {"name": band.name, "quantity": band.quantity, "units": band.units}
    return about | known | {k: v for k, v in texts.items() if v}


def dates_that_pay(part: Part) -> int:
    """How many dates a chunk should hold: one where that is as good, for windows of one date then decode least.

    Tried on the window in the scene's middle.
    """
    few = grid_of(replace(part, dates=0), 0)
    most = min(part.source.shape[0], TOGETHER * few.chunk[0])
    many = grid_of(replace(part, dates=most), 0)
    large = most * few.chunk[1] * few.chunk[2] * max(len(g) for g in few.groups)
    if most == few.chunk[0] or large > _LARGE:
        return few.chunk[0]
    middle = [n // 2 for n in few.across]
    first = middle[0] * few.chunk[0] // most
    apart = [k for k in range(few.across[0]) if first * most <= k * few.chunk[0] < (first + 1) * most]

    def bytes_of(grid: Grid, dates: Sequence[int]) -> int:
        coded = [code(replace(part, dates=grid.chunk[0]), grid, [(k, middle[1], middle[2])]) for k in dates]
        return sum(len(data) + ENTRY.itemsize for chunks in coded for _, data, found in chunks if found is not None)

    return most if bytes_of(many, [first]) <= (1 - PAYS) * bytes_of(few, apart) else few.chunk[0]


def windows(grid: Grid) -> list[list[tuple[int, int, int]]]:
    """Places of chunks that are read together: up to 2 x 2, so that blocks of the source are decoded once."""
    t, rows, columns = grid.across
    a, b, c = grid.chunk
    bytes_of = a * b * c * grid.shape[1] * np.dtype(grid.dtype).itemsize
    side = 2 if 4 * bytes_of <= _WINDOW else 1
    return [
        [(i, y, x) for y, x in product(range(j, min(j + side, rows)), range(k, min(k + side, columns)))]
        for i, j, k in product(range(t), range(0, rows, side), range(0, columns, side))
    ]


def code(part: Part, grid: Grid, places: Sequence[tuple[int, int, int]]) -> list[tuple[int, bytes, Measured | None]]:
    """(number, bytes, measured) of the chunks at some places, each decoded again and compared. Bands as the part's."""
    spans = [grid.window(at) for at in places]
    top, left = min(y.start for _, y, _ in spans), min(x.start for _, _, x in spans)
    bottom, right = max(y.stop for _, y, _ in spans), max(x.stop for _, _, x in spans)
    t = spans[0][0]
    dates, rows, columns = list(range(t.start, t.stop)), slice(top, bottom), slice(left, right)
    values = part.source.read(dates, list(range(grid.shape[1])), rows, columns)
    flags = None if part.flag is None else part.flag.read(dates, [0], rows, columns)
    nodata = [b.nodata for b in part.bands]
    out: list[tuple[int, bytes, Measured | None]] = []
    for at, (_, y, x) in zip(places, spans, strict=True):
        here = (slice(y.start - top, y.stop - top), slice(x.start - left, x.stop - left))
        for k, members in enumerate(grid.groups):
            chunk = np.ascontiguousarray(values[:, list(members)][:, :, here[0], here[1]])
            number = grid.number(at, k)
            coded = fitting(chunk, grid, number)
            data, _, found = packed_chunk.encode(
                coded, [nodata[b] for b in members], [part.error[b] for b in members] if any(part.error) else None
            )
            out.append((number, data, spread(found, members, grid.shape[1])))
        if flags is not None:
            chunk = np.ascontiguousarray(flags[:, :, here[0], here[1]])
            data, _, _ = packed_chunk.encode(chunk, [math.nan], None)
            out.append((grid.number(at, len(grid.groups)), data, None))
    return out


def fitting(chunk: np.ndarray, grid: Grid, number: int) -> np.ndarray:
    """The numbers in a type that the codec knows; refused where it does not hold them exactly."""
    coded = chunk.astype(grid.coded, copy=False)
    if coded.dtype != chunk.dtype and not np.array_equal(
        coded.astype(chunk.dtype), chunk, equal_nan=chunk.dtype.kind == "f"
    ):
        raise FormatError(
            rule="whole numbers of 64 bits are packed up to 2**53",
            got=f"larger ones in chunk {number + 1}",
            remedy="scale or split the band",
        )
    return coded


def spread(found: Measured, members: Sequence[int], bands: int) -> Measured:
    """What was measured on a group of bands, among all bands."""
    if len(members) == bands:
        return found
    at = list(members)
    empty = (
        np.zeros(bands, np.int64),
        np.zeros(bands),
        np.zeros(bands),
        np.full(bands, np.inf),
        np.full(bands, -np.inf),
    )
    whole = Measured(*empty, np.zeros(bands, np.int64), found.samples)
    for name in ("n", "worst", "squares", "low", "high", "digits"):
        getattr(whole, name)[at] = getattr(found, name)
    return whole


def write(
    path: str | os.PathLike[str],
    parts: Sequence[Part],
    *,
    promise: dict[str, Any] | None = None,
    tags: dict[str, str] | None = None,
    certify: Callable[[list[Measured]], dict[str, Any]] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> PackedFile:
    """Pack parts into one file; memory is bounded by a few windows for each worker.

    certify: {grid's Measured} -> what the file says was measured. The file stands under its name only when every chunk
    was decoded and compared, and its bytes were read back from the disk. Raises OutputError, FormatError.
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    grids: list[Grid] = []
    for part in parts:
        grids.append(grid_of(part, sum(g.count for g in grids)))
    header = Header(tuple(grids), promise or {}, tags or {}, swath.__version__)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(aside, "w+b") as file:
            _fill(file, header, parts, certify or (lambda _: {}), workers or os.cpu_count() or 1, progress)
            file.flush()
            os.fsync(file.fileno())
        _read_back(aside, header)
        os.replace(aside, path)
        fsync_folder(path.parent)
    except OSError as error:
        raise refuse(error, path) from error
    finally:
        aside.unlink(missing_ok=True)
    return open_packed(path)


def _fill(
    file: BinaryIO,
    header: Header,
    parts: Sequence[Part],
    certify: Callable[[list[Measured]], dict[str, Any]],
    workers: int,
    progress: Progress | None,
) -> None:
    head = deflated(header.to_json())
    count = sum(g.count for g in header.grids)
    index = np.zeros(count, ENTRY)
    place = PREAMBLE.size + len(head) + index.nbytes
    file.seek(place)
    sums: list[Measured | None] = [None] * len(parts)
    total = sum(len(windows(g)) for g in header.grids)
    for done, (k, chunks) in enumerate(_coded(header, parts, workers)):
        for number, data, found in chunks:
            file.write(data)
            index[number] = place, len(data), zlib.crc32(data)
            place += len(data)
            if found is not None:
                before = sums[k]
                sums[k] = found if before is None else before + found
        if progress is not None:
            progress(done + 1, total, "packing")
    certificate = deflated(certify([s for s in sums if s is not None]))
    file.write(certificate)
    raw = index.tobytes()
    start = Preamble(
        size=place + len(certificate),
        header=(PREAMBLE.size, len(head), zlib.crc32(head)),
        index=(PREAMBLE.size + len(head), count, zlib.crc32(raw)),
        certificate=(place, len(certificate), zlib.crc32(certificate)),
    )
    file.seek(0)
    file.write(start.pack() + head + raw)


def _coded(
    header: Header, parts: Sequence[Part], workers: int
) -> Iterator[tuple[int, list[tuple[int, bytes, Measured | None]]]]:
    """Chunks of all parts in a fixed order, made by threads that never run far ahead of what is written."""
    todo = ((k, places) for k, grid in enumerate(header.grids) for places in windows(grid))
    if workers == 1:
        for k, places in todo:
            yield k, code(parts[k], header.grids[k], places)
        return
    waiting: deque[tuple[int, Future[list[tuple[int, bytes, Measured | None]]]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="swath-pack") as pool:
        try:
            for k, places in todo:
                waiting.append((k, pool.submit(code, parts[k], header.grids[k], places)))
                if len(waiting) > workers + 1:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _read_back(path: Path, header: Header) -> None:
    """Compare every checksum with the disk. Raises FormatError."""
    found = open_packed(path)
    if found.header != header:
        raise damaged(str(path), "its header came back otherwise than it was written")
    for number in range(len(found.index)):
        found.chunk(number)
