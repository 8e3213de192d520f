"""A plain folder of rasters: one-band files become the bands and dates that their names tell; products keep their own."""

from __future__ import annotations

import os
import re
from dataclasses import replace

import numpy as np

from swath.cube import geotiff, picture
from swath.cube.dates import dates_in
from swath.cube.layer import Layer
from swath.cube.mask import kind_of
from swath.cube.product import folder_product, read_product
from swath.cube.sources import Bands
from swath.earth.recognise import find
from swath.earth.sensor import from_product_name, sensors
from swath.errors import FormatError

__all__ = ["claims", "layers_of_files", "read", "side_by_side"]

RASTERS = (".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg")
MOST = 2_000


def claims(path: str) -> bool:
    """Whether this is a folder; the last reader in the table, so no other knew it."""
    return os.path.isdir(path)


def read(path: str) -> list[Layer]:
    """The layers of a folder's rasters, or of the products in its subfolders.

    Raises FormatError: nothing to read, or scenes that do not belong together.
    """
    path = os.path.abspath(path)
    entries = sorted(os.listdir(path))
    files = [os.path.join(path, n) for n in entries if n.lower().endswith(RASTERS) and not n.startswith(".")]
    if files:
        return layers_of_files(path, files)
    folders = [os.path.join(path, n) for n in entries if os.path.isdir(os.path.join(path, n)) and not n.startswith(".")]
    layers: list[Layer] = []
    for folder in folders:
        found = read_product(folder_product(folder, depth=4))
        if found is None:
            if layers or not any(n.lower().endswith(RASTERS) for n in os.listdir(folder)):
                continue
            raise FormatError(
                rule="a folder of folders holds products (SAFE, Landsat)",
                got=f"{path} with {len(folders)} folders such as {os.path.basename(folder)}",
                remedy="name the scenes one by one, as in PATH/*/*.tif",
            )
        layers += found
    if not layers:
        raise FormatError(
            rule="a folder holds rasters or products",
            got=f"{path} with {', '.join(entries[:5]) or 'nothing'}",
            remedy="name a file, or a folder of GeoTIFF, JPEG 2000, PNG or JPEG files",
        )
    return layers


def layers_of_files(path: str, files: list[str]) -> list[Layer]:
    """Layers of raster files that lie together; `path` names them in errors. Raises FormatError as `read` does."""
    if len(files) > MOST:
        raise FormatError(
            rule=f"a folder holds at most {MOST} rasters", got=f"{path}, {len(files)}", remedy="name the files you mean"
        )
    layers = []
    stems = [os.path.splitext(os.path.basename(f))[0] for f in files]
    fixed = _shared(stems)
    for file, stem in zip(files, stems, strict=True):
        reader = picture if file.lower().endswith((".png", ".jpg", ".jpeg")) else geotiff
        (layer,) = reader.read(file)
        layers.append(_named(layer, stem, fixed))
    layers = _measured(layers)
    _belong(path, layers, [layer.tags["file"] for layer in layers])
    return side_by_side(layers)


def _measured(layers: list[Layer]) -> list[Layer]:
    """Without the one-band files of a product that are no bands of its sensor and no mask: angles, browse images."""
    kept, left = [], []
    for layer in layers:
        name = layer.bands[0].name
        known = sensors()[layer.sensor].bands if layer.sensor in sensors() else ()
        if len(layer.bands) == 1 and known and find(known, name) is None and kind_of(name) is None:
            left.append(name)
        else:
            kept.append(layer)
    if not kept or not left:
        return layers
    names = ", ".join(dict.fromkeys(left))
    return [replace(kept[0], notes=(*kept[0].notes, f"left out, no bands of {kept[0].sensor}: {names}")), *kept[1:]]


def _shared(stems: list[str]) -> set[str]:
    """The words that every file name has."""
    words = [set(_words(s)) for s in stems]
    return set.intersection(*words) if len(words) > 1 else set()


def _words(stem: str) -> list[str]:
    return [w for w in re.split(r"[_.\-\s]+", stem) if w]


def _named(layer: Layer, stem: str, fixed: set[str]) -> Layer:
    """A one-band layer with date and band name by its file's name; others with their date only."""
    time = layer.time
    if time is None and len(layer.bands) >= 1:
        found = dates_in(stem)
        tagged = dates_in(layer.tags.get("date", ""))
        moment = tagged[0] if tagged else found[0] if found else None
        time = None if moment is None else np.array([moment], dtype="datetime64[ns]")
    key = layer.sensor or from_product_name(stem)
    if len(layer.bands) == 1 and not layer.bands[0].description:
        name = _band_name(stem, fixed, key)
        layer = replace(layer, bands=(replace(layer.bands[0], name=name),))
    return replace(layer, time=time, sensor=key, tags={**layer.tags, "file": stem})


def _band_name(stem: str, fixed: set[str], key: str | None) -> str:
    """The word of a name that names a band of the sensor, or looks like a band; else the words that differ."""
    words = _words(stem)
    table = sensors()[key].bands if key else ()
    tails = ["_".join(words[-2:]), *words[::-1]]
    for word in tails:
        if table and find(table, word) is not None:
            return word
    for word in tails:
        if word not in fixed and re.fullmatch(
            r"B\d{1,2}A?|SR_B\d+|ST_B\d+|SCL|Fmask|QA_PIXEL|BQA|V[VH]|H[HV]|NDVI|EVI|(?!V\d|T\d\d?$)[A-Z]{1,2}\d{1,2}",
            word,
            re.I,
        ):
            return word
    own = [w for w in words if w not in fixed and not dates_in(w)]
    return "_".join(own) or next((w for w in words[::-1] if not w.isdigit() and not dates_in(w)), stem)


def _belong(path: str, layers: list[Layer], stems: list[str]) -> None:
    """Refuse a folder of undated multi-band images: they are scenes of their own, nothing says how they belong."""
    many = [i for i, layer in enumerate(layers) if len(layer.bands) > 1]
    undated = [i for i, layer in enumerate(layers) if layer.time is None]
    if len(layers) > 1 and len(many) > 1 and set(many) & set(undated):
        i, j = many[0], many[1]
        raise FormatError(
            rule="the rasters of a folder are bands of one grid, or have dates in their names",
            got=f"{path}: {stems[i]} and {stems[j]} ({len(layers)} files)",
            remedy="name the files one by one (PATH/*.tif), or put dates into their names",
        )


def side_by_side(layers: list[Layer]) -> list[Layer]:
    """One-band layers of one grid, date and sensor as one layer: its bands are then known together."""
    groups: dict[object, list[Layer]] = {}
    for layer in layers:
        box = layer.geobox
        grid = None if box is None else (tuple(round(v, 6) for v in tuple(box.affine)[:6]), str(box.crs))
        when = None if layer.time is None else layer.time.tobytes()
        same = (layer.source.shape[2:], grid, when, layer.sensor, layer.flag is None)
        twin = any(b.name in {x.name for g in groups.get(same, []) for x in g.bands} for b in layer.bands)
        groups.setdefault((same, len(groups)) if twin else same, []).append(layer)
    out = []
    for some in groups.values():
        if len(some) == 1 or some[0].flag is not None:
            out += some
            continue
        notes = tuple(dict.fromkeys(t for one in some for t in one.notes))
        out.append(
            replace(
                some[0],
                source=Bands(tuple(one.source for one in some)),
                bands=tuple(b for one in some for b in one.bands),
                tags={k: v for k, v in some[0].tags.items() if all(one.tags.get(k) == v for one in some)},
                notes=notes,
            )
        )
    return out
