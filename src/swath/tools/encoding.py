"""What verbs that encode share: an encoder by name with the sha256 of its weights, and scenes grouped by ground."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import FormatError, GridError, SwathError, UnitError
from swath.tools.job import Progress
from swath.tools.scenes import Opened, Reading, open_scenes

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from swath.batch import Encoder
    from swath.cube.scene import Scene

__all__ = ["ALIASES", "Grouped", "SceneSite", "encoder_of", "reopened", "sites_of"]

ALIASES = {"swath-tiny": "tiny"}
RASTERS = (".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg")
OVERLAP = 0.5  # of the smaller scene: beyond it two scenes show the same ground


def encoder_of(name: str, weights: str | Path | None = None) -> tuple[Encoder, dict[str, Any]]:
    """An encoder, and what must be kept of it: name, sha256 of its weights (None without), licence, what it saw.

    name: as `swath.models.load` takes it; `swath-tiny` is `tiny`. weights: a file, or hf:owner/repository/file. Raises
    SwathError for an unknown name, FormatError for weights that do not fit, ExtraError without the extra `nn`.
    """
    from swath import models
    from swath.models import weights as files

    name = ALIASES.get(name, name)
    bare = name.removeprefix("random:")
    name = name.replace(bare, ALIASES.get(bare, bare))
    if weights is not None and str(weights).startswith("hf:"):
        weights = files.from_hub(str(weights))
    encoder: Encoder = models.load(name, weights) if weights is not None else models.load(name)
    if not callable(getattr(encoder, "encode", None)):
        raise SwathError(
            rule="an encoder turns pictures into vectors",
            got=f"{name}, {type(encoder).__name__}: a network of another task",
            remedy="use it with its own verb (swath change --model, swath train --family), or name an encoder",
        )
    sha: str | None = None
    if weights is not None:
        sha = files.sha256(weights)
    elif name.endswith(".safetensors") and Path(name).is_file():
        sha, name = files.sha256(name), Path(name).name
    elif name in models.WEIGHTS:
        sha = models.WEIGHTS[name][1]
    elif name in models.PUBLISHED:
        sha = models.PUBLISHED[name][1]
    facts = getattr(encoder, "facts", None)
    record = {
        "encoder": name,
        "weights": sha,
        "licence": getattr(facts, "licence", "") or "",
        "trained_on": getattr(facts, "trained_on", "") or "",
    }
    return encoder, record


@dataclass(frozen=True)
class SceneSite:
    """Scenes of one ground, opened when they are needed; travels to other processes where they are files."""

    name: str
    items: tuple[Any, ...]
    reading: Reading
    gsd: float | None
    shape: tuple[int, int]
    grid: GeoBox | None
    days: tuple[float, ...]
    kind: tuple[Any, ...]

    @property
    def bands(self) -> int:
        """How many bands all its sensors have."""
        return sum((len(k) - 1) // 2 for k in self.kind)

    def cubes(self) -> dict[str, xr.DataArray]:
        """The aligned cubes, opened anew."""
        return open_scenes(list(self.items), self.reading, gsd=self.gsd).cubes

    def to_json(self) -> dict[str, Any]:
        """Where the scenes are, to look at them again."""
        paths = [str(Path(str(i)).resolve()) for i in self.items if isinstance(i, (str, os.PathLike))]
        r = self.reading
        area = r.area if isinstance(r.area, str) else None
        options = {k: v for k, v in {**r.options(), "area": area}.items() if v is not None and v is not False}
        from swath.earth import grid

        side = grid.gsd(self.grid)
        pixel = side if side == side else None
        return {"paths": paths, "options": options, "gsd": self.gsd, "shape": list(self.shape), "pixel_m": pixel}


@dataclass(frozen=True)
class Grouped:
    """sites in the order of the scenes; notes in words; left_out: (path, reason) of what could not be opened."""

    sites: tuple[SceneSite, ...]
    notes: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _One:
    item: Any
    name: str
    box: GeoBox | None
    bands: tuple[Any, ...]
    dated: bool
    silent: bool
    scene: Scene | None = None


def reopened(record: dict[str, Any]) -> dict[str, xr.DataArray]:
    """The cubes of a site from what `to_json` told. Raises as `open_scenes`; FormatError where files are gone."""
    gone = [p for p in record["paths"] if not Path(p).exists()]
    if gone or not record["paths"]:
        raise FormatError(
            rule="the scenes are where they were", got=gone[0] if gone else "in memory", remedy="bring them back"
        )
    return open_scenes(record["paths"], Reading(**record["options"]), gsd=record["gsd"]).cubes


def sites_of(scenes: Any, reading: Reading, *, gsd: float | None = None, progress: Progress | None = None) -> Grouped:
    """Open scenes and group those that overlap: one site for each ground, scenes without a CRS each for itself.

    A folder that is no scene stands for the rasters below it. Of many scenes those that cannot be read are left out and
    told. Raises UnitError where a flag must settle units, and the first error where nothing can be opened.
    """
    from swath.cube.select import Outside

    items = [scenes] if isinstance(scenes, (str, os.PathLike)) or hasattr(scenes, "dims") else list(scenes)
    notes: list[str] = []
    left: list[tuple[str, str]] = []
    first: SwathError | None = None
    ones: list[_One] = []
    paths = [p for item in items for p in _expanded(item, reading, notes)]
    if not paths:
        raise FormatError(rule="a verb reads at least one scene", got="none", remedy="name a file or a folder")
    names = _names(paths)
    for i, (item, name) in enumerate(zip(paths, names, strict=True)):
        if progress is not None and len(paths) > 8:
            progress(i + 1, len(paths), "opening")
        try:
            ones.append(_looked_at(item, name, reading))
        except UnitError:
            raise
        except (FormatError, GridError, Outside) as error:
            first = first or error
            left.append((str(item), str(error)))
    if not ones and first is not None:
        raise first
    sites: list[SceneSite] = []
    told: dict[str, list[str]] = {}
    for group in _grouped(ones):
        try:
            site, said = _site(group, reading, gsd)
        except UnitError:
            raise
        except (FormatError, GridError, Outside) as error:
            first = first or error
            left += [(str(one.item), str(error)) for one in group]
            continue
        sites.append(site)
        for text in said:
            name, _, rest = text.partition(": ")
            told.setdefault(rest, []).append(name)
    if not sites and first is not None:
        raise first
    for rest, owners in told.items():
        owners = list(dict.fromkeys(owners))
        more = f" and {len(owners) - 1} more" if len(owners) > 1 else ""
        notes.append(f"{owners[0]}{more}: {rest}")
    if left:
        notes.append(f"{len(left)} of {len(paths)} scenes could not be opened, left out; the first: {left[0][1]}")
    return Grouped(tuple(sites), tuple(notes), tuple(left))


def _expanded(item: Any, reading: Reading, notes: list[str]) -> list[Any]:
    """The item, or the rasters below a folder that is no scene by itself."""
    if hasattr(item, "dims") or not Path(str(item)).is_dir():
        return [item]
    from swath.cube.open import understand

    try:
        understand(item, bands=reading.bands)
    except UnitError:
        return [item]
    except (FormatError, GridError) as error:
        files = sorted(p for p in Path(str(item)).rglob("*") if p.suffix.lower() in RASTERS and p.is_file())
        files = [p for p in files if not any(part.startswith(".") for part in p.relative_to(str(item)).parts)]
        if not files:
            raise error
        notes.append(f"{Path(str(item)).name} is no scene by itself: its {len(files):,} pictures are read one by one")
        return list(files)
    return [item]


def _names(items: Sequence[Any]) -> list[str]:
    """A name for each: the file's, with as many folders before it as tell all apart."""
    paths = [Path(str(i)) if isinstance(i, (str, os.PathLike)) else None for i in items]
    names = [("cube" if p is None else p.name) for p in paths]
    for deep in (2, 3):
        double = {n for n in names if names.count(n) > 1} if len(names) < 5000 else set(names)
        if not double:
            break
        names = [
            n if p is None or n not in double else "/".join(p.parts[-deep:]) for n, p in zip(names, paths, strict=True)
        ]
    seen: dict[str, int] = {}
    out = []
    for n in names:
        seen[n] = seen.get(n, 0) + 1
        out.append(n if seen[n] == 1 else f"{n} ({seen[n]})")
    return out


def _looked_at(item: Any, name: str, reading: Reading) -> _One:
    from swath.cube import contract
    from swath.cube.open import _open_question, understand

    if hasattr(item, "dims"):
        box = contract.grid(item)
        return _One(item, name, box, (str(item.attrs.get("sensor")),), "time" in item.dims, silent=False)
    options = {k: v for k, v in reading.options().items() if k not in ("offset", "scale")}
    scene: Scene = understand(item, **options)
    first = next(iter(scene.cubes.values()))
    bands = (scene.sensor, *(b.name for b in scene.bands))
    return _One(item, name, contract.grid(first), bands, "time" in first.dims, _open_question(scene), scene)


def _grouped(ones: Sequence[_One]) -> list[list[_One]]:
    """Those that share most of their ground; undated scenes of the same bands never (two images, not one)."""
    import shapely

    boxes: list[Any] = [
        None if one.box is None or one.box.crs is None else one.box.extent.to_crs("EPSG:4326").geom for one in ones
    ]
    groups: list[list[int]] = []
    known = [i for i, b in enumerate(boxes) if b is not None]
    tree = shapely.STRtree([boxes[i] for i in known]) if known else None
    home: dict[int, list[int]] = {}
    for i, box in enumerate(boxes):
        group: list[int] | None = None
        for k in [] if box is None or tree is None else sorted(tree.query(box)):
            j = known[int(k)]
            if j >= i or j not in home:
                continue
            other = boxes[j]
            shared = box.intersection(other).area / max(min(box.area, other.area), 1e-30)
            twin = any(not ones[m].dated and not ones[i].dated and ones[m].bands == ones[i].bands for m in home[j])
            if shared > OVERLAP and not twin:
                group = home[j]
                break
        if group is None:
            group = []
            groups.append(group)
        group.append(i)
        home[i] = group
    return [[ones[i] for i in group] for group in groups]


def _site(group: Sequence[_One], reading: Reading, gsd: float | None) -> tuple[SceneSite, list[str]]:
    if not any(one.silent for one in group):
        reading = replace(reading, offset=None, scale=None)
    items = tuple(one.item for one in group)
    scene = group[0].scene
    if len(group) == 1 and gsd is None and not group[0].silent and scene is not None and len(scene.cubes) == 1:
        cube = next(iter(scene.cubes.values()))
        said = tuple(f"{Path(scene.path).name}: {text}" for text in (*scene.notes, *scene.problems))
        shape = (cube.sizes.get("y", 1), cube.sizes.get("x", 1))
        opened = Opened({scene.sensor or "scene": cube}, group[0].box, shape, said, ())
    else:
        opened = open_scenes(list(items), reading, gsd=gsd)
    days: set[float] = set()
    for cube in opened.cubes.values():
        if "time" in cube.dims:
            stamps = cube.coords["time"].values.astype("datetime64[D]")
            days |= {float(d) for d in stamps.astype(np.int64)}
    kind = tuple(
        (name.partition(" ")[0], *map(str, c.coords["band"].values), *map(str, c.coords["quantity"].values))
        for name, c in opened.cubes.items()
    )
    site = SceneSite(group[0].name, items, reading, gsd, opened.shape, opened.grid, tuple(sorted(days)), kind)
    return site, list(opened.notes)
