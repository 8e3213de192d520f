"""Whole numbers to bytes plane by plane: JPEG XL without loss where the extra is there, else differences and zlib."""

from __future__ import annotations

import importlib.util
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.codec.stream import Reader, Writer, damaged
from swath.errors import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["inflated", "pack_bytes", "read_planes", "unpack_bytes", "write_planes"]


def codecs() -> Any:
    """imagecodecs, or the sentence that says which extra to install."""
    return need("imagecodecs", extra="codec", why="reading chunks coded by JPEG XL")


def have_codecs() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("imagecodecs") is not None


def write_planes(out: Writer, planes: NDArray[np.int64]) -> None:
    """Append whole numbers >= 0 (planes, H, W)."""
    top = int(planes.max(initial=0))
    if top <= 65535 and have_codecs():
        out.number(1)
        image = codecs()
        small = planes.astype(np.uint8 if top < 256 else np.uint16)
        out.number(small.itemsize)
        for plane in small:
            out.block(image.jpegxl_encode(np.ascontiguousarray(plane), lossless=True, effort=7))
        return
    out.number(0)
    steps = np.diff(planes, axis=-1, prepend=0).astype(np.int64)
    out.block(pack_bytes(steps.astype("<i8"), 8))


def read_planes(source: Reader, shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """Read whole numbers of `shape` (planes, H, W)."""
    if source.number(1):
        image = codecs()
        kind = np.dtype(np.uint8 if source.number(2) == 1 else np.uint16)
        planes = np.empty(shape, np.int64)
        got = np.empty(shape[1:], kind)
        for plane in planes:
            data = source.block()
            try:
                image.jpegxl_decode(data, out=got)
            except Exception as error:  # whatever the library says about bytes it cannot read
                raise damaged(f"a plane that JPEG XL does not read ({error})") from error
            plane[...] = got
        return planes
    count = int(np.prod(shape))
    steps = unpack_bytes(source.block(), count, 8).view("<i8").reshape(shape)
    return np.cumsum(steps, axis=-1, dtype=np.int64)


def pack_bytes(values: NDArray[Any], itemsize: int) -> bytes:
    """Any numbers, their bytes sorted by place, deflated."""
    raw = np.ascontiguousarray(values).view(np.uint8).reshape(-1, itemsize)
    flat = np.ascontiguousarray(raw.T).tobytes()
    huffman = zlib.compressobj(9, strategy=zlib.Z_HUFFMAN_ONLY)
    return min(zlib.compress(flat, 6), huffman.compress(flat) + huffman.flush(), key=len)


def inflated(data: bytes, limit: int) -> bytes:
    """What was deflated, cut at `limit` bytes."""
    try:
        return zlib.decompressobj().decompress(data, limit)
    except zlib.error as error:
        raise damaged(f"bytes that do not inflate ({error})") from error


def unpack_bytes(data: bytes, count: int, itemsize: int) -> NDArray[np.uint8]:
    """The bytes of `count` numbers of `itemsize` bytes each; view them as what they are."""
    raw = inflated(data, count * itemsize + 1)
    if len(raw) != count * itemsize:
        raise damaged(f"{len(raw)} bytes where {count * itemsize} belong")
    return np.ascontiguousarray(np.frombuffer(raw, np.uint8).reshape(itemsize, count).T).reshape(-1)
