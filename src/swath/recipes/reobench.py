"""REOBench (56): how much do frozen encoders lose under twelve corruptions at five strengths, and what does training on some of
them buy back under the others?

The paper trains heads on clean pictures and tests them on corrupted copies. So here: a linear head learns from clean vectors in
some places; in the others the same head answers for clean and damaged copies, and drops are paired by item. The strengths are
swath's own: the paper's repository has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swath.bench import robust
from swath.bench.damaged import Look, Task, judged, own
from swath.bench.probe import frozen
from swath.bench.robust import CLEAN, Table
from swath.estimate import Estimate
from swath.recipes.reobench_rows import VHM, figures, keep, rows_of, verdicts_of, vhm_rows
from swath.recipes.reobench_sets import change, patch, pictures, published, zones
from swath.report.outcome import Card, Outcome, Row
from swath.transform.severity import FAMILIES, GEOMETRIC, TWELVE

__all__ = ["CARD", "SCALES", "Sizes", "run"]

CARD = Card(
    slug="reobench",
    number=56,
    title="REOBench: robustness of encoders under twelve corruptions at five strengths",
    source='"REOBench: Benchmarking Robustness of Earth Observation Foundation Models" (2025, arXiv 2505.16793)',
    code="lx709/REOBench (evaluation only; the generator of the corruptions is not in it)",
    licence="none given (data CC-BY-4.0)",
    claims={
        "drop": "from under 1 % to over 20 %, by task, model, size and corruption (abstract)",
        "vision-language models": "more robust, above all in multimodal tasks (abstract)",
        "VHM, VRSBench VQA": "60.21 clean, 58.90 mean of nine corruptions (VRSBench/cal_stat.ipynb); the difference is printed as 1.38",
    },
    built=(
        "twelve corruptions in physical values for any bands, at five levels of swath's own (transform.severity)",
        "paired drops with intervals over places, retained skill, answers that change, doubt, leave-one-family-out augmentation",
        "`swath stress`: the same for one's own map and scenes",
    ),
    not_built=(
        "AID, Potsdam, DIOR and VRSBench, full UPerNet and Oriented R-CNN: not at hand, so no row of the paper is tested",
        "the paper's strengths: its repository has none",
        "captions, questions and grounding: a language model as judge is no measurement",
    ),
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """encoders: of pictures, by name. tried: pictures of a class that are made worse. seeds: of folds. worlds: of a made set."""

    encoders: tuple[str, ...] = ("statistics", "random-convolutions", "tiny", "galileo")
    tried: int = 10
    seeds: int = 3
    levels: tuple[int, ...] = (1, 2, 3, 4, 5)
    worlds: int = 20


SCALES = {
    "small": Sizes(),
    "paper": Sizes(),
    "test": Sizes(encoders=("statistics", "random-convolutions"), tried=2, seeds=1, levels=(1, 5), worlds=6),
}
ROLES = {"statistics": "baseline", "random-convolutions": "baseline"}


def run(scale: str, out: Path, *, data: Path | None = None, seed: int = 0, progress: Any = None) -> Outcome:
    """Rows for every set and encoder, heat maps of models and corruptions, curves by level, and the doubt beside."""
    sizes = SCALES[scale]
    if scale == "paper":
        own_rows, said, counted = published()
        return Outcome(CARD, scale, (*own_rows, *vhm_rows()), {}, said, counted)
    tasks, verdicts = _tasks(data, sizes, seed)
    rows: list[Row] = []
    tables: dict[str, dict[str, Table]] = {}
    total, done = sum(len(names) for _, names in tasks), 0
    for task, encoders in tasks:
        tables[task.title] = {}
        for name, encoder in encoders.items():
            if progress is not None:
                progress(done, total, f"{task.title}, {name}")
            done += 1
            looks = _looks(task, encoder, sizes)
            told: dict[str, Any] = {"seeds": sizes.seeds, "levels": sizes.levels, "seed": seed}
            plain = judged(task, looks, **told) if name != "Sen2LCZ" else own(task, looks)
            tables[task.title][name] = plain
            if "EuroSAT" in task.title or scale == "test":
                grown = judged(task, looks, **told, augmented=True)
                rows += _bought(task, name, plain, grown)
        rows += rows_of(task.title, tables[task.title], ROLES)
        verdicts += verdicts_of(task.title, tables[task.title])
    rows += [*vhm_rows(), *_invariant(seed)]
    verdicts += _back_words(rows)
    shown = figures(tables, out)
    keep(tables, out / "items.json.gz")
    facts = {
        "seeds of folds": sizes.seeds, "levels": list(sizes.levels), "corruptions": list(TWELVE),
        "families left out in turn": {k: list(v) for k, v in FAMILIES.items()}, "VHM by corruption": dict(VHM), "items": "items.json.gz",
    }  # fmt: skip
    return Outcome(CARD, scale, tuple(rows), shown, tuple(verdicts), facts)


def _tasks(data: Path | None, sizes: Sizes, seed: int) -> tuple[list[tuple[Task, dict[str, Any]]], list[str]]:
    """The sets with the encoders that are asked about each, and what had to be assumed."""
    from swath.models import load

    found: list[tuple[Task, dict[str, Any]]] = []
    words: list[str] = []
    if data is None:
        from swath.datasets import chips

        made = chips.chips(range(5600, 5600 + sizes.worlds), per_class=sizes.tried)
        names = [str(k) for k in range(int(np.asarray(made.target).max()) + 1)]
        task = pictures(
            made, names, "pictures of made worlds", tried=sizes.tried * sizes.worlds, simulated=True, seed=seed
        )
        kept = {n: load(n) for n in sizes.encoders if n != "galileo"}
        return [(task, kept)], ["no real data were given: only made worlds were used"]
    from swath.baseline.encoders import Statistics
    from swath.datasets import eurosat, levir_cd, slovenia

    weights = data / "weights" / "galileo_nano" / "encoder.pt"
    names = [n for n in sizes.encoders if n != "galileo" or weights.is_file()]
    encoders = {n: load(n, weights=weights) if n == "galileo" else load(n) for n in names}
    batch = eurosat.load(data / "eurosat_rgb", as_reflectance=True)
    title = f"EuroSAT, {len(batch)} colour pictures"
    found.append((pictures(batch, eurosat.CLASSES, title, tried=sizes.tried, simulated=False, seed=seed), encoders))
    words.append(
        f"{title}: a linear stretch of reflectance and 1 July 2018 were assumed (no file tells); {sizes.tried} pictures of each class "
        "are made worse, all teach clean, only these teach augmented heads; encoders read the middle 32 x 32 pixels"
    )
    ground = slovenia.load(data / "eopatch")
    ways: dict[str, Any] = {
        "statistics": Statistics(patch=1),
        **{n: encoders[n] for n in ("random-convolutions", "tiny") if n in encoders},
    }
    found.append((patch(ground, slovenia.CLASSES, "EOPatch in Slovenia, pixels of one patch"), ways))
    words.append(
        "EOPatch: one patch of 1 km, blocks of 16 pixels as places: nothing is claimed about elsewhere; statistics of single pixels"
    )
    pairs = levir_cd.load(data / "levir_cd", as_reflectance=True)
    both: dict[str, Any] = {n: encoders[n] for n in ("statistics", "random-convolutions") if n in encoders}
    found.append((change(pairs, "LEVIR-CD, three pairs, second date damaged"), both))
    words.append(
        "LEVIR-CD: tiny and Galileo were left out for time; geometric corruptions too: the dates would no longer lie on one another"
    )
    if (data / "weights" / "sen2lcz").is_dir():
        task, model = zones(data / "terramind", data / "weights" / "sen2lcz" / "sen2lcz_32.hdf5")
        found.append((task, {"Sen2LCZ": model}))
        words.append(
            "Sen2LCZ: no zones are mapped there, so a drop is disagreement with its own clean answer, not error"
        )
    return found, words


def _names(task: Task) -> list[str]:
    return [n for n in TWELVE if not (task.title.startswith("LEVIR") and n in GEOMETRIC)]


def _looks(task: Task, encoder: Any, sizes: Sizes) -> dict[tuple[str, int], Look]:
    """The encoder's vectors, clean and under everything; it is asked, never changed."""
    with frozen(encoder):
        found = {CLEAN: task.look(encoder, *CLEAN)}
        found |= {(n, v): task.look(encoder, n, v) for n in _names(task) for v in sizes.levels}
    return found


def _bought(task: Task, name: str, plain: Table, grown: Table) -> list[Row]:
    """What training on the other families buys back, and what it costs on clean pictures."""
    back = robust.bought_back(grown, plain, list(plain.names))
    clean = Row(task.title, f"{name}, augmented - plain", "ours", "accuracy difference, undamaged",
                robust.bought_clean(grown, plain))  # fmt: skip
    return [
        Row(task.title, f"{name}, augmented - plain", "ours", "accuracy difference, damaged, family left out", back),
        clean,
    ]


def _back_words(rows: Sequence[Row]) -> list[str]:
    found = [r for r in rows if r.metric.endswith("family left out") and r.estimate.defined]
    sure = [r.method.split(",")[0] for r in found if r.estimate.low > 0]
    return (
        [
            "training on levels 1 to 3 of the other families buys accuracy back under a family left out for "
            f"{', '.join(sure) or 'none'} of {', '.join(r.method.split(',')[0] for r in found)} (interval above 0)"
        ]
        if found
        else []
    )


def _invariant(seed: int) -> list[Row]:
    """An encoder that cannot see where things lie loses nothing when they move: quarter turns, and shifts that roll around."""
    from swath.datasets import chips

    made = chips.chips(range(5700, 5712), per_class=2)
    values = next(iter(made.pixels.values())).values.mean((1, 3, 4))
    y = np.asarray(made.target)
    place = np.unique(np.array(made.place), return_inverse=True)[1].ravel()
    raw = next(iter(made.pixels.values())).values

    def look(x: np.ndarray) -> Look:
        return Look(x.mean((1, 3, 4)), np.arange(len(y)))

    looks = {CLEAN: Look(values, np.arange(len(y))), ("rotate", 4): look(np.rot90(raw, 1, (3, 4))),
             ("rotate", 5): look(np.rot90(raw, 2, (3, 4))), ("translate", 3): look(np.roll(raw, (5, 3), (3, 4)))}  # fmt: skip
    names = tuple(str(k) for k in range(int(y.max()) + 1))
    task = Task(
        "pictures of made worlds, check",
        names,
        y,
        place,
        np.ones(len(y), bool),
        "overall",
        lambda *_: looks[CLEAN],
        True,
    )
    drop = robust.mean_drop(judged(task, looks, seeds=1, levels=(3, 4, 5), seed=seed), ["rotate", "translate"])
    zero = Estimate(0.0, "1", 0.0, 0.0, method="by construction", simulated=True)
    metric = "drop under quarter turns and rolled shifts"
    return [
        Row(task.title, "mean of each band", "ours", metric, drop),
        Row(task.title, "invariance", "reference", metric, zero),
    ]
