"""One GDAL environment for the whole house: retries, timeouts, and a bounded cache of handles, one for each thread."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from swath.cube import remote
from swath.errors import FormatError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

__all__ = ["REMOTE", "SETTINGS", "environment", "handle", "is_remote", "open_raster", "retried"]

STRICT = False  # True in the child process for untrusted files: only the drivers of MAGIC, by a file's first bytes
MAGIC = {
    b"II*\0": "GTiff", b"MM\0*": "GTiff", b"II+\0": "GTiff", b"MM\0+": "GTiff", b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG",
    b"\0\0\0\x0cjP  ": "JP2OpenJPEG", b"\xff\x4f\xff\x51": "JP2OpenJPEG",
    b"GRIB": "GRIB",
}  # fmt: skip
ALLOWED = frozenset({*MAGIC.values(), "ENVI", "MEM", "COG"})
# What else GDAL's wheels can open is left out before it is loaded (`harden`): some of it leads to other files or hosts.
LEFT_OUT = (
    "AAIGrid,ACE2,ADRG,AIG,AVCBin,AVCE00,AirSAR,BAG,BIGGIF,BLX,BMP,BSB,BT,BYN,CALS,CEOS,COASP,COSAR,CPG,CTG,CTable2,DAAS,DERIVED,"
    "DIMAP,DIPEx,DOQ1,DOQ2,DTED,ECRGTOC,EEDA,EEDAI,EHdr,EIR,ELAS,ERS,ESAT,ESRI Shapefile,ESRIC,ESRIJSON,FAST,FIT,GDALG,GFF,GIF,"
    "GNMDatabase,GNMFile,GPKG,GRASSASCIIGrid,GS7BG,GSAG,GSBG,GSC,GTI,GTX,GXF,GenBin,GeoJSON,GeoJSONSeq,HDF5,HDF5Image,HF2,HFA,"
    "HTTP,ILWIS,IRIS,ISCE,ISG,ISIS2,ISIS3,JAXAPALSAR,JDEM,KMLSUPEROVERLAY,KRO,L1B,LAN,LCP,LOSLAS,Leveller,MAP,MBTiles,MFF,MFF2,MRF,"
    "MSGN,MVT,Memory,NDF,NGSGEOID,NITF,NOAA_B,NSIDCbin,NTv2,NWT_GRC,NWT_GRD,OSM,OZI,PAux,PCIDSK,PCRaster,PDF,PDS,PDS4,PLMOSAIC,PNM,"
    "PRF,R,RIK,RMF,ROI_PAC,RPFTOC,RRASTER,RS2,RST,Rasterlite,S102,S104,S111,SAFE,SAGA,SAR_CEOS,SDTS,SENTINEL2,SGI,SIGDEM,SNAP_TIFF,"
    "SNODAS,SQLite,SRP,SRTMHGT,STACIT,STACTA,TGA,TIL,TSX,Terragen,TopoJSON,USGSDEM,VICAR,VRT,WCS,WEBP,WMS,WMTS,XPM,XYZ,ZMap,Zarr,"
    "netCDF"
)
HANDLES = 64  # open handles for each thread; a scene of one-band files has about 20
CACHE = 64 << 20  # bytes of decoded blocks in the whole process
SETTINGS: dict[str, Any] = {
    "GDAL_HTTP_MAX_RETRY": 8,
    "GDAL_HTTP_RETRY_DELAY": 0.5,
    "GDAL_HTTP_CONNECTTIMEOUT": 10,
    "GDAL_HTTP_TIMEOUT": 30,
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "VSI_CACHE": True,
    "VSI_CACHE_SIZE": 5_000_000,
    "GDAL_MAX_DATASET_POOL_SIZE": 100,
    "CPL_VSIL_CURL_USE_HEAD": "YES",
}
REMOTE: dict[str, Any] = {**SETTINGS, "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
# Texts of GDAL's transient faults: reading the same bytes again is harmless, so these are tried again.
TRANSIENT = (
    "HTTP response code: 5",
    "HTTP response code: 429",
    "timed out",
    "Timeout",
    "Connection reset",
    "CURL error",
)

T = TypeVar("T")
_local = threading.local()


def is_remote(path: str) -> bool:
    """Whether a path is a URL rather than a file of this machine."""
    return "://" in path


@contextmanager
def environment(path: str = "") -> Iterator[None]:
    """GDAL's settings for reading `path`; remote folders are never listed."""
    import rasterio

    _bound()
    with rasterio.Env(**(REMOTE if is_remote(path) else SETTINGS)):
        yield


def _bound() -> None:
    """Keep GDAL's decoded blocks within CACHE bytes, once: by default it takes a twentieth of the machine's memory."""
    if getattr(_local, "bound", False) or "GDAL_CACHEMAX" in os.environ:
        return
    from rasterio.env import set_gdal_config

    set_gdal_config("GDAL_CACHEMAX", CACHE)
    _local.bound = True


def harden() -> None:
    """For the rest of this process: only the drivers of ALLOWED, each only for files that start like its own."""
    global STRICT
    STRICT = True
    os.environ["GDAL_SKIP"] = LEFT_OUT


def open_raster(path: str, **options: Any) -> DatasetReader:
    """A new rasterio handle. Raises FormatError, in one line, when GDAL cannot read the file."""
    import rasterio
    from rasterio.errors import RasterioIOError

    if STRICT:
        options["driver"] = _driver_of(path)
    if remote.is_object(path):
        remote.check(path)  # GDAL would hide why an object does not open
        options["opener"] = remote.open_range
    try:
        with environment(path), _quiet():
            found = retried(lambda: rasterio.open(path, **{k: v for k, v in options.items() if v is not None}))
    except RasterioIOError as error:
        raise FormatError(
            rule="a raster must open with one of GDAL's drivers",
            got=f"{path}: {error}",
            remedy="check that the file is whole and of a known format",
        ) from error
    if STRICT and found.tags(ns="OVERVIEWS"):
        found.close()
        raise FormatError(
            rule="an untrusted image holds its own overviews", got=path, remedy="write it anew without that tag"
        )
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the noise of rasterio's logger, which fails on GDAL's messages that quote a damaged file's bytes."""
    import sys

    usual = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if "rasterio._env" not in str(unraisable.object):
            usual(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = usual


def _driver_of(path: str) -> str:
    """The one driver that may open an untrusted file."""
    start = _first_bytes(path)
    for magic, driver in MAGIC.items():
        if start.startswith(magic):
            return driver
    if not path.startswith("/vsi"):
        from swath.cube import envi

        if envi.claims(path):
            return "ENVI"
    raise FormatError(
        rule="with --safe images open that are GeoTIFF, JPEG 2000, PNG, JPEG, GRIB or ENVI",
        got=f"{path}, none of them by its first bytes",
        remedy="convert it, or leave --safe out for files that you trust",
    )


def _first_bytes(path: str) -> bytes:
    """The start of a file, or of a member of an archive."""
    if path.startswith("/vsi"):
        from swath.cube.archive import start_of

        return start_of(path, 12)
    with open(path, "rb") as file:
        return file.read(12)


def handle(path: str, **options: Any) -> DatasetReader:
    """The handle of this thread in this process; opened on first use, the least used closed beyond HANDLES.

    A handle is never shared between threads, and never used by a forked child: GDAL's file position is the process's.
    A local file that was replaced since is opened anew.
    """
    cache = _cache()
    key = (path, _version(path), tuple(sorted(options.items())))
    found: DatasetReader | None = cache.get(key)
    if found is not None and not found.closed:
        cache.move_to_end(key)
        return found
    found = open_raster(path, **options)
    cache[key] = found
    while len(cache) > HANDLES:
        cache.popitem(last=False)[1].close()
    return found


def _cache() -> OrderedDict[Any, Any]:
    if getattr(_local, "pid", None) != os.getpid():
        # Handles of a parent process are put aside, not closed: closing them here would disturb the parent.
        _local.inherited = (getattr(_local, "inherited", None), getattr(_local, "handles", None))
        _local.handles, _local.pid = OrderedDict(), os.getpid()
    cache: OrderedDict[Any, Any] = _local.handles
    return cache


def _version(path: str) -> tuple[int, int]:
    try:
        state = os.stat(path)
    except OSError:
        return 0, 0
    return state.st_mtime_ns, state.st_size


def retried(action: Callable[[], T], *, tries: int = 3, wait: float = 0.2) -> T:
    """Do a harmless read again when it fails in a way that passes (network); other errors at once."""
    import time

    from rasterio.errors import RasterioIOError

    for attempt in range(tries):
        try:
            return action()
        except RasterioIOError as error:
            if attempt + 1 == tries or not any(text in str(error) for text in TRANSIENT):
                raise
            time.sleep(wait * 2**attempt)
    raise AssertionError("unreachable")
