"""Assets of STAC items made local files: cropped, copied as stored, marked by what they were cut from; and a catalogue."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import OutputError, SwathError
from swath.tools.job import Progress, write_json

if TYPE_CHECKING:
    from odc.geo.geom import Geometry

    from swath.cube.layer import Layer
    from swath.cube.stac import Asset

__all__ = ["Task", "catalogue", "fetch", "path_of"]

_THREADS = 4


@dataclass(frozen=True, slots=True)
class Task:
    """One asset to be fetched into one file."""

    item: Mapping[str, Any]
    asset: Asset
    path: Path


def path_of(out: Path, item: Mapping[str, Any], asset: Asset) -> Path:
    """out/ID/ID_KEY.tif; names from a service never leave the folder."""

    def clean(text: str) -> str:
        return re.sub(r"[^A-Za-z0-9._-]+", "_", text).lstrip(".")[:150] or "_"

    name, key = clean(str(item["id"])), clean(re.sub(r"\.(tiff?|jp2)$", "", asset.key, flags=re.IGNORECASE))
    return out / name / f"{name}_{key}.tif"


def fetch(
    tasks: list[Task], place: Geometry, notes: list[str], progress: Progress | None
) -> tuple[list[Path], list[tuple[str, str]], int]:
    """Fetch all, a few at a time: the files that are whole, those that failed and why, how many were there already."""
    done: list[Path] = []
    failed: list[tuple[str, str]] = []
    kept = 0
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="get")
    try:
        running = {pool.submit(_one, task, place, notes): task for task in tasks}
        for number, future in enumerate(as_completed(running)):
            task = running[future]
            if progress is not None:
                progress(number, len(tasks), task.path.name)
            try:
                fetched = future.result()
            except OutputError:
                raise
            except SwathError as error:
                failed.append((task.path.name, str(error)))
                continue
            kept += not fetched
            done.append(task.path)
        if progress is not None:
            progress(len(tasks), len(tasks), "")
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return done, failed, kept


def _one(task: Task, place: Geometry, notes: list[str]) -> bool:
    """Fetch one asset; False when the same cut is there already."""
    from swath.cube import geotiff, stac

    mark = _mark(task, place)
    if task.path.exists():
        if _mark_of(task.path) == mark:
            return False
        raise OutputError(
            rule="a folder holds one cut of each scene", got=f"{task.path} of another area, version or service",
            remedy="choose another --out, or delete the file",
        )  # fmt: skip
    (layer,) = geotiff.read(task.asset.href)
    layer = stac.described(layer, task.asset, task.item, notes)
    _write(_cut(layer, place), task, mark)
    return True


def _mark(task: Task, place: Geometry) -> str:
    """The fingerprint of what is fetched: where from, which version, which cut. Signatures in addresses do not count."""
    properties = task.item["properties"]
    facts = [
        task.asset.href.split("?")[0], str(properties.get("updated")), str(properties.get("datetime")),
        [dict(b) for b in task.asset.bands], [round(float(v), 9) for v in place.to_crs("EPSG:4326").boundingbox.bbox],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _mark_of(path: Path) -> str | None:
    from swath.cube.gdal import open_raster

    try:
        with open_raster(str(path)) as file:
            return str(file.tags().get("fingerprint"))
    except SwathError:
        return None


def _cut(layer: Layer, place: Geometry) -> Layer:
    """The layer within the area, on its own grid."""
    from dataclasses import replace

    from swath.cube.select import window_of
    from swath.cube.sources import Part

    if layer.geobox is None or layer.geobox.crs is None:
        return layer
    rows, columns = window_of(layer.geobox, place)
    return replace(
        layer,
        source=Part.of(layer.source, rows=rows, columns=columns),
        geobox=layer.geobox[slice(*rows), slice(*columns)],
    )


def _write(layer: Layer, task: Task, mark: str) -> None:
    import numpy as np

    from swath.cube.blocks import Layer as File
    from swath.cube.save import write_windows

    _, count, height, width = layer.source.shape
    rules = {(b.scale, b.offset) for b in layer.bands}
    scale, offset = rules.pop() if len(rules) == 1 else (None, None)
    date = "" if layer.time is None else str(np.datetime_as_string(layer.time[0], unit="s"))
    tags = {k: v for k, v in layer.tags.items() if k in ("stac_id", "baseline", "version", "platform")}
    about = []
    for band in layer.bands:
        facts = {"wavelength": band.wavelength, "fwhm": band.fwhm, "scale": band.scale, "offset": band.offset}
        about.append({k: f"{v:.10g}" for k, v in facts.items() if v is not None} | {"band": band.name})
    file = File(
        name=task.path.stem,
        dtype=str(layer.source.dtype),
        nodata=layer.bands[0].nodata,
        bands=tuple(band.name for band in layer.bands),
        units=layer.bands[0].units or "",
        scale=scale,
        offset=offset,
        tags=tags | {"fingerprint": mark, "source": task.asset.href.split("?")[0]} | ({"date": date} if date else {}),
        band_tags=tuple(about),
        overview="nearest"
        if any(w in task.asset.key.lower() for w in ("scl", "qa", "fmask", "mask", "class"))
        else None,
    )

    def window(rows: slice, columns: slice) -> np.ndarray:
        return np.asarray(layer.source.read([0], range(count), rows, columns)[0])

    write_windows(task.path, file, (height, width), layer.geobox, window)


def catalogue(out: Path, items: list[dict[str, Any]], done: list[Path]) -> list[Path]:
    """A STAC catalogue of what is there: one item beside its files, catalog.json at the top."""
    from swath.cube.stac import assets_of

    present = set(done)
    written: list[Path] = []
    for item in items:
        keep = {}
        for asset in assets_of(item):
            path = path_of(out, item, asset)
            if path in present:
                words = {
                    k: v
                    for k, v in item["assets"][asset.key].items()
                    if k not in ("alternate", "proj:transform", "proj:shape")
                }
                keep[asset.key] = words | {
                    "href": f"./{path.name}",
                    "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                }
        if not keep:
            continue
        folder = path_of(out, item, assets_of(item)[0]).parent
        path = folder / f"{folder.name}.json"
        local = {k: v for k, v in item.items() if k != "links"} | {"assets": _earlier(path) | keep, "links": []}
        written.append(write_json(path, local))
    links = [{"rel": "item", "href": f"./{os.path.relpath(p, out)}", "type": "application/geo+json"} for p in written]
    old = out / "catalog.json"
    if old.exists():
        known = {link["href"] for link in links}
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):  # a damaged one is written anew
            before = json.loads(old.read_text())["links"]
            links += [x for x in before if x.get("rel") == "item" and x["href"] not in known]
    links.sort(key=lambda link: link["href"])
    top = {"type": "Catalog", "stac_version": "1.0.0", "id": out.resolve().name}
    return [*written, write_json(old, top | {"description": "Scenes fetched by swath get", "links": links})]


def _earlier(path: Path) -> dict[str, Any]:
    """The assets that an earlier run has put into this item, as far as their files are there."""
    try:
        assets = json.loads(path.read_text(encoding="utf-8"))["assets"]
        return {k: a for k, a in assets.items() if (path.parent / Path(a["href"]).name).is_file()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
