"""Describe a map in words, with every number counted on it; of two maps, what became what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from swath.errors import FormatError
from swath.tools.job import Job, Progress, can_be_written, write_json, write_text
from swath.tools.shown import Shown

if TYPE_CHECKING:
    from swath.language.caption import Text
    from swath.language.check import Verdicts
    from swath.language.facts import SceneFacts
    from swath.language.question import Question

__all__ = ["Described", "describe"]

Style = Literal["plain", "places", "short", "list", "levels", "chatearthnet"]


@dataclass(frozen=True, slots=True)
class Described(Shown):
    """What is said of a map. text: sentences with their claims; verdicts: of the text given with --check, or of the writer's.

    questions: with keys, when asked for. facts: everything counted. files: what lies in `out`, if one was given. windows: the
    classes of each window and where each class is densest, when asked for.
    """

    text: Text
    facts: SceneFacts
    verdicts: Verdicts | None
    questions: tuple[Question, ...]
    notes: tuple[str, ...]
    out: str = ""
    files: tuple[str, ...] = ()
    windows: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values: text, claims, facts, verdicts, questions."""
        return {
            **self.text.to_json(self.facts),
            "facts": self.facts.to_json(),
            "verdicts": None if self.verdicts is None else [v.to_json() for v in self.verdicts],
            "omitted": [] if self.verdicts is None else list(self.verdicts.omitted),
            "questions": [q.to_json() for q in self.questions],
            "windows": self.windows,
            "notes": list(self.notes),
            "out": self.out,
            "files": list(self.files),
        }

    def __str__(self) -> str:
        lines = [self.text.text]
        if self.verdicts is not None:
            counted = ", ".join(f"{self.verdicts.count(w)} {w}" for w in ("supported", "contradicted", "not checkable"))
            lines += ["", f"the text was checked: {counted}"]
            for v in self.verdicts:
                lines.append(f"  {v.verdict:<13}  {v.sentence}")
                if v.verdict != "supported":
                    lines += [f"                 {r}" for r in v.reasons if not r.startswith("true")]
                lines += [f"                 unwanted words: {', '.join(v.forbidden)}"] if v.forbidden else []
            lines += [f"  left out: {o}" for o in self.verdicts.omitted]
        for q in self.questions:
            lines += ["", f"{q.text}  ({' | '.join(q.options)})", f"  {q.key}   [blind: {q.blind}]"]
        for name, d in (self.windows or {}).get("densest", {}).items():
            where = "rows {} to {}, columns {} to {}".format(*d["rows"], *d["columns"])
            lines.append(f"{name} is densest in the {d['place']}: {100 * d['share']:.3g} % of the window ({where})")
        lines += [f"note: {n}" for n in self.notes]
        if self.out:
            lines.append(f"in {self.out}: {', '.join(self.files)}")
        return "\n".join(lines)


def describe(
    maps: list[str],
    *,
    since: str | Path | None = None,
    out: str | Path | None = None,
    questions: bool = False,
    style: Style = "plain",
    seed: int = 0,
    check: str | Path | None = None,
    forbid: list[str] | None = None,
    legend: str | Path | None = None,
    since_legend: str | Path | None = None,
    writer: Callable[[SceneFacts], str] | None = None,
    floor: int | None = None,
    connectivity: int = 4,
    windows: int | None = None,
    area: str | None = None,
    safe: bool = False,
    progress: Progress | None = None,
) -> Described:
    """Describe a map in words, with every number counted on it; of two maps, what became what.

    Places are named by true north where the map has a CRS, else by top and left. Areas are in hectares on the ground.
    Nothing is said that the map does not carry; each sentence lists its claims with the pixels they speak of.

    Args:
        maps: a raster of classes or the folder of a swath map run; two of them: the first is the earlier.
        since: the earlier map, for what changed.
        out: folder for description.txt, description.json (facts and claims), questions.json, report.html, run.json.
        questions: ask questions with keys too: presence, share, area, count, where, compare, neighbours, change.
        style: plain, places (quarter by quarter), short, list, levels (five size words by region), or chatearthnet (the
            facts that its published writer was given).
        seed: of the wording; other seeds say the same in other words.
        check: a text file that somebody else wrote about this map, to be judged sentence by sentence.
        forbid: kinds of words to flag in it: hedges, colours, chatearthnet.
        legend: names of the codes: a JSON, CSV or text file, or worldcover, dynamicworld, esri, terramind, chatearthnet.
        since_legend: names of the earlier map's codes, where they differ.
        writer: in Python, a function from facts to a text that stands in for the grammar and is judged too.
        floor: pixels a class needs to be spoken of; 20 of 256 x 256, scaled, by default.
        connectivity: patches join by sides (4) or by corners too (8).
        windows: count the classes in square windows too, so many along the longer side, and say where each is densest.
        area: vector file, west,south,east,north in degrees, or rows 0:512, columns 100:612.
        safe: refuse files that declare more than a guarded reader would read.

    Returns:
        A Described.

    Raises:
        LabelError: numbers instead of classes, codes without names. GridError: two maps that do not meet.
        FormatError: no raster. OutputError: the folder cannot be written.

    Examples:
        swath describe map.tif --legend worldcover --out words/
        swath describe 2020.tif 2024.tif --questions
        swath describe out/ --check caption.txt --forbid hedges,colours
    """
    asked = dict(locals())
    from swath.language.caption import say
    from swath.language.check import check as judge
    from swath.language.question import questions as ask
    from swath.tools import describing

    if writer is not None and not callable(writer):
        raise FormatError(
            rule="a writer is a Python function from facts to text",
            got=repr(writer)[:60],
            remedy="swath.describe(map, writer=function), or judge its text with --check FILE",
        )
    folder = None if out is None else Path(out)
    if folder is not None:
        can_be_written(folder)
    last, first = _pair([maps] if isinstance(maps, (str, Path)) else list(maps), since)
    job = Job.start("describe", {**asked, "writer": None}, describing.reads(last, first, legend, since_legend, check))
    facts, notes = describing.counted(last, first, asked, progress)
    text = say(facts, style, seed, writer=writer)
    verdicts = None
    if check is not None or writer is not None:
        foreign = text.text if writer is not None else describing.read_text(Path(str(check)))
        verdicts = judge(foreign, facts, forbid=forbid or ())
    asks = tuple(ask(facts, seed)) if questions else ()
    grid = None if windows is None else describing.by_windows(last, asked, facts, progress)
    if folder is None:
        return Described(text, facts, verdicts, asks, tuple(notes), windows=grid)
    record = {
        "format": 1, **text.to_json(facts), "facts": facts.to_json(), "notes": notes, "windows": grid,
        "verdicts": None if verdicts is None else [v.to_json() for v in verdicts],
        "omitted": [] if verdicts is None else verdicts.omitted,
    }  # fmt: skip
    made = [
        write_text(folder / "description.txt", text.text + "\n"),
        write_json(folder / "description.json", record),
        describing.page(folder / "report.html", last, facts, text, verdicts, asks, notes, asked),
    ]
    if questions:
        made.append(
            write_json(folder / "questions.json", {"format": 1, "seed": seed, "questions": [q.to_json() for q in asks]})
        )
    if writer is None:
        made.append(job.finish(folder, made))
    names = tuple(sorted(p.name for p in made))
    return Described(text, facts, verdicts, asks, tuple(notes), str(folder), names, grid)


def _pair(maps: list[Any], since: Any) -> tuple[Any, Any]:
    """(the map described, the earlier one or None)."""
    if not 1 <= len(maps) <= 2 or (len(maps) == 2 and since is not None):
        raise FormatError(
            rule="a description is of one map, or of an earlier and a later one",
            got=f"{len(maps)} maps" + (" and --since" if since is not None else ""),
            remedy="give MAP, MAP --since EARLIER, or EARLIER MAP",
        )
    return (maps[-1], since if len(maps) == 1 else maps[0])
