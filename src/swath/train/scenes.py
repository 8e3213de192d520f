"""The real scenes that swath-tiny is trained on: those of the data folder whose licence lets weights ship."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from swath.datasets import toy
from swath.train.grounds import Ground, Seen, heights

if TYPE_CHECKING:
    from swath.earth.sensor import Band

__all__ = ["real"]


def real(folder: str | Path) -> list[Ground]:
    """The real scenes that weights which ship may be trained on: those of ../shared/data whose README says so.

    Aerial and stretched pictures have no physical unit: their 0 to 255 are taken for reflectances of 0 to 0.3.
    """
    root = Path(folder)
    out: list[Ground] = []
    rgbn = _named("naip", ("red", "green", "blue", "nir"))
    dates = [_day("2010-06-29"), _day("2016-08-16"), _day("2020-08-31")]
    out.append(_pictures(sorted(root.glob("naip/m_4709963*.tif")), rgbn, dates, 5.0, 2.0))
    out.append(_pictures(sorted(root.glob("naip/m_4112001*.tif")), rgbn, [_day("2022-07-16")], 22.0, 1.0))
    out.append(_pictures(sorted(root.glob("naip/m_4208701*.tif")), rgbn, [_day("2020-09-02")], 0.6, 1.0))
    oli = _named("landsat-8-c2-l2", ("SR_B6", "SR_B5", "SR_B4", "SR_B3"))
    out.append(
        _pictures(sorted(root.glob("landsat_pucallpa/*.tif")), oli, [_day("1985-08-01"), _day("2020-08-01")], 90.0, 2.0)
    )
    out += [*_terramind(root / "terramind"), *_landsat(root), _hls(root / "hls_l30_texas/hls_l30.tif")]
    return out


def _named(sensor: str, names: Sequence[str]) -> tuple[Band, ...]:
    from swath.earth.sensor import sensor as find

    rows = {b.name: b for b in find(sensor).bands}
    return tuple(rows[n] for n in names)


def _as(bands: Sequence[Band], gsd: float, quantity: str = "reflectance") -> tuple[Band, ...]:
    return tuple(replace(b, gsd=gsd, quantity=quantity) for b in bands)


def _day(date: str) -> float:
    return float(np.datetime64(date, "D").astype(float))


def _read(path: Path) -> np.ndarray:
    import rasterio

    with rasterio.open(path) as file:
        return np.asarray(file.read())


def _pictures(paths: Sequence[Path], bands: Sequence[Band], days: Sequence[float], gsd: float, weight: float) -> Ground:
    values = np.stack([_read(p) for p in paths])
    seen = Seen((values / 850.0).astype(np.float16), (values > 0).any(1), _as(bands, gsd), np.array(days))
    return Ground({"picture": seen}, False, weight)


def _terramind(folder: Path) -> list[Ground]:
    from swath.earth.sensor import sensor as find

    out = []
    for path in sorted((folder / "S2L2A").glob("*.tif")):
        nowhen = np.array([np.nan])
        both = {}
        for level, key, quantity in (
            ("S2L2A", "sentinel-2a-l2a", "reflectance"),
            ("S2L1C", "sentinel-2a-l1c", "toa_reflectance"),
        ):
            stored = _read(folder / level / path.name).astype(np.float32)
            rows = {b.name: b for b in find(key).bands}
            import rasterio

            with rasterio.open(folder / level / path.name) as file:
                names = file.descriptions
            keep = [i for i, n in enumerate(names) if n in rows]
            moved = 1000.0 if np.percentile(stored, 0.5) > 900 else 0.0
            values = ((stored[keep] - moved) / 10_000.0)[None]
            bands = tuple(replace(rows[names[i]], quantity=quantity) for i in keep)
            both[level] = Seen(values.astype(np.float16), (stored > 0).all(0)[None], bands, nowhen)
        radar = _read(folder / "S1RTC" / path.name)
        s1 = Seen(radar[None].astype(np.float16), np.isfinite(radar).all(0)[None], toy.SENTINEL_1, nowhen)
        height = _read(folder / "DEM" / path.name)
        dem = Seen(height[None].astype(np.float32), np.ones((1, *height.shape[1:]), bool), (heights(10.0),), nowhen)
        out.append(Ground({"s2": both["S2L2A"]}, False, 2.0))
        out.append(Ground({"s2": both["S2L2A"], "s1": s1, "dem": dem}, False, 1.0))
        out.append(Ground({"s2": both["S2L1C"]}, False, 1.5))
        out.append(Ground({"s1": s1}, False, 0.7))
    return out


def _landsat(root: Path) -> list[Ground]:
    out = []
    l2 = next(iter(root.glob("landsat_c2/LC08*")))
    names = ("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6")
    stored = np.concatenate([_read(next(iter(l2.glob(f"*_{n}.*TIF")))) for n in names]).astype(np.float32)
    values = np.where(stored > 0, stored * 2.75e-5 - 0.2, 0)
    day = np.array([_day("2019-12-01")])
    seen = Seen(
        values[None].astype(np.float16), (stored > 0).all(0)[None], _as(_named("landsat-8-c2-l2", names), 445.0), day
    )
    out.append(Ground({"oli": seen}, False, 0.7))
    for folder in sorted(root.glob("landsat8_new_york/LC08*")):
        stored = np.concatenate([_read(next(iter(folder.glob(f"*_B{i}.TIF")))) for i in range(2, 7)]).astype(np.float32)
        quality = _read(next(iter(folder.glob("*_BQA.TIF"))))[0].astype(np.int64)
        values = np.where(stored > 0, stored * 2e-5 - 0.1, 0)
        stamp = folder.name.split("_")[3]
        day = np.array([_day(f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:]}")])
        valid = (stored > 0).all(0) & ((quality >> 4) & 1 == 0)
        if valid.mean() < 0.2:
            continue
        bands = _as(_named("landsat-8-c2-l2", names), 3000.0, "toa_reflectance")
        out.append(Ground({"oli": Seen(values[None].astype(np.float16), valid[None], bands, day)}, False, 0.15))
    return out


def _hls(path: Path) -> Ground:
    from swath.earth.sensor import sensor as find

    stored = _read(path).astype(np.float32)
    rows = {b.name: b for b in find("hls-l30").bands}
    bands = tuple(rows[f"B0{i}"] for i in range(1, 8))
    valid = (stored > -9999).all(0)
    return Ground(
        {
            "hls": Seen(
                np.where(valid, stored / 1e4, 0)[None].astype(np.float16), valid[None], bands, np.array([np.nan])
            )
        },
        False,
        1.0,
    )
