"""Representation uncertainty (49): a small head on a frozen encoder learns to rank its own mistakes, and is asked elsewhere.

The paper trains the head on one archive and asks it, zero-shot, on others. Here a frozen encoder gives vectors; a classifier
on some classes has losses out of fold; the head learns their order; it is asked about unseen places of the same classes, about
classes that neither head nor classifier saw, about coarser pixels and about pictures made worse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from swath.assess import unsure
from swath.assess.rivals import Judge, ranking
from swath.batch import Batch
from swath.datasets import chips
from swath.estimate import Estimate, block_bootstrap, mean, proportion, undefined
from swath.metric.correctness import hellinger, shares
from swath.metric.ranking import cpa, keep_best, nearest_other, rank_correlation
from swath.models import load
from swath.report.outcome import Card, Outcome, Row
from swath.report.plots import COLOURS, Line, lines, maps
from swath.sample.loader import take
from swath.transform.corrupt import corrupt

__all__ = ["CARD", "SCALES", "Sizes", "run"]

CARD = Card(
    slug="representation-uncertainty",
    number=49,
    title="Representation uncertainty",
    source='"On the Generalization of Representation Uncertainty in Earth Observation" (2025, arXiv 2503.07082)',
    code="Orion-AI-Lab/EOUncertaintyGeneralization",
    licence="MIT",
    claims={
        "generalises": "doubt trained on Earth observation carries over to unseen domains, places and labels (abstract)",
        "ground sampling distance": "it stays sensitive to it (abstract)",
        "noise": "it reacts to real image noise, and gives maps without training (abstract)",
    },
    built=(
        "the head (depth 2, width 512), order loss and loss prediction, strict loading of published heads",
        "R-AUROC of nearest neighbours, CPA for graded correctness, all criteria for labels and masks",
        "unseen places, unseen classes, coarser pixels, noise, haze, blur; a map of tokens",
    ),
    not_built=(
        "pre-training on BigEarthNet or FLAIR and the published checkpoints: none is at hand",
        "the transformer and ensemble variants of the head",
    ),
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """encoders: by name. worlds: made places; per_class: pictures of a class and place. seeds: of hold-out and head."""

    encoders: tuple[str, ...] = ("random-convolutions", "tiny")
    worlds: int = 60
    per_class: int = 3
    seeds: int = 5
    epochs: int = 60
    width: int = 512
    draws: int = 2000


SCALES = {
    "small": Sizes(),
    "paper": Sizes(worlds=400, per_class=8, epochs=800),
    "test": Sizes(encoders=("random-convolutions",), worlds=14, per_class=2, seeds=3, epochs=8, width=32, draws=200),
}
WORSE = {"coarse 2x": ("coarse", 1), "coarse 4x": ("coarse", 2), "coarse 8x": ("coarse", 3), "noise": ("gaussian_noise", 5),
         "haze": ("haze", 3), "blur": ("gaussian_blur", 3)}  # fmt: skip
WORSE_METRIC = "share of worse copies that are more unsure"


def run(scale: str, out: Path, *, data: Path | None = None, seed: int = 0, progress: Any = None) -> Outcome:
    """Rows for every set and encoder, a curve of what is kept, and a map of doubt over a pasted picture."""
    sizes = SCALES[scale]
    sets: dict[str, tuple[Callable[[], Batch], bool]] = {
        "pictures of made worlds": (
            lambda: chips.chips(range(7000, 7000 + sizes.worlds), per_class=sizes.per_class),
            True,
        )
    }
    verdicts = []
    if data is not None and (data / "eurosat_rgb").is_dir():
        from swath.datasets import eurosat

        sets["EuroSAT, 250 colour pictures"] = (
            lambda: eurosat.load(data / "eurosat_rgb", as_reflectance=True),
            False,
        )
        verdicts.append(
            "EuroSAT's pictures were taken to be a linear stretch of reflectance (an assumption: no file tells)"
        )
    else:
        verdicts.append("EuroSAT's pictures are not at hand: only made worlds were used")
    rows: list[Row] = []
    curves, done, total = {}, 0, len(sets) * len(sizes.encoders)
    for title, (make, simulated) in sets.items():
        batch = make()
        for name in sizes.encoders:
            if progress is not None:
                progress(done, total, f"{title}, {name}")
            found = _one(batch, load(name), sizes, seed)
            rows += _rows(f"{title}, {name}", found, sizes, simulated)
            curves[f"{title}\n{name}"] = found[0].curves
            verdicts += _verdicts(f"{title}, {name}", rows)
            done += 1
    if data is not None and (data / "terramind").is_dir():
        rows += [r for name in sizes.encoders for r in _masks(data / "terramind", name, sizes, seed)]
    pasted, words = _pasted(load(sizes.encoders[0]), sizes, seed, out / "pasted.png")
    rows += pasted
    figures = {"kept.png": _kept_figure(curves, out / "kept.png"), "pasted.png": words}
    return Outcome(CARD, scale, tuple(rows), figures, tuple(verdicts), {"seeds": sizes.seeds, "worlds": sizes.worlds})


@dataclass(frozen=True, slots=True)
class Found:
    """One seed: what the bootstrap needs, counts of worse pictures that are more unsure."""

    pairs: Mapping[str, tuple[np.ndarray, Mapping[str, np.ndarray], np.ndarray]]
    worse: Mapping[str, tuple[int, int]]
    with_loss: Mapping[str, float]
    curves: Mapping[str, Any]


def _one(batch: Batch, encoder: Any, sizes: Sizes, seed: int) -> list[Found]:
    """The encoder is asked once for each picture, clean and worse; every seed works on the kept vectors."""
    clean = _vectors(encoder, batch)
    worse = {
        word: _vectors(encoder, replace(batch, pixels={k: corrupt(p, *how) for k, p in batch.pixels.items()}))
        for word, how in WORSE.items()
    }
    label, place = np.asarray(batch.target), np.unique(np.array(batch.place), return_inverse=True)[1]
    return [_seed(clean, worse, label, place, sizes, seed + s) for s in range(sizes.seeds)]


def _seed(
    clean: np.ndarray, worse: Mapping[str, np.ndarray], label: np.ndarray, place: np.ndarray, sizes: Sizes, seed: int
) -> Found:
    """Two classes are held out; of the others, half of the places teach classifier and head, the rest is asked about."""
    rng = np.random.default_rng([seed, 49])
    unseen = rng.choice(np.unique(label), 2, replace=False)
    places = rng.permutation(np.unique(place))
    taught = np.isin(place, places[: len(places) // 2])
    train = np.flatnonzero(taught & ~np.isin(label, unseen))
    asked = {
        "unseen places": np.flatnonzero(~taught & ~np.isin(label, unseen)),
        "unseen classes": np.flatnonzero(~taught & np.isin(label, unseen)),
    }
    judge = Judge.fit(clean[train], label[train], place[train], seed)
    heads = {
        f"head, {kind}": unsure.fit(
            clean[train], judge.losses, kind=kind, seed=seed, epochs=sizes.epochs, width=sizes.width
        )
        for kind in ("order", "mse")
    }
    scores: dict[str, Callable[[np.ndarray], np.ndarray]] = {**heads, **judge.scores()}
    pairs, with_loss = {}, {}
    curves: dict[str, Any] = {}
    for part, items in asked.items():
        neighbour = nearest_other(clean[items], place=place[items])
        correct = (label[items][neighbour] == label[items]).astype(float)
        said = {word: np.asarray(score(clean[items])) for word, score in scores.items()}
        pairs[part] = (correct, said, place[items])
        curves |= {
            f"{part}: {word}": keep_best(1 - correct, said[word]) for word in ("head, order", "entropy", "constant")
        }
        if part == "unseen places":
            truth = judge.loss_of(clean[items], label[items])
            with_loss = {word: rank_correlation(u, truth) for word, u in said.items()}
    both = np.concatenate(list(asked.values()))
    more = {
        word: (int((heads["head, order"](v[both]) > heads["head, order"](clean[both])).sum()), len(both))
        for word, v in worse.items()
    }
    return Found(pairs, more, with_loss, curves)


def _rows(data: str, found: Sequence[Found], sizes: Sizes, simulated: bool) -> list[Row]:
    rows = []
    said = "qualitative: carries over" if not simulated else ""
    for part in found[0].pairs:
        runs = [f.pairs[part] for f in found]
        right = _right(runs, simulated)
        rows.append(Row(data, "nearest neighbour", "reference", f"Recall@1, {part}", right))
        for word in runs[0][1]:
            value = ranking(runs, word, draws=sizes.draws // 4, simulated=simulated)
            role: Literal["ours", "baseline"] = "ours" if word.startswith("head") else "baseline"
            rows.append(Row(data, word, role, f"R-AUROC, {part}", value, said if role == "ours" else ""))
        gain = ranking(runs, "head, order", "entropy", draws=sizes.draws, simulated=simulated)
        rows.append(Row(data, "head, order - entropy", "ours", f"R-AUROC difference, {part}", gain))
    for word in found[0].with_loss:
        value = mean([f.with_loss[word] for f in found], method="Spearman with the task's loss")
        value = replace(value, simulated=simulated, low=max(-1.0, value.low), high=min(1.0, value.high))
        role = "ours" if word.startswith("head") else "baseline"
        rows.append(Row(data, word, role, "rank correlation with the task's loss, unseen places", value))
    half = Estimate(0.5, "1", 0.5, 0.5, method="a coin", simulated=simulated)
    rows.append(Row(data, "chance", "baseline", WORSE_METRIC, half))
    for word in found[0].worse:
        count, n = (sum(f.worse[word][i] for f in found) for i in (0, 1))
        share = proportion(
            count / len(found), n / len(found), method="pictures of one seed on average", simulated=simulated
        )
        claim = "qualitative: sensitive" if not simulated else ""
        rows.append(Row(data, word, "ours", WORSE_METRIC, share, claim))
    return rows


def _right(runs: Sequence[tuple[np.ndarray, Any, np.ndarray]], simulated: bool) -> Estimate:
    """Share of pictures whose neighbour has their class, all seeds together, places resampled whole."""
    places = np.unique(np.concatenate([p for _, _, p in runs]))
    parts = [[sum(c[p == k].sum() for c, _, p in runs), sum((p == k).sum() for _, _, p in runs)] for k in places]
    return block_bootstrap(parts, lambda s: s[..., 0] / s[..., 1], method=f"{len(runs)} seeds", simulated=simulated)


def _verdicts(data: str, rows: Sequence[Row]) -> list[str]:
    words = []
    for part in ("unseen places", "unseen classes"):
        gain = next(
            (r.estimate for r in rows if r.data == data and r.metric == f"R-AUROC difference, {part}"),
            undefined("1", ""),
        )
        if not gain.defined:
            words.append(f"{data}, {part}: R-AUROC undefined ({gain.reason})")
        elif gain.low > 0:
            words.append(f"{data}, {part}: the head ranks better than the classifier's entropy, by {_between(gain)}")
        else:
            how = "worse than" if gain.high < 0 else "no better than"
            words.append(  # free: the classifier is there anyway
                f"{data}, {part}: the head ranks {how} the classifier's entropy, free of cost ({_between(gain)}): not reproduced"
            )
    shares = [r for r in rows if r.data == data and r.metric == WORSE_METRIC and r.role == "ours"]
    up = [r.method for r in shares if r.estimate.low > 0.5]
    down = [r.method for r in shares if r.estimate.high < 0.5]
    words.append(
        f"{data}: of pictures made worse, more are more unsure after {', '.join(up) or 'none'}, more are less unsure after "
        f"{', '.join(down) or 'none'}; the rest is a coin"
    )
    return words


def _between(e: Estimate) -> str:
    return f"{e.value:+.3f} [{e.low:+.3f}, {e.high:+.3f}]"


def _masks(folder: Path, name: str, sizes: Sizes, seed: int) -> list[Row]:
    """Windows of three real places with land cover: how alike are the classes' shares of nearest neighbours, in a place
    that was left out of classifier and head; neighbours of one block of 4 x 4 windows do not count.
    """
    from swath.datasets import terramind

    whole, at = chips.windows(terramind.load(folder, radar=False, dem=False), 16)
    share = shares(np.asarray(whole.target), len(terramind.CLASSES))
    known = np.isfinite(share).all(1)
    v, share = _vectors(load(name), whole)[known], share[known]
    place = np.unique(np.array(whole.place), return_inverse=True)[1][known]
    block = (place * 10_000 + at[known, 0] // 4 * 100 + at[known, 1] // 4).astype(np.int64)
    found: dict[str, list[float]] = {}
    for k in np.unique(place):
        train, test = place != k, place == k
        judge = Judge.fit(v[train], share[train].argmax(1), block[train], seed)
        head = unsure.fit(v[train], judge.losses, seed=seed, epochs=sizes.epochs, width=sizes.width)
        likeness = 1 - hellinger(share[test], share[test][nearest_other(v[test], place=block[test])])
        scores: dict[str, Callable[[np.ndarray], np.ndarray]] = {"head, order": head, **judge.scores()}
        for word, score in scores.items():
            found.setdefault(word, []).append(cpa(likeness, -np.asarray(score(v[test]))))
    data, metric = f"TerraMind land cover, 3 places, {name}", "CPA with the likeness of the neighbour's land cover"
    return [
        Row(data, w, "ours" if w.startswith("head") else "baseline", metric, mean(f, method="places left out in turn"))
        for w, f in found.items()
    ]


def _vectors(encoder: Any, batch: Batch, step: int = 64) -> np.ndarray:
    """Pooled tokens of every picture, (M, D); the encoder is only asked, never changed."""
    parts = [encoder.encode(take(batch, range(i, min(i + step, len(batch)))))[0] for i in range(0, len(batch), step)]
    return np.concatenate([np.asarray(p.pooled(), np.float32) for p in parts])


def _kept_figure(curves: Mapping[str, Mapping[str, Any]], path: Path) -> str:
    panels = {
        title: {
            name: Line(c.share, c.error, style="-" if "places" in name else "--", colour=COLOURS[i % 3])
            for i, (name, c) in enumerate(found.items())
        }
        for title, found in curves.items()
    }
    lines(panels, path, x="share of pictures kept, the surest first", y="error of the nearest neighbour's class")
    return (
        "error among the pictures kept, the surest first (one seed); lower is better, flat says the score ranks nothing"
    )


def _pasted(encoder: Any, sizes: Sizes, seed: int, path: Path) -> tuple[list[Row], str]:
    """Two halves of different pictures side by side: do the tokens show each half's own level? Simulated, truth known."""
    made = chips.chips(range(7000, 7000 + sizes.worlds), per_class=sizes.per_class)
    place = np.array(made.place)
    taught, asked = np.flatnonzero(place < np.median(place)), np.flatnonzero(place >= np.median(place))
    clean = _vectors(encoder, made)
    judge = Judge.fit(clean[taught], np.asarray(made.target)[taught], place[taught], seed)
    head = unsure.fit(clean[taught], judge.losses, seed=seed, epochs=sizes.epochs, width=sizes.width)
    level = head(clean[asked])
    ranked = asked[np.argsort(level)]
    sure, not_sure = ranked[: len(ranked) // 4], ranked[::-1][: len(ranked) // 4]
    name, p = next(iter(made.pixels.items()))
    half = p.values.shape[-1] // 2
    values, valid = p.values[sure].copy(), p.valid[sure].copy()
    values[..., half:], valid[..., half:] = p.values[not_sure][..., half:], p.valid[not_sure][..., half:]
    pasted = replace(
        take(made, sure), pixels={name: replace(take(made, sure).pixels[name], values=values, valid=valid)}
    )
    found = head.of_tokens(encoder.encode(pasted)[0]).mean(1)
    middle = found.shape[-1] // 2
    right = found[..., middle:].mean((1, 2)) > found[..., :middle].mean((1, 2))
    share = proportion(int(right.sum()), len(right), method="pictures", simulated=True)
    data, metric = "pasted pictures of made worlds", "share whose tokens show the higher doubt on the right half"
    coin = Estimate(0.5, "1", 0.5, 0.5, method="a coin", simulated=True)
    rows = [Row(data, "head, order", "ours", metric, share), Row(data, "chance", "baseline", metric, coin)]
    show = range(min(5, len(found)))
    pictures = {
        "picture (red)": [values[k, 0, min(2, values.shape[2] - 1)] for k in show],
        "doubt": [found[k] for k in show],
    }
    maps(pictures, path, bar={"doubt": "no unit: it only ranks"})
    return rows, (
        "left halves of pictures whose vectors are sure, right halves of unsure ones, and the doubt of each token (simulated); "
        "the head learned from whole pictures, so a map of tokens is an extrapolation"
    )
