"""Stored numbers as whole numbers on a lattice, so that one coder of whole numbers serves every dtype and every bound.

Integers are themselves. Floats that are decimal fractions (most are DN divided by a power of ten) become that numerator.
Other floats with a bound become multiples of a step; without one they keep their bits. What a lattice cannot carry within the
bound (infinite, not a number under a valid flag, minus zero) is told apart and kept as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.codec.stream import Reader, Writer, damaged
from swath.errors import SwathError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["DTYPES", "Lattice", "choose", "limits", "read_lattice"]

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
LARGEST = 1 << 40  # whole numbers beyond this are kept as bits
FINE = 5  # steps of a float's lattice within its bound: 2 * FINE + 1


@dataclass(frozen=True)
class Lattice:
    """How whole numbers stand for stored ones: kind "integer", "decimal" (numerator / power of ten), "step" or "bits".

    near: largest error of the whole numbers per band; scale: power of ten, or the step of each band.
    """

    kind: str
    near: tuple[int, ...]
    scale: tuple[float, ...]
    dtype: np.dtype

    def values(self, whole: NDArray[np.int64]) -> NDArray[Any]:
        """Stored numbers of whole ones (T, C, H, W)."""
        if self.kind == "integer":
            kinds = np.iinfo(self.dtype)
            return np.asarray(whole.clip(kinds.min, kinds.max).astype(self.dtype))
        scale = np.array(self.scale).reshape(1, -1, 1, 1)
        with np.errstate(over="ignore"):
            number = whole / scale if self.kind == "decimal" else whole * scale
            return np.asarray(number.astype(self.dtype))

    def plane(self, whole: NDArray[Any], low: int, band: int) -> NDArray[Any]:
        """Stored numbers of whole ones above `low`, still floats, all of one band."""
        number: Any = whole.astype(np.int32 if whole.dtype == np.float32 and abs(low) < 1 << 28 else np.int64)
        number += low
        if self.kind != "integer":
            scale = self.scale[band]
            with np.errstate(over="ignore"):
                return np.asarray((number / scale if self.kind == "decimal" else number * scale).astype(self.dtype))
        kinds = np.iinfo(self.dtype)
        if self.near[band]:
            np.clip(number, kinds.min, kinds.max, out=number)
        return np.asarray(number.astype(self.dtype))

    def write(self, out: Writer) -> None:
        """Append all but the dtype."""
        out.number(("integer", "decimal", "step", "bits").index(self.kind))
        if self.kind == "bits":
            return
        equal = len(set(self.near)) == 1
        out.number(int(equal))
        for near in self.near[:1] if equal else self.near:
            out.number(near)
        if self.kind == "decimal":
            out.number(round(math.log10(self.scale[0])))
        elif self.kind == "step":
            out.parts += np.array(self.scale, "<f8").tobytes()


def read_lattice(source: Reader, dtype: np.dtype, bands: int) -> Lattice:
    """Read what Lattice.write wrote."""
    kind = ("integer", "decimal", "step", "bits")[source.number(3)]
    if (kind == "integer") != (dtype.kind in "iu"):
        raise damaged(f"numbers of kind {kind} for {dtype}")
    if kind == "bits":
        return Lattice(kind, (0,) * bands, (1.0,) * bands, dtype)
    equal = source.number(1)
    near = tuple(source.number(1 << 40) for _ in range(1 if equal else bands)) * (bands if equal else 1)
    scale = (1.0,) * bands
    if kind == "decimal":
        scale = (10.0 ** source.number(12),) * bands
    elif kind == "step":
        scale = tuple(np.frombuffer(source.take(8 * bands), "<f8").tolist())
        if not all(math.isfinite(step) and step > 0 for step in scale):
            raise damaged("a step that is no positive number")
    return Lattice(kind, near, scale, dtype)


def limits(max_error: float | Sequence[float] | None, bands: int) -> tuple[float, ...]:
    """The bound of each band in stored numbers; 0 is exactly nothing."""
    given = [0.0 if max_error is None else max_error] if np.ndim(max_error or 0) == 0 else list(max_error)  # type: ignore[arg-type]
    bound = tuple(float(limit) for limit in given)  # type: ignore[arg-type]
    if len(bound) not in (1, bands) or not all(math.isfinite(limit) and limit >= 0 for limit in bound):
        raise SwathError(
            rule="a largest error is one finite number >= 0, or one for each band",
            got=f"{max_error} for {bands} bands",
            remedy="give one number in stored numbers, or as many as there are bands",
        )
    return bound if len(bound) == bands else bound * bands


def choose(
    values: NDArray[Any], valid: NDArray[np.bool_], bound: tuple[float, ...]
) -> tuple[Lattice, NDArray[Any], NDArray[np.bool_]]:
    """The lattice of `values` (T, C, H, W), their whole numbers, and which of the valid ones it carries within the bound."""
    dtype = values.dtype
    if dtype.kind in "iu":
        near = tuple(min(int(limit), 1 << 32) for limit in bound)
        return (
            Lattice("integer", near, (1.0,) * len(bound), dtype),
            values.astype(np.int32 if dtype.itemsize < 4 else np.int64),
            valid,
        )
    finite = np.isfinite(values) & valid
    number = np.where(finite, values, 0).astype(np.float64)
    for lattice in (_decimal(number, finite, bound, dtype), _steps(number, bound, dtype)):
        if lattice is None:
            continue
        whole, good = _onto(lattice, number, values, finite, bound)
        if np.count_nonzero(good) >= 0.99 * np.count_nonzero(finite):
            return lattice, whole, good
    return (
        Lattice("bits", (0,) * len(bound), (1.0,) * len(bound), dtype),
        np.zeros(values.shape, np.int64),
        finite & False,
    )


def _decimal(
    number: NDArray[np.float64], finite: NDArray[np.bool_], bound: tuple[float, ...], dtype: np.dtype
) -> Lattice | None:
    """The smallest power of ten that makes all numbers whole, tried on a few before on all."""
    some = number[finite]
    some = some[:: max(1, len(some) // 4096)]
    if not len(some):
        return Lattice("decimal", (0,) * len(bound), (1.0,) * len(bound), dtype)
    digits = 7 if dtype == np.float32 else 10
    for power in range(digits):
        scale = 10.0**power
        if float(np.abs(some).max()) / LARGEST * scale > 1:
            return None
        if ((np.rint(some * scale) / scale).astype(dtype) == some.astype(dtype)).mean() >= 0.999:
            near = tuple(int(limit * scale * (1 - 1e-9)) for limit in bound)
            near = tuple(n + (dtype.type((n + 1) / scale) <= limit) for n, limit in zip(near, bound, strict=True))
            return Lattice("decimal", near, (scale,) * len(bound), dtype)
    return None


def _steps(number: NDArray[np.float64], bound: tuple[float, ...], dtype: np.dtype) -> Lattice | None:
    """A lattice of 2 FINE + 1 steps within twice the bound, where every band has one; a hair narrower for rounding."""
    if min(bound) <= 0 or float(np.abs(number).max(initial=0)) / LARGEST * FINE > min(bound):
        return None
    hair = 1 - 2.0**-12 if dtype == np.float32 else 1 - 2.0**-26
    step = tuple(2 * limit * hair / (2 * FINE + 1) for limit in bound)
    return Lattice("step", (FINE,) * len(bound), step, dtype) if min(step) > 1e-300 else None


def _onto(
    lattice: Lattice,
    number: NDArray[np.float64],
    values: NDArray[Any],
    finite: NDArray[np.bool_],
    bound: tuple[float, ...],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Whole numbers, and where both ends of what a coder may return stay within the bound (bit for bit where it is 0)."""
    scale = np.array(lattice.scale).reshape(1, -1, 1, 1)
    near = np.array(lattice.near).reshape(1, -1, 1, 1)
    with np.errstate(over="ignore"):
        whole = np.rint(number * scale if lattice.kind == "decimal" else number / scale)
    good = finite & (np.abs(whole) < LARGEST)
    whole = np.where(good, whole, 0).astype(np.int64)
    limit = np.array(bound).reshape(1, -1, 1, 1)
    for way in (-1, 1):
        back = lattice.values(whole + way * near)
        with np.errstate(invalid="ignore", over="ignore"):
            good &= np.abs(back.astype(np.float64) - number) <= limit
    same = lattice.values(whole).view(f"u{values.itemsize}") == np.ascontiguousarray(values).view(f"u{values.itemsize}")
    good &= same | (near > 0) | (limit > 0)
    return whole, good
