"""Surprises by class to bytes: every class is a stream of its own, coded whole, so that reading it waits for nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from swath.codec.planes import codecs, have_codecs, pack_bytes, unpack_bytes
from swath.codec.stream import Reader, Writer, damaged
from swath.codec.walk import CLASSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Symbols", "Taken"]

FEW = 1500  # a class with fewer symbols joins its neighbour
STREAMS = CLASSES + 1  # the last is the coarsest grid


class Taken:
    """Collects symbols with their classes (encoder)."""

    def __init__(self) -> None:
        self.group: list[NDArray[np.uint8]] = []
        self.value: list[NDArray[np.int64]] = []

    def add(self, group: NDArray[np.uint8], value: NDArray[Any]) -> None:
        """Take down symbols in the order in which the decoder will ask for them."""
        self.group.append(group.ravel())
        self.value.append(value.ravel().astype(np.int64))

    def write(self, out: Writer) -> None:
        """Append all streams."""
        group, value = np.concatenate(self.group), np.concatenate(self.value)
        table = _join(np.bincount(group, minlength=STREAMS))
        out.parts += np.packbits(np.diff(table[:CLASSES], prepend=0).astype(bool)).tobytes()
        group = table.take(group)
        value = value[np.argsort(group, kind="stable")]
        ends = np.cumsum(np.bincount(group, minlength=int(table[-1]) + 1))
        for part in np.split(value, ends[:-1]):
            _write_stream(out, part)


class Symbols:
    """Gives symbols back class by class (decoder)."""

    def __init__(self, source: Reader, limit: int) -> None:
        flags = np.unpackbits(np.frombuffer(source.take((CLASSES + 7) // 8), np.uint8), count=CLASSES)
        table = np.cumsum(flags)
        self.table = np.append(table, table[-1] + 1).astype(np.uint8)
        self.streams = []
        for _ in range(int(self.table[-1]) + 1):
            self.streams.append(_read_stream(source, limit))
            limit -= len(self.streams[-1])
        self.place = [0] * len(self.streams)

    def take(self, group: NDArray[np.uint8], ok: NDArray[np.bool_] | None, kind: Any) -> NDArray[Any]:
        """The next symbols, one for each class of `group`; 0 where not ok."""
        streams = len(self.streams)
        index = self.table.take(group.ravel())
        if ok is not None:
            index[~ok.ravel()] = streams
        order = np.argsort(index, kind="stable")
        counts = np.bincount(index, minlength=streams).tolist()
        found = [self._next(stream, count) for stream, count in enumerate(counts[:streams]) if count]
        out = np.zeros(index.size, kind)
        if found:
            symbols = np.concatenate(found)
            out[order[: len(symbols)]] = symbols
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


def _join(counts: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Which stream each class goes to: neighbours share one until it holds enough."""
    table = np.zeros(STREAMS, np.uint8)
    held, stream, left = 0, 0, int(counts[:CLASSES].sum())
    for group in range(CLASSES):
        if held >= FEW and left >= FEW:
            stream, held = stream + 1, 0
        table[group] = stream
        held += int(counts[group])
        left -= int(counts[group])
    table[CLASSES] = stream + 1
    return table


def _write_stream(out: Writer, values: NDArray[np.int64]) -> None:
    """Append whole numbers: how many, how, and bytes."""
    out.number(len(values))
    if not values.any():
        if len(values):
            out.number(0)
        return
    size = next(size for size in (2, 4, 8) if np.abs(values).max() < 1 << (8 * size - 1))
    small = values.astype(f"<i{size}")
    if have_codecs() and len(values) > 64:
        out.number({2: 1, 4: 2, 8: 3}[size])
        out.block(codecs().pcodec_encode(small, level=8))
        return
    out.number({2: 4, 4: 5, 8: 6}[size])
    out.block(pack_bytes(small, size))


def _read_stream(source: Reader, limit: int) -> NDArray[Any]:
    """Read what _write_stream wrote, of at most `limit` numbers."""
    count = source.number(limit)
    how = source.number(6) if count else 0
    if not how:
        return np.zeros(count, np.int16)
    size = (2, 4, 8)[(how - 1) % 3]
    data = source.block()
    if how > 3:
        return unpack_bytes(data, count, size).view(f"<i{size}")
    out = np.zeros(count, f"<i{size}")
    try:
        codecs().pcodec_decode(data, out=out)
    except Exception as error:  # whatever the library says about bytes it cannot read
        raise damaged(f"symbols that do not read ({error})") from error
    return out
