"""Whether a file or folder keeps to itself: what its bytes, its members and the files beside it make a reader open.

Libraries follow what files say: a VRT names its sources, a GeoJSON the page that defines its CRS, a GeoPackage other tables,
an image its overviews. Through a door that others reach, such files are refused, whatever their names.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swath.doors.roots import Roots
from swath.errors import FormatError, SwathError
from swath.tools.job import FILES

__all__ = ["named", "straight"]

_KINDS = (
    (b"II*\0", "tiff"), (b"MM\0*", "tiff"), (b"II+\0", "tiff"), (b"MM\0+", "tiff"), (b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpeg"),
    (b"\0\0\0\x0cjP  ", "jp2"), (b"\xff\x4f\xff\x51", "jp2"), (b"\x89HDF\r\n\x1a\n", "hdf5"), (b"CDF", "netcdf"),
    (b"\x93NUMPY", "npy"), (b"PK\x03\x04", "zip"), (b"\x1f\x8b", "gzip"), (b"SQLite format 3\0", "sqlite"), (b"PAR1", "parquet"),
    (b"\0\0\x27\x0a", "shapefile"), (b"fgb", "flatgeobuf"), (b"GRIB", "grib"), (b"\x0e\x03\x13\x01", "hdf4"),
)  # fmt: skip
_TEXTS = (
    ".json",
    ".geojson",
    ".csv",
    ".tsv",
    ".txt",
    ".jsonl",
    ".ndjson",
    ".topojson",
    ".hdr",
    ".toml",
    ".md",
    ".html",
    ".log",
)
_RASTERS = (
    ".tif",
    ".tiff",
    ".png",
    ".jpg",
    ".jpeg",
    ".jp2",
    ".j2k",
    ".img",
    ".bil",
    ".bip",
    ".bsq",
    ".asc",
    ".dat",
    ".npy",
)
_CHAIN = re.compile(rb"gdal_streamed_alg|<VRTDataset|<OGRVRT|STACTA|\"proj:transform\"", re.I)
_SHAPE_MEMBERS = (
    ".shp",
    ".shx",
    ".dbf",
    ".prj",
    ".cpg",
    ".qix",
    ".sbn",
    ".sbx",
    ".shp.xml",
    ".qml",
    ".qmd",
    ".sld",
    ".txt",
)
_MODULES = re.compile(r"\bvirtual\s+table\b(?!.*\busing\s+\"?(rtree|rtree_i32|fts[345]|geopoly)\"?\b)", re.I | re.S)
_SCANNED = 4 * 2**20
_LONGEST = 64 * 2**20
_BRACKETS = 2_000_000
_UNPACKED = 256 * 2**20
_MEMBERS = 1_000_000


def straight(path: Path, roots: Roots, *, scene: bool = True, runs: bool = True) -> None:
    """Refuse what sends a reader elsewhere. Raises FormatError.

    scene: the file is opened by the guarded reader for scenes. runs: a run.json must name nothing outside.
    """
    if path.is_dir():
        _folder(path, roots, scene, runs)
        return
    _file(path, roots, scene=scene)
    _beside(path, roots)
    if path.name == "run.json" and runs:
        _own(path, roots)


def named(arguments: Mapping[str, Any]) -> None:
    """The same for the files that a command with --safe names beside its scenes: labels, maps, models. Raises FormatError."""
    from swath.cube.guard import leads_out

    for name, value in arguments.items():
        if name not in FILES or name in ("paths", "scenes", "since", "run", "replay"):
            continue
        for one in value if isinstance(value, (list, tuple)) else [value]:
            path = Path(str(one).partition("#")[0]) if isinstance(one, (str, Path)) else None
            if path is None or not path.exists():
                continue
            if leads_out(str(path)):
                raise FormatError(
                    rule="with --safe a link stays in its folder",
                    got=str(path),
                    remedy="name the file that it leads to",
                )
            folder = path.resolve() if path.is_dir() else path.resolve().parent
            straight(path.resolve(), Roots([folder]), scene=False, runs=False)


def _refused(path: Path, roots: Roots, why: str = "") -> FormatError:
    return FormatError(
        rule="files hold their own pixels and rows, and send nobody elsewhere",
        got=f"{roots.name(path)}{f', {why}' if why else ''}",
        remedy="give the data itself",
    )


def _folder(path: Path, roots: Roots, scene: bool, runs: bool) -> None:
    """Every link in a folder stays in it; what looks like an image is one; its run.json names nothing outside."""
    from swath.cube.untrusted import check_zarr

    count = size = 0
    arrays: dict[str, bytes | None] = {}
    waiting = [os.fspath(path)]
    while waiting:
        with os.scandir(waiting.pop()) as members:
            for member in members:
                count += 1
                if count > _MEMBERS:
                    raise _refused(path, roots, f"more than {_MEMBERS:,} files")
                inner = Path(member.path)
                if member.is_symlink() and not _within(inner, path):
                    raise _refused(path, roots, "a link that leads out")
                if member.is_dir(follow_symlinks=False):
                    waiting.append(member.path)
                    continue
                if not member.is_file():
                    raise _refused(path, roots, "a pipe, socket or device")
                size += member.stat().st_size
                if member.name in (".zarray", "zarr.json", ".zmetadata"):
                    arrays[member.path] = None
                if member.name == "run.json" and runs:
                    _own(inner, roots)
                elif member.name.lower().endswith((*_RASTERS, ".vrt", ".wms", ".aux.xml", ".ovr", ".msk", ".gpkg")):
                    _file(inner, roots, scene=scene)
    if not scene:  # the guarded reader looks for itself
        check_zarr(str(path), arrays, size)


def _file(path: Path, roots: Roots, *, scene: bool) -> None:
    with open(path, "rb") as file:
        start = file.read(4096)
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n\x0b\x0c")
    kind = next((name for magic, name in _KINDS if start.startswith(magic)), "")
    name = path.name.lower()
    if name.endswith(".aux.xml"):
        if re.search(rb"OVERVIEW_FILE|SourceFilename|VRTDataset|MASK_FILE|<!", path.read_bytes()[:_SCANNED]):
            raise _refused(path, roots)
        return
    if (
        text.startswith(b"<")
        or (not kind and b"<VRTDataset" in start)
        or name.endswith((".vrt", ".wms", ".gdalg.json"))
    ):
        raise _refused(path, roots)
    if name.endswith((".ovr", ".msk")) and kind != "tiff":
        raise _refused(path, roots)
    if kind == "tiff" and not scene:  # the guarded reader looks for itself
        _tiff(path, roots)
    elif kind == "sqlite":
        _sqlite(path, roots)
    elif kind == "gzip" and not scene:
        _gzip(path, roots)
    elif kind == "zip" and not scene:
        _zip(path, roots)
    elif not kind and name.endswith(_TEXTS):
        _text(path, roots)
    elif not kind and not scene and name.endswith(_RASTERS) and not _plain_numbers(path, start):
        raise _refused(path, roots, "no image by its first bytes")  # headers in words name other files


def _plain_numbers(path: Path, start: bytes) -> bool:
    """Whether this is a grid of numbers in words, or bare numbers with an ENVI header beside them."""
    from swath.cube import envi

    words = rb"(?i)ncols|nrows|[xy]ll(?:corner|center)|cellsize|d[xy]|nodata_value|nan|[\s\d.eE+\-]"
    return re.sub(words, b"", start[:512]) == b"" or envi.claims(str(path))


def _tiff(path: Path, roots: Roots) -> None:
    """An image's own tags may name a file that GDAL takes for its overviews."""
    from swath.cube import gdal

    try:
        with gdal.open_raster(str(path), driver="GTiff") as dataset:
            if dataset.tags(ns="OVERVIEWS") or dataset.tags(ns="PROXY_OVERVIEW_REQUEST"):
                raise _refused(path, roots)
    except SwathError as error:
        if "send nobody elsewhere" in error.rule:
            raise
        return  # damaged: its reader says so in its own words


def _text(path: Path, roots: Roots) -> None:
    """GDAL's pipelines, and coordinate systems that are to be fetched."""
    with open(path, "rb") as file:
        found = file.read(_SCANNED)
        file.seek(max(len(found), os.path.getsize(path) - 65536))
        found += file.read(65536)
    if _CHAIN.search(found) and not path.name.lower().endswith((".csv", ".md", ".html", ".log")):
        raise _refused(path, roots)
    from swath.sample.linked import linked_crs

    if os.path.getsize(path) > _LONGEST:
        raise _refused(path, roots, f"a text of more than {_LONGEST >> 20} MB")
    if path.name.lower().endswith("json"):
        with open(path, "rb") as file:
            count = sum(chunk.count(b"[") for chunk in iter(lambda: file.read(2**20), b""))
        if count > _BRACKETS:
            raise _refused(path, roots, f"more than {_BRACKETS:,} lists in one text")
    with open(path, "rb") as file:
        if path.name.lower().endswith("json") and linked_crs(file):
            raise _refused(path, roots, "a coordinate system to be fetched")


def _sqlite(path: Path, roots: Roots) -> None:
    """Tables of GeoPackages that are windows onto other files."""
    try:
        with sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True) as opened:
            rows = opened.execute("select sql from sqlite_master where sql is not null limit 20000").fetchall()
        opened.close()
    except sqlite3.Error:
        raise _refused(path, roots, "damaged") from None
    if any(str(sql).lstrip().lower().startswith("create view") for (sql,) in rows) and path.suffix.lower() == ".gpkg":
        raise _refused(path, roots, "a table that is a question")
    for (sql,) in rows:
        if _MODULES.search(str(sql)):
            raise _refused(path, roots, "a table of other files")


def _gzip(path: Path, roots: Roots) -> None:
    """A gzip beside the scenes unpacks to what labels need."""
    import gzip
    import zlib

    limit = max(_UNPACKED, 100 * os.path.getsize(path))
    read = 0
    try:
        with gzip.open(path) as file:
            while chunk := file.read(2**20):
                read += len(chunk)
                if read > min(limit, 2**30):
                    raise _refused(path, roots, f"which unpacks to more than {min(limit, 2**30) >> 20} MB")
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, SwathError):
            raise
        return  # damaged: its reader says so in its own words


def _zip(path: Path, roots: Roots) -> None:
    """A zip that is no scene holds a shapefile, or one file of labels; its members keep to themselves as well."""
    from swath.sample.linked import linked_crs

    try:
        with zipfile.ZipFile(path) as file:
            members = [m for m in file.infolist() if not m.is_dir()]
            names = [m.filename for m in members]
            if len(names) > 64 or any(n.startswith("/") or ".." in n.split("/") for n in names):
                raise _refused(path, roots)
            good = [n for n in names if n.lower().endswith((*_SHAPE_MEMBERS, ".npy", ".csv", ".geojson", ".gpkg"))]
            if good != names:
                raise _refused(path, roots, "members of other kinds")
            for member in members:
                with file.open(member) as opened:
                    start = opened.read(_SCANNED)
                xml = start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
                if xml and not member.filename.lower().endswith((".shp.xml", ".qml", ".qmd", ".sld")):
                    raise _refused(path, roots)
                if _CHAIN.search(start) or start.startswith(b"SQLite"):
                    raise _refused(path, roots)
                with file.open(member) as opened:
                    if linked_crs(opened):
                        raise _refused(path, roots)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, SwathError):
            raise
        raise _refused(path, roots, "damaged") from error


def _beside(path: Path, roots: Roots) -> None:
    """Files that go with this one (the other parts of a shapefile, overviews, headers) are no links out of the roots."""
    stem = path.name.split(".")[0].lower()
    with os.scandir(path.parent) as members:
        near = [m for m in members if m.name != path.name and m.name.lower().startswith(stem)]
    for member in near:
        if member.is_symlink():
            real = Path(os.path.realpath(member.path))
            if not any(root in real.parents for root in roots.folders):
                raise _refused(path, roots, "a link beside it that leads out")
        name = member.name.lower()
        if name.startswith(path.name.lower()) and name.endswith((".aux.xml", ".ovr", ".msk")) and member.is_file():
            _file(Path(member.path), roots, scene=True)


def _within(link: Path, folder: Path) -> bool:
    try:
        return folder in link.resolve(strict=True).parents
    except (OSError, RuntimeError):
        return False


def _own(run: Path, roots: Roots) -> None:
    """Every path that a run.json names lies inside the roots; else it would read what its reader may not."""
    try:
        if run.stat().st_size > 64 * 2**20:
            raise ValueError
        record = json.loads(run.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(rule="a run.json is JSON", got=roots.name(run), remedy="name a run of swath") from error
    for text in _texts([record.get("arguments"), record.get("inputs")] if isinstance(record, dict) else record):
        if text.startswith("/") or "://" in text or ".." in Path(text).parts:
            roots.admit(text)


def _texts(value: Any) -> list[str]:
    found: list[str] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, (dict, list)):
            waiting += one.values() if isinstance(one, dict) else one
    return found
