"""What Presto reads: physical values of several sensors as 17 scaled numbers a month, and what is hidden.

Scaling and groups: nasaharvest/presto @13173d0, S1_S2_ERA5_SRTM. The order of groups is data, as the code of the day of
the weights has it: the channel code goes by index and has no names.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from swath.batch import Batch, Pixels
from swath.earth.sensor import Band
from swath.errors import BandError, SwathError, UnitError
from swath.models.bands import Wanted, columns
from swath.models.steps import by_month, nearest, union

__all__ = [
    "CHANNEL",
    "COLUMNS",
    "PARTS",
    "Part",
    "Series",
    "example_batch",
    "parts_of",
    "plausible",
    "read_series",
    "strips",
]

COLUMNS: dict[str, list[int]] = {
    "S1": [0, 1], "S2_RGB": [2, 3, 4], "S2_Red_Edge": [5, 6, 7], "S2_NIR_10m": [8], "S2_NIR_20m": [9],
    "S2_SWIR": [10, 11], "ERA5": [12, 13], "SRTM": [14, 15], "NDVI": [16],
}  # fmt: skip
CHANNEL: dict[str, int] = {name: i for i, name in enumerate((*COLUMNS, "dynamic_world"))}
_RED, _NIR = 4, 8
_REFLECTANCE = ("toa_reflectance", "reflectance")
_OPTICAL = (
    ("B2", 492.4), ("B3", 559.8), ("B4", 664.6), ("B5", 704.1), ("B6", 740.5), ("B7", 782.8), ("B8", 832.8),
    ("B8A", 864.7), ("B11", 1613.7), ("B12", 2202.4),
)  # fmt: skip
_REACH = {"B8": 20.0, "B8A": 12.0, "B11": 40.0, "B12": 60.0}


@dataclass(frozen=True, slots=True)
class Part:
    """Bands of one quantity: where they go (columns), and physical -> as the network's publisher counts them."""

    name: str
    quantity: tuple[str, ...]
    wanted: tuple[Wanted, ...]
    columns: tuple[int, ...]
    scaled: Callable[[Tensor, Band], Tensor]


def decibel(values: Tensor, band: Band) -> Tensor:
    """Backscatter as it is. Raises UnitError unless it is in dB."""
    if band.units != "dB":
        raise UnitError(
            rule="the encoder reads Sentinel-1 backscatter in dB",
            got=f"band {band.name} in {band.units!r} (linear power)",
            remedy="convert it: 10 * log10(power)",
        )
    return values


def kelvin(values: Tensor, band: Band) -> Tensor:
    """Temperature in K. Raises UnitError for units other than K and degC."""
    if band.units not in ("K", "degC"):
        raise UnitError(rule="temperature is in K or degC", got=f"{band.name} in {band.units!r}", remedy="convert it")
    return values + 273.15 if band.units == "degC" else values


def metres_a_day(values: Tensor, band: Band) -> Tensor:
    """Precipitation as the mean of a day in m (a month is 30 days). Raises UnitError where the units leave it open."""
    known = {
        "m d-1": 1.0,
        "m day-1": 1.0,
        "mm d-1": 1e-3,
        "mm day-1": 1e-3,
        "m month-1": 1 / 30,
        "mm month-1": 1e-3 / 30,
    }
    if band.units not in known:
        raise UnitError(
            rule="precipitation says over which time it was summed: m d-1 (mean of a day) or m month-1 (sum of a month)",
            got=f"{band.name} in {band.units!r}",
            remedy="name the product: sensor era5-land-months",
        )
    return values * known[band.units]


def plain(values: Tensor, band: Band) -> Tensor:
    """As it is."""
    return values


S1 = tuple(Wanted(p, polarisation=p) for p in ("VV", "VH"))
S2 = tuple(Wanted(n, w, _REACH.get(n, 18.0), names=(n[0] + n[1:].zfill(2),)) for n, w in _OPTICAL)
TEMPERATURE = (Wanted("temperature_2m", names=("t2m", "2t", "2m_temperature")),)
RAIN = (Wanted("total_precipitation", names=("tp", "total_precipitation_sum")),)
HEIGHT = (Wanted("elevation", names=("dem",)),)
SLOPE = (Wanted("slope"),)
INDEX = (Wanted("NDVI"),)
LABEL = (Wanted("label", names=("dynamic_world",)),)

PARTS = (
    Part("S1", ("backscatter",), S1, (0, 1), lambda v, b: (decibel(v, b) + 25.0) / 25.0),
    Part("S2", _REFLECTANCE, S2, tuple(range(2, 12)), plain),
    Part("temperature", ("temperature",), TEMPERATURE, (12,), lambda v, b: (kelvin(v, b) - 272.15) / 35.0),
    Part("precipitation", ("other",), RAIN, (13,), lambda v, b: metres_a_day(v, b) / 0.03),
    Part("elevation", ("elevation",), HEIGHT, (14,), lambda v, b: v / 2000.0),
    Part("slope", ("other",), SLOPE, (15,), lambda v, b: v / 50.0),
    Part("NDVI", ("index",), INDEX, (16,), plain),
    Part("dynamic_world", ("class",), LABEL, (17,), plain),
)
_STILL = ("elevation", "slope")


@dataclass(frozen=True, slots=True)
class Series:
    """n = B * H * W pixels: values (n, T, 17) scaled, hidden (n, T, 9) groups, land (n, T) classes or 9, month (n, T) 0..11,
    place (n, 3) on the unit sphere. shape: (B, H, W).
    """

    values: Tensor
    hidden: Tensor
    land: Tensor
    month: Tensor
    place: Tensor
    shape: tuple[int, int, int]

    def take(self, rows: Tensor) -> Series:
        """Some of the pixels."""
        parts = (self.values[rows], self.hidden[rows], self.land[rows], self.month[rows], self.place[rows])
        return Series(*parts, (len(rows), 1, 1))


def parts_of(batch: Batch, parts: tuple[Part, ...], *, name: str) -> dict[str, list[tuple[Part, int, int]]]:
    """{sensor: [(part, column of the network, band of the sensor)]}: who serves what.

    Raises BandError where nothing in the Batch is known to the network.
    """
    found: dict[str, list[tuple[Part, int, int]]] = {}
    for sensor, pixels in batch.pixels.items():
        for part in parts:
            fits = [i for i, b in enumerate(pixels.bands) if b.quantity in part.quantity]
            served = columns([pixels.bands[i] for i in fits], part.wanted)
            pairs = zip(part.columns, served, strict=True)
            found.setdefault(sensor, []).extend((part, column, fits[i]) for column, i in pairs if i is not None)
    if not any(found.values()):
        raise BandError(
            rule=f"{name} reads {', '.join(w.name for part in parts for w in part.wanted)}",
            got=f"bands {', '.join(b.name for p in batch.pixels.values() for b in p.bands)}",
            remedy="give Sentinel-1, Sentinel-2, weather, terrain or land cover, with their sensors known",
        )
    return found


def plausible(batch: Batch, served: dict[str, list[tuple[Part, int, int]]], *, name: str) -> None:
    """Whether reflectances are reflectances: UnitError where most exceed 2, a warning where all lie below 0.01 or where
    they are of the surface (L2A) though the network learned from those at the top of the atmosphere (L1C).
    """
    for sensor, rows in served.items():
        indices = [i for part, _, i in rows if part.quantity == _REFLECTANCE]
        if not indices:
            continue
        pixels = batch.pixels[sensor]
        if any(pixels.bands[i].quantity == "reflectance" for i in indices):
            warnings.warn(
                f"{name} learned from reflectance at the top of the atmosphere (Sentinel-2 L1C); {sensor} is surface "
                "reflectance: its vectors are shifted against those of L1C",
                stacklevel=4,
            )
        step = max(1, pixels.values[:, :, 0].numel() // 200_000)
        few = pixels.values[:, :, indices].detach().reshape(-1)[::step]
        few = few[pixels.valid[:, :, indices].reshape(-1)[::step]]
        if not few.numel():
            continue
        if float((few > 2).float().mean()) > 0.5:
            raise UnitError(
                rule="reflectance lies between 0 and 1",
                got=f"{sensor}: half of the values are above {float(few.median()):.4g}",
                remedy="settle the units with --scale 0.0001 and --offset",
            )
        if float(few.abs().max()) < 0.01:
            warnings.warn(
                f"all reflectances of {sensor} lie below 0.01: were they divided by 10,000 twice?", stacklevel=4
            )


def read_series(batch: Batch, most: int) -> Series:
    """The pixels of a Batch of tensors as series of months. Raises UnitError, BandError, SwathError as `Presto.encode`."""
    served = parts_of(batch, PARTS, name="presto")
    b, h, w = len(batch), *_size(batch)
    steps, places = _steps(batch, served, most)
    t = steps.shape[1]
    x = next(iter(batch.pixels.values())).values.new_zeros(18, b, t, h, w)
    seen = torch.zeros(18, b, t, h, w, dtype=torch.bool, device=x.device)
    for sensor, rows in served.items():
        pixels = batch.pixels[sensor]
        for part, column, band in rows:
            valid = nearest(pixels.valid[:, :, band], h, w)
            values = nearest(pixels.values[:, :, band], h, w)
            values = part.scaled(torch.where(valid, values, 0.0), pixels.bands[band])
            still = part.name in _STILL or (part.name == "dynamic_world" and valid.shape[1] == 1)
            if still:
                first = valid.to(torch.int8).argmax(1, keepdim=True)
                values, valid = values.gather(1, first).expand(-1, t, -1, -1), valid.any(1, keepdim=True)
                place = np.tile(np.arange(t), (b, 1))
                valid = valid.expand(-1, t, -1, -1)
            else:
                place = places[sensor]
            _put(x[column], seen[column], values, valid, place)
    return _series(x, seen, steps, _place(batch), (b, h, w))


def _put(x: Tensor, seen: Tensor, values: Tensor, valid: Tensor, place: np.ndarray) -> None:
    """Values at their steps; of two sensors with the same band, the first that saw a pixel counts."""
    for t in range(place.shape[1]):
        rows = np.flatnonzero(place[:, t] >= 0)
        if len(rows):
            at = (torch.as_tensor(rows), torch.as_tensor(place[rows, t]))
            new = valid[rows, t] & ~seen[at]
            x[at] = torch.where(new, values[rows, t], x[at])
            seen[at] = seen[at] | new


def _series(x: Tensor, seen: Tensor, steps: np.ndarray, place: Tensor, shape: tuple[int, int, int]) -> Series:
    b, h, w = shape
    t = steps.shape[1]
    x = x.permute(1, 3, 4, 2, 0).reshape(b * h * w, t, 18)
    seen = seen.permute(1, 3, 4, 2, 0).reshape(b * h * w, t, 18)
    red, nir = x[..., _RED], x[..., _NIR]
    total = nir + red
    positive = total > 0
    ndvi = torch.where(positive, (nir - red) / torch.where(positive, total, 1.0), 0.0)
    both = seen[..., _RED] & seen[..., _NIR]
    ndvi = torch.where(both, ndvi, x[..., 16])  # of sensors that give the index alone, theirs
    seen = torch.cat([seen[..., :16], (both | seen[..., 16])[..., None], seen[..., 17:]], -1)
    values = torch.where(seen[..., :17], torch.cat([x[..., :16], ndvi[..., None]], -1), 0.0)
    hidden = torch.stack([~seen[..., c].all(-1) for c in COLUMNS.values()], -1)
    land = torch.where(seen[..., 17] & (x[..., 17] >= 0) & (x[..., 17] < 9), x[..., 17], 9.0).long()
    month = torch.as_tensor(np.where(steps >= 0, (steps // 4) % 12, 0), device=x.device)
    repeat = h * w
    return Series(values, hidden, land, month.repeat_interleave(repeat, 0), place.repeat_interleave(repeat, 0), shape)


def _steps(
    batch: Batch, served: dict[str, list[tuple[Part, int, int]]], most: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(B, T) keys of months, and which step each date of a sensor is; terrain and one map of land cover have no date."""
    keys = {}
    for sensor, rows in served.items():
        pixels = batch.pixels[sensor]
        single = pixels.values.shape[1] == 1
        moving = [
            part for part, _, _ in rows if part.name not in _STILL and not (part.name == "dynamic_world" and single)
        ]
        if moving:
            day = pixels.day.detach().cpu().double().numpy()
            if bool((pixels.valid.flatten(2).any(-1).cpu().numpy() & ~np.isfinite(day)).any()):
                raise SwathError(rule="presto asks for the date of what it reads", got=f"{sensor} without dates",
                                 remedy="give scenes with their dates")  # fmt: skip
            keys[sensor] = by_month(day, name="presto", most=most)
    return union(keys, name="presto", most=most)


def _place(batch: Batch) -> Tensor:
    """(B, 3): the place on the unit sphere. Raises SwathError where it is not known."""
    lonlat = next(iter(batch.pixels.values())).lonlat.double()
    for pixels in batch.pixels.values():
        lonlat = torch.where(torch.isfinite(lonlat), lonlat, pixels.lonlat.double())
    if not bool(torch.isfinite(lonlat).all()):
        raise SwathError(
            rule="presto asks where on Earth a pixel lies",
            got="no longitude and latitude",
            remedy="give scenes with a CRS",
        )
    lon, lat = torch.deg2rad(lonlat).unbind(-1)
    return torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], -1).float()


def _size(batch: Batch) -> tuple[int, int]:
    """Rows and columns of the finest sensor."""
    shapes = [p.values.shape[-2:] for p in batch.pixels.values()]
    return max(int(s[0]) for s in shapes), max(int(s[1]) for s in shapes)


def strips(batch: Batch, pixels: int) -> list[Batch]:
    """A large Batch in strips of rows of about so many pixels, so that memory does not grow with the window."""
    h, w = _size(batch)
    step = max(1, pixels // (w * len(batch)))
    coarse = {tuple(p.values.shape[-2:]) for p in batch.pixels.values()} - {(h, w), (1, 1)}
    if step >= h or coarse:
        return [batch]

    def cut(p: Pixels, top: int) -> Pixels:
        if p.values.shape[-2] == 1:
            return p
        return replace(p, values=p.values[..., top : top + step, :], valid=p.valid[..., top : top + step, :])

    return [Batch({name: cut(p, top) for name, p in batch.pixels.items()}) for top in range(0, h, step)]


def example_batch() -> Batch:
    """Two places, three months, with gaps: Sentinel-1 and -2, weather, terrain."""
    from swath.earth.sensor import sensor

    rng = np.random.default_rng(0)
    day = np.tile(np.array([18_276.0, 18_306.0, 18_337.0]), (2, 1))
    lonlat = np.array([[12.0, 48.0], [-60.0, -3.0]])

    def made(bands: tuple[Band, ...], low: list[float], high: list[float], size: int) -> Pixels:
        shape = (2, 3, len(bands), size, size)
        edges = [np.asarray(v, np.float32)[None, None, :, None, None] for v in (low, high)]
        values = rng.uniform(edges[0], edges[1], shape).astype(np.float32)
        return Pixels(values, rng.random(shape) < 0.9, bands, 10.0, day, lonlat)

    radar = tuple(replace(b, quantity="backscatter", units="dB") for b in sensor("sentinel-1-rtc").bands[:2])
    optical = sensor("sentinel-2a-l1c").bands
    weather = sensor("era5-land-months").bands[:2]
    terrain = sensor("srtm-terrain").bands
    return Batch(
        {
            "sentinel-1-rtc": made(radar, [-20.0, -25.0], [-5.0, -10.0], 4),
            "sentinel-2a-l1c": made(optical, [0.02] * len(optical), [0.5] * len(optical), 4),
            "era5-land-months": made(weather, [270.0, 0.0], [300.0, 0.01], 1),
            "srtm-terrain": made(terrain, [0.0, 0.0], [1500.0, 30.0], 4),
        }
    )
