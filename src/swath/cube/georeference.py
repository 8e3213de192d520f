"""Where a raster lies: its affine grid, a grid fitted to ground control points, or nothing that could be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox
    from rasterio.io import DatasetReader

__all__ = ["fit_points", "geobox_of"]


def geobox_of(dataset: DatasetReader) -> tuple[GeoBox | None, list[str]]:
    """The grid of an open dataset and what is to be said of it; None where the file says nothing usable."""
    from odc.geo.geobox import GeoBox

    shape, affine = (dataset.height, dataset.width), dataset.transform
    notes: list[str] = []
    crs = _usable_crs(dataset, notes)
    if affine.is_identity:
        points, points_crs = dataset.gcps
        if points:
            return _from_points(dataset, points, points_crs, notes)
        if dataset.rpcs is not None:
            r = dataset.rpcs
            notes.append(
                f"only rational polynomial coefficients (near lat {r.lat_off:.3f}, lon {r.long_off:.3f}): no grid "
                "without an elevation model; orthorectify it first; areas are in pixels until then"
            )
        else:
            notes.append("no georeference: places are pixel numbers and areas are in pixels")
        return None, notes
    if crs is None:
        notes.append("a transform but no CRS: areas are in pixels")
    if abs(affine.b) + abs(affine.d) > 1e-12 * (abs(affine.a) + abs(affine.e)):
        turned = float(np.degrees(np.arctan2(affine.d, affine.a)))
        notes.append(f"a rotated grid ({turned:.2f} degrees)")
    else:
        if affine.e > 0:
            notes.append("rows run from south to north (flipped y)")
        if affine.a < 0:
            notes.append("columns run from east to west (flipped x)")
    if abs(abs(affine.a) - abs(affine.e)) > 1e-3 * abs(affine.a) and not (affine.b or affine.d):
        notes.append(f"pixels are not square: {abs(affine.a):g} by {abs(affine.e):g}")
    return GeoBox(shape, affine, crs), notes


def _usable_crs(dataset: DatasetReader, notes: list[str]) -> str | None:
    """The CRS as text; None, and said, where it is damaged: one that PROJ cannot carry to degrees places nothing."""
    if not dataset.crs:
        return None
    from pyproj import Transformer
    from pyproj.exceptions import ProjError
    from rasterio.errors import CRSError

    text = ""
    try:
        text = str(dataset.crs.to_wkt())
        Transformer.from_crs(text, "EPSG:4326", always_xy=True)
    except (ProjError, CRSError) as error:
        if "celestial" in str(error):
            notes.append("the CRS is of another body than the Earth: no longitudes and latitudes")
            return text
        notes.append(f"the CRS is damaged or unknown to PROJ and left out: {' '.join(str(error).split())[:80]}")
        return None
    return text


def _from_points(
    dataset: DatasetReader, points: list, crs: object, notes: list[str]
) -> tuple[GeoBox | None, list[str]]:
    from odc.geo.geobox import GeoBox

    pixel = np.array([[p.col, p.row] for p in points], float)
    ground = np.array([[p.x, p.y] for p in points], float)
    fitted = fit_points(pixel, ground)
    tangent = _tangent(pixel, ground, dataset.width, dataset.height)
    curved = fitted is not None and tangent is not None and tangent[2] < 0.75 * fitted[2]
    fitted = tangent if curved else fitted
    if fitted is None:
        notes.append(f"{len(points)} ground control points that fix no transform (fewer than 3, or on a line)")
        return None, notes
    coefficients, residual, residual_px = fitted
    from affine import Affine

    text = crs.to_wkt() if crs else None  # type: ignore[attr-defined]
    notes.append(
        "ground control points only: "
        + ("second-order surface, its tangent at the centre taken as the" if curved else "affine")
        + f" transform, fitted to {len(points)}, residual {residual:.3g} "
        f"{'of the CRS unit' if text else 'units'} ({residual_px:.2f} pixels) root mean square"
        + ("; places are that uncertain" if residual_px > 2 else "")
    )
    return GeoBox((dataset.height, dataset.width), Affine(*coefficients), text), notes


def _tangent(
    pixel: np.ndarray, ground: np.ndarray, width: int, height: int
) -> tuple[tuple[float, ...], float, float] | None:
    """As `fit_points`, of a second-order surface at the image's centre: for points that reach far beyond a cut-out."""
    centre, half = np.array([width / 2, height / 2]), np.array([max(width, 2) / 2, max(height, 2) / 2])
    u, v = ((pixel - centre) / np.ptp(pixel, axis=0).clip(1.0)).T
    design = np.column_stack([u, v, np.ones(len(u)), u * u, u * v, v * v])
    if len(pixel) < 12 or np.linalg.matrix_rank(design) < 6 or (np.ptp(pixel, axis=0) < 4 * half).all():
        return None
    solution, *_ = np.linalg.lstsq(design, ground, rcond=None)
    size = np.ptp(pixel, axis=0).clip(1.0)
    a, d = solution[0] / size[0]
    b, e = solution[1] / size[1]
    c, f = solution[2] - solution[0] / size[0] * centre[0] - solution[1] / size[1] * centre[1]
    error = ground - design @ solution
    rms = float(np.sqrt((error**2).sum(1).mean()))
    matrix = np.array([[a, b], [d, e]])
    if abs(np.linalg.det(matrix)) == 0:
        return None
    rms_px = float(np.sqrt(((error @ np.linalg.inv(matrix).T) ** 2).sum(1).mean()))
    return (float(a), float(b), float(c), float(d), float(e), float(f)), rms, rms_px


def fit_points(pixel: np.ndarray, ground: np.ndarray) -> tuple[tuple[float, ...], float, float] | None:
    """Least-squares affine (a, b, c, d, e, f) from pixel (n, 2) column, row to ground (n, 2) x, y.

    Returns it with the root mean square residual in ground units and in pixels; None where the points do not fix one.
    """
    design = np.column_stack([pixel, np.ones(len(pixel))])
    if len(pixel) < 3 or np.linalg.matrix_rank(design) < 3:
        return None
    solution, *_ = np.linalg.lstsq(design, ground, rcond=None)
    (a, d), (b, e), (c, f) = solution
    error = ground - design @ solution
    rms = float(np.sqrt((error**2).sum(1).mean()))
    area = abs(a * e - b * d)
    if area == 0:
        return None
    inverse = np.linalg.inv(np.array([[a, b], [d, e]]))
    rms_px = float(np.sqrt(((error @ inverse.T) ** 2).sum(1).mean()))
    return (float(a), float(b), float(c), float(d), float(e), float(f)), rms, rms_px
