"""What `swath bench` reads: a named collection, a folder of class folders, or scenes with labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.bench.collection import Collection
from swath.bench.sets import NAMES, named
from swath.errors import FormatError, LabelError, SwathError
from swath.sample.burn import priority
from swath.sample.loader import join, take
from swath.sample.window import Windows, read
from swath.tools.job import Progress
from swath.tools.scenes import Opened, Reading, open_scenes

if TYPE_CHECKING:
    from swath.batch import Batch
    from swath.sample.labels import Labels

__all__ = ["collection_of"]

RASTERS = (".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg", ".nc", ".img")
MASKS = ("_mask", "_label", "_labels", "_truth", "_landcover", "_lulc")
MOST = 600  # windows: more are thinned evenly
CELL = 0.05  # degrees, about 5 km: chips nearer than that are one place
CHIP = 128  # pixels a side of chips at most
SCENES = 10  # so many scenes and more are the places themselves


def collection_of(
    data: str | Path,
    labels: str | Path | None,
    reading: Reading,
    *,
    home: Path | None,
    window: int,
    folds: int,
    column: str | None = None,
    progress: Progress | None = None,
) -> Collection:
    """The collection that is meant. window: pixels a side of the pieces that scenes are cut into.

    Raises SwathError for a name that is not known, FormatError and LabelError for a folder that gives no examples.
    """
    path = Path(data)
    if not path.exists():
        return named(str(data), home)
    if path.is_file():
        return _scenes([path], labels, reading, path.stem, window, folds, column, progress)
    groups = {
        d.name: _rasters(d) for d in sorted(p for p in path.iterdir() if p.is_dir()) if not d.name.startswith(".")
    }
    groups = {name: found for name, found in groups.items() if found}
    if (
        labels is None
        and len(groups) > 1
        and not _rasters(path)
        and not any(_mask_of(f, None) for g in groups.values() for f in g)
    ):
        return _chips(path.name, groups, reading, folds, progress)
    found = _rasters(path) or [f for g in groups.values() for f in g]
    return _scenes(found, labels, reading, path.name, window, folds, column, progress)


def _rasters(folder: Path) -> list[Path]:
    return sorted(
        p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in RASTERS and not p.name.startswith(".")
    )


def _chips(
    name: str, groups: dict[str, list[Path]], reading: Reading, folds: int, progress: Progress | None
) -> Collection:
    """A class for each sub-folder; chips are cropped to their common size, at most 128 pixels."""
    files = [(k, path) for k, found in enumerate(groups.values()) for path in found]
    opened: list[tuple[int, Path, Opened]] = []
    notes: list[str] = []
    left: list[str] = []
    for i, (k, path) in enumerate(files):
        if progress is not None:
            progress(i, len(files), "opening chips")
        try:
            opened.append((k, path, open_scenes([str(path)], reading)))
        except (FormatError, LabelError) as error:
            left.append(f"{path.name}: {error}")
    if not opened:
        raise FormatError(
            rule="chips are pictures that can be read", got=left[0] if left else "none", remedy="look at it"
        )
    side = min(CHIP, *(min(o.shape) for _, _, o in opened))
    sizes = {o.shape for _, _, o in opened}
    if sizes != {(side, side)}:
        notes.append(
            f"chips of {len(sizes)} {'sizes' if len(sizes) > 1 else 'size'} are cropped to their middle {side} x {side} pixels"
        )
    parts = []
    for _, path, one in opened:
        top, first = (one.shape[0] - side) // 2, (one.shape[1] - side) // 2
        batch = read(one.cubes, slice(top, top + side), slice(first, first + side))
        parts.append(replace(batch, key=(f"{path.parent.name}/{path.name}",), place=(_cell(batch, path),)))
    notes += list(dict.fromkeys(n for _, _, o in opened[:1] for n in o.notes))
    if left:
        notes.append(f"{len(left)} chips could not be read, left out; the first: {left[0]}")
    where = (
        "chips within about 5 km are one place"
        if _placed(parts[0])
        else "chips say not where they lie: each is a place"
    )
    batch = replace(join(parts), target=np.array([k for k, _, _ in opened]))
    return Collection(
        name, batch, tuple(groups), simulated=any(o.simulated for _, _, o in opened), notes=(*notes, where), folds=folds
    )


def _placed(batch: Batch) -> bool:
    return bool(np.isfinite(next(iter(batch.pixels.values())).lonlat).all())


def _cell(batch: Batch, path: Path) -> str:
    lonlat = next(iter(batch.pixels.values())).lonlat[0]
    if not np.isfinite(lonlat).all():
        return f"{path.parent.name}/{path.name}"
    x, y = np.floor(lonlat / CELL).astype(int)
    return f"{x}_{y}"


def _scenes(
    files: Sequence[Path],
    labels: str | Path | None,
    reading: Reading,
    name: str,
    window: int,
    folds: int,
    column: str | None,
    progress: Progress | None,
) -> Collection:
    """Scenes with a mask each (`NAME_mask`, or the same name in the folder `labels`), or under one file of labels."""
    scenes = [f for f in files if not any(f.stem.lower().endswith(m) for m in MASKS)]
    names: list[str] = []
    parts: list[Batch] = []
    notes: list[str] = []
    kinds: set[str] = set()
    lost: list[str] = []
    simulated = False
    for i, path in enumerate(scenes):
        if progress is not None:
            progress(i, len(scenes), "opening scenes")
        source = _mask_of(path, labels)
        if source is None:
            lost.append(f"{path.name}: no mask beside it")
            continue
        opened = open_scenes([str(path)], reading)
        try:
            found = _labels(source, opened, names, column)
        except SwathError as error:
            lost.append(f"{path.name}: {error}")
            continue
        part = _windows(path.stem, opened, found, min(window, *opened.shape), MOST)
        if part is None:
            lost.append(f"{path.name}: no label in a whole window of {window} pixels")
            continue
        kinds.add(found.kind)
        simulated = simulated or opened.simulated
        notes += opened.notes
        parts.append(part)
    if not parts:
        raise LabelError(
            rule="scenes come with masks (NAME_mask.tif beside NAME.tif, or --labels FOLDER) or with --labels FILE",
            got=f"{len(scenes)} scenes; {lost[0] if lost else 'no labels'}",
            remedy="name the labels",
        )
    if len(kinds) > 1:
        raise LabelError(rule="all labels are classes or all are numbers", got="both", remedy="settle one column")
    notes += [f"{len(lost)} scenes are left out; the first: {lost[0]}"] if lost else []
    batch = join(parts)
    if len(batch) > MOST:
        notes.append(f"{MOST} of {len(batch)} windows are used, drawn evenly")
        batch = take(batch, np.sort(np.argsort(priority(np.arange(len(batch)), 5), kind="stable")[:MOST]))
    if len(parts) >= SCENES:
        batch = replace(batch, place=tuple(k.split("/")[0] for k in batch.key))
        notes.append("a place is a scene")
    else:
        notes.append(f"a place is a window of {window} pixels: nothing is claimed about ground outside of these scenes")
    classes = tuple(names) if kinds == {"class"} else ()
    return Collection(name, batch, classes, simulated=simulated, notes=tuple(dict.fromkeys(notes)), folds=folds)


def _mask_of(path: Path, labels: str | Path | None) -> Path | None:
    if labels is not None and Path(labels).is_file():
        return Path(labels)
    folder = path.parent if labels is None else Path(labels)
    stems = [path.stem + m for m in MASKS] + ([path.stem] if labels is not None else [])
    for stem in stems:
        for ending in RASTERS:
            found = folder / f"{stem}{ending}"
            if found.is_file():
                return found
    return None


def _labels(source: Path, opened: Opened, names: list[str], column: str | None) -> Labels:
    """Labels on the scene; the values of classes are indices into `names`, which grows."""
    from swath.sample import labels

    found = labels.read(str(source), opened.grid, shape=opened.shape, column=column, least=1)
    if found.kind == "number":
        return found
    names += [n for n in found.names if n not in names]
    at = np.array([names.index(n) for n in found.names])
    return replace(found, value=at[found.value])


def _windows(name: str, opened: Opened, found: Labels, side: int, most: int) -> Batch | None:
    """Windows of `side` pixels that hold a label, at most so many, drawn evenly; only these are read. None: there is none."""
    height, width = (n // side for n in opened.shape)
    inside = (found.row < height * side) & (found.column < width * side)
    block = (found.row // side * width + found.column // side)[inside]
    chosen = np.unique(block)
    chosen = np.sort(chosen[np.argsort(priority(chosen, 5), kind="stable")[:most]])
    reader, parts = Windows(opened.cubes), []
    for b in chosen:
        y, x = int(b) // width * side, int(b) % width * side
        mine = np.flatnonzero(inside)[block == b]
        target = np.full((1, side, side), np.nan if found.kind == "number" else -1)
        target[0, found.row[mine] - y, found.column[mine] - x] = found.value[mine]
        key = f"{name}/{y}_{x}"
        one = reader.read(slice(y, y + side), slice(x, x + side))
        goal = target if found.kind == "number" else target.astype(np.int64)
        parts.append(replace(one, target=goal, key=(key,), place=(key,)))
    return join(parts) if parts else None


def known_names() -> list[str]:
    """Names of collections."""
    return list(NAMES)


def weights_of(weights: Sequence[str] | None) -> dict[str, str]:
    """`NAME=FILE` pairs. Raises SwathError for one without the sign."""
    found: dict[str, Any] = {}
    for text in weights or ():
        name, sign, file = text.partition("=")
        if not sign:
            raise SwathError(rule="weights are given as NAME=FILE", got=text, remedy="e.g. --weights presto=model.pt")
        found[name] = file
    return found
