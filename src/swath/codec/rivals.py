"""Coders that others use, behind one call, for comparison: what a setting costs and what comes back. None keeps masks.

Whole numbers only, each (T, C, H, W). Values that do not count take their band's mean first, so that they cost little; the
mask's own bytes are added to every size alike.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.codec import chunk, video
from swath.errors import SwathError, need

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LOSSLESS", "NAMES", "Coded", "code"]

Array = Any


@dataclass(frozen=True, slots=True)
class Coded:
    """size in bytes, masks included; the decoded numbers; seconds to code and to decode."""

    size: int
    values: NDArray[np.float64]
    seconds: tuple[float, float]


def code(name: str, values: NDArray[Any], valid: NDArray[np.bool_], setting: Any) -> Coded:
    """Code and decode by one of NAMES. setting: largest error, PSNR in dB of JPEG 2000, or a step of video.LADDER.

    Raises SwathError for other names, ExtraError without the extra `codec`.
    """
    if name not in NAMES:
        raise SwathError(rule=f"rivals are {', '.join(NAMES)}", got=name, remedy="choose one of them")
    if name == OURS:
        began = time.perf_counter()
        data = chunk.encode(values, valid, setting or None)
        middle = time.perf_counter()
        back, _ = chunk.decode(data)
        return Coded(len(data), back.astype(np.float64), (middle - began, time.perf_counter() - middle))
    mask = 0 if valid.all() else len(zlib.compress(np.packbits(valid).tobytes(), 9))
    filled = _filled(values, valid)
    low = int(filled.min())
    began = time.perf_counter()
    data, decode = NAMES[name](filled, low, setting)
    middle = time.perf_counter()
    back = decode()
    return Coded(mask + data, back, (middle - began, time.perf_counter() - middle))


def _filled(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
    out = values.copy()
    for i in range(values.shape[1]):
        good = valid[:, i]
        if not good.all():
            out[:, i][~good] = round(float(values[:, i][good].mean())) if good.any() else 0
    return out


def _codecs() -> Any:
    return need("imagecodecs", extra="codec", why="comparing coders")


def _frames(encode: Callable[[Array], bytes], decode: Callable[[bytes], Array], planes: Array, shape: Any) -> Any:
    """Every date and band as a picture of its own."""
    parts = [encode(np.ascontiguousarray(p)) for p in planes.reshape(-1, *shape[2:])]
    return sum(len(p) for p in parts), lambda: np.stack([decode(p) for p in parts]).reshape(shape)


def _jpeg_xl(values: Array, low: int, error: float) -> Any:
    """Uniform quantisation with step 2e + 1, then JPEG XL without loss, effort 7."""
    ic, step = _codecs(), 2 * int(error) + 1
    index = ((values.astype(np.int64) - low + int(error)) // step).astype(np.uint16)
    size, back = _frames(
        lambda p: ic.jpegxl_encode(p, lossless=True, effort=7), ic.jpegxl_decode, index, values.shape
    )  # fmt: skip
    return size, lambda: back().astype(np.float64) * step + low


def _jpeg_ls(values: Array, low: int, error: float) -> Any:
    ic = _codecs()
    size, back = _frames(
        lambda p: ic.jpegls_encode(p, level=int(error)), ic.jpegls_decode, (values.astype(np.int64) - low).astype(np.uint16),
        values.shape,
    )  # fmt: skip
    return size, lambda: back().astype(np.float64) + low


def _jpeg_2000(values: Array, low: int, quality: float) -> Any:
    """Irreversible, 16 bits, to a PSNR against 65535 in each frame; quality 0 is reversible."""
    ic = _codecs()
    how = {"reversible": True} if not quality else {"level": float(quality), "reversible": False}
    size, back = _frames(
        lambda p: ic.jpeg2k_encode(p, codecformat="j2k", **how), ic.jpeg2k_decode,
        (values.astype(np.int64) - low).astype(np.uint16), values.shape,
    )  # fmt: skip
    return size, lambda: back().astype(np.float64) + low


def _sz3(values: Array, low: int, error: float) -> Any:
    ic, bound = _codecs(), error + 0.49
    planes = values.astype(np.float32).reshape(-1, *values.shape[2:])
    parts = [ic.sz3_encode(np.ascontiguousarray(p), mode="abs", abs=bound) for p in planes]
    size = sum(len(p) for p in parts)

    def back() -> Array:
        return np.stack([ic.sz3_decode(p, values.shape[2:], np.float32) for p in parts]).reshape(values.shape)

    return size, lambda: np.rint(back().astype(np.float64))


def _zfp(values: Array, low: int, error: float) -> Any:
    ic = _codecs()
    size, back = _frames(
        lambda p: ic.zfp_encode(p, mode="a", level=error + 0.49), ic.zfp_decode, values.astype(np.float32), values.shape
    )
    return size, lambda: np.rint(back().astype(np.float64))


def _zstd(values: Array, low: int, error: float) -> Any:
    """The lossless way of most Zarr stores: shuffled bits and zstd, in chunks of one date and band; quantised for a bound."""
    ic, step = _codecs(), 2 * int(error) + 1
    index = ((values.astype(np.int64) - low + int(error)) // step).astype(np.uint16)
    shape = values.shape[2:]
    size, back = _frames(
        lambda p: ic.blosc_encode(p, level=9, compressor="zstd", shuffle=2, typesize=2),
        lambda d: np.frombuffer(ic.blosc_decode(d), np.uint16).reshape(shape), index, values.shape,
    )  # fmt: skip
    return size, lambda: back().astype(np.float64) * step + low


def _zstd_delta(values: Array, low: int, error: float) -> Any:
    """The same on differences from one date to the next (modulo 65536, so that nothing is lost)."""
    ic, step = _codecs(), 2 * int(error) + 1
    index = ((values.astype(np.int64) - low + int(error)) // step).astype(np.uint16)
    change = np.concatenate([index[:1], np.diff(index, axis=0)])
    shape = values.shape[2:]
    size, back = _frames(
        lambda p: ic.blosc_encode(p, level=9, compressor="zstd", shuffle=2, typesize=2),
        lambda d: np.frombuffer(ic.blosc_decode(d), np.uint16).reshape(shape), change, values.shape,
    )  # fmt: skip
    return size, lambda: np.cumsum(back(), axis=0, dtype=np.uint16).astype(np.float64) * step + low


def _video(way: str) -> Callable[[Array, int, Any], Any]:
    def coder(values: Array, low: int, quality: Any) -> Any:
        stream = video.encode_stream(values, quality=quality, way=way)
        return len(stream.data) + _facts(stream), lambda: np.rint(video.decode_stream(stream))

    return coder


def _facts(stream: video.Stream) -> int:
    """Bytes of the ranges that decoding needs."""
    return 8 * len(stream.low) + 16


def _pca(values: Array, low: int, quality: Any) -> Any:
    """Principal components over the bands, each stretched to 12 bits between its ends, as video (the paper's PCA rules)."""
    t, c, h, w = values.shape
    flat = values.transpose(1, 0, 2, 3).reshape(c, -1).astype(np.float64)
    mean = flat.mean(1, keepdims=True)
    _, axes = np.linalg.eigh(np.cov(flat - mean) if c > 1 else np.ones((1, 1)))
    axes = axes[:, ::-1]
    parts = (axes.T @ (flat - mean)).reshape(c, t, h, w).transpose(1, 0, 2, 3)
    stream = video.encode_stream(parts, quality=quality, way="yuv")

    def back() -> Array:
        seen = video.decode_stream(stream).transpose(1, 0, 2, 3).reshape(c, -1)
        return np.rint((axes @ seen + mean).reshape(c, t, h, w).transpose(1, 0, 2, 3))

    return len(stream.data) + _facts(stream) + 4 * c * (c + 1), back


OURS = "swath"
NAMES: dict[str, Callable[[Array, int, Any], Any]] = {
    OURS: _jpeg_xl,  # not called: `code` asks the codec of this room itself
    "quantised JPEG XL": _jpeg_xl,
    "JPEG-LS near": _jpeg_ls,
    "SZ3": _sz3,
    "ZFP": _zfp,
    "zstd, shuffled bits": _zstd,
    "zstd, shuffled bits, date differences": _zstd_delta,
    "JPEG 2000": _jpeg_2000,
    "x265 yuv 12 bit (the paper's)": _video("yuv"),
    "x265 gbr 12 bit": _video("gbr"),
    "x265 gray 12 bit": _video("gray"),
    "x265 of principal components": _pca,
}
LOSSLESS = (
    OURS,
    "quantised JPEG XL",
    "JPEG-LS near",
    "zstd, shuffled bits",
    "zstd, shuffled bits, date differences",
    "JPEG 2000",
)
