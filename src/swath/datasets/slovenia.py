"""A patch of 1 km in Slovenia: Sentinel-2 L1C on five dates, NDVI and cloud masks on 68 dates, a land-use map.

The example patch of eo-learn. Forest is three quarters of it: give balanced accuracy and the commonest class beside.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from swath.batch import Batch
from swath.datasets.files import whole
from swath.errors import FormatError

__all__ = ["CLASSES", "FOLDER", "LICENCE", "SOURCE", "blocks", "clouds", "load", "series", "triple"]

CLASSES = ("cultivated", "forest", "grassland", "shrubland", "artificial")
FOLDER = "eopatch"
LICENCE = "MIT; contains modified Copernicus Sentinel data"
SOURCE = "sentinel-hub/eo-learn @303e758: example_data/TestEOPatch, REFERENCE_SCENES.npy"
_CODES = (1, 2, 3, 4, 8)
_SIX = ("B02", "B03", "B04", "B8A", "B11", "B12")


def load(folder: Path, *, clear: bool = True) -> Batch:
    """Five dates of July to September 2015, 13 bands of top-of-atmosphere reflectance: (1, 5, 13, 101, 100).

    target (1, 101, 100): index into CLASSES, -1 where none. clear: pixels under the cloud mask of the 68 dates are not
    valid (two of the five dates are cloudy whole). folder: that of `FiveDates` and `TestEOPatch`. Raises FormatError.
    """
    batch = _window(folder, "FiveDates", "sentinel-2a-l1c")
    if clear:
        pixels = batch.pixels["sentinel-2a-l1c"]
        seen = pixels.valid & ~clouds(folder)[None, : pixels.values.shape[1], None]
        batch = Batch({"sentinel-2a-l1c": replace(pixels, valid=seen)})
    return replace(batch, target=_land_use(folder)[None], key=("slovenia",), place=("slovenia",))


def triple(folder: Path, size: int = 96) -> Batch:
    """The three clear dates in the six bands of HLS (B02, B03, B04, B8A, B11, B12): (1, 3, 6, size, size), with target."""
    batch = load(folder)
    ((name, p),) = batch.pixels.items()
    at = [[b.name for b in p.bands].index(n) for n in _SIX]
    clear = np.flatnonzero(p.valid[0].mean((1, 2, 3)) > 0.9)
    values, valid = (a[:, clear][:, :, at][..., :size, :size] for a in (p.values, p.valid))
    p = replace(p, values=values, valid=valid, day=p.day[:, clear], bands=tuple(p.bands[i] for i in at))
    return replace(batch, pixels={name: p}, target=np.asarray(batch.target)[:, :size, :size])


def series(folder: Path) -> Batch:
    """NDVI on 68 dates, July 2015 to December 2017, valid where seen and free of cloud: (1, 68, 1, 101, 100)."""
    batch = _window(folder, "TestEOPatch", "eopatch")
    pixels = batch.pixels["eopatch"]
    at = [b.name for b in pixels.bands].index("NDVI")
    seen = pixels.valid[:, :, at : at + 1] & ~clouds(folder)[None, :, None]
    only = replace(pixels, values=pixels.values[:, :, at : at + 1], valid=seen, bands=(pixels.bands[at],))
    return Batch({"eopatch": only}, _land_use(folder)[None], key=("slovenia",), place=("slovenia",))


def clouds(folder: Path) -> np.ndarray:
    """Where there is cloud on each of the 68 dates: (68, 101, 100) bool. The first five are those of `load`."""
    return np.asarray(_array(Path(folder) / "TestEOPatch" / "mask", "CLM")[..., 0] == 1)


def blocks(shape: tuple[int, int], side: int = 16) -> np.ndarray:
    """Number of the square block of `side` pixels that each pixel lies in: (H, W)."""
    rows, columns = np.arange(shape[0]) // side, np.arange(shape[1]) // side
    return np.asarray(rows[:, None] * (columns[-1] + 1) + columns)


def _land_use(folder: Path) -> np.ndarray:
    codes = _array(Path(folder) / "TestEOPatch" / "mask_timeless", "LULC")[..., 0]
    out = np.full(codes.shape, -1)
    for index, code in enumerate(_CODES):
        out[codes == code] = index
    return out


def _window(folder: Path, patch: str, name: str) -> Batch:
    path = Path(folder) / patch
    if not path.is_dir():
        raise FormatError(
            rule="the Slovenian patch is two folders, FiveDates and TestEOPatch",
            got=f"no {path}",
            remedy="name eopatch",
        )
    return whole([path], name)  # the masks of 68 dates are applied here


def _array(folder: Path, name: str) -> np.ndarray:
    import gzip
    import io

    for path in sorted(folder.glob(f"{name}.npy*")):
        data = path.read_bytes()
        return np.asarray(
            np.load(io.BytesIO(gzip.decompress(data) if path.suffix == ".gz" else data), allow_pickle=False)
        )
    raise FormatError(rule="the Slovenian patch has its masks", got=f"no {name} in {folder}", remedy="name eopatch")
