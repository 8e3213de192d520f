"""The steps of `search`: what is asked for, which rows may answer, hits grouped by ground, their pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import BandError, GridError, SwathError
from swath.predict import vectors as keeping
from swath.predict.vectors import Scaling, Threshold, Vectors

if TYPE_CHECKING:
    from swath.tools.scenes import Reading

__all__ = ["Hit", "Wish", "allowed", "chance_of", "examples", "find", "of_image", "picture", "scale_of", "where_of"]

EARTH = 6_371_008.8
MOST_WINDOWS = 64
LARGEST = 200_000
DATED = r"@\d+,\d+/\d{4}-\d\d-\d\d$"


@dataclass(frozen=True, slots=True)
class Wish:
    """One example: its vectors (n, D), where it lies (NaN for a picture from outside), the rows that it is, its name and
    the key of the first.
    """

    vector: np.ndarray
    lonlat: tuple[float, float]
    rows: np.ndarray
    name: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One place found. rows: all of it that was found, the most alike first. days: of those, NaN where unknown."""

    row: int
    key: str
    place: str
    lonlat: tuple[float, float]
    similarity: float
    rows: tuple[int, ...]
    days: tuple[float, ...]


def scale_of(found: Vectors) -> Scaling:
    """How vectors are made comparable: what the archive says, else measured now."""
    known = found.facts.get("scaling")
    return Scaling.from_json(known) if known else keeping.scaling(found)


def chance_of(found: Vectors, scale: Scaling) -> Threshold:
    """The similarity below which nothing is alike: what the archive says, else measured now."""
    known = found.facts.get("threshold")
    if known:
        value = known["value"]
        return Threshold(float("nan") if value is None else value, known["rows"], known["words"])
    return keeping.threshold(found, scale=scale)


def ground_of(found: Vectors) -> float:
    """Side of a vector's ground in metres; NaN where nothing tells."""
    sites = found.facts.get("sites") or {}
    sizes = [s["pixel_m"] for s in sites.values() if s.get("pixel_m")]
    pixels = found.facts.get("patch", 1) if found.facts.get("by") == "patch" else found.facts.get("window", 1)
    return max(sizes) * float(pixels) if sizes else float("nan")


def distance(a: np.ndarray, b: Sequence[float]) -> np.ndarray:
    """Metres on a sphere from each of (n, 2) lon, lat to one place; NaN where unknown."""
    lon, lat = np.deg2rad(np.asarray(a, float)).T
    lon0, lat0 = np.deg2rad(np.asarray(b, float))
    h = np.sin((lat - lat0) / 2) ** 2 + np.cos(lat) * np.cos(lat0) * np.sin((lon - lon0) / 2) ** 2
    return np.asarray(2 * EARTH * np.arcsin(np.sqrt(np.clip(h, 0, 1))))


def where_of(words: Sequence[str] | str | None) -> list[tuple[float, float] | str]:
    """LON,LAT pairs and keys of an archive, as a shell gives them (commas may have been split).

    Raises GridError for what is neither.
    """
    parts = [p.strip() for text in ([words] if isinstance(words, str) else words or []) for p in str(text).split(",")]
    out: list[tuple[float, float] | str] = []
    i = 0
    while i < len(parts):
        number = re.compile(r"[-+]?\d*\.?\d+([eE][-+]?\d+)?$")
        two = parts[i : i + 2]
        if len(two) == 2 and all(number.match(t) for t in two):
            lon, lat = float(two[0]), float(two[1])
            if not (-180 <= lon <= 360 and -90 <= lat <= 90):
                raise GridError(
                    rule="a place is LON,LAT in degrees", got=",".join(two), remedy="longitude first, e.g. 14.5,46.05"
                )
            out.append((lon, lat))
        elif len(two) == 2 and "@" in two[0]:
            out.append(",".join(two))
        else:
            raise GridError(
                rule="an example is LON,LAT or a key of the archive (SCENE@ROW,COLUMN)",
                got=",".join(two),
                remedy="e.g. --like 14.5,46.05",
            )
        i += 2
    return out


def examples(found: Vectors, wanted: Sequence[tuple[float, float] | str]) -> list[Wish]:
    """The archive's own vectors at places or keys, all dates. Raises GridError where the archive holds none there."""
    return [_by_key(found, w) if isinstance(w, str) else _by_place(found, w) for w in wanted]


def _by_place(found: Vectors, at: tuple[float, float]) -> Wish:
    name = f"{at[0]:g},{at[1]:g}"
    away = distance(found.lonlat, at)
    if not np.isfinite(away).any():
        raise GridError(
            rule="a place LON,LAT needs an archive of scenes with a CRS",
            got="vectors without any",
            remedy=f"name a key, e.g. --like '{found.key[0:1][0] if len(found) else ''}'",
        )
    nearest, ground = float(np.nanmin(away)), ground_of(found)
    if nearest > (0.75 * ground if np.isfinite(ground) else 50_000):
        i = int(np.nanargmin(away))
        raise GridError(
            rule="the example lies on ground that the archive holds",
            got=f"{name}, {nearest / 1000:.1f} km from the nearest vector at {found.lonlat[i, 0]:.4f},{found.lonlat[i, 1]:.4f}",
            remedy="longitude comes first; or give a picture with --like-image",
        )
    rows = np.flatnonzero(away <= nearest + 1.0)
    some = found.take(rows)
    return Wish(some.vector, at, rows, name, str(some.key[0]))


def _by_key(found: Vectors, key: str) -> Wish:
    step = 1 << 16
    rows: list[int] = []
    for start in range(0, len(found), step):
        keys = np.asarray(found.key[start : start + step])
        bare = np.array([str(k).rpartition("/")[0] if re.search(DATED, str(k)) else str(k) for k in keys], dtype=str)
        same = (keys == key) | (bare == key) | np.char.endswith(keys, "/" + key) | np.char.endswith(bare, "/" + key)
        rows += (start + np.flatnonzero(same)).tolist()
    if not rows:
        few = ", ".join(map(str, np.asarray(found.key[:3])))
        raise GridError(rule="a key is one of the archive", got=key, remedy=f"they look like {few}")
    lonlat = found.lonlat[rows[0]]
    return Wish(
        found.take(rows).vector,
        (float(lonlat[0]), float(lonlat[1])),
        np.asarray(rows),
        key,
        str(found.key[rows[0] : rows[0] + 1][0]),
    )


def of_image(found: Vectors, path: str | Path, reading: Reading, weights: str | Path | None) -> Wish:
    """The vectors of a picture or scene by the archive's own encoder: up to 64 windows of it.

    Raises FormatError for another encoder or file, BandError for other bands.
    """
    from swath.models import CLASSICAL
    from swath.predict.spots import Encoding, groups
    from swath.tools.embed import patch_of
    from swath.tools.encoding import encoder_of, sites_of

    facts = found.facts
    network, record = encoder_of(str(facts.get("encoder")), weights)
    keeping.same_encoder(found, record)
    grouped = sites_of([path], reading, gsd=facts.get("gsd"))
    bands = sorted({str(k) for site in grouped.sites for k in site.kind})
    if record["encoder"] in CLASSICAL and facts.get("bands") and _bare(bands) != _bare(facts["bands"]):
        raise BandError(
            rule=f"a picture for a search by {record['encoder']} has the bands of the archive",
            got=f"{_few(bands)}; in the archive {_few(facts['bands'])}",
            remedy="choose them with --bands, or an archive by an encoder that takes any bands",
        )
    work = Encoding(
        grouped.sites, network, int(facts["window"]), "window", patch_of(network), int(network.needs.dates[1])
    )
    todo = groups(work.sites, work.window, "window")
    few = [todo[i] for i in np.unique(np.linspace(0, len(todo) - 1, MOST_WINDOWS).astype(int))]
    parts = []
    for spot in few:
        state, arrays, reason = work.attempt(spot)
        if state == "failed":
            raise SwathError(rule="the picture can be read", got=reason, remedy="look at it with swath info")
        if state == "done":
            parts.append(arrays[0][arrays[3]])
    if not parts:
        raise SwathError(rule="the picture has valid pixels", got="none", remedy="look at it with swath info")
    return Wish(np.concatenate(parts), (float("nan"), float("nan")), np.empty(0, np.int64), Path(path).name)


def _few(kinds: Sequence[str]) -> str:
    """The first bands of each kind of scene, to read."""
    texts = []
    for kind in kinds[:2]:
        parts = [p.strip(" ()'") for p in kind.split(",")]
        names = parts[1 : 1 + len(parts) // 2]
        texts.append(", ".join(names[:5]) + (" ..." if len(names) > 5 else ""))
    return " and ".join(texts)


def _bare(kinds: Sequence[str]) -> list[str]:
    """Bands and quantities without the name of the sensor."""
    return sorted(kind.partition(",")[2] for kind in kinds)


def allowed(found: Vectors, dates: str | None, area: Any, own: Sequence[Wish]) -> tuple[np.ndarray, int]:
    """(N,) bool: rows within dates and area that are none of the examples' own places; how many are those.

    Raises SwathError where nothing is left.
    """
    able = np.ones(len(found), bool)
    if dates is not None:
        from swath.earth.time import days, span

        within = np.zeros(len(found), bool)
        for part in str(dates).split(","):
            first, last = span(part)
            within |= (found.day >= days(first)) & (found.day < days(last))
        able &= within
    if area is not None:
        from swath.cube.select import area_of

        box = area_of(area)
        if box is not None:
            b = box.to_crs("EPSG:4326").boundingbox
            lon, lat = found.lonlat.T
            able &= (lon >= b.left) & (lon <= b.right) & (lat >= b.bottom) & (lat <= b.top)
    if not able.any():
        raise SwathError(
            rule="a search has something to look through",
            got=f"no vector of {len(found):,} within these dates and area",
            remedy="widen --dates or --area",
        )
    mine = np.zeros(len(found), bool)
    ground = ground_of(found)
    for wish in own:
        mine[wish.rows] = True
        if np.isfinite(wish.lonlat[0]) and np.isfinite(ground):
            mine |= distance(found.lonlat, wish.lonlat) < 0.75 * ground
    return able & ~mine, int((able & mine).sum())


def find(
    found: Vectors,
    wanted: np.ndarray,
    unwanted: np.ndarray | None,
    k: int,
    where: np.ndarray,
    *,
    scale: Scaling,
    least: float,
) -> tuple[list[Hit], int, float]:
    """(up to k places at least `least` alike, rows left out as unwanted, the best similarity of all).

    Rows of one ground (other dates, overlapping windows) are one hit.
    """
    ground = ground_of(found)
    ask = min(len(found), max(64, 8 * k))
    while True:
        got = keeping.like(found, wanted, unwanted, ask, where, scale=scale)
        best = float(got.similarity[0]) if len(got.row) else float("nan")
        rows = got.row[got.similarity >= least] if least == least else got.row
        hits = _grouped(found, rows, got.similarity, ground, k)
        if len(hits) >= k or len(rows) < len(got.row) or len(got.row) < ask or ask >= min(len(found), LARGEST):
            return hits, got.unlike, best
        ask = min(len(found), LARGEST, 8 * ask)


def _grouped(found: Vectors, rows: np.ndarray, similarity: np.ndarray, ground: float, k: int) -> list[Hit]:
    """Hits of the best first; a row on the ground of an earlier one joins it."""
    hits: list[list[int]] = []
    heads = np.empty((0, 2))
    some = found.take(rows)
    spots = [_spot(str(key)) for key in some.key]
    by_spot: dict[tuple[str, int, int], int] = {}
    side = int(found.facts.get("patch" if found.facts.get("by") == "patch" else "window") or 1)
    for i in range(len(rows)):
        name, row, column = spots[i]
        home = by_spot.get(spots[i])
        if home is None and row >= 0 and not np.isfinite(some.lonlat[i, 0]):
            near_ = (s for s in by_spot if s[0] == name and max(abs(s[1] - row), abs(s[2] - column)) < side / 2)
            home = next((by_spot[s] for s in near_), None)
        if home is None and np.isfinite(some.lonlat[i, 0]) and len(heads) and np.isfinite(ground):
            away = distance(heads, some.lonlat[i])
            near = int(np.nanargmin(away)) if np.isfinite(away).any() else -1
            home = near if near >= 0 and away[near] < 0.5 * ground else None
        if home is None and len(hits) == k:
            continue
        if home is None:
            home = len(hits)
            hits.append([])
            heads = np.vstack([heads, some.lonlat[i]])
        by_spot[(name, row, column)] = home
        hits[home].append(i)
    return [
        Hit(
            row=int(rows[g[0]]),
            key=str(some.key[g[0]]),
            place=str(some.place[g[0]]),
            lonlat=(float(some.lonlat[g[0], 0]), float(some.lonlat[g[0], 1])),
            similarity=float(similarity[g[0]]),
            rows=tuple(int(rows[i]) for i in g),
            days=tuple(float(some.day[i]) for i in g),
        )
        for g in hits
    ]


def _spot(key: str) -> tuple[str, int, int]:
    """Scene, row and column of a key; a key of another make stands for itself."""
    match = re.match(r"(.*)@(\d+),(\d+)(/[-\d]+)?$", key)
    return (match[1], int(match[2]), int(match[3])) if match else (key, -1, -1)


def picture(found: Vectors, hit: Hit, opened: dict[tuple[str, str | None], Any]) -> tuple[Any, str]:
    """((h, w, 4) uint8 of the hit's ground, "") or (None, why there is none). opened: scenes kept between calls."""
    from swath.report.figures import Cutter
    from swath.tools.encoding import reopened

    name, row, column = _spot(hit.key)
    site = (found.facts.get("sites") or {}).get(name)
    if site is None:
        return None, "the archive does not say where the scene is"
    date = hit.key.rpartition("/")[2] if re.search(DATED, hit.key) else None
    try:
        if (name, date) not in opened:
            cubes = reopened(site)
            if len(opened) > 32:
                opened.clear()
            opened[name, date] = Cutter.of(cubes, date=date)
        side = int(found.facts["patch"] if found.facts.get("by") == "patch" else found.facts["window"])
        margin = side if found.facts.get("by") == "patch" and side < 16 else 0
        height, width = site["shape"]
        rows = slice(max(0, row - margin), min(height, row + side + margin))
        columns = slice(max(0, column - margin), min(width, column + side + margin))
        return opened[name, date].cut(rows, columns), ""
    except (SwathError, OSError, ValueError, KeyError) as error:
        return None, f"the scene is not at hand: {error}"
