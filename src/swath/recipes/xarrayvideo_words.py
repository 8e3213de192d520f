"""What the comparison of coders says in words, made from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from swath.recipes.xarrayvideo_points import Point, at, turn
from swath.recipes.xarrayvideo_sets import Cube

__all__ = ["verdicts"]


def verdicts(
    cubes: Sequence[Cube], curves: Mapping[str, Mapping[str, list[Point]]], stuck: Mapping[str, Mapping[str, Point]],
    maps: Sequence[Mapping[str, Any]], missing: Mapping[str, float], *, ours: str, papers: str, quality: float,
) -> list[str]:  # fmt: skip
    """What agrees with the paper, where video wins and where not."""
    said = [
        "none of the paper's four sets is at hand: its rates are not tested; its dB on DeepExtremeCubes and the DN sets stand "
        f"{20 * math.log10(6.5535):.2f} dB above those against peak 1 (10 000 DN): 54.28 dB is 37.95 dB, an RMSE of 0.0127"
    ]
    off = [p for ways in stuck.values() for w, p in ways.items() if "yuv" in w]
    kept = [p for ways in stuck.values() for w, p in ways.items() if "gbr" in w]
    if off and kept:
        fits = [p for p in kept if p.worst == 0]
        said.append(
            f"x265 with lossless=1 by the paper's way (12-bit yuv) errs by {min(p.worst for p in off):.0f} to "
            f"{max(p.worst for p in off):.0f} DN on every cube (mean bias {np.mean([p.bias for p in off]):+.2f}); by gbr nothing is "
            f"lost on {len(fits)} of {len(kept)} (numbers of more than 12 bits are rounded): yuv is never offered as lossless"
        )
    said += [text for c in cubes if (text := _of_cube(c, curves[c.name], ours, papers, quality))]
    said.append(
        f"with {1 - missing['share left']:.0%} of a cube missing, its packed size is {missing['size over whole']:.2f} of the whole's"
    )
    return [*said, *(str(m["words"]) for m in maps)]


def _of_cube(cube: Cube, curves: Mapping[str, list[Point]], ours: str, papers: str, quality: float) -> str:
    rates = {n: at(points, "psnr", "bits", quality) for n, points in curves.items()}
    known = {n: v for n, v in rates.items() if math.isfinite(v)}
    if not known:
        return ""
    best = min(known, key=lambda n: known[n])
    text = f"{cube.name}{' (simulated)' if cube.simulated else ''}: least at {quality:g} dB is {best} with {known[best]:.2f} bits a value"
    if papers in known and ours in known:
        worst = at(curves[papers], "psnr", "worst", quality)
        text += f"; the paper's way takes {known[papers]:.2f} and errs by up to {worst:.0f} DN there, swath {known[ours]:.2f}"
    more = turn(curves.get(ours, []), curves.get(papers, []))
    return text + (f"; {more}" if more else "")
