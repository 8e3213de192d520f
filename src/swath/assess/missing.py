"""Points of a drawn sample that have no answer: not looked at yet, or looked at and not told. What each does to an estimate.

Not looked at: where a sample is walked through in the random order it was drawn in, the points before any stop are
a smaller random sample of each stratum, and the estimates hold as they are. Looked at and not told (cloud, a mixed
pixel): nothing says that these are like the others. The estimates assume it (missing at random within strata:
Cochran 1977, section 13.2); the share and the two ends between which the answers could move accuracy are told with them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["WHY", "Missing", "find", "reckon", "words"]

WHY = "why"
"""The column that says why a point that was looked at has no label."""


@dataclass(frozen=True, slots=True)
class Missing:
    """stratum (m,): index of each point that was looked at without an answer. reasons: how many of each.

    unseen: points without a label and without a reason. in_order: all of those come last in the order they were drawn in.
    """

    stratum: np.ndarray
    reasons: dict[str, int]
    unseen: int
    seen: int
    in_order: bool

    @property
    def points(self) -> int:
        """How many were looked at without an answer."""
        return len(self.stratum)


def find(data: Any, blank: np.ndarray, use: np.ndarray, stratum: np.ndarray) -> Missing | None:
    """What is missing of the rows of a drawn sample; None when nothing is.

    blank (n,): no label. use (n,): lies on the map. stratum (n,): index of each row's stratum.
    """
    text = np.array([_text(v) for v in data[WHY]] if WHY in data.columns else [""] * len(data), dtype=object)
    told = blank & use & (text != "")
    unseen = blank & use & (text == "")
    if not blank[use].any():
        return None
    order = np.argsort(np.asarray(data["id"], float), kind="stable") if _numbered(data) else np.arange(len(data))
    last = unseen[order][use[order]]
    in_order = _numbered(data) and bool((np.diff(last.astype(int)) >= 0).all()) and not last.all()
    reasons = dict(sorted(Counter(str(t) for t in text[told]).items(), key=lambda pair: (-pair[1], pair[0])))
    seen = int((use & ~unseen).sum())
    return Missing(stratum[told], reasons, int(unseen.sum()), seen, in_order)


def _numbered(data: Any) -> bool:
    """Whether the rows still say in which order they were drawn."""
    if "id" not in data.columns:
        return False
    try:
        number = np.asarray(data["id"], float)
    except (TypeError, ValueError):
        return False
    return bool(np.isfinite(number).all()) and len(np.unique(number)) == len(number)


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value).strip()


def reckon(missing: Missing, counts: ArrayLike, area: ArrayLike) -> dict[str, Any]:
    """The record of points looked at without an answer: their share by area, and where accuracy ends if all were wrong, or right.

    counts: (S, K, K) answered units by stratum, map and truth; area: (S,) of the strata; both as for `area.design_based`.
    """
    c, size = np.asarray(counts, float), np.asarray(area, float)
    lost = np.bincount(missing.stratum, minlength=len(size)).astype(float)
    n, right = c.sum((1, 2)), np.einsum("skk->s", c)
    used = (size > 0) & (n + lost > 0)
    weight = size[used] / size[used].sum()
    looked = (n + lost)[used]
    wrong = float(weight @ (right[used] / looked))
    share = float(weight @ (lost[used] / looked))
    return {
        "points": missing.points,
        "looked_at": missing.seen,
        "share": share,
        "reasons": dict(missing.reasons),
        "accuracy_if_wrong": wrong,
        "accuracy_if_right": wrong + share,
    }


def words(missing: Missing, record: dict[str, Any] | None) -> list[str]:
    """Sentences for the notes of an assessment."""
    said = []
    if missing.points:
        why = ", ".join(f"{reason} {number}" for reason, number in missing.reasons.items())
        share = "" if record is None else f" ({100 * record['share']:.1f} % by area)"
        said.append(
            f"{missing.points} of {missing.seen} points looked at have no answer{share}: {why}; "
            "they are taken to be like the others of their stratum"
        )
    if record is not None and missing.points:
        low, high = 100 * record["accuracy_if_wrong"], 100 * record["accuracy_if_right"]
        said.append(
            f"were the map wrong at all of them the estimate of accuracy would be {low:.1f} %, right at all {high:.1f} %"
        )
    if missing.unseen and missing.in_order:
        said.append(
            f"the first {missing.seen} of {missing.seen + missing.unseen} points in the random order they were drawn "
            "in: a random sample of each stratum, only smaller"
        )
    elif missing.unseen:
        said.append(f"{missing.unseen} points without a label are taken to be like the others of their stratum")
    return said
