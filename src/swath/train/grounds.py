"""What swath-tiny is trained on: pieces of ground in memory, most of them made, and chips of them with much left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.batch import Batch, Pixels
from swath.datasets import toy

if TYPE_CHECKING:
    from pathlib import Path

    from swath.datasets.toy import World
    from swath.earth.sensor import Band

__all__ = ["Ground", "Seen", "Sheets", "chips", "heights", "made", "see", "sensors", "statistics"]

GSD = (2.5, 5.0, 10.0, 10.0, 20.0, 30.0)
SIDES = ((16, 0.25), (24, 0.45), (32, 0.3))


@dataclass(frozen=True, slots=True)
class Seen:
    """What one sensor saw of a ground: values (T, C, H, W) float16, valid (T, H, W), bands, day (T,)."""

    values: np.ndarray
    valid: np.ndarray
    bands: tuple[Band, ...]
    day: np.ndarray


@dataclass(frozen=True, slots=True)
class Ground:
    """A piece of ground through one sensor or several; simulated or not; weight: how often it is drawn."""

    seen: dict[str, Seen]
    simulated: bool
    weight: float = 1.0


def sensors() -> list[str]:
    """All sensors of sensors.toml in which a made world can be seen."""
    from swath.earth.sensor import sensor as find
    from swath.earth.sensor import sensors as keys

    rows = [(key, find(key)) for key in keys()]
    return [k for k, row in rows if k == "sentinel-1-grd" or row.spectrum is not None or any(map(_visible, row.bands))]


def _visible(band: Band) -> bool:
    optical = "reflectance" in band.quantity or band.quantity in ("digital_number", "radiance")
    thermal = "temperature" in band.quantity and np.isfinite(band.wavelength)
    return (
        (optical and 350 <= band.wavelength <= 2550)
        or thermal
        or (band.quantity == "backscatter" and bool(band.polarisation))
    )


def made(seed: int, sensor: str, *, dates: int = 12, size: int = 96, gsd: float | None = None) -> Ground:
    """A made world of this seed through one sensor's bands, at a GSD of its own, every third with radar or heights too.

    Objects get smooth spectral gains, textures and rows of their own, so that there is more to tell than nine classes.
    """
    rng = np.random.default_rng([seed, 57])
    gsd = float(rng.choice(GSD)) if gsd is None else gsd
    place = toy.world(seed, size, gsd)
    if rng.random() < 0.3:
        place = toy.build(toy.cut(place, "2021-06-01", share=0.2), "2021-04-01", share=0.1)
    vary = _Vary(place, rng) if rng.random() < 0.8 else None
    bands = _bands(sensor, gsd, rng)
    seen = {sensor: _see(place, bands, dates, rng, vary)}
    draw = rng.random()
    if draw < 0.25 and all(b.quantity != "backscatter" for b in bands):
        radar = tuple(replace(b, gsd=gsd) for b in toy.SENTINEL_1)
        seen["sentinel-1-grd"] = _see(place, radar, max(1, dates // 2), rng, vary)
    elif draw < 0.4:
        height = toy.elevation(place).values.astype(np.float32) + rng.normal(0, 400) * (rng.random() < 0.7)
        dem = heights(gsd)
        seen["dem"] = Seen(
            height[None].reshape(1, 1, size, size), np.ones((1, size, size), bool), (dem,), np.array([np.nan])
        )
    return Ground(seen, True)


def heights(gsd: float) -> Band:
    """The band of a made world's heights."""
    from swath.earth.sensor import Band

    return Band("elevation", gsd=gsd, quantity="elevation", units="m")


def _bands(key: str, gsd: float, rng: np.random.Generator, most: int = 14) -> tuple[Band, ...]:
    """The sensor's visible bands as reflectance and the like, at most so many, GSDs scaled to the world's finest."""
    from swath.earth.sensor import Band, sensor

    row = sensor(key)
    bands = toy.SENTINEL_1 if key == "sentinel-1-grd" else tuple(b for b in row.bands if _visible(b))
    if row.spectrum is not None:
        centres = np.sort(rng.uniform(max(400.0, row.spectrum.low), min(2500.0, row.spectrum.high), 3 * most))
        bands = tuple(Band(f"b{i}", float(c), float(np.mean(row.spectrum.fwhm))) for i, c in enumerate(centres))
    if len(bands) > most:
        bands = tuple(bands[i] for i in sorted(rng.choice(len(bands), most, replace=False)))
    bands = tuple(
        replace(b, quantity="reflectance", units="1") if b.quantity in ("digital_number", "radiance") else b
        for b in bands
    )
    if any(b.quantity == "backscatter" for b in bands):
        bands = tuple(replace(b, units="dB") for b in bands if b.quantity == "backscatter")
    known = [b.gsd for b in bands if np.isfinite(b.gsd)]
    finest = min(known) if known else gsd
    return tuple(replace(b, gsd=gsd * min(4.0, b.gsd / finest) if np.isfinite(b.gsd) else gsd) for b in bands)


def _see(place: World, bands: tuple[Band, ...], dates: int, rng: np.random.Generator, vary: _Vary | None) -> Seen:
    years = int(rng.choice([1, 1, 2]))
    start = 2016 + int(rng.integers(8))
    when = toy.dates(f"{start}-01-01", f"{start + years}-01-01", 365.0 * years / dates, seed=int(rng.integers(1 << 30)))
    cube, _ = toy.view(
        place, bands, when, cloud=float(rng.choice([0.0, 0.2, 0.4, 0.6])), noise=float(rng.choice([0.002, 0.005, 0.01])),
        looks=float(rng.choice([4.0, 8.0, 20.0])), seed=int(rng.integers(1 << 30)),
    )  # fmt: skip
    values = cube.values
    if vary is not None:
        vary(values, bands)
    valid = np.ones(values.shape[:1] + values.shape[2:], bool)
    if "flag" in cube.coords and rng.random() < 0.9:
        valid = np.asarray(cube.coords["flag"].values == 0)
    day = cube.coords["time"].values.astype("datetime64[s]").astype(np.float64) / 86_400.0
    return Seen(values.astype(np.float16), valid, bands, day)


class _Vary:
    """Gains smooth in wavelength, texture and rows that differ from object to object, the same on every date."""

    def __init__(self, place: World, rng: np.random.Generator) -> None:
        n = int(place.objects.max()) + 1
        kind = np.zeros(n, int)
        kind[place.objects.ravel()] = place.classes.ravel()
        own = rng.normal(0, 0.6, (n, 6)) + rng.normal(0, 1.0, (len(toy.CLASSES), 6))[kind]
        self.waves = own * np.array([0.22, 0.16, 0.12, 0.08, 0.06, 0.04])
        self.echo = rng.normal(0, 1.2, n)
        self.objects = place.objects
        size = np.exp(rng.normal(0, 0.9, n) + rng.normal(0, 0.6, len(toy.CLASSES))[kind]) - 1.0
        texture = place.bright * size[place.objects]
        y, x = np.mgrid[: place.shape[0], : place.shape[1]].astype(np.float32)
        turn, period = rng.uniform(0, np.pi, n), rng.uniform(2.2, 9.0, n)
        strength = np.where(rng.random(n) < 0.35, rng.uniform(0.02, 0.2, n), 0.0)
        phase = 2 * np.pi * (np.cos(turn)[place.objects] * y + np.sin(turn)[place.objects] * x) / period[place.objects]
        wave = np.sign(np.sin(phase)) if rng.random() < 0.5 else np.sin(phase)
        self.texture = np.clip(texture + strength[place.objects] * wave, -0.7, 1.5).astype(np.float32)

    def __call__(self, values: np.ndarray, bands: Sequence[Band]) -> None:
        for i, band in enumerate(bands):
            if band.quantity in ("reflectance", "toa_reflectance"):
                x = np.log(band.wavelength / 350.0) / np.log(2550.0 / 350.0)
                gain = np.exp(self.waves @ np.cos(np.pi * np.arange(6) * x))[self.objects]
                values[:, i] *= (gain * (1 + self.texture)).astype(np.float32)
            elif band.quantity == "backscatter":
                more = self.echo[self.objects] + 4.0 * self.texture
                values[:, i] = values[:, i] + more if band.units == "dB" else values[:, i] * 10 ** (0.1 * more)


def statistics(grounds: Sequence[Ground], bins: int = 24) -> dict[str, Any]:
    """What to scale with: mean and deviation over all grounds by wavelength (smoothed in bins) and polarisation.

    Temperature, heights and indices get fixed round numbers: made worlds know too little of the Earth's range.
    """
    optical: list[tuple[float, float, float]] = []
    radar: dict[str, list[tuple[float, float]]] = {}
    for ground in grounds:
        for seen in ground.seen.values():
            for i, band in enumerate(seen.bands):
                values = seen.values[:, i][seen.valid].astype(np.float64)
                if len(values) and band.quantity in ("reflectance", "toa_reflectance"):
                    optical.append((np.log(band.wavelength), float(values.mean()), float(values.var())))
                elif len(values) and band.quantity == "backscatter":
                    radar.setdefault(band.polarisation, []).append((float(values.mean()), float(values.var())))
    rows = np.array(optical)
    at = np.linspace(np.log(400.0), np.log(2400.0), bins)
    weight = np.exp(-0.5 * ((rows[:, :1] - at) / 0.08) ** 2)
    weight /= weight.sum(0)
    mean = rows[:, 1] @ weight
    deviation = np.sqrt(rows[:, 2] @ weight + np.square(rows[:, 1]) @ weight - mean**2)
    rounded = [[round(float(v), 5) for v in a] for a in (np.exp(at), mean, deviation)]
    out: dict[str, Any] = {"reflectance": dict(zip(("wavelength", "mean", "deviation"), rounded, strict=True))}
    out["backscatter"] = {
        k: [
            round(float(np.mean([m for m, _ in v])), 3),
            round(float(np.sqrt(np.mean([s for _, s in v]) + np.var([m for m, _ in v]))), 3),
        ]
        for k, v in radar.items()
    }
    return {**out, "temperature": {"": [285.0, 15.0]}, "elevation": {"": [400.0, 500.0]}, "index": {"": [0.4, 0.3]}}


@dataclass
class Sheets:
    """A source for train.fit: batches of chips, each batch from one ground of its own.

    Sides, dates, bands, gains and where they lie are drawn anew for every batch; the same for the same seed and epoch.
    real: share of batches from real grounds; points: share of series of single pixels. budget: pixel dates in a batch.
    """

    grounds: Sequence[Ground]
    steps: int
    seed: int = 0
    real: float = 0.4
    points: float = 0.15
    budget: int = 5_000

    def epoch(self, number: int) -> Iterator[Batch]:
        """`steps` batches."""
        rng = np.random.default_rng([self.seed, number, 58])
        kinds = [[g for g in self.grounds if g.simulated], [g for g in self.grounds if not g.simulated]]
        for _ in range(self.steps):
            some = kinds[1] if kinds[1] and (not kinds[0] or rng.random() < self.real) else kinds[0]
            share = np.array([g.weight for g in some])
            ground = some[int(rng.choice(len(some), p=share / share.sum()))]
            if ground.simulated and rng.random() < self.points / (1 - self.real):
                yield chips(ground, rng, 1, self.budget)
            else:
                side = int(rng.choice([s for s, _ in SIDES], p=[p for _, p in SIDES]))
                yield chips(ground, rng, side, self.budget)


def chips(ground: Ground, rng: np.random.Generator, side: int, budget: int) -> Batch:
    """Chips of one ground, turned and mirrored; some of its sensors, dates and bands; at most `budget` pixel dates."""
    first = next(iter(ground.seen.values()))
    height, width = first.values.shape[-2:]
    names = list(ground.seen)
    if len(names) > 1 and rng.random() < 0.3:
        names = names[:1] if rng.random() < 0.5 else names[1:2]
    whole = max(len(ground.seen[n].day) for n in names)
    count = whole if side == 1 else int(rng.choice([1, 1, 1, 2, 3, 5, whole]))
    if side == 1 and rng.random() < 0.3:
        count = max(1, int(rng.integers(whole + 1)))
    count = min(count, whole)
    side = min(side, height, width) if count <= 3 else min(side, 16)
    dates = {n: min(count, len(ground.seen[n].day)) for n in names}
    number = int(np.clip(budget // (side * side * (sum(dates.values()) + 1)), 2, 384))
    picks = {n: _some_bands(ground.seen[n].bands, rng) for n in names}
    parts: dict[str, list[Any]] = {n: [] for n in names}
    for _ in range(number):
        y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        turn, flip = int(rng.integers(4)), bool(rng.random() < 0.5)
        for n in names:
            seen = ground.seen[n]
            t = np.sort(rng.choice(len(seen.day), dates[n], replace=False))
            cut = (slice(y, y + side), slice(x, x + side))
            values = np.rot90(seen.values[np.ix_(t, picks[n])][(..., *cut)].astype(np.float32), turn, (-2, -1))
            valid = np.rot90(seen.valid[t][(..., *cut)], turn, (-2, -1))
            parts[n].append((values[..., ::-1] if flip else values, valid[..., ::-1] if flip else valid, seen.day[t]))
    pixels = {}
    for n in names:
        bands = tuple(ground.seen[n].bands[i] for i in picks[n])
        values, valid, day = (np.stack([p[i] for p in parts[n]]) for i in range(3))
        _shake(values, bands, rng)
        if rng.random() < 0.15:
            day = np.full_like(day, np.nan)
        gone = np.broadcast_to(valid[:, :, None], values.shape)
        pixels[n] = Pixels(
            np.ascontiguousarray(values), gone.copy(), bands, bands[0].gsd, day, np.full((number, 2), np.nan)
        )
    return Batch(_with_index(pixels, rng) if side == 1 else pixels)


def _some_bands(bands: Sequence[Band], rng: np.random.Generator) -> list[int]:
    """All, red green blue alone, or any few."""
    draw = rng.random()
    if draw < 0.35 or len(bands) == 1:
        return list(range(len(bands)))
    optical = [i for i, b in enumerate(bands) if b.wavelength < 720]
    if draw < 0.6 and len(optical) >= 3:
        found = [min(optical, key=lambda i: abs(bands[i].wavelength - w)) for w in (660.0, 560.0, 490.0)]
        if len(set(found)) == 3:
            return found
    return sorted(rng.choice(len(bands), int(rng.integers(1, len(bands) + 1)), replace=False).tolist())


def _shake(values: np.ndarray, bands: Sequence[Band], rng: np.random.Generator) -> None:
    """A gain and an offset for each chip in half of the optical batches: haze, stretch, other corrections. In place."""
    optical = [i for i, b in enumerate(bands) if "reflectance" in b.quantity]
    if not optical or rng.random() < 0.5:
        return
    n = len(values)
    gain = np.exp(rng.normal(0, 0.25, (n, 1)) + rng.normal(0, 0.06, (n, len(optical))))
    offset = rng.normal(0, 0.02, (n, 1)) + rng.normal(0, 0.006, (n, len(optical)))
    for j, i in enumerate(optical):
        values[:, :, i] = values[:, :, i] * gain[:, j, None, None, None] + offset[:, j, None, None, None]


def _with_index(pixels: dict[str, Pixels], rng: np.random.Generator) -> dict[str, Pixels]:
    """In a third of the series that have red and near infrared: their NDVI, alone or beside them."""
    from swath.earth.sensor import Band

    for p in pixels.values():
        red = [i for i, b in enumerate(p.bands) if 620 <= b.wavelength <= 690]
        nir = [i for i, b in enumerate(p.bands) if 770 <= b.wavelength <= 900]
        if red and nir and rng.random() < 0.4:
            r, n = p.values[:, :, red[:1]], p.values[:, :, nir[:1]]
            ndvi = np.clip((n - r) / np.maximum(n + r, 0.02), -1, 1).astype(np.float32)
            band = (Band("NDVI", gsd=p.gsd, quantity="index"),)
            index = replace(p, values=ndvi, valid=p.valid[:, :, red[:1]], bands=band)
            return {"index": index} if rng.random() < 0.6 else {**pixels, "index": index}
    return pixels


def see(
    count: int, folder: str | Path | None, *, seed: int = 0, say: Callable[[str], None] | None = None
) -> list[Ground]:
    """`count` made grounds, a sensor each in turn, and the real ones of a data folder."""
    keys = sensors()
    rng = np.random.default_rng([seed, 59])
    favoured = [
        "sentinel-2a-l2a",
        "sentinel-2-l1c",
        "landsat-8-c2-l2",
        "planetscope-4-sr",
        "modis-mod13",
        "sentinel-1-grd",
    ]
    from swath.train.scenes import real

    out = [] if folder is None else real(folder)
    for i in range(count):
        key = favoured[i // 2 % len(favoured)] if i % 2 else keys[int(rng.integers(len(keys)))]
        long = i % 5 == 0
        out.append(made(20_000 + seed * 10_000 + i, key, dates=40 if long else 12, size=64 if long else 96))
        if say is not None and i % 20 == 0:
            say(f"{i} of {count} made grounds")
    return out
