"""Nereus / OceanSAR-1 (30): self-distillation on an archive that the network prunes by its own clusters while it learns.

A small ResNet of the paper's kind learns by DINO. After a warm-up on everything six ways to go on are compared at equal
optimiser steps, from the same weights: everything; a random subset; pruned once, by the network's own features; pruned
anew after every epoch (the paper's); pruned once by pixel statistics; balanced by the true kinds (an oracle).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from swath.datasets.mixed import Mixed
from swath.recipes.nereus_rows import ARMS, OURS, Found, curves, differences, rho_panels, rows_of, verdicts_of
from swath.recipes.nereus_tasks import Task, choice, of_kept, published, real_task, scaled, scores, sea_task, vectors
from swath.report.outcome import Card, Outcome, Row
from swath.report.plots import Line, lines
from swath.sample.loader import Chips
from swath.study.refresh import Refresh, directions
from swath.study.select import choose, quota

__all__ = ["ARMS", "CARD", "SCALES", "Sizes", "run"]

CARD = Card(
    slug="nereus",
    number=30,
    title="Nereus / OceanSAR-1: dynamic pruning of the archive during self-supervised training",
    source='"Efficient Self-Supervised Learning for Earth Observation via Dynamic Dataset Curation" (2025, arXiv 2504.06962)',
    code="galeio-research/OceanSAR-models (no training or curation code)",
    licence="Apache-2.0 (weights and loader)",
    claims={
        "main": "dynamic pruning converges faster and transfers better than training on everything (curves not seen)",
        "TenGeoP, ResNet-50": "75.5 % linear, 73.15 % kNN (name of the authors' checkpoint)",
        "wave height, ResNet-50": "0.63 m RMSE, linear head (model card)",
        "wind speed, ResNet-50": "1.62 m/s RMSE (model card)",
    },
    built=(
        "DINO with teacher, centre and collapse watch; hierarchical k-means with resampling; balanced quota; refreshes",
        "the published ResNet-50, read strictly (23,501,760 parameters, one channel)",
        "`swath curate`: the same choice over one's own tiles",
    ),
    not_built=(
        "the 12 million wave mode vignettes and TenGeoP: not collected, so no claim of the paper's table is tested",
        "T_w, T_s, rho, eta and cluster counts of the paper: not found; those here are ours",
        "training at other rho, periods and spreads: only the choice itself is varied",
    ),
)
RHOS = (0.5, 0.35, 0.2, 0.1, 0.05)


@dataclass(frozen=True, slots=True)
class Sizes:
    """archive, copies: scenes and share of exact copies among them. side: pixels of a scene, batch, steps an epoch, warm and
    more: epochs before and after the first pruning. share: rho. spread: eta. rhos: shares at which the choice alone is looked at.
    """

    archive: int = 1600
    copies: float = 0.3
    side: int = 32
    test: int = 400
    batch: int = 32
    steps: int = 20
    warm: int = 2
    more: int = 4
    share: float = 0.2
    spread: float = 0.7
    counts: tuple[int, ...] = (64, 12)
    seeds: int = 5
    config: Mapping[str, Any] = field(
        default_factory=lambda: {"embedding": 16, "widths": (64, 128, 256), "depths": (1, 1, 1)}
    )
    prototypes: int = 128
    rhos: tuple[float, ...] = RHOS


SCALES = {
    "small": Sizes(),
    "paper": Sizes(config={}, prototypes=2048, side=256, seeds=1),
    "test": Sizes(archive=120, side=16, test=60, batch=8, steps=2, warm=1, more=2, counts=(8,), seeds=2, rhos=(0.5, 0.1),
                  config={"embedding": 4, "widths": (8, 16), "depths": (1, 1)}, prototypes=16),
}  # fmt: skip


def run(scale: str, out: Path, *, data: Path | None = None, seed: int = 0, progress: Any = None) -> Outcome:
    """Rows for the made sea and, where data is given, for real patches; a figure of probe score against steps."""
    import torch

    sizes, began, busy = SCALES[scale], time.perf_counter(), time.process_time()
    if scale == "paper":
        return Outcome(CARD, scale, *published(sizes.side, sizes.prototypes))
    tasks: list[Callable[[int], Task]] = [lambda s: sea_task(sizes.archive, sizes.copies, sizes.test, sizes.side, s)]
    verdicts = ["wave mode vignettes and TenGeoP are not at hand: none of the paper's numbers is tested here"]
    if data is not None and (found := Mixed.find(data)) is not None:
        tasks.append(lambda s: real_task(found, s))
    else:
        verdicts.append("no real data were given: only the made sea was used")
    rows: list[Row] = []
    panels: dict[str, dict[str, Line]] = {}
    apart: dict[str, dict[str, Line]] = {}
    facts: dict[str, Any] = {"seeds": sizes.seeds, "rho": sizes.share, "eta": sizes.spread, "probe": "teacher, frozen"}
    for number, make in enumerate(tasks):
        seeds: list[dict[str, Found]] = []
        for s in range(sizes.seeds):
            if progress is not None:
                progress(number * sizes.seeds + s, len(tasks) * sizes.seeds, f"set {number + 1}, seed {s + 1}")
            with torch.random.fork_rng(devices=[]), _one_thread():
                torch.manual_seed(1000 * seed + s)
                task = make(1000 * seed + s)
                seeds.append(_one_seed(task, sizes, 1000 * seed + s))
        rows += rows_of(task, seeds)
        panels[task.title], apart[task.title] = curves(seeds), differences(seeds)
        verdicts += verdicts_of(task, rows, seeds)
        facts[task.title] = {
            "archive": len(task.archive), "kept of a seed": len(seeds[0][OURS].kept), "probed": len(task.test),
            "parameters": int(seeds[0][OURS].facts["parameters"]), "refreshes of seed 0": seeds[0][OURS].facts["refreshes"],
        }  # fmt: skip
    lines(panels, out / "steps.png", x="optimiser steps", y="balanced accuracy, linear probe", share_y=False)
    lines(apart, out / "difference.png", x="optimiser steps", y="balanced accuracy minus random subset", share_y=False)
    figures = {
        "steps.png": "probe score against optimiser steps; bands: t-intervals over seeds (archives and tests differ by seed); "
        "the probe's strength is fixed here and chosen by inner folds in the table",
        "difference.png": "the same, minus the random subset, paired by seed; a band that holds 0 shows no difference",
    }
    if sizes.rhos:
        x, y = "share of the archive that is kept", "share of rare kinds among the kept"
        lines(rho_panels(rows), out / "rho.png", x=x, y=y, share_y=False)
        figures["rho.png"] = "rare kinds among the kept against rho; bands over seeds (the sea: simulated, known truth)"
    facts["seconds"] = round(time.perf_counter() - began, 1)
    facts["processor seconds"] = round(time.process_time() - busy, 1)
    return Outcome(CARD, scale, tuple(rows), figures, tuple(verdicts), facts)


@contextmanager
def _one_thread() -> Iterator[None]:
    """A network this small is quickest on one thread: on a busy machine several wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _one_seed(task: Task, sizes: Sizes, seed: int) -> dict[str, Found]:
    """Warm up on everything, then every arm from the same weights; and encoders that never learned."""
    from swath.models import build, load
    from swath.objective.crops import Crops
    from swath.objective.distil import Distil
    from swath.train.fit import Rules, fit

    model = build("nereus", seed=seed, **sizes.config, **task.network)
    untrained = copy.deepcopy(model).eval()
    total = (sizes.warm + sizes.more) * sizes.steps
    views = Crops(task.side * 3 // 4, task.side * 3 // 8, local=1, speckle=16.0)
    objective = Distil(model, model.width, sizes.prototypes, steps=total, momentum=0.98, warm=total // 3, still=sizes.steps // 2,
                       hidden=128, bottleneck=32, views=views)  # fmt: skip

    def source() -> Chips:
        return Chips(task.archive, batch=sizes.batch, seed=seed, steps=sizes.steps)

    rules = Rules(epochs=sizes.warm, rate=3e-3, clip=3.0, seed=seed)
    fit(model, source(), objective, rules)
    began = time.perf_counter()
    own = directions(vectors(objective.teacher, task.archive))
    embedding = time.perf_counter() - began
    pixel = directions(scaled(vectors(load("statistics"), task.archive)))
    first, seconds = _first(task, sizes, seed, own, pixel)
    start = (sizes.warm * sizes.steps, scores(task, objective.teacher, seed)["linear"])
    found: dict[str, Found] = {}
    for arm in ARMS:
        chips = source()
        chips.keep(first[arm])
        teaching = copy.deepcopy(objective)
        waited = seconds[arm] + (embedding if arm in (OURS, "static, own features") else 0.0)
        again = replace(rules, epochs=sizes.more, seed=seed + 1)
        found[arm] = _go_on(task, sizes, arm, copy.deepcopy(model), teaching, chips, again, start, waited)
        if arm == "everything":
            last = directions(vectors(teaching.teacher, task.archive))
    for name, encoder in (("untrained network", untrained), ("pixel statistics", load("statistics")),
                          ("random convolutions", load("random-convolutions"))):  # fmt: skip
        found[name] = Found(scores(task, encoder, seed, whole=True) | {"fixed": scores(task, encoder, seed)["linear"]})
    found["choice"] = Found(
        choice(task, last, pixel, sizes.rhos, sizes.counts, seed, lambda x, rho, eta: _kept(x, rho, sizes, seed, eta))
    )
    return found


def _go_on(
    task: Task, sizes: Sizes, arm: str, student: Any, teaching: Any, chips: Chips, rules: Any, start: tuple[int, float],
    waited: float,
) -> Found:  # fmt: skip
    """One arm from the warm-up to its end; the paper's looks at the whole archive anew after each epoch."""
    from swath.train.fit import fit

    seed, curve = chips.seed, [start]
    refresh = Refresh(lambda now: vectors(now.objective.teacher, task.archive), sizes.share, spread=sizes.spread,
                      seed=seed, counts=sizes.counts)  # fmt: skip

    def each(now: Any) -> None:
        if arm == OURS and now.number + 1 < sizes.more:
            refresh(now)
        curve.append((start[0] + now.steps, scores(task, now.objective.teacher, seed)["linear"]))

    fit(student, chips, teaching, rules, on_epoch=each)
    kept = np.asarray(chips.kept)
    waited += sum(r.clustering + r.embedding for r in refresh.done)
    judged = scores(task, teaching.teacher, seed, whole=True) | {"seconds": waited} | of_kept(task, kept)
    facts = {
        "parameters": sum(p.numel() for p in student.parameters()), "collapse": teaching.health().collapsed,
        "refreshes": [{"epoch": r.epoch, "size": list(r.size), "kept": list(r.taken)} for r in refresh.done],
    }  # fmt: skip
    return Found(judged, curve, kept, facts)


def _first(
    task: Task, sizes: Sizes, seed: int, own: np.ndarray, pixel: np.ndarray
) -> tuple[dict[str, list[int]], dict[str, float]]:
    """What each arm keeps after the warm-up, and the seconds that it took to choose."""
    n, rng = len(task.archive), np.random.default_rng([seed, 30])
    total = round(sizes.share * n)
    counts = quota(np.bincount(task.kind, minlength=len(task.names)), total, seed=seed)
    oracle = [rng.permutation(np.flatnonzero(task.kind == k))[:c] for k, c in enumerate(counts)]
    kept: dict[str, list[int]] = {
        "everything": list(range(n)),
        "random subset": rng.permutation(n)[:total].tolist(),
        "oracle, true kinds": np.concatenate(oracle).tolist(),
    }
    seconds = dict.fromkeys(ARMS, 0.0)
    for arm, some in (("static, own features", own), ("static, pixel statistics", pixel)):
        began = time.perf_counter()
        kept[arm] = _kept(some, sizes.share, sizes, seed).tolist()
        seconds[arm] = time.perf_counter() - began
    kept[OURS], seconds[OURS] = kept["static, own features"], seconds["static, own features"]
    return kept, seconds


def _kept(x: np.ndarray, share: float, sizes: Sizes, seed: int, spread: float | None = None) -> np.ndarray:
    total = max(1, round(share * len(x)))
    eta = sizes.spread if spread is None else spread
    return choose(x, total, eta, seed, counts=sizes.counts, alike=1e-4).kept
