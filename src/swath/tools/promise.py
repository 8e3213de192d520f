"""What may be lost when a scene is packed: nothing, a largest error, or a quality; as people say it, and for each band."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import SwathError, UnitError

if TYPE_CHECKING:
    from swath.cube.packed_chunk import Measured
    from swath.cube.packing import Part
    from swath.earth.sensor import Band

__all__ = ["Promise", "certificate", "errors_for", "peaks_of", "promise_of", "psnr_of", "with_errors"]

# Units that people write for errors, as (the unit of the band, factor). Differences of degrees Celsius are kelvins.
UNITS = {"mK": ("K", 1e-3), "degC": ("K", 1.0), "%": ("1", 0.01), "cm": ("m", 0.01), "mm": ("m", 1e-3)}
_ENTRY = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S.*)?$")


@dataclass(frozen=True, slots=True)
class Promise:
    """kind: lossless, max_error or psnr. entries: (number, unit or "") of max_error. psnr in dB; peak in the bands' unit."""

    kind: str
    entries: tuple[tuple[float, str], ...] = ()
    psnr: float = math.nan
    peak: float = math.nan

    @property
    def words(self) -> str:
        """The promise in words."""
        if self.kind == "lossless":
            return "nothing lost: every stored number is kept bit by bit"
        if self.kind == "psnr":
            return f"PSNR of at least {self.psnr:g} dB"
        said = ", ".join(f"{v:g} {u or 'in stored numbers'}" for v, u in self.entries[:6])
        return f"largest error {said}{' ...' if len(self.entries) > 6 else ''}"


def promise_of(
    lossless: bool, max_error: Sequence[str | float] | str | float | None, psnr: float | None, peak: float | None
) -> Promise:
    """The promise behind the options; without any, nothing may be lost. Raises SwathError where they contradict."""
    said = [
        n for n, v in (("--lossless", lossless), ("--max-error", max_error), ("--psnr", psnr)) if v not in (None, False)
    ]
    if len(said) > 1:
        raise SwathError(rule="one thing is promised of a packed file", got=" and ".join(said), remedy="choose one")
    if peak is not None and psnr is None:
        raise SwathError(rule="--peak belongs to --psnr", got=f"--peak {peak:g} alone", remedy="add --psnr")
    if psnr is not None:
        if not 0 < psnr < 200 or (peak is not None and not (peak > 0 and math.isfinite(peak))):
            raise SwathError(
                rule="a PSNR lies between 0 and 200 dB, its peak above 0", got=f"{psnr:g}, {peak}", remedy="--psnr 55"
            )
        return Promise("psnr", psnr=float(psnr), peak=math.nan if peak is None else float(peak))
    if max_error is None:
        return Promise("lossless")
    many = [max_error] if isinstance(max_error, (str, int, float)) else list(max_error)
    entries = tuple(_entry(part) for text in many for part in str(text).split(","))
    if not entries or len({bool(u) for _, u in entries}) > 1:
        raise SwathError(
            rule="errors are all in stored numbers or all with a unit", got=str(max_error), remedy='--max-error "0.002 reflectance"'
        )  # fmt: skip
    return Promise("max_error", entries)


def _entry(text: str) -> tuple[float, str]:
    match = _ENTRY.match(text)
    value = float(match[1]) if match else math.nan
    if match is None or not math.isfinite(value) or value < 0:
        raise SwathError(
            rule="a largest error is a number of at least 0, in stored numbers or with a unit",
            got=repr(text),
            remedy='--max-error 20, --max-error 5,5,10 (a number for each band) or --max-error "0.002 reflectance"',
        )
    return value, (match[2] or "").strip()


def errors_for(parts: Sequence[Part], promise: Promise, notes: list[str]) -> list[tuple[float, ...]]:
    """The largest error of every band of every part, in stored numbers. Raises SwathError, UnitError where one does not fit."""
    bands = [(part, band) for part in parts for band in part.bands]
    if promise.kind == "lossless":
        return [(0.0,) * len(p.bands) for p in parts]
    plain = [v for v, u in promise.entries if not u]
    if plain and len(plain) not in (1, len(bands)):
        names = ", ".join(b.name for _, b in bands[:14])
        raise SwathError(
            rule="--max-error takes one number, or one for each band",
            got=f"{len(plain)} numbers for {len(bands)} bands",
            remedy=f"bands in order: {names}",
        )
    found: list[float] = []
    kept: list[str] = []
    used: set[int] = set()
    for k, (part, band) in enumerate(bands):
        if band.quantity == "class":
            found.append(0.0)
            kept.append(band.name)
        elif plain:
            found.append(plain[k] if len(plain) > 1 else plain[0])
        else:
            at, error = _in_stored(promise.entries, part, band)
            found.append(error)
            if at is None:
                kept.append(band.name)
            else:
                used.add(at)
    if not plain and len(used) < len(promise.entries):
        lost = next(f"{v:g} {u}" for i, (v, u) in enumerate(promise.entries) if i not in used)
        there = ", ".join(dict.fromkeys(f"{b.quantity} [{b.units}]" for _, b in bands))
        loose = any(p.open for p in parts) or all(b.quantity == "digital_number" for _, b in bands)
        raise UnitError(
            rule="an error with a unit needs a band in that unit",
            got=f"{lost} for bands of {there}",
            remedy="give it in stored numbers, or settle the units with --offset, --scale or --sensor"
            if loose
            else "give it in stored numbers or in one of these",
        )
    if kept:
        notes.append(f"kept bit by bit: {', '.join(kept[:8])}{' ...' if len(kept) > 8 else ''}")
    out, at = [], 0
    for part in parts:
        out.append(tuple(found[at : at + len(part.bands)]))
        at += len(part.bands)
    return out


def _in_stored(entries: Sequence[tuple[float, str]], part: Part, band: Band) -> tuple[int | None, float]:
    """(which entry, its error in the band's stored numbers); (None, 0) where no entry has the band's unit."""
    for i, (value, unit) in enumerate(entries):
        base, factor = UNITS.get(unit, (unit, 1.0))
        same = {band.units, "K" if band.units == "degC" else band.units}
        word = unit.lower().replace(" ", "_")
        fits = base in same or word == band.quantity or (word == "reflectance" and band.quantity == "toa_reflectance")
        if not fits or part.open or band.quantity == "digital_number":
            continue
        error = value * factor / abs(band.scale or 1.0)
        whole = round(error)
        return i, float(whole) if abs(error - whole) < 1e-7 * max(1.0, whole) else error
    return None, 0.0


def with_errors(parts: Sequence[Part], errors: Sequence[tuple[float, ...]]) -> list[Part]:
    """The parts with their largest errors; of whole numbers, whole."""
    return [
        replace(p, error=tuple(math.floor(e) * 1.0 for e in es) if p.source.dtype.kind in "iu" else es)
        for p, es in zip(parts, errors, strict=True)
    ]


def peaks_of(parts: Sequence[Part], peak: float = math.nan) -> tuple[list[np.ndarray], str]:
    """The peak of each band in stored numbers, NaN for its own range, and in words. peak: asked for, in the bands' unit."""
    out = []
    ranged = False
    words: list[str] = []
    for part in parts:
        one = np.full(len(part.bands), np.nan)
        for i, b in enumerate(part.bands):
            scale = abs(b.scale or 1.0)
            physical = b.quantity.endswith("reflectance") and not part.open
            if math.isfinite(peak):
                one[i] = peak / scale
                words.append(
                    f"peak {peak:g} {'reflectance' if physical else b.units if b.units != '1' else ''}".strip()
                )
            elif physical:
                one[i] = 1.0 / scale
                words.append("peak 1 reflectance")
            elif part.source.dtype == np.uint8 and b.quantity == "digital_number":
                one[i] = 255.0
                words.append("peak 255")
            else:
                ranged = True
        out.append(one)
    said = list(dict.fromkeys([*words, *(["peak = the range of each band's values"] if ranged else [])]))
    return out, "; ".join(said)


def psnr_of(found: Sequence[Measured], peaks: Sequence[np.ndarray]) -> float:
    """PSNR in dB over all values that count, each error over its band's peak; infinite where nothing was lost."""
    squares, n = 0.0, 0
    for m, peak in zip(found, peaks, strict=True):
        reach = np.where(np.isfinite(peak), peak, np.maximum(m.high - m.low, 0))
        use = (m.n > 0) & (reach > 0)
        squares += float(((np.sqrt(m.squares[use]) / reach[use]) ** 2).sum())
        n += int(m.n[use].sum())
    if not n:
        return math.nan
    return math.inf if squares == 0 else -10.0 * math.log10(squares / n)


def certificate(
    parts: Sequence[Part], found: Sequence[Measured], peaks: Sequence[np.ndarray], words: str
) -> dict[str, Any]:
    """What was measured on the decoded numbers, as the packed file keeps it; numbers that are none are null."""
    bands = []
    for k, (part, m, peak) in enumerate(zip(parts, found, peaks, strict=True)):
        reach = np.where(np.isfinite(peak), peak, np.maximum(m.high - m.low, 0))
        for i, b in enumerate(part.bands):
            n = int(m.n[i])
            rmse = math.sqrt(m.squares[i] / n) if n else math.nan
            scale = abs(b.scale or 1.0)
            bands.append(
                {
                    "grid": k,
                    "band": b.name,
                    "units": b.units,
                    "values": n,
                    "allowed_stored": part.error[i],
                    "max_error_stored": float(m.worst[i]) if n else None,
                    "max_error": float(m.worst[i]) * scale if n else None,
                    "rmse_stored": rmse if n else None,
                    "low_stored": float(m.low[i]) if n else None,
                    "high_stored": float(m.high[i]) if n else None,
                    "psnr_db": _db(rmse, float(reach[i])) if n else None,
                    "peak_stored": float(reach[i]) if n else None,
                }
            )
    whole = psnr_of(found, peaks)
    return {
        "values": int(sum(int(m.n.sum()) for m in found)),
        "samples": int(sum(m.samples for m in found)),
        "max_error_stored": max((float(m.worst.max()) for m in found), default=0.0),
        "psnr_db": whole if math.isfinite(whole) else None,
        "peak": words,
        "bits_that_tell": bits_that_tell(parts, found),
        "bands": bands,
        "verified": "every chunk was decoded and compared before the file got its name",
    }


def _db(rmse: float, reach: float) -> float | None:
    return 20.0 * math.log10(reach / rmse) if rmse > 0 and reach > 0 else None


def bits_that_tell(parts: Sequence[Part], found: Sequence[Measured]) -> float:
    """Bits a value that carry something: those of the range in whole numbers, or in the decimals that floats need; of
    other floats, their type's.
    """
    from swath.cube.packed_chunk import MANY

    bits, n = 0.0, 0
    for part, m in zip(parts, found, strict=True):
        for i in np.flatnonzero(m.n):
            wide = part.source.dtype.itemsize * 8.0
            if m.digits[i] < MANY:
                steps = (m.high[i] - m.low[i]) * 10.0 ** m.digits[i]
                wide = min(wide, math.ceil(math.log2(steps + 1))) if steps > 0.5 else 0.0
            bits += wide * float(m.n[i])
            n += int(m.n[i])
    return bits / n if n else 0.0
