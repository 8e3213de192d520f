"""A paired difference in words: claimed only where its interval leaves out 0."""

from __future__ import annotations

import math

from swath.estimate import Estimate

__all__ = ["than"]


def than(gap: Estimate, *, lower_is_better: bool = False) -> str:
    """Ours against theirs: "better than", "worse than", "not clearly different from", or without an interval "not told
    from (too few places)"; `gap` is ours minus theirs.
    """
    if not gap.defined or not math.isfinite(gap.low):
        return "not told from (too few places)"
    if gap.low <= 0 <= gap.high:
        return "not clearly different from"
    return "better than" if (gap.value < 0) == lower_is_better else "worse than"
