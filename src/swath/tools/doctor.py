"""What is slow or broken in a file or in the installation, and how to mend it: the verb `doctor`."""

from __future__ import annotations

import html
import os
import platform
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swath.errors import FormatError
from swath.tools.job import Progress

__all__ = ["Checkup", "doctor"]

EXTRAS = {
    "demo": ("tensorly",), "nn": ("torch", "safetensors", "einops"), "stac": ("pystac_client",),
    "s3": ("obstore",), "dask": ("dask", "distributed"), "hdf4": ("pyhdf",), "parquet": ("pyarrow",),
    "clouds": ("s2cloudless",), "codec": ("imagecodecs", "av"),
}  # fmt: skip
CORE = (
    "numpy", "scipy", "pandas", "xarray", "rasterio", "pyproj", "shapely", "geopandas", "pyogrio", "odc-geo", "zarr",
    "h5netcdf", "scikit-learn", "scikit-image", "spyndex", "matplotlib",
)  # fmt: skip
STRAY = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GDAL_NUM_THREADS", "GDAL_CACHEMAX")
SIDE = 256  # pixels of a training window


@dataclass(frozen=True, slots=True)
class Checkup:
    """facts: what was found; advice: what to do, the worst first; empty advice means nothing is wrong."""

    subject: str
    facts: dict[str, Any] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether there is nothing to mend."""
        return not self.advice

    def to_json(self) -> dict[str, Any]:
        """The object that `swath doctor --json` prints."""
        return {"subject": self.subject, "healthy": self.healthy, "facts": self.facts, "advice": self.advice}

    def __str__(self) -> str:
        lines = [self.subject, *(f"  {k:<22} {_words(v)}" for k, v in self.facts.items())]
        lines += [f"  MEND  {text}" for text in self.advice] or ["  nothing to mend"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{html.escape(k)}</th><td>{html.escape(_words(v))}</td></tr>" for k, v in self.facts.items()
        )
        advice = "".join(f"<li>{html.escape(text)}</li>" for text in self.advice)
        return f"<table><caption>{html.escape(self.subject)}</caption>{rows}</table><ul>{advice}</ul>"


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return ", ".join(str(v) for v in value) if isinstance(value, (list, tuple)) else str(value)


def doctor(file: Path | None = None, *, progress: Progress | None = None) -> Checkup:
    """Say what is slow or broken in a raster, or without one in this installation, and how to mend it.

    Args:
        file: A raster; without it the installation is looked at.
        progress: Called with (done, total, what).

    Returns:
        Facts and advice.

    Raises:
        FormatError: The file cannot be read as a raster at all.

    Examples:
        swath doctor
        swath doctor scene.tif --json
    """
    if file is None:
        return _installation()
    from swath.cube.packed import claims

    return _packed(Path(file), progress) if claims(str(file)) else _file(Path(file), progress)


def _packed(path: Path, progress: Progress | None) -> Checkup:
    """A packed file: every chunk is decoded; those that are damaged are named."""
    from swath.cube.packed import open_packed

    file = open_packed(path)
    grids, told = file.header.grids, file.certificate
    facts: dict[str, Any] = {
        "packed": f"{file.size:,} bytes, {len(file.index)} chunks, by swath {file.header.swath}",
        "grids": [" x ".join(str(n) for n in g.shape) + f" {g.dtype}, chunks of {g.chunk}" for g in grids],
        "promised": str(file.header.promise.get("words", "")),
        "measured when packed": f"largest error {told.get('max_error_stored')} in stored numbers, "
        f"PSNR {told.get('psnr_db')} dB ({told.get('peak')})",
    }
    advice: list[str] = []
    began = time.perf_counter()
    for number in range(len(file.index)):
        if progress is not None:
            progress(number, len(file.index), "decoding")
        try:
            file.decoded(number)
        except FormatError as error:
            advice.append(
                f"{error.got}: fetch or copy the file again; what else it holds can still be read with --area"
            )
    facts["decoded"] = (
        f"{len(file.index) - len(advice)} of {len(file.index)} chunks in {time.perf_counter() - began:.2f} s"
    )
    return Checkup(str(path), facts, advice)


def _installation() -> Checkup:
    facts: dict[str, Any] = {}
    advice: list[str] = []
    from swath import __version__

    facts["swath"] = __version__
    facts["python"] = f"{platform.python_version()} ({sys.executable})"
    facts["packages"] = {name: _version(name) for name in CORE}
    missing = [name for name in CORE if _version(name) == "missing"]
    if missing:
        advice.append(f"packages missing: {', '.join(missing)}: pip install --force-reinstall swath")
    facts["gdal"] = _gdal(advice)
    facts["proj"] = _proj(advice)
    facts["extras"] = {name: "yes" if all(_there(m) for m in modules) else "no" for name, modules in EXTRAS.items()}
    facts["cores"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = {k: os.environ[k] for k in THREADS if k in os.environ}
    facts["set threads"] = threads or "none set"
    if _there("torchvision"):
        advice.append(
            "torchvision is installed: beside a CPU-only torch it often fails to load and takes torchmetrics, timm and "
            "others with it; swath never needs it: pip uninstall torchvision"
        )
    for name in STRAY:
        if value := os.environ.get(name):
            advice.append(f"{name}={value} points GDAL or PROJ at another installation's data: unset {name}")
    return Checkup("this installation", facts, advice)


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _there(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _gdal(advice: list[str]) -> str:
    try:
        import rasterio
    except ImportError as error:
        advice.append(f"rasterio does not load ({error}): pip install --force-reinstall rasterio")
        return "does not load"
    return f"{rasterio.__gdal_version__} (rasterio {rasterio.__version__})"


def _proj(advice: list[str]) -> str:
    """Whether a transform between two CRSs works, in rasterio's PROJ and in pyproj's."""
    try:
        from pyproj import Transformer
        from rasterio.warp import transform

        x, _ = Transformer.from_crs("EPSG:4326", "EPSG:32632", always_xy=True).transform(9.0, 45.0)
        (x2,), _ = transform("EPSG:4326", "EPSG:32632", [9.0], [45.0])
    except Exception as error:
        advice.append(
            f"coordinates cannot be transformed ({type(error).__name__}: {error}): unset PROJ_LIB and PROJ_DATA"
        )
        return "broken"
    if abs(x - x2) > 1e-3:
        advice.append("pyproj and rasterio disagree about EPSG:32632: reinstall both from wheels")
    return "transforms"


def _file(path: Path, progress: Progress | None) -> Checkup:
    from swath.cube import gdal
    from swath.cube.guard import check_declared, check_file, check_path

    check_path(str(path))
    if path.is_dir():
        return _folder(path)
    check_file(str(path))
    dataset = gdal.handle(os.path.abspath(path))
    if not dataset.count:
        raise FormatError(
            rule="doctor looks at rasters", got=f"{path}, a container without bands", remedy="swath info FILE"
        )
    notes = check_declared(os.path.abspath(path), dataset)
    height, width = dataset.block_shapes[0]
    blocks = -(-dataset.height // height) * -(-dataset.width // width)
    facts: dict[str, Any] = {
        "driver": dataset.driver,
        "size": f"{dataset.height:,} x {dataset.width:,} pixels, {dataset.count} bands of {dataset.dtypes[0]}",
        "file": f"{path.stat().st_size / 1e6:,.1f} MB",
        "blocks": f"{height} x {width}, {blocks:,} a band, {'tiled' if width < dataset.width else 'strips'}",
        "compression": dataset.profile.get("compress") or "none",
        "interleave": dataset.profile.get("interleave") or "-",
        "overviews": dataset.overviews(1) or "none",
        "crs": str(dataset.crs)[:60] if dataset.crs else "none",
    }
    advice = list(notes)
    _layout(dataset, facts, advice, path)
    facts |= _speed(str(os.path.abspath(path)), dataset, advice, progress)
    from swath.cube.open import understand

    advice += list(understand(path).problems)
    return Checkup(str(path), facts, advice)


def _layout(dataset: Any, facts: dict[str, Any], advice: list[str], path: Path) -> None:
    height, width = dataset.block_shapes[0]
    big = dataset.width * dataset.height > 4_000_000
    mend = f"swath prepare {path} --out DIR writes a tiled file with overviews"
    if big and width >= dataset.width and dataset.driver in ("GTiff", "COG"):
        advice.append(f"strips of {height} x {width}: a small window decodes whole rows; {mend}")
    if height * width * dataset.count > 16_000_000 and big:
        advice.append(
            f"blocks of {height} x {width} hold {height * width * dataset.count / 1e6:.0f} million values: {mend}"
        )
    if big and not dataset.overviews(1) and dataset.driver in ("GTiff", "COG"):
        advice.append(f"no overviews: a quick look reads everything; {mend}")
    if not dataset.crs and not dataset.gcps[0]:
        advice.append("no CRS: labels with coordinates cannot be placed, areas are in pixels")
    if dataset.driver not in ("GTiff", "COG", "VRT") and big:
        facts["note"] = f"{dataset.driver} decodes slower than tiled GeoTIFF; {mend}"


def _speed(path: str, dataset: Any, advice: list[str], progress: Progress | None) -> dict[str, Any]:
    """Megabytes of pixels a second: random windows against whole blocks, each for at most a second and a half."""
    import numpy as np

    from swath.cube.geotiff import RasterSource

    kinds = dataset.dtypes[0]
    if "complex" in kinds:
        return {}
    parts = tuple((i + 1, "") for i in range(min(dataset.count, 8)))
    source = RasterSource(path, parts, (dataset.height, dataset.width), str(np.result_type(*set(dataset.dtypes[:8]))))
    rng = np.random.default_rng(0)
    side_y, side_x = min(SIDE, dataset.height), min(SIDE, dataset.width)
    high, wide = dataset.block_shapes[0]

    def timed(window: Any) -> float:
        start, done = time.perf_counter(), 0
        for _ in range(200):
            rows, columns = window()
            done += source.read([0], range(len(parts)), rows, columns).nbytes
            if time.perf_counter() - start > 1.5:
                break
        return done / (time.perf_counter() - start) / 1e6

    def anywhere() -> tuple[slice, slice]:
        y, x = rng.integers(0, dataset.height - side_y + 1), rng.integers(0, dataset.width - side_x + 1)
        return slice(int(y), int(y) + side_y), slice(int(x), int(x) + side_x)

    def block() -> tuple[slice, slice]:
        y = int(rng.integers(0, -(-dataset.height // high))) * high
        x = int(rng.integers(0, -(-dataset.width // wide))) * wide
        return slice(y, min(y + high, dataset.height)), slice(x, min(x + wide, dataset.width))

    if progress is not None:
        progress(0, 2, "reading random windows")
    random = timed(anywhere)
    if progress is not None:
        progress(1, 2, "reading whole blocks")
    blocks = timed(block)
    facts = {
        f"random {side_y} x {side_x}": f"{random:,.0f} MB/s of pixels",
        "whole blocks": f"{blocks:,.0f} MB/s of pixels",
        "windows against blocks": round(random / blocks, 3) if blocks else None,
    }
    if blocks and random < 0.25 * blocks and dataset.width * dataset.height > 4_000_000:
        advice.append(
            f"random windows reach {random / blocks:.2f} of what whole blocks do: train with swath's block-aware reader, or "
            "write blocks of 256 pixels with swath prepare"
        )
    return facts


def _folder(path: Path) -> Checkup:
    """Whether the rasters of a folder share CRS, pixel size and type, and are tiled."""
    import rasterio
    from rasterio.errors import RasterioIOError

    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in (".tif", ".tiff", ".jp2"))[:500]
    if not files:
        raise FormatError(rule="doctor looks at rasters", got=f"{path} without any", remedy="name a file")
    seen: dict[str, set[str]] = {"crs": set(), "pixel size": set(), "type": set(), "blocks": set()}
    broken = []
    for file in files:
        try:
            with rasterio.open(file) as dataset:
                seen["crs"].add(str(dataset.crs)[:40] if dataset.crs else "none")
                seen["pixel size"].add(f"{abs(dataset.transform.a):g}")
                seen["type"].add(dataset.dtypes[0])
                seen["blocks"].add("tiled" if dataset.block_shapes[0][1] < dataset.width else "strips")
        except RasterioIOError:
            broken.append(file.name)
    facts: dict[str, Any] = {"rasters": len(files)} | {k: sorted(v) for k, v in seen.items()}
    advice = [f"cannot be read: {', '.join(broken[:5])}"] if broken else []
    if len(seen["crs"]) > 1:
        advice.append("several CRSs: every read warps; swath prepare writes all in one CRS")
    if "none" in seen["crs"]:
        advice.append("some rasters have no CRS")
    return Checkup(str(path), facts, advice)
