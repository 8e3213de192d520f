"""What a trained decoder over series says: classes, hidden values, coming values; many rows at once, sorted by length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from swath.baseline.forecast import Said, Series
from swath.errors import SwathError
from swath.models import deco_input as prompts
from swath.models.deco import check_bands, sensor_of
from swath.models.deco_input import Packed, Sight
from swath.nn.causal import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swath.models.deco import Deco

__all__ = ["Given", "answers", "classify", "fill", "forecast", "sight_of", "translate", "turns"]

Given = Series | Mapping[str, Series]
LEVEL = 0.90
SIDE = 1.6448536269514722  # deviations on each side of a normal distribution's middle 90 %
TOKENS = 16_384  # of one forward pass


def sight_of(model: Deco, given: Given) -> Sight:
    """The observations of a Series, or of several {sensor: Series} of the same places. Raises BandError, UnitError."""
    parts = {sensor_of(model, given.bands): given} if isinstance(given, Series) else dict(given)
    for name, one in parts.items():
        model.vocabulary.sensor(name)
        check_bands(model, name, one.bands)
    return prompts.merged(parts, model.vocabulary, model.width)


def turns(length: np.ndarray) -> Iterator[np.ndarray]:
    """Rows in groups of like length, each a forward pass; the same groups for the same lengths."""
    order = np.argsort(length, kind="stable")
    at = 0
    while at < len(order):
        rows = 1
        while at + rows < len(order) and (rows + 1) * (int(length[order[at + rows]]) + 4) <= TOKENS:
            rows += 1
        yield order[at : at + rows]
        at += rows


def answers(
    model: Deco, sight: Sight, space: str | None = None, *, task: int | None = None, labels: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """(N, K) class probabilities and (N, D) what the model knew when it answered; NaN where nothing was seen.

    task, labels: as `deco_input.crop` takes them.
    """
    vocabulary = model.vocabulary
    if task is None:
        vocabulary.task("crop")
    space = vocabulary.space(space)
    n = len(sight)
    share = np.full((n, len(vocabulary.spaces[space])), np.nan, np.float32)
    known = np.full((n, model.trunk.ln_f.weight.shape[0]), np.nan, np.float32)
    length = sight.there.sum(1)
    some = np.flatnonzero(length > 0)
    with torch.inference_mode():
        for turn in turns(length[some]):
            rows = some[turn]
            short = sight.rows(rows).only(np.ones((len(rows), sight.sensor.shape[1]), bool))
            packed = prompts.crop(short, vocabulary, space, task=task, labels=labels).to(_device(model))
            hidden = model(packed)[torch.arange(len(rows)), packed.last]
            share[rows] = model.probability(hidden, space).float().cpu().numpy()
            known[rows] = hidden.float().cpu().numpy()
    return share, known


def classify(model: Deco, given: Given, space: str | None = None) -> np.ndarray:
    """(N, K) probabilities over the classes of a label space, calibrated where training could; NaN where nothing was seen.

    Raises SwathError for a task, sensor or label space that was never trained, with the list of what is known.
    """
    return answers(model, sight_of(model, given), space)[0]


def _asked(model: Deco, sight: Sight, sensor: np.ndarray, day: np.ndarray, task: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation (N, L, C) of asked (sensor, day) (N, L), sensor -1 for none; NaN there and where nothing is known."""
    n, length = sensor.shape
    mean, deviation = np.full((2, n, length, model.width), np.nan, np.float32)
    some = np.flatnonzero((sensor >= 0).any(1) & sight.there.any(1))
    many = sight.there.sum(1) + (sensor >= 0).sum(1)
    with torch.inference_mode():
        for turn in turns(many[some]):
            rows = some[turn]
            short = sight.rows(rows).only(np.ones((len(rows), sight.sensor.shape[1]), bool))
            t = prompts.impute(short, model.vocabulary, sensor[rows], day[rows], task=task).to(_device(model))
            hidden, asks = model(t), t.ask >= 0
            which = t.ask[asks]
            z, spread, _ = model.values(hidden[asks], which, t.anchor[asks], t.anchored[asks])
            m, s = model.physical(z, spread, which, task)
            at = sensor[rows] >= 0  # asks stand in the same order in their row
            for whole, part in ((mean, m), (deviation, s)):
                block = whole[rows]
                block[at] = part.float().cpu().numpy()
                whole[rows] = block
    return mean, deviation


def _device(model: Deco) -> str:
    return str(next(model.parameters()).device)


def _said(mean: np.ndarray, deviation: np.ndarray, bands: int, draws: np.ndarray | None = None) -> Said:
    m, s = mean[..., :bands], deviation[..., :bands]
    return Said(m, m - np.float32(SIDE) * s, m + np.float32(SIDE) * s, LEVEL, draws)


def fill(model: Deco, series: Series, asked: np.ndarray, others: Mapping[str, Series] | None = None) -> Said:
    """What is hidden at `asked` (N, T): mean and interval; the clear values of other dates stay, with no width.

    Long series are filled in windows of as many dates as training saw. others: what other sensors saw of the same places.
    """
    model.vocabulary.task("impute")
    name = sensor_of(model, series.bands)
    number = model.vocabulary.sensor(name)
    _, t, c = series.values.shape
    asked = np.asarray(asked, bool) & np.isfinite(series.day)
    clear = series.without(asked)
    value = np.where(clear.valid, clear.values, np.float32(np.nan))
    low, high = value.copy(), value.copy()
    span = model.dates or t
    step = max(1, span // 2)
    for first in range(0, max(1, t - span // 2), step) if t > span else (0,):
        last = t if first + span >= t or t <= span else first + span
        inner = slice(0 if first == 0 else first + (span - step) // 2, t if last == t else first + (span + step) // 2)
        some = asked[:, inner]
        if some.any():
            here = clear.dates(slice(first, last))
            parts = {name: here, **(others or {})}
            sight = prompts.merged(parts, model.vocabulary, model.width)
            sensor = np.where(some, number, -1)
            mean, deviation = _asked(model, sight, sensor, np.nan_to_num(series.day[:, inner]), "impute")
            said = _said(mean, deviation, c)
            for whole, part in ((value, said.value), (low, said.low), (high, said.high)):
                whole[:, inner] = np.where(some[..., None], part, whole[:, inner])
        if last == t:
            break
    return Said(value, low, high, LEVEL)


def translate(model: Deco, given: Given, sensor: str, days: np.ndarray) -> Said:
    """What another sensor would have seen on `days` (N, L) or (L,)."""
    model.vocabulary.task("translate")
    number = model.vocabulary.sensor(sensor)
    sight = sight_of(model, given)
    days = np.broadcast_to(np.asarray(days, np.float64), (len(sight), np.shape(days)[-1]))
    mean, deviation = _asked(model, sight, np.full(days.shape, number), days, "translate")
    return _said(mean, deviation, len(model.sensors[sensor]["bands"]))


def forecast(
    model: Deco, series: Series, days: np.ndarray, draws: int = 1, *, seed: int = 0, feed: str = "draws"
) -> Said:
    """What comes on `days` (N, L) or (L,), in rising order, after what is known.

    draws 1: every date is asked for directly, with the interval of its own distribution. More: free-running, each draw
    is fed back as if it had been seen, with the next date; value, low and high are the mean and quantiles of the draws.
    feed: "mean" feeds the mean back in one run (to see the drift).
    """
    model.vocabulary.task("forecast")
    name = sensor_of(model, series.bands)
    days = np.broadcast_to(np.asarray(days, np.float64), (len(series), np.shape(days)[-1])).copy()
    if not (np.diff(days, axis=1) > 0).all():
        raise SwathError(rule="coming days rise", got="days that do not", remedy="sort them, each once")
    sight = _recent(prompts.merged({name: series}, model.vocabulary, model.width), model.dates)
    number, c = model.vocabulary.sensor(name), len(series.bands)
    if draws <= 1 and feed != "mean":
        mean, deviation = _asked(model, sight, np.full(days.shape, number), days, "forecast")
        return _said(mean, deviation, c)
    run = np.full((max(1, draws), *days.shape, model.width), np.nan, np.float32)
    generator = torch.Generator().manual_seed(seed)
    some = np.flatnonzero(sight.there.any(1))
    length = sight.there.sum(1) * max(1, draws)
    with torch.inference_mode():
        for turn in turns(length[some]):
            rows = some[turn]
            run[:, rows] = _free(model, sight.rows(rows), number, days[rows], max(1, draws), feed, generator)
    drawn = run[..., :c]
    low, high = np.quantile(drawn, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2], axis=0).astype(np.float32)
    return Said(drawn.mean(0), low, high, LEVEL, drawn)


def _recent(sight: Sight, most: int | None) -> Sight:
    """The last observations of each row, as many as training saw."""
    if not most:
        return sight
    count = sight.there.sum(1)
    return sight.only(np.arange(sight.sensor.shape[1]) >= (count - most)[:, None])


def _free(
    model: Deco, sight: Sight, number: int, days: np.ndarray, draws: int, feed: str, generator: torch.Generator
) -> np.ndarray:
    """(draws, N, L, C) of free-running: one pass over what is known, then one token at a time from the cache."""
    n, length = days.shape
    sight = sight.only(np.ones(sight.sensor.shape, bool))
    packed = prompts.forecast(sight, model.vocabulary, (np.full(n, number), days[:, 0])).to(_device(model))
    cache = Cache.empty(model.trunk, n, packed.kind.shape[1] + length)
    hidden = model(packed, cache)[torch.arange(n), packed.last].repeat_interleave(draws, 0)
    cache = cache.repeated(draws)
    first, row, last = prompts.first_day(sight), torch.arange(n), packed.last
    anchor, anchored = (a[row, last].repeat_interleave(draws, 0) for a in (packed.anchor, packed.anchored))
    which = torch.full((n * draws,), number)
    out = np.zeros((n * draws, length, model.width), np.float32)
    for i in range(length):
        z, spread, _ = model.values(hidden, which, anchor, anchored)
        mean, deviation = model.physical(z, spread, which, "forecast")
        noise = torch.randn(mean.shape, generator=generator) if feed == "draws" else torch.zeros_like(mean)
        said = mean + deviation * noise
        out[:, i] = said.numpy()
        if i + 1 < length:
            token = _next(model, said, number, days[:, i : i + 2], first, draws)
            hidden = model(token, cache)[:, 0]
            anchor, anchored = token.anchor[:, 0], token.anchored[:, 0]
    return out.reshape(n, draws, length, model.width).transpose(1, 0, 2, 3)


def _next(model: Deco, said: torch.Tensor, number: int, days: np.ndarray, first: np.ndarray, draws: int) -> Packed:
    """One token a row: what was just said, as if seen, asking for the date after it."""
    rows = len(said)
    out = prompts.blank(rows, 1, model.width)
    out["kind"][:], out["role"][:], out["sensor"][:], out["ask"][:] = prompts.SEEN, prompts.CONTEXT, number, number
    bands = len(model.sensors[model.vocabulary.sensors[number]]["bands"])
    out["values"][:, 0, :bands] = said[:, :bands].numpy()
    out["valid"][:, 0, :bands] = True
    out["anchor"], out["anchored"] = out["values"].copy(), out["valid"].copy()
    at = np.repeat(days, draws, 0)
    since = at - np.repeat(first, draws)[:, None]
    out["phase"][:, 0], out["ask_phase"][:, 0] = prompts.phase(at).T
    out["elapsed"][:, 0], out["ask_elapsed"][:, 0] = since.T
    return Packed(**out).to(_device(model))
