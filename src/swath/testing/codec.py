"""What a codec of chunks keeps: every bit or the bound, the mask, the type; and that damaged bytes are refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from swath.errors import SwathError
from swath.testing.rules import run

__all__ = ["RULES", "Codec", "check_codec"]

WHOLE = ("uint8", "uint16", "int16")


class Codec(Protocol):
    """encode(values (T, C, H, W), valid or None, max_error or None) -> bytes; decode(bytes) -> (values, valid)."""

    def encode(self, values: np.ndarray, valid: np.ndarray | None = None, max_error: Any = None) -> bytes:
        """Bytes of a chunk."""
        ...

    def decode(self, data: bytes) -> tuple[np.ndarray, np.ndarray]:
        """Values in the type that they had, and their mask."""
        ...


def _values(kind: str, shape: tuple[int, ...] = (2, 3, 41, 37), seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = rng.normal(size=shape).cumsum(-1).cumsum(-2)
    if np.dtype(kind).kind == "f":
        return np.asarray(smooth.astype(kind))
    info = np.iinfo(kind)
    return np.asarray(np.clip(40 + 3 * smooth, max(info.min, -2000), min(info.max, 9000)).astype(kind))


def _mask(shape: tuple[int, ...]) -> np.ndarray:
    valid = np.random.default_rng(1).random(shape) > 0.2
    valid[:, :, 5:20, 3:30] = False
    valid[-1, -1] = False
    return valid


def keeps_every_bit_without_an_error(codec: Codec, kinds: Sequence[str]) -> str:
    """Values that count come back bit by bit, in their type, with their mask."""
    for kind in kinds:
        values = _values(kind)
        valid = _mask(values.shape)
        back, mask = codec.decode(codec.encode(values, valid, None))
        if back.dtype != values.dtype or back.shape != values.shape or not np.array_equal(mask, valid):
            return f"{kind}: {back.dtype} {back.shape}, or another mask"
        if back[valid].tobytes() != values[valid].tobytes():
            return f"{kind}: a bit has changed"
    return ""


def keeps_the_bound(codec: Codec, kinds: Sequence[str]) -> str:
    """No valid value is off by more than its band's error."""
    for kind in kinds:
        step = 1.0 if np.dtype(kind).kind in "iu" else 0.05
        for error in (step, 7 * step, [2 * step, 0.0, 25 * step]):
            values = _values(kind, seed=3)
            valid = _mask(values.shape)
            back, mask = codec.decode(codec.encode(values, valid, error))
            if not np.array_equal(mask, valid):
                return f"{kind}: another mask"
            off = np.abs(back.astype(np.float64) - values.astype(np.float64))
            worst = np.where(valid, off, 0).max((0, 2, 3))
            if (worst > np.broadcast_to(np.asarray(error, float), worst.shape)).any():
                return f"{kind}: off by {worst.max():g} where {error} was allowed"
    return ""


def takes_any_size(codec: Codec, kinds: Sequence[str]) -> str:
    """One pixel, one date, odd sides and two hundred bands."""
    for shape in ((1, 1, 1, 1), (1, 1, 101, 100), (1, 202, 9, 7), (7, 1, 3, 50)):
        values = _values(kinds[0], shape)
        back, mask = codec.decode(codec.encode(values, None, None))
        if not np.array_equal(back, values) or not mask.all():
            return f"{shape} does not come back"
    return ""


def takes_what_is_odd(codec: Codec, kinds: Sequence[str]) -> str:
    """Constants, nothing valid, negative and huge numbers, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in kinds:
            shape = (1, 2, 20, 20)
            low = 0 if np.dtype(kind).kind == "u" else -100
            for values in (np.full(shape, 7, kind), np.full(shape, low, kind), _values(kind, shape) * 0 + 100):
                back, _ = codec.decode(codec.encode(values.astype(kind), None, 2.0))
                if np.abs(back.astype(float) - values.astype(float)).max() > 2:
                    return f"{kind}: a constant is off by more than 2"
            _, mask = codec.decode(codec.encode(_values(kind, shape), np.zeros(shape, bool), 2.0))
            if mask.any():
                return f"{kind}: nothing was valid, something is"
    return ""


def gives_the_same_bytes(codec: Codec, kinds: Sequence[str]) -> str:
    """Twice the same."""
    values = _values(kinds[0])
    return "" if codec.encode(values, None, 3.0) == codec.encode(values, None, 3.0) else "two runs differ"


def what_is_missing_costs_nothing(codec: Codec, kinds: Sequence[str]) -> str:
    """What stands where nothing is valid changes no byte."""
    values = _values(kinds[0])
    valid = _mask(values.shape)
    other = np.where(valid, values, np.iinfo(kinds[0]).max if kinds[0] != "float32" else 1e30).astype(kinds[0])
    same = len(codec.encode(values, valid, 3.0)) == len(codec.encode(other, valid, 3.0))
    return "" if same else "numbers that do not count change the size"


def refuses_damage(codec: Codec, kinds: Sequence[str]) -> str:
    """A flipped bit, a cut and rubbish raise SwathError; they never become a picture."""
    values = _values(kinds[0], (1, 2, 30, 30))
    data = codec.encode(values, None, 1.0)
    places = sorted({*range(min(40, len(data))), *np.linspace(0, len(data) - 1, 60).astype(int).tolist()})
    damaged = [data[:p] + bytes([data[p] ^ (1 << p % 8)]) + data[p + 1 :] for p in places]
    for bad in (*damaged, b"", b"x", data[: len(data) // 2], data[:-1], data + b"\0", bytes(200)):
        try:
            codec.decode(bad)
        except SwathError:
            continue
        except Exception as error:
            return f"damaged bytes raise {type(error).__name__}, not SwathError"
        return "damaged bytes are decoded"
    return ""


RULES: tuple[Callable[[Codec, Sequence[str]], str], ...] = (
    keeps_every_bit_without_an_error, keeps_the_bound, takes_any_size, takes_what_is_odd, gives_the_same_bytes,
    what_is_missing_costs_nothing, refuses_damage,
)  # fmt: skip


def check_codec(codec: Codec, kinds: Sequence[str] = (*WHOLE, "int32", "float32", "float64")) -> None:
    """Run RULES over anything with `encode` and `decode` as in `swath.codec`; the first of `kinds` is a whole number's.

    Raises SwathError that names the broken rules.
    """
    run(f"the codec {getattr(codec, '__name__', type(codec).__name__)}", RULES, codec, tuple(kinds))
