"""Surprises by class to bytes: every class is a stream of its own, coded whole, so that reading it waits for nothing else."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.codec.planes import codecs, have_codecs, pack_bytes, unpack_bytes
from swath.codec.stream import Reader, Writer, damaged
from swath.codec.walk import CLASSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Symbols", "Taken"]

FEW = 1500  # the least and the most active classes join until they hold so many symbols


class Taken:
    """Collects symbols with their classes (encoder)."""

    def __init__(self) -> None:
        self.group: list[NDArray[np.int32]] = []
        self.value: list[NDArray[Any]] = []
        self.first: list[NDArray[np.int64]] = []

    def add(self, group: NDArray[np.int32] | None, value: NDArray[Any]) -> None:
        """Take down symbols in the order in which the decoder will ask for them; those of the coarsest grid have no class."""
        if group is None:
            self.first.append(value.ravel().astype(np.int64))
            return
        self.group.append(group.ravel())
        self.value.append(value.ravel().astype(np.int32 if value.dtype == np.float32 else np.int64))

    def write(self, out: Writer) -> None:
        """Append all streams: classes below and above the middle ones share one stream each until it holds enough."""
        group = np.concatenate([*self.group, np.empty(0, np.int32)]).clip(0, CLASSES - 1)
        value = np.concatenate(self.value) if self.value else np.empty(0, np.int64)
        counts = np.cumsum(np.bincount(group, minlength=CLASSES))
        low = int(np.searchsorted(counts, min(FEW, counts[-1])))
        high = max(low, int(np.searchsorted(counts, counts[-1] - FEW, side="right")))
        out.number(low)
        out.number(high)
        group = (group.clip(low, high) - low).astype(np.uint8)
        value = value[np.argsort(group, kind="stable")]
        ends = np.cumsum(np.bincount(group, minlength=high - low + 1))
        for part in np.split(value, ends[:-1]):
            _write_stream(out, part)
        _write_stream(out, np.concatenate(self.first))


class Symbols:
    """Gives symbols back class by class (decoder)."""

    def __init__(self, source: Reader, limit: int, kind: Any) -> None:
        self.low, self.high = source.number(CLASSES - 1), source.number(CLASSES - 1)
        if self.low > self.high:
            raise damaged("classes in the wrong order")
        self.streams = []
        for _ in range(self.high - self.low + 2):
            stream = _read_stream(source, limit)
            limit -= len(stream)
            self.streams.append(stream)
        self.streams[:-1] = [stream.astype(kind) for stream in self.streams[:-1]]
        self.place = [0] * len(self.streams)
        self.ends = np.arange(1, len(self.streams), dtype=np.uint8)

    def take(self, group: NDArray[np.int32], ok: NDArray[np.bool_] | None, kind: Any) -> NDArray[Any]:
        """The next symbols, one for each class of `group` (which is used up); 0 where not ok."""
        np.maximum(group, self.low, out=group)
        np.minimum(group, self.high, out=group)
        group -= self.low
        index = group.astype(np.uint8).reshape(-1)
        if ok is None:
            out = np.empty(index.size, kind)
        else:
            index[~ok.reshape(-1)] = len(self.ends)
            out = np.zeros(index.size, kind)
        order = np.argsort(index, kind="stable")
        ends = index.take(order).searchsorted(self.ends).tolist()
        found = [
            self._next(stream, end - start) for stream, (start, end) in enumerate(pairwise([0, *ends])) if end > start
        ]
        if found:
            out[order[: ends[-1]]] = np.concatenate(found)
        return out.reshape(group.shape)

    def first(self, count: int) -> NDArray[Any]:
        """The next symbols of the coarsest grid."""
        return self._next(len(self.streams) - 1, count)

    def _next(self, stream: int, count: int) -> NDArray[Any]:
        at = self.place[stream]
        part = self.streams[stream][at : at + count]
        if len(part) != count:
            raise damaged("fewer symbols than pixels")
        self.place[stream] = at + count
        return part

    def end(self) -> None:
        """Refuse symbols that no pixel asked for."""
        if self.place != [len(stream) for stream in self.streams]:
            raise damaged("more symbols than pixels")


def _write_stream(out: Writer, values: NDArray[Any]) -> None:
    """Append whole numbers: how many, how, and bytes."""
    out.number(len(values))
    if not values.any():
        if len(values):
            out.number(0)
        return
    size = next(size for size in (2, 4, 8) if np.abs(values).max() < 1 << (8 * size - 1))
    small = values.astype(f"<i{size}")
    if have_codecs() and len(values) > 64:
        data = bytes(codecs().pcodec_encode(small, level=12))
        if _declared(data) == len(values):
            out.number({2: 1, 4: 2, 8: 3}[size])
            out.block(data)
            return
    out.number({2: 4, 4: 5, 8: 6}[size])
    out.block(
        pack_bytes((values << 1 ^ values >> 8 * values.itemsize - 1).astype(f"<u{size}"), size)
    )  # the sign last, so that high bytes are 0


def _read_stream(source: Reader, limit: int) -> NDArray[Any]:
    """Read what _write_stream wrote, of at most `limit` numbers."""
    count = source.number(limit)
    how = source.number(6) if count else 0
    if not how:
        return np.zeros(count, np.int16)
    size = (2, 4, 8)[(how - 1) % 3]
    data = source.block()
    if how > 3:
        folded = unpack_bytes(data, count, size).view(f"<u{size}")
        return np.asarray((folded >> 1).astype(f"<i{size}") ^ -(folded & 1).astype(f"<i{size}"))
    if _declared(data) != count:
        raise damaged("symbols of another number than declared")
    out = np.zeros(count, f"<i{size}")
    library = codecs()  # without the extra, its own sentence
    try:
        library.pcodec_decode(data, out=out)
    except Exception as error:  # whatever the library says about bytes it cannot read
        raise damaged(f"symbols that do not read ({error})") from error
    return out


def _declared(data: bytes) -> int:
    """How many numbers a stream of pcodec says that it holds; its library takes memory for them unasked.

    Source: the standalone form of pcodec: mark, version, type, then 6 bits with the length of the count less one, and the count.
    """
    if data[:4] != b"pco!":
        return -1
    bits = int.from_bytes(data[6:16], "little")
    return bits >> 6 & (2 << (bits & 63)) - 1
