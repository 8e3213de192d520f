"""EnMAP and DESIS products: a spectral image and the METADATA.XML beside it, which holds centres, widths, gain and offset.

Sources: DLR, EnMAP HSI Level 1B/1C/2A Product Specification EN-PCV-ICD-2009-2; DLR/Teledyne, DESIS Data Products format
specification (element bandCharacterisation of both).
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from xml.etree import ElementTree

from swath.cube import geotiff
from swath.cube.layer import FileBand, Layer
from swath.earth.sensor import from_product_name
from swath.errors import FormatError

__all__ = ["claims", "read"]

IMAGE = re.compile(r"(ENMAP\d\d|DESIS-HSI).*-SPECTRAL_IMAGE(_VNIR|_SWIR)?\.(tif|tiff)$", re.I)


def claims(path: str) -> bool:
    """Whether this is the spectral image of a product with its metadata beside it, or the folder of one."""
    image = _image(path)
    return image is not None and _metadata(image) is not None


def _image(path: str) -> str | None:
    if os.path.isfile(path):
        return path if IMAGE.search(os.path.basename(path)) else None
    if not os.path.isdir(path):
        return None
    found = [n for n in sorted(os.listdir(path)) if IMAGE.search(n)]
    return os.path.join(path, found[0]) if len(found) == 1 else None


def _metadata(image: str) -> str | None:
    stem = re.split(r"-SPECTRAL_IMAGE", os.path.basename(image), flags=re.I)[0]
    folder = os.path.dirname(image) or "."
    wanted = f"{stem}-METADATA.XML".lower()
    return next((os.path.join(folder, n) for n in os.listdir(folder) if n.lower() == wanted), None)


def read(path: str) -> list[Layer]:
    """The image with its bands told. Raises FormatError when the metadata are damaged or of another number of bands."""
    image = os.path.abspath(_image(path) or path)
    name = _metadata(image) or ""
    told = _bands(name)
    (layer,) = geotiff.read(image)
    if len(told) != len(layer.bands):
        raise FormatError(
            rule="metadata and image have the same bands",
            got=f"{len(told)} in {os.path.basename(name)}, {len(layer.bands)} in the image",
            remedy="fetch the product again",
        )
    sensor = from_product_name(os.path.basename(image))
    surface = "L2A" in os.path.basename(image)
    rule = (
        ("reflectance", "1")
        if surface
        else ("radiance", "W m-2 sr-1 nm-1" if "ENMAP" in image else "mW cm-2 sr-1 um-1")
    )
    bands = tuple(
        replace(t, nodata=b.nodata if b.nodata is not None else t.nodata, quantity=rule[0], units=rule[1])
        for b, t in zip(layer.bands, told, strict=True)
    )
    note = f"wavelengths, gain and offset of {len(bands)} bands from {os.path.basename(name)}"
    return [replace(layer, bands=bands, sensor=sensor, notes=(*layer.notes, note))]


def _bands(name: str) -> list[FileBand]:
    """The bands of the element bandCharacterisation, in its order."""
    with open(name, encoding="utf-8", errors="replace") as file:
        text = file.read(50_000_000)
    try:
        if "<!ENTITY" in text:
            raise ElementTree.ParseError("entities in it")
        root = ElementTree.fromstring(text)  # noqa: S314 - entities are refused above
        out: list[FileBand] = []
        for part in (e for group in root.iter() if _tag(group) == "bandcharacterisation" for e in group):
            facts = {_tag(e): float(e.text) for e in part if e.text and _number(e.text)}
            if "wavelengthcenterofband" not in facts:
                continue
            out.append(
                FileBand(
                    name=f"band_{len(out) + 1}",
                    wavelength=facts["wavelengthcenterofband"],
                    fwhm=facts.get("fwhmofband", facts.get("wavelengthwidthofband")),
                    scale=facts.get("gainofband"),
                    offset=facts.get("offsetofband"),
                )
            )
    except ElementTree.ParseError as error:
        raise FormatError(
            rule="the product's metadata must be whole", got=f"{name}: {error}", remedy="fetch it again"
        ) from error
    return out


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2].lower()


def _number(text: str) -> bool:
    return re.fullmatch(r"\s*[-+]?[\d.]+([eE][-+]?\d+)?\s*", text) is not None
