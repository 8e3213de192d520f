"""Find places like an example in an archive of vectors: ranked, with a threshold below which nothing is similar."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import GridError
from swath.tools.job import Job, Progress, can_be_written, write_text
from swath.tools.scenes import Reading
from swath.tools.shown import Shown

if TYPE_CHECKING:
    from swath.predict.vectors import Vectors
    from swath.tools.searching import Hit

__all__ = ["SearchResult", "search"]

PICTURES = 60


@dataclass(frozen=True, slots=True)
class SearchResult(Shown):
    """What a search gave. hits: records, the most alike first: key, place, lon, lat, dates, similarity.

    threshold: NaN where the archive is too small to have one. best: the highest similarity, whether above it or not. own: vectors
    of the examples' own places, left out. unlike: vectors nearer to what was not wanted.
    """

    out: str
    hits: tuple[dict[str, Any], ...]
    threshold: float
    words: str
    best: float
    own: int
    unlike: int
    searched: int
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """The result in one sentence."""
        if not self.hits:
            why = (
                f"the best has {self.best:.3f}, below {self.threshold:.3f}"
                if self.best == self.best
                else "nothing left"
            )
            return f"nothing is similar: {why}"
        one = len(self.hits) == 1
        return f"{len(self.hits)} place{'' if one else 's'} {'is' if one else 'are'} similar"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "out": self.out,
            "answer": self.answer,
            "hits": list(self.hits),
            "threshold": self.threshold if self.threshold == self.threshold else None,
            "threshold_words": self.words,
            "best": self.best if self.best == self.best else None,
            "own_place_left_out": self.own,
            "unlike_left_out": self.unlike,
            "searched": self.searched,
            "files": list(self.files),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        from swath.report.table import table

        rows = [
            (i + 1, f"{h['similarity']:.3f}", _where(h), ", ".join(h["dates"][:3]) or "-", h["key"])
            for i, h in enumerate(self.hits)
        ]
        lines = [self.answer]
        if rows:
            lines.append(table(["", "similarity", "lon,lat", "dates", "key"], rows, right=(0, 1), indent=2))
        lines.append(
            f"threshold: {self.threshold:.3f}: {self.words}" if self.threshold == self.threshold else self.words
        )
        lines += [f"note: {n}" for n in self.notes]
        return "\n".join([*lines, f"in {self.out}: {', '.join(self.files)}"])


def _where(record: dict[str, Any]) -> str:
    return "-" if record["lon"] is None else f"{record['lon']:.5f},{record['lat']:.5f}"


def search(
    archive: str | Path,
    *,
    like: list[str] | None = None,
    like_image: list[str] | None = None,
    not_: list[str] | None = None,
    k: int = 20,
    out: str | Path = "search",
    weights: str | Path | None = None,
    dates: str | None = None,
    area: str | None = None,
    bands: list[str] | None = None,
    offset: float | None = None,
    scale: float | None = None,
    sensor: str | None = None,
    safe: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Find places like an example in an archive of vectors, ranked, or say that nothing is similar.

    Exact: every vector is compared. What is less alike than the stated threshold is not shown. The example's own place is
    left out; dates and overlapping windows of one ground are one answer.

    Args:
        archive: what swath embed wrote, .zarr or .parquet.
        like: places LON,LAT, or keys of the archive; what is like any of them is found.
        like_image: pictures or scenes to compare with, encoded by the archive's own encoder.
        not_: places LON,LAT or keys of what is not wanted; what is as near to them is left out.
        k: how many places at most.
        out: folder for hits.geojson, hits.csv, hits.html, run.json.
        weights: the encoder's weights file, for like_image, where it is not found by itself.
        dates: only vectors of 2019-05-01/2019-09-30, 2019-05 or 2019.
        area: only within a bbox west,south,east,north, or the bounds of a file.
        bands: of like_image: only these.
        offset: of like_image: settles units: physical = (stored + offset) x scale.
        scale: of like_image: settles units, with offset.
        sensor: of like_image: key of the sensor where the file is silent.
        safe: of like_image: open it in a guarded child process.

    Returns:
        A SearchResult.

    Raises:
        FormatError: no archive, or another encoder than its own. GridError: an example that the archive does not hold.

    Examples:
        swath search region.zarr --like 14.51,46.05 --out found/
        swath search region.zarr --like-image quarry.tif --not 14.4,46.1 -k 50 --dates 2021
    """
    asked = dict(locals())
    from swath.predict import vectors as keeping
    from swath.tools import searching

    pictures = [like_image] if isinstance(like_image, (str, Path)) else list(like_image or [])
    wanted = searching.where_of(like)
    if (not wanted and not pictures) or k < 1:
        raise GridError(
            rule="a search needs an example and at least one answer",
            got="no example" if k >= 1 else f"k {k}",
            remedy="give --like LON,LAT or --like-image FILE",
        )
    folder = Path(out)
    can_be_written(folder)
    job = Job.start("search", asked, [archive, *pictures, *([weights] if weights is not None else [])])
    found = keeping.read(archive, lazy=True)
    reading = Reading(None, None, bands, offset, scale, sensor, safe)
    good = searching.examples(found, wanted) + [searching.of_image(found, p, reading, weights) for p in pictures]
    bad = searching.examples(found, searching.where_of(not_))
    measured = searching.scale_of(found)
    chance = searching.chance_of(found, measured)
    where, own = searching.allowed(found, dates, area, good)
    unwanted = np.concatenate([w.vector for w in bad]) if bad else None
    hits, unlike, best = searching.find(
        found, np.concatenate([w.vector for w in good]), unwanted, k, where, scale=measured, least=chance.value
    )
    records = tuple(_record(i, hit) for i, hit in enumerate(hits))
    notes = _notes(good, own, unlike, chance.value)
    result = SearchResult(
        out=str(folder),
        hits=records,
        threshold=chance.value,
        words=chance.words,
        best=best,
        own=own,
        unlike=unlike,
        searched=int(where.sum()),
        files=("hits.csv", "hits.geojson", "hits.html", "run.json"),
        notes=notes,
    )
    made = [
        write_text(folder / "hits.geojson", _geojson(records, result)),
        write_text(folder / "hits.csv", _csv(records)),
        _page(folder / "hits.html", found, hits, good, bad, result, Path(archive).name, progress),
    ]
    job.finish(folder, made)
    return result


def _notes(good: Any, own: int, unlike: int, threshold: float) -> tuple[str, ...]:
    notes = []
    if own:
        names = ", ".join(w.name for w in good if len(w.rows))
        notes.append(f"the example's own place ({names}) is left out: {own:,} vector{'s' * (own != 1)}")
    if unlike:
        notes.append(f"{unlike:,} vectors are as near to what was not wanted: left out")
    if threshold != threshold:
        notes.append("without a threshold the ranking alone is told: look whether the first are similar at all")
    return tuple(notes)


def _record(rank: int, hit: Hit) -> dict[str, Any]:
    known = sorted({str(np.datetime64(int(d), "D")) for d in hit.days if np.isfinite(d)})
    lon, lat = (float(v) if np.isfinite(v) else None for v in hit.lonlat)
    return {
        "rank": rank + 1,
        "similarity": round(hit.similarity, 6),
        "lon": lon,
        "lat": lat,
        "dates": known,
        "key": hit.key,
        "place": hit.place,
        "vectors": len(hit.rows),
    }


def _geojson(records: tuple[dict[str, Any], ...], result: SearchResult) -> str:
    features = [
        {
            "type": "Feature",
            "geometry": None if r["lon"] is None else {"type": "Point", "coordinates": [r["lon"], r["lat"]]},
            "properties": {k: v for k, v in r.items() if k not in ("lon", "lat")},
        }
        for r in records
    ]
    about = {"answer": result.answer, "threshold": result.to_json()["threshold"], "threshold_words": result.words}
    whole = {"type": "FeatureCollection", **about, "features": features}
    return json.dumps(whole, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _csv(records: tuple[dict[str, Any], ...]) -> str:
    text = io.StringIO()
    names = ["rank", "similarity", "lon", "lat", "dates", "key", "place", "vectors"]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for r in records:
        writer.writerow({**r, "dates": " ".join(r["dates"])})
    return text.getvalue()


def _page(
    path: Path,
    found: Vectors,
    hits: list[Hit],
    good: Any,
    bad: Any,
    result: SearchResult,
    name: str,
    say: Progress | None,
) -> Path:
    from swath.report import figures, search_page
    from swath.tools import searching

    opened: dict[tuple[str, str | None], Any] = {}
    reasons: dict[str, int] = {}

    def shown(hit: Hit, title: str) -> search_page.Shown:
        pixels, why = searching.picture(found, hit, opened)
        if why:
            reasons[why] = reasons.get(why, 0) + 1
        return search_page.Shown(title, hit.key, "" if pixels is None else figures.data_uri(pixels))

    cards = []
    for i, (hit, record) in enumerate(zip(hits, result.hits, strict=True)):
        if say is not None:
            say(i + 1, len(hits), "pictures")
        dates = ", ".join(record["dates"][:3]) + (" ..." if len(record["dates"]) > 3 else "")
        words = " · ".join(w for w in (_where(record), dates) if w not in ("", "-"))
        card = shown(hit, words) if i < PICTURES else search_page.Shown(words, hit.key)
        cards.append((record["rank"], f"{hit.similarity:.3f}", card))
    asked = [(w.name, "like", _example(w, shown)) for w in good] + [(w.name, "not", _example(w, shown)) for w in bad]
    missing = [f"{n} picture{'s' * (n != 1)} left out: {why}" for why, n in list(reasons.items())[:3]]
    page = search_page.Page(
        title=f"Search in {name}",
        answer=result.answer,
        threshold=result.words if result.threshold != result.threshold else f"{result.threshold:.3f}: {result.words}",
        encoder=str(found.facts.get("encoder", "")),
        searched=result.searched,
        asked=asked,
        cards=cards,
        notes=(*result.notes, *missing),
    )
    return search_page.write(path, page)


def _example(wish: Any, shown: Any) -> Any:
    """The picture of an example that the archive holds."""
    from swath.report import search_page
    from swath.tools.searching import Hit

    if not len(wish.rows):
        return search_page.Shown(wish.name, "a picture from outside the archive", "")
    return shown(Hit(int(wish.rows[0]), wish.key, "", wish.lonlat, 1.0, (), ()), wish.name)
