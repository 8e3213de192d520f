"""Landsat products as folders: band files, the MTL's factors, dates and quality bands (Collection 1 and 2, levels 1, 2)."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np

from swath.cube.dates import date_in
from swath.cube.layer import FileBand, Layer
from swath.cube.product import Product, folder_product, grids
from swath.earth.sensor import from_product_name
from swath.errors import FormatError

__all__ = ["claims", "is_landsat", "layers", "read"]

NAME = re.compile(r"L[COTEM]0?[1-9]_?L[12][A-Z]{2}_\d{6}_\d{8}|L[COTEM]\d{14}[A-Z]{3}\d\d", re.I)
IMAGE = re.compile(
    r"_(SR_B\d{1,2}|ST_B\d{1,2}|B\d{1,2}(?:_VCID_\d)?|QA_PIXEL|QA_RADSAT|BQA|PIXEL_QA|RADSAT_QA)\.(?:tif|tiff)$", re.I
)
MTL = re.compile(r"_MTL\.(json|xml|txt)$")


def claims(path: str) -> bool:
    """Whether this is the folder of a Landsat product, or its MTL file."""
    if os.path.isfile(path):
        beside = IMAGE.search(path) is not None and NAME.match(os.path.basename(path)) is not None
        return bool(MTL.search(path)) or (beside and _beside(path))
    if not os.path.isdir(path):
        return False
    names = os.listdir(path)
    return any(IMAGE.search(n) for n in names) and (
        any(MTL.search(n) for n in names) or any(NAME.match(n) for n in names)
    )


def read(path: str) -> list[Layer]:
    """The layers of a product's folder, one for each grid. Raises FormatError when it holds no band."""
    path = os.path.abspath(path)
    if os.path.isfile(path) and not MTL.search(path):
        product = folder_product(os.path.dirname(path), depth=1)
        own = os.path.basename(path)
        return layers(replace(product, names=tuple(n for n in product.names if n == own or MTL.search(n))))
    return layers(folder_product(os.path.dirname(path) if os.path.isfile(path) else path, depth=1))


def _beside(path: str) -> bool:
    """Whether the scene's MTL lies beside one of its bands."""
    stem = IMAGE.sub("", os.path.basename(path))
    return any(
        os.path.isfile(os.path.join(os.path.dirname(path), f"{stem}_MTL.{kind}")) for kind in ("json", "xml", "txt")
    )


def is_landsat(product: Product) -> bool:
    """Whether a product's files are Landsat's."""
    inside = [n.rpartition("/")[2] for n in product.names]
    return any(IMAGE.search(n) and NAME.match(n) for n in inside) or any(MTL.search(n) for n in inside)


def layers(product: Product) -> list[Layer]:
    """The layers of a product. Raises FormatError when it holds no band, or bands of several scenes."""
    files, scenes = _files(product)
    if not files:
        raise FormatError(
            rule="a Landsat folder holds band files (*_B4.TIF, *_SR_B4.TIF)", got=product.name, remedy="fetch the bands"
        )
    if len(scenes) > 1:
        raise FormatError(
            rule="a Landsat folder holds one scene",
            got=f"{len(scenes)}: {', '.join(sorted(scenes)[:3])}",
            remedy="put each scene into a folder of its own",
        )
    notes: list[str] = []
    name = next((n for n in product.names if MTL.search(n)), None)
    facts = {} if name is None else _flat(product, name)
    stem = facts.get("LANDSAT_PRODUCT_ID") or (product.name if NAME.search(product.name) else next(iter(scenes)))
    sensor = from_product_name(stem) or from_product_name(next(iter(scenes)))
    bands = {b: fact for b in files if (fact := _band(b, facts)) is not None}
    if facts:
        skipped = len(files) - len(bands) - sum(b in _QUALITY for b in files)
        notes.append(
            f"scale and offset of {len(bands)} bands from the MTL" + (f", none for {skipped}" if skipped else "")
        )
    else:
        notes.append("no MTL beside the bands")
    time = _time(facts, stem)
    return grids(product, files, bands, time=time, sensor=sensor, tags={}, notes=notes)


_QUALITY = {"QA_PIXEL", "QA_RADSAT", "BQA", "PIXEL_QA", "RADSAT_QA"}


def _files(product: Product) -> tuple[dict[str, str], set[str]]:
    files: dict[str, str] = {}
    scenes: set[str] = set()
    for name in product.names:
        base = name.rpartition("/")[2]
        match = IMAGE.search(base)
        if match and not re.search(r"_(SAA|SZA|VAA|VZA)_", base):
            files[match[1].upper()] = name
            scenes.add(base[: match.start()])

    def order(band: str) -> tuple[int, int]:
        number = re.search(r"\d+", band)
        return (band in _QUALITY) + 0, int(number[0]) if number else 99

    return {b: files[b] for b in sorted(files, key=order)}, scenes


def _flat(product: Product, name: str) -> dict[str, str]:
    """The MTL as {key: value}; of several groups with one key the first stands (level 2 before level 1)."""
    text = product.text(name)
    out: dict[str, str] = {}
    try:
        if name.endswith(".json"):
            _walk(json.loads(text), out)
        elif name.endswith(".xml"):
            if "<!ENTITY" in text:
                raise ValueError("entities in it")
            for element in ElementTree.fromstring(text).iter():  # noqa: S314 - entities are refused above
                if element.text and element.text.strip():
                    out.setdefault(element.tag, element.text.strip())
        else:
            for line in text.splitlines():
                key, _, value = line.partition("=")
                if value and key.strip() not in ("GROUP", "END_GROUP"):
                    out.setdefault(key.strip(), value.strip().strip('"'))
    except (ValueError, ElementTree.ParseError) as error:
        raise FormatError(
            rule="the MTL must be whole", got=f"{product.name}/{name}: {error}", remedy="fetch it again"
        ) from error
    return out


def _walk(node: Any, out: dict[str, str]) -> None:
    for key, value in node.items():
        if isinstance(value, dict):
            _walk(value, out)
        else:
            out.setdefault(key, str(value))


def _time(facts: dict[str, str], stem: str) -> np.ndarray | None:
    day, clock = facts.get("DATE_ACQUIRED"), facts.get("SCENE_CENTER_TIME", "")
    if day:
        moment = f"{day}T{clock[:8]}" if re.match(r"\d\d:\d\d:\d\d", clock) else day
        return np.array([moment], dtype="datetime64[ns]")
    found, _ = date_in(stem)
    return None if found is None else np.array([found], dtype="datetime64[ns]")


def _band(band: str, facts: dict[str, str]) -> FileBand | None:
    """Scale, offset and quantity of a band by the MTL. USGS: L = M * stored + A, reflectance over the sine of the sun's height."""
    if band in _QUALITY or not facts:
        return None
    number = band.removeprefix("SR_B").removeprefix("ST_B").removeprefix("B")

    def pair(kind: str, name: str) -> tuple[float, float] | None:
        try:
            return float(facts[f"{kind}_MULT_BAND_{name}"]), float(facts[f"{kind}_ADD_BAND_{name}"])
        except (KeyError, ValueError):
            return None

    if band.startswith("ST_"):
        found, quantity, units = pair("TEMPERATURE", band), "temperature", "K"
    elif band.startswith("SR_"):
        found, quantity, units = pair("REFLECTANCE", number), "reflectance", "1"
    else:
        found, quantity, units = pair("REFLECTANCE", number), "toa_reflectance", "1"
        if found is not None:
            sine = math.sin(math.radians(float(facts.get("SUN_ELEVATION", "nan"))))
            found = (found[0] / sine, found[1] / sine) if sine > 0 else None
        else:
            found, quantity, units = pair("RADIANCE", number), "radiance", "W m-2 sr-1 um-1"
    if found is None:
        return None
    return FileBand(name=band, scale=found[0], offset=found[1], nodata=0.0, quantity=quantity, units=units)
