"""What Galileo reads: four kinds of input from the sensors of a Batch, scaled as its weights were trained, and what is hidden.

Scaling: the table "std" that the weights' config names (mean and deviation of the training places): (value - (mean -
2 deviation)) / (4 deviation); nasaharvest/galileo @0f0b5b9. The repository's input builder scales otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from swath.batch import Batch, Pixels
from swath.earth.sensor import Band
from swath.errors import GridError, SwathError, UnitError
from swath.models.bands import Wanted
from swath.models.presto_input import (
    HEIGHT,
    INDEX,
    RAIN,
    S1,
    S2,
    SLOPE,
    TEMPERATURE,
    Part,
    decibel,
    kelvin,
    metres_a_day,
    parts_of,
    plain,
    plausible,
)
from swath.models.steps import by_day, month_of, nearest, union

__all__ = ["GROUPS", "QUANTITIES", "STEPS", "World", "example_batch", "read_world", "scaling"]

STEPS = 24
QUANTITIES = (
    "toa_reflectance", "reflectance", "backscatter", "temperature", "elevation", "probability", "radiance", "count",
    "class", "other", "index",
)  # fmt: skip
GROUPS: dict[str, dict[str, list[int]]] = {
    "space_time": {
        "S1": [0, 1], "S2_RGB": [2, 3, 4], "S2_Red_Edge": [5, 6, 7], "S2_NIR_10m": [8], "S2_NIR_20m": [9],
        "S2_SWIR": [10, 11], "NDVI": [12],
    },
    "space": {"SRTM": [0, 1], "DW": list(range(2, 11)), "WC": list(range(11, 16))},
    "time": {"ERA5": [0, 1], "TC": [2, 3, 4], "VIIRS": [5]},
    "static": {"LS": [0], "location": [1, 2, 3], "DW_static": list(range(4, 13)), "WC_static": list(range(13, 18))},
}  # fmt: skip
_SIZE = {"space_time": 13, "space": 16, "time": 6, "static": 18}
# Mean and deviation of the training places, in the publisher's units (reflectance times 10,000, rain as a month's sum).
_STATISTICS: dict[str, list[tuple[float, float]]] = {
    "space_time": [
        (-11.728724389184965, 4.887145774840316), (-18.85558188024017, 5.730270320384293),
        (1395.3408730676722, 917.7041440370853), (1338.4026921784578, 913.2988423581528),
        (1343.09883810357, 1092.678723527555), (1543.8607982512297, 1047.2206083460424),
        (2186.2022069512263, 1048.0101611156767), (2525.0932853316694, 1143.6903026819996),
        (2410.3377187373408, 1098.979177731649), (2750.2854646886753, 1204.472755085893),
        (2234.911100061487, 1145.9774063078878), (1474.5311266077113, 980.2429840007796),
    ],
    "space": [(673.0152819503361, 983.0697298296237), (5.930092668915115, 8.167406789813247)],
    "time": [
        (271.5674963541667, 79.80828940314429), (0.08554303677156568, 0.11669547098151486),
        (657.3181260091111, 704.0008695557707), (692.1291795806885, 925.0116126406431),
        (562.781331880633, 453.2434022278578), (1.5647115934036673, 7.513020170832818),
    ],
    "static": [(188.20315880851746, 1154.5919128300602)],
}  # fmt: skip
_LAND = ("water", "trees", "grass", "flooded_vegetation", "crops", "shrub_and_scrub", "built", "bare", "snow_and_ice")
_CROPS = ("temporarycrops", "maize", "wintercereals", "springcereals", "irrigation")


def scaling(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Shift and divisor of each band of a kind of input, float64: scaled = (value - shift) / divisor."""
    shift, divisor = np.zeros(_SIZE[kind]), np.ones(_SIZE[kind])
    for i, (mean, deviation) in enumerate(_STATISTICS[kind]):
        shift[i], divisor[i] = mean - 2 * deviation, 4 * deviation
    if kind == "static":  # the publisher's table of this kind is of whole numbers: what is added to it is cut off
        shift, divisor = np.trunc(shift), np.trunc(divisor)
    if kind in ("space", "static"):
        divisor[{"space": slice(11, 16), "static": slice(13, 18)}[kind]] = 100.0
    return shift, divisor


def _water(values: Tensor, band: Band) -> Tensor:
    """Water balance in tenths of mm, as it is stored. Raises UnitError for others."""
    if band.units != "mm":
        raise UnitError(rule="TerraClimate is in mm", got=f"{band.name} in {band.units!r}", remedy="convert it")
    return values * 10.0


def _lights(values: Tensor, band: Band) -> Tensor:
    """Radiance in nW cm-2 sr-1. Raises UnitError for others."""
    if band.units != "nW cm-2 sr-1":
        raise UnitError(rule="night lights are in nW cm-2 sr-1", got=f"{band.name} in {band.units!r}", remedy="convert")
    return values


def _names(names: tuple[str, ...]) -> tuple[Wanted, ...]:
    return tuple(Wanted(name) for name in names)


def _each(name: str, quantity: str | tuple[str, ...], wanted: tuple[Wanted, ...], first: int, how: object) -> Part:
    quantities = (quantity,) if isinstance(quantity, str) else quantity
    return Part(name, quantities, wanted, tuple(range(first, first + len(wanted))), how)


_PARTS: dict[str, tuple[Part, ...]] = {
    "space_time": (
        _each("S1", "backscatter", S1, 0, decibel),
        _each("S2", ("toa_reflectance", "reflectance"), S2, 2, lambda v, b: v * 10_000.0),
        _each("NDVI", "index", INDEX, 12, plain),
    ),
    "space": (
        _each("elevation", "elevation", HEIGHT, 0, plain),
        _each("slope", "other", SLOPE, 1, plain),
        _each("DW", "probability", _names(_LAND), 2, plain),
        _each("WC", "probability", _names(_CROPS), 11, lambda v, b: v * 100.0),
    ),
    "time": (
        _each("temperature", "temperature", TEMPERATURE, 0, kelvin),
        _each("rain", "other", RAIN, 1, lambda v, b: metres_a_day(v, b) * 30.0),
        _each("TC", "other", _names(("def", "soil", "aet")), 2, _water),
        _each("VIIRS", "radiance", (Wanted("avg_rad", names=("DNB",)),), 5, _lights),
    ),
    "static": (_each("LS", "count", _names(("b1",)), 0, plain),),
}
_ALL = tuple(part for parts in _PARTS.values() for part in parts)
_KIND = {part.name: kind for kind, parts in _PARTS.items() for part in parts}


@dataclass(frozen=True, slots=True)
class World:
    """values and hidden by kind: space_time (B, H, W, T, 13), hidden (B, h, w, T, 7); space (B, H, W, 16), (B, h, w, 3);
    time (B, T, 6), (B, T, 3); static (B, 18), (B, 4). month (B, T) 0..11, day (B, T) or NaN, gsd m of a pixel.
    """

    values: dict[str, Tensor]
    hidden: dict[str, Tensor]
    month: Tensor
    day: Tensor
    patch: int
    gsd: float = 10.0

    @property
    def cells(self) -> tuple[int, int, int]:
        """Dates, rows and columns of patches."""
        _, h, w, t, _ = self.hidden["space_time"].shape
        return t, h, w

    def visible(self) -> Tensor:
        """(B, N) bool in the order of the sequence."""
        return ~torch.cat([self.hidden[kind].flatten(1) for kind in GROUPS], 1)

    def rows(self, part: slice) -> World:
        """Some of the examples."""
        values, hidden = ({k: v[part] for k, v in d.items()} for d in (self.values, self.hidden))
        return World(values, hidden, self.month[part], self.day[part], self.patch, self.gsd)


def read_world(batch: Batch, patch: int, *, share: float = 1.0, ndvi: bool = True) -> World:
    """The inputs of a Batch of tensors. Raises as `Galileo.encode`."""
    served = parts_of(batch, _ALL, name="galileo")
    plausible(batch, served, name="galileo")
    side, gsd = _window(batch, served, patch)
    day, month, places = _steps(batch, served)
    b, t = month.shape
    like = next(iter(batch.pixels.values())).values
    space_time, saw = like.new_zeros(13, b, t, side, side), _none(like, 13, b, t, side, side)
    space, there = like.new_zeros(16, b, side, side), _none(like, 16, b, side, side)
    time, known = like.new_zeros(6, b, t), _none(like, 6, b, t)
    static, stated = like.new_zeros(18, b), _none(like, 18, b)
    for sensor, rows in served.items():
        pixels = batch.pixels[sensor]
        for part, column, band in rows:
            valid = pixels.valid[:, :, band]
            values = part.scaled(torch.where(valid, pixels.values[:, :, band], 0.0), pixels.bands[band])
            kind = _KIND[part.name]
            if kind == "space_time":
                values, valid = nearest(values, side, side), nearest(valid, side, side)
                _put(space_time[column], saw[column], values, valid, places[sensor])
            elif kind == "space":
                values, valid = _first(nearest(values, side, side), nearest(valid, side, side))
                _take(space[column], there[column], values, valid)
            elif kind == "time":
                _put(time[column], known[column], *_means(values, valid, 2), places[sensor])
            else:
                _take(static[column], stated[column], *_first(*_means(values, valid, 2)))
    _fill_ndvi(space_time, saw, ndvi)
    _place(batch, static, stated)
    for ours, theirs, columns in ((4, 2, 9), (13, 11, 5)):
        mean, valid = _means(space[theirs : theirs + columns], there[theirs : theirs + columns], 2)
        static[ours : ours + columns], stated[ours : ours + columns] = mean, valid
    h = side // patch
    seen = {
        "space_time": _shares(saw, patch, h, share).permute(1, 3, 4, 2, 0),
        "space": _shares(there, patch, h, share).permute(1, 2, 3, 0),
        "time": known.permute(1, 2, 0),
        "static": stated.permute(1, 0),
    }
    valid = {"space_time": saw, "space": there, "time": known, "static": stated}
    orders = {"space_time": (1, 3, 4, 2, 0), "space": (1, 2, 3, 0), "time": (1, 2, 0), "static": (1, 0)}
    found = {"space_time": space_time, "space": space, "time": time, "static": static}
    values = {k: _scaled(k, found[k].permute(orders[k]), valid[k].permute(orders[k])) for k in GROUPS}
    hidden = {
        kind: torch.stack([~seen[kind][..., c].all(-1) for c in groups.values()], -1) for kind, groups in GROUPS.items()
    }
    return World(values, hidden, month, day, patch, gsd)


def _none(like: Tensor, *shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.bool, device=like.device)


def _scaled(kind: str, values: Tensor, valid: Tensor) -> Tensor:
    shift, divisor = (torch.tensor(a, device=values.device) for a in scaling(kind))
    return torch.where(valid, ((values.double() - shift) / divisor).float(), 0.0)


def _put(x: Tensor, seen: Tensor, values: Tensor, valid: Tensor, place: np.ndarray) -> None:
    """(B, t, ...) at their steps of (B, T, ...); of two sensors with the same band the first that saw counts.

    place (B, T): which date of the sensor belongs to a step, -1 for none.
    """
    for t in range(place.shape[1]):
        rows = np.flatnonzero(place[:, t] >= 0)
        if len(rows):
            at, these = (torch.as_tensor(rows), t), (torch.as_tensor(rows), torch.as_tensor(place[rows, t]))
            new = valid[these] & ~seen[at]
            x[at] = torch.where(new, values[these], x[at])
            seen[at] = seen[at] | new


def _take(x: Tensor, seen: Tensor, values: Tensor, valid: Tensor) -> None:
    new = valid & ~seen
    x.copy_(torch.where(new, values, x))
    seen |= new


def _first(values: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """(B, T, ...) -> (B, ...): the first date in which a value is valid."""
    first = valid.to(torch.int8).argmax(1, keepdim=True)
    return values.gather(1, first)[:, 0], valid.any(1)


def _means(values: Tensor, valid: Tensor, dims: int) -> tuple[Tensor, Tensor]:
    """Mean over the last dimensions of what is valid, and where there is any."""
    over = tuple(range(-dims, 0))
    count = valid.sum(over)
    return (values * valid).sum(over) / count.clamp(min=1), count > 0


def _shares(valid: Tensor, patch: int, cells: int, share: float) -> Tensor:
    """(..., H, W) -> (..., h, w): whether at least so much of a patch is valid."""
    parts = valid.reshape(*valid.shape[:-2], cells, patch, cells, patch)
    return parts.all(-1).all(-2) if share >= 1 else parts.float().mean((-3, -1)) >= share


def _fill_ndvi(x: Tensor, seen: Tensor, shown: bool) -> None:
    red, nir = x[4], x[8]
    total = nir + red
    both = seen[4] & seen[8]
    x[12] = torch.where(both, torch.where(total > 0, (nir - red) / torch.where(total > 0, total, 1.0), 0.0), x[12])
    seen[12] = (both | seen[12]) & shown


def _place(batch: Batch, static: Tensor, stated: Tensor) -> None:
    """x, y, z of the place on the unit sphere; hidden where it is not known."""
    lonlat = next(iter(batch.pixels.values())).lonlat.double()
    for pixels in batch.pixels.values():
        lonlat = torch.where(torch.isfinite(lonlat), lonlat, pixels.lonlat.double())
    known = torch.isfinite(lonlat).all(-1)
    lon, lat = torch.deg2rad(torch.nan_to_num(lonlat)).unbind(-1)
    static[1:4] = torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]).float()
    stated[1:4] = known


def _window(batch: Batch, served: dict[str, list], patch: int) -> tuple[int, float]:
    """Pixels along a side of the finest picture, and their size in m. Raises GridError unless it is square and fits."""
    pictures = [
        (int(p.values.shape[-2]), int(p.values.shape[-1]), p.gsd)
        for sensor, p in batch.pixels.items()
        if any(_KIND[part.name] in ("space_time", "space") for part, _, _ in served[sensor])
    ]
    if not pictures:
        return patch, 10.0
    h, w, gsd = max(pictures, key=lambda s: s[0] * s[1])
    if h != w or h % patch:
        raise GridError(
            rule=f"galileo reads square windows, a multiple of its patch of {patch} pixels",
            got=f"{h} x {w} pixels",
            remedy="cut it into square windows (maps and embeddings do), or choose another patch",
        )
    return h, float(gsd) if np.isfinite(gsd) else 10.0


def _steps(batch: Batch, served: dict[str, list]) -> tuple[Tensor, Tensor, dict[str, np.ndarray]]:
    """Day (B, T) or NaN, month (B, T), and for each sensor which of its dates belongs to a step, (B, T), -1 for none.

    Steps are the dates of the pictures; weather belongs to the step of its day, else of its month. Without pictures
    they are the dates of the weather.
    """
    kinds = {s: {_KIND[part.name] for part, _, _ in rows} for s, rows in served.items()}
    days: dict[str, np.ndarray] = {}
    for sensor, found in kinds.items():
        if found & {"space_time", "time"}:
            p = batch.pixels[sensor]
            days[sensor] = p.day.detach().cpu().double().numpy()
            if bool((p.valid.flatten(2).any(-1).cpu().numpy() & ~np.isfinite(days[sensor])).any()):
                raise SwathError(rule="galileo asks for the date of what it reads", got=f"{sensor} without dates",
                                 remedy="give scenes with their dates")  # fmt: skip
    first = {s: by_day(d) for s, d in days.items() if "space_time" in kinds[s]} or {
        s: by_day(d) for s, d in days.items()
    }
    device = next(iter(batch.pixels.values())).values.device
    if not first:  # maps and place alone: one step in which nothing was seen
        none = np.full((len(batch), 1), np.nan)
        return torch.tensor(none, device=device), torch.zeros(none.shape, dtype=torch.long, device=device), {}
    steps, _ = union(first, name="galileo", most=STEPS)
    day = np.where(steps >= 0, steps, np.nan).astype(np.float64)
    places = {sensor: _matched(steps, d, weather="space_time" not in kinds[sensor]) for sensor, d in days.items()}
    month = np.where(steps >= 0, month_of(day) % 12, 0)
    return torch.tensor(day, device=device), torch.tensor(month, device=device), places


def _matched(steps: np.ndarray, day: np.ndarray, *, weather: bool) -> np.ndarray:
    """(B, T): the date of the sensor on the step's day, for weather else one in its month; -1 for none."""
    same = (steps[:, :, None] == by_day(day)[:, None]) & (steps >= 0)[:, :, None]
    out = np.where(same.any(-1), same.argmax(-1), -1)
    if weather:
        when = np.where(steps >= 0, steps, np.nan).astype(np.float64)
        month = (month_of(when)[:, :, None] == month_of(day)[:, None]) & (steps >= 0)[:, :, None]
        out = np.where((out < 0) & month.any(-1), month.argmax(-1), out)
    return out


def example_batch() -> Batch:
    """Two places of 4 x 4 pixels, three dates, with gaps: every kind of input."""
    from swath.earth.sensor import sensor
    from swath.models.presto_input import example_batch as months

    rng = np.random.default_rng(1)
    pixels = dict(months().pixels)
    first = pixels["srtm-terrain"]

    def maps(bands: tuple[Band, ...]) -> Pixels:
        values = rng.random((2, 1, len(bands), 4, 4)).astype(np.float32)
        seen = rng.random((2, 1, 1, 4, 4)) < 0.95
        return Pixels(values, np.broadcast_to(seen, values.shape).copy(), bands, 10.0, first.day[:, :1], first.lonlat)

    land = tuple(b for b in sensor("dynamic-world").bands if b.quantity == "probability")
    pixels |= {"dynamic-world": maps(land), "worldcereal": maps(sensor("worldcereal").bands)}
    water = sensor("terraclimate").bands
    values = rng.uniform(0, 100, (2, 3, 3, 1, 1)).astype(np.float32)
    day = first.day + 10
    pixels["terraclimate"] = Pixels(values, np.ones(values.shape, bool), water, 4638.3, day, first.lonlat)
    radar = pixels["sentinel-1-rtc"]
    pixels["sentinel-1-rtc"] = replace(radar, day=radar.day + np.array([0.0, 0.0, 5.0]))
    return Batch(pixels)
