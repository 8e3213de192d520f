"""What the page of `swath curate` shows, gathered: pictures of kept tiles, cluster by cluster."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import SwathError
from swath.report.curate_report import Group, Page, Shown, write

if TYPE_CHECKING:
    from swath.study.select import Choice
    from swath.tools.curate import CurateResult
    from swath.tools.curating import Table, Tile
    from swath.tools.job import Progress
    from swath.tools.scenes import Reading

__all__ = ["page"]

GROUPS = 24
EACH = 6


def page(
    path: Path,
    source: Path,
    reading: Reading,
    table: Table,
    chosen: Sequence[tuple[str, np.ndarray, Choice]],
    result: CurateResult,
    progress: Progress | None = None,
) -> Path:
    """Write the page: the largest and the smallest clusters with pictures, balance, near-duplicates, what was left out."""
    pictures = bool(table.vector)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pictures without a place are common here
        groups = _groups(source, reading, table, chosen, pictures, progress)
    copies = [
        (table.tiles[int(rows[i])].key, table.tiles[int(rows[choice.copy_of[i]])].key, float(choice.far[i]))
        for _, rows, choice in chosen
        for i in np.flatnonzero(choice.copy_of >= 0)
    ]
    sizes = np.concatenate([c.size for _, _, c in chosen])
    taken = np.concatenate([c.taken for _, _, c in chosen])
    order = np.argsort(-sizes, kind="stable")
    return write(
        path,
        Page(
            title=f"{result.kept:,} of {result.read:,} tiles of {source.name}",
            result=result.to_json(),
            sizes=tuple(int(s) for s in sizes[order]),
            taken=tuple(int(t) for t in taken[order]),
            folders=_folders(table, chosen),
            groups=tuple(groups),
            copies=tuple(copies[:60]),
            command="swath again run.json --out there",
        ),
    )


def _groups(
    source: Path,
    reading: Reading,
    table: Table,
    chosen: Sequence[tuple[str, np.ndarray, Choice]],
    pictures: bool,
    progress: Progress | None,
) -> list[Group]:
    """Clusters with some of their kept tiles, the most typical first."""
    groups: list[Group] = []
    for form, rows, choice in chosen:
        reason = dict(zip(choice.kept.tolist(), choice.reason, strict=True))
        for number in _some(choice):
            kept = choice.kept[choice.clusters.label[choice.kept, 0] == number]
            kept = kept[np.argsort(choice.clusters.distance[kept], kind="stable")]
            shown = []
            for i in kept[:EACH]:
                tile = table.tiles[int(rows[i])]
                uri = _thumbnail(source, reading, tile) if pictures else ""
                shown.append(Shown(tile.key, reason[int(i)], uri))
            title = f"cluster {number}" + (f" of {form}" if len(chosen) > 1 else "")
            groups.append(Group(title, int(choice.size[number]), int(choice.taken[number]), tuple(shown)))
            if progress is not None:
                progress(len(groups), GROUPS, "pictures of clusters")
    return groups


def _some(choice: Choice) -> list[int]:
    """The largest and the smallest clusters that gave something."""
    order = [int(i) for i in np.argsort(-choice.size, kind="stable") if choice.taken[i]]
    return order if len(order) <= GROUPS else order[: GROUPS // 2] + order[-GROUPS // 2 :]


def _folders(table: Table, chosen: Sequence[tuple[str, np.ndarray, Choice]]) -> tuple[tuple[str, int, int], ...]:
    """(folder, tiles, kept) where the archive has several folders."""
    before = Counter(_folder(t) for t in table.tiles)
    after = Counter(_folder(table.tiles[int(rows[i])]) for _, rows, c in chosen for i in c.kept)
    if not 1 < len(before) <= 60:
        return ()
    return tuple((name, n, after.get(name, 0)) for name, n in before.most_common())


def _folder(tile: Tile) -> str:
    return Path(tile.file).parent.as_posix()


def _thumbnail(source: Path, reading: Reading, tile: Tile) -> str:
    from swath.report.figures import data_uri, scene_picture
    from swath.tools.curating import read_tile

    try:
        cubes: dict[str, Any] = read_tile(source, tile.file, reading)
        if tile.size:
            where = {"y": slice(tile.row, tile.row + tile.size), "x": slice(tile.column, tile.column + tile.size)}
            cubes = {name: cube.isel(where) for name, cube in cubes.items()}
        return data_uri(_as_stored(cubes) if _is_photo(cubes) else scene_picture(cubes, longest=96).pixels)
    except (SwathError, OSError, ValueError):
        return ""


def _is_photo(cubes: dict[str, Any]) -> bool:
    """Whether it is one picture of three bytes a pixel, which needs no stretch to be seen."""
    cube = next(iter(cubes.values()))
    return len(cubes) == 1 and cube.dtype == np.uint8 and cube.sizes["band"] == 3 and "time" not in cube.dims


def _as_stored(cubes: dict[str, Any]) -> np.ndarray:
    """Pixels (h, w, 3), every so manyth."""
    cube = next(iter(cubes.values()))
    step = max(1, -(-max(cube.sizes["y"], cube.sizes["x"]) // 96))
    return np.asarray(cube.isel(y=slice(None, None, step), x=slice(None, None, step)).values).transpose(1, 2, 0)
