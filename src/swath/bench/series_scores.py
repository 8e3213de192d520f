"""Scores of methods on pixel series, out of fold: classes by place, said values by place and by how far ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from swath.baseline.forecast import Said
from swath.estimate import Estimate, block_bootstrap
from swath.metric import classes as scores
from swath.metric.series import covered, crps
from swath.report.outcome import Row

__all__ = ["Answers", "Errors", "SIDE"]

SIDE = 1.6448536269514722  # deviations on each side of a normal distribution's middle 90 %
Role = Literal["ours", "baseline", "reference"]


@dataclass
class Answers:
    """Class probabilities out of fold by method: {name: (n, K)}; NaN where nothing was answered."""

    data: str
    y: np.ndarray
    place: np.ndarray
    classes: int
    said: dict[str, np.ndarray] = field(default_factory=dict)
    simulated: bool = False
    own: str = "decoder"

    def put(self, name: str, rows: np.ndarray, share: np.ndarray) -> None:
        """What a method says of some rows."""
        self.said.setdefault(name, np.full((len(self.y), self.classes), np.nan))[rows] = share

    def matrices(self, name: str) -> np.ndarray:
        """(P, K, K) confusion by place."""
        share = self.said[name]
        found = np.where(np.isfinite(share).all(1), np.nan_to_num(share).argmax(1), -1)
        return scores.confusion_by_place(found, self.y, self.classes, place=self.place)

    def rows(
        self, ours: Sequence[str], *, metrics: Sequence[str] = ("accuracy", "macro-F1"), claim: str = ""
    ) -> list[Row]:
        """Scores of all methods with intervals over places, and how much better ours are than the others, paired."""
        out: list[Row] = []
        how: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "accuracy": scores.overall,
            "macro-F1": scores.f1_macro,
            "balanced accuracy": scores.balanced,
        }
        same: dict[str, Any] = {"n": len(self.y), "simulated": self.simulated}
        for metric in metrics:
            for name in self.said:
                role: Role = (
                    "ours" if name.startswith(self.own) else "reference" if name.startswith("best") else "baseline"
                )
                e = block_bootstrap(self.matrices(name), how[metric], method="out of fold", **same)
                out.append(Row(self.data, name, role, metric, e, claim if role == "ours" else ""))
            for mine in ours:
                for other in (n for n in self.said if n not in ours):
                    both = np.stack([self.matrices(mine), self.matrices(other)], 1)

                    def more(m: np.ndarray, f: Callable[[np.ndarray], np.ndarray] = how[metric]) -> np.ndarray:
                        return np.asarray(f(m[..., 0, :, :]) - f(m[..., 1, :, :]))

                    e = block_bootstrap(both, more, method="paired by place", **same)
                    out.append(Row(self.data, f"{mine} - {other}", "ours", f"difference of {metric}", e))
        return out


@dataclass
class Errors:
    """Of said values, by method and place: sums of squared error, CRPS and coverage in the unit of the bands' deviation."""

    data: str
    simulated: bool = False
    parts: dict[str, list[tuple[np.ndarray, ...]]] = field(default_factory=dict)
    by_lead: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def put(
        self,
        name: str,
        said: Said,
        truth: np.ndarray,
        counts: np.ndarray,
        place: np.ndarray,
        std: np.ndarray,
        *,
        seed: int = 0,
    ) -> None:
        """What a method says (N, L, C) against the truth where it counts; `std` (C,) makes bands alike."""
        off = np.where(counts, (said.value - truth) / std, 0.0)
        drawn = said.draws
        if drawn is None:
            noise = np.random.default_rng(seed).normal(size=(20, *said.value.shape))
            drawn = said.value + noise * np.nan_to_num((said.high - said.low) / (2 * SIDE))
        score = np.where(counts, crps(drawn, truth) / std, 0.0)
        inside = np.where(counts, covered(said.low, said.high, truth), 0.0)
        n = counts.sum((1, 2))
        self.parts.setdefault(name, []).append((place, (off**2).sum((1, 2)), score.sum((1, 2)), inside.sum((1, 2)), n))
        lead = np.stack([(off**2).sum((0, 2)), counts.sum((0, 2))])
        self.by_lead.setdefault(name, []).append(lead)

    def sums(self, name: str) -> np.ndarray:
        """(P, 4) by place: squared error, CRPS, covered, count."""
        place, *numbers = (np.concatenate(x) for x in zip(*self.parts[name], strict=True))
        ids, at = np.unique(place, return_inverse=True)
        return np.stack([np.bincount(at, weights=v, minlength=len(ids)) for v in numbers], 1)

    def rows(self, ours: str, *, also: Sequence[str] = ()) -> list[Row]:
        """RMSE, CRPS and coverage of all, and how much less ours err, paired by place."""
        out: list[Row] = []
        about: dict[str, Any] = {"simulated": self.simulated, "method": "out of fold"}
        mine = (ours, *also)
        for i, metric in ((0, "RMSE"), (1, "CRPS"), (2, "coverage of 90 % intervals")):
            unit = "1" if i == 2 else "deviations"

            def value(s: np.ndarray, i: int = i) -> np.ndarray:
                share = s[..., i] / s[..., 3]
                return np.asarray(np.sqrt(share) if i == 0 else share)

            for name in (n for n in self.parts if i < 2 or np.isfinite(self.sums(n)[:, 2]).all()):
                role: Role = "ours" if name in mine else "baseline"
                e = block_bootstrap(self.sums(name), value, unit=unit, n=int(self.sums(name)[:, 3].sum()), **about)
                out.append(Row(self.data, name, role, metric, e))
            if i == 2:
                nominal = Estimate(
                    0.9, "1", method="what was promised", reason="no interval: by definition", simulated=self.simulated
                )
                out.append(Row(self.data, "nominal", "reference", metric, nominal))
            if i < 2:
                for other in (n for n in self.parts if n != ours):
                    both = np.stack([self.sums(other), self.sums(ours)], 1)

                    def less_of(s: np.ndarray, f: Callable[[np.ndarray], np.ndarray] = value) -> np.ndarray:
                        return np.asarray(f(s[..., 0, :]) - f(s[..., 1, :]))

                    less = block_bootstrap(both, less_of, unit=unit, simulated=self.simulated, method="paired by place")
                    out.append(Row(self.data, f"{other} - {ours}", "ours", f"difference of {metric}", less))
        return out
