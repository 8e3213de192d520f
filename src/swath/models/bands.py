"""Which band of a scene is the one that published weights were trained on: by name and sensor, else by wavelength."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from swath.earth.sensor import Band

__all__ = ["Wanted", "columns"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A band that a network knows: its name there, centre wavelength (nm) and how far another may lie from it, or what
    else it is (polarisation, name). names: other names of it, for bands without a wavelength.
    """

    name: str
    wavelength: float = math.nan
    reach: float = 25.0
    polarisation: str = ""
    names: tuple[str, ...] = ()


def columns(bands: Sequence[Band], wanted: Sequence[Wanted]) -> list[int | None]:
    """For each wanted band the index of the one that is it, None where there is none; no band serves twice.

    Of several within reach the nearest is taken, of those equally near the narrower one.
    """
    taken: set[int] = set()
    out: list[int | None] = []
    for want in wanted:
        ranked = sorted((*score, i) for i, b in enumerate(bands) if i not in taken and (score := _score(b, want)))
        out.append(ranked[0][-1] if ranked else None)
        if ranked:
            taken.add(ranked[0][-1])
    return out


def _score(band: Band, want: Wanted) -> tuple[float, float] | None:
    if want.polarisation:
        return (0.0, 0.0) if band.polarisation == want.polarisation else None
    if math.isfinite(want.wavelength) and math.isfinite(band.wavelength):
        apart = abs(band.wavelength - want.wavelength)
        width = band.fwhm if math.isfinite(band.fwhm) else 1e9
        return (round(apart, 1), width) if apart <= want.reach else None
    known = {n.lower() for n in (want.name, *want.names)}
    return (0.0, 0.0) if {n.lower() for n in (band.name, *band.aliases)} & known else None
