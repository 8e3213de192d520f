"""EOPatch folders as eo-learn writes them: data and timeless data to bands, masks to reasons; NumPy files only.

Source: eo-learn documentation, "EOPatch" (feature types and folder layout).
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.layer import FileBand, Layer
from swath.cube.npy import open_array
from swath.errors import FormatError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["Feature", "FlagSource", "PatchSource", "claims", "read"]

_L1C = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
_L2A = tuple(name for name in _L1C if name != "B10")
_SENSORS = {"l1c": ("sentinel-2a-l1c", "toa_reflectance", _L1C), "l2a": ("sentinel-2a-l2a", "reflectance", _L2A)}
_LAUNCH_B = np.datetime64("2017-03-07")
_SUFFIXES = (".npy", ".npy.gz", ".npz")
_INDEX = re.compile(r"(^|_)(NDVI|NDWI|EVI|SAVI|NDBI|NDSI|NBR|NDMI)($|_)", re.IGNORECASE)


def claims(path: str) -> bool:
    """Whether this folder is an EOPatch: a place or dates at its top, and features below."""
    if "://" in path or not os.path.isdir(path):
        return False
    top = set(os.listdir(path))
    marks = {name.split(".")[0] for name in top if "." in name}
    return bool(marks & {"bbox", "timestamps", "timestamp"}) and bool(top & {"data", "data_timeless", "mask"})


@dataclass(frozen=True)
class Feature:
    """One array of the patch: (T, H, W, B), or (H, W, B) when timeless."""

    path: str
    name: str
    timeless: bool
    shape: tuple[int, ...]
    dtype: np.dtype

    def load(self) -> np.ndarray:
        """The array: memory-mapped, or unpacked whole where it is compressed."""
        return _load(self.path, os.stat(self.path).st_mtime_ns)


def _load(path: str, version: int) -> np.ndarray:
    return open_array(path) if path.endswith(".npy") else _unpack(path, version)


@lru_cache(maxsize=4)
def _unpack(path: str, version: int) -> np.ndarray:
    """A compressed array; a few stay unpacked, since windows cannot be read from the middle of a gzip."""
    import io
    import zipfile
    import zlib

    try:
        if path.endswith(".npz"):
            with np.load(path, allow_pickle=False) as file:
                return np.asarray(file[file.files[0]])
        limit = max(2**28, 200 * os.path.getsize(path))
        with gzip.open(path) as packed:
            content = packed.read(limit + 1)
        if len(content) > limit:
            raise ValueError(f"unpacks to more than {limit:,} bytes")
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
    except (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile, IndexError, KeyError) as error:
        raise FormatError(
            rule="an EOPatch feature is a whole NumPy array of numbers",
            got=f"{path}: {error}",
            remedy="fetch or save the patch again",
        ) from error


@dataclass(frozen=True)
class PatchSource:
    """A Source over the last axis of several features."""

    features: tuple[Feature, ...]
    index: tuple[tuple[int, int], ...]  # (feature, channel) of each band
    shape: tuple[int, int, int, int]
    dtype: np.dtype

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """A copy of the window; timeless features repeat on every date."""
        size = (len(dates), len(bands), rows.stop - rows.start, columns.stop - columns.start)
        out = np.empty(size, self.dtype)
        for i, band in enumerate(bands):
            which, channel = self.index[band]
            feature = self.features[which]
            values = feature.load()
            if feature.timeless:
                out[:, i] = values[rows, columns, channel]
            else:
                for t, date in enumerate(dates):
                    out[t, i] = values[date, rows, columns, channel]
        return out


@dataclass(frozen=True)
class FlagSource:
    """Reasons of contract.FLAGS (T, 1, H, W) from CLM, IS_DATA and IS_VALID."""

    cloud: Feature | None
    data: Feature | None
    valid: Feature | None
    shape: tuple[int, int, int, int]

    @property
    def dtype(self) -> np.dtype:
        """uint8."""
        return np.dtype(np.uint8)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """2 cloud (CLM 1, or not valid for no other reason), 1 never seen (no data), 0 usable."""
        out = np.zeros((len(dates), 1, rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        for t, date in enumerate(dates):

            def get(feature: Feature, date: int = date) -> np.ndarray:
                values = feature.load()
                window = values[rows, columns, 0] if feature.timeless else values[date, rows, columns, 0]
                return np.asarray(window)

            if self.valid is not None:
                out[t, 0][get(self.valid) == 0] = 2
            if self.cloud is not None:
                out[t, 0][get(self.cloud) == 1] = 2
                out[t, 0][get(self.cloud) == 255] = 1
            if self.data is not None:
                out[t, 0][get(self.data) == 0] = 1
        return np.ascontiguousarray(out[:, [0] * len(bands)])


def read(path: str) -> list[Layer]:
    """One layer: dated features first, timeless ones (elevation) repeated on every date. Raises FormatError."""
    path = os.path.abspath(path)
    notes: list[str] = []
    dated, timeless = _features(path, "data"), _features(path, "data_timeless")
    masks = {f.name: f for f in _features(path, "mask")}
    features = [f for f in [*dated, *timeless] if len(f.shape) == (3 if f.timeless else 4)]
    if not features:
        raise FormatError(
            rule="an EOPatch has NumPy arrays under data or data_timeless",
            got=f"{path} with {', '.join(sorted(os.listdir(path)))}",
            remedy="save it with eo-learn's compress_level 0 or 1 as .npy; zarr and pickle features are not read",
        )
    size = features[0].shape[-3:-1]
    count = next((f.shape[0] for f in features if not f.timeless), 1)
    for feature in [*features, *masks.values()]:
        if feature.shape[-3:-1] != size or (not feature.timeless and feature.shape[0] != count):
            raise FormatError(
                rule="the features of an EOPatch share rows, columns and dates",
                got=f"{path}: {feature.name} of shape {feature.shape} beside {count} dates of {size}",
                remedy="take the feature out of the patch",
            )
    time = _times(path, count) if any(not f.timeless for f in features) else None
    index = [(i, channel) for i, feature in enumerate(features) for channel in range(feature.shape[-1])]
    shape = (count, len(index), int(size[0]), int(size[1]))
    dtype = np.result_type(*[f.dtype for f in features])
    sensor, bands = _bands(features, time, notes)
    if time is not None and any(f.timeless for f in features):
        notes.append(f"without dates, repeated on every date: {', '.join(f.name for f in features if f.timeless)}")
    _say_labels(path, notes)
    return [
        Layer(
            source=PatchSource(tuple(features), tuple(index), shape, dtype),
            geobox=_geobox(path, (int(size[0]), int(size[1])), notes),
            bands=bands,
            time=time,
            flag=_flags(masks, shape, notes) if time is not None else None,
            sensor=sensor,
            notes=tuple(notes),
        )
    ]


def _features(path: str, kind: str) -> list[Feature]:
    folder = os.path.join(path, kind)
    if not os.path.isdir(folder):
        return []
    found = []
    for file in sorted(os.listdir(folder)):
        suffix = next((s for s in _SUFFIXES if file.endswith(s)), None)
        if suffix is None:
            continue
        full = os.path.join(folder, file)
        values = _load(full, os.stat(full).st_mtime_ns)
        dtype = np.dtype(np.uint8) if values.dtype.kind == "b" else values.dtype.newbyteorder("=")
        found.append(Feature(full, file.removesuffix(suffix), kind.endswith("timeless"), values.shape, dtype))
    return found


def _bands(
    features: list[Feature], time: np.ndarray | None, notes: list[str]
) -> tuple[str | None, tuple[FileBand, ...]]:
    sensor: str | None = None
    bands: list[FileBand] = []
    for feature in features:
        count = feature.shape[-1]
        level = re.search(r"l1c|l2a", feature.name, re.IGNORECASE)
        if level and "S2" in feature.name.upper() and len(_SENSORS[level[0].lower()][2]) == count:
            key, physical, names = _SENSORS[level[0].lower()]
            if feature.dtype.kind != "f":
                notes.append(f"{feature.name} is stored as {feature.dtype}: its scale is not told")
            floats = feature.dtype.kind == "f"
            bands += [
                FileBand(name, quantity=physical if floats else None, units="1" if floats else None) for name in names
            ]
            sensor = sensor or key
            only_a = time is not None and time.max() < _LAUNCH_B
            which = "A, the only one in orbit then" if only_a else "A or B is not told, their bands differ by a few nm"
            notes.append(f"{feature.name}: Sentinel-2 {level[0].upper()} bands in eo-learn's order ({which})")
            continue
        quantity, units = _meaning(feature)
        own = [feature.name] if count == 1 else [f"{feature.name}_{i + 1}" for i in range(count)]
        bands += [FileBand(name, quantity=quantity, units=units) for name in own]
    return sensor, tuple(bands)


def _meaning(feature: Feature) -> tuple[str | None, str | None]:
    if feature.name.upper() in ("DEM", "ELEVATION", "MAPZEN_DEM", "COPERNICUS_DEM"):
        return "elevation", "m"
    return ("index", "1") if _INDEX.search(feature.name) and feature.dtype.kind == "f" else (None, None)


def _flags(masks: dict[str, Feature], shape: tuple[int, int, int, int], notes: list[str]) -> FlagSource | None:
    cloud, data = masks.get("CLM"), next((masks[n] for n in ("IS_DATA", "dataMask", "DATA_MASK") if n in masks), None)
    valid = next((masks[n] for n in ("IS_VALID", "VALID_DATA") if n in masks), None)
    if cloud is None and data is None and valid is None:
        return None
    used = [f.name for f in (cloud, data, valid) if f is not None]
    notes.append(f"masks used: {', '.join(used)}")
    if valid is not None and cloud is None:
        notes.append(f"{valid.name} gives no reason: what it excludes is taken as cloud")
    return FlagSource(cloud, data, valid, (shape[0], 1, *shape[2:]))


def _times(path: str, count: int) -> np.ndarray:
    for name in ("timestamps.json", "timestamp.json"):
        file = os.path.join(path, name)
        if not os.path.exists(file):
            continue
        try:
            with open(file, encoding="utf-8") as opened:
                dates = np.array([str(t).removesuffix("Z") for t in json.load(opened)], dtype="datetime64[ns]")
        except (OSError, ValueError, TypeError) as error:
            raise FormatError(
                rule="an EOPatch's timestamps are ISO dates", got=f"{file}: {error}", remedy="mend the file"
            ) from error
        if len(dates) != count:
            raise FormatError(
                rule="an EOPatch has one timestamp for each date",
                got=f"{file}: {len(dates)} for {count} dates",
                remedy="mend the file",
            )
        return dates
    raise FormatError(
        rule="an EOPatch with dated features has timestamps.json",
        got=f"{path} without it" + (" (a pickle is never read)" if os.path.exists(f"{path}/timestamp.pkl") else ""),
        remedy="save the patch again with a present eo-learn",
    )


def _geobox(path: str, shape: tuple[int, int], notes: list[str]) -> GeoBox | None:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    from swath.cube.projection import parse_crs

    file = os.path.join(path, "bbox.geojson")
    if not os.path.exists(file):
        notes.append("no bbox.geojson: no grid")
        return None
    try:
        with open(file, encoding="utf-8") as opened:
            facts: dict[str, Any] = json.load(opened)
        corners = np.array(facts["coordinates"][0], float)
        name = facts.get("crs", {}).get("properties", {}).get("name", "urn:ogc:def:crs:OGC:1.3:CRS84")
        crs = parse_crs("EPSG:4326" if "CRS84" in name else f"EPSG:{name.rsplit(':', 1)[-1]}")
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise FormatError(
            rule="an EOPatch's bbox.geojson is a polygon with a CRS", got=f"{file}: {error}", remedy="mend the file"
        ) from error
    (left, bottom), (right, top) = corners.min(0), corners.max(0)
    affine = Affine((right - left) / shape[1], 0, left, 0, -(top - bottom) / shape[0], top)
    return GeoBox(shape, affine, crs.to_wkt() if crs is not None else None)


def _say_labels(path: str, notes: list[str]) -> None:
    found = []
    for kind in ("mask_timeless", "vector_timeless"):
        folder = os.path.join(path, kind)
        if os.path.isdir(folder):
            found += [
                f"{kind}/{f}" for f in sorted(os.listdir(folder)) if re.search(r"LULC|LANDUSE|CROP|REFERENCE", f, re.I)
            ]
    if found:
        notes.append(f"labels beside the bands, for --labels: {', '.join(found)}")
