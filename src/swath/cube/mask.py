"""What quality bands say of each pixel, as reasons of contract.FLAGS: never seen, cloud, shadow, snow, saturated.

`flags` reads scene classifications and bit masks by look-up tables; what a quality band does not call unusable stays 0
(usable). Clouds in scenes without a mask: clouds.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from swath.cube.contract import FLAGS
from swath.errors import BandError, UnitError

if TYPE_CHECKING:
    from swath.earth.sensor import Sensor

__all__ = ["KINDS", "combine", "flags", "kind_of"]

# Which reason stands where several hold: a pixel never seen cannot be cloudy; a saturated one is no usable snow.
_ORDER = ("never_seen", "read_failed", "cloud", "shadow", "saturated", "snow")


@dataclass(frozen=True, slots=True)
class Kind:
    """How one quality band is read.

    bits: its width; words: {value: reason} for classes; fields: (first bit, length, values that count, reason) for bit
    masks; document: where the table stands.
    """

    bits: int
    document: str
    words: tuple[tuple[int, str], ...] = ()
    fields: tuple[tuple[int, int, tuple[int, ...], str], ...] = ()
    fill: tuple[int, ...] = ()


KINDS: dict[str, Kind] = {
    "scl": Kind(
        8,
        "ESA, Sentinel-2 Level-2A Algorithm Theoretical Basis Document, scene classification: 0 no data, 1 saturated or "
        "defective, 3 cloud shadow, 8 and 9 cloud, 10 thin cirrus, 11 snow; 2 (dark), 4 to 7 stay usable",
        words=(
            (0, "never_seen"),
            (1, "saturated"),
            (3, "shadow"),
            (8, "cloud"),
            (9, "cloud"),
            (10, "cloud"),
            (11, "snow"),
        ),
    ),
    "qa60": Kind(
        16,
        "ESA, Sentinel-2 User Handbook, cloud mask as a bit mask: 10 opaque cloud, 11 cirrus",
        fields=((10, 1, (1,), "cloud"), (11, 1, (1,), "cloud")),
    ),
    "qa_pixel": Kind(
        16,
        "USGS, Landsat 8-9 Collection 2 Level-2 Science Product Guide LSDS-1619, QA_PIXEL: 0 fill, 1 dilated cloud, "
        "2 cirrus, 3 cloud, 4 shadow, 5 snow (Landsat 4-7: LSDS-1618, the same without cirrus)",
        fields=(
            (0, 1, (1,), "never_seen"),
            (1, 1, (1,), "cloud"),
            (2, 1, (1,), "cloud"),
            (3, 1, (1,), "cloud"),
            (4, 1, (1,), "shadow"),
            (5, 1, (1,), "snow"),
        ),
    ),
    "qa_radsat": Kind(
        16,
        "USGS, LSDS-1618 and LSDS-1619, QA_RADSAT: bits 0 to 8 a saturated band, 9 dropped pixel (Landsat 4-7), "
        "11 terrain hides the pixel (Landsat 8-9)",
        fields=(
            *((bit, 1, (1,), "saturated") for bit in range(9)),
            (9, 1, (1,), "never_seen"),
            (11, 1, (1,), "never_seen"),
        ),
    ),
    "bqa": Kind(
        16,
        "USGS, Landsat Collection 1 Level-1 Quality Assessment Band: 0 fill, 1 terrain or dropped pixel, 2-3 saturation, "
        "4 cloud, 5-6 cloud confidence, 7-8 shadow, 9-10 snow, 11-12 cirrus (3 = high); a seen pixel is never 0; values "
        "from 8192 on are of the table before Collection 1 (14-15 cloud, 12-13 cirrus, 10-11 snow)",
        fields=(
            (0, 2, (1, 2, 3), "never_seen"),
            (2, 2, (1, 2, 3), "saturated"),
            (4, 1, (1,), "cloud"),
            (5, 2, (3,), "cloud"),
            (7, 2, (3,), "shadow"),
            (9, 2, (3,), "snow"),
            (11, 2, (3,), "cloud"),
        ),
        fill=(0,),
    ),
    "fmask": Kind(
        8,
        "NASA, HLS Product User Guide v2.0, Fmask: 1 cloud, 2 next to cloud or shadow, 3 shadow, 4 snow; 255 fill "
        "(bit 0, cirrus, is reserved)",
        fields=((1, 1, (1,), "cloud"), (2, 1, (1,), "cloud"), (3, 1, (1,), "shadow"), (4, 1, (1,), "snow")),
        fill=(255,),
    ),
    "mod13_reliability": Kind(
        8,
        "NASA, MODIS Vegetation Index User's Guide C6.1, pixel reliability: -1 fill, 0 good, 1 marginal, 2 snow, 3 cloud",
        words=((255, "never_seen"), (2, "snow"), (3, "cloud")),
    ),
    "mod13_quality": Kind(
        16,
        "NASA, MODIS Vegetation Index User's Guide C6.1, VI quality: 0-1 MODLAND (2 cloudy, 3 not produced), 8 adjacent "
        "cloud, 10 mixed cloud, 14 snow, 15 shadow; 65535 fill",
        fields=(
            (0, 2, (3,), "never_seen"),
            (0, 2, (2,), "cloud"),
            (8, 1, (1,), "cloud"),
            (10, 1, (1,), "cloud"),
            (15, 1, (1,), "shadow"),
            (14, 1, (1,), "snow"),
        ),
        fill=(65535,),
    ),
    "mod09_state": Kind(
        16,
        "NASA, MODIS Surface Reflectance User's Guide C6.1, state QA: 0-1 cloud (1 cloudy, 2 mixed), 2 shadow, 8-9 cirrus "
        "(3 high), 10 internal cloud, 12 and 15 snow, 13 adjacent to cloud; 65535 fill",
        fields=(
            (0, 2, (1, 2), "cloud"),
            (2, 1, (1,), "shadow"),
            (8, 2, (3,), "cloud"),
            (10, 1, (1,), "cloud"),
            (13, 1, (1,), "cloud"),
            (12, 1, (1,), "snow"),
            (15, 1, (1,), "snow"),
        ),
        fill=(65535,),
    ),
    "clm": Kind(
        8, "Sinergise, s2cloudless cloud mask (CLM): 1 cloud, 255 no data", words=((1, "cloud"), (255, "never_seen"))
    ),
    "is_data": Kind(8, "eo-learn, IS_DATA: 0 where nothing was delivered", words=((0, "never_seen"),)),
    "is_valid": Kind(8, "eo-learn, IS_VALID = data and no cloud: 0 is taken as cloud", words=((0, "cloud"),)),
    "udm2_clear": Kind(
        8,
        "Planet, UDM 2 band 1: 1 clear; 0 is cloud, haze, shadow or no data, called cloud here",
        words=((0, "cloud"),),
    ),
    "valid": Kind(8, "GDAL, dataset mask: 0 is no data, anything else is data", words=((0, "never_seen"),)),
}
_NAMES = {
    "scl": "scl", "qa60": "qa60", "qapixel": "qa_pixel", "pixelqa": "qa_pixel", "qaradsat": "qa_radsat", "bqa": "bqa",
    "fmask": "fmask", "clm": "clm", "isdata": "is_data", "isvalid": "is_valid", "udm2": "udm2_clear",
    "pixelreliability": "mod13_reliability", "viquality": "mod13_quality", "state1km": "mod09_state",
}  # fmt: skip


def kind_of(name: str, sensor: Sensor | None = None) -> str | None:
    """The kind of a quality band by its name, the sensor's own table first; None when it is no quality band known here.

    >>> kind_of("LC08_L2SP_008059_20191201_20200825_02_T1_QA_PIXEL"), kind_of("B04")
    ('qa_pixel', None)
    """
    if sensor is not None:
        for own, kind in sensor.masks:
            if name == own or name.endswith(f"_{own}"):
                return kind
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if plain in _NAMES:
        return _NAMES[plain]
    for word, kind in _NAMES.items():
        if re.search(rf"(?:^|[^a-z0-9]){re.escape(_spaced(word))}(?:[^a-z]|$)", name.lower()):
            return kind
    return None


def _spaced(word: str) -> str:
    return {"qapixel": "qa_pixel", "qaradsat": "qa_radsat", "pixelreliability": "pixel reliability",
            "viquality": "vi quality", "state1km": "state_1km", "pixelqa": "pixel_qa"}.get(word, word)  # fmt: skip


def flags(kind: str, stored: np.ndarray) -> np.ndarray:
    """Reasons of contract.FLAGS, uint8, of the stored values of a quality band, any shape.

    kind: a name of KINDS. Floats are taken as whole numbers, NaN as never seen. Raises BandError for an unknown kind,
    UnitError for values that the kind's bits cannot hold.
    """
    if kind not in KINDS:
        raise BandError(rule="a quality band is of a known kind", got=repr(kind), remedy=f"one of {', '.join(KINDS)}")
    values = np.asarray(stored)
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    missing = None
    if values.dtype.kind == "f":
        missing = ~np.isfinite(values)
        if np.any(values[~missing] != np.round(values[~missing])):
            raise UnitError(
                rule=f"quality bands ({kind}) hold whole numbers",
                got="fractions",
                remedy="resample quality bands with nearest neighbour, never by averaging",
            )
        values = np.where(missing, 0, values).astype(np.int64)
    table = _table(kind)
    size = len(table)
    if values.dtype.itemsize * 8 != KINDS[kind].bits and values.size:
        least, most = int(values.min()), int(values.max())
        if least < -size // 2 or most >= size:
            raise UnitError(
                rule=f"{kind} has {KINDS[kind].bits} bits",
                got=f"values from {least} to {most}",
                remedy="is this another quality band, or were its values scaled?",
            )
    out: np.ndarray = table[values.astype(np.int64, copy=False) & (size - 1)]
    if missing is not None:
        out[missing] = FLAGS["never_seen"]
    return out


@cache
def _table(kind: str) -> np.ndarray:
    """(256,) or (65536,) uint8: the reason for every value a kind can store."""
    rule = KINDS[kind]
    size = 1 << rule.bits
    value = np.arange(size)
    held = {reason: np.zeros(size, bool) for reason in _ORDER}
    for word, reason in rule.words:
        held[reason][word & (size - 1)] = True
    for first, length, counts, reason in rule.fields:
        held[reason] |= np.isin((value >> first) & ((1 << length) - 1), counts)
    if kind == "bqa":
        _before_collection_1(value, held)
    out = np.zeros(size, np.uint8)
    for reason in reversed(_ORDER):
        out[held[reason]] = FLAGS[reason]
    out[list(rule.fill)] = FLAGS["never_seen"]
    return out


def _before_collection_1(value: np.ndarray, held: dict[str, np.ndarray]) -> None:
    """Landsat 8 quality bands older than Collection 1 (cloud confidence in bits 14-15, so from 8192 on)."""
    old = value >= 8192
    for reason in held:
        held[reason][old] = False
    held["never_seen"] |= old & (value & 0b111 != 0)
    held["cloud"] |= old & (((value >> 14) & 3 == 3) | ((value >> 12) & 3 == 3))
    held["snow"] |= old & ((value >> 10) & 3 == 3)


def combine(*parts: np.ndarray) -> np.ndarray:
    """One flag of several of the same shape; where two name a reason the stronger stands (never seen before cloud ...)."""
    rank = np.zeros(len(FLAGS), np.uint8)
    for place, reason in enumerate(reversed(_ORDER), start=1):
        rank[FLAGS[reason]] = place
    out = np.asarray(parts[0], np.uint8)
    for part in parts[1:]:
        part = np.asarray(part, np.uint8)
        out = np.where(rank[part] > rank[out], part, out)
    return out
