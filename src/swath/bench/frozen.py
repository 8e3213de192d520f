"""Frozen tokens beside spectra: one linear probe for both, on places that training never saw, and what came of it in rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from swath.batch import Batch, Encoder
from swath.bench.probe import Scores, difference, probe
from swath.bench.verdict import than
from swath.estimate import MIN_PLACES, Estimate
from swath.report.outcome import Row

__all__ = ["Items", "patches", "probed", "rows_of", "tokens_of"]


@dataclass(frozen=True)
class Items:
    """What is probed. batch: what an encoder reads; keep: which of its tokens are items; spectra, target, place: of those.
    unit: of a target that is a number.
    """

    batch: Batch
    keep: np.ndarray
    spectra: np.ndarray
    target: np.ndarray
    place: np.ndarray
    unit: str = "1"


def probed(encoders: Mapping[str, Encoder], items: Items, seeds: Sequence[int]) -> dict[str, Scores]:
    """A linear probe on the tokens of each encoder and on the spectra, and a forest on the spectra, on the same folds."""
    vectors = {way: tokens_of(encoder, items.batch)[items.keep] for way, encoder in encoders.items()}
    folds = min(5, len(np.unique(items.place)))
    found = {
        f"{way}, linear": probe(v, items.target, items.place, seeds=seeds, folds=folds, unit=items.unit)
        for way, v in {**vectors, "spectra": items.spectra}.items()
    }
    found["spectra, forest"] = probe(
        items.spectra, items.target, items.place, kind="forest", seeds=seeds, folds=folds, trees=100, unit=items.unit
    )
    return found


def tokens_of(encoder: Encoder, batch: Batch) -> np.ndarray:
    """Tokens of all dates of a place side by side: (B * h * w, T * D)."""
    tokens = encoder.encode(batch)[0]
    grid = np.asarray(tokens.grid())
    return np.moveaxis(grid, (1, 2), (3, 4)).reshape(grid.shape[0] * grid.shape[3] * grid.shape[4], -1)


def patches(batch: Batch, patch: int) -> Items:
    """Mean spectra and indices, and the commonest class, of each patch that is half labelled; its place is the example's."""
    (p,) = batch.pixels.values()
    order = [[b.name for b in p.bands].index(n) for n in ("B02", "B03", "B04", "B8A", "B11", "B12")]
    b, t, _, h, w = p.values.shape
    rows, columns = h // patch, w // patch
    tiles = np.where(p.valid, p.values, 0.0)[:, :, order].reshape(b, t, 6, rows, patch, columns, patch).mean((4, 6))
    red, nir, swir = tiles[:, :, 2], tiles[:, :, 3], tiles[:, :, 4]
    more = [(x - y) / np.maximum(x + y, 1e-3) for x, y in ((nir, red), (nir, swir), (tiles[:, :, 1], nir))]
    spectra = np.concatenate([tiles, np.stack(more, 2)], 2)
    spectra = np.moveaxis(spectra, (1, 2), (3, 4)).reshape(b * rows * columns, -1)
    label = np.asarray(batch.target)[:, : rows * patch, : columns * patch].reshape(b, rows, patch, columns, patch)
    label = label.transpose(0, 1, 3, 2, 4).reshape(b * rows * columns, -1)
    count = np.stack([(label == k).sum(1) for k in range(int(label.max()) + 1)], 1)
    ids = np.unique(np.asarray(batch.place), return_inverse=True)[1].ravel()
    place = ids.repeat(rows * columns)
    keep = count.sum(1) >= 0.5 * patch * patch
    return Items(batch, keep, spectra[keep], count.argmax(1)[keep].astype(str), place[keep])


def rows_of(data: str, found: Mapping[str, Scores], ours: str) -> tuple[list[Row], list[str]]:
    """Scores of every way, the differences of ours to each other one, and these in words."""
    metrics: Sequence[str] = ("balanced accuracy", "accuracy") if found[ours].task == "class" else ("R2", "RMSE")
    rows = []
    for metric in metrics:
        for way, one in found.items():
            role: Any = "ours" if way == ours else "baseline"
            rows.append(Row(data, way, role, metric, _honest(one.estimate(metric), one)))
    words = []
    for other in (way for way in found if way != ours):
        gap = _honest(difference(found[ours], found[other], metrics[0]), found[ours])
        rows.append(Row(data, f"{ours} - {other}", "ours", f"{metrics[0]}, difference", gap))
        words.append(f"{data}: {ours}, is {than(gap)} {other} ({metrics[0]} {100 * gap.value:+.1f} points).")
    return rows, words


def _honest(found: Estimate, scores: Scores) -> Estimate:
    """Without an interval where there are too few places: draws of labels say nothing of other places."""
    count = len(scores.place)
    if count >= MIN_PLACES:
        return found
    reason = f"no interval: {count} places are too few to resample ({MIN_PLACES} or more are needed)"
    return replace(found, low=math.nan, high=math.nan, reason=reason)
