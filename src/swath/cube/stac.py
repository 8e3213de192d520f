"""STAC items, item collections and catalogues in local files: their assets as layers, with what the item says of bands.

Source: STAC specification 1.0 and 1.1; extensions eo, raster, projection; older items where their form is plain.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from swath.cube.folder import side_by_side
from swath.cube.layer import FileBand, Layer
from swath.earth.recognise import from_platform
from swath.earth.sensor import from_product_name
from swath.errors import FormatError, SwathError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Asset", "assets_of", "claims", "described", "layers_of_item", "read"]

_BYTES = 50_000_000
_MOST_ITEMS = 2_000
_DEPTH = 8
_SKIP_ROLES = {"thumbnail", "overview", "metadata", "visual", "index"}
_IMAGES = (".tif", ".tiff", ".jp2", ".nc", ".zarr", ".hdf", ".h5", ".img", ".vrt")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of an item: its key, where it lies, the item's words on its bands (one dict for each)."""

    key: str
    href: str
    bands: tuple[Mapping[str, Any], ...]


def claims(path: str) -> bool:
    """Whether this is a STAC item, item collection, collection or catalogue, or the folder of a catalogue."""
    if "://" in path:
        return False
    if os.path.isdir(path):
        return any(claims(os.path.join(path, name)) for name in ("catalog.json", "collection.json"))
    if not path.lower().endswith((".json", ".geojson")) or not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        start = file.read(min(os.path.getsize(path), _BYTES))
    return b'"stac_version"' in start


def read(path: str) -> list[Layer]:
    """Layers of every item. Raises FormatError when the JSON is damaged or none of its assets is there."""
    path = os.path.abspath(path)
    if os.path.isdir(path):
        path = next(p for name in ("catalog.json", "collection.json") if os.path.exists(p := os.path.join(path, name)))
    root = os.path.dirname(path)
    layers: list[Layer] = []
    missing: list[str] = []
    count = 0
    for item, where in _items(path, root, 0, set()):
        count += 1
        if count > _MOST_ITEMS:
            raise FormatError(
                rule=f"a catalogue opened as one scene has at most {_MOST_ITEMS} items",
                got=path,
                remedy="name the items you mean, or use swath get with --area and --dates",
            )
        layers += layers_of_item(item, where, root, missing)
    if not layers:
        some = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise FormatError(
            rule="a STAC item's pictures lie beside it",
            got=f"{path}: {count} items, no asset found" + (f" (looked for {some})" if missing else ""),
            remedy="fetch them with swath get --stac URL, or put the files beside the item",
        )
    return layers


def _load(path: str) -> dict[str, Any]:
    try:
        if os.path.getsize(path) > _BYTES:
            raise ValueError(f"more than {_BYTES:,} bytes")
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        if not isinstance(found, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(rule="a STAC file is whole JSON", got=f"{path}: {error}", remedy="fetch it again") from error
    return found


def _items(path: str, root: str, depth: int, seen: set[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """Items below a file, with the folder each lies in; links that leave the catalogue's folder are not followed."""
    path = os.path.realpath(path)
    if path in seen or depth > _DEPTH:
        return
    seen.add(path)
    document = _load(path)
    where = os.path.dirname(path)
    kind = document.get("type")
    if kind == "Feature":
        yield document, where
        return
    if kind == "FeatureCollection":
        for feature in document.get("features") or []:
            if isinstance(feature, dict):
                yield feature, where
        return
    for link in document.get("links") or []:
        if isinstance(link, dict) and link.get("rel") in ("item", "child", "items"):
            target = _inside(str(link.get("href", "")), where, root)
            if target and os.path.isfile(target):
                yield from _items(target, root, depth + 1, seen)


def _inside(href: str, where: str, root: str) -> str | None:
    """The local file that a href names, None when it is remote or outside the catalogue's folder."""
    if "://" in href and not href.startswith("file://"):
        return None
    full = os.path.realpath(os.path.join(where, unquote(href.removeprefix("file://"))))
    return full if os.path.commonpath([full, os.path.realpath(root)]) == os.path.realpath(root) else None


def _find(href: str, where: str, root: str) -> str | None:
    """Where an asset's file is: at its href, or by the same name beside the item."""
    inside = _inside(href, where, root)
    if inside and os.path.exists(inside):
        return inside
    beside = _inside(os.path.basename(href.split("?")[0]), where, root)
    return beside if beside and os.path.isfile(beside) else None


def assets_of(item: Mapping[str, Any]) -> list[Asset]:
    """The assets of an item that are pictures, not thumbnails or metadata."""
    properties = item.get("properties") or {}
    found = []
    for key, asset in (item.get("assets") or {}).items():
        if not isinstance(asset, dict) or not isinstance(asset.get("href"), str):
            continue
        roles = set(asset.get("roles") or [])
        kind = str(asset.get("type") or "")
        name = asset["href"].split("?")[0].lower()
        if roles & _SKIP_ROLES or key in _SKIP_ROLES:
            continue
        if not (name.endswith(_IMAGES) or "geotiff" in kind or "jp2" in kind or "netcdf" in kind or "zarr" in kind):
            continue
        found.append(Asset(key, asset["href"], tuple(_band_words(asset, properties))))
    return found


def _band_words(asset: Mapping[str, Any], properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the item says of each band of an asset, in one form: name, common_name, scale, offset, nodata, unit ..."""
    eo = asset.get("eo:bands") or []
    if eo and all(isinstance(b, int) for b in eo):  # before 0.9: positions in the item's list
        listed = properties.get("eo:bands") or []
        eo = [listed[b] for b in eo if b < len(listed)]
    raster = asset.get("raster:bands") or []
    plain = asset.get("bands") or []
    words = []
    for i in range(max(len(eo), len(raster), len(plain), 1)):
        merged: dict[str, Any] = {k.split(":")[-1]: v for k, v in asset.items() if k.startswith(("raster:", "eo:"))}
        merged |= {k: asset[k] for k in ("nodata", "unit") if k in asset}
        for source in (eo, raster, plain):
            if i < len(source) and isinstance(source[i], dict):
                merged |= {k.split(":")[-1]: v for k, v in source[i].items()}
        merged.pop("bands", None)
        words.append(merged)
    return words


def layers_of_item(item: Mapping[str, Any], where: str, root: str, missing: list[str]) -> list[Layer]:
    """Layers of one item; one-band assets of one grid become one layer. missing: gets the names of files not found."""
    from swath.cube import formats, gdal, untrusted

    notes: list[str] = []
    layers: list[Layer] = []
    for asset in assets_of(item):
        file = _find(asset.href, where, root)
        if file is None:
            missing.append(os.path.basename(asset.href.split("?")[0]) or asset.key)
            continue
        if gdal.STRICT:
            untrusted.check(file)
        layers += [described(layer, asset, item, notes) for layer in formats.reader_of(file).read(file)]
    if missing and layers:
        notes.append(f"assets that are not there: {', '.join(missing[:8])}" + (" ..." if len(missing) > 8 else ""))
    merged = side_by_side(layers) if layers else []
    return [replace(one, notes=(*one.notes, *dict.fromkeys(notes))) for one in merged]


def described(layer: Layer, asset: Asset, item: Mapping[str, Any], notes: list[str]) -> Layer:
    """A layer with what its item says of date, sensor and bands. notes: gets sentences on what was decided."""
    properties = item.get("properties") or {}
    sensor = layer.sensor or _sensor(item)
    applied = properties.get("earthsearch:boa_offset_applied") is True
    bands = tuple(_told(band, asset, i, len(layer.bands), applied, notes) for i, band in enumerate(layer.bands))
    if sensor is not None:  # items round wavelengths to 10 nm; the sensor's table is exact
        own = layer.bands
        bands = tuple(replace(b, wavelength=o.wavelength, fwhm=o.fwhm) for b, o in zip(bands, own, strict=True))
    tags = {**layer.tags, "stac_id": str(item.get("id", ""))} | _tags(properties)
    when = layer.time if layer.time is not None else _time(properties)
    return replace(layer, bands=bands, time=when, sensor=sensor, tags=tags)


def _tags(properties: Mapping[str, Any]) -> dict[str, str]:
    keys = {"s2:processing_baseline": "baseline", "processing:version": "version", "platform": "platform"}
    return {name: str(properties[key]) for key, name in keys.items() if properties.get(key)}


def _told(band: FileBand, asset: Asset, i: int, count: int, applied: bool, notes: list[str]) -> FileBand:
    """A band with the item's words where it has any; the file's own scale and nodata where it has none."""
    words = asset.bands[i] if i < len(asset.bands) else {}
    stem = re.sub(r"\.(tiff?|jp2)$", "", asset.key, flags=re.IGNORECASE)
    name = str(words.get("name") or (stem if count == 1 else band.name))
    if re.fullmatch(r"(band_?)?\d+", name, re.IGNORECASE) and count == 1:
        name = stem
    scale, offset = _number(words.get("scale")), _number(words.get("offset"))
    if applied and offset and offset < 0:
        notes.append(
            f"the item says that its offset ({offset:g}) is applied to the stored numbers already: not applied again"
        )
        offset = 0.0
    wavelength, width = _number(words.get("center_wavelength")), _number(words.get("full_width_half_max"))
    return replace(
        band,
        name=name,
        description=band.description or str(words.get("description") or words.get("common_name") or ""),
        wavelength=band.wavelength if wavelength is None else wavelength * 1000,
        fwhm=band.fwhm if width is None else width * 1000,
        scale=band.scale if scale is None else scale,
        offset=band.offset if offset is None else offset,
        nodata=band.nodata if (nodata := _number(words.get("nodata"))) is None else nodata,
        units=band.units or (str(words["unit"]) if words.get("unit") else None),
    )


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _time(properties: Mapping[str, Any]) -> np.ndarray | None:
    text = properties.get("datetime") or properties.get("start_datetime")
    if not isinstance(text, str):
        return None
    text = re.sub(r"(Z|\+00:?00)$", "", text)
    try:
        return np.array([np.datetime64(text, "ns")])
    except ValueError:
        return None


def _sensor(item: Mapping[str, Any]) -> str | None:
    """The sensor's key: by the item's id, else by platform and collection."""
    properties = item.get("properties") or {}
    platform = str(properties.get("platform") or properties.get("eo:platform") or "")
    collection = str(item.get("collection") or "")
    try:
        return from_product_name(str(item.get("id") or "")) or (
            from_platform(platform, collection) if platform else None
        )
    except SwathError:
        return None
