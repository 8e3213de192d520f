"""Colours of classes and of ramps: one fixed order, told apart by people who see colours differently.

The first seven are of Okabe & Ito (Color Universal Design); the others were found by taking, one after another, the
colour furthest in OKLab from all before it and from white and near black, as seen with normal vision and with
protanopia, deuteranopia and tritanopia after Machado et al. 2009 (doi:10.1109/TVCG.2009.113).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["CLASSES", "Colour", "from_hexadecimal", "hexadecimal", "mixed", "palette", "ramp"]

Colour = tuple[int, int, int]

CLASSES: tuple[Colour, ...] = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0), (240, 228, 66), (120, 45, 60),
    (75, 0, 150), (0, 225, 165), (135, 120, 255), (195, 210, 255), (180, 30, 120), (180, 30, 0), (150, 255, 165),
    (135, 180, 120), (0, 75, 195), (105, 15, 105), (165, 210, 105), (90, 135, 210), (180, 240, 225), (105, 90, 225),
    (105, 90, 60), (0, 105, 120), (90, 60, 150), (135, 195, 195), (150, 105, 75), (255, 105, 75), (0, 165, 195),
    (165, 105, 150), (120, 225, 210), (105, 45, 0),
)  # fmt: skip

# From dark to light with steady lightness, for numbers: blue over green to yellow.
SEQUENCE: tuple[Colour, ...] = (
    (32, 36, 92),
    (36, 82, 132),
    (24, 128, 140),
    (64, 168, 124),
    (150, 200, 90),
    (250, 226, 90),
)
# From nothing to much, for doubt: pale to deep red.
DOUBT: tuple[Colour, ...] = ((247, 240, 222), (250, 205, 135), (240, 140, 80), (205, 70, 65), (120, 20, 60))


def palette(k: int) -> list[Colour]:
    """Colours of k classes: always the same first ones; beyond 32 the hues of the golden angle."""
    return [CLASSES[i] if i < len(CLASSES) else _golden(i) for i in range(k)]


def ramp(name: str = "sequence", n: int = 256) -> list[Colour]:
    """N colours of a ramp: `sequence` for numbers, `doubt` for doubt."""
    stops = {"sequence": SEQUENCE, "doubt": DOUBT}[name]
    return [_between(stops, i / max(n - 1, 1)) for i in range(n)]


def mixed(a: Colour, b: Colour, share: float) -> Colour:
    """A colour between two: share 0 is a, 1 is b."""
    return (_mix(a[0], b[0], share), _mix(a[1], b[1], share), _mix(a[2], b[2], share))


def hexadecimal(colour: Sequence[int]) -> str:
    """A colour as #rrggbb."""
    return "#" + "".join(f"{int(v):02x}" for v in colour[:3])


def from_hexadecimal(text: str) -> Colour:
    """The colour of #rrggbb, with or without its #. Raises ValueError for other texts.

    >>> from_hexadecimal(hexadecimal((0, 114, 178)))
    (0, 114, 178)
    """
    digits = text.lstrip("#")
    if len(digits) != 6:
        raise ValueError(f"no colour: {text!r}")
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def _mix(a: int, b: int, share: float) -> int:
    return round(a + (b - a) * share)


def _between(stops: Sequence[Colour], share: float) -> Colour:
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    low = min(int(place), len(stops) - 2)
    return mixed(stops[low], stops[low + 1], place - low)


def _golden(i: int) -> Colour:
    """Hue by the golden angle, lightness and chroma in three steps, in OKLCH (Ottosson 2020)."""
    hue, light, chroma = math.radians(137.50776 * i), (0.55, 0.72, 0.42)[i % 3], (0.12, 0.10, 0.09)[i // 3 % 3]
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short
    return (_stored(red), _stored(green), _stored(blue))


def _stored(linear: float) -> int:
    linear = min(max(linear, 0.0), 1.0)
    return round(255 * (12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055))
