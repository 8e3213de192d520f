"""Simulated surveys of simulated worlds: how often design-based intervals hold the truth.

`python -m swath.testing.surveys` prints the table (some minutes). Everything here is simulated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swath.assess.area import intervals

__all__ = ["Survey", "coverage", "heavy", "surveys", "worlds"]

# Shares of truth classes within each map class, about which worlds vary; the first class is rare.
TRUTH = np.array(
    [[0.75, 0.10, 0.10, 0.05], [0.010, 0.85, 0.08, 0.06], [0.003, 0.05, 0.90, 0.047], [0.002, 0.03, 0.04, 0.928]]
)
MAPPED = np.array([0.015, 0.12, 0.265, 0.60])
REGIONS = np.array([0.35, 0.30, 0.20, 0.10, 0.05])


@dataclass(frozen=True)
class Survey:
    """A design: weight (S,), points (S,), mix (S, K) of map classes in each stratum."""

    name: str
    weight: np.ndarray
    points: np.ndarray
    mix: np.ndarray


def surveys() -> list[Survey]:
    """Designs that reference samples have: strata the map's classes or not, two points in a stratum, simple random."""
    own = np.eye(4)
    regions = np.random.default_rng(5).dirichlet([1, 2, 4, 8], 5)
    regions[:, 0] = [0.002, 0.010, 0.001, 0.040, 0.090]
    regions /= regions.sum(1, keepdims=True)
    halves = np.concatenate([own, own[3:]])
    thin = np.array([0.015, 0.12, 0.265, 0.59, 0.01])
    small = np.array([0.36, 0.31, 0.21, 0.11, 0.01])
    return [
        Survey("strata: map classes", MAPPED, np.array([60, 75, 150, 355]), own),
        Survey("map classes, 2 points in a stratum", thin, np.array([60, 75, 150, 353, 2]), halves),
        Survey("strata: regions", REGIONS, np.array([210, 180, 120, 60, 70]), regions),
        Survey("regions, 2 points in one", small, np.array([230, 200, 140, 68, 2]), regions),
        Survey("simple random", np.ones(1), np.array([640]), MAPPED[None]),
    ]


def heavy() -> list[Survey]:
    """Designs that ought not to be: two points for a stratum that carries much of the doubt."""
    regions = surveys()[3].mix
    return [
        Survey("2 points in the rare class", MAPPED, np.array([2, 75, 150, 400]), np.eye(4)),
        Survey("2 points in a class of 12 %", MAPPED, np.array([60, 2, 75, 150]), np.eye(4)),
        Survey("2 points in a region of 5 %", REGIONS, np.array([230, 200, 140, 68, 2]), regions),
        Survey("2 points in two regions", REGIONS, np.array([230, 200, 140, 2, 2]), regions),
    ]


def worlds(survey: Survey, number: int, rng: np.random.Generator) -> np.ndarray:
    """(N, S, K, K) shares by map and truth class within strata: accuracies of each world are its own."""
    k = len(TRUTH)
    off = TRUTH * (1 - np.eye(k))
    wrong = off.sum(1) * np.exp(rng.normal(0, 0.4, (number, k)))
    spread = off * np.exp(rng.normal(0, 0.4, (number, k, k)))
    spread *= (np.minimum(wrong, 0.7) / spread.sum(2))[:, :, None]
    truth = spread + np.eye(k) * (1 - spread.sum(2))[:, :, None]
    return np.asarray(np.einsum("sm,nmt->nsmt", survey.mix, truth))


def coverage(
    survey: Survey, level: float, *, number: int = 2000, seed: int = 0, fixed: bool = False
) -> dict[str, tuple[float, float]]:
    """{quantity: (share of surveys whose interval holds the truth, mean sample units behind it)}.

    One survey of each of `number` worlds; `fixed`: all surveys of one world.
    """
    rng = np.random.default_rng(seed)
    share = worlds(survey, number, rng)
    if fixed:
        share = np.broadcast_to(np.einsum("sm,mt->smt", survey.mix, TRUTH), share.shape)
    k = share.shape[-1]
    counts = rng.multinomial(survey.points, share.reshape(number, len(survey.points), k * k))
    counts = counts.reshape(share.shape)
    whole = np.einsum("s,nsmt->nmt", survey.weight, share)
    true = {"overall": np.trace(whole, axis1=1, axis2=2)}
    for i in range(k):
        true[f"area {i}"] = whole[:, :, i].sum(1)
        true[f"user's {i}"] = whole[:, i, i] / whole[:, i].sum(1)
        true[f"producer's {i}"] = whole[:, i, i] / whole[:, :, i].sum(1)
    out = {}
    for name, (value, low, high, units) in intervals(counts, survey.weight, level=level, has=survey.mix > 0).items():
        fine = np.isfinite(value)
        held = (low <= true[name] + 1e-9) & (true[name] <= high + 1e-9)
        behind = counts[:, :, :, int(name[-1])].sum((1, 2)) if name.startswith("area") else units
        out[name] = float(held[fine].mean()), float(behind.mean())
    return out


def _table(number: int = 2000) -> None:
    """Print coverage in per cent by survey, level and quantity, with the mean sample units behind it."""
    for survey in [*surveys(), *heavy()]:
        for level in (0.90, 0.95):
            found = coverage(survey, level, number=number)
            cells = "  ".join(f"{name} {100 * held:.1f} ({units:.0f})" for name, (held, units) in found.items())
            print(f"{survey.name} @ {level:.2f}: {cells}", flush=True)


if __name__ == "__main__":
    _table()
