"""What a sensor's table must keep: rules to run over your own sensors and over every one of ours."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from swath.cube.contract import QUANTITIES
from swath.earth.recognise import LETTERS
from swath.errors import BandError

if TYPE_CHECKING:
    from collections.abc import Callable

    from swath.earth.sensor import Sensor

__all__ = ["RULES", "check_sensor"]

_UNITS = {
    "reflectance": {"1"}, "toa_reflectance": {"1"}, "digital_number": {"1"}, "index": {"1"},
    "temperature": {"K", "degC"}, "brightness_temperature": {"K", "degC"}, "elevation": {"m"},
    "backscatter": {"1", "dB"},
}  # fmt: skip


def key_is_plain(sensor: Sensor) -> str:
    """The key is lower case, words joined by dashes."""
    return (
        ""
        if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", sensor.key)
        else f"key {sensor.key!r} is not lower-case-with-dashes"
    )


def source_is_named(sensor: Sensor) -> str:
    """The document that the numbers come from is named, and the product has a title."""
    return (
        "" if len(sensor.source) > 10 and sensor.title else "the operator's document (source) or the title is missing"
    )


def bands_or_spectrum(sensor: Sensor) -> str:
    """There are bands with unique names, or a spectrum's range and count."""
    if bool(sensor.bands) == (sensor.spectrum is not None):
        return "a sensor has either bands or a spectrum"
    names = [b.name for b in sensor.bands]
    return "" if len(set(names)) == len(names) else "band names are not unique"


def widths_are_positive(sensor: Sensor) -> str:
    """Centres are in nm (200 to 20,000), widths and GSD positive; where one of centre and width is known, both are."""
    for b in sensor.bands:
        if math.isfinite(b.wavelength) != math.isfinite(b.fwhm):
            return f"{b.name}: centre and width go together"
        if math.isfinite(b.wavelength) and not 200 <= b.wavelength <= 20_000:
            return f"{b.name}: centre {b.wavelength} is not in nm"
        if b.fwhm <= 0 or b.gsd <= 0:
            return f"{b.name}: width and GSD are positive"
        if math.isfinite(b.fwhm) and b.fwhm > b.wavelength:
            return f"{b.name}: width {b.fwhm} nm exceeds the centre"
    spectrum = sensor.spectrum
    if spectrum is not None:
        pairs = ((spectrum.low, spectrum.high), spectrum.count, spectrum.sampling, spectrum.fwhm)
        if any(not 0 < low <= high for low, high in pairs):
            return "a spectrum's low, high, count, sampling and width rise and are positive"
    return ""


def quantities_are_known(sensor: Sensor) -> str:
    """Quantities are those of the cube contract, and units fit them."""
    for b in sensor.bands:
        for quantity in (b.quantity, b.becomes or b.quantity):
            if quantity not in QUANTITIES:
                return f"{b.name}: quantity {quantity!r} is none of the contract's"
        if b.units not in _UNITS.get(b.quantity, {b.units}):
            return f"{b.name}: units {b.units!r} do not fit {b.quantity}"
    return "" if sensor.quantity in QUANTITIES else f"quantity {sensor.quantity!r} is none of the contract's"


def scales_are_usable(sensor: Sensor) -> str:
    """Scales are finite and not zero; digital numbers are not scaled; scene factors say what comes out."""
    for b in sensor.bands:
        if not math.isfinite(b.scale) or b.scale == 0 or not math.isfinite(b.offset):
            return f"{b.name}: scale {b.scale} and offset {b.offset} are no usable numbers"
        if b.quantity == "digital_number" and (b.scale, b.offset) != (1.0, 0.0):
            return f"{b.name}: digital numbers have scale 1 and offset 0"
    return "" if not sensor.scene_scale or sensor.becomes else "scene_scale needs `becomes`"


def letters_fit_the_wavelengths(sensor: Sensor) -> str:
    """A spyndex letter stands once, and at most 60 nm outside spyndex's range (cameras and old scanners are wide)."""
    letters = [b.common for b in sensor.bands if b.common]
    if len(set(letters)) != len(letters):
        return "a common letter stands for one band"
    for b in sensor.bands:
        if b.common and b.common not in LETTERS:
            return f"{b.name}: {b.common!r} is no letter of spyndex"
        if b.common and math.isfinite(b.wavelength):
            low, high, _ = LETTERS[b.common]
            if not low - 60 <= b.wavelength <= high + 60:
                return f"{b.name}: centre {b.wavelength} nm lies far outside the range of {b.common}"
    return ""


def product_names_compile(sensor: Sensor) -> str:
    """Product names are regular expressions that do not fit any text."""
    for text in sensor.product:
        try:
            pattern = re.compile(text)
        except re.error as error:
            return f"product name {text!r}: {error}"
        if pattern.search("") or pattern.search("scene.tif"):
            return f"product name {text!r} fits any file"
    return ""


RULES: tuple[Callable[[Sensor], str], ...] = (
    key_is_plain, source_is_named, bands_or_spectrum, widths_are_positive, quantities_are_known, scales_are_usable,
    letters_fit_the_wavelengths, product_names_compile,
)  # fmt: skip


def check_sensor(sensor: Sensor) -> None:
    """Raise BandError that names every broken rule of RULES; return nothing when the sensor keeps them all."""
    if broken := [f"{rule.__name__}: {text}" for rule in RULES if (text := rule(sensor))]:
        raise BandError(
            rule="a sensor's table keeps swath.testing.sensor.RULES",
            got=f"{sensor.key}: {'; '.join(broken)}",
            remedy="mend the row in its TOML file",
        )
