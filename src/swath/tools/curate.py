"""Choose which tiles of an archive to keep: balanced, without copies, each with its reason."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import DesignError
from swath.tools.shown import Shown

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from swath.study.select import Choice
    from swath.tools.curate_next import LabelNext
    from swath.tools.curating import Table
    from swath.tools.job import Progress
    from swath.tools.scenes import Reading

__all__ = ["CurateResult", "curate"]


@dataclass(frozen=True, slots=True)
class CurateResult(Shown):
    """What was kept. read: tiles that could be compared; unread, screened: (tile, why) of those left out; copies: tiles
    that are near-duplicates of another. even: effective number of clusters (exp of the entropy of their shares) in the
    archive and among the kept.
    """

    out: str
    files: tuple[str, ...]
    kept: int
    read: int
    unread: tuple[tuple[str, str], ...]
    screened: tuple[tuple[str, str], ...]
    copies: int
    copies_kept: int
    clusters: int
    even: tuple[float, float]
    seed: int
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "out": self.out,
            "files": list(self.files),
            "kept": self.kept,
            "read": self.read,
            "unread": [list(u) for u in self.unread],
            "screened": [list(s) for s in self.screened],
            "copies": self.copies,
            "copies_kept": self.copies_kept,
            "clusters": self.clusters,
            "even": {"archive": self.even[0], "kept": self.even[1]},
            "seed": self.seed,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"{self.kept:,} of {self.read:,} tiles kept, listed with reasons in {self.out}"]
        lines.append(
            f"  balance: {self.clusters} clusters; as even as {self.even[0]:.1f} equal ones in the archive, "
            f"{self.even[1]:.1f} among the kept"
        )
        lines.append(f"  near-duplicates: {self.copies:,} of the {self.read:,}; {self.copies_kept:,} kept")
        for name, items in (("could not be read", self.unread), ("empty or broken pictures", self.screened)):
            if items:
                lines.append(f"  left out, {name}: {len(items):,}")
                lines += [f"    {key}: {why}" for key, why in items[:5]]
                lines += [f"    and {len(items) - 5:,} more, in {_beside(Path(self.out), '_left_out.csv').name}"] * (
                    len(items) > 5
                )
        return "\n".join(lines + [f"note: {n}" for n in self.notes])


def curate(
    archive: str | Path,
    keep: int | None = None,
    out: str | Path = "keep.csv",
    *,
    label_next: int | None = None,
    labels: str | Path | None = None,
    encoder: str | None = None,
    report: bool = False,
    spread: float = 0.5,
    alike: float = 0.05,
    tile: int | None = None,
    seed: int = 0,
    area: str | None = None,
    dates: str | None = None,
    bands: list[str] | None = None,
    offset: float | None = None,
    scale: float | None = None,
    sensor: str | None = None,
    safe: bool = False,
    progress: Progress | None = None,
) -> CurateResult | LabelNext:
    """Choose which tiles of an archive to keep, with reasons.

    Tiles are grouped by what they look like; every group gives an even share, so that rare kinds stay and the common one
    shrinks. Near-duplicates go first, empty and saturated tiles are left out before, and files that cannot be read are
    named. A column `weight` says how many tiles of its group each kept one stands for: use it to bring shares of
    classes back to the archive's. A run that was stopped goes on where it was.

    Args:
        archive: a folder of tiles or pictures, or a .zarr or .parquet of `swath embed`.
        keep: how many to keep.
        label_next: choose so many tiles to label next instead: those left most in doubt by `labels`, and different ones.
        labels: a CSV with key (or file) and label of the tiles that are labelled already; without it the most varied
            tiles are asked first.
        out: the list, a .csv, or a folder for keep.csv; near-duplicates and what was left out are listed beside it.
        encoder: a model whose vectors tell what is alike (as in `swath map --encoder`); percentiles and roughness of
            every band by default.
        report: write a page with pictures of what was kept and of what it stands for.
        spread: 0 keeps the tiles most typical of their group, 1 those most unlike each other.
        alike: distance, as a share of that of two random tiles, at or below which two tiles are near-duplicates.
        tile: cut every file into windows of so many pixels, and choose among those.
        seed: the same seed and archive give the same list.
        area: vector file or west,south,east,north in degrees.
        dates: a date, month, year or FIRST/LAST.
        bands: names, colours or letters of the bands to compare.
        offset: added to stored numbers before scaling.
        scale: factor from stored numbers to physical ones.
        sensor: name of the sensor where the files do not tell.
        safe: read files in a child process with limits.

    Returns:
        A CurateResult, or a LabelNext.

    Raises:
        FormatError: no archive, or nothing in it can be read. DesignError: more asked for than there are.
        OutputError: the list cannot be written.

    Examples:
        swath curate tiles/ --keep 2000 --out keep.csv --report
        swath curate E.zarr --keep 500 --spread 1 --out keep.csv
        swath curate tiles/ --label-next 50 --labels labelled.csv --out next.csv
    """
    from swath.tools.job import Job, can_be_written, write_json, write_text
    from swath.tools.scenes import Reading

    path = Path(out)
    path = path if path.suffix.lower() == ".csv" else path / ("keep.csv" if label_next is None else "next.csv")
    can_be_written(path.parent)
    source = Path(archive)
    arguments = {
        "archive": archive, "keep": keep, "out": out, "label_next": label_next, "labels": labels, "encoder": encoder,
        "report": report, "spread": spread, "alike": alike, "tile": tile, "seed": seed, "area": area, "dates": dates,
        "bands": bands, "offset": offset, "scale": scale, "sensor": sensor, "safe": safe,
    }  # fmt: skip
    if (keep is None) == (label_next is None) or (keep if label_next is None else label_next or 0) < 1:  # type: ignore[operator]
        raise DesignError(
            rule="at least one tile is kept, or labelled next",
            got=f"--keep {keep}, --label-next {label_next}",
            remedy="give one of the two",
        )
    job = Job.start("curate", arguments, reads=[archive] if labels is None else [archive, labels])
    path.parent.mkdir(parents=True, exist_ok=True)
    reading = Reading(area, dates, bands, offset, scale, sensor, safe)
    work = path.with_name(f".{path.stem}.work")
    table, vectors = _vectors(source, reading, encoder, tile, work, progress)
    _enough(table, label_next if keep is None else keep, source)
    if keep is None:
        from swath.tools import curate_next

        found = curate_next.label_next(job, table, vectors, path, label_next or 0, labels, spread, seed)
        shutil.rmtree(work, ignore_errors=True)
        return found
    groups, notes = _groups(table, keep, seed)
    chosen = [
        (name, rows, _choose(_part(vectors, rows, len(table.tiles)), count, spread, alike, seed, progress))
        for name, rows, count in groups
        if count
    ]
    frame, copies = _frames(table, chosen)
    files = {
        path: frame.to_csv(index=False, lineterminator="\n"),
        _beside(path, "_near_duplicates.csv"): copies.to_csv(index=False, lineterminator="\n"),
        _beside(path, "_left_out.csv"): _left_out(table),
    }
    written = [write_text(p, text) for p, text in files.items()]
    even = _evenness([c for _, _, c in chosen])
    result = CurateResult(
        out=str(path),
        files=tuple(p.name for p in (*written, *([_beside(path, "_report.html")] if report else []))),
        kept=len(frame),
        read=len(table.tiles),
        unread=table.unread,
        screened=table.screened,
        copies=len(copies),
        copies_kept=int(copies["kept"].sum()) if len(copies) else 0,
        clusters=sum(len(c.size) for _, _, c in chosen),
        even=even,
        seed=seed,
        notes=(*table.notes, *notes),
    )
    if report:
        from swath.tools.curate_page import page

        written.append(page(_beside(path, "_report.html"), source, reading, table, chosen, result, progress))
    record = job.record(
        written, path.parent, result=result.to_json(), kept=frame["key"].tolist(), clusters=_counts(chosen)
    )
    write_json(path.parent / "run.json", record)
    shutil.rmtree(work, ignore_errors=True)
    return result


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.stem + ending)


def _vectors(
    source: Path, reading: Reading, encoder: str | None, tile: int | None, work: Path, progress: Progress | None
) -> tuple[Table, Any]:
    """The tiles of a folder, or the rows of an archive of vectors. Vectors of a folder are a list, to be scaled by form."""
    from swath.tools import curating

    if source.suffix.lower() in (".zarr", ".parquet") and source.exists():
        return _embedded(source, work)
    table = curating.described(source, reading, encoder=encoder, tile=tile, work=work, progress=progress)
    return table, table.vector


def _embedded(source: Path, work: Path) -> tuple[Table, Any]:
    """Vectors of `swath embed`, as directions (the way `swath search` compares them), on disk."""
    import numpy as np

    from swath.predict import vectors as store
    from swath.tools.curating import Table, Tile, by_block

    found = store.read(source, lazy=True)
    scale = store.scaling(found)
    good = np.concatenate([scale(block).any(1) for _, block in found.blocks()] or [np.zeros(0, bool)])
    work.mkdir(parents=True, exist_ok=True)
    x = by_block(
        (scale(block)[good[start : start + len(block)]].astype(np.float32) for start, block in found.blocks()),
        (int(good.sum()), found.width),
        work / "unit.npy",
    )
    keys = [str(k) for k in np.asarray(found.key[:])]
    tiles = tuple(
        Tile(keys[i], lon=float(found.lonlat[i, 0]), lat=float(found.lonlat[i, 1]), day=float(found.day[i]))
        for i in np.flatnonzero(good)
    )
    empty = tuple((keys[i], "empty: a vector of zeros, or not finite") for i in np.flatnonzero(~good))
    name = f"vectors of {found.facts.get('encoder', 'an unnamed encoder')}"
    return Table(tiles, (name,) * len(tiles), [], (), empty, ()), x


def _enough(table: Table, keep: int | None, source: Path) -> None:
    from swath.errors import FormatError

    left = len(table.unread) + len(table.screened)
    if not table.tiles:
        first = (*table.unread, *table.screened)[0] if left else ("", "no tile")
        raise FormatError(
            rule="some tiles of an archive can be read",
            got=f"none of {left} in {source.name}; the first: {first[0]}: {first[1]}",
            remedy="settle what that sentence asks for",
        )
    if keep is not None and keep > len(table.tiles):
        raise DesignError(
            rule="at most as many are kept as there are",
            got=f"--keep {keep:,} of {len(table.tiles):,} tiles ({left:,} more could not be used)",
            remedy=f"--keep {len(table.tiles):,} or fewer",
        )


def _groups(table: Table, keep: int, seed: int) -> tuple[list[tuple[str, np.ndarray, int]], list[str]]:
    """(form, rows, how many to keep) of each form; forms share evenly."""
    import numpy as np

    from swath.study.select import quota

    names, which = np.unique(np.array(table.form, str), return_inverse=True)
    rows = [np.flatnonzero(which == i) for i in range(len(names))]
    counts = quota([len(r) for r in rows], keep, seed=seed)
    notes = []
    if len(names) > 1:
        notes.append(
            f"{len(names)} forms of tiles (sensor, bands), which cannot be compared: each gives its even share"
        )
        order = np.argsort([-len(r) for r in rows], kind="stable")
        notes += [f"{names[i]}: {counts[i]} of {len(rows[i])} kept" for i in order[:12]]
        notes += [f"and {len(names) - 12} more forms"] * (len(names) > 12)
    return [(str(n), r, int(c)) for n, r, c in zip(names, rows, counts, strict=True)], notes


def _part(vectors: Any, rows: np.ndarray, total: int) -> Any:
    """The rows of one form, scaled."""
    from swath.tools.curating import view_of

    if isinstance(vectors, list):
        return view_of([vectors[int(i)] for i in rows])
    return vectors if len(rows) == total else vectors[rows]


def _choose(x: Any, count: int, spread: float, alike: float, seed: int, progress: Progress | None) -> Choice:
    import numpy as np

    from swath.study.select import choose

    if not 0 <= alike < 1:
        raise DesignError(
            rule="--alike is a share from 0 to 1", got=f"{alike:g}", remedy="0.05, or 0 for equal ones only"
        )
    a, b = np.random.default_rng([seed, 23]).integers(len(x), size=(2, 2000))
    pairs = np.flatnonzero(a != b)
    apart = [float(np.linalg.norm(x[i] - x[j])) for i, j in zip(a[pairs], b[pairs], strict=True)]
    typical = float(np.median(apart)) if apart else 0.0
    return choose(x, count, spread, seed, alike=alike * typical, progress=progress)


def _frames(table: Table, chosen: Sequence[tuple[str, np.ndarray, Choice]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The list of the kept, and that of near-duplicates."""
    import numpy as np
    import pandas as pd

    kept, copies = [], []
    for form, rows, choice in chosen:
        part = choice.table()
        tiles = [table.tiles[int(rows[i])] for i in part["row"]]
        day = np.array([t.day for t in tiles])
        part.insert(0, "key", [t.key for t in tiles])
        part.insert(1, "file", [t.file for t in tiles])
        for at, name in enumerate(("lon", "lat"), 2):
            part.insert(at, name, [round(getattr(t, name), 6) for t in tiles])
        part.insert(4, "date", ["" if not np.isfinite(d) else str(np.datetime64(int(d), "D")) for d in day])
        part["form"] = form
        part["distance"] = part["distance"].round(4)
        part["weight"] = part["weight"].round(4)
        part["reason"] = [_named(str(r), table, rows) for r in part["reason"]]
        kept.append(part.drop(columns="row"))
        inside = set(choice.kept.tolist())
        for i in np.flatnonzero(choice.copy_of >= 0):
            of = table.tiles[int(rows[choice.copy_of[i]])].key
            copies.append((table.tiles[int(rows[i])].key, of, round(float(choice.far[i]), 4), int(i) in inside))
    whole = pd.concat(kept, ignore_index=True).sort_values("key", kind="stable", ignore_index=True)
    return whole, pd.DataFrame(copies, columns=["key", "copy_of", "distance", "kept"])


def _named(reason: str, table: Table, rows: np.ndarray) -> str:
    """A reason with the key of the row it speaks of."""
    if not reason.startswith("copy of row "):
        return reason
    number, _, rest = reason.removeprefix("copy of row ").partition(":")
    return f"copy of {table.tiles[int(rows[int(number)])].key}:{rest}"


def _left_out(table: Table) -> str:
    import pandas as pd

    rows = [(k, "unread", why) for k, why in table.unread] + [(k, "screened", why) for k, why in table.screened]
    return str(pd.DataFrame(rows, columns=["key", "kind", "why"]).to_csv(index=False, lineterminator="\n"))


def _evenness(choices: Sequence[Choice]) -> tuple[float, float]:
    import numpy as np

    from swath.study.select import effective

    return effective(np.concatenate([c.size for c in choices])), effective(np.concatenate([c.taken for c in choices]))


def _counts(chosen: Sequence[tuple[str, np.ndarray, Choice]]) -> list[dict[str, Any]]:
    """Clusters with their counts, for run.json."""
    return [
        {
            "form": form,
            "size": c.size.tolist(),
            "kept": c.taken.tolist(),
            "levels": [len(x) for x in c.clusters.centres],
        }
        for form, _, c in chosen
    ]
