"""ENVI images: a header of text beside a file of numbers. Wavelengths, widths, bad bands and scale from the header."""

from __future__ import annotations

import os
import re
from dataclasses import replace

from swath.cube import gdal
from swath.cube.geotiff import layer_of
from swath.cube.layer import FileBand, Layer
from swath.errors import FormatError

__all__ = ["claims", "header", "read"]

SUFFIXES = ("", ".img", ".dat", ".bin", ".bsq", ".bil", ".bip", ".raw", ".envi", ".sli", ".slb", ".esl")


def claims(path: str) -> bool:
    """Whether this is an ENVI header, or a file with one beside it."""
    if not os.path.isfile(path):
        return False
    return _header_of(path) is not None


def _header_of(path: str) -> str | None:
    """The ENVI header of a file, or the file itself when it is one."""
    if path.lower().endswith(".hdr"):
        return path if _is_header(path) else None
    stem, suffix = os.path.splitext(path)
    if suffix.lower() not in SUFFIXES:
        return None
    for name in (path + ".hdr", stem + ".hdr", path + ".HDR", stem + ".HDR"):
        if os.path.isfile(name) and _is_header(name):
            return name
    return None


def _is_header(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"ENVI"


def header(path: str) -> dict[str, str]:
    """The fields of an ENVI header, names in lower case, lists without braces."""
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read(20_000_000)
    fields = {}
    for match in re.finditer(r"^\s*([A-Za-z][^=\n{]*?)\s*=\s*(\{[^}]*\}|[^\n]*)", text, flags=re.M):
        fields[match[1].strip().lower()] = match[2].strip().strip("{}").strip()
    return fields


def read(path: str) -> list[Layer]:
    """The image. Raises FormatError for a spectral library, or a header without its numbers."""
    path = os.path.abspath(path)
    name = _header_of(path) or path
    fields = header(name)
    if "library" in fields.get("file type", "").lower():
        raise FormatError(
            rule="swath opens ENVI images, not spectral libraries",
            got=f"{path}: {fields.get('lines', '?')} spectra of {fields.get('samples', '?')} bands, no picture",
            remedy="give an image; a library has no places to map",
        )
    image = _image_of(path, name)
    if not os.path.getsize(image):
        raise FormatError(rule="a raster file holds something", got=f"{image}, an empty file", remedy="fetch it again")
    _check_size(image, fields)
    dataset = gdal.handle(image)
    layer = layer_of(image, dataset)
    return [replace(layer, bands=_bands(layer.bands, fields), tags=layer.tags, notes=_notes(layer.notes, fields))]


def _image_of(path: str, name: str) -> str:
    if path != name:
        return path
    stem = name[:-4]
    for suffix in SUFFIXES:
        if os.path.isfile(stem + suffix) and stem + suffix != name:
            return stem + suffix
    raise FormatError(
        rule="an ENVI header lies beside its image",
        got=f"{name} alone",
        remedy=f"put the image beside it as {stem}.img",
    )


def _check_size(image: str, fields: dict[str, str]) -> None:
    """Refuse a file that is shorter than its header says: GDAL would read zeros beyond its end."""
    width = {"1": 1, "2": 2, "3": 4, "4": 4, "5": 8, "6": 8, "9": 16, "12": 2, "13": 4, "14": 8, "15": 8}
    try:
        count = int(fields["samples"]) * int(fields["lines"]) * int(fields["bands"])
        need = count * width[fields["data type"]] + int(fields.get("header offset", "0") or 0)
    except (KeyError, ValueError):
        return
    if fields.get("file compression", "0") == "0" and os.path.getsize(image) < need:
        raise FormatError(
            rule="a raster file must be whole",
            got=f"{image}: {os.path.getsize(image):,} bytes of {need:,}",
            remedy="the file was cut short: fetch it again",
        )


def _list(fields: dict[str, str], name: str, n: int) -> list[str]:
    values = [v.strip() for v in fields.get(name, "").split(",") if v.strip()]
    return values if len(values) == n else []


def _bands(bands: tuple[FileBand, ...], fields: dict[str, str]) -> tuple[FileBand, ...]:
    n = len(bands)
    unit = fields.get("wavelength units", "").lower()
    waves, widths = _list(fields, "wavelength", n), _list(fields, "fwhm", n)
    names, gains = _list(fields, "band names", n), _list(fields, "data gain values", n)
    shifts = _list(fields, "data offset values", n)
    factor = 1000.0 if unit.startswith("micro") or unit == "um" else 1.0
    if not unit and waves and float(waves[0]) < 100:
        factor = 1000.0
    scale = fields.get("reflectance scale factor", "")
    nodata = fields.get("data ignore value")
    out = []
    for i, band in enumerate(bands):
        wave = float(waves[i]) * factor if waves and not unit.startswith(("index", "unknown")) else band.wavelength
        out.append(
            replace(
                band,
                name=re.sub(r"\s+", "_", re.sub(r"\s*\(.*\)$", "", names[i])) if names else f"band_{i + 1}",
                description=names[i] if names else "",
                wavelength=wave,
                fwhm=float(widths[i]) * factor if widths else band.fwhm,
                scale=float(gains[i]) if gains else 1.0 / float(scale) if scale else band.scale,
                offset=float(shifts[i]) if shifts else 0.0 if scale else band.offset,
                quantity="reflectance" if scale else None,
                nodata=float(nodata) if nodata else band.nodata,
            )
        )
    seen: dict[str, int] = {}
    for i, band in enumerate(out):
        seen[band.name] = seen.get(band.name, 0) + 1
        if seen[band.name] > 1:
            out[i] = replace(band, name=f"{band.name}#{seen[band.name]}")
    return tuple(out)


def _notes(notes: tuple[str, ...], fields: dict[str, str]) -> tuple[str, ...]:
    more = list(notes)
    bad = [i + 1 for i, v in enumerate(fields.get("bbl", "").split(",")) if v.strip() in ("0", "0.0")]
    if bad:
        more.append(
            f"the header marks {len(bad)} bands as bad: {', '.join(map(str, bad[:10]))}{' ...' if len(bad) > 10 else ''}"
        )
    return tuple(more)
