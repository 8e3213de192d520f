"""Numbers as pictures: one stretch for a whole scene, fixed ramps, palettes of classes, a hatch for doubt.

Everything takes arrays and gives arrays or encoded bytes; nothing here reads files.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from swath.earth.colour import from_hexadecimal

__all__ = [
    "PITCH",
    "Rule",
    "coloured",
    "hatch",
    "hatch_colours",
    "indexed",
    "over",
    "palette_of",
    "palette_png",
    "physical",
    "png",
    "ramp",
    "stretched",
    "webp",
    "with_alpha",
]

Rule = tuple[float, float, float]
"""(scale, offset, nodata) of stored numbers: physical = stored * scale + offset; nodata NaN where there is none."""
PITCH = 8
"""Pixels between two lines of the hatch along a row; it divides the tile's side, so tiles join."""
QUALITY = 82
_WIDTH = 1.25  # of each line, across it
# Control points of the ramps, evenly spaced. cividis: Nunez, Anderton & Renslow 2018, doi:10.1371/journal.pone.0199239,
# sampled at ninths; the others are swath's own.
_RAMPS: dict[str, tuple[str, ...]] = {
    "grey": ("000000", "ffffff"),
    "cividis": ("00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838"),
    "greenness": ("7a5230", "b58a52", "dcc48a", "efe8b4", "c6d98a", "8fbf5f", "529b3f", "1f7328", "0b4a1a"),
    "water": ("8a5a2b", "c79a63", "e9d5b5", "f4f2ec", "b9d6ea", "6aa5d2", "2a6fb0", "123f7d"),
    "diverging": ("1f4e9c", "5b87c7", "a3bfe3", "dfe7f2", "f5f3f0", "f4dcd2", "e8a48e", "cc5c4c", "9c1f2e"),
}


def ramp(name: str) -> np.ndarray:
    """(256, 3) uint8 of a ramp; grey for a name that is none."""
    return _ramp(name if name in _RAMPS else "grey")


@lru_cache(maxsize=16)
def _ramp(name: str) -> np.ndarray:
    stops = np.array([from_hexadecimal(c) for c in _RAMPS[name]], float)
    at = np.linspace(0, len(stops) - 1, 256)
    out = np.stack([np.interp(at, np.arange(len(stops)), stops[:, k]) for k in range(3)], axis=1)
    table: np.ndarray = np.rint(out).astype(np.uint8)
    table.setflags(write=False)
    return table


def physical(stored: np.ndarray, rules: Sequence[Rule] | None) -> np.ndarray:
    """(B, h, w) stored numbers as float32 in physical units, missing NaN. rules None: they are physical already."""
    if rules is None:
        return stored if stored.dtype == np.float32 else stored.astype(np.float32)
    out = np.empty(stored.shape, np.float32)
    wide = stored.dtype.itemsize > 2
    for i, (scale, offset, nodata) in enumerate(rules):
        kind: Any = np.float64 if wide else np.float32
        with np.errstate(over="ignore", invalid="ignore"):
            out[i] = stored[i].astype(kind) * kind(scale) + kind(offset)
        if not math.isnan(nodata):
            out[i][stored[i] == (np.float32(nodata) if stored.dtype == np.float32 else nodata)] = np.nan
    if stored.dtype.kind == "f":
        out[np.isinf(out)] = np.nan
    return out


def stretched(
    stored: np.ndarray, rules: Sequence[Rule] | None, lo: float, hi: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """((B, h, w) uint8 from black at `lo` to white at `hi`, (h, w) bool where every band has a value; None: everywhere).

    Whole numbers of 8 and 16 bits go through a table, made once for each stretch.
    """
    if rules is not None and stored.dtype in (np.uint8, np.uint16, np.int16):
        out = np.empty(stored.shape, np.uint8)
        seen: np.ndarray | None = None
        for i, (scale, offset, nodata) in enumerate(rules):
            place = stored[i].view(np.uint16) if stored.dtype == np.int16 else stored[i]
            np.take(_table(stored.dtype.str, scale, offset, lo, hi), place, out=out[i])
            if not math.isnan(nodata):
                there = stored[i] != nodata
                if not there.all():
                    seen = there if seen is None else seen & there
        return out, seen
    values = physical(stored, rules)
    good = np.isfinite(values)
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = (values - np.float32(lo)) * np.float32(255.0 / (hi - lo))
        np.clip(scaled, 0, 255, out=scaled)
    scaled[~good] = 0
    everywhere = bool(good.all())
    return (scaled + np.float32(0.5)).astype(np.uint8), None if everywhere else good.all(axis=0)


@lru_cache(maxsize=256)
def _table(kind: str, scale: float, offset: float, lo: float, hi: float) -> np.ndarray:
    """The byte of every stored number, by its bits."""
    dtype = np.dtype(kind)
    numbers = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}").view(dtype)
    values = numbers.astype(np.float32) * np.float32(scale) + np.float32(offset)
    scaled = np.clip((values - np.float32(lo)) * np.float32(255.0 / (hi - lo)), 0, 255)
    table: np.ndarray = (scaled + np.float32(0.5)).astype(np.uint8)
    return table


def coloured(grey: np.ndarray, name: str) -> np.ndarray:
    """(h, w, 3) uint8: bytes from 0 to 255 along a ramp."""
    if name in ("", "grey"):
        return np.repeat(grey[..., None], 3, axis=2)
    found: np.ndarray = ramp(name)[grey]
    return found


def hatch(where: np.ndarray, row: int, column: int) -> np.ndarray:
    """(h, w) uint8 indices of the hatch: 0 clear, else 1 + place across the line. row, column: of the first pixel on the
    whole screen of this level, modulo PITCH.
    """
    height, width = where.shape
    phase = (np.arange(height)[:, None] + np.arange(width)[None, :] + (row + column)) % PITCH
    found: np.ndarray = np.where(where, phase + 1, 0).astype(np.uint8)
    return found


@lru_cache(maxsize=1)
def _hatch_colours() -> bytes:
    """RGBA of the hatch's indices: a dark line beside a light one at 45 degrees, their edges softened."""
    across = PITCH / math.sqrt(2.0)
    table = np.zeros((PITCH + 1, 4))
    fine = (np.arange(64) + 0.5) / 64
    for k in range(PITCH):
        # Along the normal of the lines: a pixel covers 1/sqrt(2) to each side of its middle, most at the middle.
        reach = ((k + 0.5 + (fine - 0.5) * 2) / math.sqrt(2.0)) % across
        weight = 1 - np.abs(fine - 0.5) * 2
        dark = float((weight * (reach < _WIDTH)).sum() / weight.sum())
        light = float((weight * ((reach >= _WIDTH) & (reach < 2 * _WIDTH))).sum() / weight.sum())
        alpha = min(1.0, dark + light)
        shade = (23 * dark + 255 * light) / max(dark + light, 1e-9)
        table[k + 1] = (shade, shade, shade, 235 * alpha)
    return bytes(np.rint(table).astype(np.uint8).tobytes())


def hatch_colours() -> np.ndarray:
    """(PITCH + 1, 4) uint8: the colours of the hatch's indices."""
    found: np.ndarray = np.frombuffer(_hatch_colours(), np.uint8).reshape(-1, 4)
    return found


def palette_of(colours: Mapping[int, str], hidden: Sequence[int] = ()) -> tuple[np.ndarray, np.ndarray]:
    """(codes sorted, (n + 1, 4) uint8): the colour of the n-th code is row n + 1; row 0 is clear."""
    codes = sorted(c for c in colours if c not in hidden)
    table = np.zeros((len(codes) + 1, 4), np.uint8)
    for i, code in enumerate(codes):
        table[i + 1] = (*from_hexadecimal(colours[code]), 255)
    return np.array(codes, np.int64), table


def indexed(stored: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """(h, w) uint8 or uint16: the row of each stored code in a palette of `palette_of`; 0 for codes that have none."""
    if not len(codes):
        return np.zeros(stored.shape, np.uint8)
    place = np.searchsorted(codes, stored).clip(0, len(codes) - 1)
    found: np.ndarray = np.where(codes[place] == stored, place + 1, 0).astype(
        np.uint8 if len(codes) < 256 else np.uint16
    )
    return found


def palette_png(index: np.ndarray, table: np.ndarray) -> bytes:
    """A PNG of indices into (n, 4) colours; of whole RGBA where there are more than 256."""
    from PIL import Image

    if len(table) > 256:
        return png(table[index])
    image = Image.fromarray(index.astype(np.uint8), mode="P")
    image.putpalette(table[:, :3].tobytes())
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1, transparency=table[:, 3].tobytes())
    return stream.getvalue()


def png(pixels: np.ndarray, level: int = 6) -> bytes:
    """(h, w, 3 or 4) uint8 as PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", compress_level=level)
    return stream.getvalue()


def webp(pixels: np.ndarray, quality: int = QUALITY) -> bytes:
    """(h, w, 3 or 4) uint8 as WebP, the fastest way; 4 channels keep their alpha exactly."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "WEBP", quality=quality, method=0)
    return stream.getvalue()


def with_alpha(rgb: np.ndarray, seen: np.ndarray | None) -> np.ndarray:
    """(h, w, 4) where something is missing, clear there; (h, w, 3) else."""
    if seen is None:
        return rgb
    return np.dstack([np.where(seen[..., None], rgb, 0), np.where(seen, 255, 0).astype(np.uint8)])


def over(ground: np.ndarray, pixels: np.ndarray, opacity: float) -> None:
    """Lay (h, w, 3 or 4) over (h, w, 4) float32, both from 0 to 255, in place (Porter & Duff 1984, "over").

    opacity: of the upper one, from 0 to 1.
    """
    alpha = pixels[..., 3:].astype(np.float32) / 255 * opacity if pixels.shape[2] == 4 else np.float32(opacity)
    alpha = np.broadcast_to(alpha, (*pixels.shape[:2], 1))
    below = ground[..., 3:] / 255 * (1 - alpha)
    whole = alpha + below
    mixed = pixels[..., :3] * alpha + ground[..., :3] * below
    ground[..., :3] = np.divide(mixed, whole, out=np.zeros_like(mixed), where=whole > 0)
    ground[..., 3:] = 255 * whole
