"""What a source of training batches keeps: an epoch is a function of its number, and kept examples rule the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.testing.rules import run

if TYPE_CHECKING:
    from swath.batch import Batch

__all__ = ["RULES", "check_source"]


def an_epoch_is_the_same_again(source: Any) -> str:
    """Epoch 0 read twice gives the same examples in the same order, with the same values."""
    a, b = list(source.epoch(0)), list(source.epoch(0))
    if not a:
        return "an epoch without a batch"
    if _keys(a) != _keys(b):
        return "another order the second time"
    first, second = a[0].pixels, b[0].pixels
    same = all(np.array_equal(first[n].values, second[n].values, equal_nan=True) for n in first)
    return "" if same else "other values the second time"


def another_epoch_is_another_order(source: Any) -> str:
    """Epoch 1 comes in another order than epoch 0."""
    a, b = _keys(list(source.epoch(0))), _keys(list(source.epoch(1)))
    return "the same order in another epoch" if a == b and len(a) > 3 else ""


def batches_are_whole(source: Any) -> str:
    """In a batch every sensor, the target, the keys and the places have one length."""
    for batch in source.epoch(0):
        lengths = {len(p.values) for p in batch.pixels.values()} | {len(batch.key)} | {len(batch.place)}
        if batch.target is not None:
            lengths.add(len(batch.target))
        if len(lengths) != 1:
            return f"lengths {sorted(lengths)} in one batch"
    return ""


def stopping_early_is_harmless(source: Any) -> str:
    """After one batch was taken and the rest left, the next epoch is as it would have been."""
    wanted = _keys(list(source.epoch(1)))
    next(iter(source.epoch(0)))
    return "" if _keys(list(source.epoch(1))) == wanted else "an epoch that was left changes the next"


def _keys(batches: list[Batch]) -> list[str]:
    return [str(k) for b in batches for k in b.key]


RULES: tuple[Callable[[Any], str], ...] = (
    an_epoch_is_the_same_again, another_epoch_is_another_order, batches_are_whole, stopping_early_is_harmless,
)  # fmt: skip


def check_source(source: Any) -> None:
    """Run RULES over a Loader or anything with `epoch(number)`. Raises SwathError that names the broken ones."""
    run(f"the source {type(source).__name__}", RULES, source)
