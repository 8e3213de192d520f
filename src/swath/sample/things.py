"""Things out of a mask: patches of one class as polygons. Rows of windows at a time, joined where they touch."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import OutputError, SwathError, need

if TYPE_CHECKING:
    import geopandas as gpd
    from odc.geo.geobox import GeoBox

__all__ = ["polygons", "write"]

STRIP = 1024


def polygons(
    codes: Any,
    grid: GeoBox | None,
    *,
    names: dict[int, str] | None = None,
    smallest: int = 1,
    nodata: int = 0,
    strip: int = STRIP,
) -> gpd.GeoDataFrame:
    """Patches of equal code (edges shared, not corners) as a GeoDataFrame: label, code, pixels, area, geometry.

    codes: (H, W) array of integers or an open rasterio dataset (band 1, read in strips). grid: None gives pixel
    coordinates. area: of the geometry in square units of a projected CRS; pixels where there is none; NaN in degrees.
    names: {code: name}. smallest: patches of fewer pixels are left out. Polygons follow pixel edges, so their areas
    add up to the map's.
    """
    import geopandas as gpd
    import shapely

    height = codes.shape[0]
    shapes: list[Any] = []
    values: list[int] = []
    for top in range(0, height, strip):
        block = _rows(codes, top, min(height, top + strip))
        for shape, value in _patches(block, top, nodata):
            shapes.append(shape)
            values.append(value)
    geometry, code = _joined(np.array(shapes, dtype=object), np.array(values, int), range(strip, height, strip))
    pixels = np.round(shapely.area(geometry)).astype(int) if len(geometry) else np.zeros(0, int)
    keep = pixels >= smallest
    geometry, code, pixels = geometry[keep], code[keep], pixels[keep]
    placed = _on_map(geometry, grid)
    projected = grid is not None and grid.crs is not None and grid.crs.projected
    area = (
        shapely.area(placed) if projected else np.full(len(code), np.nan) if grid is not None and grid.crs else pixels
    )
    title = {int(c): (names or {}).get(int(c), str(c)) for c in np.unique(code)}
    data = {"label": [title[int(c)] for c in code], "code": code, "pixels": pixels, "area": np.asarray(area, float)}
    crs = grid.crs.to_wkt() if grid is not None and grid.crs is not None else None
    return gpd.GeoDataFrame(data, geometry=placed, crs=crs)


def _rows(codes: Any, top: int, bottom: int) -> np.ndarray:
    if hasattr(codes, "read"):
        from rasterio.windows import Window

        return np.asarray(codes.read(1, window=Window(0, top, codes.width, bottom - top)))
    return np.asarray(codes[top:bottom])


def _patches(block: np.ndarray, top: int, nodata: int) -> list[tuple[Any, int]]:
    import shapely
    from affine import Affine
    from rasterio.features import shapes

    stored = block.astype(np.int32)
    found = shapes(stored, mask=stored != nodata, connectivity=4, transform=Affine.translation(0, top))
    return [(shapely.geometry.shape(shape), int(value)) for shape, value in found]


def _joined(geometry: np.ndarray, code: np.ndarray, seams: range) -> tuple[np.ndarray, np.ndarray]:
    """Join patches of one code that share an edge along a seam between strips."""
    import shapely

    if not len(geometry):
        return geometry, code
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    bounds = shapely.bounds(geometry)
    pairs: list[np.ndarray] = []
    for seam in seams:
        above, below = np.flatnonzero(bounds[:, 3] == seam), np.flatnonzero(bounds[:, 1] == seam)
        if not (len(above) and len(below)):
            continue
        hit = shapely.STRtree(geometry[below]).query(geometry[above], predicate="intersects")
        a, b = above[hit[0]], below[hit[1]]
        same = code[a] == code[b]
        a, b = a[same], b[same]
        edge = shapely.length(shapely.intersection(geometry[a], geometry[b])) > 0
        pairs.append(np.stack([a[edge], b[edge]]))
    if not pairs:
        return geometry, code
    link = np.concatenate(pairs, axis=1)
    n = len(geometry)
    graph = coo_array((np.ones(link.shape[1]), (link[0], link[1])), shape=(n, n))
    count, group = connected_components(graph, directed=False)
    if count == n:
        return geometry, code
    alone = np.bincount(group)[group] == 1
    merged, codes = [geometry[alone]], [code[alone]]
    for g in np.flatnonzero(np.bincount(group) > 1):
        members = np.flatnonzero(group == g)
        merged.append(np.array([shapely.union_all(geometry[members])], dtype=object))
        codes.append(code[members[:1]])
    return np.concatenate(merged), np.concatenate(codes)


def _on_map(geometry: np.ndarray, grid: GeoBox | None) -> np.ndarray:
    import shapely

    if grid is None or not len(geometry):
        return geometry
    a = grid.affine
    matrix = np.array([[a.a, a.b], [a.d, a.e]])
    return np.asarray(shapely.transform(geometry, lambda xy: xy @ matrix.T + (a.c, a.f)), dtype=object)


def write(frame: gpd.GeoDataFrame, path: str | Path) -> Path:
    """Write things to .gpkg, .geojson or .parquet (extra `parquet`): aside first, then renamed.

    Raises OutputError when the place cannot be written, ExtraError without the extra.
    """
    path = Path(path)
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        if path.suffix == ".parquet":
            need("pyarrow", extra="parquet", why="writing GeoParquet")
            frame.to_parquet(aside)
        elif path.suffix in (".gpkg", ".geojson"):
            # A fixed time of last change keeps the bytes of a GeoPackage the same from run to run.
            options = {"layer": "things"} if path.suffix == ".gpkg" else {}
            before = os.environ.get("OGR_CURRENT_DATE")
            os.environ["OGR_CURRENT_DATE"] = "2000-01-01T00:00:00.000Z"
            try:
                with warnings.catch_warnings():  # pixel coordinates have no CRS, and the caller knows
                    warnings.filterwarnings("ignore", message="'crs' was not provided")
                    frame.to_file(aside, engine="pyogrio", **options)
            finally:
                os.environ.pop("OGR_CURRENT_DATE") if before is None else os.environ.update(OGR_CURRENT_DATE=before)
        else:
            raise OutputError(
                rule="polygons are written as .gpkg, .geojson or .parquet",
                got=path.name,
                remedy="choose one of these endings",
            )
        aside.replace(path)
    except SwathError:
        raise
    except (OSError, RuntimeError) as error:
        raise OutputError(
            rule="polygons go to a file", got=f"{path.name} ({error})", remedy="check the folder and its space"
        ) from error
    finally:
        aside.unlink(missing_ok=True)
    return path
