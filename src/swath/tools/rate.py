"""What each allowed error costs and saves on a person's own scene: bytes, errors, indices, and the map they would make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import BandError, LabelError, SwathError, UnitError
from swath.estimate import Estimate, block_bootstrap
from swath.tools.promise import errors_for, peaks_of, promise_of, psnr_of, with_errors

if TYPE_CHECKING:
    from swath.baseline.mapper import Mapper
    from swath.cube.packing import Part
    from swath.cube.recoded import Recoded
    from swath.tools.job import Progress

__all__ = ["Curve", "Rate", "by_place", "curve_of", "map_of", "right_of", "score_of"]

LOOKS = 16  # places of chunks that are measured on each grid
SHARES = (0.0005, 0.002, 0.005, 0.02)  # of the peak: 5, 20, 50 and 200 of 10 000
INDICES = ("NDVI", "NDWI", "NBR")


@dataclass(frozen=True, slots=True)
class Rate:
    """One allowed error. index: {name: (root mean square, largest) error}. score: of the map on decoded pixels;
    loss: score on the original minus on the decoded pixels, paired at the same labels of places the map never saw.
    """

    name: str
    bits_per_value: float
    max_error_stored: float
    rmse_stored: float
    psnr_db: float
    index: dict[str, tuple[float, float]]
    score: Estimate | None = None
    loss: Estimate | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; an infinite PSNR (nothing lost) is null."""
        return {
            "error": self.name,
            "bits_per_value": self.bits_per_value,
            "max_error_stored": self.max_error_stored,
            "rmse_stored": self.rmse_stored,
            "psnr_db": self.psnr_db if math.isfinite(self.psnr_db) else None,
            "index": {k: {"rmse": a, "max_error": b} for k, (a, b) in self.index.items()},
            "map_score": None if self.score is None else self.score.to_json(),
            "map_loss": None if self.loss is None else self.loss.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Curve:
    """rates, from nothing lost on. peak: what the dB are measured against. looked: places measured of how many.

    pictures: {name: (H, W) band of one window, original first}; band: its name and unit. original: the map's own score.
    """

    rates: tuple[Rate, ...]
    peak: str
    looked: tuple[int, int]
    pictures: dict[str, np.ndarray]
    band: str
    original: Estimate | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the pictures."""
        return {
            "peak": self.peak,
            "places_measured": self.looked[0],
            "places": self.looked[1],
            "map_score_original": None if self.original is None else self.original.to_json(),
            "rates": [r.to_json() for r in self.rates],
            "notes": list(self.notes),
        }


def curve_of(
    parts: Sequence[Part],
    asked: Sequence[str] | None,
    labels: Any,
    options: dict[str, Any],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Curve:
    """Measure the scene at several allowed errors. asked: one more, as for --max-error. labels: for the map's effect.

    options: column, kind, classes, xy, crs of the labels. Raises LabelError where they cannot train a map.
    """
    notes: list[str] = []
    peaks, said = peaks_of(parts)
    peaks = _filled(parts, peaks)
    steps = _steps(parts, peaks, asked)
    from swath.cube.recoded import Recoded

    trained = map_of([p.source for p in parts], parts, labels, options, seed) if labels is not None else None
    rates: list[Rate] = []
    pictures: dict[str, np.ndarray] = {}
    looked, band = (0, 0), ""
    for k, (name, errors) in enumerate(steps):
        if progress is not None:
            progress(k, len(steps), f"measuring {name}")
        coded = [Recoded(p) for p in with_errors(parts, errors)]
        one, looked, shot, band = _measured(name, coded, peaks)
        if not pictures:
            pictures["original"] = shot[0]
        pictures[name] = shot[1]
        if trained is not None:
            one = _with_map(one, coded, parts, trained, labels, options, seed)
        rates.append(one)
    if trained is not None:
        notes += trained[1]
    if looked[0] < looked[1]:
        notes.append(
            f"sizes and errors were measured on {looked[0]} of {looked[1]} places, spread evenly over the scene"
        )
    score = None if trained is None else score_of(trained[0], seed, _simulated(parts))
    return Curve(tuple(rates), said, looked, pictures, band, score, tuple(notes))


def _steps(
    parts: Sequence[Part], peaks: Sequence[np.ndarray], asked: Sequence[str] | None
) -> list[tuple[str, list[tuple[float, ...]]]]:
    """(name, errors of every band of every part), the smallest first; what was asked for among them."""
    whole = all(p.source.dtype.kind in "iu" for p in parts)
    out: list[tuple[str, list[tuple[float, ...]]]] = [("nothing lost", [(0.0,) * len(p.bands) for p in parts])]
    for share in SHARES:
        errors = [
            tuple(0.0 if b.quantity == "class" else _round(share * t, whole) for b, t in zip(p.bands, top, strict=True))
            for p, top in zip(parts, peaks, strict=True)
        ]
        values = sorted({e for part in errors for e in part if e})
        if not values:
            continue
        name = f"{values[0]:g}" if len(values) == 1 else f"{100 * share:g} % of the peak"
        if errors not in [e for _, e in out]:
            out.append((name, errors))
    if asked is not None:
        promise = promise_of(False, asked, None, None)
        own = [f"{v:g} {u}".strip() for v, u in promise.entries]
        name = own[0] if len(own) == 1 else f"{own[0]}, ... (as asked)"
        own_errors = errors_for(parts, promise, [])
        out = [(n, e) for n, e in out if e != own_errors]
        out.append((name, own_errors))
    return sorted(out, key=lambda item: float(np.mean([e for part in item[1] for e in part])))


def _round(error: float, whole: bool) -> float:
    if not math.isfinite(error):
        return 0.0
    return float(max(1, round(error))) if whole else float(f"{error:.2g}")


def _filled(parts: Sequence[Part], peaks: list[np.ndarray]) -> list[np.ndarray]:
    """The range of what a glance shows in the place of a peak that nothing tells."""
    from swath.cube.packed_chunk import measure
    from swath.cube.sources import glance

    out = []
    for part, peak in zip(parts, peaks, strict=True):
        if not np.isfinite(peak).all():
            t, b, _, _ = part.source.shape
            dates = sorted({int(d) for d in np.linspace(0, t - 1, 3)})
            seen = glance(part.source, dates, range(b))
            m = measure(seen, seen, [x.nodata for x in part.bands], exact=False)
            peak = np.where(np.isfinite(peak), peak, np.where(m.high > m.low, m.high - m.low, np.nan))
        out.append(peak)
    return out


def _measured(
    name: str, coded: Sequence[Recoded], peaks: Sequence[np.ndarray]
) -> tuple[Rate, tuple[int, int], tuple[np.ndarray, np.ndarray], str]:
    """One rate, how many places were looked at, the picture before and after, and the picture's band."""
    found, cost, values, looked, places = [], 0, 0, 0, 0
    for one in coded:
        a, b, c = one.grid.across
        places += a * b * c
        chosen = sorted({int(k) for k in np.linspace(0, a * b * c - 1, LOOKS)})
        lost = None
        for k in chosen:
            at = (k // (b * c), k // c % b, k % c)
            _, size, measured = one.chunk(at)
            cost += size + 16
            values += int(measured.n.sum())
            lost = measured if lost is None else lost + measured
        looked += len(chosen)
        assert lost is not None
        found.append(lost)
    n = sum(int(m.n.sum()) for m in found)
    rmse = math.sqrt(sum(float(m.squares.sum()) for m in found) / n) if n else 0.0
    shot, band = _picture(coded[0])
    rate = Rate(
        name=name,
        bits_per_value=8.0 * cost / values if values else 0.0,
        max_error_stored=max((float(m.worst.max()) for m in found), default=0.0),
        rmse_stored=rmse,
        psnr_db=psnr_of(found, peaks),
        index=_index_errors(coded),
    )
    return rate, (looked, places), shot, band


def _picture(one: Recoded) -> tuple[tuple[np.ndarray, np.ndarray], str]:
    """One band of a window in the scene's middle, before and after."""
    t, _, h, w = one.shape
    waves = np.array([b.wavelength for b in one.part.bands])
    band = int(np.nanargmin(np.abs(waves - 842.0))) if np.isfinite(waves).any() else 0
    rows, columns = (slice(max(0, n // 2 - 64), min(n, n // 2 + 64)) for n in (h, w))
    date = [t // 2]
    none = one.part.bands[band].nodata
    before, after = (s.read(date, [band], rows, columns)[0, 0].astype(float) for s in (one.part.source, one))
    gone = ~np.isfinite(before) | (before == none)
    title = one.part.bands[band].name + ("" if one.part.time is None else f", {str(one.part.time[date[0]])[:10]}")
    return (np.where(gone, np.nan, before), np.where(gone, np.nan, after)), title


def _index_errors(coded: Sequence[Recoded]) -> dict[str, tuple[float, float]]:
    """(root mean square, largest) error of the indices that the bands allow, on the windows that were looked at."""
    from swath.cube import index
    from swath.cube.recoded import piece_of
    from swath.cube.scene import cube_of

    out: dict[str, tuple[float, float]] = {}
    for one in coded:
        before, after = cube_of(piece_of(one.part)), cube_of(piece_of(one.part, one))
        a, b, c = one.grid.across
        chosen = sorted({int(k) for k in np.linspace(0, a * b * c - 1, LOOKS)})
        for name in INDICES:
            if name in out:
                continue
            try:
                pair = [index.compute(cube, name) for cube in (before, after)]
            except (BandError, UnitError):
                continue
            squares, worst, n = 0.0, 0.0, 0
            for k in chosen:
                t, y, x = one.grid.window((k // (b * c), k // c % b, k % c))
                where = {"y": y, "x": x} | ({"time": t} if "time" in pair[0].dims else {})
                x0, x1 = (np.asarray(p.isel(where).values, float) for p in pair)
                # Where both bands are next to zero an index jumps between its ends: what nobody would look at.
                good = np.isfinite(x0) & np.isfinite(x1) & (np.abs(x0) <= 1) & (np.abs(x1) <= 1)
                off = np.abs(x0 - x1)[good]
                if off.size:
                    squares, worst, n = squares + float((off * off).sum()), max(worst, float(off.max())), n + off.size
            if n:
                out[name] = (math.sqrt(squares / n), worst)
    return out


def map_of(
    sources: Sequence[Any], parts: Sequence[Part], labels: Any, options: dict[str, Any], seed: int
) -> tuple[Mapper, list[str]]:
    """The quick map of `swath map --fast` on some stored numbers: labels, blocks and folds depend on the labels alone."""
    from swath.baseline.features import Features
    from swath.baseline.mapper import train
    from swath.cube import align, contract
    from swath.cube.recoded import piece_of
    from swath.cube.scene import cube_of, gsd_of
    from swath.sample import blockside, split
    from swath.sample import labels as labelling

    def cubes_of(given: Sequence[Any]) -> dict[str, Any]:
        many = {gsd_of(p.geobox): cube_of(piece_of(p, s)) for p, s in zip(parts, given, strict=True)}
        return align.align({"scene": next(iter(many.values())) if len(many) == 1 else many})

    cubes, original = cubes_of(sources), cubes_of([p.source for p in parts])
    first = next(iter(original.values()))
    shape = (first.sizes["y"], first.sizes["x"])
    found = labelling.read(labels, contract.grid(first), shape=shape, seed=seed, **options)
    side = blockside.block_side(original, found, seed=seed)
    places = split.blocks(found, side.px)
    features = Features.fit(cubes, seed=seed)
    mapper = train(
        cubes, found, places.id, seed=seed, fast=True, features=features, buffer=min(features.reach, side.px // 4)
    )
    return mapper, [str(found), side.words]


def _with_map(
    rate: Rate, coded: Sequence[Recoded], parts: Sequence[Part], original: tuple[Mapper, list[str]], labels: Any,
    options: dict[str, Any], seed: int,
) -> Rate:  # fmt: skip
    """The rate with the map on its decoded pixels, and what that map lost."""
    try:
        mapper, _ = map_of(coded, parts, labels, options, seed)
    except LabelError:
        return rate
    simulated = _simulated(parts)
    before, after = right_of(original[0]), right_of(mapper)
    ours, theirs = original[0].training, mapper.training
    if len(before) != len(after) or not np.array_equal(ours.index, theirs.index):
        raise SwathError(
            rule="packing keeps what is missing", got="other labels lie on missing pixels", remedy="report this"
        )
    both = np.isfinite(before) & np.isfinite(after)
    loss = by_place(
        (before - after)[both], ours.place[both], "original minus decoded, paired by place", seed, simulated
    )
    return replace(rate, score=score_of(mapper, seed, simulated), loss=loss)


def right_of(mapper: Mapper) -> np.ndarray:
    """(n,) 1 where the label was predicted rightly by a model that never saw its place (of numbers, 1 - squared error in
    parts of the variance); NaN where not scorable.
    """
    y, value = mapper.training.y, mapper.oof.value
    near = 1.0 - (value[:, 0] - y) ** 2 / (float(np.var(y)) or 1.0)
    return np.where(mapper.oof.scorable, value.argmax(1) == y if mapper.kind == "class" else near, np.nan)


def score_of(mapper: Mapper, seed: int, simulated: bool) -> Estimate:
    """The map's score at places that it never saw, with its interval over places."""
    found = right_of(mapper)
    good = np.isfinite(found)
    word = "overall accuracy" if mapper.kind == "class" else "R2"
    return by_place(found[good], mapper.training.place[good], f"{word} at places held out", seed, simulated)


def by_place(value: np.ndarray, place: np.ndarray, method: str, seed: int, simulated: bool) -> Estimate:
    """Mean of `value` (n,) with an interval that resamples whole places (n,)."""
    _, at, count = np.unique(place, return_inverse=True, return_counts=True)
    parts = np.stack([np.bincount(at.ravel(), weights=value), count.astype(float)], axis=1)
    return block_bootstrap(
        parts, lambda s: s[..., 0] / s[..., 1], n=len(value), method=method, seed=seed, simulated=simulated
    )


def _simulated(parts: Sequence[Part]) -> bool:
    return any(str(p.attrs.get("simulated", "")).lower() in ("yes", "true", "1") for p in parts)
