"""Prithvi-EO-2.0 (52): the masked autoencoder of series, told dates and place; what each choice brings, and what tokens tell.

(a) on made series: dates and place on or off, share hidden, one or three dates, over seeds; (b) hidden patches said by
interpolation; (c) a MODIS series of later years; (d) probes of frozen tokens beside spectra and random weights.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from swath import estimate
from swath.baseline.gaps import FILLERS, or_mean
from swath.batch import Batch
from swath.bench import frozen
from swath.bench.full_size import one_step
from swath.bench.gaps import Filled, compare, each_date, hidden_patches, rows_of, verdict_of
from swath.bench.probe import Scores
from swath.bench.verdict import than
from swath.datasets import carbon_flux, hls_texas, hls_toy, mato_grosso, sen1floods11, slovenia, terramind
from swath.models.prithvi import Prithvi
from swath.models.prithvi_input import measured
from swath.objective.patches import MaskedPatches
from swath.report.outcome import Card, Outcome, Row
from swath.report.plots import maps
from swath.sample.cuts import between, cuts, tiled
from swath.sample.loader import Chips, Turns, join, take
from swath.train.fit import Rules, fit

__all__ = ["CARD", "SCALES", "Sizes", "run"]

CARD = Card(
    slug="prithvi-eo-2",
    number=52,
    title="Prithvi-EO-2.0",
    source='"Prithvi-EO-2.0: A Versatile Multi-Temporal Foundation Model for EO Applications" (2024, arXiv 2412.02732)',
    code="NASA-IMPACT/Prithvi-EO-2.0, IBM/terratorch",
    licence="MIT, Apache-2.0",
    claims={
        "against 1.0": "600M-TL is 8 % better than Prithvi-EO-1.0 on the average of GEO-Bench (abstract)",
        "rank": "better than six other foundation models on GEO-Bench, 0.1 m to 15 m (abstract)",
        "data": "4.2 million series of four dates at 30 m (abstract)",
    },
    built=(
        "encoder and decoder in every published size and key layout, equal to the published code",
        "dates and places from the scene by themselves, forgotten for a tenth of the examples in training",
    ),
    not_built=(
        "GEO-Bench and pre-training on 4.2 million series: neither is at hand",
        "scores with the published weights (they load, but are not at hand); UPerNet fine-tuning (probes stand in)",
    ),
)
OURS = "masked autoencoder"
BASE = "dates and place, 75 % hidden, three dates"
VARIANTS: dict[str, dict[str, Any]] = {
    BASE: {},
    "without dates and place": {"codes": ()},
    "50 % hidden": {"ratio": 0.5},
    "90 % hidden": {"ratio": 0.9},
    "one date": {"frames": 1},
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """dim, depth: of the main network; small: of those that are varied. size, patch: pixels. worlds, tests: made places.
    examples: windows an epoch; epochs of the main network, of the varied and of the MODIS ones; seeds of the varied.
    """

    dim: int = 256
    depth: int = 4
    small: int = 64
    size: int = 32
    patch: int = 8
    worlds: int = 12
    tests: int = 10
    examples: int = 192
    epochs: int = 20
    varied: int = 6
    modis: int = 30
    gaps: int = 80
    seeds: int = 5


SCALES = {
    "small": Sizes(),
    "paper": Sizes(dim=1024, depth=24, size=224, patch=16),
    "test": Sizes(32, 1, 32, 24, 8, 2, 6, 8, 2, 1, 1, 8, 2),
}


def run(scale: str, out: Path, *, data: Path | None = None, seed: int = 0, progress: Any = None) -> Outcome:
    """Rows of the choices, of hidden patches said in several ways, and of probes; a figure of hidden patches."""
    say = progress or (lambda done, total, what: None)
    began, sizes = time.monotonic(), SCALES[scale]
    if scale == "paper":
        more, step = one_step("v2-300m-tl", {"encoder": 303_886_338, "decoder": 26_533_378})
        return Outcome(CARD, scale, tuple(more), {}, ("One step was taken at full size; nothing was learnt.",), step)
    say(0, 4, "made series, choices")
    learnt = hls_toy.series(range(100, 100 + sizes.worlds), size=2 * sizes.size)
    unseen = hls_toy.series(range(900, 900 + sizes.tests), size=2 * sizes.size, cloud=0.0)
    test = cuts(unseen, dates=3, size=sizes.size, count=sizes.gaps, seed=seed + 1, gap=(1, 3))
    rows, verdicts = _choices(learnt, test, sizes, seed)
    say(1, 4, "the main network")
    real = None if data is None else Path(data)
    model = _network(sizes.dim, sizes.depth, sizes, seed, decoder=128)
    history = _pretrain(model, _mixture(learnt, sizes, real, seed), sizes.epochs, 0.75, seed, progress)
    plain = {way: or_mean(filler) for way, filler in FILLERS.items()}
    asked = hidden_patches(test, sizes.patch, seed)
    filled = {"made series": compare({OURS: model.fill, **plain}, test, asked, peak=0.5, simulated=True)}
    _picture(test, filled["made series"], asked, out / "hidden.png")
    say(2, 4, "MODIS series")
    if real is not None and (real / "modis_mato_grosso").is_dir():
        filled["MODIS, later years"] = _modis(real, sizes, plain, seed)
    for name, one in filled.items():
        rows += rows_of(f"{name}, 75 % of patches hidden", one, OURS, bins=False)
        verdicts.append(verdict_of(f"Hidden patches, {name}", one, OURS))
    say(3, 4, "probes")
    if real is not None and (real / "eopatch").is_dir():
        twin = _network(sizes.dim, sizes.depth, sizes, seed + 1, decoder=128).eval()
        for name, found in _probes(real, model, twin, sizes).items():
            more, words = frozen.rows_of(name, found, "tokens, linear")
            rows, verdicts = rows + more, verdicts + words
        verdicts.append("Probed pictures (not labels) were in pre-training; one patch, two chips: no claim elsewhere.")
    else:
        verdicts.append("Real series and probes were left out: no data folder with eopatch.")
    facts = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "loss, first and last epoch": [round(float(history[i]["patches"]), 4) for i in (0, -1)],
        "values no way could say": {name: round(one.unsaid, 4) for name, one in filled.items()},
        "seconds": round(time.monotonic() - began, 1),
    }
    figures = {"hidden.png": "near infrared of three dates: truth, what the network saw, what it said (simulated)"}
    return Outcome(CARD, scale, tuple(rows), figures, tuple(verdicts), facts)


def _network(dim: int, depth: int, sizes: Sizes, seed: int, *, decoder: int = 64, **more: Any) -> Prithvi:
    torch.manual_seed(seed)
    base = {"image": sizes.size, "patch": sizes.patch, "codes": ("time", "place"), "decoder_dim": decoder,
            "decoder_depth": depth if decoder > 64 else 2, "decoder_heads": 4}  # fmt: skip
    return Prithvi("tiny", dim=dim, depth=depth, heads=4, **{"frames": 3, **base, **more})


def _pretrain(
    model: Prithvi, source: Any, epochs: int, ratio: float, seed: int, say: Any = None
) -> list[dict[str, Any]]:
    return fit(
        model, source, MaskedPatches(ratio), Rules(epochs, rate=0.1 / model.width, warmup=50, seed=seed), progress=say
    )


def _choices(learnt: Batch, test: Batch, sizes: Sizes, seed: int) -> tuple[list[Row], list[str]]:
    """Each variant trained alike, over seeds; all say the same hidden patches of unseen worlds."""
    scores: dict[str, list[float]] = {name: [] for name in (*VARIANTS, "linear in time")}
    for s in range(seed, seed + sizes.seeds):
        ways = {}
        for name, change in VARIANTS.items():
            change = dict(change)
            ratio, dates = change.pop("ratio", 0.75), change.get("frames", 3)
            model = _network(sizes.small, min(2, sizes.depth), sizes, s, **change)
            some = cuts(learnt, dates=dates, size=sizes.size, count=sizes.examples * 3 // dates, seed=s, gap=(1, 3))
            _pretrain(model, Chips(replace(some, target=None), batch=24 // dates, seed=s), sizes.varied, ratio, s)
            ways[name] = each_date(model.fill) if dates == 1 else model.fill
        ways["linear in time"] = or_mean(FILLERS["linear in time"])
        found = compare(ways, test, hidden_patches(test, sizes.patch, s), peak=0.5, simulated=True)
        for name in scores:
            scores[name].append(found.rmse(name).value)
    data, metric = "made series, small networks", "RMSE of hidden patches"
    rows = [
        Row(data, name, "ours" if name == BASE else "baseline", metric, estimate.mean(each, simulated=True))
        for name, each in scores.items()
    ]
    words = []
    for name in list(scores)[1:]:
        gap = estimate.paired(scores[BASE], scores[name], simulated=True)
        rows.append(Row(data, f"{BASE} - {name}", "ours", f"{metric}, difference", gap))
        words.append(
            f"Choices: {BASE} is {than(gap, lower_is_better=True)} {name} (RMSE {gap.value:+.4f}, {sizes.seeds} seeds)."
        )
    return rows, words


def _mixture(learnt: Batch, sizes: Sizes, real: Path | None, seed: int) -> Turns:
    """Triples of made series; with the data folder also real pictures: the patch of Slovenia, and single dates."""
    parts = [cuts(learnt, dates=3, size=sizes.size, count=sizes.examples, seed=seed, gap=(1, 3))]
    sets: dict[str, tuple[Any, int]] = {
        "eopatch": (lambda f: slovenia.triple(f, 100), 3),
        "hls_l30_texas": (hls_texas.load, 1),
        "sen1floods11": (lambda f: sen1floods11.load(f, radar=False), 1),
        "terramind": (lambda f: terramind.load(f, radar=False, dem=False), 1),
    }
    for name, (load, dates) in sets.items():
        if real is not None and (real / name).is_dir():
            count = max(2, sizes.examples // 8)
            parts.append(cuts(load(real / name), dates=dates, size=sizes.size, count=count, seed=seed))
    return Turns(*(Chips(replace(p, target=None), batch=8, seed=seed) for p in parts))


def _modis(real: Path, sizes: Sizes, plain: Mapping[str, Any], seed: int) -> Filled:
    """A network of its own for red, near infrared and NDVI; learnt on 2007 to 2011, asked about 2011 to 2013."""
    bands, field = ("RED", "NIR_NARROW", "NDVI"), (12, 12)
    series = mato_grosso.load(real / "modis_mato_grosso")
    before, after = (between(series, part) for part in (slice(0, 92), slice(92, None)))
    own: dict[str, Any] = {"bands": bands, "statistics": measured(before, bands), "image": field, "patch": 3}
    model = _network(sizes.small, min(2, sizes.depth), sizes, seed, **own)
    some = cuts(before, dates=3, size=field, count=max(8, sizes.examples // 2), seed=seed)
    _pretrain(model, Chips(some, batch=8, seed=seed), sizes.modis, 0.75, seed)
    test = cuts(after, dates=3, size=field, count=sizes.gaps, seed=seed + 1)
    test = replace(test, place=tuple(int(key.split("_")[2]) // 3 for key in test.key))  # stretches of three dates
    return compare({OURS: model.fill, **plain}, test, hidden_patches(test, 3, seed), peak=0.5)


def _probes(real: Path, model: Prithvi, twin: Prithvi, sizes: Sizes) -> dict[str, dict[str, Scores]]:
    """{set: {vectors and probe: scores}}: frozen tokens, the same network with random weights, spectra."""
    seeds = range(sizes.seeds)
    encoders = {"tokens": model, "tokens, random weights": twin}
    sets: dict[str, Any] = {
        "land use, Slovenian patch": ("eopatch", lambda f: frozen.patches(_windows(slovenia.triple(f), sizes, apart=True), sizes.patch)),
        "water, Sen1Floods11, one chip to the other": (
            "sen1floods11", lambda f: frozen.patches(_windows(sen1floods11.load(f, radar=False), sizes), sizes.patch)
        ),
        "carbon flux, unseen sites": ("carbon_flux", lambda f: _sites(f, sizes.patch)),
    }  # fmt: skip
    there = {name: load(real / folder) for name, (folder, load) in sets.items() if (real / folder).is_dir()}
    return {name: frozen.probed(encoders, items, seeds) for name, items in there.items()}


def _windows(batch: Batch, sizes: Sizes, *, apart: bool = False) -> Batch:
    """Windows of the size that the network knows; apart: each is a place of its own, else its example is."""
    found = join([tiled(take(batch, [i]), sizes.size) for i in range(len(batch))])
    return replace(found, place=tuple(range(len(found)))) if apart else found


def _sites(folder: Path, patch: int) -> frozen.Items:
    """Band means of each date and site, spread over one patch; the number is what grew."""
    batch = carbon_flux.load(folder, patch)
    (p,) = batch.pixels.values()
    spectra, keep = p.values[:, 0, :, 0, 0], np.ones(len(batch), bool)
    return frozen.Items(batch, keep, spectra, np.asarray(batch.target), np.asarray(batch.place), "g m-2 d-1")


def _picture(test: Batch, filled: Filled, asked: np.ndarray, path: Path) -> None:
    values, said = next(iter(test.pixels.values())).values[0, :, 3], filled.answers[OURS][0, :, 3]
    maps({"truth": list(values), "shown": list(np.where(asked[0], np.nan, values)), "said": list(said)}, path)
