"""What a transform of batches keeps: shapes, validity, targets, seeds, and its input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from swath.batch import Batch
from swath.testing.rules import run

__all__ = ["RULES", "check_transform"]

Transform = Callable[[Batch, np.random.Generator], Batch]


def keeps_shapes_and_names(transform: Transform, batch: Batch) -> str:
    """Sensors, number of examples, bands' names, keys and places stay; sizes stay for square windows."""
    out = transform(batch, np.random.default_rng(0))
    if set(out.pixels) != set(batch.pixels) or tuple(out.key) != tuple(batch.key):
        return "sensors or keys change"
    for name, p in batch.pixels.items():
        q = out.pixels[name]
        if q.values.shape != q.valid.shape or [b.name for b in p.bands] != [b.name for b in q.bands]:
            return f"{name}: shapes {q.values.shape} and {q.valid.shape}, or bands change"
        if p.values.shape[-1] == p.values.shape[-2] and q.values.shape != p.values.shape:
            return f"{name}: {p.values.shape} becomes {q.values.shape}"
    return ""


def is_seeded(transform: Transform, batch: Batch) -> str:
    """The same generator gives the same."""
    a, b = (transform(batch, np.random.default_rng(3)) for _ in range(2))
    same = all(np.array_equal(a.pixels[n].values, b.pixels[n].values, equal_nan=True) for n in a.pixels)
    return "" if same else "two runs with one seed differ"


def moves_validity_and_target_with_the_values(transform: Transform, batch: Batch) -> str:
    """A mark in the values stays over the same mark in validity and dense target."""
    rng = np.random.default_rng(5)
    pixels = {}
    mark = None
    for name, p in batch.pixels.items():
        h, w = p.values.shape[-2:]
        mark = rng.random((len(batch), h, w)) > 0.5 if mark is None or mark.shape[-2:] != (h, w) else mark
        valid = np.broadcast_to(mark[:, None, None], p.values.shape).copy()
        pixels[name] = replace(p, valid=valid, values=np.where(valid, p.values, 0).astype(np.float32))
    if mark is None:
        return "a batch without pixels"
    out = transform(replace(batch, pixels=pixels, target=mark.astype(np.int64)), np.random.default_rng(7))
    for name, q in out.pixels.items():
        if not (np.abs(q.values[~q.valid]) == 0).all():
            return f"{name}: values and validity move apart"
        target = np.asarray(out.target)
        if q.valid.shape[-2:] == target.shape[-2:] and not np.array_equal(q.valid[:, 0, 0], target.astype(bool)):
            return f"{name}: pixels and target move apart"
    return ""


def leaves_its_input_alone(transform: Transform, batch: Batch) -> str:
    """The given batch is the same afterwards."""
    before = {name: p.values.copy() for name, p in batch.pixels.items()}
    transform(batch, np.random.default_rng(0))
    same = all(np.array_equal(p.values, before[name], equal_nan=True) for name, p in batch.pixels.items())
    return "" if same else "the given batch changes"


RULES: tuple[Callable[[Transform, Batch], str], ...] = (
    keeps_shapes_and_names, is_seeded, moves_validity_and_target_with_the_values, leaves_its_input_alone,
)  # fmt: skip


def check_transform(transform: Transform, batch: Batch) -> None:
    """Run RULES over `(batch, generator) -> batch` with a NumPy Batch. Raises SwathError that names the broken ones."""
    run(f"the transform {type(transform).__name__}", RULES, transform, batch)
