"""One chunk of a cube to bytes and back: values within a bound that is never broken, the mask exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from swath.codec import numbers, whole
from swath.codec.mask import read_mask, write_mask
from swath.codec.planes import pack_bytes, unpack_bytes
from swath.codec.stream import Reader, Writer, damaged, open_seal, seal
from swath.errors import SwathError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["LARGEST", "decode", "encode"]

LARGEST = 1 << 26  # samples in one chunk, so that hostile bytes cannot ask for more memory than this


def encode(
    values: NDArray[Any],
    valid: NDArray[np.bool_] | None = None,
    max_error: float | Sequence[float] | None = None,
) -> bytes:
    """Code values (T, C, H, W) and their mask into one self-contained, checksummed chunk.

    values: uint8, int8, uint16, int16, uint32, int32, float32 or float64. valid: which of them count (same shape); without it
    all do but NaN. max_error: None or 0 keeps every bit of the valid values; one number, or one a band, in stored numbers is
    the largest difference any valid value may come back with. What is not valid costs nothing and comes back as anything.
    Raises SwathError for other dtypes, shapes or bounds, or more than 2**26 samples.
    """
    values = np.asarray(values)
    if values.dtype.name not in numbers.DTYPES or values.ndim != 4 or not 0 < values.size <= LARGEST:
        raise SwathError(
            rule=f"a chunk is (time, band, y, x) of 1 to {LARGEST} numbers in one of {', '.join(numbers.DTYPES)}",
            got=f"{values.dtype} of shape {values.shape}",
            remedy="cut the cube into smaller chunks or convert it",
        )
    values = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))
    bound = numbers.limits(max_error, values.shape[1])
    if valid is None:
        mask = np.ones(values.shape, bool) if values.dtype.kind != "f" else ~np.isnan(values)
    else:
        mask = np.asarray(valid, bool)
        if mask.shape != values.shape:
            raise SwathError(
                rule="a mask has the shape of its values",
                got=f"{mask.shape} for {values.shape}",
                remedy="broadcast the mask before",
            )
    out = Writer()
    out.number(numbers.DTYPES.index(values.dtype.name))
    for side in values.shape:
        out.number(side)
    write_mask(out, mask)
    lattice, number, good = numbers.choose(values, mask, bound)
    lattice.write(out)
    odd = mask & ~good
    write_mask(out, odd)
    if odd.any():
        out.block(pack_bytes(values[odd], values.itemsize))
    if good.any():
        whole.write(out, number, good, lattice.near)
    return seal(bytes(out.parts))


def decode(data: bytes, shape: Sequence[int] | None = None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values (T, C, H, W) in the dtype they had, and their mask; values that are not valid are NaN or some number.

    shape: what the chunk must have, if the caller knows. Raises Damaged for bytes that changed, are cut short, declare another
    shape or more than 2**26 samples, before memory is taken for them.
    """
    source = Reader(open_seal(data))
    dtype = np.dtype(numbers.DTYPES[source.number(len(numbers.DTYPES) - 1)])
    sides = (source.number(LARGEST), source.number(LARGEST), source.number(LARGEST), source.number(LARGEST))
    if not 0 < sides[0] * sides[1] * sides[2] * sides[3] <= LARGEST:
        raise damaged(f"a declared shape of {sides}")
    if shape is not None and tuple(shape) != sides:
        raise damaged(f"a chunk of shape {sides} where {tuple(shape)} belongs")
    mask = read_mask(source, sides)
    lattice = numbers.read_lattice(source, dtype, sides[1])
    odd = read_mask(source, sides)
    good, kept = mask, None
    if odd.any():
        if (odd & ~mask).any():
            raise damaged("values kept apart outside the mask")
        kept = unpack_bytes(source.block(), int(np.count_nonzero(odd)), dtype.itemsize).view(dtype)
        good = mask & ~odd
    values = whole.read(source, good, lattice) if good.any() else np.zeros(sides, dtype)
    source.end()
    if kept is not None:
        values[odd] = kept
    if dtype.kind == "f" and not mask.all():
        values[~mask] = np.nan
    return values, mask
