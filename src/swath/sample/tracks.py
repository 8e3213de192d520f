"""Tracks from files: TUM, OpenLORIS, KITTI, EuRoC and tables with lon/lat/height, plain or gzipped."""

from __future__ import annotations

import gzip
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from swath.errors import FormatError
from swath.geometry import pose as poses
from swath.geometry.trajectory import REACH, Trajectory, clean

__all__ = ["Track", "Tracks", "read", "trajectories"]

Order = Literal["xyzw", "wxyz"]
LARGEST = 512 * 2**20
_SEPARATOR = re.compile(r"[,;\s]+")
_SETTING = re.compile(r"^([A-Za-z_][^:,;]*?)\s*:\s*(.*)$")
_NAMES = {
    "stamp": ("timestamp", "stamp", "time", "t", "gpstime", "gps_time", "seconds", "sec"),
    "x": ("x", "tx", "px", "p_x", "p_rs_r_x", "position_x", "east", "easting", "e"),
    "y": ("y", "ty", "py", "p_y", "p_rs_r_y", "position_y", "north", "northing", "n"),
    "z": ("z", "tz", "pz", "p_z", "p_rs_r_z", "position_z", "up", "u"),
    "lon": ("lon", "longitude", "long", "lng"),
    "lat": ("lat", "latitude"),
    "height": ("height", "h", "alt", "altitude", "ellipsoidal_height", "elevation", "ele"),
    "qx": ("qx", "q_x", "q_rs_x", "orientation_x"),
    "qy": ("qy", "q_y", "q_rs_y", "orientation_y"),
    "qz": ("qz", "q_z", "q_rs_z", "orientation_z"),
    "qw": ("qw", "q_w", "q_rs_w", "orientation_w"),
}


@dataclass(frozen=True, slots=True)
class Track:
    """One run as it stands in the file: stamp (N,) in seconds, pose (N, 7); positions are degrees and metres if lonlat."""

    stamp: NDArray[np.float64]
    pose: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tracks:
    """A file of runs. runs: {sequence number: Track}; numbered: the file numbers them; frame: of which sensor, "" unsaid.

    form: tum, openloris, kitti, table. timed: False where rows have no stamps (KITTI), then stamps count rows.
    """

    path: str
    form: str
    runs: Mapping[int, Track]
    numbered: bool = False
    timed: bool = True
    lonlat: bool = False
    frame: str = ""
    scene: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)


def read(
    path: str | Path,
    *,
    quaternion: Order | None = None,
    rate: float = 10.0,
    times: str | Path | None = None,
    lost: bool = False,
) -> Tracks:
    """Read a track file, plain or .gz.

    Forms: rows of 8 numbers (TUM: stamp x y z qx qy qz qw; 9 with an output stamp after the first); `seq: N` headers
    before such rows (OpenLORIS); rows of 12 numbers (KITTI: a 3 x 4 matrix, no stamps: `times` names a file with one a row,
    else rows are 1 / rate seconds apart); 4 numbers (stamp x y z); a table with a line of column names (EuRoC, or time, lon,
    lat, height). quaternion: the order of its parts where no column name tells (xyzw). Stamps in milli-, micro- or nanoseconds
    become seconds, and the notes say so. lost: a file without a pose is a run that was lost. Raises FormatError for anything else.
    """
    source = Path(path)
    lines = _text(source).splitlines()
    header = next((i for i, line in enumerate(lines) if line.strip()), None)
    if lost and not any(line.strip() and not line.strip().startswith(("#", "%", "//")) for line in lines):
        return Tracks(
            str(source), "empty", {1: Track(np.zeros(0), np.zeros((0, 7)))}, notes=("the file holds no pose: lost",)
        )
    if header is None:
        raise FormatError(rule="a track file has rows", got=f"{source.name} is empty", remedy="check the file")
    columns = _columns(lines[header])
    if columns is not None:
        return _table(source, lines[header + 1 :], columns, quaternion)
    return _rows(source, lines, quaternion or "xyzw", rate, times)


def _text(source: Path) -> str:
    try:
        raw = source.read_bytes() if source.stat().st_size <= LARGEST else None
        if raw is not None and raw[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(raw)) as file:
                raw = file.read(LARGEST + 1)
    except (OSError, EOFError) as error:
        raise FormatError(
            rule="a track is a text file", got=f"{source}: {error}", remedy="check the path and the file"
        ) from error
    if raw is None or len(raw) > LARGEST:
        raise FormatError(
            rule=f"track files are read up to {LARGEST >> 20} MB",
            got=f"{source.name} is larger",
            remedy="split it by runs",
        )
    if b"\0" in raw[:4096]:
        raise FormatError(
            rule="a track is a text file", got=f"{source.name} is binary", remedy="export it as TUM, KITTI or CSV"
        )
    return raw.decode("utf-8", errors="replace").lstrip("\ufeff")


def _columns(line: str) -> dict[str, int] | None:
    """{what: column} of a line of names that has at least positions; None for anything else."""
    if not any(mark in line for mark in ",;\t") and len(line.lstrip("# ").split()) < 4:
        return None
    split = re.split(r"[,;\t]" if re.search(r"[,;\t]", line) else r"\s+", line.strip().lstrip("#").strip())
    names = [re.sub(r"[\[(].*?[\])]", "", part).strip().strip('"').lower().replace(" ", "_") for part in split]
    found = {
        what: next(i for i, name in enumerate(names) if name in known)
        for what, known in _NAMES.items()
        if any(name in known for name in names)
    }
    placed = {"x", "y"} <= found.keys() or {"lon", "lat"} <= found.keys()
    return found if placed and "stamp" in found and not line.lstrip().startswith("# timestamp tx") else None


def _numbers(source: Path, number: int, parts: Sequence[str]) -> list[float]:
    try:
        return [float(part) for part in parts]
    except ValueError as error:
        raise FormatError(
            rule="rows of a track are numbers",
            got=f"{source.name}, line {number}: {' '.join(parts)[:60]!r}",
            remedy="one pose a line: stamp x y z qx qy qz qw; comments begin with #",
        ) from error


def _table(source: Path, lines: Sequence[str], columns: Mapping[str, int], quaternion: Order | None) -> Tracks:
    rows: list[list[float]] = []
    wide = max(columns.values())
    for number, line in enumerate(lines, 2):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        parts = [p.strip() or "nan" for p in re.split(r"[,;\t]" if re.search(r"[,;\t]", text) else r"\s+", text)]
        if len(parts) <= wide:
            raise FormatError(
                rule="rows of a table are as long as its line of names",
                got=f"{source.name}, line {number}: {len(parts)} of {wide + 1} values",
                remedy="mend or remove the line",
            )
        rows.append(_numbers(source, number, [parts[i] for i in columns.values()]))
    _some(source, rows)
    value = dict(zip(columns, np.array(rows, float).T, strict=True))
    none = np.full(len(rows), math.nan)
    lonlat = "lon" in value
    place = (
        [value["lon"], value["lat"], value.get("height", value.get("z"))]
        if lonlat
        else [value["x"], value["y"], value.get("z")]
    )
    place = [np.zeros(len(rows)) if axis is None else axis for axis in place]
    turn = [value.get(q, none) for q in ("qx", "qy", "qz", "qw")]
    stamp, notes = _seconds(value["stamp"])
    pose = np.stack([*place, *turn], -1)
    if quaternion == "wxyz" and not {"qx", "qw"} <= columns.keys():
        notes = (*notes, "no column of quaternions: --quaternion says nothing here")
    return Tracks(str(source), "table", {1: Track(stamp, pose)}, lonlat=lonlat, notes=(*notes, *_lengths(pose)))


def _rows(source: Path, lines: Sequence[str], quaternion: Order, rate: float, times: str | Path | None) -> Tracks:
    runs: dict[int, list[list[float]]] = {}
    settings: dict[str, str] = {}
    current, numbered, widths = 1, False, set[int]()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith(("#", "%", "//")):
            continue
        said = _SETTING.match(text)
        if said is not None:
            settings[said[1].lower()] = said[2].strip()
            if said[1].lower() == "seq":
                current, numbered = _sequence(source, number, said[2]), True
                runs.setdefault(current, [])
            continue
        row = _numbers(source, number, [p for p in _SEPARATOR.split(text) if p])
        widths.add(len(row))
        runs.setdefault(current, []).append(row)
    if len(widths) > 1 or not widths <= {4, 8, 9, 12}:
        raise FormatError(
            rule="rows have 8 numbers (TUM), 9 (with an output stamp), 12 (KITTI) or 4 (stamp x y z), all alike",
            got=f"{source.name} with {', '.join(map(str, sorted(widths))) or 'no'} numbers",
            remedy="convert it, or give a table with a line of column names",
        )
    _some(source, [r for rows in runs.values() for r in rows])
    width = widths.pop()
    notes: tuple[str, ...] = ()
    made: dict[int, Track] = {}
    for sequence, rows in runs.items():
        table = np.array(rows, float).reshape(len(rows), width)
        if width == 12:
            stamp, pose, more = _kitti(source, table, rate, times)
        else:
            stamp, more = _seconds(table[:, 0])
            pose = np.concatenate([table[:, -7:], np.zeros((len(rows), 0))], -1) if width > 4 else _placed(table[:, 1:])
            if width > 4 and quaternion == "wxyz":
                pose = pose[:, [0, 1, 2, 4, 5, 6, 3]]
        notes = (*notes, *(n for n in (*more, *_lengths(pose)) if n not in notes))
        made[sequence] = Track(stamp, pose)
    form = "kitti" if width == 12 else "openloris" if numbered else "tum"
    return Tracks(
        str(source),
        form,
        made,
        numbered=numbered,
        timed=width != 12 or times is not None,
        frame=settings.get("frame", ""),
        scene=settings.get("scene", ""),
        notes=notes,
    )


def _some(source: Path, rows: Sequence[Sequence[float]]) -> None:
    if not rows:
        raise FormatError(
            rule="a track has poses",
            got=f"{source.name} with none",
            remedy="a lost run is a run to name, not a file to give",
        )


def _placed(place: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([place, np.full((len(place), 4), math.nan)], -1)


def _sequence(source: Path, number: int, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise FormatError(
            rule="sequences are whole numbers", got=f"{source.name}, line {number}: seq: {text}", remedy="seq: 1"
        ) from error


def _kitti(
    source: Path, table: NDArray[np.float64], rate: float, times: str | Path | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[str, ...]]:
    matrix = table.reshape(-1, 3, 4)
    pose = np.concatenate([matrix[:, :, 3], poses.from_matrix(matrix[:, :, :3])], -1)
    skew = float(np.abs(np.einsum("nij,nkj->nik", matrix[:, :, :3], matrix[:, :, :3]) - np.eye(3)).max())
    notes = (f"matrices are no pure rotations (off by {skew:.2g}); the nearest were taken",) if skew > 1e-3 else ()
    if times is None:
        return np.arange(len(table)) / rate, pose, (*notes, f"KITTI rows have no stamps: {rate:g} a second")
    stamp = np.array(
        [
            _numbers(Path(times), i, [line.split()[0]])
            for i, line in enumerate(_text(Path(times)).splitlines(), 1)
            if line.strip()
        ]
    )
    if len(stamp) != len(table):
        raise FormatError(
            rule="a file of times has a stamp for each row",
            got=f"{len(stamp)} stamps for {len(table)} rows of {source.name}",
            remedy="give the times of this sequence",
        )
    return stamp[:, 0], pose, notes


def _seconds(stamp: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Stamps in seconds: since 1970 they are about 1e9; a thousand times as much each for ms, us and ns."""
    usual = float(np.nanmedian(np.abs(stamp))) if np.isfinite(stamp).any() else 0.0
    for factor, name in ((1e9, "nanoseconds"), (1e6, "microseconds"), (1e3, "milliseconds")):
        if usual >= 2e8 * factor:
            return stamp / factor, (f"stamps taken as {name}",)
    return stamp, ()


def _lengths(pose: NDArray[np.float64]) -> tuple[str, ...]:
    length = np.linalg.norm(pose[:, 3:], axis=1)
    off = int((np.abs(length[np.isfinite(length)] - 1) > 1e-3).sum())
    return (f"{off} quaternions were not of length one; made so",) if off else ()


def trajectories(
    truth: Tracks, estimate: Tracks, *, sensor: NDArray[np.float64] | None = None, frozen: bool = True
) -> tuple[dict[int, tuple[Trajectory, Trajectory]], tuple[str, ...]]:
    """{sequence: (truth, estimate)}, cleaned, in metres, of the truth's sequences; and what was done, in words.

    Lon/lat become east, north, up about the truth's first point. sensor (7,): its pose in the truth's frame; the truth is brought there.
    frozen: repeated estimated poses are dropped. An estimate that numbers no sequence is cut by the truth's times.
    """
    notes: list[str] = []
    origin = next((t.pose[0, :3] for t in truth.runs.values() if len(t.pose)), np.zeros(3)) if truth.lonlat else None
    pairs: dict[int, tuple[Trajectory, Trajectory]] = {}
    true = {}
    for number, run in truth.runs.items():
        local = _local(run, truth.lonlat, origin)
        found = clean(local.stamp, local.pose, repeated=True, still=REACH)
        if sensor is not None:
            found = Trajectory(
                found.stamp, poses.compose(found.pose, np.broadcast_to(sensor, found.pose.shape)), found.dropped
            )
        true[number] = found
    runs = estimate.runs
    if not estimate.numbered and (truth.numbered or 1 not in true):
        runs = _cut(next(iter(estimate.runs.values())), true)
        notes.append("the estimate numbers no sequences: cut by the times of the truth's")
    unknown = sorted(set(runs) - set(true))
    if unknown:
        notes.append(f"sequences {', '.join(map(str, unknown))} have no truth and are left out")
    last: NDArray[np.float64] | None = None
    for number in sorted(true):
        if number in runs:
            local = _local(runs[number], estimate.lonlat, origin)
            said = clean(local.stamp, local.pose, repeated=frozen, before=last)
            last = said.pose[-1] if len(said.pose) else last
        else:
            said = Trajectory(np.zeros(0), np.zeros((0, 7)))
        for why, count in said.dropped:
            what = f"{count} pose{'' if count == 1 else 's'} {why}"
            notes.append(f"sequence {number}: {what}" if len(true) > 1 else what)
        pairs[number] = (true[number], said)
    return pairs, tuple(notes)


def _cut(run: Track, truth: Mapping[int, Trajectory]) -> dict[int, Track]:
    parts = {}
    for number, true in truth.items():
        if len(true.stamp):
            inside = (run.stamp >= true.stamp[0] - REACH) & (run.stamp <= true.stamp[-1] + REACH)
            parts[number] = Track(run.stamp[inside], run.pose[inside])
    return parts


def _local(run: Track, lonlat: bool, origin: NDArray[np.float64] | None) -> Track:
    """East, north, up in metres about `origin` (lon, lat, height) for positions in degrees; others as they are."""
    if not lonlat or not len(run.pose):
        return run
    from pyproj import Transformer

    lon, lat, height = run.pose[0, :3] if origin is None else origin
    steps = (
        f"+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart +ellps=WGS84 "
        f"+step +proj=topocentric +ellps=WGS84 +lon_0={lon} +lat_0={lat} +h_0={height}"
    )
    east, north, up = Transformer.from_pipeline(steps).transform(*run.pose[:, :3].T)
    return Track(run.stamp, np.concatenate([np.stack([east, north, up], -1), run.pose[:, 3:]], -1))
