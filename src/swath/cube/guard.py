"""What is refused before a byte is decoded: paths that are no plain files, and files that promise more than they hold.

Reading in a child process with limits (`safe=True`) is in `child.py`.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from swath.cube import gdal
from swath.errors import FormatError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

__all__ = ["check_declared", "check_file", "check_path", "leads_out", "readable"]

FOLDERS: tuple[str, ...] = ()  # where the child process for untrusted files may read; anywhere where there are none

# Declared bytes for each byte of the file. Deflate reaches 1032, an honest sparse file of small blocks some 10 000.
RATIO = 1_000_000
SAFE_RATIO = 1_000
BLOCK_BYTES = 2**30
SAFE_BLOCK_BYTES = 2**29
DRIVER_STRING = re.compile(r"^[A-Za-z][A-Za-z0-9_]{2,}:(?!//)")


def check_path(path: str, *, safe: bool = False) -> None:
    """Refuse what is no plain path or URL: GDAL's virtual file systems and driver strings, pipes and devices.

    safe: refuse URLs, and links that lead out of the folder in which they lie. Raises FormatError.
    """
    name = str(path)
    if "\0" in name or name.startswith("/vsi") or name.lstrip().startswith("<"):
        raise FormatError(
            rule="a path names a file, folder or URL, not a virtual file system of GDAL",
            got=repr(name[:80]),
            remedy="give the file itself; archives and s3:// paths open as they are",
        )
    if DRIVER_STRING.match(name) and not os.path.exists(name) and not re.match(r"^[A-Za-z]:[\\/]", name):
        raise FormatError(
            rule="a path names a file, folder or URL, not a driver string of GDAL",
            got=repr(name[:80]),
            remedy="give the file that the string points to",
        )
    if gdal.is_remote(name):
        if safe:
            raise FormatError(
                rule="with --safe only local files open", got=name.split("?")[0], remedy="fetch the file first"
            )
        return
    file, mark, _ = name.rpartition("#")  # FILE#DATASET chooses one dataset of an HDF5 file
    if mark and not os.path.exists(name) and os.path.isfile(file):
        name = file
    try:
        mode = os.stat(name).st_mode
    except OSError as error:
        raise FormatError(
            rule="the path must exist and be readable", got=f"{name}: {error.strerror}", remedy="check the spelling"
        ) from error
    if safe and leads_out(name):
        raise FormatError(
            rule="with --safe a link stays in its folder", got=name, remedy="name the file that it leads to"
        )
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise FormatError(
            rule="a scene is a file or a folder", got=f"{name}, a pipe, socket or device", remedy="give a plain file"
        )


def leads_out(path: str) -> bool:
    """Whether a path is a link that leads out of the folder in which it lies."""
    home = os.path.realpath(os.path.dirname(os.path.abspath(path)))
    return os.path.islink(path) and os.path.commonpath([os.path.realpath(path), home]) != home


def readable(path: str) -> bool:
    """Whether a path lies, all links followed, where this process may read."""
    real = os.path.realpath(path)
    return not FOLDERS or any(real == f or real.startswith(f.rstrip("/") + "/") for f in FOLDERS)


def check_file(path: str, *, safe: bool = False) -> None:
    """Refuse a local file that is empty, or that sends GDAL to other places (safe: any VRT). Raises FormatError."""
    safe = safe or gdal.STRICT
    if gdal.is_remote(path) or not os.path.isfile(path):
        return
    size = os.path.getsize(path)
    if size == 0:
        raise FormatError(rule="a raster file holds something", got=f"{path}, an empty file", remedy="fetch it again")
    with open(path, "rb") as file:
        start = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    # GDAL goes by content, not by name: XML may be a VRT, a web service or a query, whatever the suffix says; and it takes
    # a text for a VRT that has the word anywhere near its start.
    if not start.startswith(b"<") and b"<VRTDataset" not in start:
        return
    if b"<VRTDataset" not in start:
        raise FormatError(
            rule="a raster file holds pixels", got=f"{path}, an XML text", remedy="give the image that it describes"
        )
    if safe:
        raise FormatError(rule="with --safe no VRT opens", got=path, remedy="open the files it names themselves")
    _check_vrt(path, size)


def _check_vrt(path: str, size: int) -> None:
    def refuse(what: str) -> FormatError:
        return FormatError(
            rule="a VRT may only name files beside it or below it",
            got=f"{path}: {what}",
            remedy="open the files it names themselves, or put them beside it with relative names",
        )

    if size > 10_000_000:
        raise refuse(f"{size / 1e6:.0f} MB of text")
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if re.search(r"<!(DOCTYPE|ENTITY)", text):
        raise refuse("document type declarations")
    if re.search(r"<(PixelFunctionCode|PixelFunctionLanguage)", text):
        raise refuse("code in it")
    folder = os.path.realpath(os.path.dirname(path))
    pattern = r"<(SourceFilename|SourceDataset|SourceVRT|SrcDSName)([^>]*)>([^<]*)<"
    for _, attributes, name in re.findall(pattern, text):
        name = name.replace("&amp;", "&").strip()
        relative = re.search(r'relativeToVRT="1"', attributes, flags=re.I) or not os.path.isabs(name)
        if name.startswith("/vsi") or ":" in name.replace(":\\", ""):
            raise refuse(f"points to {name[:80]}")
        full = os.path.realpath(os.path.join(folder, name) if relative else name)
        if os.path.commonpath([full, folder]) != folder:
            raise refuse(f"points to {name[:80]}")


def check_declared(path: str, dataset: DatasetReader, *, safe: bool = False) -> list[str]:
    """Refuse a file whose declared pixels its bytes cannot hold, or that is cut short; say when it is sparse.

    Returns notes. Raises FormatError.
    """
    import numpy as np

    safe = safe or gdal.STRICT
    holder = path.partition("{")[2].partition("}/")[0] if path.startswith("/vsi") else path  # an archive and its member
    if gdal.is_remote(path) or not os.path.isfile(holder) or dataset.driver == "VRT":
        return []
    real = os.path.getsize(holder)
    width = max(2 * np.dtype("c8").itemsize if "complex" in t else np.dtype(t).itemsize for t in dataset.dtypes)
    declared = dataset.width * dataset.height * dataset.count * width
    block = max(h * w for h, w in dataset.block_shapes) * width
    ratio = declared / real
    if declared > 2**30 and (
        ratio > (SAFE_RATIO if safe else RATIO) or block > (SAFE_BLOCK_BYTES if safe else BLOCK_BYTES)
    ):
        raise FormatError(
            rule="a file must be able to hold the pixels that it declares",
            got=f"{path}: {real:,} bytes that declare {dataset.width:,} x {dataset.height:,} x {dataset.count} pixels",
            remedy="the file is damaged or made to do harm; do not use it",
        )
    if dataset.driver == "GTiff" and holder == path:
        _check_blocks(path, dataset, real)
    if declared > 2**30 and ratio > 2 * SAFE_RATIO:
        return [f"a sparse file: {real:,} bytes for {declared / 1e9:.1f} GB of pixels"]
    return []


def _check_blocks(path: str, dataset: DatasetReader, real: int, most: int = 4000) -> None:
    """Whether the TIFF's blocks lie inside the file: a download that was cut short has some beyond its end."""
    height, width = dataset.block_shapes[0]
    down, across = -(-dataset.height // height), -(-dataset.width // width)
    pixel = dataset.profile.get("interleave") == "pixel"
    count = 1 if pixel else dataset.count
    step = max(1, down * across * count // most)
    last = down * across * count - 1
    for k in {*range(0, last + 1, step), last}:
        band, rest = divmod(k, down * across)
        row, column = divmod(rest, across)
        offset = dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=band + 1)
        size = dataset.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=band + 1)
        if offset and size and int(offset) + int(size) > real:
            raise FormatError(
                rule="a raster file must be whole",
                got=f"{path}: {real:,} bytes, but a block ends at byte {int(offset) + int(size):,}",
                remedy="the file was cut short: fetch it again",
            )
