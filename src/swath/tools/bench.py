"""Which encoder, head and how many labels are worth it on one's own data, beside what needs no encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import SwathError
from swath.tools.job import Job, Progress, can_be_written, write_json
from swath.tools.scenes import Reading
from swath.tools.shown import Shown

if TYPE_CHECKING:
    from swath.bench.protocol import Comparison, Plan

__all__ = ["BenchResult", "bench"]

HEADS = ("knn", "linear", "decoder")
MONTHLY = ("presto",)  # families that take one value a month: they are shown monthly means


@dataclass(frozen=True, slots=True)
class BenchResult(Shown):
    """What was compared. rows: one record an encoder, head and share, as in bench.json. left_out: {encoder: why}."""

    out: str
    data: str
    table: str
    verdicts: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    left_out: dict[str, str]
    notes: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """3 when an encoder could not take the data, else 0."""
        return 3 if self.left_out else 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "out": self.out,
            "data": self.data,
            "rows": list(self.rows),
            "verdicts": list(self.verdicts),
            "left_out": self.left_out,
            "notes": list(self.notes),
            "files": list(self.files),
        }

    def __str__(self) -> str:
        lines = [self.data, "", self.table, "", *(f"- {v}" for v in self.verdicts)]
        lines += [f"left out: {name}: {why}" for name, why in self.left_out.items()]
        lines += [f"note: {n}" for n in self.notes]
        return "\n".join([*lines, f"in {self.out}: {', '.join(self.files)}"])


def bench(
    data: str | Path,
    *,
    encoders: list[str],
    labels: str | Path | None = None,
    out: str | Path = "bench",
    folder: str | Path | None = None,
    weights: list[str] | None = None,
    heads: list[str] | None = None,
    shares: list[str] | None = None,
    seeds: int = 5,
    folds: int = 5,
    items: int = 4000,
    window: int = 32,
    steps: int = 60,
    column: str | None = None,
    area: str | None = None,
    dates: str | None = None,
    bands: list[str] | None = None,
    offset: float | None = None,
    scale: float | None = None,
    sensor: str | None = None,
    safe: bool = False,
    progress: Progress | None = None,
) -> BenchResult:
    """Compare encoders on your data: which one, which head, how many labels, with intervals, beside plain baselines.

    Every encoder is frozen and asked once for each example; the same heads, labels, places and seeds serve all. Pixel
    statistics, random convolutions, a random-weights twin of each encoder, a forest on spectra and a network from scratch
    always stand beside. An encoder that cannot take the data is named with its reason. Interrupted, the same command goes
    on where it stopped.

    Args:
        data: a folder of class folders, a folder of scenes with masks (NAME_mask.tif), a scene, or a name: eurosat,
            land-use, ndvi, sen1floods11, levir-cd, sits-modis, toy, toy-masks.
        encoders: names of encoders, with commas: tiny, presto, galileo, statistics, random:NAME ...
        labels: a folder with masks of the scenes' names, or one file of labels for all.
        out: folder for report.html, bench.json, figures, run.json and what is kept to go on.
        folder: where named collections lie.
        weights: NAME=FILE for encoders whose weights are not found by themselves.
        heads: of knn, linear, decoder (UPerNet; pixels only); all by default.
        shares: of the training labels, e.g. 0.1,0.5,1.
        seeds: of folds, label draws and heads.
        folds: how many parts of whole places.
        items: labelled pixels that are drawn, where every pixel has a label.
        window: pixels a side of the pieces that scenes are cut into.
        steps: of training the decoder and the network from scratch.
        column: of the labels that holds class or number.
        area: file, or bbox west,south,east,north.
        dates: 2019-05-01/2019-09-30, 2019-05..2019-09 or 2019.
        bands: only these bands.
        offset: settles units: physical = (stored + offset) x scale.
        scale: settles units, with offset.
        sensor: key of the sensor where the file is silent.
        safe: open files in a guarded child process.

    Returns:
        A BenchResult.

    Raises:
        SwathError: an unknown encoder, head or collection. LabelError: no labels, or all in one place.
        OutputError: the folder cannot be written.

    Examples:
        swath bench chips/ --encoders tiny,presto --out bench/
        swath bench scenes/ --labels masks/ --encoders tiny --heads linear,decoder --shares 0.1,1 --seeds 10
    """
    asked = dict(locals())
    from swath.tools.benching import collection_of, weights_of

    home = Path(out)
    can_be_written(home)
    plan = _plan(heads, shares, seeds, items, steps)
    files = weights_of(weights)
    job = Job.start("bench", asked, [p for p in (data, labels, *files.values()) if p is not None and Path(p).exists()])
    reading = Reading(area, dates, bands, offset, scale, sensor, safe)
    collection = collection_of(
        data, labels, reading, home=None if folder is None else Path(folder), window=window, folds=folds, column=column,
        progress=progress,
    )  # fmt: skip
    from swath.bench.protocol import compare

    chosen, twins, records = _encoders(encoders, files)
    found = compare(collection, chosen, plan, twins=twins, folder=home / "kept", progress=progress)
    return _written(home, found, records, job)


def _plan(heads: list[str] | None, shares: list[str] | None, seeds: int, items: int, steps: int) -> Plan:
    from swath.bench.decoder import Training
    from swath.bench.protocol import Plan

    chosen = tuple(heads or HEADS)
    if unknown := [h for h in chosen if h not in HEADS]:
        raise SwathError(rule=f"heads are {', '.join(HEADS)}", got=", ".join(unknown), remedy="choose among them")
    try:
        parts = tuple(sorted(float(s) for s in shares or ("0.1", "0.5", "1")))
    except ValueError as error:
        raise SwathError(rule="shares are numbers", got=str(shares), remedy="e.g. --shares 0.1,0.5,1") from error
    if not all(0 < p <= 1 for p in parts) or seeds < 1:
        raise SwathError(
            rule="shares lie above 0 and up to 1, seeds are 1 or more", got=f"{parts}, {seeds}", remedy="give others"
        )
    return Plan(
        heads=chosen, shares=parts, seeds=seeds, items=items, training=Training(steps=steps, finest=0.5)  # type: ignore[arg-type]
    )  # fmt: skip


def _encoders(names: list[str], files: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Encoders by name, the random twin of each that has weights, and what is known of the weights."""
    from swath import models
    from swath.bench.sets import Monthly
    from swath.tools.encoding import ALIASES, encoder_of

    chosen: dict[str, Any] = {}
    twins: dict[str, Any] = {}
    records: dict[str, Any] = {}
    for name in dict.fromkeys(names):
        chosen[name], records[name] = encoder_of(name, files.get(name))
        family = ALIASES.get(name, name)
        if family.partition(":")[0] in models.MODELS and not name.startswith("random:"):
            twins[name] = _twin(family, chosen[name])
        if family.partition(":")[2 if name.startswith("random:") else 0] in MONTHLY:
            chosen[name] = Monthly(chosen[name])
            twins[name] = None if twins.get(name) is None else Monthly(twins[name])
    return chosen, {k: v for k, v in twins.items() if v is not None}, records


def _twin(name: str, encoder: Any) -> Any:
    """The same network with random weights; None where its family cannot be built from its name."""
    from swath import models

    config = dict(getattr(encoder, "config", None) or {})
    try:
        return models.load(f"random:{name}", seed=1, **config)
    except (SwathError, TypeError, ValueError):
        try:
            return models.load(f"random:{name}", seed=1)
        except (SwathError, TypeError, ValueError):
            return None


def _written(home: Path, found: Comparison, records: dict[str, Any], job: Job) -> BenchResult:
    from swath.bench import table
    from swath.report.bench_page import Page, write

    home.mkdir(parents=True, exist_ok=True)
    collection = found.collection
    answers = table.worth(found)
    verdicts = [*answers, *table.verdicts(found)]
    heads = list(dict.fromkeys(e.head for e in found.entries if e.head in HEADS))
    for head in heads:
        verdicts.append(f"{head}: {table.ranks_over_places(found, head, max(e.share for e in found.entries))}")
    bands = [
        f"{name}: bands it knows and the data lack: {', '.join(found.lacking[name]) or 'none by name'}; bands of the data that "
        f"it does not look at: {', '.join(found.unused[name]) or 'none'}"
        for name in found.lacking
    ]
    figures = {
        "Score against the number of training labels; bars are 95 % intervals": table.curves(
            [found], home / "labels.png", heads=heads or ("linear",)
        ),
        "Paired differences of each encoder to its company, all labels": table.gap_plot(
            [found], home / "differences.png", head="linear" if "linear" in heads else heads[0]
        ),
    }
    rows = [
        {
            "encoder": e.encoder, "head": e.head, "role": e.role, "share": e.share, "labels": float(e.scores.labels.mean()),
            "metric": e.scores.metric, "estimate": e.scores.estimate().to_json(), "encoding_seconds": round(e.encoding, 3),
            "head_seconds": round(e.scores.seconds, 3), "parameters": list(e.parameters),
        }
        for e in found.entries
    ]  # fmt: skip
    columns = ("encoder", "head", "role", "share", "labels", "score", "encoding, s", "head, s", "parameters")
    cells = [
        (
            e.encoder, e.head, e.role, f"{100 * e.share:g} %", f"{e.scores.labels.mean():.0f}", str(e.scores.estimate()),
            f"{e.encoding:.1f}", f"{e.scores.seconds:.1f}", f"{sum(e.parameters):,}",
        )
        for e in found.entries
    ]  # fmt: skip
    title = f"{collection.name}: {len(collection.batch)} examples, {len(set(collection.batch.place))} places"
    notes = {
        "Alarms": list(found.alarms),
        "Encoders that could not take these data": [f"{k}: {v}" for k, v in found.refused.items()],
        "Bands": bands,
        "How it was done": [*found.notes, *collection.notes, *_method(found)],
    }
    headline = answers[0] if len(answers) == 1 else title
    page = Page(headline, [title, *verdicts], columns, cells, figures, notes, collection.simulated)
    made = [write(home / "report.html", page), *figures.values()]
    made.append(write_json(home / "bench.json", {"rows": rows, "verdicts": verdicts, "weights": records, **notes}))
    job.finish(home, made)
    return BenchResult(
        out=str(home), data=title, table=table.text(found), verdicts=tuple(verdicts), rows=tuple(rows),
        left_out=dict(found.refused), notes=(*found.alarms, *found.notes, *collection.notes),
        files=(*sorted(p.name for p in made), "run.json"),
    )  # fmt: skip


def _method(found: Comparison) -> list[str]:
    seeds = len(found.entries[0].scores.seeds) if found.entries else 0
    return [
        f"{seeds} seeds draw folds of whole places, labels (nested, every class among them) and heads; intervals resample "
        "places and seeds together; two methods differ where the paired interval leaves out 0",
        "vectors are set to mean 0 and deviation 1 by the training labels; every class weighs the same in training",
        "each encoder scales physical values with the statistics of its own pre-training; many benchmarks use the data's "
        "instead, which shifts what a network sees (`swath run pangaea` shows both)",
    ]
