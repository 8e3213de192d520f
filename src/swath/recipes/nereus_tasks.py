"""The two tasks of the recipe of Nereus, and how frozen features are judged on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from swath.batch import Batch
from swath.bench.probe import Scores, probe
from swath.datasets.mixed import Mixed
from swath.datasets.sea import KINDS, SENSOR, sea
from swath.estimate import Estimate
from swath.report.outcome import Row
from swath.sample.loader import take
from swath.study.select import clusters, effective

__all__ = ["Task", "choice", "of_kept", "published", "real_task", "scaled", "scores", "sea_task", "vectors"]

RARE = 0.02  # kinds with a smaller share of the archive


@dataclass(frozen=True, slots=True)
class Task:
    """An archive to learn from and a set to be probed on. kind (N,) and names: the truth of the archive, for the oracle;
    redundant (N,): -1 or the row that a row repeats. test: Batch with target; height (M,) or None; nuisance (N,) or None.
    """

    title: str
    archive: Batch
    kind: np.ndarray
    redundant: np.ndarray
    test: Batch
    names: tuple[str, ...]
    rare: tuple[int, ...]
    simulated: bool
    network: Mapping[str, Any]
    side: int
    height: np.ndarray | None = None
    nuisance: np.ndarray | None = None


def sea_task(archive: int, copies: float, test_size: int, side: int, seed: int) -> Task:
    """The made sea: a Zipf law over ten kinds in the archive, equal shares and other passes in the test."""
    made = sea(archive, seed=seed, size=side, duplicates=copies)
    test = sea(test_size, seed=seed + 500_000, size=side, shares=np.ones(len(KINDS)))
    share = np.bincount(made.kind, minlength=len(KINDS)) / len(made)
    rare = tuple(int(k) for k in np.flatnonzero(share < RARE))
    return Task("the made sea", made.batch, made.kind, made.copy_of, test.batch, KINDS, rare, True,
                {"bands": ("VV",)}, side, test.height, made.mode)  # fmt: skip


def real_task(found: Mixed, seed: int) -> Task:
    """Real patches in red, green and blue; half of the EuroSAT pictures are kept for the probe."""
    archive, kind, names, redundant, test = found.draw(seed)
    share = np.bincount(kind, minlength=len(names)) / len(kind)
    network = {"bands": found.bands, "mean": found.mean, "deviation": found.deviation, "quantity": ("toa_reflectance",)}
    rare = tuple(int(k) for k in np.flatnonzero(share < RARE))
    return Task("real patches", archive, kind, redundant, test, names, rare,
                False, network, found.side)  # fmt: skip


def vectors(encoder: Any, batch: Batch, step: int = 256) -> np.ndarray:
    """Pooled tokens (M, D) of the frozen encoder; a network is put back into the mode that it was in."""
    mode = getattr(encoder, "training", None)
    if mode is not None:
        encoder.eval()
    parts = [encoder.encode(take(batch, range(i, min(i + step, len(batch)))))[0] for i in range(0, len(batch), step)]
    if mode:
        encoder.train()
    return np.concatenate([np.asarray(p.pooled(), np.float32) for p in parts])


def scaled(x: np.ndarray) -> np.ndarray:
    """In deviations."""
    return np.asarray((x - x.mean(0)) / np.maximum(x.std(0), 1e-9))


def scores(task: Task, encoder: Any, seed: int, *, whole: bool = False) -> dict[str, float]:
    """Probes of the frozen encoder on places (passes, pictures) that they did not learn from."""
    x, place = vectors(encoder, task.test), np.asarray(task.test.place)
    names, strength = np.asarray(task.names)[np.asarray(task.test.target)], None if whole else 0.1
    linear = probe(x, names, place, kind="linear", strength=strength, seeds=(seed,), folds=3)
    found = {"linear": float(linear.per_seed()[0])}
    if whole:
        found["knn"] = float(probe(x, names, place, kind="knn", k=10, seeds=(seed,), folds=3).per_seed()[0])
        found["rare"] = _recall(linear, [task.names[k] for k in task.rare])
        if task.height is not None:
            height = probe(x, task.height, place, kind="linear", seeds=(seed,), folds=3, unit="m")
            found["height"] = float(height.per_seed("RMSE")[0])
    return found


def _recall(scores: Scores, names: Sequence[str]) -> float:
    matrix = scores.parts.sum(0)[0]  # rows = answer, columns = truth
    at = [scores.names.index(n) for n in names if n in scores.names]
    return float(np.mean([matrix[k, k] / matrix[:, k].sum() for k in at if matrix[:, k].sum()])) if at else float("nan")


def of_kept(task: Task, kept: np.ndarray) -> dict[str, float]:
    """Balance of the kept, and how many of them repeat another one."""
    counts = np.bincount(task.kind[kept], minlength=len(task.names))
    root = np.where(task.redundant >= 0, task.redundant, np.arange(len(task.redundant)))
    copies = int((task.redundant >= 0).sum())
    left = (len(kept) - len(np.unique(root[kept]))) / copies if copies else float("nan")
    return {"kinds": effective(counts), "copies": left}


def choice(
    task: Task,
    own: np.ndarray,
    pixel: np.ndarray,
    rhos: Sequence[float],
    counts: Sequence[int],
    seed: int,
    keep: Callable[[np.ndarray, float, float | None], np.ndarray],
) -> dict[str, float]:
    """The choice alone, without more training: rare kinds against rho; copies left; clusters against kind and nuisance."""
    from sklearn.metrics import normalized_mutual_info_score

    rare = np.isin(task.kind, task.rare)
    found: dict[str, float] = {"rare|archive": float(rare.mean())}
    copies = float((task.redundant >= 0).mean())
    for name, some in (("own features", own), ("pixel statistics", pixel)):
        label = clusters(some, counts, seed=seed).label[:, 0]
        found[f"kind|{name}"] = float(normalized_mutual_info_score(task.kind, label))
        if task.nuisance is not None:
            found[f"nuisance|{name}"] = float(normalized_mutual_info_score(task.nuisance, label))
        for rho in rhos:
            found[f"rare {rho:g}|{name}"] = float(rare[keep(some, rho, None)].mean())
        for eta in (0.0, 1.0):
            kept = keep(some, 1 - copies, eta)
            found[f"copies {eta:g}|{name}"] = of_kept(task, kept)["copies"]
    return found


def published(side: int, prototypes: int) -> tuple[tuple[Row, ...], dict[str, str], tuple[str, ...], dict[str, Any]]:
    """The published network: parameters, output, one step of distillation with plain SGD on one vignette."""
    import torch

    from swath.models import build
    from swath.objective.crops import Crops
    from swath.objective.distil import Distil

    torch.manual_seed(0)
    model = build("nereus", seed=0).train()
    batch = sea(1, seed=0, size=side).batch
    objective = Distil(model, model.width, prototypes, hidden=512, bottleneck=64, views=Crops(224, 96, local=2))
    optimiser = torch.optim.SGD([*model.parameters(), *objective.head.parameters()], 1e-3)
    before = model.embedder.embedder.convolution.weight.detach().clone()
    loss = objective(model, batch).value
    loss.backward()
    optimiser.step()
    moved = float((model.embedder.embedder.convolution.weight.detach() - before).abs().max())
    count = sum(p.numel() for p in model.parameters())
    shape = model.eval().encode(batch)[0].grid().shape
    exact = Estimate(float(count), "1", n=1, method="counted", simulated=True, reason="an exact count has no interval")
    rows = (
        Row("the published network", "ours", "ours", "parameters", exact, "23,501,760"),
        Row("the published network", "the model file", "reference", "parameters", replace(exact, value=23_501_760.0)),
    )
    said = (
        f"one step of SGD: loss {float(loss.detach()):.3f}, largest change of a stem weight {moved:.2g}; output {shape}"
    )
    return rows, {}, (said,), {"sensor": SENSOR, "output": list(shape), "loss": float(loss.detach())}
