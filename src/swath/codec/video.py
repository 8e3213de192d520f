"""Dates as the frames of a video stream (x265, FFV1 through PyAV), for comparison, and with a residual that keeps a bound.

A stream alone promises nothing: even x265's `lossless` changes numbers where it converts colours (way "yuv", as the library
of arXiv 2506.19656 does), and every lossy stream leaves errors many times its mean error. `encode` therefore codes what the
decoded stream is off by, within the bound, beside it.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.codec import chunk
from swath.codec.stream import damaged
from swath.errors import SwathError, need

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LADDER", "WAYS", "Stream", "decode", "decode_stream", "encode", "encode_stream"]

WAYS = {"gbr": ("gbrp", 3), "yuv": ("yuv444p", 3), "gray": ("gray", 1)}
# The quality ladder of the library above for libx265, preset medium, tune psnr.
LADDER: dict[str, dict[str, str]] = {
    "best": {"x265-params": "lossless=1"},
    "very high": {"crf": "51", "x265-params": "qpmin=0:qpmax=0.01"},
    "high": {"crf": "1"},
    "medium": {"crf": "7"},
    "low": {"crf": "16"},
    "very low": {"crf": "27"},
}
_QUIET = "pools=1:frame-threads=1:log-level=none"
_RATE = 30  # frames a second, as the library writes them
_LEAST = (
    128  # pixels of a side: of a picture of one coding unit (64) x265 gives other bytes, and errors, from run to run
)
_MOST = 1 << 26
_HEAD = struct.Struct("<4sI")
_MAGIC = b"SwV1"


@dataclass(frozen=True, slots=True)
class Stream:
    """A coded stream and what its decoding needs. low, high: stored numbers of each band at 0 and at the largest code."""

    data: bytes
    way: str
    coder: str
    bits: int
    shape: tuple[int, int, int, int]
    low: tuple[float, ...]
    high: tuple[float, ...]


def encode_stream(
    values: NDArray[Any],
    valid: NDArray[np.bool_] | None = None,
    *,
    quality: str | float = "very high",
    way: str = "gbr",
    coder: str = "libx265",
    bits: int = 12,
) -> Stream:
    """Code (T, C, H, W) as video; the dates are frames, three bands a frame (way "gray": one, bands one after the other).

    quality: of LADDER, or a crf; FFV1 loses nothing but what `bits` rounds away. Values are stretched between each band's
    least and largest valid one when they do not fit `bits`. Invalid ones take the band's mean. Raises ExtraError without
    PyAV, SwathError for options that do not fit.
    """
    values = np.asarray(values)
    if values.ndim != 4 or not 0 < values.size <= _MOST or way not in WAYS or values.dtype.kind not in "iuf":
        raise SwathError(
            rule=f"video takes (time, band, y, x) of up to {_MOST} numbers, by way of {', '.join(WAYS)}",
            got=f"{values.dtype} of shape {values.shape} by way of {way}",
            remedy="cut the cube into smaller chunks",
        )
    fine = np.ones(values.shape, bool) if valid is None else np.asarray(valid, bool)
    fine = fine & np.isfinite(values)
    t, c, h, w = values.shape
    low, high = _ranges(values, fine, bits)
    codes = _codes(values, fine, low, high, bits)
    options = {"threads": "1"}
    if coder == "libx265":
        chosen = LADDER[quality] if isinstance(quality, str) else {"crf": f"{quality:g}"}
        more = chosen.get("x265-params")
        options |= {"preset": "medium", "tune": "psnr", **chosen, "x265-params": f"{_QUIET}:{more}" if more else _QUIET}
    elif coder != "ffv1":
        raise SwathError(rule="video is coded by libx265 or ffv1", got=coder, remedy="choose one of them")
    data = _mux(_frames(codes, way), way, coder, bits, options)
    return Stream(data, way, coder, bits, (t, c, h, w), tuple(low.tolist()), tuple(high.tolist()))


def decode_stream(stream: Stream) -> NDArray[np.float64]:
    """(T, C, H, W) numbers of a stream. Raises Damaged where it does not decode to its shape."""
    t, c, h, w = stream.shape
    per = WAYS[stream.way][1]
    groups = -(-c // per)
    codes = np.zeros((t, groups * per, h, w))
    count = 0
    for frame in _demux(stream):
        group, date = divmod(count, t)
        if group >= groups or frame.shape[1] < h or frame.shape[2] < w:
            raise damaged("a video of another shape than declared")
        codes[date, group * per : (group + 1) * per] = frame[:, :h, :w]
        count += 1
    if count != groups * t:
        raise damaged(f"a video of {count} frames where {groups * t} belong")
    low, high = (np.array(v).reshape(1, -1, 1, 1) for v in (stream.low, stream.high))
    top = float((1 << stream.bits) - 1)
    return np.asarray(low + codes[:, :c] * (high - low) / top)


def encode(
    values: NDArray[Any],
    valid: NDArray[np.bool_] | None = None,
    max_error: float | Sequence[float] | None = None,
    **options: Any,
) -> bytes:
    """A stream and the residual that keeps the bound: the contract of `codec.encode`. options: of `encode_stream`.

    Without a bound only whole numbers of up to 16 bits are taken: they come back bit by bit.
    """
    values = np.asarray(values)
    if max_error is None and values.dtype.name not in ("uint8", "int8", "uint16", "int16"):
        raise SwathError(
            rule="video keeps whole numbers of up to 16 bits without loss",
            got=str(values.dtype),
            remedy="give a largest error, or use codec.encode",
        )
    mask = np.asarray(~np.isnan(values) if values.dtype.kind == "f" else np.ones(values.shape, bool))
    mask = mask if valid is None else np.asarray(valid, bool)
    stream = encode_stream(values, mask, **options)
    rest = _off_by(values, decode_stream(stream), mask)
    about = {k: v for k, v in asdict(stream).items() if k != "data"} | {"dtype": values.dtype.name}
    head = zlib.compress(json.dumps(about).encode(), 9)
    body = _HEAD.pack(_MAGIC, len(head)) + head + struct.pack("<I", len(stream.data)) + stream.data
    if values.dtype.kind != "f" or max_error is None:
        return _sealed(body + chunk.encode(rest, mask, max_error))
    bound = np.broadcast_to(np.asarray(max_error, float), (values.shape[1],))
    for room in (0.999, 0.9, 0.5):  # the sum of stream and residual is rounded to the values' type
        data = _sealed(body + chunk.encode(rest, mask, (bound * room).tolist()))
        off = np.abs(decode(data)[0].astype(np.float64) - values)
        if not (np.where(mask, off, 0) > bound.reshape(1, -1, 1, 1)).any():
            return data
    raise SwathError(
        rule=f"a largest error is wider than the rounding of {values.dtype}",
        got=f"{bound.min():g}",
        remedy="allow a larger one, or use codec.encode",
    )


def _sealed(data: bytes) -> bytes:
    return data + struct.pack("<I", zlib.crc32(data))


def decode(data: bytes, shape: Sequence[int] | None = None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values and mask of `encode`'s bytes. Raises Damaged, ExtraError."""
    if len(data) < _HEAD.size + 8 or zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise damaged("bytes whose checksum does not fit")
    magic, length = _HEAD.unpack(data[: _HEAD.size])
    if magic != _MAGIC or length > len(data) - _HEAD.size - 8:
        raise damaged("no stream of this package")
    at = _HEAD.size + length
    try:
        about = json.loads(zlib.decompressobj().decompress(data[_HEAD.size : at], 1 << 20))
        kind = np.dtype(str(about.pop("dtype")))
        about |= {k: tuple(about[k]) for k in ("shape", "low", "high")}
        size = struct.unpack("<I", data[at : at + 4])[0]
        stream = Stream(data[at + 4 : at + 4 + size], **about)
        whole = int(np.prod(stream.shape, dtype=object))
    except (ValueError, KeyError, TypeError, zlib.error, struct.error) as error:
        raise damaged(f"a head that says {type(error).__name__}") from error
    if not 0 < whole <= _MOST or stream.way not in WAYS or (shape is not None and tuple(shape) != stream.shape):
        raise damaged(f"a stream of shape {stream.shape[:4]}")
    rest, mask = chunk.decode(data[at + 4 + size : -4], stream.shape)
    base = decode_stream(stream)
    if kind.kind == "f":
        values = (base + np.where(mask, rest, 0)).astype(kind)
        values[~mask] = np.nan
        return values, mask
    info = np.iinfo(kind)
    return np.clip(np.rint(base) + np.where(mask, rest, 0), info.min, info.max).astype(kind), mask


def _off_by(values: NDArray[Any], base: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """What has to be added to the decoded stream: whole numbers for whole numbers."""
    if values.dtype.kind == "f":
        return np.asarray(np.where(mask, values - base, 0).astype(np.float64))
    return np.asarray(np.where(mask, values.astype(np.int64) - np.rint(base).astype(np.int64), 0).astype(np.int32))


def _ranges(
    values: NDArray[Any], fine: NDArray[np.bool_], bits: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and largest valid number of each band; of whole numbers that fit, as many above the least as there are codes."""
    bands = values.shape[1]
    low, high = np.zeros(bands), np.ones(bands)
    top = (1 << bits) - 1
    for i in range(bands):
        here = values[:, i][fine[:, i]]
        if here.size:
            low[i], high[i] = float(here.min()), float(here.max())
        if values.dtype.kind in "iu" and high[i] - low[i] <= top:
            high[i] = low[i] + top
        elif high[i] <= low[i]:
            high[i] = low[i] + 1.0
    return low, high


def _codes(
    values: NDArray[Any], fine: NDArray[np.bool_], low: NDArray[np.float64], high: NDArray[np.float64], bits: int
) -> NDArray[np.uint16]:
    top = (1 << bits) - 1
    out = np.empty(values.shape, np.uint16)
    for i in range(values.shape[1]):
        plane = (np.where(fine[:, i], values[:, i], 0).astype(np.float64) - low[i]) * (top / (high[i] - low[i]))
        good = fine[:, i]
        filled = np.where(good, plane, plane[good].mean() if good.any() else 0.0)
        out[:, i] = np.clip(np.rint(filled), 0, top).astype(np.uint16)
    return out


def _frames(codes: NDArray[np.uint16], way: str) -> list[NDArray[np.uint16]]:
    """Frames (planes, H, W): groups of bands one after the other, each over all dates; the last band repeats to fill three."""
    per = WAYS[way][1]
    t, c, h, w = codes.shape
    groups = -(-c // per)
    index = np.minimum(np.arange(groups * per), c - 1).reshape(groups, per)
    down, right = (max(_LEAST, -(-n // 8) * 8) - n for n in (h, w))
    padded = np.pad(codes, ((0, 0), (0, 0), (0, down), (0, right)), mode="edge")
    return [padded[date, index[g]] for g in range(groups) for date in range(t)]


def _format(way: str, coder: str, bits: int, *, inside: bool) -> str:
    """The pixel format of the frames given (`inside` False) or coded. FFV1 and gray keep what they are given."""
    name = WAYS["gbr" if way == "yuv" and not inside else way][0]
    return name if bits == 8 else f"{name}{bits}le"


def _mux(frames: list[NDArray[np.uint16]], way: str, coder: str, bits: int, options: dict[str, str]) -> bytes:
    av = need("av", extra="codec", why="coding video")
    sink = io.BytesIO()
    given, coded = (_format(way, coder, bits, inside=k) for k in (False, True))
    try:
        with av.open(sink, "w", format="matroska", container_options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream(coder, rate=_RATE, options=options)
            stream.height, stream.width = frames[0].shape[1:]
            stream.pix_fmt = coded
            pictures = (_picture(av, frame, given, bits) for frame in frames)
            for order, packet in enumerate(_packets(stream, pictures, None if given == coded else coded)):
                # x265 leaves the decoding times of one or two pictures unset; the container keeps only their order.
                packet.dts = order - len(frames)
                container.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        raise SwathError(
            rule=f"{coder} codes {coded} of {frames[0].shape[1]} x {frames[0].shape[2]} pixels",
            got=str(error),
            remedy="choose another way or number of bits",
        ) from error
    return sink.getvalue()


def _packets(stream: Any, pictures: Iterable[Any], other: str | None) -> Iterator[Any]:
    """What the coder makes of the pictures, in the order of decoding; other: the pixel format that they are turned into."""
    for number, picture in enumerate(pictures):
        given = picture if other is None else picture.reformat(format=other)
        given.pts, given.time_base = number, Fraction(1, _RATE)  # else it is whatever memory held
        yield from stream.encode(given)
    yield from stream.encode(None)


def _picture(av: Any, frame: NDArray[np.uint16], name: str, bits: int) -> Any:
    """A frame of planes; G, B, R is the order of planar RGB in ffmpeg, so band 1 is R."""
    picture = av.VideoFrame(frame.shape[2], frame.shape[1], name)
    order = (1, 2, 0) if len(frame) == 3 else (0,)
    kind = np.uint8 if bits == 8 else np.dtype("<u2")
    for plane, band in zip(picture.planes, order, strict=True):
        lines = np.zeros((frame.shape[1], plane.line_size // np.dtype(kind).itemsize), kind)
        lines[:, : frame.shape[2]] = frame[band]
        plane.update(lines.tobytes())
    return picture


def _demux(stream: Stream) -> Any:
    """Frames (planes, H, W) of codes."""
    av = need("av", extra="codec", why="decoding video")
    back = _format(stream.way, stream.coder, stream.bits, inside=False)
    kind = np.uint8 if stream.bits == 8 else np.dtype("<u2")
    try:
        with av.open(io.BytesIO(stream.data), "r", format="matroska") as container:
            for picture in container.decode(video=0):
                if picture.width * picture.height > _MOST:
                    raise damaged("a video of too large a frame")
                same = picture if picture.format.name == back else picture.reformat(format=back)
                planes = []
                for plane in same.planes:
                    width = plane.line_size // np.dtype(kind).itemsize
                    lines = np.frombuffer(bytes(plane), kind).reshape(-1, width)[: picture.height, : picture.width]
                    planes.append(lines)
                yield np.stack([planes[2], planes[0], planes[1]] if len(planes) == 3 else planes)
    except (av.FFmpegError, ValueError) as error:
        raise damaged(f"a video that does not decode ({error})") from error
