"""The tiles of an archive as vectors: found, read, screened, described; what was done is kept, so that it goes on after a stop."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import FormatError, SwathError

if TYPE_CHECKING:
    from swath.batch import Batch
    from swath.tools.job import Progress
    from swath.tools.scenes import Reading

__all__ = ["Table", "Tile", "by_block", "described", "listed", "read_tile", "view_of"]

# Beside pictures: what carries metadata, labels or previews of them.
NO_PICTURES = {
    ".json", ".xml", ".txt", ".csv", ".md", ".ovr", ".hdr", ".tfw", ".jgw", ".pgw", ".wld", ".prj", ".gpkg", ".geojson",
    ".html", ".pdf", ".py", ".toml", ".yaml", ".yml", ".log", ".shp", ".shx", ".dbf", ".cpg", ".parquet", ".safetensors",
}  # fmt: skip
FOLDERS = ("zarr", "eopatch", "sentinel-2 SAFE", "landsat", "enmap, desis")
LARGEST = 2048
PART = 200


@dataclass(frozen=True, slots=True)
class Tile:
    """What one row is: a file (relative to the archive), or a window of one. place (lon, lat) and day are NaN where not known."""

    file: str
    row: int = 0
    column: int = 0
    size: int = 0
    lon: float = float("nan")
    lat: float = float("nan")
    day: float = float("nan")

    @property
    def key(self) -> str:
        """The file, with the window where it is one."""
        return f"{self.file}@{self.row}_{self.column}" if self.size else self.file


@dataclass(frozen=True, slots=True)
class Table:
    """tiles and what they look like: form (N,) in words, vector a list of (F,). left: (file, why) for all that is not in it."""

    tiles: tuple[Tile, ...]
    form: tuple[str, ...]
    vector: list[np.ndarray]
    unread: tuple[tuple[str, str], ...]
    screened: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()


def listed(archive: Path) -> tuple[list[str], list[str]]:
    """Files and scene folders of an archive, relative, sorted; and notes on what is no picture by its name.

    Raises FormatError where there is no folder, or nothing in it.
    """
    if not archive.is_dir():
        raise FormatError(
            rule="an archive is a folder of tiles, or a .zarr or .parquet of swath embed",
            got=f"{archive}: {'a file' if archive.exists() else 'not there'}",
            remedy="name the folder",
        )
    found: list[str] = []
    other: Counter[str] = Counter()
    for root, folders, files in os.walk(archive):
        here = Path(root)
        scenes = [f for f in sorted(folders) if not f.startswith(".") and _is_scene(here / f)]
        found += [(here / f).relative_to(archive).as_posix() for f in scenes]
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in scenes)
        for name in sorted(files):
            if name.startswith(".") or Path(name).suffix.lower() in NO_PICTURES:
                other[Path(name).suffix.lower() or name] += not name.startswith(".")
            else:
                found.append((here / name).relative_to(archive).as_posix())
    if not found:
        raise FormatError(rule="an archive holds tiles", got=f"none in {archive.name}", remedy="look at the folder")
    count = sum(other.values())
    words = ", ".join(f"{n} {suffix}" for suffix, n in sorted(other.items()) if n)
    said = f"{count} {'file' if count == 1 else 'files'} beside the tiles left out by name, no pictures ({words})"
    return sorted(found), [said] if count else []


def _is_scene(folder: Path) -> bool:
    from importlib import import_module

    from swath.cube.formats import FORMATS

    return any(import_module(FORMATS[name]).claims(str(folder)) for name in FOLDERS)


def read_tile(archive: Path, file: str, reading: Reading) -> dict[str, Any]:
    """The cubes {sensor: cube} of one tile on one grid. Raises SwathError where it cannot be read."""
    from swath.cube import align
    from swath.cube.open import gather

    cubes = gather(str(archive / file), **reading.options())
    if all(not isinstance(c, dict) for c in cubes.values()) and len(cubes) == 1:
        return dict(cubes)
    return dict(align.align(cubes))


def _windows(cubes: dict[str, Any], file: str, tile: int | None) -> list[tuple[slice, slice]]:
    first = next(iter(cubes.values()))
    if "y" not in first.dims:
        raise FormatError(rule="a tile is a raster", got=f"dimensions {first.dims}", remedy="leave it out")
    h, w = int(first.sizes["y"]), int(first.sizes["x"])
    if tile is None:
        if max(h, w) > LARGEST:
            raise FormatError(
                rule=f"a tile has at most {LARGEST} pixels a side", got=f"{h} x {w}", remedy="cut it: --tile 256"
            )
        return [(slice(0, h), slice(0, w))]
    if min(h, w) < tile:
        raise FormatError(rule=f"windows of {tile} pixels fit into a tile", got=f"{h} x {w}", remedy="a smaller --tile")
    return [
        (slice(i, i + tile), slice(j, j + tile))
        for i in range(0, h - tile + 1, tile)
        for j in range(0, w - tile + 1, tile)
    ]


def _one(
    archive: Path, file: str, reading: Reading, tile: int | None, vector: Callable[[Batch], np.ndarray]
) -> tuple[list[tuple[Tile, str, np.ndarray]], list[tuple[str, str, str]]]:
    """The good windows of a file, and (key, kind, why) of those that are left out."""
    from swath.sample import window
    from swath.study.look import fault, form

    good: list[tuple[Tile, str, np.ndarray]] = []
    left: list[tuple[str, str, str]] = []
    try:
        cubes = read_tile(archive, file, reading)
        for rows, columns in _windows(cubes, file, tile):
            batch = window.read(cubes, rows, columns)
            pixels = next(iter(batch.pixels.values()))
            lon, lat = (float(v) for v in np.asarray(pixels.lonlat)[0])
            days = np.concatenate([np.ravel(p.day) for p in batch.pixels.values()])
            day = float(np.nanmin(days)) if np.isfinite(days).any() else float("nan")
            place = Tile(file, rows.start, columns.start, 0 if tile is None else tile, lon, lat, day)
            if why := fault(batch):
                left.append((place.key, "screened", why))
                continue
            found = np.asarray(vector(batch), np.float32)
            if np.isfinite(found).all():
                good.append((place, form(batch), found))
            else:
                left.append((place.key, "screened", "its vector is not finite"))
    except (SwathError, OSError, ValueError, IndexError, KeyError) as error:
        text = " ".join(str(error).replace(f"{archive}/", "").split())
        return [], [(file, "unread", text[:400] or type(error).__name__)]
    return good, left


def described(
    archive: Path,
    reading: Reading,
    *,
    encoder: str | None,
    tile: int | None,
    work: Path,
    progress: Progress | None = None,
) -> Table:
    """Every tile of a folder as a vector. work: a folder of parts that are done; those of the same archive and
    options are taken over, others thrown away.
    """
    files, notes = listed(archive)
    vector = _encoder(encoder)
    mark = _mark(archive, files, reading, encoder, tile)
    if not (work / "mark").is_file() or (work / "mark").read_text() != mark:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        (work / "mark").write_text(mark)
    good: list[tuple[Tile, str, np.ndarray]] = []
    left: list[tuple[str, str, str]] = []
    parts = [files[i : i + PART] for i in range(0, len(files), PART)]
    with warnings.catch_warnings(), ThreadPoolExecutor(1 if encoder else min(4, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")  # pictures without a place are common here
        for number, part in enumerate(parts):
            path = work / f"{number}.npz"
            if not path.is_file():
                done = list(pool.map(lambda f: _one(archive, f, reading, tile, vector), part))
                _keep(path, [g for d in done for g in d[0]], [x for d in done for x in d[1]])
            some, out = _kept(path)
            good, left = good + some, left + out
            if progress is not None:
                progress(min(len(files), (number + 1) * PART), len(files), "tiles read")
    return Table(
        tuple(g[0] for g in good),
        tuple(g[1] for g in good),
        [g[2] for g in good],
        tuple((k, why) for k, kind, why in left if kind == "unread"),
        tuple((k, why) for k, kind, why in left if kind == "screened"),
        tuple(notes),
    )


def _keep(path: Path, good: Sequence[tuple[Tile, str, np.ndarray]], left: Sequence[tuple[str, str, str]]) -> None:
    names = [json.dumps([getattr(g[0], s) for s in Tile.__slots__]) for g in good]
    vectors = {f"v{i}": g[2] for i, g in enumerate(good)}
    aside = path.with_name(f".{path.name}")
    with aside.open("wb") as file:
        np.savez(file, tiles=np.array(names, str), form=np.array([g[1] for g in good], str),
                 left=np.array(json.dumps(list(left))), **vectors)  # type: ignore[arg-type]  # fmt: skip
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _kept(path: Path) -> tuple[list[tuple[Tile, str, np.ndarray]], list[tuple[str, str, str]]]:
    with np.load(path) as file:
        tiles = [Tile(*json.loads(str(t))) for t in file["tiles"]]
        good = [(t, str(f), file[f"v{i}"]) for i, (t, f) in enumerate(zip(tiles, file["form"], strict=True))]
        left = [(str(a), str(b), str(c)) for a, b, c in json.loads(str(file["left"]))]
    return good, left


def _mark(archive: Path, files: Sequence[str], reading: Reading, encoder: str | None, tile: int | None) -> str:
    """What the parts depend on."""
    whole = hashlib.sha256(repr((reading, encoder, tile)).encode())
    for file in files:
        stat = (archive / file).stat()
        whole.update(f"{file} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return whole.hexdigest()


def _encoder(name: str | None) -> Callable[[Batch], np.ndarray]:
    """A function that gives the vector (D,) of a Batch of one."""
    if name is None:
        from swath.study.look import look

        return look
    from swath.models import load

    encoder = load(name)

    def pooled(batch: Batch) -> np.ndarray:
        vector: np.ndarray = np.asarray(encoder.encode(batch)[0].pooled())[0]
        return vector

    return pooled


def view_of(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """(N, F) float32 in deviations from the archive's middle, cut at 5, so that no number rules and none is lost in another."""
    x = np.stack(vectors).astype(np.float64)
    middle = np.median(x, 0)
    low, high = np.percentile(x, [16, 84], axis=0)
    spread = np.where(high > low, (high - low) / 2, x.std(0))
    return np.clip((x - middle) / np.where(spread > 1e-12, spread, 1.0), -5, 5).astype(np.float32)


def by_block(blocks: Iterable[np.ndarray], shape: tuple[int, int], path: Path) -> Any:
    """A memory map (N, D) float32 filled block by block: for vectors that are scaled on their way."""
    from numpy.lib.format import open_memmap

    if not shape[0]:
        return np.zeros(shape, np.float32)
    out, start = open_memmap(path, mode="w+", dtype=np.float32, shape=shape), 0
    for block in blocks:
        out[start : start + len(block)] = block
        start += len(block)
    out.flush()
    return out
