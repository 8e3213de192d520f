"""SChanger (32): a small network of two dates that begins from a segmenter of single dates.

A network learns roofs on single dates, gets 40 new tensors that fuse two dates, and learns what came and went from a few labelled
blocks. Beside it: the same network from nothing, a U-Net of both dates and FC-Siam-diff of equal size at equal steps, change
vectors cut by Otsu, logistic regression on stacked spectra, and |p1 - p2| of the very segmenter it began from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from swath.models.plain_pairs import KINDS, PlainPair, widths_for
from swath.models.schanger import SChanger, begin, hold_prior
from swath.models.schanger_input import Scaling
from swath.predict.pairs import Pairs
from swath.recipes import schanger_tasks as sets
from swath.recipes.schanger_rows import SCN, SCRATCH, Counts, curves, published, rows_of, verdicts_of
from swath.recipes.schanger_tasks import CITIES, Scene, Task
from swath.report.outcome import Card, Outcome
from swath.report.plots import few_colours, lines, maps
from swath.train.course import Course, learn

__all__ = ["CARD", "SCALES", "Sizes", "run"]

CARD = Card(
    slug="schanger",
    number=32,
    title="SChanger: a small two-date change network whose single-date training carries over",
    source='"SChanger: Change Detection from a Semantic Change and Spatial Consistency Perspective" (JSTARS 18, 2025, arXiv '
    "2503.20734)",
    code="zhouziyu-cn/SChanger",
    licence="Apache-2.0 (README; no licence file)",
    claims={
        "LEVIR-CD": "F1 92.45 small, 92.87 base (paper; an early README says 92.90)",
        "LEVIR-CD+": "F1 86.20 small, 86.43 base",
        "S2Looking": "F1 68.20 small, 68.95 base",
        "CDD": "F1 95.75 small, 97.62 base",
        "SYSU-CD": "F1 84.58 small, 84.17 base",
        "WHU-CD": "F1 93.15 small (93.51 in the authors' later measurement), 93.20 base",
        "parameters": "607,305 small, 2,369,995 base",
    },
    built=(
        "both sizes and their single-date form, equal to the reference within 1e-5, for sides of any length and any bands",
        "SCN: the 40 tensors of fusion begin as a difference or at random; BCE and Dice of six maps; weights averaged",
        "fixed windows on two lattices over whole scenes, their spread as a doubt layer; `swath change --model FILE`",
    ),
    not_built=(
        "LEVIR-CD, S2Looking, CDD, SYSU-CD, WHU-CD whole: three pairs of LEVIR-CD are at hand, so no claim of the table is tested",
        "published weights are read strictly but are not at hand; a published step count (660,000 on LEVIR-CD) is out of reach",
        "rotation by odd angles, hue, gamma, emboss and motion blur among the augmentations",
    ),
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """network: of `WIDTHS`; side: pixels of crops and windows. singles, teach, test: made cities. blocks, real: how many blocks
    are labelled in them and in LEVIR-CD. first, steps: of the segmenter and of each network of pairs. rates: of SChanger and of the
    plain networks, chosen on other made cities. shifts: pixels by which the second picture is moved.
    """

    network: str = "nano"
    side: int = 48
    size: int = 128
    singles: int = 40
    teach: int = 16
    test: int = 12
    blocks: tuple[int, ...] = (1, 4, 16)
    real: tuple[int, ...] = (2, 8)
    first: int = 160
    steps: int = 64
    batch: int = 4
    rates: tuple[float, float] = (3e-2, 3e-3)
    shifts: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0)
    seeds: int = 3


SCALES = {
    "small": Sizes(),
    "paper": Sizes("base", 256, 256, seeds=1),
    "test": Sizes("pico", 32, 64, 3, 3, 3, (2,), (2,), 4, 2, 2, shifts=(3.0,), seeds=2),
}


def run(scale: str, out: Path, *, data: Path | None = None, seed: int = 0, progress: Any = None) -> Outcome:
    """Rows for made cities and, where data is given, for blocks of LEVIR-CD; figures of F1 against labelled blocks."""
    sizes = SCALES[scale]
    if scale == "paper":
        return Outcome(CARD, scale, *published())
    found: list[Counts] = []
    figures = {"examples.png": "a made city (simulated) by the networks of the most labelled blocks, seed 0"}
    facts: dict[str, Any] = {
        "seeds": sizes.seeds,
        "network": sizes.network,
        "steps": sizes.steps,
        "rates": list(sizes.rates),
    }
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            for s in range(sizes.seeds):
                if progress is not None:
                    progress(s, sizes.seeds, f"seed {s + 1}")
                found += _one_seed(sizes, 100 * seed + s, data, out if s == 0 else None, facts)
            figures |= {} if data is None else _waters(sizes, Path(data), seed, out)
    finally:
        torch.set_num_threads(threads)
    rows = rows_of(found)
    lines(curves(rows), out / "blocks.png", x="labelled blocks of 64 px", y="F1 of change", log=True, share_y=False)
    figures["blocks.png"] = (
        "F1 against labelled blocks; bands: intervals over cities (simulated), over draws of blocks (LEVIR-CD)"
    )
    lines(curves(rows, shifts=True), out / "shifts.png", x="shift of the second picture, pixels", y="F1 of change")
    figures["shifts.png"] = "the same networks where the second picture lies beside the first (simulated)"
    verdicts = verdicts_of(rows, facts) + ([] if data else ["no real data were given: only made cities were used"])
    return Outcome(CARD, scale, tuple(rows), figures, tuple(verdicts), facts)


def _one_seed(sizes: Sizes, seed: int, data: Path | None, out: Path | None, facts: dict[str, Any]) -> list[Counts]:
    """The segmenter, then every method on every task."""
    singles = sets.roofs(sizes.singles, 30_000 + seed, sizes.size)
    segmenter = _segmenter(sizes, singles, seed)
    tasks = [sets.city_task(sizes.teach, sizes.test, sizes.size, sizes.side, seed)]
    real = None if data is None else sets.levir_task(Path(data), max(sizes.real), seed)
    found: list[Counts] = []
    for task in [*tasks, *([real] if real else [])]:
        numbers = sizes.blocks if task.simulated else sizes.real
        segmenter.scaling = Scaling.from_json(task.scaling)  # each set by its own table, as published
        free = {
            "change vectors + Otsu": sets.cut_by_otsu(task.test),
            "|p1 - p2| of the segmenter": _maps(segmenter, task.test, sizes.side),
        }
        for k in numbers:
            models = {name: _pairs(name, sizes, task, segmenter, k, seed, facts) for name in (SCN, SCRATCH, *KINDS)}
            said = free | {"logistic regression, stacked": sets.line(task.pool[:k], task.test)}
            said |= {name: _maps(model, task.test, sizes.side) for name, model in models.items()}
            found += [
                Counts(task.title, task.simulated, n, k, seed, sets.counts(m, task.test)) for n, m in said.items()
            ]
        if task.simulated:
            found += _looks(sizes, task, segmenter, models, seed, facts)
            if out is not None:
                _picture(task.test, said, out / "examples.png")
    return found


def _waters(sizes: Sizes, data: Path, seed: int, out: Path) -> dict[str, str]:
    """Two real pairs of four bands: maps alone, since nobody mapped the change."""
    channels = {"channels": 4, "classes": ("water",)}
    found = sets.waters(data, lambda pieces: _segmenter(sizes, pieces, seed, **channels))
    if not found:
        return {}
    few_colours(maps(found, out / "water.png", heads=("before", "after", "index differs", "|p1 - p2|")))
    return {"water.png": "real pairs without a change mask: pseudo-labels by a water index of both dates, no score"}


def _segmenter(sizes: Sizes, pieces: Sequence[Any], seed: int, **config: Any) -> SChanger:
    """The single-date form, taught roofs."""
    torch.manual_seed(seed)
    config = {"classes": ("roof",), "statistics": sets.scaling_of(pieces), **config}
    model = SChanger(sizes.network, dates=1, window=sizes.side, dropout=0.0, **config)
    hold_prior(model, float(np.mean([p.target.mean() for p in pieces])))
    learn(model, pieces, Course(sizes.first, sizes.batch, sizes.rates[0]), side=sizes.side, seed=seed)
    return model


def _pairs(
    name: str, sizes: Sizes, task: Task, segmenter: SChanger, k: int, seed: int, facts: dict[str, Any], **change: Any
) -> Any:
    """A network taught by the first k blocks: every one by as many steps of as many crops."""
    torch.manual_seed(1000 + seed)
    pool = task.pool[:k]
    prior = float(np.clip(np.mean([p.target.mean() for p in pool]), 1e-3, 0.5))
    rate = sizes.rates[0]
    if name in KINDS:
        rate, size = sizes.rates[1], sum(p.numel() for p in begin(segmenter)[0].parameters())
        model: Any = PlainPair(name, 3, widths_for(name, 3, size), task.scaling)
    elif name == SCRATCH:
        model = SChanger(**{**segmenter.config, "dates": 2, "classes": ["changed"], **change}, statistics=task.scaling)
        hold_prior(model, prior)
    else:
        start = change.get("start", "difference")
        model, _ = begin(segmenter, start=start, prior=prior if start == "difference" else None, seed=seed)
        model.scaling = Scaling.from_json(task.scaling)
    learn(model, pool, Course(sizes.steps, sizes.batch, rate), side=sizes.side, seed=seed)
    facts.setdefault("parameters", {})[name] = sum(p.numel() for p in model.parameters())
    facts.setdefault("multiplications a pixel", {})[name] = _work(model, sizes.side)
    return model


def _work(model: Any, side: int) -> int:
    """Multiplications of a pass over one pixel of a pair; seconds would differ from run to run."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*torch.zeros(2, 1, 3, side, side))
    return int(counter.get_total_flops()) // (2 * side * side)


def _maps(model: Any, scenes: Sequence[Scene], side: int) -> list[np.ndarray]:
    return [sets.touching(model, s, side) > 0.5 for s in scenes]


def _looks(
    sizes: Sizes, task: Task, segmenter: SChanger, models: Mapping[str, Any], seed: int, facts: dict[str, Any]
) -> list[Counts]:
    """What choices bring at the most blocks, what shifts do, and how far two lattices of windows lie apart."""
    k, found = max(sizes.blocks), []
    varied = {
        f"{SCN}, fusion begun at random": _pairs(SCN, sizes, task, segmenter, k, seed, {}, start="random"),
        f"{SCRATCH}, attention map 1": _pairs(SCRATCH, sizes, task, segmenter, k, seed, {}, weigh=False),
    }
    for name, model in varied.items():
        told = _maps(model, task.test, sizes.side)
        found.append(Counts(CITIES, True, name, k, seed, sets.counts(told, task.test)))
    for by in sizes.shifts:
        scenes = sets.moved(sizes.test, 2 * sizes.side, seed, (by, by))
        said = {n: _maps(m, scenes, sizes.side) for n, m in {**models, "|p1 - p2| of the segmenter": segmenter}.items()}
        said["change vectors + Otsu"] = sets.cut_by_otsu(scenes)
        found += [Counts(CITIES, True, n, k, seed, sets.counts(m, scenes), shift=by) for n, m in said.items()]
    apart = [2 * float(np.nanmean(Pairs(models[SCN])(sets.batch_of(s))["spread"])) for s in task.test[:3]]
    facts.setdefault("mean difference of two lattices", []).append(round(float(np.mean(apart)), 4))
    return found


def _picture(scenes: Sequence[Scene], said: Mapping[str, Sequence[np.ndarray]], path: Path) -> None:
    """Two cities by every method."""
    chosen = sorted(range(len(scenes)), key=lambda i: -scenes[i].truth.sum())[:2]
    rows: dict[str, list[np.ndarray]] = {}
    for n, i in enumerate(chosen):
        scene = scenes[i]
        seen = [v.transpose(1, 2, 0) / 255 for v in (scene.before, scene.after)]
        told = [said[m][i] for m in (SCN, SCRATCH, KINDS[1], "|p1 - p2| of the segmenter")]
        rows[f"city {n + 1}"] = [*seen, *(np.asarray(p, float) for p in (scene.truth, *told))]
    heads = ("before", "after", "truth", "SCN", "scratch", "FC-Siam-diff", "|p1 - p2|")
    few_colours(maps(rows, path, heads=heads))
