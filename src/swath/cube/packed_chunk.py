"""One chunk of a packed file: stored numbers with what means missing, by the codec; every missing value comes back as it was.

Form: one byte says how. 0: all positions are of one kind. 1: all hold one number. 2: the codec's chunk, every missing
position of one kind. 3: missing positions of several kinds, which follow as a chunk of their own. Added to 2 or 3, 16 or
32 say that values whose decoded number is the nodata value stand one step above or below it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swath.codec import decode as decode_values
from swath.codec import encode as encode_values
from swath.errors import FormatError

__all__ = ["MANY", "Measured", "decode", "encode", "kinds_of", "measure"]

UP, DOWN = 16, 32
MANY = 5

# Why a position holds no value that counts.
COUNTS, NODATA, NAN, PLUS, MINUS = range(5)


def kinds_of(values: np.ndarray, nodata: Sequence[float]) -> np.ndarray:
    """(T, C, H, W) uint8: 0 a value that counts, 1 the band's nodata, 2 NaN, 3 infinity, 4 minus infinity."""
    out = np.zeros(values.shape, np.uint8)
    for i, none in enumerate(nodata):
        part = values[:, i]
        if not math.isnan(none):
            out[:, i][part == _as(none, values.dtype)] = NODATA
        if values.dtype.kind == "f":
            out[:, i][np.isnan(part)] = NAN
            if np.isinf(part).any():
                out[:, i][part == np.inf] = PLUS
                out[:, i][part == -np.inf] = MINUS
    return out


def _as(none: float, dtype: np.dtype) -> Any:
    """The nodata value in the type in which it was stored; of a type that cannot hold it, nothing equals it."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return dtype.type(none)
    return none


def encode(
    values: np.ndarray, nodata: Sequence[float], error: Sequence[float] | None
) -> tuple[bytes, np.ndarray, Measured]:
    """(bytes, the numbers that they decode to, what was lost) of (T, C, H, W) numbers in a type that the codec knows.

    nodata, error: of each band, in stored numbers; error None keeps every bit. Raises FormatError where the decoded
    numbers are not what was promised.
    """
    kinds = kinds_of(values, nodata)
    exact = error is None or not any(error)
    bound = None if exact or error is None else tuple(error)
    data = _coded(values, kinds, bound)
    for nudge in (0, UP, DOWN):
        nudged = bytes([data[0] | nudge]) + data[1:]
        back = decode(nudged, values.shape, values.dtype, nodata)
        if exact or np.array_equal(kinds_of(back, nodata), kinds):
            found = measure(values, back, nodata, exact=exact)
            if bound is None or not (found.worst > bound).any():
                return nudged, back, found
    if bound is None:
        raise _odd("numbers that do not come back")
    # A value decodes to the nodata value and cannot step aside within the bound: a tighter one leaves it room.
    if values.dtype.kind in "iu":
        return encode(values, nodata, [max(0.0, math.floor(e) - 1.0) for e in bound])
    if max(bound) > 1e-300:
        return encode(values, nodata, [e * 0.99 for e in bound])
    raise _odd("numbers that do not come back within the bound")


def _coded(values: np.ndarray, kinds: np.ndarray, bound: tuple[float, ...] | None) -> bytes:
    there = np.unique(kinds)
    if len(there) == 1 and there[0] != COUNTS:
        return bytes([0, int(there[0])])
    flat = values.reshape(-1)
    if len(there) == 1 and (flat[0] == flat).all() and not (flat[0] == 0 and values.dtype.kind == "f"):
        return b"\1" + flat[:1].tobytes()
    coded = encode_values(values, kinds == COUNTS, bound)
    missing = there[there != COUNTS]
    if len(missing) <= 1:
        return bytes([2, int(missing[0]) if len(missing) else COUNTS]) + coded
    why = encode_values(kinds, kinds != COUNTS, None)
    return b"\3" + struct.pack("<I", len(why)) + why + coded


def decode(data: bytes, shape: tuple[int, int, int, int], dtype: np.dtype, nodata: Sequence[float]) -> np.ndarray:
    """(T, C, H, W) in `dtype`, missing values as they were. Raises FormatError for bytes that cannot be."""
    if len(data) < 2 or data[0] & 15 > 3 or data[0] not in (*range(4), *(f | n for f in (2, 3) for n in (UP, DOWN))):
        raise _odd(f"a chunk of the form {data[0]}" if data else "an empty chunk")
    form, nudge = data[0] & 15, data[0] & ~15
    if form == 0:
        if len(data) != 2:
            raise _odd("a chunk of the wrong length")
        values = np.zeros(shape, dtype)
        _put(values, np.full(shape, data[1], np.uint8), nodata)
        return values
    if form == 1:
        if len(data) != 1 + dtype.itemsize:
            raise _odd("a chunk of the wrong length")
        return np.full(shape, np.frombuffer(data[1:], dtype.newbyteorder("<"))[0], dtype)
    if form == 2:
        values, valid = _values(data[2:], shape, dtype)
        _step_aside(values, valid, nodata, nudge)
        _put(values, np.where(valid, COUNTS, data[1]).astype(np.uint8), nodata)
        return values
    if len(data) < 5 or struct.unpack("<I", data[1:5])[0] > len(data) - 5:
        raise _odd("a chunk of the wrong length")
    middle = 5 + struct.unpack("<I", data[1:5])[0]
    kinds, known = _values(data[5:middle], shape, np.dtype(np.uint8))
    values, valid = _values(data[middle:], shape, dtype)
    if (known == valid).any():
        raise _odd("values and their kinds disagree")
    _step_aside(values, valid, nodata, nudge)
    _put(values, np.where(valid, COUNTS, kinds).astype(np.uint8), nodata)
    return values


def _values(data: bytes, shape: tuple[int, int, int, int], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    values, valid = decode_values(data, shape)
    if values.dtype != dtype:
        raise _odd(f"numbers of type {values.dtype} where {dtype} belongs")
    return (values if values.flags.writeable else values.copy()), valid


def _step_aside(values: np.ndarray, valid: np.ndarray, nodata: Sequence[float], nudge: int) -> None:
    """Values that count never decode to the number that means missing."""
    if not nudge:
        return
    for i, none in enumerate(nodata):
        if math.isnan(none):
            continue
        hit = valid[:, i] & (values[:, i] == _as(none, values.dtype))
        if not hit.any():
            continue
        if values.dtype.kind == "f":
            aside = np.nextafter(_as(none, values.dtype), values.dtype.type(np.inf if nudge == UP else -np.inf))
        else:
            kinds = np.iinfo(values.dtype)
            aside = min(max(int(none) + (1 if nudge == UP else -1), kinds.min), kinds.max)
        values[:, i][hit] = aside


def _put(values: np.ndarray, kinds: np.ndarray, nodata: Sequence[float]) -> None:
    """Put what means missing where it stood."""
    if kinds.max() > MINUS or (values.dtype.kind != "f" and kinds.max() > NODATA):
        raise _odd("missing values of a kind that there is not")
    if not kinds.any():
        return
    for i, none in enumerate(nodata):
        part, why = values[:, i], kinds[:, i]
        gone = why == NODATA
        if gone.any():
            if math.isnan(none):
                raise _odd("nodata in a band that has none")
            part[gone] = _as(none, values.dtype)
        if values.dtype.kind == "f":
            part[why == NAN], part[why == PLUS], part[why == MINUS] = np.nan, np.inf, -np.inf


def _odd(what: str) -> FormatError:
    return FormatError(
        rule="a chunk of a packed file must decode", got=what, remedy="fetch or copy the file again, or pack anew"
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """What decoded numbers are beside the original ones, for each band; sums so that chunks add up.

    n: values that count. worst: largest error. squares: sum of squared errors. low, high: of the original values. digits:
    behind the decimal point that all of them need (0 for whole numbers), MANY where four do not do.
    """

    n: np.ndarray
    worst: np.ndarray
    squares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    digits: np.ndarray
    samples: int = 0

    def __add__(self, other: Measured) -> Measured:
        return Measured(
            self.n + other.n,
            np.maximum(self.worst, other.worst),
            self.squares + other.squares,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            np.maximum(self.digits, other.digits),
            self.samples + other.samples,
        )


def measure(original: np.ndarray, decoded: np.ndarray, nodata: Sequence[float], *, exact: bool) -> Measured:
    """Compare (T, C, H, W) of the same type. Raises FormatError where, `exact`, any bit has changed."""
    before, after = kinds_of(original, nodata), kinds_of(decoded, nodata)
    counts = before == COUNTS
    if exact and not np.array_equal(before, after):
        raise _odd("a missing value that did not come back as it was")
    bits = f"u{original.dtype.itemsize}"
    if exact and not np.array_equal(original[counts].view(bits), decoded[counts].view(bits)):
        raise _odd("a value that did not come back bit by bit")
    bands = original.shape[1]
    n, worst, squares = np.zeros(bands, np.int64), np.zeros(bands), np.zeros(bands)
    low, high, digits = np.full(bands, np.inf), np.full(bands, -np.inf), np.zeros(bands, np.int64)
    for i in range(bands):
        here = counts[:, i]
        a, b = original[:, i][here].astype(np.float64), decoded[:, i][here].astype(np.float64)
        n[i] = a.size
        if not a.size:
            continue
        low[i], high[i] = a.min(), a.max()
        if original.dtype.kind == "f":
            digits[i] = _digits(original[:, i][here])
        if not exact:
            off = np.abs(a - b)
            worst[i], squares[i] = off.max(), float((off * off).sum())
    return Measured(n, worst, squares, low, high, digits, original.size)


def _digits(values: np.ndarray) -> int:
    """How many decimals floats need to be what they are: numbers divided by 10 000 need four, measured ones MANY."""
    some = values[:: max(1, values.size // 4096)]
    for k in range(MANY):
        for part in (some, values):  # a few tell most of the time
            if not np.array_equal((np.rint(part.astype(np.float64) * 10.0**k) / 10.0**k).astype(values.dtype), part):
                break
        else:
            return k
    return MANY
