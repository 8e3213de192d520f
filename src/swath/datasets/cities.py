"""Made cities seen twice from above: buildings that come and go among much that only looks different. Simulated.

Between the dates the sun and the view move, so shadows turn and roofs lean the other way (relief displacement, height x
tan(view angle)); the season turns, some roofs are painted anew, haze and light differ, and the second picture may lie a
few pixels beside the first. The truth is what is drawn: roofs of each date, and roofs that only one date has. Nothing here
was fitted to measurements; colours are reflectances of common materials in round numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.batch import Batch, Pixels
from swath.datasets.world import smooth_field
from swath.earth.sensor import Band
from swath.errors import SwathError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BANDS", "CLASSES", "Cities", "cities", "cubes_of"]

CLASSES = ("same", "changed")
BANDS = tuple(Band(name, quantity="digital_number", units="1") for name in ("red", "green", "blue"))
AFTER, BEFORE = "after", "before"
# Reflectance in red, green and blue.
_ROOFS = np.array([[0.24, 0.24, 0.24], [0.10, 0.10, 0.11], [0.27, 0.14, 0.10], [0.36, 0.36, 0.35], [0.16, 0.20, 0.22],
                   [0.30, 0.26, 0.20]])  # fmt: skip
_GREEN, _DRY = np.array([0.06, 0.11, 0.05]), np.array([0.19, 0.16, 0.10])
_TREE, _LEAFLESS = np.array([0.03, 0.06, 0.025]), np.array([0.10, 0.085, 0.065])
_SOIL, _STREET, _WALL = np.array([0.24, 0.18, 0.12]), np.array([0.15, 0.15, 0.15]), np.array([0.20, 0.19, 0.17])
_FULL = 0.42  # reflectance that is drawn as 255


@dataclass(frozen=True, slots=True)
class Cities:
    """N pairs. batch: {"before", "after"} (N, 1, 3, H, W) numbers of 0 to 255, target (N, H, W): 1 where a roof came or went.

    before, after (N, H, W) bool: roofs as each picture shows them, before any shift. shift (N, 2): by how many pixels (down,
    right) the second picture was moved; the truth was not.
    """

    batch: Batch
    before: np.ndarray
    after: np.ndarray
    shift: np.ndarray

    def __len__(self) -> int:
        return len(self.batch)


def cities(
    n: int,
    *,
    seed: int = 0,
    size: int = 128,
    gsd: float = 1.0,
    change: float = 0.3,
    misregistration: float | tuple[float, float] = (0.0, 1.0),
) -> Cities:
    """`n` pairs of cities of `size` x `size` pixels of `gsd` metres; the same seed gives the same pictures.

    change: share of the buildings that came or went. misregistration: length of the second picture's shift in pixels, or its
    range, in any direction. Raises SwathError for fewer than 16 pixels or no pair.
    """
    if n < 1 or size < 16 or gsd <= 0:
        raise SwathError(
            rule="made cities are at least one, of 16 x 16 pixels", got=f"{n} of {size}", remedy="ask for more"
        )
    span = (misregistration, misregistration) if isinstance(misregistration, (int, float)) else misregistration
    found = [_pair(np.random.default_rng([seed, i, 29]), size, gsd, change, span) for i in range(n)]
    bands = tuple(replace(b, gsd=gsd) for b in BANDS)
    pixels = {
        name: Pixels(
            values=(values := np.stack([f[k] for f in found])[:, None]),
            valid=np.ones(values.shape, bool),
            bands=bands,
            gsd=gsd,
            day=np.full((n, 1), np.nan),
            lonlat=np.full((n, 2), np.nan),
        )
        for k, name in enumerate((BEFORE, AFTER))
    }
    before, after, changed = (np.stack([f[k] for f in found]) for k in (2, 3, 4))
    names = tuple(f"city {seed}.{i}" for i in range(n))
    batch = Batch(pixels, changed.astype(np.int64), key=names, place=names)
    return Cities(batch, before, after, np.stack([f[5] for f in found]))


@dataclass(frozen=True, slots=True)
class _Plan:
    """Lots in rows along the streets; arrays (rows, columns) of what stands on each. Lengths in metres."""

    turn: float
    lot: tuple[float, float]
    centre: np.ndarray
    half: np.ndarray
    height: np.ndarray
    roof: np.ndarray
    exists: tuple[np.ndarray, np.ndarray]
    paint: tuple[np.ndarray, np.ndarray]


def _pair(
    rng: np.random.Generator, size: int, gsd: float, change: float, span: tuple[float, float]
) -> tuple[np.ndarray, ...]:
    plan = _plan(rng, size * gsd, change)
    y, x = (np.mgrid[0:size, 0:size] + 0.5) * gsd - size * gsd / 2
    ground = _ground(rng, size, plan, x, y)
    near = _near(plan, x, y)
    pictures, roofs, lonely = [], [], []
    for date in (0, 1):
        picture, drawn, alone = _seen(rng, plan, ground, near, date)
        pictures.append(picture)
        roofs.append(drawn)
        lonely.append(alone)
    length, way = rng.uniform(*span), rng.uniform(0, 2 * np.pi)
    move = np.array([length * np.sin(way), length * np.cos(way)])
    if length > 0:
        from scipy.ndimage import shift

        pictures[1] = np.stack([shift(band, move, order=1, mode="mirror") for band in pictures[1]])
    numbers = [
        np.clip(np.round(p / _FULL * 255 + rng.normal(0, 2.0, p.shape)), 0, 255).astype(np.float32) for p in pictures
    ]
    return *numbers, *roofs, lonely[0] | lonely[1], move


def _plan(rng: np.random.Generator, length: float, change: float) -> _Plan:
    lot = (rng.uniform(18, 28), rng.uniform(18, 28))
    shape = tuple(2 * math.ceil(0.75 * length / side + 1) + 1 for side in lot)
    half = np.stack([rng.uniform(3.5, 0.36 * side, shape) for side in lot])
    free = np.array(lot)[:, None, None] / 2 - half - 1.0
    centre = rng.uniform(-1, 1, (2, *shape)) * free
    tall = rng.uniform(0, 1)
    height = np.where(rng.random(shape) < 0.3 * tall, rng.uniform(10, 22, shape), rng.uniform(3, 8, shape))
    built, draw = rng.random(shape) < rng.uniform(0.35, 0.8), rng.random(shape)
    came, went = built & (draw < change / 2), built & (draw > 1 - change / 2)
    common = rng.dirichlet(np.full(len(_ROOFS), 0.7))
    roof = rng.choice(len(_ROOFS), shape, p=common)
    own = rng.normal(1.0, 0.1, (*shape, 1)) * _ROOFS[roof]
    anew = (rng.random(shape) < 0.06)[..., None]
    again = np.where(anew, _ROOFS[rng.choice(len(_ROOFS), shape, p=common)], own)
    return _Plan(rng.uniform(0, np.pi), lot, centre, half, height, own, (built & ~came, built & ~went), (own, again))


def _lots(plan: _Plan, x: Any, y: Any) -> tuple[Any, Any]:
    """Metres along and across the streets."""
    c, s = math.cos(plan.turn), math.sin(plan.turn)
    return c * x + s * y, -s * x + c * y


def _ground(rng: np.random.Generator, size: int, plan: _Plan, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Shares (H, W) of grass, soil and trees, streets, and a texture that both dates share."""
    u, v = _lots(plan, x, y)
    every = int(rng.integers(2, 5))
    cell = [np.floor(a / side + 0.5) for a, side in zip((u, v), plan.lot, strict=True)]
    off = [a - c * side for a, c, side in zip((u, v), cell, plan.lot, strict=True)]
    street = ((cell[0] % every == 0) & (np.abs(off[0] + plan.lot[0] / 2) < 3.0)) | (
        (cell[1] % every == 0) & (np.abs(off[1] + plan.lot[1] / 2) < 3.0)
    )
    fields = [smooth_field((size, size), rng, slope=1.7) for _ in range(3)]
    return {
        "soil": (fields[0] > rng.uniform(0.3, 1.5)).astype(float),
        "tree": (fields[1] > rng.uniform(0.7, 1.8)).astype(float),
        "street": street.astype(float),
        "texture": 1 + 0.12 * fields[2] + 0.06 * rng.standard_normal((size, size)),
    }


def _seen(
    rng: np.random.Generator, plan: _Plan, ground: dict[str, np.ndarray], near: Sequence[Any], date: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One date: picture (3, H, W) in reflectance, roofs, and roofs that the other date lacks."""
    shape = ground["soil"].shape
    summer, sun, low = rng.uniform(0, 1), rng.uniform(0, 2 * np.pi), math.radians(rng.uniform(30, 65))
    lean, look = math.tan(math.radians(rng.uniform(0, 22))), rng.uniform(0, 2 * np.pi)
    green, tree = (summer * a + (1 - summer) * b for a, b in ((_GREEN, _DRY), (_TREE, _LEAFLESS)))
    picture = np.broadcast_to(green, (*shape, 3)).copy()
    for name, colour in (("soil", _SOIL), ("tree", tree), ("street", _STREET)):
        picture += ground[name][..., None] * (colour - picture)
    picture *= ground["texture"][..., None]
    toward = np.array([np.cos(sun), np.sin(sun)]) / math.tan(low)
    away = np.array([np.cos(look), np.sin(look)]) * lean
    shade, wall = np.zeros(shape, bool), np.zeros(shape, bool)
    top = np.full(shape, -1.0)
    colour = np.zeros((*shape, 3))
    alone = np.zeros(shape, bool)
    for along, at in near:
        for t in np.linspace(0, 1, 6):
            shade |= _covers(plan, along, at, date, -t * toward)[0]
            wall |= _covers(plan, along, at, date, t * away)[0]
        here, side = _covers(plan, along, at, date, away)
        higher = here & (plan.height[at] > top)
        top[higher] = plan.height[at][higher]
        light = 1 + 0.12 * np.sign(side) * np.cos(sun - plan.turn)
        colour[higher] = (plan.paint[date][at] * light[..., None])[higher]
        alone[higher] = ~plan.exists[1 - date][at][higher]
    roof = top >= 0
    picture[shade] *= 0.35
    picture[wall & ~roof] = _WALL * rng.uniform(0.6, 1.1)
    picture[roof] = colour[roof]
    haze, gain = rng.uniform(0.0, 0.03), rng.uniform(0.85, 1.15)
    return (gain * picture + haze).transpose(2, 0, 1), roof, alone & roof


def _covers(
    plan: _Plan, along: tuple[np.ndarray, np.ndarray], lots: tuple[np.ndarray, np.ndarray], date: int, by: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the buildings of `lots`, moved by their height times `by`, cover the pixels, and how far from the ridge these lie.

    along: metres along and across the streets, from the middle of each pixel's building.
    """
    height = plan.height[lots]
    a, b = (m - height * way for m, way in zip(along, _lots(plan, *by), strict=True))
    inside = (np.abs(a) < plan.half[0][lots]) & (np.abs(b) < plan.half[1][lots]) & plan.exists[date][lots]
    return inside, a


def _near(
    plan: _Plan, x: np.ndarray, y: np.ndarray
) -> list[tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]]:
    """Of each pixel the nine lots around it, and where the pixel lies from the middles of their buildings."""
    where, found = _lots(plan, x, y), []
    middle = [np.floor(w / side + 0.5).astype(int) for w, side in zip(where, plan.lot, strict=True)]
    for step in [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]:
        sides = plan.height.shape
        i, j = (np.clip(m + d + n // 2, 0, n - 1) for m, d, n in zip(middle, step, sides, strict=True))
        a = where[0] - (i - sides[0] // 2) * plan.lot[0] - plan.centre[0, i, j]
        b = where[1] - (j - sides[1] // 2) * plan.lot[1] - plan.centre[1, i, j]
        found.append(((a, b), (i, j)))
    return found


def cubes_of(
    found: Cities, i: int, *, when: Sequence[str] = ("2020-06-01", "2023-09-01")
) -> tuple[xr.DataArray, xr.DataArray]:
    """One pair as cubes (time, band, y, x) uint8 in UTM, marked as simulated: what a person's two files would open as."""
    from affine import Affine
    from odc.geo.geobox import GeoBox

    from swath.cube.contract import make

    out = []
    for name, date in zip((BEFORE, AFTER), when, strict=True):
        p = found.batch.pixels[name]
        values = p.values[i].astype(np.uint8)
        box = GeoBox(values.shape[-2:], Affine(p.gsd, 0, 400_000 + 1e4 * i, 0, -p.gsd, 5_300_000), "EPSG:32633")
        out.append(
            make(
                values,
                bands=[b.name for b in p.bands],
                geobox=box,
                time=[date],
                gsd=[p.gsd] * len(p.bands),
                sensor="rgb",
                attrs={"simulated": "yes"},
            )
        )
    return out[0], out[1]
