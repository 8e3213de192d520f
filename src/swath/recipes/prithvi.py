"""Prithvi-EO-1.0 (28): a masked autoencoder of three-date series fills cloud gaps and learns land use from few labels.

A small network of the same design learns on the spot: (a) gaps in made six-band series of unseen worlds, (b) gaps in a real
MODIS series of later years under real cloud shapes, (c) land use on one real Sentinel-2 patch from a few labelled blocks,
(d) a large scene filled window by window. Everything stands beside interpolation, and a forest on the pixels.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from swath.baseline.gaps import FILLERS
from swath.batch import Batch
from swath.bench import few, windows
from swath.bench.full_size import one_step
from swath.bench.gaps import Filled, compare, crop_shapes, gap_figure, rows_of, verdict_of
from swath.datasets import hls_texas, hls_toy, mato_grosso, slovenia
from swath.models.prithvi import Prithvi
from swath.models.prithvi_input import measured
from swath.objective.patches import MaskedPatches
from swath.objective.supervise import supervise
from swath.report.outcome import Card, Outcome, Row
from swath.report.plots import maps
from swath.sample.cuts import between, cuts, joined, tiled
from swath.sample.loader import Chips, Turns
from swath.task import Segment, Solver
from swath.train.fit import Rules, fit

__all__ = ["CARD", "SCALES", "Sizes", "run"]

CARD = Card(
    slug="prithvi",
    number=28,
    title="Prithvi-EO-1.0",
    source='"Foundation Models for Generalist Geospatial Artificial Intelligence" (2023, arXiv 2310.18660)',
    code="NASA-IMPACT/hls-foundation-os, IBM/terratorch",
    licence="Apache-2.0",
    claims={
        "gaps": "cloud gaps filled up to 5 points of SSIM (5.7 %) better than by a conditional GAN (abstract)",
        "few labels": "pre-trained beats a random start, the gap grows as labels shrink (abstract, figures only)",
        "floods": "80.46 % IoU of water on Sen1Floods11 (model card)",
        "crops": "42.69 % mIoU over 13 classes (model card; on the folder that also chose the checkpoint)",
    },
    built=(
        "encoder and decoder in every published size and key layout, equal to the published code",
        "the masked objective, gap filling, fine-tuning for maps, blended windows over large scenes",
    ),
    not_built=(
        "the conditional GAN that the paper compares with: interpolation in time stands in its place",
        "pre-training on HLS of the United States, and scores with the published weights: neither is at hand",
        "the fine-tuning heads of mmsegmentation (transposed convolutions); a linear head is used",
    ),
)
OURS = "masked autoencoder"
SHARES = (0.01, 0.03, 0.10, 0.30)
PEAK = 0.5  # of SSIM: about the largest reflectance that occurs; NDVI of the MODIS series reaches 1


@dataclass(frozen=True, slots=True)
class Sizes:
    """size, patch: pixels of windows and patches. worlds: made places to learn on, tests: held out. examples: windows of
    an epoch. tuned: steps on labels. seeds: of the labelled blocks. scene: rows and columns of the large one.
    """

    dim: int = 96
    depth: int = 3
    size: int = 32
    patch: int = 8
    worlds: int = 12
    tests: int = 10
    examples: int = 192
    epochs: int = 90
    gaps: int = 100
    modis_epochs: int = 70
    tuned: int = 30
    seeds: int = 5
    scene: tuple[int, int] = (700, 1000)


SCALES = {
    "small": Sizes(),
    "paper": Sizes(dim=768, depth=12, size=224, patch=16),
    "test": Sizes(32, 1, 24, 8, 2, 6, 8, 2, 12, 2, 2, 2, (60, 50)),
}


def run(scale: str, out: Path, *, data: Path | None = None, seed: int = 0, progress: Any = None) -> Outcome:
    """Rows of every way to fill gaps and to map land use; figures of gaps, fills and label shares."""
    say = progress or (lambda done, total, what: None)
    began, sizes = time.monotonic(), SCALES[scale]
    if scale == "paper":
        more, step = one_step("v1-100m", {"encoder": 86_237_184, "decoder": 26_402_304})
        return Outcome(CARD, scale, tuple(more), {}, ("One step was taken at full size; nothing was learnt.",), step)
    torch.manual_seed(seed)
    say(0, 5, "made series")
    real = Path(data) if data is not None and (Path(data) / "eopatch").is_dir() else None
    model = _network(sizes, 3, sizes.size, sizes.patch)
    learnt = hls_toy.series(range(100, 100 + sizes.worlds), size=2 * sizes.size)
    history = _pretrain(model, _mixture(learnt, sizes, real, seed), sizes.epochs, seed, progress)
    say(1, 5, "gaps in made series")
    filled: dict[str, Filled] = {"made series": _made_gaps(model, sizes, seed)}
    verdicts: list[str] = []
    facts: dict[str, Any] = {"parameters": sum(p.numel() for p in model.parameters()), "peak of SSIM": PEAK}
    facts["loss, first and last epoch"] = [round(float(history[i]["patches"]), 4) for i in (0, -1)]
    rows: list[Row] = []
    figures: dict[str, str] = {}
    if real is not None and (real / "modis_mato_grosso").is_dir():
        say(2, 5, "gaps in MODIS series")
        filled |= _modis_gaps(real, sizes, seed)
    else:
        verdicts.append("Real gaps and real land use were left out: no data folder with eopatch and modis_mato_grosso.")
    for name, one in filled.items():
        rows += rows_of(name, one, OURS, claim="up to +5 points against a GAN")
        verdicts.append(verdict_of(f"Gaps, {name}", one, OURS))
    gap_figure(filled, out / "gaps.png")
    figures |= {
        "gaps.png": "RMSE by gap size; bands are 95 % intervals over places",
        **_pictures(filled["made series"], out),
    }
    if real is not None:
        say(3, 5, "land use from few labels")
        curve = _land_use(model, real, sizes, seed)
        others = {"random start": "gain grows as labels shrink", "random forest on pixels": ""}
        more, words = few.rows_of("Slovenian patch, land use", curve, "pre-trained", others)
        few.label_figure("Slovenian patch", curve, out / "labels.png")
        figures["labels.png"] = "balanced accuracy by share of labelled blocks; bands are 95 % intervals over draws"
        rows, verdicts = rows + more, verdicts + words
        verdicts.append(
            "Land use is one patch of 1 km, whose pixels (not labels) were in pre-training: no claim elsewhere."
        )
    say(4, 5, "a large scene")
    found = windows.fill_scene(model.fill, sizes.scene, sizes.size, out / "scene", seed)
    more, said, scene = windows.rows_of("made scene of {} x {} pixels".format(*sizes.scene), found)
    rows, verdicts, facts = rows + more, [*verdicts, said], facts | scene
    facts["seconds"] = round(time.monotonic() - began, 1)
    verdicts.append(
        "The paper's GAN and its HLS archive are not at hand, so its figures are neither confirmed nor denied."
    )
    return Outcome(CARD, scale, tuple(rows), figures, tuple(verdicts), facts)


def _network(sizes: Sizes, frames: int, image: int | tuple[int, int], patch: int, **more: Any) -> Prithvi:
    return Prithvi(
        "tiny", dim=sizes.dim, depth=sizes.depth, heads=4, patch=patch, frames=frames, image=image, decoder_dim=64,
        decoder_depth=2, decoder_heads=4, **more,
    )  # fmt: skip


def _pretrain(model: Prithvi, source: Any, epochs: int, seed: int, say: Any = None) -> list[dict[str, Any]]:
    rules = Rules(epochs, rate=1e-3, warmup=100, seed=seed)
    return fit(model, source, MaskedPatches(0.75, forget=0.0), rules, progress=say)


def _mixture(learnt: Batch, sizes: Sizes, real: Path | None, seed: int) -> Turns:
    """Triples of made series; with the data folder also of the Slovenian patch, and windows of the HLS chip (one date)."""
    parts = [cuts(learnt, dates=3, size=sizes.size, count=sizes.examples, seed=seed, gap=(1, 3))]
    if real is not None:
        few = max(2, sizes.examples // 6)
        parts.append(cuts(slovenia.triple(real / "eopatch", 100), dates=3, size=sizes.size, count=few, seed=seed))
        if (real / "hls_l30_texas").is_dir():
            parts.append(cuts(hls_texas.load(real / "hls_l30_texas"), dates=1, size=sizes.size, count=few, seed=seed))
    return Turns(*(Chips(replace(p, target=None), batch=8, seed=seed) for p in parts))


def _made_gaps(model: Prithvi, sizes: Sizes, seed: int) -> Filled:
    """Unseen worlds: one of three dates hidden under cloud-like shapes; the truth is the world without clouds."""
    unseen = hls_toy.series(range(900, 900 + sizes.tests), size=2 * sizes.size, cloud=0.0)
    some = cuts(unseen, dates=3, size=sizes.size, count=sizes.gaps, seed=seed + 1, gap=(1, 3))
    asked = np.zeros((sizes.gaps, 3, sizes.size, sizes.size), bool)
    date = np.random.default_rng(seed).integers(0, 3, sizes.gaps)
    asked[np.arange(sizes.gaps), date] = hls_toy.cloud_shapes(sizes.gaps, sizes.size, seed=seed)
    return compare({OURS: model.fill, **FILLERS}, some, asked, peak=PEAK, simulated=True)


def _modis_gaps(real: Path, sizes: Sizes, seed: int) -> dict[str, Filled]:
    """A network of its own for red, near infrared and NDVI learns on 2007 to 2011 and fills gaps of 2011 to 2013."""
    bands, field, frames = ("RED", "NIR_NARROW", "NDVI"), (12, 12), 5
    series = mato_grosso.load(real / "modis_mato_grosso")
    before, after = (between(series, part) for part in (slice(0, 92), slice(92, None)))
    torch.manual_seed(seed)
    model = _network(sizes, frames, field, 3, bands=bands, statistics=measured(before, bands))
    some = cuts(before, dates=frames, size=field, count=max(8, sizes.examples // 2), seed=seed)
    _pretrain(model, Chips(some, batch=8, seed=seed), sizes.modis_epochs, seed)
    test = cuts(after, dates=frames, size=field, count=sizes.gaps, seed=seed + 1)
    start = [int(key.split("_")[2]) // 5 for key in test.key]  # places are stretches of five dates
    test = replace(test, place=tuple(start))
    shapes = crop_shapes(slovenia.clouds(real / "eopatch"), field, sizes.gaps, seed=seed)
    out = {}
    for name, hide in (("MODIS, one date", slice(2, 3)), ("MODIS, three dates running", slice(1, 4))):
        asked = np.zeros((sizes.gaps, frames, *field), bool)
        asked[:, hide] = shapes[:, None]
        out[name] = compare({OURS: model.fill, **FILLERS}, test, asked, peak=PEAK)
    return out


def _land_use(model: Prithvi, real: Path, sizes: Sizes, seed: int) -> few.Curve:
    """The Slovenian patch: blocks of half of its squares are labelled, the other squares are the test."""
    batch = slovenia.triple(real / "eopatch")
    truth = np.asarray(batch.target)[0]
    features = next(iter(batch.pixels.values())).values[0].reshape(-1, truth.size).T
    squares, blocks = (slovenia.blocks(truth.shape, n) for n in (24, 8))
    ways = {
        "pre-trained": lambda label, s: _tuned(copy.deepcopy(model), sizes, batch, label, s),
        "random start": lambda label, s: _tuned(None, sizes, batch, label, s),
        "random forest on pixels": lambda label, s: _forest(features, label, s),
    }
    seeds = range(seed, seed + sizes.seeds)
    return few.few_labels(ways, truth, squares=squares, blocks=blocks, shares=SHARES, seeds=seeds)


def _forest(features: np.ndarray, label: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.ensemble import RandomForestClassifier

    known = label.ravel() >= 0
    forest = RandomForestClassifier(100, random_state=seed, n_jobs=1).fit(features[known], label.ravel()[known])
    return np.asarray(forest.predict(features)).reshape(label.shape)


def _tuned(start: Prithvi | None, sizes: Sizes, batch: Batch, label: np.ndarray, seed: int) -> np.ndarray:
    """The whole network trained on the labelled blocks, and its class for every pixel."""
    torch.manual_seed(seed)
    encoder = _network(sizes, 3, sizes.size, sizes.patch) if start is None else start
    solver = Solver(encoder, Segment(slovenia.CLASSES), sizes.dim)
    windows = tiled(replace(batch, target=label[None]), sizes.size)
    source = Chips(windows, batch=len(windows))
    fit(solver, source, supervise(solver.task), Rules(sizes.tuned, rate=1e-3, warmup=5, seed=seed))
    return joined(solver.answer(windows)["probability"].argmax(1).numpy(), label.shape)


def _pictures(one: Filled, out: Path) -> dict[str, str]:
    """Near infrared of the hidden date: gaps of rising size, in every way."""
    picks = [int(np.argmin(np.abs(one.gap - share))) for share in (0.05, 0.15, 0.3, 0.5)]
    shown = {way: [_hidden_date(one, way, i) for i in picks] for way in (OURS, "linear in time", "previous date")}
    maps(shown, out / "filled.png")
    return {"filled.png": "near infrared of the hidden date filled in three ways, gaps of 5 to 50 % from left to right"}


def _hidden_date(one: Filled, way: str, i: int) -> np.ndarray:
    others = np.stack([a[i] for w, a in one.answers.items()])
    date = int(np.nanargmax(others.std(0).sum((1, 2, 3))))  # the ways differ only where values were hidden
    return np.asarray(one.answers[way][i, date, 3])
