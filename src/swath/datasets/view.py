"""A made world as a sensor sees it: responses, native resolution, season, clouds and shadows, speckle, noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import contract
from swath.datasets.phenology import CLASSES, Traits, draw_traits, fractions
from swath.datasets.spectra import CLOUD, respond
from swath.datasets.world import World, smooth_field
from swath.earth.sensor import Band, Sensor
from swath.errors import BandError, GridError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SENTINEL_1", "SENTINEL_2", "Truth", "dates", "elevation", "view"]


def _optical(name: str, wavelength: float, fwhm: float, gsd: float, common: str) -> Band:
    return Band(name=name, wavelength=wavelength, fwhm=fwhm, gsd=gsd, common=common)


# ESA, Sentinel-2 spectral response functions (S2A), rounded to 1 nm; Sentinel-1 IW ground range on its 10 m grid.
SENTINEL_2 = (
    _optical("B02", 492, 66, 10, "B"), _optical("B03", 560, 36, 10, "G"), _optical("B04", 665, 31, 10, "R"),
    _optical("B05", 704, 15, 20, "RE1"), _optical("B06", 741, 15, 20, "RE2"), _optical("B07", 783, 20, 20, "RE3"),
    _optical("B08", 833, 106, 10, "N"), _optical("B8A", 865, 21, 20, "N2"), _optical("B11", 1614, 91, 20, "S1"),
    _optical("B12", 2202, 175, 20, "S2"),
)  # fmt: skip
SENTINEL_1 = tuple(
    Band(name=p, gsd=10, quantity="backscatter", units="dB", common=p, polarisation=p) for p in ("VV", "VH")
)


@dataclass(frozen=True, slots=True)
class Truth:
    """What was there: classes (T, H, W) uint8 index into `names` by date, objects (H, W), height (H, W) in m."""

    classes: np.ndarray
    names: tuple[str, ...]
    objects: np.ndarray
    height: np.ndarray


def dates(start: str, end: str, every: float = 10.0, *, seed: int | None = None) -> np.ndarray:
    """Dates from `start` to before `end` each `every` days, at 10:30 UTC: (T,) datetime64[s].

    With a seed every date moves by up to a quarter of the step (uneven series).
    """
    first, last = (np.datetime64(d, "D").astype(float) for d in (start, end))
    days = np.arange(first, last, every)
    if seed is not None:
        days = days + np.random.default_rng([seed, 5]).uniform(-0.25, 0.25, len(days)) * every
    whole = np.unique(np.clip(np.floor(days), first, last - 1))
    return (whole * 86_400 + 37_800).astype("datetime64[s]")


def view(
    place: World,
    sensor: str | Sensor | Sequence[Band],
    dates: Sequence[Any] | np.ndarray,
    *,
    cloud: float = 0.4,
    noise: float = 0.01,
    looks: float = 8.0,
    seed: int = 0,
    gsd: float | None = None,
) -> tuple[xr.DataArray, Truth]:
    """A cube (T, C, H, W) float32 of the world through one sensor, with what was really there.

    sensor: a key of sensors.toml, a Sensor, or bands. dates: sorted and unique. cloud: mean share of a date under cloud
    (optical and thermal bands; values turn bright or dark and `flag` says cloud or shadow). noise: deviation of a
    reflectance (thermal: 30 times that in K); looks: of the radar's speckle, inf for none. gsd: of the cube in m, a
    whole multiple of the world's, which is the default. Bands coarser than the world are averaged to their own size (the nearest multiple).
    With cloud 0, noise 0 and infinite looks the view is exact: the truth of every value. Attribute `simulated` is True.
    Raises BandError, GridError, UnitError for what a world cannot show.
    """
    key, bands = _bands(sensor)
    when = np.asarray(dates, dtype="datetime64[s]")
    factor = _factor(place, place.gsd if gsd is None else gsd, "the cube")
    rng = np.random.default_rng([place.seed, seed, 23])
    classes = np.stack([place.truth(d) for d in when])
    values = _surface(place, bands, when, classes)
    optical = [i for i, b in enumerate(bands) if b.quantity != "backscatter"]
    flag = None
    if optical and cloud > 0:
        flag = _weather(values, bands, optical, cloud, place, rng)
    for i, band in enumerate(bands):
        coarse = min(max(1, round(band.gsd / place.gsd)), *place.shape) if math.isfinite(band.gsd) else 1
        if coarse > 1:
            values[:, i] = _spread(_mean(values[:, i], coarse), coarse, place.shape)
    if factor > 1:
        values = _mean(values, factor)
        classes = classes[..., factor // 2 :: factor, factor // 2 :: factor]
        flag = None if flag is None else _worst(flag, factor)
        classes = classes[..., : values.shape[-2], : values.shape[-1]]
    _measure(values, bands, noise, looks, rng)
    cube = contract.make(
        values,
        bands=[b.name for b in bands],
        geobox=_grid(place, factor, values.shape[-2:]),
        time=when,
        wavelength=[b.wavelength for b in bands],
        fwhm=[b.fwhm for b in bands],
        gsd=[max(b.gsd, place.gsd * factor) if math.isfinite(b.gsd) else place.gsd * factor for b in bands],
        quantity=[b.quantity for b in bands],
        units=[b.units for b in bands],
        flag=flag,
        sensor=key,
        attrs={"simulated": True, "world": place.seed},
    )
    cube = cube.assign_coords(
        common=("band", [b.common for b in bands]), polarisation=("band", [b.polarisation for b in bands])
    )
    return cube, Truth(classes, place.names, place.objects, place.height)


def elevation(place: World) -> xr.DataArray:
    """The world's heights as a cube without dates: one band `elevation` in m."""
    return contract.make(
        place.height[None].copy(),
        bands=["elevation"],
        geobox=place.geobox,
        gsd=[place.gsd],
        quantity="elevation",
        units="m",
        sensor="dem",
        attrs={"simulated": True, "world": place.seed},
    )


def _bands(sensor: str | Sensor | Sequence[Band]) -> tuple[str | None, tuple[Band, ...]]:
    if isinstance(sensor, Sensor):
        return sensor.key, sensor.bands
    if not isinstance(sensor, str):
        return None, tuple(sensor)
    if sensor == "sentinel-1-grd":  # as people use it: calibrated, terrain-corrected, in dB
        return sensor, SENTINEL_1
    from swath.earth.sensor import sensor as find

    bands = tuple(b for b in find(sensor).bands if _visible(b))
    if not bands:
        raise BandError(
            rule="a made world is seen in reflectance, backscatter or temperature",
            got=f"{sensor} with none of them",
            remedy="name its bands yourself",
        )
    return sensor, bands


def _visible(band: Band) -> bool:
    optical = band.quantity in ("reflectance", "toa_reflectance") and 350 <= band.wavelength <= 2550
    return optical or band.quantity in ("backscatter", "temperature", "brightness_temperature")


def _surface(place: World, bands: tuple[Band, ...], when: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """What lies there on each date: (T, C, H, W) float32; backscatter as power, temperature in kelvin."""
    response = respond(bands)
    h, w = place.shape
    out = np.empty((len(when), len(bands), h, w), np.float32)
    objects, kinds, traits = place.objects, place.classes, place.traits
    first = np.zeros(int(objects.max()) + 1, np.uint8)
    first[objects.ravel()] = kinds.ravel()
    greener = (response[0] - response[3]).astype(np.float32)
    reflect = np.array([b.quantity in ("reflectance", "toa_reflectance") for b in bands])
    kelvin = np.array(["temperature" in b.quantity for b in bands])
    shade = (1.0 + place.bright)[None]
    flat = objects.ravel()
    for t, date in enumerate(when):
        year, day = _year_and_day(date)
        late = np.random.default_rng([place.seed, year, 3]).normal(0.0, 6.0, len(CLASSES))
        ids, present, now = _objects_on(flat, first, traits, classes[t], kinds)
        part = fractions(present, day, now, late=late)
        base = (part @ response).T.astype(np.float32)
        if kelvin.any():
            base[kelvin] += np.float32(283.0 + 11.0 * math.sin(2 * math.pi * (day - 110) / 365.25))
        wet = np.random.default_rng([place.seed, int(date.astype("int64")), 4]).normal(0.0, 0.8)
        base[~reflect & ~kelvin] *= np.float32(10 ** (0.1 * wet))
        lively = (part[:, 0] * (1 - part[:, 0]) * 4).astype(np.float32)
        change = np.take(np.where(reflect[:, None], greener[:, None] * lively, 0).astype(np.float32), ids, axis=1)
        np.take(base, ids, axis=1, out=out[t].reshape(len(bands), -1), mode="clip")
        change = change.reshape(out[t].shape)
        change *= place.lush
        out[t] += change
        if kelvin.any():
            out[t][~kelvin] *= shade
        else:
            out[t] *= shade
    np.maximum(out, 1e-6, out=out)
    return out


def _objects_on(
    flat: np.ndarray, first: np.ndarray, traits: Traits, now: np.ndarray, before: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Traits]:
    """Object of every pixel on a date; where an event changed the class, the object is a new one of that class."""
    changed = (now != before).ravel()
    if not changed.any():
        return flat, first, traits
    n = len(first)
    key = flat[changed].astype(np.int64) * len(CLASSES) + now.ravel()[changed]
    new, inverse = np.unique(key, return_inverse=True)
    ids = flat.astype(np.int64)
    ids[changed] = n + inverse
    more = draw_traits(n * len(CLASSES), np.random.default_rng([n, 9]))

    def join(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.concatenate([a, b[new]])

    grown = Traits(join(traits.shift, more.shift), join(traits.vigour, more.vigour), join(traits.mix, more.mix))
    return ids, np.concatenate([first, (new % len(CLASSES)).astype(np.uint8)]), grown


def _weather(
    values: np.ndarray,
    bands: tuple[Band, ...],
    optical: list[int],
    cloud: float,
    place: World,
    rng: np.random.Generator,
) -> np.ndarray:
    """Lay clouds and their shadows over the optical bands, in place; the flag (T, H, W) uint8."""
    n, (h, w) = len(values), place.shape
    field = smooth_field((2 * h, 2 * w), rng, slope=1.9).astype(np.float32)
    marks = np.quantile(field[::4, ::4], np.linspace(0, 1, 201))
    share = rng.beta(0.7, 0.7 * (1 - cloud) / cloud, n) if cloud < 1 else np.ones(n)
    bright = respond([bands[i] for i in optical])[CLOUD]
    flag = np.zeros((n, h, w), np.uint8)
    for t in range(n):
        dy, dx = (int(v) for v in rng.integers(0, (2 * h, 2 * w)))
        reach = int(rng.uniform(300, 1500) / place.gsd)
        if share[t] < 0.02:
            continue
        edge = np.interp(1 - share[t], np.linspace(0, 1, 201), marks)
        alpha = np.clip((field - edge) / 0.35 + 0.02, 0, 1)
        alpha = np.roll(alpha, (dy, dx), (0, 1))
        cover, dark = alpha[:h, :w], np.roll(alpha, (-reach, reach // 3), (0, 1))[:h, :w]
        flag[t] = np.where(cover > 0.02, contract.FLAGS["cloud"], np.where(dark > 0.25, contract.FLAGS["shadow"], 0))
        if not flag[t].any():
            continue
        for j, i in enumerate(optical):
            kelvin = "temperature" in bands[i].quantity
            under = values[t, i] if kelvin else values[t, i] * (1 - 0.65 * dark)
            top = under + bright[j] if kelvin else bright[j]
            values[t, i] = under * (1 - cover) + top * cover
    return flag


def _measure(values: np.ndarray, bands: tuple[Band, ...], noise: float, looks: float, rng: np.random.Generator) -> None:
    """Speckle on power and its turn into dB; additive noise elsewhere; in place."""
    for i, band in enumerate(bands):
        part = values[:, i]
        if band.quantity == "backscatter":
            if math.isfinite(looks):
                part = part * (rng.standard_gamma(looks, part.shape, dtype=np.float32) / np.float32(looks))
            np.maximum(part, 1e-6, out=part)
            values[:, i] = 10 * np.log10(part) if band.units == "dB" else part
        elif noise > 0:
            size = noise * 30.0 if "temperature" in band.quantity else noise
            grain = rng.standard_normal(part.shape, dtype=np.float32)
            grain *= np.float32(size)
            part += grain


def _mean(values: np.ndarray, n: int) -> np.ndarray:
    """Mean of n x n pixels over the last two axes; an incomplete rim is dropped."""
    h, w = (s // n for s in values.shape[-2:])
    cut = values[..., : h * n, : w * n]
    out: np.ndarray = cut.reshape(*values.shape[:-2], h, n, w, n).mean((-3, -1))
    return out


def _spread(values: np.ndarray, n: int, shape: tuple[int, int]) -> np.ndarray:
    """Each value on n x n pixels, the rim filled from its neighbour."""
    out = values.repeat(n, -2).repeat(n, -1)
    short = [(0, 0)] * (out.ndim - 2) + [(0, s - o) for s, o in zip(shape, out.shape[-2:], strict=True)]
    return np.pad(out, short, mode="edge") if any(b for _, b in short) else out


def _worst(flag: np.ndarray, n: int) -> np.ndarray:
    h, w = (s // n for s in flag.shape[-2:])
    out: np.ndarray = flag[:, : h * n, : w * n].reshape(len(flag), h, n, w, n).max((-3, -1))
    return out


def _factor(place: World, gsd: float, what: str) -> int:
    n = round(gsd / place.gsd)
    if n < 1 or abs(n * place.gsd - gsd) > 1e-6 * gsd or min(place.shape) < n:
        raise GridError(
            rule=f"a made world is seen at whole multiples of its own {place.gsd:g} m",
            got=f"{what} at {gsd:g} m",
            remedy="make the world with a pixel that divides this size",
        )
    return n


def _grid(place: World, factor: int, shape: tuple[int, int]) -> Any:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    if factor == 1:
        return place.geobox
    a = place.geobox.affine
    return GeoBox(shape, Affine(a.a * factor, a.b, a.c, a.d, a.e * factor, a.f), place.geobox.crs)


def _year_and_day(date: np.datetime64) -> tuple[int, float]:
    start = date.astype("datetime64[Y]")
    return int(start.astype(int)) + 1970, float((date - start.astype("datetime64[s]")).astype(float)) / 86_400.0
