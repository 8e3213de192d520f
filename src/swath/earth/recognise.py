"""Which sensor is it: by product name, by band names or by wavelengths; which band is meant by a name, letter or nm."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from swath.earth.sensor import Band, Sensor, from_product_name, sensors

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "LETTERS", "Match", "by_band_names", "by_wavelengths", "canonical", "common_of", "find", "from_platform",
    "from_product_name", "letter_index", "nearest",
]  # fmt: skip

# Letter: (lowest, highest, usual centre) in nm. Ranges: `spyndex.bands` of 0.12; centres: Sentinel-2's design values.
LETTERS: dict[str, tuple[float, float, float]] = {
    "A": (400, 455, 443), "B": (450, 530, 490), "G1": (510, 550, 531), "G": (510, 600, 560), "Y": (585, 625, 605),
    "R": (620, 690, 665), "RE1": (695, 715, 705), "RE2": (730, 750, 740), "RE3": (765, 795, 783), "N": (760, 900, 842),
    "N2": (850, 880, 865), "WV": (930, 960, 945), "S1": (1550, 1750, 1610), "S2": (2080, 2350, 2190),
    "T": (10400, 12500, 11450), "T1": (10600, 11190, 10895), "T2": (11500, 12510, 12005),
}  # fmt: skip
_WORDS = {
    "coastal": "A", "coastalblue": "A", "aerosol": "A", "blue": "B", "green": "G", "yellow": "Y", "red": "R",
    "rededge": "RE1", "rededge1": "RE1", "rededge2": "RE2", "rededge3": "RE3", "rededge071": "RE1", "rededge075": "RE2",
    "rededge078": "RE3", "nir": "N", "nir1": "N", "nearinfrared": "N", "infrared": "N", "nir08": "N2", "nir2": "N2",
    "nirnarrow": "N2", "nir09": "WV", "watervapour": "WV", "watervapor": "WV", "swir1": "S1", "swir16": "S1",
    "swir2": "S2", "swir22": "S2", "lwir": "T", "lwir11": "T1", "lwir12": "T2", "thermal": "T",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Match:
    """A sensor that would explain some bands.

    bands: one for each asked name or wavelength. exact: share of names spelt as the operator does (wavelengths: 1 minus
    the mean distance in nm / 10, at least 0). share: of the sensor's bands that are there.
    """

    sensor: Sensor
    bands: tuple[Band, ...]
    exact: float
    share: float


def canonical(name: str) -> str:
    """A band name without spelling habits: B08A, B8A and Band 8A are one; so are B2, B02 and SR_B2."""
    text = re.sub(r"^BAND[_\- ]*(?=\d)", "B", name.strip().upper())
    text = re.sub(r"^(SR|ST|TOA|SURFREFLECT|SUR_REFL|REFLECTANCE)[_\- ]?(?=[A-Z]?\d)", "", text)
    text = re.sub(r"[_\- ]?(10|20|60)M$", "", text) if re.match(r"B\d", text) else text
    return re.sub(r"^([A-Z]*)0+(?=\d)", r"\1", re.sub(r"[^A-Z0-9]", "", text))


def common_of(name: str) -> str:
    """The letter of spyndex for a colour word (red, nir, swir16 ...); "" when the word is none."""
    return _WORDS.get(re.sub(r"[^a-z0-9]", "", name.lower()), "")


def find(bands: Sequence[Band], name: str) -> int | None:
    """Index of the band meant by an operator's name, an alias, another spelling, a letter or a colour word."""
    wanted = canonical(name)
    letter = common_of(name)
    tests = (
        lambda b: b.name == name,
        lambda b: name in b.aliases,
        lambda b: b.name.lower() == name.lower(),
        lambda b: canonical(b.name) == wanted,
        lambda b: any(canonical(a) == wanted for a in b.aliases),
        lambda b: bool(b.common) and b.common == name,
        lambda b: bool(letter) and b.common == letter,
    )
    for test in tests:
        if hits := [i for i, band in enumerate(bands) if test(band)]:
            return hits[0] if len(hits) == 1 else None
    return None


def nearest(bands: Sequence[Band], nm: float, tolerance: float | None = None) -> int | None:
    """Index of the band whose centre is nearest to `nm`; None beyond the tolerance.

    tolerance: nm; None means half the band's width (at least 5 nm), so that `nm` lies inside the band.
    """
    distance = [abs(b.wavelength - nm) if math.isfinite(b.wavelength) else math.inf for b in bands]
    if not distance or not math.isfinite(min(distance)):
        return None
    best = distance.index(min(distance))
    width = bands[best].fwhm
    limit = max(5.0, width / 2 if math.isfinite(width) else 5.0) if tolerance is None else tolerance
    return best if distance[best] <= limit else None


def letter_index(bands: Sequence[Band], letter: str) -> int | None:
    """Index of the band that stands for spyndex's letter: by its own letter, by polarisation, else by wavelength.

    N and N2 stand in for one another where only one is there (Landsat 8 has one near infrared band). By wavelength:
    the centre must lie in spyndex's range; of several the nearest to the usual centre.
    """
    for wanted in {"N": ("N", "N2"), "N2": ("N2", "N")}.get(letter, (letter,)):
        if hits := [i for i, b in enumerate(bands) if wanted in (b.common, b.polarisation)]:
            return hits[0]
        if wanted in LETTERS:
            low, high, centre = LETTERS[wanted]
            inside = [i for i, b in enumerate(bands) if not b.common and low <= b.wavelength <= high]
            if inside:
                return min(inside, key=lambda i: abs(bands[i].wavelength - centre))
    return None


def by_band_names(names: Sequence[str]) -> list[Match]:
    """Sensors that have every one of these bands, the likeliest first: exact spelling, then share of bands there.

    Sensors that cannot be told apart by names alone (Sentinel-2A and B) all come back: equal `exact` and `share`.
    """
    matches = []
    for candidate in sensors().values():
        places = [_named(candidate.bands, name) for name in names]
        if not names or None in places or len(set(places)) != len(places):
            continue
        bands = tuple(candidate.bands[p] for p in places if p is not None)
        exact = sum(b.name == n for b, n in zip(bands, names, strict=True)) / len(names)
        matches.append(Match(candidate, bands, exact, len(names) / len(candidate.bands)))
    return sorted(matches, key=lambda m: (-m.exact, -m.share))


def _named(bands: Sequence[Band], name: str) -> int | None:
    """As `find`, without letters and colour words, which fit nearly every sensor."""
    spellings = {name, canonical(name)}
    for i, band in enumerate(bands):
        if name == band.name or name in band.aliases:
            return i
    for i, band in enumerate(bands):
        if spellings & {canonical(band.name), *map(canonical, band.aliases)}:
            return i
    return None


def by_wavelengths(centres: Sequence[float], tolerance: float = 6.0) -> list[Match]:
    """Sensors whose bands have these centres (nm), the nearest first; hyperspectral ones by range and count.

    tolerance: nm between a file's centre and the table's. Several products of one instrument all come back.
    """
    finite = [c for c in centres if math.isfinite(c)]
    if not finite or len(finite) != len(centres):
        return []
    matches = []
    for candidate in sensors().values():
        match = _in_spectrum(candidate, finite) or _on_centres(candidate, finite, tolerance)
        if match is not None:
            matches.append(match)
    return sorted(matches, key=lambda m: (-m.exact, -m.share))


def _on_centres(candidate: Sensor, centres: Sequence[float], tolerance: float) -> Match | None:
    free = [i for i, b in enumerate(candidate.bands) if math.isfinite(b.wavelength)]
    picked, total = [], 0.0
    for centre in centres:
        if not free:
            return None
        best = min(free, key=lambda i: abs(candidate.bands[i].wavelength - centre))
        distance = abs(candidate.bands[best].wavelength - centre)
        if distance > tolerance:
            return None
        free.remove(best)
        picked.append(candidate.bands[best])
        total += distance
    exact = max(0.0, 1.0 - total / len(centres) / 10.0)
    return Match(candidate, tuple(picked), exact, len(picked) / len(candidate.bands))


def _in_spectrum(candidate: Sensor, centres: Sequence[float]) -> Match | None:
    spectrum = candidate.spectrum
    if spectrum is None:
        return None
    low, high = spectrum.count
    if not low <= len(centres) <= high or min(centres) < spectrum.low or max(centres) > spectrum.high:
        return None
    steps = sorted(abs(b - a) for a, b in pairwise(centres))
    step = steps[len(steps) // 2]
    if not spectrum.sampling[0] - 0.5 <= step <= spectrum.sampling[1] + 0.5:
        return None
    reach = (max(centres) - min(centres)) / (spectrum.high - spectrum.low)
    if reach < 0.8:
        return None
    bands = tuple(
        Band(f"{c:g} nm", c, math.nan, spectrum.gsd, candidate.quantity, candidate.units, candidate.scale,
             candidate.offset, candidate.nodata, becomes=candidate.becomes)
        for c in centres
    )  # fmt: skip
    return Match(candidate, bands, round(reach, 3), min(1.0, len(centres) / high))


def from_platform(platform: str, product: str) -> str | None:
    """The sensor's key from what catalogues call platform and collection: ("sentinel-2b", "sentinel-2-l2a") ...

    Returns the family's key where the platform says nothing, None where nothing fits.
    """
    flown = re.sub(r"[\s_]+", "-", platform.strip().lower())
    level = re.sub(r"[\s_]+", "-", product.strip().lower())
    if found := re.search(r"l1c|l2a|grd|rtc", level):
        key = f"{flown}-{found.group()}"
        if key in sensors():
            return key
    if flown.startswith("landsat") and (found := re.search(r"l[12]", level)):
        number = re.sub(r"\D", "", flown)
        for key in (f"landsat-{number}-c2-{found.group()}", f"landsat-5-c2-{found.group()}" if number == "4" else ""):
            if key in sensors():
                return key
    return from_product_name(product) or from_product_name(level)
