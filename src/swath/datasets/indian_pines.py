"""Indian Pines: one AVIRIS scene of 1992 with a field map of 16 classes, from the PyPI package tensorly.

Source: Baumgardner, Biehl, Landgrebe 2015, doi 10.4231/R7RX991C, licence CC BY 3.0. Nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from swath.errors import UnitError, need

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CLASSES", "IndianPines", "deal", "load", "settle_unit"]

CLASSES = (
    "alfalfa", "corn no-till", "corn min-till", "corn", "grass pasture", "grass trees", "grass pasture mowed",
    "hay windrowed", "oats", "soybean no-till", "soybean min-till", "soybean clean", "wheat", "woods",
    "buildings grass trees drives", "stone steel towers",
)  # fmt: skip
LICENCE = "CC BY 3.0, Baumgardner, Biehl, Landgrebe 2015, doi 10.4231/R7RX991C"
UNIT = "W m-2 sr-1 um-1"
# Exoatmospheric solar irradiance (W m-2 um-1) at a few wavelengths (nm), rounded from ASTM E490-00a; for plausibility.
_SUN = ((480.0, 2030.0), (560.0, 1850.0), (660.0, 1560.0), (860.0, 985.0))
_WATER = ((1400.0, 1450.0), (1900.0, 1960.0))  # nm: water vapour absorbs nearly all light on the way (e.g. MODTRAN)


@dataclass(frozen=True, slots=True)
class IndianPines:
    """The scene as a cube of radiance (band, y, x), its field map (145, 145; 0 = not surveyed) and what was assumed."""

    cube: xr.DataArray
    truth: np.ndarray
    stored: np.ndarray  # (200, 145, 145) int16, radiance = stored * scale + offset
    scale: float
    offset: float
    notes: tuple[str, ...]


def settle_unit(stored: np.ndarray, wavelength: np.ndarray) -> tuple[float, float, tuple[str, ...]]:
    """What the stored numbers are, by plausibility: (scale, offset, sentences).

    stored: (B, H, W); wavelength: (B,) nm. The package calls them reflectance. Two facts of the air decide: light of
    the water-vapour bands does not come back (so their floor is the zero level), and at-sensor radiance in blue is
    never below what the air alone scatters (about a tenth of the sun's). Raises UnitError when no reading holds.
    """
    dark = np.zeros(len(wavelength), bool)
    for low, high in _WATER:
        dark |= (wavelength > low) & (wavelength < high)
    floor = float(np.median(stored[dark])) if dark.any() else np.nan
    if not 900 < floor < 1150:
        raise UnitError(
            rule="in water-vapour bands the zero level shows (about 1000 in this product)",
            got=f"median {floor:.0f}",
            remedy="this is not the scene that tensorly carried; give the unit by --scale and --offset",
        )
    as_reflectance = floor / 10_000
    notes = [
        f"read as reflectance (DN/10000), water-vapour bands would reflect {as_reflectance:.2f} where almost no light "
        "comes back: the package's word 'reflectance' is refused",
        f"zero level: {floor:.0f} in the water-vapour bands, so radiance is proportional to DN - 1000",
    ]
    for gain, text in (
        (500.0, "DN = 500 L + 1000 with L in W m-2 sr-1 um-1"),
        (50.0, "the same with L in uW cm-2 nm-1 sr-1"),
    ):
        apparent = []
        for nm, sun in _SUN:
            band = int(np.argmin(np.abs(wavelength - nm)))
            radiance = (float(np.median(stored[band])) - 1000) / gain
            apparent.append(np.pi * radiance / (sun * np.cos(np.radians(30))))
        words = ", ".join(f"{a:.3f} at {nm:.0f} nm" for a, (nm, _) in zip(apparent, _SUN, strict=True))
        if 0.08 < apparent[0] < 0.25 and max(apparent) < 0.7:
            notes.append(
                f"{text}: apparent reflectance {words} with the sun 30 degrees from the zenith: plausible, taken"
            )
            return 1 / gain, -1000 / gain, tuple(notes)
        notes.append(f"{text}: apparent reflectance {words}: below what air alone scatters in blue, refused")
    raise UnitError(
        rule="at-sensor radiance is plausible in blue and near infrared",
        got="; ".join(notes[2:]),
        remedy="give the unit by --scale and --offset",
    )


def load() -> IndianPines:
    """The whole scene. Raises ExtraError without the `demo` extra, UnitError when the numbers are none of the known."""
    from swath.cube import contract

    package = need("tensorly.datasets", extra="demo", why="the demo on Indian Pines")
    bunch = package.load_indian_pines()
    stored = np.ascontiguousarray(np.asarray(bunch.tensor).transpose(2, 0, 1)).astype(np.int16)
    truth, wavelength = np.ascontiguousarray(bunch.ticks[0]).astype(np.uint8), np.asarray(bunch.ticks[1], float)
    scale, offset, notes = settle_unit(stored, wavelength)
    back = np.flatnonzero(np.diff(wavelength) < 0)
    joins = ", ".join(f"{wavelength[i]:.0f} to {wavelength[i + 1]:.0f}" for i in back)
    cube = contract.make(
        (stored * np.float32(scale) + np.float32(offset)).astype(np.float32),
        bands=band_names(len(wavelength)),
        geobox=None,
        wavelength=wavelength.tolist(),
        gsd=[20.0] * len(wavelength),
        quantity="radiance",
        units=UNIT,
        sensor="aviris",
    )
    notes = (
        *notes,
        f"wavelengths step back where the detectors join ({joins} nm); bands keep the file's order",
        "flown on 12 June 1992 over north-west Indiana; the package has no georeference: a pixel grid without CRS, "
        "areas in pixels (the ground pixel is about 20 m)",
    )
    return IndianPines(cube=cube, truth=truth, stored=stored, scale=scale, offset=offset, notes=notes)


def band_names(count: int) -> list[str]:
    """B001 to B200: places in the product of 200 bands, not AVIRIS channel numbers."""
    return [f"B{i:03d}" for i in range(1, count + 1)]


def deal(truth: np.ndarray, seed: int, *, side: int = 16, per_class: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Training pixels and test area that never share a block: (labels, test), both (H, W) with 0 = none.

    Blocks of `side` pixels on a grid of random origin are dealt to two halves until every class has 5 pixels in both;
    up to `per_class` pixels of each class are drawn from the training half; the test is the other half, without what
    lies nearer than 2 pixels to a training pixel.
    """
    from scipy import ndimage

    random = np.random.default_rng(seed)
    height, width = truth.shape
    classes = int(truth.max())
    while True:
        shift_y, shift_x = random.integers(0, side, 2)
        block = ((np.arange(height) + shift_y) // side)[:, None] * (width // side + 2)
        block = block + ((np.arange(width) + shift_x) // side)[None]
        half = random.random(int(block.max()) + 1)[block] < 0.5
        counts = [np.bincount(truth[part], minlength=classes + 1)[1:].min() for part in (half, ~half)]
        if min(counts) >= 5:
            break
    labels = np.zeros(truth.shape, truth.dtype)  # not zeros_like: in Fortran order `ravel` would be a copy
    for code in range(1, classes + 1):
        pixels = np.flatnonzero(((truth == code) & half).ravel())
        labels.ravel()[random.choice(pixels, min(per_class, len(pixels)), replace=False)] = code
    near = ndimage.binary_dilation(labels > 0, np.ones((5, 5)))
    return labels, np.where(half | near, 0, truth).astype(truth.dtype)
