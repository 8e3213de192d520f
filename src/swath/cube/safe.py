"""Sentinel-2 products in SAFE form: bands at their native resolution, baseline and offset from the metadata."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from swath.cube.guard import readable
from swath.cube.layer import FileBand, Layer
from swath.cube.product import Product, folder_product, grids
from swath.earth.sensor import from_product_name
from swath.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["claims", "is_safe", "layers", "read"]

IMAGE = re.compile(r"_(B\d\d|B8A|SCL)(?:_(\d\d)m)?\.(?:jp2|tif|tiff)$", re.I)
MTD = re.compile(r"(^|/)MTD_MSIL(1C|2A)\.xml$")
# The bands in the order of the metadata's band numbers, and the pixel size in which each is measured (m).
ORDER = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
NATIVE = {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B01": 60, "B09": 60, "B10": 60}


@dataclass(frozen=True, slots=True)
class _Facts:
    """What MTD_MSIL*.xml says. offset: the number to be added before division, by band name."""

    level: str
    satellite: str
    baseline: str
    start: str
    quantification: float
    offset: dict[str, float]
    wavelength: dict[str, tuple[float, float]]


def claims(path: str) -> bool:
    """Whether this is a SAFE folder, or its MTD xml."""
    if os.path.isfile(path):
        return bool(MTD.search(path)) or (IMAGE.search(path) is not None and _above(path) is not None)
    if not os.path.isdir(path):
        return False
    return any(MTD.search(name) for name in os.listdir(path)) or path.rstrip("/").endswith(".SAFE")


def read(path: str) -> list[Layer]:
    """The layers of a SAFE folder, one for each native resolution. Raises FormatError for one without pictures."""
    path = os.path.abspath(path)
    if os.path.isfile(path) and not MTD.search(path):
        product = folder_product(_above(path) or os.path.dirname(path))
        own = os.path.relpath(path, product.root).replace(os.sep, "/")
        return layers(replace(product, names=tuple(n for n in product.names if n == own or MTD.search(n))))
    return layers(folder_product(os.path.dirname(path) if os.path.isfile(path) else path))


def _above(path: str) -> str | None:
    """The product's folder of one of its pictures: the nearest above it with metadata."""
    folder = os.path.dirname(os.path.abspath(path))
    for _ in range(5):
        if not readable(folder):
            return None
        if any(os.path.isfile(os.path.join(folder, f"MTD_MSIL{level}.xml")) for level in ("1C", "2A")):
            return folder
        folder = os.path.dirname(folder)
    return None


def is_safe(product: Product) -> bool:
    """Whether a product's files hold Sentinel-2's metadata."""
    return any(MTD.search(name) for name in product.names)


def layers(product: Product) -> list[Layer]:
    """The layers of a product. Raises FormatError when the pictures are missing."""
    notes: list[str] = []
    problems: list[str] = []
    mtd = next((n for n in product.names if MTD.search(n)), None)
    facts = None if mtd is None else _facts(product, mtd)
    files = _files(product.names)
    if not files:
        named = "" if facts is None else f"metadata of a Sentinel-2{facts.satellite[-1]} {facts.level} product"
        raise FormatError(
            rule="a SAFE folder holds its pictures (GRANULE/*/IMG_DATA)",
            got=f"{product.name}: {named or 'no metadata'}, baseline {facts.baseline if facts else 'unknown'}, and no picture",
            remedy="fetch the whole product",
        )
    if facts is None:
        notes.append("no MTD_MSIL*.xml: the processing baseline is unknown")
        sensor = from_product_name(product.name) or ("sentinel-2-l2a" if "SCL" in files else None)
        return grids(product, files, {}, time=None, sensor=sensor, tags={}, notes=notes)
    bands = _bands(facts, files, notes, problems)
    level = {"Level-1C": "l1c", "Level-2A": "l2a"}.get(facts.level, "l2a" if "L2A" in str(mtd) else "l1c")
    unit = facts.satellite[-1].lower() if facts.satellite.lower().startswith("sentinel-2") else ""
    time = np.array([facts.start.rstrip("Z").split(".")[0]], dtype="datetime64[ns]") if facts.start else None
    tags = {"baseline": facts.baseline, "satellite": facts.satellite, "level": facts.level}
    return grids(
        product, files, bands, time=time, sensor=f"sentinel-2{unit if unit in 'abc' else ''}-{level}", tags=tags,
        notes=notes, problems=problems,
    )  # fmt: skip


def _files(names: Iterable[str]) -> dict[str, str]:
    """{band: file} at the band's native resolution, else at the finest there is."""
    best: dict[str, tuple[int, str]] = {}
    for name in names:
        match = IMAGE.search(name)
        if not match or "/QI_DATA/" in name:
            continue
        band = match[1].upper()
        native = NATIVE.get(band, 20)
        size = int(match[2]) if match[2] else native
        rank = 0 if size == native else size
        if band not in best or rank < best[band][0]:
            best[band] = (rank, name)
    order = [*ORDER, "SCL"]
    return {band: best[band][1] for band in sorted(best, key=lambda b: order.index(b) if b in order else 99)}


def _facts(product: Product, name: str) -> _Facts:
    text = product.text(name)
    if "<!ENTITY" in text:
        raise FormatError(rule="metadata define no entities", got=f"{product.name}/{name}", remedy="fetch it again")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - entities are refused above
    except ElementTree.ParseError as error:
        raise FormatError(
            rule="the product's metadata must be whole", got=f"{product.name}/{name}: {error}", remedy="fetch it again"
        ) from error

    def first(*tags: str) -> str:
        return next(
            (e.text.strip() for t in tags for e in root.iter() if _tag(e) == t and e.text and e.text.strip()), ""
        )

    offset = {}
    for element in root.iter():
        if _tag(element) in ("RADIO_ADD_OFFSET", "BOA_ADD_OFFSET") and element.text:
            place = int(element.attrib.get("band_id", "-1"))
            if 0 <= place < len(ORDER):
                offset[ORDER[place]] = float(element.text)
    quantification = first("BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE")
    return _Facts(
        level=first("PROCESSING_LEVEL"),
        satellite=first("SPACECRAFT_NAME") or "?",
        baseline=first("PROCESSING_BASELINE"),
        start=first("DATATAKE_SENSING_START", "PRODUCT_START_TIME"),
        quantification=float(quantification) if quantification else math.nan,
        offset=offset,
        wavelength=_wavelengths(root),
    )


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _wavelengths(root: ElementTree.Element) -> dict[str, tuple[float, float]]:
    """{band: (centre, width)} nm; the width between the metadata's smallest and greatest wavelength is no FWHM: NaN."""
    found = {}
    for element in root.iter():
        if _tag(element) == "Spectral_Information":
            band = re.sub(r"^B(\d)$", r"B0\1", element.attrib.get("physicalBand", ""))
            centre = next((e.text for e in element.iter() if _tag(e) == "CENTRAL" and e.text), None)
            if centre is not None:
                found[band] = (float(centre), math.nan)
    return found


def _bands(facts: _Facts, files: dict[str, str], notes: list[str], problems: list[str]) -> dict[str, FileBand]:
    """Scale and offset of each band: physical = (stored + offset) / quantification."""
    newer = _number(facts.baseline) >= 4.0
    known = not math.isnan(facts.quantification) and (bool(facts.offset) or not newer)
    said = f"processing baseline {facts.baseline or 'not named'}"
    if facts.offset:
        values = sorted({facts.offset[b] for b in facts.offset})
        notes.append(f"{said}: the metadata add {', '.join(f'{v:g}' for v in values)} before the division by "
                     f"{facts.quantification:g}: applied")  # fmt: skip
    elif known:
        notes.append(f"{said}: no offset; reflectance = stored / {facts.quantification:g}")
    else:
        problems.append(f"{said}, but the metadata name no offset or no quantification value")
    quantity = "toa_reflectance" if facts.level == "Level-1C" else "reflectance"
    out = {}
    for band in files:
        if band == "SCL":
            continue
        centre, _ = facts.wavelength.get(band, (math.nan, math.nan))
        shift = facts.offset.get(band, 0.0) if known else None
        out[band] = FileBand(
            name=band,
            wavelength=None if math.isnan(centre) else centre,
            scale=1.0 / facts.quantification if known else None,
            offset=None if shift is None else shift / facts.quantification,
            nodata=0.0,
            quantity=quantity if known else None,
            units="1" if known else None,
        )
    return out


def _number(baseline: str) -> float:
    try:
        return float(baseline)
    except ValueError:
        return math.inf
