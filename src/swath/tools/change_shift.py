"""How far the two dates of a pair are shifted, and taking it back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from swath.geometry.shift import Registration, registration
from swath.tools.change_pair import SIDES, Pair, samples, shared_bands

if TYPE_CHECKING:
    from swath.batch import Batch

__all__ = ["doubtful", "lined_up"]

LEAST = 0.1  # pixels of a shift that is worth correcting


def lined_up(pair: Pair, *, correct: bool, seed: int = 0) -> Pair:
    """The pair with its shift estimated from windows over the scene; the after date moved by it where `correct` and sure."""
    windows = [_planes(pair, batch) for batch in samples(pair, seed)]
    # Haze hides the ground in some bands and not in others: of all bands together and each alone, what stands out most.
    bands = len(windows[0][0]) if windows else 0
    tries = [slice(None), *(slice(b, b + 1) for b in range(bands if bands > 1 else 0))]
    found = max((registration([(a[t], b[t]) for a, b in windows]) for t in tries), key=lambda r: r.confidence)
    notes = list(pair.notes)
    if not found.sure:
        notes.append(f"the shift between the dates cannot be told: too little is alike in both ({doubtful(found)})")
        if correct:
            notes.append("--register did nothing: a shift that is not known cannot be taken back")
        return replace(pair, moved=found, notes=tuple(notes))
    se = f" (standard error {found.se:.2f})" if np.isfinite(found.se) else ""
    notes.append(
        f"the after date lies {found.words[0]} pixels down and {found.words[1]} right of the before date{se}, "
        f"confidence {found.confidence:.2f}"
    )
    if not correct:
        return replace(pair, moved=found, notes=tuple(notes))
    known = 2 * found.se if np.isfinite(found.se) else 0.0
    if found.length < max(LEAST, known):
        notes.append("--register did nothing: the shift is smaller than what is known of it, and moving blurs")
        return replace(pair, moved=found, notes=tuple(notes))
    from swath.cube.adjust import moved

    notes.append(f"corrected: the after date was moved by {found.dy:+.2f} down and {found.dx:+.2f} right (Lanczos)")
    return replace(pair, after=moved(pair.after, found.dy, found.dx), moved=found, corrected=True, notes=tuple(notes))


def doubtful(found: Registration) -> str:
    """How little is known of a shift, in words."""
    se = f", standard error {found.se:.2f} pixels" if np.isfinite(found.se) else ""
    return f"confidence {found.confidence:.2f} of 1{se}"


def _planes(pair: Pair, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Bands of both dates that mean the same (at most four), else their first ones; NaN where missing.

    Of bands with several native resolutions the finest alone: the squares of repeated coarse pixels correlate everywhere.
    """
    shared = shared_bands(pair.before, pair.after) or [(0, 0)]
    worse = [
        np.nanmax([c.coords["gsd"].values[k] for c, k in zip((pair.before, pair.after), s, strict=True)] + [0])
        for s in shared
    ]
    shared = [s for s, gsd in zip(shared, worse, strict=True) if gsd <= 1.05 * min(worse)]
    picked = [shared[i] for i in np.unique(np.linspace(0, len(shared) - 1, 4).astype(int))]
    out = []
    for side, name in enumerate(SIDES):
        p = batch.pixels[name]
        out.append(np.stack([np.where(p.valid[0, 0, c[side]], p.values[0, 0, c[side]], np.nan) for c in picked]))
    return out[0], out[1]
