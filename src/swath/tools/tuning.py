"""Networks that learn for `train`: an encoder fine-tuned with its head, or trained on by hiding values of unlabelled scenes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.baseline import learner
from swath.batch import Batch
from swath.errors import SwathError
from swath.sample.window import Windows
from swath.tools.contest import head
from swath.tools.training import Lesson, Progress, features_at, read_tile, tiles_of

if TYPE_CHECKING:
    from swath.tools.encoding import SceneSite

__all__ = ["answers_of", "continued", "tuned"]

MOST_TILES = 1 << 30  # bytes of tiles in memory for fine-tuning


def tuned(
    encoder: Any,
    lesson: Lesson,
    train: np.ndarray,
    *,
    epochs: int,
    rate: float,
    seed: int,
    say: list[str] | None = None,
    progress: Progress | None = None,
) -> tuple[Any, learner.Linear]:
    """The encoder and head trained on together from the frozen head; (encoder, head). The one given stays as it is.

    Raises SwathError for encoders that cannot learn.
    """
    import torch

    from swath.objective.supervise import supervise
    from swath.sample.loader import Chips, join
    from swath.task import Regress, Segment, Solver
    from swath.train.fit import Rules, fit

    if not isinstance(encoder, torch.nn.Module) or not any(p.requires_grad for p in encoder.parameters()):
        raise SwathError(
            rule="fine-tuning needs an encoder with weights",
            got=type(encoder).__name__,
            remedy="leave --fine-tune out: a head is trained on it as it is",
        )
    network = copy.deepcopy(encoder)
    network.facts = getattr(encoder, "facts", None)
    planes = lesson.planes
    chips = _chips(lesson, train, seed, say)
    task: Any = Segment(tuple(lesson.names))
    if lesson.kind == "number":
        y = lesson.y[train]
        task = Regress("1", float(y.mean()), max(float(y.std()), 1e-12), dense=True)
    solver = Solver(_pooling(network), task, planes.width)
    start = head(lesson, train, seed)
    weight, offset = start.weight, start.offset
    if lesson.kind == "number":
        weight, offset = weight / task.deviation, (offset - task.mean) / task.deviation
    with torch.no_grad():
        solver.head.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight.T))[:, :, None, None])
        solver.head.bias.copy_(torch.from_numpy(np.ascontiguousarray(offset)))
    source = Chips(join(chips), batch=max(1, min(8, 8192 // planes.size**2 or 1)), seed=seed)
    with torch.random.fork_rng(devices=[]):
        fit(solver, source, supervise(task), Rules(epochs=epochs, rate=rate, warmup=5, seed=seed), progress=progress)
    with torch.no_grad():
        weight = solver.head.weight[:, :, 0, 0].T.detach().numpy().astype(np.float32)
        offset = solver.head.bias.detach().numpy().astype(np.float32)
    if lesson.kind == "number":
        weight, offset = (
            weight * np.float32(task.deviation),
            offset * np.float32(task.deviation) + np.float32(task.mean),
        )
    return network.eval(), learner.Linear(np.ascontiguousarray(weight), offset, lesson.kind == "class")


def _pooling(network: Any) -> Any:
    """The encoder with the dates of its tokens pooled over the valid ones, as `Planes` does."""
    import torch

    from swath.batch import Tokens

    class Pooled(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def encode(self, batch: Batch, levels: Sequence[int] = (-1,)) -> list[Tokens]:
            tokens = self.network.encode(batch, levels)[-1]
            t, h, w = tokens.shape
            b, _, d = tokens.values.shape
            weight = tokens.valid.reshape(b, t, h * w, 1).to(tokens.values.dtype)
            values = torch.where(weight > 0, tokens.values.reshape(b, t, h * w, d), 0.0)
            mean = (values * weight).sum(1) / weight.sum(1).clamp(min=1)
            return [
                Tokens(mean, weight.sum(1)[..., 0] > 0, tokens.day[:, : h * w], tokens.position[:, : h * w], (1, h, w))
            ]

    return Pooled()


def _chips(lesson: Lesson, train: np.ndarray, seed: int, say: list[str] | None) -> list[Batch]:
    """Tiles with labels, each with its target: class index or -1, number or NaN."""
    planes = lesson.planes
    jobs = []
    for number, ground in enumerate(lesson.grounds):
        mine = train[lesson.ground[train] == number]
        for top, left, index in tiles_of(ground, planes, lesson.row[mine], lesson.column[mine]):
            jobs.append((ground, top, left, mine[index]))
    dates_bands = max(
        sum(int(np.prod([n for d, n in c.sizes.items() if d not in ("y", "x")])) for c in g.windows.cubes.values())
        for g in lesson.grounds
    )
    room = max(4, MOST_TILES // (5 * dates_bands * planes.size**2))
    if len(jobs) > room:
        if say is not None:
            say.append(
                f"{room:,} of {len(jobs):,} tiles with labels fit the memory and were trained on, drawn by the seed"
            )
        keep = np.sort(np.random.default_rng(seed).choice(len(jobs), room, replace=False))
        jobs = [jobs[i] for i in keep]
    out = []
    for ground, top, left, index in jobs:
        batch, y, x = read_tile(ground, planes, top, left)
        cut = planes.cut(batch, y, x)
        number = lesson.kind == "number"
        target = np.full((1, planes.size, planes.size), np.nan if number else -1, np.float32 if number else np.int64)
        r, c = lesson.row[index] - top + planes.margin, lesson.column[index] - left + planes.margin
        target[0, r, c] = lesson.y[index]
        out.append(replace(cut, target=target, key=(f"{top}_{left}",), place=(ground.site.name,)))
    return out


def answers_of(encoder: Any, found: learner.Linear, lesson: Lesson, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(answers (n, K), features (n, D)) at labels by a tuned encoder."""
    planes = replace(lesson.planes, encoder=encoder)
    x = np.zeros((len(index), planes.width), np.float32)
    for number, ground in enumerate(lesson.grounds):
        mine = np.flatnonzero(lesson.ground[index] == number)
        if len(mine):
            there = replace(ground, row=lesson.row[index[mine]], column=lesson.column[index[mine]])
            x[mine] = features_at(there, planes)[0]
    return found.predict(x.T).T, x


def continued(
    encoder: Any, sites: Sequence[SceneSite], *, epochs: int, seed: int, windows: int = 48, side: int = 8
) -> tuple[Any, str]:
    """The encoder after more masked training on scenes without labels, and what it did, in words. The one given stays.

    Windows of `side` pixels are drawn by the seed; a fifth is kept aside to compare the loss before and after. Raises SwathError
    for encoders that have no such objective.
    """
    import torch

    from swath.objective.mask import Masked
    from swath.sample.loader import Chips, Turns, join
    from swath.train.fit import Rules, fit

    if not isinstance(encoder, torch.nn.Module) or not callable(getattr(encoder, "scaled", None)):
        raise SwathError(
            rule="--unlabelled goes on with the masked training of an encoder that says hidden values (tiny)",
            got=type(encoder).__name__,
            remedy="leave --unlabelled out, or use --encoder tiny",
        )
    network = copy.deepcopy(encoder)
    network.facts = getattr(encoder, "facts", None)
    rng = np.random.default_rng([seed, 11])
    kinds: dict[Any, list[Batch]] = {}
    for site in sites:
        reader = Windows(site.cubes(), unit=512, budget=64 << 20)
        for _ in range(windows):
            size = [min(side, n) for n in site.shape]
            top, left = (int(rng.integers(0, n - s + 1)) for n, s in zip(site.shape, size, strict=True))
            batch = reader.read(slice(top, top + size[0]), slice(left, left + size[1]))
            if any(p.valid.any() for p in batch.pixels.values()):
                kinds.setdefault((site.kind, *size), []).append(replace(batch, place=(site.name,)))
    groups = [group for group in kinds.values() if len(group) > 4]
    if not groups:
        raise SwathError(rule="unlabelled scenes have valid pixels", got="none", remedy="use clearer scenes")
    held = [join(group[::5]) for group in groups]
    shown = [join([b for i, b in enumerate(group) if i % 5]) for group in groups]
    objective = Masked(ratio=(0.35, 0.15), unit=("token", "group"), loss="huber")

    def loss() -> float:
        with torch.no_grad():
            values = [
                float(objective(network.eval(), batch.to("cpu"), torch.Generator().manual_seed(seed)).value)
                for batch in held
            ]
        return float(np.mean(values))

    before = loss()
    with torch.random.fork_rng(devices=[]):
        source = Turns(*(Chips(part, batch=4, seed=seed + i) for i, part in enumerate(shown)))
        fit(network, source, objective, Rules(epochs=epochs, rate=3e-4, warmup=10, seed=seed))
    after = loss()
    count = sum(len(b) for b in shown)
    words = (
        f"masked training went on with {count:,} windows of {len(sites)} scenes without labels: loss at windows kept aside "
        f"{before:.4f} before, {after:.4f} after"
    )
    if after >= before:
        words += "; it did not fall, so the encoder is used as it was"
        return encoder, words
    return network.eval(), words
