"""SITS-DECO (04): one small causal decoder over pixel series; the prompt says which task it does.

(a) Do self-supervised prompts help with few labels? (b) Is density of dates the ingredient? (c) One file for all tasks
against one for each. (d) Forecasts and gaps beside climatology and lines, with coverage. (e) What the prompt does. Real
series in folds of whole places; made seasons, whose best accuracy is known, beside them.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from swath.estimate import undefined
from swath.recipes import sits_deco_data as sets
from swath.recipes.sits_deco_tasks import FOREST, OURS, REAL, Sizes, made_seasons
from swath.report.outcome import Card, Outcome, Row
from swath.train.series import fit_series

__all__ = ["CARD", "SCALES", "run"]

CARD = Card(
    slug="sits-deco",
    number=4,
    title="SITS-DECO",
    source='"SITS-DECO: A Generative Decoder Is All You Need For Multitask Satellite Image Time Series Modelling" '
    "(Barrett and Sow 2025, arXiv 2510.21813)",
    code="none found; mechanics from aspiaspace/EarthPT and karpathy/nanoGPT",
    licence="MIT (EarthPT, nanoGPT)",
    claims={
        "purely generative": "a plain decoder over pixel series names crops without task heads (abstract)",
        "one model": "several supervised and self-supervised tasks, chosen by a symbolic prompt (abstract)",
        "beats foundation models": "on PASTIS-R crop types, pixel-wise (abstract; the table was not at hand)",
        "dense series": "the gain comes from dense sequences and data structure, not from architecture (abstract)",
    },
    built=(
        "the decoder in nanoGPT's key layout with a cache, typed tokens with roles, prompts for crop, forecast, impute "
        "and translate, symbol and value heads; labelled and unlabelled pixels in every step",
        "one file that maps, fills and forecasts, and refuses what it never learned; EarthPT's published keys",
    ),
    not_built=(
        "PASTIS-R and the foundation models compared there: the data are not at hand",
        "the prompts denoise, describe-season and region-of-origin; a wavelength projector in place of one "
        "embedding a sensor; mixtures in the value head",
    ),
)
SCALES = {
    "small": Sizes(),
    "paper": Sizes(dim=384, depth=12, heads=6),
    "test": Sizes(16, 1, 2, 40, 8, 2, (2, 0), (1, 4), 240, 60, 3, 2, 20, 20),
}


def run(scale: str, out: Path, *, data: Path | None = None, seed: int = 0, progress: Any = None) -> Outcome:
    """Rows of all methods in every experiment; the thinning curve, the fan chart and errors by lead."""
    say, sizes, began = progress or (lambda done, total, what: None), SCALES[scale], time.monotonic()
    if scale == "paper":
        return _full_size(sizes, seed)
    facts: dict[str, Any] = {"seeds": [seed], "steps a task": sizes.steps, "rows a step and task": sizes.batch}
    say(0, 6, "made seasons")
    rows, verdicts, figures = made_seasons(sizes, seed, facts)
    real = Path(data) if data is not None and (Path(data) / "sits_modis").is_dir() else None
    if real is None:
        verdicts.append("Real series were left out: no data folder with sits_modis. Every row is of made seasons.")
    else:
        for number, (what, experiment) in enumerate(REAL.items()):
            say(1 + number, 6, what)
            part = experiment(real, sizes, seed, out, facts)
            rows, verdicts, figures = rows + part[0], verdicts + part[1], figures | part[2]
        verdicts.append(
            "One seed and one draw of labels a fold: intervals are over places, not over training. Few places of one "
            "region each: no claim elsewhere. PASTIS-R is not at hand, so the paper's comparison is neither confirmed nor denied."
        )
    facts["timing"] = {"seconds": round(time.monotonic() - began, 1)}
    return Outcome(CARD, scale, tuple(rows), figures, tuple(verdicts), facts)


def _full_size(sizes: Sizes, seed: int) -> Outcome:
    """The largest size takes one step; EarthPT's published configuration is counted."""
    import torch

    from swath.models.earthpt import EarthPT

    lot, _ = sets.made(32, seed)
    plan = replace(
        sizes.plan(("crop", "forecast", "impute"), steps=1), size="micro", dim=None, depth=None, heads=None, batch=4
    )
    model, _ = fit_series(lot.series, plan, target=lot.y, classes=lot.classes)
    with torch.device("meta"):
        published = sum(p.numel() for p in EarthPT().parameters())
    none = undefined("1", "one step was taken, nothing was learnt")
    rows = tuple(Row("made seasons", m, r, "accuracy", none) for m, r in ((OURS, "ours"), (FOREST, "baseline")))  # type: ignore[arg-type]
    facts = {"parameters": sum(p.numel() for p in model.parameters()), "parameters of EarthPT's series form": published}
    return Outcome(CARD, "paper", rows, {}, ("A step was taken at the largest size; nothing was learnt.",), facts)
