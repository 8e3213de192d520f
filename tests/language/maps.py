"""Random small maps of every awkward kind: sizes from 1 x 1, one to twelve classes, no data, turned and flipped grids."""

from __future__ import annotations

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

NAMES = {
    1: "water", 2: "tree cover", 3: "cropland", 4: "built-up", 5: "grassland", 6: "bare / sparse vegetation", 7: "snow and ice",
    8: "wetland", 9: "mangroves", 10: "moss and lichen", 11: "Soy_Corn", 12: "shrubs",
}  # fmt: skip
KINDS = ("utm", "south-up", "turned 90", "turned 30", "none", "degrees", "feet")


def grid_of(kind: str, shape: tuple[int, int]) -> GeoBox | None:
    utm = Affine(10, 0, 500000, 0, -10, 5200000)
    if kind == "none":
        return None
    if kind == "degrees":
        return GeoBox(shape, Affine(0.0003, 0, 11, 0, -0.0002, 46), "EPSG:4326")
    if kind == "feet":
        return GeoBox(shape, Affine(30, 0, 1000000, 0, -30, 2000000), "EPSG:2263")
    turn = {"utm": utm, "south-up": Affine(10, 0, 500000, 0, 10, 5200000)}
    if kind in turn:
        return GeoBox(shape, turn[kind], "EPSG:32632")
    angle = float(kind.split()[1])
    return GeoBox(
        shape, Affine.translation(500000, 5200000) @ Affine.rotation(angle) @ Affine.scale(10, -20), "EPSG:32632"
    )


def random_map(seed: int) -> tuple[np.ndarray, np.ndarray, dict[int, str], GeoBox | None]:
    """Codes, valid, names and grid; the kind of map goes round with the seed."""
    rng = np.random.default_rng([seed, 10])
    h, w = (
        (int(rng.integers(1, 40)), int(rng.integers(1, 40)))
        if seed % 4
        else (int(rng.integers(30, 90)), int(rng.integers(30, 90)))
    )
    if seed % 17 == 0:
        h, w = 1, 1
    k = int(rng.integers(1, 13))
    names = {c: NAMES[c] for c in rng.choice(np.arange(1, 13), k, replace=False).tolist()}
    codes = np.array(sorted(names))
    if seed % 3 == 0:
        made = rng.choice(codes, (h, w))
    else:
        side = int(rng.integers(2, 12))
        weight = rng.dirichlet(np.full(k, 0.6))
        blocks = rng.choice(codes, (-(-h // side), -(-w // side)), p=weight)
        made = blocks.repeat(side, 0).repeat(side, 1)[:h, :w]
        few = rng.random((h, w)) < 0.01
        made = np.where(few, rng.choice(codes, (h, w)), made)
    valid = np.ones((h, w), bool)
    if seed % 5 == 0:
        valid = rng.random((h, w)) > rng.choice([0.05, 0.5, 0.95])
    if seed % 7 == 0:
        valid[: h // 2, : w // 2] = False
    if seed % 53 == 0:
        valid[:] = False
    return made.astype(np.uint8), valid, names, grid_of(KINDS[seed % len(KINDS)], (h, w))
