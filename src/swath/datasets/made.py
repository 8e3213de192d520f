"""Files of a made world, as a person would have them: two sensors, two years of dates, labels, truth. Simulated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.datasets.view import SENTINEL_1, SENTINEL_2, dates, elevation, view
from swath.datasets.world import World, build, cut, world

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["MadeFiles", "demo_world"]


@dataclass(frozen=True, slots=True)
class MadeFiles:
    """Where the files of a made world lie.

    sensors: folder of one GeoTIFF a date, by sensor. labels: points with a column `class`. truth: classes of the last
    date everywhere, codes 1..K in `classes`; test: the same in the blocks that hold no label, 0 elsewhere.
    """

    folder: Path
    sensors: dict[str, Path]
    elevation: Path
    labels: Path
    truth: Path
    test: Path
    classes: tuple[str, ...]
    place: World


def demo_world(
    folder: str | Path, *, seed: int = 1, size: int = 192, every: float = 20.0, per_class: int = 12, block: int = 16
) -> MadeFiles:
    """Write a world of `size` x `size` pixels of 10 m: Sentinel-2 and Sentinel-1 over 2020 and 2021, labels, truth.

    Optical dates are `every` days apart, stored as digital numbers x 0.0001 with no data (0) under clouds and shadows;
    radar is backscatter in dB. Woods are cut and fields built over in June 2021. At most `per_class` labelled pixels a
    class come from a third of the `block`-pixel blocks; `test` is the truth in the others.
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    place = build(cut(world(seed, size), "2021-06-01", share=0.15), "2021-06-10", share=0.05)
    optical, truth = view(place, SENTINEL_2, dates("2020-01-01", "2022-01-01", every, seed=seed), seed=seed)
    radar, _ = view(place, SENTINEL_1, dates("2020-01-05", "2022-01-01", every * 1.2, seed=seed + 1), seed=seed + 1)
    usable = (optical.coords["flag"].values == 0)[:, None]
    stored = np.where(usable, np.clip(np.round(optical.values * 10_000), 1, 65_534), 0).astype(np.uint16)
    s2 = _write_dates(
        root / "sentinel-2", "S2", stored, optical, "sentinel-2a-l2a", nodata=0, scale=1e-4, names=SENTINEL_2
    )
    s1 = _write_dates(root / "sentinel-1", "S1", radar.values, radar, "sentinel-1-grd", nodata=np.nan, names=SENTINEL_1)
    relief = elevation(place)
    _write(
        root / "elevation.tif",
        relief.values,
        place,
        ["elevation"],
        nodata=np.nan,
        tags={"sensor": "dem", "quantity": "elevation", "simulated": "yes"},
        units="m",
    )
    last = truth.classes[-1]
    labels, trained = _labels(last, truth.names, per_class, block, np.random.default_rng([seed, 31]))
    _write_labels(root / "labels.gpkg", labels, last, truth.names, place)
    code = (last + 1).astype(np.uint8)
    tags = {**{f"class_{i}": name for i, name in enumerate(truth.names, 1)}, "simulated": "yes"}
    _write(root / "truth.tif", code[None], place, ["class"], nodata=0, tags=tags)
    _write(root / "test.tif", np.where(trained, 0, code)[None], place, ["class"], nodata=0, tags=tags)
    return MadeFiles(
        folder=root,
        sensors={"sentinel-2": s2, "sentinel-1": s1},
        elevation=root / "elevation.tif",
        labels=root / "labels.gpkg",
        truth=root / "truth.tif",
        test=root / "test.tif",
        classes=truth.names,
        place=place,
    )


def _write_dates(
    folder: Path,
    prefix: str,
    stored: np.ndarray,
    cube: xr.DataArray,
    sensor: str,
    *,
    nodata: float,
    names: Any,
    scale: float = 1.0,
) -> Path:
    folder.mkdir(exist_ok=True)
    place = cube.coords["spatial_ref"]
    for values, date in zip(stored, cube.coords["time"].values.astype("datetime64[s]"), strict=True):
        stamp = str(date)
        tags = {
            "sensor": sensor,
            "TIFFTAG_DATETIME": stamp.replace("-", ":").replace("T", " "),
            "quantity": names[0].quantity,
            "simulated": "yes",
        }
        name = f"{prefix}_{stamp[:10].replace('-', '')}.tif"
        bands = [b.name for b in names]
        _write(folder / name, values, place, bands, nodata=nodata, tags=tags, scale=scale, units=names[0].units)
    return folder


def _write(
    path: Path,
    values: np.ndarray,
    place: Any,
    names: list[str],
    *,
    nodata: float,
    tags: dict[str, str],
    scale: float = 1.0,
    units: str = "1",
) -> None:
    import rasterio
    from affine import Affine

    import swath

    if isinstance(place, World):
        crs, affine = place.geobox.crs.to_wkt(), place.geobox.affine
    else:
        crs = place.attrs["crs_wkt"]
        affine = Affine.from_gdal(*(float(v) for v in place.attrs["GeoTransform"].split()))
    count, height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=count, dtype=values.dtype, crs=crs,
        transform=affine, nodata=nodata, compress="deflate", predictor=3 if values.dtype.kind == "f" else 2,
        tiled=True, blockxsize=256, blockysize=256,
    ) as file:  # fmt: skip
        file.write(values)
        file.update_tags(swath=swath.__version__, **tags)
        for band in range(1, count + 1) if "quantity" in tags else ():
            file.update_tags(band, quantity=tags["quantity"])
        file.descriptions = tuple(names)
        file.scales = (scale,) * count
        file.units = (units,) * count


def _labels(
    classes: np.ndarray, names: tuple[str, ...], per_class: int, block: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns (n, 2) of labelled pixels, and where training blocks lie (H, W) bool."""
    h, w = classes.shape
    grid = (-(-h // block), -(-w // block))
    chosen = rng.random(grid) < 1 / 3
    trained = chosen.repeat(block, 0).repeat(block, 1)[:h, :w]
    rows: list[np.ndarray] = []
    for code in range(len(names)):
        at = np.argwhere(trained & (classes == code))
        rows.append(at[rng.permutation(len(at))[:per_class]])
    return np.concatenate(rows), trained


def _write_labels(path: Path, at: np.ndarray, classes: np.ndarray, names: tuple[str, ...], place: World) -> None:
    import geopandas as gpd

    a = place.geobox.affine
    x, y = a.c + a.a * (at[:, 1] + 0.5), a.f + a.e * (at[:, 0] + 0.5)
    value = [names[classes[r, c]] for r, c in at]
    frame = gpd.GeoDataFrame({"class": value}, geometry=gpd.points_from_xy(x, y), crs=place.geobox.crs.to_wkt())
    frame.to_file(path, driver="GPKG", layer="labels")
