"""What stands beside every encoder: pixel statistics, random filters, spectra with indices for a forest."""

from __future__ import annotations

from typing import Any

import numpy as np

from swath.baseline.encoders import RandomConvolutions, Statistics
from swath.baseline.spectral import index_pairs, normalised_difference
from swath.bench.collection import Collection, Items

__all__ = ["FILTERS", "STATISTICS", "beside", "spectra"]

STATISTICS, FILTERS = "pixel statistics", "random convolutions"
_WINDOW = 1 << 20  # larger than any: one token for the whole example


def beside(collection: Collection) -> dict[str, Any]:
    """Encoders without weights, for pixels or for whole examples."""
    patch = 1 if collection.dense else _WINDOW
    return {STATISTICS: Statistics(patch), FILTERS: RandomConvolutions(64, patch)}


def spectra(collection: Collection, items: Items) -> np.ndarray:
    """(n, F): each band and each index on each date, at the pixel or averaged over the whole example.

    A date that is not valid takes the mean of the valid ones; 0 where there is none. Both dates of a pair stand side by
    side, and their difference.
    """
    found = {name: _of_sensor(collection, name, items) for name in sorted(collection.batch.pixels)}
    columns = list(found.values())
    if collection.pair is not None:
        before, after = (found[n] for n in collection.pair)
        columns.append(after - before)
    return np.concatenate(columns, axis=1)


def _of_sensor(collection: Collection, name: str, items: Items) -> np.ndarray:
    p = collection.batch.pixels[name]
    height, width = collection.size
    h, w = p.values.shape[-2:]
    if items.dense:
        row, column = items.row * h // height, items.column * w // width
        values, valid = p.values[items.example, :, :, row, column], p.valid[items.example, :, :, row, column]
    else:
        valid = p.valid[items.example]
        count = np.maximum(valid.sum((-1, -2)), 1)
        values = np.where(valid, p.values[items.example], 0).sum((-1, -2)) / count
        valid = valid.any((-1, -2))
    seen = valid.any(1)
    mean = np.where(valid, values, 0).sum(1) / np.maximum(valid.sum(1), 1)
    filled = np.where(valid, values, np.where(seen, mean, 0)[:, None])
    indices = [normalised_difference(filled[:, :, a], filled[:, :, b]) for _, a, b in index_pairs(p.bands)]
    return np.concatenate([filled.reshape(len(items), -1), *indices], axis=1).astype(np.float32)
