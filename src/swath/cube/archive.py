"""Products as downloaded, opened in place: SAFE .zip, Landsat .tar, and archives of plain rasters. Nothing is unpacked."""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING

from swath.cube import folder
from swath.cube.product import Product, read_product
from swath.cube.zipped import check_zip
from swath.errors import FormatError

if TYPE_CHECKING:
    from swath.cube.layer import Layer

__all__ = ["claims", "read", "start_of"]

_TAR = (".tar", ".tar.gz", ".tgz")
_RASTERS = (".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg")
_TEXTS = (".xml", ".json", ".txt", ".safe")
_TEXT_BYTES = 2**26
_BROKEN = (OSError, zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, ValueError, NotImplementedError)


def claims(path: str) -> bool:
    """Whether this is a tar archive, or a zip that holds no Zarr store."""
    if "://" in path or not os.path.isfile(path):
        return False
    lower = path.lower()
    if lower.endswith(_TAR):
        return True
    if not lower.endswith(".zip"):
        return False
    from swath.cube import zarr

    return not zarr.claims(path)


def read(path: str) -> list[Layer]:
    """Layers of the products in an archive, or of its rasters. Raises FormatError when it is damaged or holds neither."""
    path = os.path.abspath(path)
    zipped = path.lower().endswith(".zip")
    if zipped:
        check_zip(path)
    try:
        names = _names(path, os.stat(path).st_mtime_ns)
    except _BROKEN as error:
        raise _damaged(path, error) from error
    for name in names:
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or "{" in name or "\0" in name:
            raise FormatError(
                rule="members of an archive lie inside it",
                got=f"{path}: a name that leads out",
                remedy="do not use this archive",
            )
    found: list[Layer] = []
    for product in _products(path, names, zipped):
        _refuse_disguised(path, product, zipped)
        found += read_product(product) or []
    if found:
        return found
    whole = Product(_stem(path), _root(path, zipped), names, lambda name: _text(path, name, zipped))
    rasters = [n for n in names if n.lower().endswith(_RASTERS)]
    if not rasters:
        raise FormatError(
            rule="an archive holds a product (SAFE, Landsat), rasters or a Zarr store",
            got=f"{path} with {', '.join(names[:8]) or 'nothing'}",
            remedy="unpack it and give what you mean",
        )
    _refuse_disguised(path, whole, zipped)
    return folder.layers_of_files(path, [whole.path(name) for name in rasters])


def _damaged(path: str, error: object) -> FormatError:
    return FormatError(
        rule="an archive must be whole", got=f"{path}: {error}", remedy="it is damaged or cut short: fetch it again"
    )


def _root(path: str, zipped: bool) -> str:
    return f"/vsi{'zip' if zipped else 'tar'}/{{{path}}}"


def _stem(path: str) -> str:
    name = os.path.basename(path)
    for suffix in (".zip", *sorted(_TAR, key=len, reverse=True)):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


@lru_cache(maxsize=8)
def _names(path: str, version: int) -> tuple[str, ...]:
    """The files inside. A compressed tar is unpacked in passing, up to 200 times its size."""
    if path.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as file:
            return tuple(n for n in file.namelist() if not n.endswith("/"))
    names, total, limit = [], 0, max(2**32, 200 * os.path.getsize(path))
    with tarfile.open(path) as file:
        for member in file:
            total += member.size
            if total > limit:
                raise ValueError(f"it unpacks to more than {limit:,} bytes")
            if member.isfile():
                names.append(member.name.removeprefix("./"))
    return tuple(names)


def _products(path: str, names: tuple[str, ...], zipped: bool) -> list[Product]:
    """A product for each folder at the top; the archive itself where files lie at its top."""
    root = _root(path, zipped)
    tops = {name.split("/")[0] if "/" in name else "" for name in names}
    if "" in tops or len(tops) == 1:
        name = tops.pop() if len(tops) == 1 and "" not in tops else _stem(path)
        return [Product(name, root, names, lambda inner: _text(path, inner, zipped))]
    return [
        Product(top, root, tuple(n for n in names if n.startswith(f"{top}/")), lambda inner: _text(path, inner, zipped))
        for top in sorted(tops)
    ]


def _text(path: str, name: str, zipped: bool) -> str:
    """The text of one metadata file. Raises FormatError when it is damaged or far larger than metadata are."""
    try:
        return _start(path, name, zipped, _TEXT_BYTES).decode("utf-8", "replace")
    except (*_BROKEN, KeyError) as error:
        raise _damaged(f"{path}/{name}", error) from error


def _start(path: str, name: str, zipped: bool, count: int) -> bytes:
    if zipped:
        with zipfile.ZipFile(path) as file, file.open(name) as member:
            return bytes(member.read(count))
    with tarfile.open(path) as packed:
        for spelt in (name, f"./{name}"):
            try:
                extracted = packed.extractfile(spelt)
            except KeyError:
                continue
            if extracted is not None:
                with extracted:
                    return bytes(extracted.read(count))
    raise KeyError(name)


def start_of(inner: str, count: int) -> bytes:
    """The first bytes of a member, by the name that GDAL has for it (`/vsizip/{ARCHIVE}/NAME`). Raises FormatError."""
    path, _, name = inner.partition("{")[2].partition("}/")
    try:
        return _start(path, name, inner.startswith("/vsizip"), count)
    except (*_BROKEN, KeyError) as error:
        raise _damaged(f"{path}/{name}", error) from error


def _refuse_disguised(path: str, product: Product, zipped: bool) -> None:
    """Refuse members named as rasters that are XML: GDAL would follow a VRT to wherever it points."""
    if path.lower().endswith((".tar.gz", ".tgz")):  # every look would unpack it from the start: one pass instead
        _refuse_in_one_pass(path)
        return
    for name in product.names:
        if not name.lower().endswith(_RASTERS):
            continue
        try:
            start = _start(path, name, zipped, 64)
        except (*_BROKEN, KeyError) as error:
            raise _damaged(f"{path}/{name}", error) from error
        _refuse_xml(f"{path}/{name}", start)


def _refuse_in_one_pass(path: str) -> None:
    with tarfile.open(path) as file:
        for member in file:
            if member.isfile() and member.name.lower().endswith(_RASTERS) and (opened := file.extractfile(member)):
                _refuse_xml(f"{path}/{member.name}", opened.read(64))


def _refuse_xml(name: str, start: bytes) -> None:
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise FormatError(
            rule="a raster in an archive holds pixels", got=f"{name}, an XML text", remedy="do not use this archive"
        )
