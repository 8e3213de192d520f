"""Judge tracks against a true one: how far off, and for how much of the time right at all."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from swath.errors import SwathError
from swath.estimate import Estimate
from swath.tools.job import Job, Progress, can_be_written, write_json
from swath.tools.shown import Shown

if TYPE_CHECKING:
    from swath.assess.tracks import Judged
    from swath.sample.tracks import Tracks

__all__ = ["TrajectoryResult", "trajectory"]

_SHOWN = ("ate_rmse_m", "c_ate_rmse_m", "aoe_rmse_deg", "rpe_rmse_m", "cr", "cr_t", "reloc_time_s", "c_rs")
_HEAD = ("", "ATE, m", "C-ATE, m", "AOE, deg", "RPE, m", "CR", "CR-T", "reloc, s", "C-RS")


@dataclass(frozen=True, slots=True)
class TrajectoryResult(Shown):
    """What was measured. estimates: one record a track: path, name, alignment, runs and total of Estimates, notes.

    differences: correct rate of each track less the first one's, paired. limits: what counted as correct.
    """

    out: str
    truth: str
    estimates: tuple[dict[str, Any], ...]
    differences: tuple[dict[str, Any], ...]
    limits: dict[str, Any]
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "out": self.out,
            "truth": self.truth,
            "limits": self.limits,
            "estimates": list(self.estimates),
            "differences": list(self.differences),
            "files": list(self.files),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        from swath.report.table import table

        blocks = []
        for record in self.estimates:
            rows = [(f"{r['sequence']}", *(_cell(r, k) for k in _SHOWN)) for r in record["runs"]]
            if len(rows) > 1:
                rows.append(("all", *(_cell(record["total"], k) for k in _SHOWN)))
            lost = [str(r["sequence"]) for r in record["runs"] if r["lost"]]
            blocks.append(record["name"])
            blocks.append(table(_HEAD, rows, right=range(1, len(_HEAD)), indent=2))
            if lost:
                blocks.append(f"  lost: sequence {', '.join(lost)} (no matched pose: no error, nothing tracked)")
            blocks += [f"  note: {n}" for n in record["notes"]]
        for d in self.differences:
            blocks.append(f"correct rate, {d['ours']} - {d['theirs']}: {Estimate.from_json(d['cr'])}")
        blocks += [f"note: {n}" for n in self.notes]
        return "\n".join([*blocks, f"in {self.out}: {', '.join(self.files)}"])


def _cell(record: dict[str, Any], name: str) -> str:
    found = record.get(name)
    if found is None:
        return ""
    if found["value"] is None:
        return "never" if name == "reloc_time_s" else "undefined"
    text = f"{found['value']:.3f}"
    return f"{text} [{found['low']:.3f}, {found['high']:.3f}]" if found["low"] is not None else text


def trajectory(
    truth: str | Path,
    estimates: list[str],
    *,
    out: str | Path = "trajectory",
    max_error: float | None = None,
    max_angle: float | None = None,
    gap: float = 1.0,
    patience: float = 60.0,
    align: Literal["rigid", "similarity", "first", "none"] | None = None,
    each: bool = False,
    step: str = "1 s",
    frames: str | Path | None = None,
    lever: str | None = None,
    quaternion: Literal["xyzw", "wxyz"] | None = None,
    times: str | Path | None = None,
    rate: float = 10.0,
    keep_frozen: bool = False,
    simulated: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Any:
    """Judge tracks against a true one: error where they are right, and for how much of the time they are.

    A track that dies early can be exact while it lives, so accuracy and robustness are kept apart: ATE and rotation error (AOE) over
    all matched poses, the same over correct ones (C-ATE, C-AOE), the share of the time correctly tracked (CR; CR-T since
    the first match), seconds to the first match and the score of relocalisation (C-RS). A lost run has no error, never 0.
    Several sequences in a file are one life: all are moved by the alignment of the first.

    Args:
        truth: the true track: TUM, OpenLORIS, KITTI, EuRoC, or a table with time and x, y, z or lon, lat, height; .gz too.
        estimates: tracks to judge, in any of these forms.
        out: folder for trajectory.json, timeline.png, above.png, curves.png, report.html, run.json.
        max_error: metres up to which a pose counts as correct; without it every matched pose does.
        max_angle: degrees up to which its rotation counts as correct.
        gap: seconds without a pose after which the track counts as lost.
        patience: seconds in which the score of relocalisation falls by e.
        align: rigid (least squares), similarity (with scale, for one camera without a scale), first (first poses made equal) or
            none. Rigid where nothing is said; none where truth and estimate are both in lon/lat.
        each: align every sequence to itself, instead of all by the first.
        step: of the relative error (RPE): "1 s", "10 m" or "1 frame".
        frames: JSON with poses of sensor frames on the platform ({name: [x, y, z, qx, qy, qz, qw]}), where truth and estimate
            name different frames.
        lever: pose of the estimate's sensor in the truth's frame, "x,y,z" or "x,y,z,qx,qy,qz,qw".
        quaternion: order of the parts where no column name tells; x y z w else.
        times: file of stamps, one a row, for KITTI poses.
        rate: rows a second of KITTI poses without stamps.
        keep_frozen: keep estimated poses that repeat the one before exactly; else they count as no answer.
        simulated: the tracks are made; every number says so.
        seed: of the resampling.

    Returns:
        A TrajectoryResult.

    Raises:
        FormatError: a file that is no track. SwathError: options that do not fit.

    Examples:
        swath trajectory truth.txt slam.txt --max-error 3 --max-angle 30
        swath trajectory rtk.csv ins.csv camera.csv --align none --max-error 0.5 --out flight/
    """
    asked = dict(locals())
    from swath.assess import tracks as judging
    from swath.geometry.trajectory import Limits
    from swath.sample.tracks import read, trajectories

    folder = Path(out)
    limits = _limits(max_error, max_angle, gap, patience)
    every = _step(step)
    if not estimates:
        raise SwathError(
            rule="tracks are judged against a truth", got="no track", remedy="swath trajectory TRUTH TRACK..."
        )
    can_be_written(folder)
    job = Job.start("trajectory", asked, [truth, *estimates, *(p for p in (frames, times) if p is not None)])
    true = read(truth, quaternion=quaternion, rate=rate, times=times)
    names = _names([Path(p) for p in estimates])
    judged: dict[str, Judged] = {}
    records, curves, paths = [], {}, {}
    for i, (name, path) in enumerate(zip(names, estimates, strict=True)):
        if progress is not None:
            progress(i, len(names), f"judging {name}")
        said = read(path, quaternion=quaternion, rate=rate, times=times, lost=True)
        notes = [*_both(true, said), *said.notes]
        sensor, word = _sensor(true, said, frames, lever)
        pairs, more = trajectories(true, said, sensor=sensor, frozen=not keep_frozen)
        kind = align or ("none" if true.lonlat and said.lonlat else "rigid")
        own = limits
        if math.isfinite(limits.turn) and not all(p.oriented for pair in pairs.values() for p in pair if len(p.stamp)):
            own = Limits(limits.distance, math.inf, limits.gap, limits.patience)
            notes.append("positions only: --max-angle is not applied")
        one = judging.judge(pairs, own, kind=kind, each=each, step=every, seed=seed, simulated=simulated)
        judged[name] = one
        curves[name] = judging.curve(one, own, seed=seed, simulated=simulated)
        paths[name] = {k: t.pose[:, :3] for k, (t, _) in pairs.items() if len(t.stamp)}
        notes = [*notes, *word, *more]
        record = one.to_json()
        record["notes"] = [*notes, *record["notes"]]
        records.append({"path": str(path), "name": name, "form": said.form, "frame": said.frame, **record})
    first = names[0]
    differences = [
        {
            "ours": name,
            "theirs": first,
            "cr": judging.difference(judged[name], judged[first], limits, seed=seed, simulated=simulated).to_json(),
        }
        for name in names[1:]
    ]
    said_limits = {
        "max_error_m": max_error,
        "max_angle_deg": max_angle,
        "gap_s": gap,
        "patience_s": patience,
        "step": f"{every[0]:g} {every[1]}",
    }
    folder.mkdir(parents=True, exist_ok=True)
    made = _written(folder, judged, curves, paths, limits)
    result = TrajectoryResult(str(folder), str(truth), tuple(records), tuple(differences), said_limits, (), true.notes)
    made.append(_record(folder, result, curves))
    made.append(_page(folder, result, simulated))
    job.finish(folder, made)
    files = tuple(sorted([*(p.name for p in made), "run.json"]))
    if progress is not None:
        progress(len(names), len(names), "done")
    return TrajectoryResult(
        result.out, result.truth, result.estimates, result.differences, said_limits, files, result.notes
    )


def _limits(distance: float | None, turn: float | None, gap: float, patience: float) -> Any:
    from swath.geometry.trajectory import Limits

    for name, value in (("--max-error", distance), ("--max-angle", turn), ("--gap", gap), ("--patience", patience)):
        if value is not None and not value > 0:
            raise SwathError(rule=f"{name} is above 0", got=f"{value:g}", remedy="leave it out for no limit")
    return Limits(math.inf if distance is None else distance, math.inf if turn is None else turn, gap, patience)


def _step(text: str) -> tuple[float, Literal["s", "m", "frame"]]:
    import re

    said = re.fullmatch(r"\s*([0-9.]+(?:e-?\d+)?)\s*(s|m|frames?)?\s*", text)
    if said is None or not float(said[1]) > 0:
        raise SwathError(
            rule="the step of the relative error is a number of seconds, metres or frames",
            got=text,
            remedy='--step "1 s", "10 m" or "1 frame"',
        )
    unit: Literal["s", "m", "frame"] = "m" if said[2] == "m" else "frame" if (said[2] or "s")[0] == "f" else "s"
    return float(said[1]), unit


def _names(paths: list[Path]) -> list[str]:
    """Stems, or as much of the path as tells them apart; doubles are numbered."""
    short = [p.name.split(".")[0] for p in paths]
    if len(set(short)) < len(short):
        short = [f"{p.parent.name}/{s}" for p, s in zip(paths, short, strict=True)]
    return [s if short.index(s) == i else f"{s} ({i + 1})" for i, s in enumerate(short)]


def _both(truth: Tracks, said: Tracks) -> list[str]:
    if said.form == "empty":
        return []
    if truth.lonlat != said.lonlat:
        which = "the truth" if truth.lonlat else "the estimate"
        return [f"{which} is in lon/lat, the other in metres: compared after alignment only"]
    if truth.timed != said.timed:
        raise SwathError(
            rule="truth and estimate have stamps of one clock",
            got=f"{Path(truth.path).name if not truth.timed else Path(said.path).name} has none",
            remedy="give --times FILE for KITTI poses",
        )
    return []


def _sensor(truth: Tracks, said: Tracks, frames: str | Path | None, lever: str | None) -> tuple[Any, list[str]]:
    """The estimate's sensor in the truth's frame (7,), or None, and what to say of it."""
    import numpy as np

    from swath.geometry import pose as se3

    if lever is not None:
        try:
            parts = [float(p) for p in lever.split(",")]
        except ValueError:
            parts = []
        if len(parts) not in (3, 7):
            raise SwathError(
                rule="a lever arm is x,y,z or x,y,z,qx,qy,qz,qw", got=lever, remedy="metres, then a quaternion"
            )
        turn = se3.normalise(parts[3:]) if len(parts) == 7 else np.array([0.0, 0.0, 0.0, 1.0])
        return np.concatenate([parts[:3], turn]), []
    if not said.frame or not truth.frame or said.frame == truth.frame:
        return None, []
    if frames is None:
        words = (
            f"frames differ ({truth.frame}, {said.frame}): without --frames the lever arm between them counts as error"
        )
        return None, [words]
    table = _frames(Path(frames), said.scene or truth.scene)
    pose = {truth.frame: np.array([0, 0, 0, 0, 0, 0, 1.0]), **table}
    lost = [f for f in (truth.frame, said.frame) if f not in pose]
    if lost or "base_link" not in (truth.frame, *table):
        raise SwathError(
            rule=f"{Path(frames).name} knows the frames of both tracks",
            got=f"no {', '.join(lost) or 'base_link'}",
            remedy=f"it has {', '.join(table)}",
        )
    if truth.frame == "base_link":
        return pose[said.frame], []
    return se3.compose(se3.inverse(pose[truth.frame]), pose[said.frame]), []


def _frames(path: Path, scene: str) -> dict[str, Any]:
    """{frame: pose (7,)}; a file of several platforms names the scenes of each ("scenes_robot1": [...])."""
    import numpy as np

    from swath.errors import FormatError
    from swath.geometry import pose as se3

    try:
        record = json.loads(path.read_text("utf-8"))
        platforms = [k for k, v in record.items() if isinstance(v, dict)]
        chosen = record
        if platforms:
            place = scene.strip().lower()
            fits = [k for k in platforms if any(s.lower() in place for s in record.get(f"scenes_{k}", [k]) if place)]
            if len(fits) != 1 and len(platforms) > 1:
                raise SwathError(
                    rule=f"{path.name} holds several platforms ({', '.join(platforms)}), chosen by the scene of the track",
                    got=f"scene {scene or 'unsaid'}",
                    remedy="give a file with the frames of one platform",
                )
            chosen = record[(fits or platforms)[0]]
        found = {k: np.asarray(v, float) for k, v in chosen.items() if isinstance(v, list) and len(v) == 7}
    except (OSError, ValueError, AttributeError) as error:
        raise FormatError(
            rule="frames are JSON: {name: [x, y, z, qx, qy, qz, qw]}",
            got=f"{path.name}: {error}",
            remedy="mend the file",
        ) from error
    return {k: np.concatenate([v[:3], se3.normalise(v[3:])]) for k, v in found.items()}


def _written(folder: Path, judged: Any, curves: Any, paths: Any, limits: Any) -> list[Path]:
    from swath.report import track_plots

    first = next(iter(paths.values()))
    made = [
        track_plots.timeline(judged, limits, folder / "timeline.png"),
        track_plots.above(first, judged, folder / "above.png"),
    ]
    shown = {name: points for name, points in curves.items() if points}
    if shown:
        made.append(track_plots.curves(shown, folder / "curves.png"))
    return made


def _record(folder: Path, result: TrajectoryResult, curves: Any) -> Path:
    record = result.to_json()
    del record["out"], record["files"]
    record["truth"] = Path(result.truth).name
    for e in record["estimates"]:
        e["path"] = Path(e["path"]).name
        e["curve"] = [p.to_json() for p in curves[e["name"]]]
    return write_json(folder / "trajectory.json", record)


def _page(folder: Path, result: TrajectoryResult, simulated: bool) -> Path:
    from swath.report.sheet import Section, Sheet, Table, write

    rows = []
    for record in result.estimates:
        for r in record["runs"]:
            rows.append([record["name"], str(r["sequence"]), *(_cell(r, k) for k in _SHOWN)])
        if len(record["runs"]) > 1:
            rows.append([record["name"], "all", *(_cell(record["total"], k) for k in _SHOWN)])
    best = max(result.estimates, key=lambda e: e["total"]["cr"]["value"] or 0.0)
    rate = Estimate.from_json(best["total"]["cr"])
    many = len(result.estimates) > 1
    headline = f"{best['name']} is correct {rate} of the time{', the most' if many else ''}."
    said = result.limits
    what = f"within {said['max_error_m']:g} m" if said["max_error_m"] is not None else "matched at all"
    turn = f" and {said['max_angle_deg']:g} degrees" if said["max_angle_deg"] is not None else ""
    says = [f"A pose counts as correct when it is {what}{turn}; no pose for {said['gap_s']:g} s is lost."]
    says += [f"Correct rate, {d['ours']} - {d['theirs']}: {Estimate.from_json(d['cr'])}" for d in result.differences]
    notes = [f"{e['name']}: {n}" for e in result.estimates for n in e["notes"]] + list(result.notes)
    figures = {
        "timeline.png": "When each track was correct, wrong or lost.",
        "above.png": "The tracks as aligned, over the truth.",
        "curves.png": "Left: share of the time correctly tracked, right: RMSE of correct poses, against the limit; bands: 95 %.",
    }
    there = {folder / n: w for n, w in figures.items() if (folder / n).is_file()}
    table = Table(
        ("track", "sequence", *_HEAD[1:]),
        rows,
        right=range(2, 10),
        caption=f"RMSE of position (ATE), of rotation (AOE), of motion over {said['step']} (RPE). C-: of correct poses only. Intervals "
        "resample blocks of at least 10 s. Undefined: nothing to average; never 0.",
    )
    sheet = Sheet(
        "trajectory",
        f"Tracks against {Path(result.truth).name}",
        headline,
        says,
        notes,
        [Section("Scores", table=table), Section("Pictures", figures=there)],
        simulated,
    )
    return write(folder / "report.html", sheet)
