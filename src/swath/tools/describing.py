"""Parts of `describe`: where the map lies, what doubts it carries, the part asked for, and the page."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import FormatError, GridError
from swath.tools.job import Progress

if TYPE_CHECKING:
    from swath.language.caption import Text
    from swath.language.check import Verdicts
    from swath.language.facts import SceneFacts
    from swath.language.question import Question

__all__ = ["area_window", "by_windows", "counted", "map_file", "page", "read_text", "reads"]

LONGEST = 700
MOST_TEXT = 1 << 20
SURE = 0.8
Doubt = Callable[[int, int], tuple[np.ndarray, np.ndarray]]


def map_file(what: Any) -> Path | None:
    """The raster of a path or of the folder of a map run; None for what is in memory. Raises FormatError."""
    if not isinstance(what, (str, os.PathLike)):
        return None
    path = Path(what)
    if path.is_dir():
        found = path / "classes.tif"
        if not found.is_file():
            more = " (it holds numbers: value.tif)" if (path / "value.tif").is_file() else ""
            raise FormatError(
                rule="a folder to describe is one of swath map, with classes.tif",
                got=f"{path}{more}",
                remedy="name a map of classes",
            )
        return found
    return path


def reads(last: Any, first: Any, *more: Any) -> list[Any]:
    """Files a run depends on."""
    found: list[Any] = []
    for what in (last, first):
        if what is None:
            continue
        path = map_file(what)
        found.append(what if path is None else path)
        for name in (
            ("probability.tif", "doubt.tif", "assessment.json")
            if path is not None and what is last and Path(what).is_dir()
            else ()
        ):
            if (path.parent / name).is_file():  # type: ignore[union-attr]
                found.append(path.parent / name)  # type: ignore[union-attr]
    return found + [Path(str(m)) for m in more if m is not None and Path(str(m)).is_file()]


def read_text(path: Path) -> str:
    """A text file. Raises FormatError."""
    try:
        if path.stat().st_size > MOST_TEXT:
            raise ValueError("larger than a megabyte")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise FormatError(
            rule="--check takes a text file", got=f"{path}: {error}", remedy="name a UTF-8 file"
        ) from error


def counted(last: Any, first: Any, asked: Mapping[str, Any], progress: Progress | None) -> tuple[SceneFacts, list[str]]:
    """Facts of the map (and of the change since an earlier one), and what must be said about them."""
    from swath.language.facts import facts
    from swath.language.source import cropped, on_grid, open_raster

    path = map_file(last)
    made = open_raster(last if path is None else path, asked["legend"], safe=asked["safe"])
    notes: list[str] = []
    earlier = None
    if first is not None:
        before = map_file(first)
        names = asked["since_legend"] or (asked["legend"] if asked["legend"] is not None else None)
        earlier = open_raster(first if before is None else before, names, safe=asked["safe"])
        earlier = on_grid(earlier, before or Path(), made)
        if "warped" in earlier.meta:
            notes.append(f"the earlier map was {earlier.meta['warped']}")
    run = Path(last) if isinstance(last, (str, os.PathLike)) and Path(last).is_dir() else None
    window = ((0, made.shape[0]), (0, made.shape[1]))
    if asked["area"] is not None:
        window = area_window(made, asked["area"])
        made = cropped(made, *window)
        earlier = cropped(earlier, *window) if earlier is not None else None
    doubt, rule = _doubt(run, made.shape, window) if run is not None else (None, "")
    areas = _areas(run) if run is not None and asked["area"] is None else {}
    found = facts(
        [earlier, made] if earlier is not None else made, floor=asked["floor"], connectivity=asked["connectivity"],
        sure=doubt, sure_rule=rule, areas=areas, progress=progress,
    )  # fmt: skip
    notes += _said(found)
    if rule:
        notes.append(f"sure: {rule}")
    if run is not None and not areas:
        notes.append(
            "areas are as counted on the map: no probability sample has judged it (swath sample, swath assess)"
        )
    return found, notes


def by_windows(last: Any, asked: Mapping[str, Any], facts: SceneFacts, progress: Progress | None) -> dict[str, Any]:
    """The map (its part asked for) counted window by window, and the densest window of each class."""
    from swath.language.source import cropped, open_raster
    from swath.language.windows import count_windows

    path = map_file(last)
    made = open_raster(last if path is None else path, asked["legend"], safe=asked["safe"])
    if asked["area"] is not None:
        made = cropped(made, *area_window(made, asked["area"]))
    return count_windows(made, facts, asked["windows"], progress)


def _said(found: SceneFacts) -> list[str]:
    notes = [found.north.words]
    if found.simulated:
        notes.append("simulated: the map is of a made world")
    if found.traces():
        names = ", ".join(found.classes[k].noun for k in found.traces())
        notes.append(f"below the floor of {found.floor} pixels: {names}")
    if found.weighted:
        notes.append("shares are of ground: pixels differ in size over this scene")
    lost = sum(c.moved.unknown for c in found.changes)
    if lost:
        notes.append(f"{lost:,} pixels lack a class on one of the dates and are left out of the change")
    return notes


def area_window(made: Any, area: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """(first, last) rows and columns of a map that an area names. Raises GridError."""
    from swath.cube.select import area_of, pixels_of, window_of

    if (window := pixels_of(area, made.shape)) is not None:
        return window
    if made.grid is None or made.grid.crs is None:
        raise GridError(
            rule="an area needs a map with a CRS",
            got=made.name or "an array",
            remedy="give --area 'rows 0:512, columns 0:512'",
        )
    geometry = area_of(area)
    assert geometry is not None
    return window_of(made.grid, geometry)


def _doubt(run: Path, shape: tuple[int, int], window: Any) -> tuple[Doubt | None, str]:
    """A pixel is sure when one class is left and it lies within what was learned; else when its probability is 0.8 or more."""
    from swath.cube import gdal

    rows, columns = window
    file = run / "doubt.tif"
    if file.is_file():
        source = gdal.handle(str(file))
        names = [d or "" for d in source.descriptions]
        if "set_size" in names and _fits(source, rows, columns):
            bands = [names.index("set_size") + 1] + ([names.index("outside") + 1] if "outside" in names else [])

            def by_sets(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
                stored = _read(file, bands, rows[0] + first, rows[0] + last, columns)
                sure = (stored[0] == 1) & (stored[1] != 1 if len(stored) > 1 else True)
                return sure, stored[0] != 255

            return by_sets, "one class is left at 90 % and the pixel is like the labels (doubt.tif)"
    file = run / "probability.tif"
    if file.is_file():
        source = gdal.handle(str(file))
        scale, nodata = float(source.scales[0]), source.nodata
        every = list(range(1, source.count + 1))
        if _fits(source, rows, columns):

            def by_share(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
                stored = _read(file, every, rows[0] + first, rows[0] + last, columns)
                valid = (stored != nodata).all(0) if nodata is not None else np.ones(stored.shape[1:], bool)
                return stored.max(0) * scale >= SURE, valid

            return by_share, f"the largest probability is at least {SURE} (probability.tif)"
    return None, ""


def _fits(source: Any, rows: tuple[int, int], columns: tuple[int, int]) -> bool:
    return bool(source.height >= rows[1] and source.width >= columns[1])


def _read(file: Path, bands: Sequence[int], first: int, last: int, columns: tuple[int, int]) -> np.ndarray:
    from rasterio.windows import Window

    from swath.cube import gdal

    window = Window(columns[0], first, columns[1] - columns[0], last - first)
    return np.asarray(gdal.handle(str(file)).read(list(bands), window=window))


def _areas(run: Path) -> dict[str, dict[str, Any]]:
    """{class: area Estimate} of assessment.json where it has intervals (a probability sample judged the map)."""
    file = run / "assessment.json"
    if not file.is_file():
        return {}
    try:
        record = json.loads(file.read_text("utf-8"))
        classes = [(str(c["name"]), dict(c["area"])) for c in record.get("classes", [])]
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(
            rule="assessment.json is what swath map or assess wrote", got=f"{file}: {error}", remedy="make it anew"
        ) from error
    return {name: area for name, area in classes if area.get("low") is not None and area.get("value") is not None}


def page(
    path: Path,
    last: Any,
    facts: SceneFacts,
    text: Text,
    verdicts: Verdicts | None,
    asks: Sequence[Question],
    notes: Sequence[str],
    asked: Mapping[str, Any],
) -> Path:
    """report.html: the map with a window for each sentence."""
    from swath.earth.colour import hexadecimal
    from swath.language.claim import window_of
    from swath.language.judging import judge
    from swath.language.numbers import share
    from swath.report import describe_page
    from swath.report.figures import data_uri

    pixels, colours = picture(last, asked, facts)
    own = verdicts if asked["writer"] is not None else None
    sentences = []
    for i, words in enumerate(text.sentences):
        claims = text.claims[i] if i < len(text.claims) else (own[i].claims if own is not None else ())
        window = window_of(claims[0], facts) if claims else (0, *facts.shape[:1], 0, facts.shape[1])
        why = "; ".join(judge(c, facts)[1] for c in claims) or "no statement about the map"
        sentences.append(describe_page.told(words, why, window, facts.shape, own[i].verdict if own is not None else ""))
    keys = [
        describe_page.Key(facts.classes[k].noun, hexadecimal(colours[k]), share(facts.share([k])).text)
        for k in facts.ranking("scene", 1)
    ]
    judged = (
        []
        if verdicts is None
        else [describe_page.Judged(v.sentence, v.verdict, "; ".join(v.reasons)) for v in verdicts]
    )
    step = max(1, -(-max(facts.shape) // LONGEST))
    made = describe_page.Page(
        title=asked.get("title") or f"{facts.name or 'A map'} in words",
        headline=_headline(text),
        uri=data_uri(pixels), width=pixels.shape[1], height=pixels.shape[0], sentences=sentences, keys=keys,
        places=facts.north.words[:1].upper() + facts.north.words[1:] + ".",
        picture=f"The picture shows one pixel in {step} along each side." if step > 1 else "",
        hint="Point at a sentence, or step to it with Tab: the part of the map that it speaks of stays bright.",
        lines=text.style in ("list", "chatearthnet"), notes=[n for n in notes if n != facts.north.words], judged=judged,
        judged_title="The text that was checked", omitted=[] if verdicts is None else verdicts.omitted,
        transitions=_transitions(facts), questions=asks, simulated=facts.simulated,
    )  # fmt: skip
    return describe_page.write(path, made)


def _headline(text: Text) -> str:
    """The first sentence about a class."""
    for words, claims in zip(text.sentences, text.claims, strict=False):
        if any(c.classes for c in claims):
            return words
    return text.sentences[0] if text.sentences else "Nothing to say"


def _transitions(facts: SceneFacts) -> list[tuple[str, str, str]]:
    from swath.language.numbers import area

    if not facts.changes:
        return []
    change = facts.changes[-1]
    pairs = [(i, j) for i in range(len(change.classes)) for j in range(len(facts.classes))
             if change.moved.pixels[:, i, j].sum() and not change.same[i, j]]  # fmt: skip
    pairs.sort(key=lambda p: -change.moved.ground[p])
    return [
        (change.classes[i].noun, facts.classes[j].noun, area(float(change.moved.ground[i, j]), facts.unit).text)
        for i, j in pairs[:20]
    ]


def picture(last: Any, asked: Mapping[str, Any], facts: SceneFacts) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """The map in its classes' colours, thinned to at most 700 pixels a side: (h, w, 4) uint8; colours by class."""
    from swath.language.counting import index_of
    from swath.language.legend import colours_of
    from swath.language.source import cropped, open_raster, strips

    path = map_file(last)
    made = open_raster(last if path is None else path, asked["legend"], safe=asked["safe"])
    if asked["area"] is not None:
        made = cropped(made, *area_window(made, asked["area"]))
    colours = colours_of(facts.classes)
    step = max(1, math.ceil(max(facts.shape) / LONGEST))
    index = index_of(made)
    rows = []
    for first, end in strips(made.shape):
        wanted = np.arange(-(-first // step) * step, end, step)
        if len(wanted):
            codes, valid = made.read(first, end)
            rows.append(index(codes[wanted - first][:, ::step], valid[wanted - first][:, ::step]))
    at = np.concatenate(rows)
    table = np.array([(*c, 255) for c in colours] + [(0, 0, 0, 0)], np.uint8)
    return table[at], colours
