"""What is looked at in a stranger's file or folder before any library opens it: links, declared sizes, codecs, companions.

Used by the child process of `child.py`. Every check raises FormatError in one line.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from swath.cube.guard import check_file, readable
from swath.errors import FormatError

if TYPE_CHECKING:
    import h5py

__all__ = ["READERS", "check", "check_folder", "check_hdf5", "check_zarr", "version_of"]

READERS = frozenset(
    {"packed", "stac", "archive", "zarr", "eopatch", "sentinel-2 SAFE", "landsat", "enmap, desis", "envi", "netcdf"}
    | {"hdf5", "grib", "npy", "picture", "geotiff", "folder"}
)
"""Formats of `formats.FORMATS` that open with safe=True."""
RATIO = 1_000  # declared bytes for each byte there is, beyond SMALL
SMALL = 2**30
CHUNK = 2**28  # bytes of one chunk
CHUNKS = 4_000_000  # declared chunks of one array
MEMBERS = 1_000_000  # files of one folder
OBJECTS = 20_000  # groups and datasets of one file
_TEXT = 16 * 2**20
_CODECS = frozenset(
    {
        "blosc",
        "zlib",
        "gzip",
        "zstd",
        "lz4",
        "lzma",
        "bz2",
        "shuffle",
        "bytes",
        "crc32c",
        "crc32",
        "adler32",
        "transpose",
    }
    | {"sharding_indexed", "delta", "fixedscaleoffset", "quantize", "packbits", "astype", "bitround", "fletcher32"}
    | {"vlen-utf8", "vlen-bytes", "vlen-array", "jenkins_lookup3", "categorize", "zfpy", "pcodec", "json2"}
)
_HDF5 = b"\x89HDF\r\n\x1a\n"
_HDF_SUFFIXES = (".nc", ".nc4", ".h5", ".hdf5", ".he5")
_METADATA = (".zarray", "zarr.json", ".zmetadata")
_BESIDE = (".ovr", ".msk", ".rrd", ".aux", ".aux.xml")
_PRODUCT = re.compile(r"_mtl\.(json|xml|txt)$|metadata\.xml$|^mtd_\w+\.xml$")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_COMPANIONS = re.compile(
    r"(\.aux\.xml|\.aux|\.ovr|\.msk|\.rrd|\.rpb|_rpc\.txt|\.imd|\.hdr|\.json|w|wx|\.wld|\.tab|\.prj)$"
)


def check(path: str) -> str:
    """Refuse what leads elsewhere, declares more than it holds, or is made of parts that run code.

    Returns what tells this state of the file or folder from another. Raises FormatError.
    """
    if not readable(path):
        raise _elsewhere(path, "which lies elsewhere")
    if os.path.isdir(path):
        size, version, notable = check_folder(path)
        for file in notable:
            name = os.path.basename(file).lower()
            if name in _METADATA:
                check_zarr(path, {file: None}, size)
            elif name.endswith(_HDF_SUFFIXES):
                _check_content(file)
            else:
                _check_companion(file)
        return version
    file = path.partition("#")[0] if not os.path.exists(path) else path
    check_file(file, safe=True)
    _check_beside(file)
    _check_content(file)
    return version_of(file)


def version_of(path: str) -> str:
    """What tells this state of a file from another."""
    file = path.partition("#")[0] if "#" in path and not os.path.exists(path) else path
    state = os.stat(file)
    return f"{state.st_dev}.{state.st_ino}.{state.st_mtime_ns}.{state.st_size}"


def _check_content(file: str) -> None:
    with open(file, "rb") as opened:
        start = opened.read(8)
    if start == _HDF5:
        check_hdf5(file)
    elif start[:4] == b"PK\x03\x04" and file.lower().endswith(".zip"):
        _check_zip(file)


def check_folder(path: str, most: int = MEMBERS) -> tuple[int, str, list[str]]:
    """Refuse a folder with links that lead out of it, pipes or devices in it, or more members than a product has.

    Returns the bytes of all files, what tells its state, and the paths of those whose content is to be looked at.
    """
    home = os.path.realpath(path)
    count = size = newest = 0
    waiting: list[str] = [path]
    notable: list[str] = []
    while waiting:
        with os.scandir(waiting.pop()) as members:
            for member in members:
                count += 1
                if count > most:
                    raise FormatError(
                        rule=f"an untrusted folder holds at most {most:,} files", got=path, remedy="name a part of it"
                    )
                if member.is_symlink():
                    _check_link(member.path, home)
                elif member.is_dir(follow_symlinks=False):
                    waiting.append(member.path)
                    continue
                elif not member.is_file(follow_symlinks=False):
                    raise _elsewhere(member.path, "a pipe, socket or device")
                state = member.stat()
                size += state.st_size
                newest = max(newest, state.st_mtime_ns)
                name = member.name.lower()
                if name in _METADATA or name.endswith((*_HDF_SUFFIXES, *_BESIDE)):
                    notable.append(member.path)
    return size, f"{count}.{size}.{newest}", notable


def _check_link(link: str, home: str) -> None:
    real = os.path.realpath(link)
    if os.path.commonpath([real, home]) != home or not os.path.isfile(real):
        raise _elsewhere(link, "a link that leads out")


def _elsewhere(path: str, what: str) -> FormatError:
    return FormatError(
        rule="an untrusted file holds its own numbers, and sends nobody elsewhere",
        got=f"{os.path.basename(path)}, {what}",
        remedy="give the data itself, with nothing linked",
    )


def _check_beside(path: str) -> None:
    """The small files that GDAL looks at beside an image: links that lead out, or overviews and masks that are no TIFF."""
    folder, name = os.path.split(os.path.abspath(path))
    stem = os.path.splitext(name)[0].lower()
    home = os.path.realpath(folder)
    with os.scandir(folder) as members:
        beside = [m for m in members if m.name != name and _goes_with(m.name.lower(), stem)]
    for member in beside:
        if member.is_symlink():
            _check_link(member.path, home)
        _check_companion(member.path)


def _goes_with(name: str, stem: str) -> bool:
    return bool(_PRODUCT.search(name)) or (name.startswith(stem) and bool(_COMPANIONS.search(name)))


def _check_companion(path: str) -> None:
    """An overview or mask beside an image is a TIFF; what its words say names no other file."""
    name = path.lower()
    if not name.endswith(_BESIDE) or not stat.S_ISREG(os.stat(path).st_mode):
        return
    with open(path, "rb") as file:
        start = file.read(_TEXT)
    if not name.endswith(".xml") and start[:4] not in _TIFF:
        raise _elsewhere(path, "no TIFF")
    if name.endswith(".xml") and re.search(rb"OVERVIEW_FILE|SourceFilename|VRTDataset|MASK_FILE|<!", start):
        raise _elsewhere(path, "an XML text that names other files")


def check_hdf5(path: str) -> None:
    """Refuse links and storage outside the file, and datasets that its bytes cannot hold. Raises FormatError."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            size = os.path.getsize(path)
            for name, dataset in _datasets(file, path):
                _check_dataset(path, name, dataset, size)
    except FormatError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise FormatError(
            rule="a NetCDF or HDF file must be whole",
            got=f"{os.path.basename(path)}: {str(error)[:200]}",
            remedy="the file is damaged or cut short: fetch it again",
        ) from error


def _datasets(file: h5py.File, path: str) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every dataset once, whatever loops the groups make."""
    import h5py

    seen: set[Any] = set()
    waiting: list[tuple[str, h5py.Group]] = [("", file)]
    while waiting:
        prefix, group = waiting.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise _elsewhere(path, f"with an external link ({prefix}{name})"[:200])
            if not isinstance(link, h5py.HardLink):
                continue
            key = bytes(h5py.h5o.get_info(group.id, name.encode()).addr.to_bytes(8, "little"))
            if key in seen:
                continue
            seen.add(key)
            if len(seen) > OBJECTS:
                raise FormatError(
                    rule=f"an untrusted file holds at most {OBJECTS:,} datasets",
                    got=os.path.basename(path),
                    remedy="do not use it",
                )
            thing = group[name]
            if isinstance(thing, h5py.Group):
                waiting.append((f"{prefix}{name}/", thing))
            elif isinstance(thing, h5py.Dataset):
                yield f"{prefix}{name}", thing


def _check_dataset(path: str, name: str, dataset: h5py.Dataset, size: int) -> None:
    import h5py

    plan = dataset.id.get_create_plist()
    if plan.get_external_count() or plan.get_layout() == h5py.h5d.VIRTUAL:
        raise _elsewhere(path, f"whose {name} is stored in other files"[:200])
    width = max(1, dataset.dtype.itemsize)
    _check_sizes(os.path.basename(path), name, dataset.shape or (), dataset.chunks, width, size)


def _check_sizes(
    path: str, name: str, shape: tuple[int, ...], chunks: tuple[int, ...] | None, width: int, size: int
) -> None:
    declared = math.prod(int(n) for n in shape) * width
    name = name[:80]
    if declared > SMALL and declared > RATIO * max(1, size):
        raise FormatError(
            rule="a file must be able to hold the pixels that it declares",
            got=f"{path}: {size:,} bytes, of which {name} declares {declared:,}",
            remedy="the file is damaged or made to do harm; do not use it",
        )
    if not chunks:
        return
    piece = math.prod(int(n) for n in chunks) * width
    count = math.prod(-(-int(n) // max(1, int(c))) for n, c in zip(shape, chunks, strict=False))
    if piece > CHUNK or count > CHUNKS or min(chunks) < 1:
        raise FormatError(
            rule=f"chunks of an untrusted array have at most {CHUNK >> 20} MB and are at most {CHUNKS:,}",
            got=f"{path}: {name} has {count:,} of {piece:,} bytes",
            remedy="write it anew with sensible chunks",
        )


def _check_zip(path: str) -> None:
    from swath.cube.zipped import check_zip

    check_zip(path)
    with zipfile.ZipFile(path) as file:
        names = [n for n in file.namelist() if n.rsplit("/", 1)[-1] in (".zarray", "zarr.json", ".zmetadata")]
        texts: dict[str, bytes | None] = {}
        for name in names[:OBJECTS]:
            with file.open(name) as member:
                texts[name] = member.read(_TEXT + 1)
    if texts:
        check_zarr(path, texts, os.path.getsize(path))


def check_zarr(path: str, texts: dict[str, bytes | None], size: int) -> None:
    """Refuse arrays of codecs that are not known here, chunks too large or too many, and metadata that cannot be.

    texts: {name: content, or None for a file to be read}; size: bytes of the whole store. Raises FormatError.
    """
    for name, given in texts.items():
        if given is None:
            with open(name, "rb") as file:
                given = file.read(_TEXT + 1)
        try:
            if len(given) > _TEXT:
                raise ValueError(f"more than {_TEXT >> 20} MB")
            record = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise FormatError(
                rule="metadata of a Zarr store are JSON",
                got=f"{os.path.basename(name)}: {type(error).__name__}",
                remedy="the store is damaged: fetch it again",
            ) from error
        for array in _arrays(record):
            _check_array(path, array, size)


def _arrays(record: Any) -> Iterator[dict[str, Any]]:
    """The records of arrays in one metadata file, those of consolidated metadata among them."""
    if not isinstance(record, dict):
        return
    if "shape" in record:
        yield record
    inner = record.get("consolidated_metadata")
    for holder in (record.get("metadata"), inner.get("metadata") if isinstance(inner, dict) else None):
        if isinstance(holder, dict):
            yield from (one for one in holder.values() if isinstance(one, dict) and "shape" in one)


def _check_array(path: str, array: dict[str, Any], size: int) -> None:
    name = os.path.basename(path)
    codecs = [array.get("compressor"), *(array.get("filters") or []), *_nested(array.get("codecs") or [])]
    for codec in codecs:
        told = str(codec.get("id") or codec.get("name")) if isinstance(codec, dict) else codec
        if told is not None and str(told).removeprefix("numcodecs.") not in _CODECS:
            raise _elsewhere(path, f"an array packed by {str(told)[:40]!r}, which is not known here")
    grid = array.get("chunk_grid")
    chunks = array.get("chunks")
    if isinstance(grid, dict):
        chunks = (grid.get("configuration") or {}).get("chunk_shape")
    try:
        shape = tuple(int(n) for n in array["shape"])
        parts = tuple(int(n) for n in chunks) if chunks else None
    except (TypeError, ValueError) as error:
        raise _elsewhere(path, "an array whose shape is none") from error
    _check_sizes(name, "an array", shape, parts, _width(array), size)


def _nested(codecs: Any) -> list[Any]:
    """Codecs of version 3, and those inside shards."""
    out: list[Any] = []
    for codec in codecs if isinstance(codecs, list) else [codecs]:
        out.append(codec)
        inner = codec.get("configuration") if isinstance(codec, dict) else None
        if isinstance(inner, dict) and len(out) < 100:
            out += _nested(inner.get("codecs") or []) + _nested(inner.get("index_codecs") or [])
    return out


def _width(array: dict[str, Any]) -> int:
    """Bytes of one number: from `<f4`, `float32`, `complex128`; of anything else 8."""
    told = array.get("dtype") or array.get("data_type")
    if isinstance(told, str):
        if match := re.fullmatch(r"[<>|]?[a-zA-Z](\d+)", told):
            return max(1, int(match[1]))
        if match := re.fullmatch(r"[a-z]+(\d+)", told):
            return max(1, int(match[1]) // 8)
        return 1 if told == "bool" else 8
    return 8
