"""From scenes and labels to a model in one file: an encoder with a trained head, judged in places it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from swath.errors import LabelError, OutputError, SwathError, need
from swath.estimate import Estimate
from swath.tools.job import Job, Progress, can_be_written, write_json
from swath.tools.scenes import Reading
from swath.tools.shown import Shown

if TYPE_CHECKING:
    from swath.tools.contest import Judged
    from swath.tools.training import Lesson

__all__ = ["TrainResult", "train"]

EPOCHS, RATE = 20, 3e-4
CONTINUED = 8


@dataclass(frozen=True, slots=True)
class TrainResult(Shown):
    """What training gave. accuracy: overall, or R2, in places left out. beside: the other methods on the same folds.

    gains: what the model is better by than each of the simple ones, paired by place. curve: rows of the few-label curve.
    """

    out: str
    kind: str
    chosen: str
    accuracy: Estimate
    beside: tuple[tuple[str, Estimate], ...]
    gains: tuple[tuple[str, Estimate], ...]
    verdict: str
    curve: tuple[dict[str, Any], ...]
    files: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "out": self.out,
            "kind": self.kind,
            "chosen": self.chosen,
            "accuracy": self.accuracy.to_json(),
            "beside": [{"name": n, "score": e.to_json()} for n, e in self.beside],
            "gains": [{"over": n, "gain": e.to_json()} for n, e in self.gains],
            "verdict": self.verdict,
            "curve": [{**r, "score": r["score"].to_json()} for r in self.curve],
            "files": list(self.files),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        from swath.report.table import table

        word = "overall accuracy" if self.kind == "class" else "R2"
        over = dict(self.gains)
        rows: list[tuple[str, str, str]] = [(self.chosen, str(self.accuracy), "")]
        rows += [(n, str(e), str(over[n]) if n in over else "") for n, e in self.beside]
        lines = [table(["method", word, "the model is better by"], rows), self.verdict]
        if self.curve:
            shown = [
                (f"{100 * r['share']:g} %", f"{r['labels']:.0f}", r["method"], str(r["score"])) for r in self.curve
            ]
            lines.append(table(["labels", "number", "method", word], shown, right=(1,)))
        lines += [f"note: {n}" for n in self.notes]
        return "\n".join([*lines, f"in {self.out}" + (f" (and {', '.join(self.files[1:])})" if self.files[1:] else "")])


def train(
    scenes: list[str],
    *,
    labels: Any = None,
    family: str = "encoder",
    task: list[str] | None = None,
    encoder: str = "tiny",
    weights: str | Path | None = None,
    out: str | Path = "model.safetensors",
    fine_tune: bool = False,
    unlabelled: list[str] | None = None,
    curve: bool = False,
    column: str | None = None,
    kind: Literal["class", "number"] | None = None,
    classes: list[str] | None = None,
    xy: str | None = None,
    crs: str | None = None,
    epochs: int = EPOCHS,
    rate: float | None = None,
    seed: int = 0,
    gsd: float | None = None,
    simulated: bool = False,
    area: str | None = None,
    dates: str | None = None,
    bands: list[str] | None = None,
    offset: float | None = None,
    scale: float | None = None,
    sensor: str | None = None,
    safe: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Train a model on an encoder from scenes and labels: one file that maps other scenes and dates.

    The encoder stays as it is (frozen) and a linear head is trained, or both learn together. The accuracy comes from folds
    of whole places, beside majority and a random forest on the pixels' bare values. Map with it: swath map SCENE --model FILE.

    Args:
        scenes: files, folders or cubes of one sensor or of the same sensors, of any number of places.
        labels: points, polygons or a mask with a class or number: GeoJSON, GPKG, shapefile, CSV with lon/lat, raster.
        family: encoder, a head on an encoder's tokens; or deco (deco:nano, deco:micro), one small decoder over pixel series
            that classifies, fills and forecasts by prompt, trained on labelled pixels and on others of the same cubes.
        task: what deco learns: crop (classes), fill, forecast, translate (between sensors); by default crop with labels, fill
            and forecast.
        encoder: name of an encoder: tiny, presto, galileo, prithvi ..., statistics; random:NAME for random weights.
        weights: its weights file, where it is not found by itself; or hf:owner/repository/file.
        out: the model, NAME.safetensors.
        fine_tune: train the encoder's weights too, from the frozen head on; by default they stay as they are.
        unlabelled: scenes without labels on which the encoder's masked training goes on first (tiny), or deco learns too.
        curve: also train with 1, 3, 10, 30 and 100 % of the labels: NAME.curve.csv and NAME.curve.png.
        column: the column of the labels that holds class or number.
        kind: class or number, where the column leaves it open.
        classes: the classes to keep, by name or code.
        xy: columns of a CSV for x and y, or lat,lon to swap the axes of a file.
        crs: CRS of a CSV's coordinates (lon/lat by default).
        epochs: of fine-tuning; of 20 steps for deco.
        rate: of fine-tuning, at its height: 3e-4 by default, 2e-3 for deco.
        seed: of every draw.
        gsd: pixel size in metres to which scenes are resampled first; their own by default.
        simulated: the data come from a made world; every number says so.
        area: file or bbox west,south,east,north.
        dates: 2019-05-01/2019-09-30, 2019-05..2019-09 or 2019.
        bands: only these bands.
        offset: settles units: physical = (stored + offset) x scale.
        scale: settles units, with offset.
        sensor: key of the sensor where the file is silent.
        safe: open files in a guarded child process.

    Returns:
        A TrainResult.

    Raises:
        LabelError: labels that cannot train. BandError, UnitError: the encoder or the other scenes have other bands or units.
        OutputError: not writable, or another ending than .safetensors.

    Examples:
        swath train scene.tif --labels labels.gpkg --encoder tiny --out model.safetensors
        swath train S2_*/ --labels fields.geojson --column crop --fine-tune --curve --out crops.safetensors
        swath train cube.nc --labels points.gpkg --family deco --task crop,fill,forecast --out series.safetensors
    """
    asked = dict(locals())
    from swath.tools import contest, training, tuning
    from swath.tools import curve as curves
    from swath.tools.encoding import encoder_of, sites_of

    path = Path(out)
    if path.suffix != ".safetensors":
        raise OutputError(
            rule="a model is written to .safetensors", got=str(path), remedy=f"--out {path.stem}.safetensors"
        )
    if epochs < 1 or (rate is not None and not rate > 0):
        raise LabelError(
            rule="training takes at least one epoch and a positive rate", got=f"{epochs}, {rate}", remedy="--epochs 20"
        )
    can_be_written(path.parent)
    if family.partition(":")[0] == "deco":
        need("torch", extra="nn", why="training a decoder")
        from swath.tools.taught import teach

        return teach(scenes, asked, progress)
    _of_encoder(family, task, labels)
    rate = RATE if rate is None else rate
    network, record = encoder_of(encoder, weights)
    reading = Reading(area, dates, bands, offset, scale, sensor, safe)
    grouped = sites_of(scenes, reading, gsd=gsd, progress=progress)
    say = [*grouped.notes]
    reads = [i for site in grouped.sites for i in site.items] + [p for p in (labels, weights) if p is not None]
    job = Job.start("train", asked, [*reads, *(unlabelled or [])])
    if unlabelled:
        more = sites_of(unlabelled, _anywhere(reading), gsd=gsd, progress=progress)
        network, words = tuning.continued(network, more.sites, epochs=CONTINUED, seed=seed)
        say.append(words)
    options = {"column": column, "kind": kind, "classes": classes, "xy": xy, "crs": crs, "seed": seed}
    lesson = training.gather(grouped.sites, labels, network, options, say, progress)
    simulated = simulated or any("made world" in n or "simulated" in n for n in grouped.notes)

    def tune(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
        made, found = tuning.tuned(network, lesson, inside, epochs=epochs, rate=rate, seed=seed)
        return tuning.answers_of(made, found, lesson, outside)[0]

    judged = contest.contest(lesson, seed=seed, tune=tune if fine_tune else None, progress=progress)
    chosen = "fine-tuned" if fine_tune else "frozen head"
    found, last, x = contest.head(lesson, np.arange(len(lesson.y)), seed), network, lesson.x
    if fine_tune:
        last, found = tuning.tuned(
            network, lesson, np.arange(len(lesson.y)), epochs=epochs, rate=rate, seed=seed, say=say
        )
        _, x = tuning.answers_of(last, found, lesson, np.arange(len(lesson.y)))
    scores = {n: judged.score(n, lesson, seed=seed, simulated=simulated) for n in judged.answers}
    gains = {n: judged.gain(chosen, n, lesson, seed=seed, simulated=simulated) for n in judged.answers if n != chosen}
    verdict = _verdict(chosen, gains, record["encoder"])
    say += [judged.words, verdict]
    rows = contest.few_labels(lesson, seed=seed, simulated=simulated, progress=progress) if curve else []
    if curve and fine_tune:
        say.append("the few-label curve is of the frozen head: it costs no training of the network")
    files = [
        _kept(
            path,
            lesson,
            judged,
            chosen,
            found,
            last,
            x,
            record,
            scores,
            say,
            job,
            asked,
            simulated=simulated,
            verdict=verdict,
        )
    ]
    if rows:
        files += curves.write(path, rows, record["encoder"], lesson.kind)
    write_json(
        path.with_name(path.name + ".run.json"),
        job.record(files, path.parent, out_name=path.name, encoder=record, verdict=verdict),
    )
    return TrainResult(
        out=str(path),
        kind=lesson.kind,
        chosen=f"{chosen} on {record['encoder']}",
        accuracy=scores[chosen],
        beside=tuple((n, e) for n, e in scores.items() if n != chosen),
        gains=tuple(gains.items()),
        verdict=verdict,
        curve=tuple(rows),
        files=tuple(p.name for p in files),
        notes=tuple(dict.fromkeys(say)),
    )


def _of_encoder(family: str, task: Any, labels: Any) -> None:
    """Refuse what training a head on an encoder cannot do."""
    if family != "encoder":
        raise SwathError(rule="families are encoder and deco", got=family, remedy="choose one")
    if task:
        raise SwathError(rule="tasks are of --family deco", got=f"--task {', '.join(task)}", remedy="--family deco")
    if labels is None:
        raise LabelError(
            rule="a head is trained on labels", got="none", remedy="--labels FILE, or --family deco without"
        )


def _anywhere(reading: Reading) -> Reading:
    """For scenes without labels: the same reading, wherever and whenever they are."""
    from dataclasses import replace

    return replace(reading, area=None, dates=None)


def _verdict(kept: str, gains: dict[str, Estimate], encoder: str) -> str:
    """What may be said of the model beside the simple methods: a gain only where its interval is above 0."""
    chosen = "fine-tuned network" if kept == "fine-tuned" else kept
    simple = [n for n in gains if n not in ("frozen head", "fine-tuned")]
    forest = next(n for n in simple if "forest" in n)
    gain = gains[forest]
    low, high = gain.low, gain.high
    if low == low and low > 0:
        first = f"the {chosen} on {encoder} is better than the forest on bare pixels by {gain}"
    elif high == high and high < 0:
        first = f"the forest on bare pixels is better than the {chosen} on {encoder} by {_minus(gain)}: swath map --labels will do better"
    elif low == low:
        first = f"the {chosen} on {encoder} and the forest on bare pixels do not differ beyond chance ({gain})"
    else:
        first = (
            f"too few places to tell the {chosen} on {encoder} from the forest on bare pixels ({gain.reason or gain})"
        )
    plain = next(n for n in simple if n != forest)
    worse = gains[plain]
    if not (worse.low == worse.low and worse.low > 0):
        first += f"; it is not shown to be better than the {plain} alone"
    if "frozen head" in gains:
        frozen = gains["frozen head"]
        better = frozen.low == frozen.low and frozen.low > 0
        first += f"; fine-tuning {'gains' if better else 'gains nothing sure'} over the frozen head ({frozen})"
    return first


def _minus(gain: Estimate) -> str:
    from dataclasses import replace

    return str(replace(gain, value=-gain.value, low=-gain.high, high=-gain.low))


def _kept(
    path: Path,
    lesson: Lesson,
    judged: Judged,
    chosen: str,
    found: Any,
    network: Any,
    x: np.ndarray,
    record: dict[str, Any],
    scores: dict[str, Estimate],
    say: Sequence[str],
    job: Job,
    asked: dict[str, Any],
    *,
    simulated: bool,
    verdict: str,
) -> Path:
    """The model in its file, with its calibration, what it learned from and every fact."""
    from dataclasses import replace

    import swath
    from swath.assess import calibrate
    from swath.baseline import temperature as temper
    from swath.predict import solved

    answer, warmth = judged.answers[chosen], 1.0
    if lesson.kind == "class":
        warmth = temper.fit(answer[judged.scorable], lesson.y[judged.scorable])
        answer = temper.applied(answer, warmth, axis=1).astype(np.float32)
    calibration = calibrate.fit(
        answer,
        lesson.y,
        lesson.places.id,
        scorable=judged.scorable,
        names=lesson.names,
        seed=asked["seed"],
        simulated=simulated,
    )
    days = sorted({d for g in lesson.grounds for d in g.site.days})
    facts = {
        **solved.facts_of(network, record),
        "encoder": record["encoder"],
        "weights": record["weights"],
        "licence": record["licence"],
        "trained_on": record["trained_on"],
        "tuned": chosen == "fine-tuned" or bool(asked["unlabelled"]),
        "chosen": f"{chosen} on {record['encoder']}",
        "verdict": verdict,
        "gsd": asked["gsd"],
        "dates": [str(np.datetime64(int(d), "D")) for d in (days[:1] + days[-1:])],
        "places": lesson.places.count,
        "labels": len(lesson.y),
        "simulated": simulated,
        "seed": asked["seed"],
        "notes": list(dict.fromkeys(say)),
        "swath": swath.__version__,
        "inputs": [item.get("digest") or item.get("note") for item in job.inputs],
    }
    t = solved.Evidence(
        x.astype(np.float32),
        np.asarray(lesson.y),
        lesson.places.id.astype(np.int64),
        judged.fold.astype(np.int64),
        answer,
        judged.scorable,
    )
    model = solved.Solved(
        planes=replace(lesson.planes, encoder=network),
        head=found,
        sensors=lesson.sensors,
        kind=lesson.kind,
        classes=lesson.names,
        codes=lesson.codes,
        temperature=float(warmth),
        evidence=t,
        candidates=[(f"{n} on {record['encoder']}" if n == chosen else n, e) for n, e in scores.items()],
        calibration=calibration.to_json(),
        facts=facts,
    )
    return solved.save(model, path)
