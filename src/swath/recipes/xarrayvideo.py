"""xarrayvideo (36): multichannel time cubes as video streams, beside coders with a bound that is never broken.

Every coder codes the same whole numbers over several settings; sizes hold masks and all that decoding needs, and count
against the values that are not missing. PSNR is over those values against a stated peak. Rates at equal quality are read
off between settings; ratios of rates are averaged over cubes, never over pixels. A map is trained on decoded numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from swath.codec import rivals, video
from swath.estimate import Estimate, mean, undefined
from swath.recipes.xarrayvideo_points import COLUMNS, Point, at, plain, point
from swath.recipes.xarrayvideo_sets import Cube, dense, real
from swath.recipes.xarrayvideo_words import verdicts
from swath.report.outcome import Card, Outcome, Row
from swath.report.plots import Line, few_colours, lines

__all__ = ["CARD", "SCALES", "Point", "Sizes", "run"]

CARD = Card(
    slug="xarrayvideo",
    number=36,
    title="xarrayvideo: multichannel cubes stored as video streams",
    source='"Video Compression for Spatiotemporal Earth System Data" (2025, arXiv 2506.19656)',
    code="IPL-UV/xarrayvideo 0.1.0",
    licence="MIT",
    claims={
        "DeepExtremeCubes": "54.28 dB at 1 bit a value, 40.60 at 0.1 (peak 6.5535; 64 bits a value before)",
        "DynamicEarthNet": "65.91 dB at 1 bit a value, 55.86 at 0.1 (peak 65535 DN)",
        "SimpleS2": "55.04 dB at 1 bit a value, 43.23 at 0.1 (peak 65535 DN)",
        "downstream": "no loss in reflectance forecasts and land-cover segmentation at 55.77 to 60.15 dB",
    },
    built=(
        "x265 at 12 bits by the paper's way (yuv), and by ways that keep colours (gbr, gray), FFV1, principal components",
        "the paper's quality ladder; a residual on top of video that keeps a bound (swath.codec.video.encode)",
        "`swath pack`: one file, nothing lost or a largest error that holds, masks and metadata inside",
    ),
    not_built=(
        "the four published sets: too large, so none of the table's rates is tested, only what the method does on other cubes",
        "VP9, nvenc and SSIM; ERA5 (no such field is at hand)",
        "the next-step reflectance forecast: the map alone stands for what people do next",
    ),
)
PAPERS, OURS = "x265 yuv 12 bit (the paper's)", "swath"
QUALITY = 55.0  # dB at which rates are compared
BOUND = 20.0
LABELLED = "637U_59R_1_3.tif"


@dataclass(frozen=True, slots=True)
class Sizes:
    """errors, decibels, ladder: settings of coders with a bound, of JPEG 2000, of video. side, dates: of the made series."""

    errors: tuple[float, ...] = (5, 20, 50, 150)
    decibels: tuple[float, ...] = (58, 64, 70, 76)
    ladder: tuple[str, ...] = ("very high", "high", "medium", "low")
    coders: tuple[str, ...] = tuple(n for n in rivals.NAMES if "zstd" not in n)
    side: int = 80
    dates: int = 48
    cut: int | None = None
    maps: bool = True


SCALES = {
    "small": Sizes(),
    "paper": Sizes(ladder=tuple(video.LADDER), side=128, dates=20, maps=False),
    "test": Sizes((20, 100), (64,), ("high", "low"), (OURS, "JPEG-LS near", "SZ3", "JPEG 2000", PAPERS), 64, 5, 40, maps=False),
}  # fmt: skip


def run(scale: str, out: Path, *, data: Path | None = None, seed: int = 0, progress: Any = None) -> Outcome:
    """Rates and errors of every coder on real cubes (where data is given) and made dense ones, and what a map loses."""
    sizes = SCALES[scale]
    if scale == "paper":
        return _published(sizes, seed)
    cubes = [*(real(data, sizes.cut) if data is not None else []), *dense(sizes.side, sizes.dates, seed)]
    curves: dict[str, dict[str, list[Point]]] = {}
    for k, cube in enumerate(cubes):
        if progress is not None:
            progress(k, len(cubes), cube.name)
        fit = [
            n for n in sizes.coders if "gbr" not in n or cube.values.shape[1] > 2
        ]  # one band thrice is no way to code it
        curves[cube.name] = {n: [point(n, s, cube) for s in _settings(n, sizes)] for n in fit}
    lossless = {
        c.name: {n: point(n, 0.0, c) for n in rivals.LOSSLESS if n in sizes.coders or n == "zstd, shuffled bits"}
        for c in cubes
    }
    stuck = {c.name: {w: point(f"x265 {w}", "best", c) for w in WAYS if f"x265 {w}" in rivals.NAMES} for c in cubes}
    rows = [r for c in cubes for r in _rows(c, curves[c.name], lossless[c.name], stuck[c.name])]
    rows += _over_cubes([c for c in cubes if not c.simulated], curves) + _over_cubes(
        [c for c in cubes if c.simulated], curves
    )
    figures = _figures(cubes, curves, out)
    maps: list[dict[str, Any]] = []
    if sizes.maps and data is not None and (data / "terramind/S2L2A" / LABELLED).is_file():
        from swath.recipes.xarrayvideo_maps import losses, picture

        maps = losses(data, LABELLED, seed)
        rows += [r for m in maps for r in m["rows"]]
        picture(maps, out / "maps.png")
        figures["maps.png"] = (
            "accuracy lost by a map trained on decoded pixels; bars: 95 % intervals over blocks, paired"
        )
    facts: dict[str, Any] = {
        "peak": "1 in the quantity's unit = 10 000 stored; PSNR over values that are not missing",
        "bits": "8 x bytes of stream, masks and what decoding needs / values that are not missing",
        "columns": list(COLUMNS),
        "points": {c: {n: [plain(p) for p in ps] for n, ps in ks.items()} for c, ks in curves.items()},
        "the same sizes twice": _again(cubes[0], sizes),
        "missing values": _clouded(cubes[-2]),
        "timing": {c: {n: [list(p.seconds) for p in ps] for n, ps in ks.items()} for c, ks in curves.items()},
    }
    said = verdicts(cubes, curves, stuck, maps, facts["missing values"], ours=OURS, papers=PAPERS, quality=QUALITY)
    return Outcome(CARD, scale, tuple(rows), figures, tuple(said), facts)


WAYS = ("yuv 12 bit (the paper's)", "gbr 12 bit")


def _settings(name: str, sizes: Sizes) -> tuple[Any, ...]:
    """ZFP keeps far more than it is asked to: larger tolerances bring it to the qualities of the others."""
    loose = tuple(sorted({BOUND, *(8 * e for e in sizes.errors)}))
    if name.startswith("x265"):
        return sizes.ladder
    return sizes.decibels if name == "JPEG 2000" else loose if name == "ZFP" else sizes.errors


def _one(value: float, unit: str, cube: Cube, why: str = "one cube has no spread") -> Estimate:
    if not math.isfinite(value):
        far = f"no setting that was measured lies around {QUALITY:g} dB"
        return replace(undefined(unit, far), simulated=cube.simulated)
    return Estimate(
        value, unit, n=cube.count, method="all values", simulated=cube.simulated, reason=f"no interval: {why}"
    )


def _rows(cube: Cube, curves: dict[str, list[Point]], lossless: dict[str, Point], stuck: dict[str, Point]) -> list[Row]:
    """Rates at one quality and at one bound, without loss, and what `lossless` video changes."""
    rows = []

    def add(method: str, role: Any, metric: str, value: float, unit: str, claim: str = "") -> None:
        rows.append(Row(cube.name, method, role, metric, _one(value, unit, cube), claim))

    for name, points in curves.items():
        role = "ours" if name == OURS else "reference" if name == PAPERS else "baseline"
        claim = "55.04 dB at 1 bit (SimpleS2, peak 65535 DN: 38.71 dB against peak 1)" if name == PAPERS else ""
        add(name, role, f"bits a value at {QUALITY:g} dB, peak 1", at(points, "psnr", "bits", QUALITY), "bit", claim)
        if name in (OURS, PAPERS, "JPEG 2000"):
            add(name, role, f"largest error at {QUALITY:g} dB", at(points, "psnr", "worst", QUALITY), "DN")
        held = [p for p in points if p.setting == str(BOUND)]
        if held and held[0].worst <= BOUND:
            add(name, role, f"bits a value, largest error {BOUND:g} DN", held[0].bits, "bit")
    for name, p in lossless.items():
        add(name, "ours" if name == OURS else "baseline", "bits a value, nothing lost", p.bits, "bit")
    for way, p in stuck.items():
        claim = "marked lossy by the library itself" if "yuv" in way else ""
        add(f"x265 {way}, lossless=1", "reference", "largest error, DN", p.worst, "DN", claim)
    return rows


def _over_cubes(cubes: Sequence[Cube], curves: dict[str, dict[str, list[Point]]]) -> list[Row]:
    """Rate of ours over each other coder's at equal quality: geometric mean over cubes, t-interval of the logarithm."""
    rows = []
    simulated = bool(cubes) and cubes[0].simulated
    for name in dict.fromkeys(n for c in cubes for n in curves[c.name] if n != OURS):
        ratios = []
        for c in cubes:
            ours, theirs = (at(curves[c.name].get(n, []), "psnr", "bits", QUALITY) for n in (OURS, name))
            ratios.append(math.log(ours / theirs) if math.isfinite(ours) and math.isfinite(theirs) else math.nan)
        e = replace(mean(ratios, unit="1", method="geometric mean over cubes"), simulated=simulated)
        if e.defined:
            e = replace(e, value=math.exp(e.value), low=math.exp(e.low), high=math.exp(e.high))
        data = f"{len(cubes)} {'made' if simulated else 'real'} cubes"
        rows.append(
            Row(
                data,
                f"swath / {name}",
                "ours",
                f"rate over the other's at {QUALITY:g} dB, a paired difference of logs",
                e,
            )
        )
    return rows


def _figures(cubes: Sequence[Cube], curves: dict[str, dict[str, list[Point]]], out: Path) -> dict[str, str]:
    """Quality against rate: cubes of few dates (one tile of its kind) in one figure, long series in another."""
    figures = {}
    many = [c for c in cubes if len(c.values) > 20]
    few = [c for i, c in enumerate(cubes) if c not in many and c.name[:17] not in [o.name[:17] for o in cubes[:i]]]
    for file, some in (("rates.png", few), ("dense.png", many)):
        if not some:
            continue
        panels = {}
        for c in some:
            title = c.name.replace(": ", "\n", 1) + (" (simulated)" if c.simulated else "")
            panels[title] = {
                n: Line(
                    [p.bits for p in ps],
                    [p.psnr for p in ps],
                    style="-o" if n == OURS else "--" if "x265" in n else "-",
                )
                for n, ps in curves[c.name].items()
            }
        lines(panels, out / file, x="bits a value", y="PSNR, dB (peak 1 = 10 000 DN)", log=True, share_y=False)
        few_colours(out / file)
        figures[file] = f"quality against rate, {'series of many dates' if some is many else 'few dates or many bands'}"
    return figures


def _again(cube: Cube, sizes: Sizes) -> bool:
    names = [n for n in (OURS, PAPERS) if n in sizes.coders]
    return all(point(n, s, cube).bits == point(n, s, cube).bits for n in names for s in _settings(n, sizes)[:1])


def _clouded(cube: Cube) -> dict[str, float]:
    """Bits of the packed chunk of a cube and of the same with 60 % of it missing, over the share that is left."""
    gone = np.random.default_rng(0).random((1, 1, -(-cube.values.shape[2] // 16), -(-cube.values.shape[3] // 16))) < 0.6
    hole = np.kron(gone, np.ones((1, 1, 16, 16), bool))[:, :, : cube.values.shape[2], : cube.values.shape[3]]
    less = cube.valid & ~hole
    whole, part = (rivals.code(OURS, cube.values, v, BOUND).size for v in (cube.valid, less))
    return {"share left": float(f"{less.sum() / cube.count:.4g}"), "size over whole": float(f"{part / whole:.4g}")}


def _published(sizes: Sizes, seed: int) -> Outcome:
    """The published configuration on one made window: groups of three bands, 12 bits, every step of the ladder."""
    cube = dense(sizes.side, sizes.dates, seed)[0]
    seven = Cube(
        "7 bands", np.tile(cube.values, (1, 2, 1, 1))[:, :7], np.tile(cube.valid, (1, 2, 1, 1))[:, :7], simulated=True
    )
    stream = video.encode_stream(seven.values, seven.valid, way="yuv")
    frames = 3 * sizes.dates
    rows = [Row("one made window", PAPERS, "ours", "frames of three bands", _one(float(frames), "1", seven, "a count")),
            Row("one made window", "bands / 3, rounded up, x dates", "baseline", "frames of three bands",
                _one(float(-(-7 // 3) * sizes.dates), "1", seven, "a count"))]  # fmt: skip
    back = video.decode_stream(stream)
    points = {s: point(PAPERS, s, seven) for s in sizes.ladder}
    said = [f"7 bands of {sizes.dates} dates decode to {back.shape}; every step of the ladder ran once at 12 bits"]
    facts = {"bits": stream.bits, "ladder": {s: plain(p) for s, p in points.items()}}
    return Outcome(CARD, "paper", tuple(rows), {}, tuple(said), facts)
