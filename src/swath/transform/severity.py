"""How strong each corruption is at levels 1 to 5, in physical values; the numbers are swath's own choice.

The published benchmark of these twelve (REOBench, arXiv 2505.16793) names them but gives no strengths. The alternative
`imagenet_c` has the numbers that Hendrycks and Dietterich 2019 (ImageNet-C) and the package imagecorruptions use on pictures
of 8 bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ALL", "EXTRA", "FAMILIES", "GEOMETRIC", "IMAGENET_C", "LIGHT", "TABLE", "TWELVE", "Scale", "strength"]

Scale = Literal["swath", "imagenet_c"]


@dataclass(frozen=True, slots=True)
class Severity:
    """parameter: what the five values are, in words. values: of levels 1 to 5; a pair where there are two numbers."""

    parameter: str
    values: tuple[float | tuple[float, float], ...]


TABLE: dict[str, Severity] = {
    "gaussian_noise": Severity("deviation as a share of the band's 2-98 % range", (0.04, 0.06, 0.08, 0.09, 0.10)),
    "salt_and_pepper": Severity("share of pixels, all bands together", (0.01, 0.02, 0.05, 0.10, 0.17)),
    "gaussian_blur": Severity("deviation in pixels", (0.5, 1.0, 1.5, 2.5, 4.0)),
    "motion_blur": Severity("length in pixels along 45 degrees", (3.0, 5.0, 9.0, 15.0, 21.0)),
    "brightness_contrast": Severity(
        "gain on (value - mean), and what is added as a share of the 2-98 % range",
        ((0.8, 0.05), (0.65, 0.08), (0.5, 0.1), (0.35, 0.12), (0.2, 0.15)),
    ),
    "clouds": Severity("covered share; opaque 8 pixels inside the edge", (0.05, 0.1, 0.2, 0.35, 0.5)),
    "haze": Severity("transmission at 550 nm", (0.9, 0.8, 0.7, 0.6, 0.45)),
    "gaps": Severity("width in pixels of diagonal stripes, one every 40 pixels", (2.0, 4.0, 6.0, 9.0, 12.0)),
    "compression": Severity("JPEG quality, three bands at a time", (60.0, 40.0, 25.0, 15.0, 8.0)),
    "rotate": Severity("degrees, border mirrored", (15.0, 30.0, 45.0, 90.0, 180.0)),
    "scale": Severity("factor, frame filled by mirroring", (0.9, 0.75, 0.6, 0.5, 0.4)),
    "translate": Severity("share of the side, border mirrored", (0.05, 0.1, 0.2, 0.3, 0.4)),
    "clouds_and_shadow": Severity("covered share; shadows of 0.4 of the light beside", (0.05, 0.1, 0.2, 0.35, 0.5)),
    "coarse": Severity("pixels of a coarser instrument's side", (2.0, 4.0, 8.0, 16.0, 32.0)),
    "missing_bands": Severity("share of bands without values, at least one", (0.1, 0.2, 0.35, 0.5, 0.75)),
    "missing_dates": Severity("share of dates without values, at least one", (0.2, 0.35, 0.5, 0.65, 0.8)),
    "misregistration": Severity("shift in pixels of each date (of one date: each band)", (0.25, 0.5, 1.0, 2.0, 4.0)),
    "sensor_swap": Severity("share of the way to what a sibling sensor's bands would read", (0.2, 0.4, 0.6, 0.8, 1.0)),
}  # fmt: skip
TWELVE = (
    "gaussian_noise", "salt_and_pepper", "gaussian_blur", "motion_blur", "brightness_contrast", "clouds", "haze", "gaps",
    "compression", "rotate", "scale", "translate",
)  # fmt: skip
EXTRA = tuple(name for name in TABLE if name not in TWELVE)
ALL = tuple(TABLE)
GEOMETRIC = ("rotate", "scale", "translate")
LIGHT = ("brightness_contrast", "clouds", "haze", "clouds_and_shadow", "sensor_swap")
FAMILIES: dict[str, tuple[str, ...]] = {
    "noise": ("gaussian_noise", "salt_and_pepper"),
    "optics": ("gaussian_blur", "motion_blur"),
    "light": ("brightness_contrast", "clouds", "haze"),
    "loss": ("gaps", "compression"),
    "geometry": GEOMETRIC,
}
IMAGENET_C: dict[str, tuple[float, ...]] = {
    "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    "gaussian_blur": (1.0, 2.0, 3.0, 4.0, 6.0),
    "compression": (25.0, 18.0, 15.0, 10.0, 7.0),
}


def strength(name: str, level: int, scale_of: Scale = "swath") -> tuple[float, ...]:
    """The numbers of a level 1 to 5. scale_of: imagenet_c where it has the corruption, else swath's own."""
    if scale_of == "imagenet_c" and name in IMAGENET_C:
        return (IMAGENET_C[name][level - 1],)
    value = TABLE[name].values[level - 1]
    return value if isinstance(value, tuple) else (value,)
