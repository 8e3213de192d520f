"""Ask maps a question in words; every number of the answer links to the call and the pixels behind it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import SwathError
from swath.tools.job import Job, Progress, can_be_written, write_json, write_text

if TYPE_CHECKING:
    from swath.language.answer import Part
    from swath.language.plan import Plan, Question, Refusal
    from swath.language.plan_context import Context
    from swath.tools.asking import Call

__all__ = ["Answer", "answered", "ask", "kept"]

BY_RULES = "by rules, on this computer"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered. parts: texts and numbers in order; calls: what returned the numbers; back: a question or refusal instead.

    planner: who planned. plan: by rules only. next: questions of the stated set. files: what lies in `out`, if one was given.
    """

    question: str
    planner: str
    parts: tuple[Part, ...]
    calls: tuple[Call, ...]
    plan: Plan | None = None
    back: Question | Refusal | None = None
    next: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    out: str = ""
    files: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The answer as one text; the question back where there is none."""
        from swath.language.answer import text_of

        return text_of(self.parts) if self.parts else (self.back.text if self.back is not None else "")

    def to_json(self) -> dict[str, Any]:
        """Plain values: parts are {"text": ...} or {"number": {value, unit, low, high, call, pointer, evidence}}."""
        return {**self.record(), "out": self.out, "files": list(self.files)}

    def record(self) -> dict[str, Any]:
        """What answer.json holds: the same wherever it is written."""
        return {
            "format": 1, "question": self.question, "answered": bool(self.parts), "planner": self.planner, "text": self.text,
            "parts": [{"text": p} if isinstance(p, str) else {"number": p.to_json()} for p in self.parts],
            "plan": None if self.plan is None else self.plan.to_json(),
            "calls": [c.to_json() for c in self.calls],
            "back": None if self.back is None else self.back.to_json(),
            "next": list(self.next), "notes": list(self.notes),
        }  # fmt: skip

    def __str__(self) -> str:
        lines = [self.text]
        if self.back is not None and self.back.options:
            lines += [f"  - {o}" for o in self.back.options]
        if self.calls:
            lines += ["", f"How this was got ({self.planner}):"]
        for c in self.calls:
            given = ", ".join(f"{k}={_short(v)}" for k, v in c.arguments.items())
            lines.append(f"  {c.n}. {c.verb}({given})")
            lines += [
                f"     {p.text}  at {p.pointer}{_pixels(p.evidence)}"
                for p in self.parts
                if not isinstance(p, str) and p.call == c.n
            ]
        lines += [f"note: {n}" for n in self.notes]
        if self.next:
            lines += ["", "Ask next: " + " · ".join(self.next)]
        if self.out:
            lines.append(f"in {self.out}: {', '.join(self.files)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        import html

        def mark(p: Part) -> str:
            if isinstance(p, str):
                return html.escape(p)
            return f'<b title="{html.escape(f"call {p.call}, {p.pointer}{_pixels(p.evidence)}", quote=True)}">{html.escape(p.text)}</b>'

        said = "".join(mark(p) for p in self.parts) or html.escape(self.text)
        options = "".join(f"<li>{html.escape(o)}</li>" for o in (self.back.options if self.back is not None else ()))
        calls = "".join(
            f"<li><code>{html.escape(c.verb)}</code> {html.escape(str(c.arguments))}</li>" for c in self.calls
        )
        more = (
            f"<details><summary>How this was got, {html.escape(self.planner)}</summary><ol>{calls}</ol></details>"
            if calls
            else ""
        )
        return f"<p>{said}</p>" + (f"<ul>{options}</ul>" if options else "") + more


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_short(v) for v in value) + "]"
    return Path(value).name if isinstance(value, str) and os.sep in value else str(value)


def _pixels(evidence: dict[str, Any]) -> str:
    name = Path(str(evidence.get("map", ""))).name
    window = evidence.get("window")
    where = f", rows {window[0]}:{window[1]}, columns {window[2]}:{window[3]}" if window else ""
    codes = f", codes {', '.join(map(str, evidence['codes']))}" if evidence.get("codes") else ""
    return f" ({name}{where}{codes})" if name else ""


def ask(
    question: str,
    maps: list[str],
    *,
    since: str | Path | None = None,
    names: list[str] | None = None,
    out: str | Path | None = None,
    legend: str | Path | None = None,
    since_legend: str | Path | None = None,
    endpoint: str | None = None,
    model: str | None = None,
    replay: str | Path | None = None,
    area: str | None = None,
    offset: float | None = None,
    scale: float | None = None,
    sensor: str | None = None,
    safe: bool = False,
    progress: Progress | None = None,
) -> Answer:
    """Ask maps a question in words; every number of the answer links to the call and the pixels behind it.

    Without a network five kinds of question are understood, by rules: how much of a class is here, what changed between two
    dates, where a class is densest, describe this view, compare with a date. Any other is answered by a question back, without
    a number. With an endpoint a chat model plans over the same verbs; it chooses calls, never numbers.

    Args:
        question: in plain English, in quotes.
        maps: rasters of classes, folders of swath map runs, or scenes, the earliest first; the last is "here" and "now".
        since: an earlier map.
        names: what the maps are called in questions and answers, in their order: NAME, or NAME=DATE.
        out: folder for answer.json, answer.txt, calls/N.json (what each call returned), run.json.
        legend: names of the codes: a JSON, CSV or text file, or worldcover, dynamicworld, esri, terramind, chatearthnet.
        since_legend: names of the earlier map's codes, where they differ.
        endpoint: address of an OpenAI-compatible chat endpoint; SWATH_ENDPOINT by default. Its key is read from SWATH_KEY only.
        model: name of the model there; SWATH_MODEL by default.
        replay: an answer.json: its calls are carried out again instead of planning, and must return the same numbers.
        area: vector file, west,south,east,north in degrees, or rows 0:512, columns 100:612.
        offset: of scenes: settles units: physical = (stored + offset) x scale.
        scale: of scenes: settles units, with offset.
        sensor: of scenes: key of the sensor where the file is silent.
        safe: refuse files that declare more than a guarded reader would read.

    Returns:
        An Answer.

    Raises:
        FormatError: no map. LabelError: codes without names. SwathError: the endpoint does not answer, or a replay differs.
        OutputError: the folder cannot be written.

    Examples:
        swath ask "how much forest is here?" map.tif --legend worldcover
        swath ask "what changed between 2016 and 2024?" 2016.tif 2024.tif --out answer/
    """
    asked = dict(locals())
    import tempfile

    from swath.tools import asking

    given = [maps] if isinstance(maps, (str, Path)) else list(maps)
    endpoint = endpoint or os.environ.get("SWATH_ENDPOINT") or None
    model = model or os.environ.get("SWATH_MODEL") or None
    if replay is None and (endpoint is None) != (model is None) and (asked["endpoint"] or asked["model"]):
        raise SwathError(
            rule="an endpoint has a model", got="one without the other", remedy="give --endpoint URL and --model NAME"
        )
    folder = None if out is None else Path(out)
    if folder is not None:
        can_be_written(folder)
    context = asking.context_of(given, since, asked)
    job = Job.start("ask", {**asked, "maps": given, "endpoint": None, "model": None}, _reads(given, since, asked))
    with tempfile.TemporaryDirectory(prefix="swath-ask-") as spare:
        work = folder or Path(spare)
        made = answered(question, context, work, endpoint=endpoint, model=model, replay=replay, progress=progress)
    if folder is None:
        lost = ("the pixels behind it were not kept: give --out",) if any(c.files for c in made.calls) else ()
        return replace(made, notes=(*made.notes, *lost))
    return kept(made, folder, job)


def answered(
    question: str,
    context: Context,
    work: Path,
    *,
    endpoint: str | None = None,
    model: str | None = None,
    replay: str | Path | None = None,
    progress: Progress | None = None,
) -> Answer:
    """The answer to a question about these maps, by rules or by the model of an endpoint; calls write below `work`.

    replay: an answer.json whose calls are carried out again. Raises as `ask`.
    """
    from swath.tools import asking_replay

    if replay is not None:
        return asking_replay.again(Path(replay), question, context, work, progress)
    if endpoint is not None and model is not None:
        return _by_model(question, context, endpoint, model, work, progress)
    return _by_rules(question, context, work, progress)


def _reads(maps: list[Any], since: Any, asked: dict[str, Any]) -> list[Any]:
    from swath.tools.describing import reads

    found = [
        f
        for m in maps
        for f in ([m] if Path(str(m)).is_dir() and not (Path(str(m)) / "classes.tif").is_file() else reads(m, None))
    ]
    found += [] if since is None else reads(since, None)
    return found + reads(None, None, asked["legend"], asked["since_legend"], asked["area"], asked["replay"])


def _by_rules(question: str, context: Context, work: Path, progress: Progress | None) -> Answer:
    from swath.language.plan import Plan, examples, plan
    from swath.tools import asking

    planned = plan(question, context)
    if not isinstance(planned, Plan):
        return Answer(question, BY_RULES, (), (), back=planned)
    call = asking.carry_out(1, planned.verb, planned.arguments, context, work, progress)
    parts = asking.answer_of(planned, [call], context)
    asking.check_numbers(parts, [call], [*asking.names_of(context), *asking.said_by([call])])
    sizes = {c["name"]: c["pixels"] for c in call.result.get("facts", {}).get("classes", [])}
    about = planned.classes[0] if planned.classes else max(sizes, key=lambda name: sizes[name], default="")
    others = examples(context, about=about, skip=planned.kind)
    placed = planned.kind in ("densest", "describe") or planned.region != "scene"
    aside = [
        n
        for n in call.result.get("notes", [])
        if "below the floor" not in n and (placed or not n.startswith("north is"))
    ]
    notes = (*planned.missing, *aside)
    return Answer(question, BY_RULES, tuple(parts), (call,), planned, next=others[:3], notes=notes)


def _by_model(
    question: str, context: Context, endpoint: str, model: str, work: Path, progress: Progress | None
) -> Answer:
    from swath.language.answer import text_of
    from swath.language.plan import Question, examples
    from swath.tools import asking
    from swath.tools.asking_model import ask_model

    told = ask_model(question, context, endpoint, model, work, progress)
    asking.check_numbers(told.parts, told.calls, asking.names_of(context), spelled=True)
    if not told.calls:
        words = text_of(told.parts) or "The model looked nothing up. What should be counted?"
        return Answer(question, model, (), (), back=Question(words, examples(context)), notes=tuple(told.notes))
    return Answer(
        question, model, tuple(told.parts), tuple(told.calls), next=examples(context)[:3], notes=tuple(told.notes)
    )


def kept(made: Answer, folder: Path, job: Job) -> Answer:
    """Write the answer, what each call returned, and the run.json that replays it."""
    files = [write_json(folder / "answer.json", made.record()), write_text(folder / "answer.txt", f"{made.text}\n")]
    files += [write_json(folder / "calls" / f"{c.n}.json", c.result) for c in made.calls]
    files += [folder / f for c in made.calls for f in c.files if not f.endswith(("run.json", "report.html"))]
    if made.plan is None and made.calls and job.arguments.get("replay") is None:  # a model does not plan the same twice
        job.arguments["replay"] = str((folder / "answer.json").resolve())
    files.append(job.finish(folder, files))
    names = tuple(sorted(f.relative_to(folder).as_posix() for f in files))
    return replace(made, out=str(folder), files=names)
