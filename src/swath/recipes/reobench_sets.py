"""What REOBench's recipe asks encoders about: pictures, pixels of a patch, cells of changed ground; each clean and made worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from swath.batch import Batch
from swath.bench.collection import Collection, Items
from swath.bench.damaged import Look, Task
from swath.bench.features import features
from swath.estimate import Estimate
from swath.report.outcome import Row
from swath.sample.loader import take
from swath.transform.corrupt import Options, corrupt_batch, move_of

__all__ = ["change", "patch", "pictures", "published", "zones"]

DAY = 17_713.0  # 1 July 2018: EuroSAT tells no date, and Galileo asks for one
CROP = 32


def pictures(batch: Batch, classes: Sequence[str], title: str, *, tried: int, simulated: bool, seed: int = 0) -> Task:
    """Whole pictures: every picture is a place, or its world is; `tried` of each class are made worse.

    They are made worse whole; encoders read the middle 32 x 32 pixels of all, for time.
    """
    y = np.asarray(batch.target)
    rng = np.random.default_rng([seed, 56])
    few = np.zeros(len(y), bool)
    for k in np.unique(y):
        few[rng.permutation(np.flatnonzero(y == k))[:tried]] = True
    some = take(batch, np.flatnonzero(few))

    def look(encoder: Any, name: str, level: int) -> Look:
        if level == 0:
            return Look(_pooled(encoder, _middle(batch)), np.arange(len(y)))
        worse = corrupt_batch(replace(some, target=None), name, level)
        return Look(_pooled(encoder, _middle(worse)), np.flatnonzero(few))

    place = np.unique(np.array([str(p) for p in batch.place]), return_inverse=True)[1].ravel()
    return Task(title, tuple(classes), y, place, few, "overall", look, simulated)


def _middle(batch: Batch) -> Batch:
    pixels = {}
    for name, p in batch.pixels.items():
        top, left = (max(0, (n - CROP) // 2) for n in p.values.shape[-2:])
        cut = np.s_[..., top : top + CROP, left : left + CROP]
        day = np.where(np.isfinite(p.day), p.day, DAY)
        pixels[name] = replace(p, values=p.values[cut], valid=p.valid[cut], day=day)
    return replace(batch, pixels=pixels, target=None)


def _pooled(encoder: Any, batch: Batch, step: int = 64) -> np.ndarray:
    parts = [encoder.encode(take(batch, range(i, min(i + step, len(batch)))))[0] for i in range(0, len(batch), step)]
    return np.asarray(np.nan_to_num(np.concatenate([np.asarray(p.pooled(), np.float32) for p in parts])))


def patch(batch: Batch, classes: Sequence[str], title: str, *, side: int = 16, most: int = 2500) -> Task:
    """Pixels of one patch, places are its blocks; turning, scaling and shifting move the land-use map too."""
    from swath.datasets.slovenia import blocks

    collection = Collection(title, batch, tuple(classes))
    items = collection.items(most)
    number = np.full(collection.size, -1)
    number[items.row, items.column] = np.arange(len(items))
    place = np.unique(blocks(collection.size, side)[items.row, items.column], return_inverse=True)[1].ravel()

    def look(encoder: Any, name: str, level: int) -> Look:
        worse = corrupt_batch(replace(batch, target=None), name, level) if level else batch
        moved = move_of(name, level, (collection.size[0], collection.size[1]), batch.key[0]).nearest(number)
        row, column = np.nonzero(moved >= 0)
        source = moved[row, column]
        order = np.argsort(source, kind="stable")
        row, column, source = row[order], column[order], source[order]
        there = Items(np.zeros(len(row), int), row, column, items.target[source], place[source])
        found = features(encoder, replace(collection, batch=replace(worse, target=batch.target), _digest=[]))
        return Look(np.nan_to_num(found.vectors(there)), source)

    return Task(title, tuple(classes), items.target, place, np.ones(len(items), bool), "balanced", look)


def change(batch: Batch, title: str, *, cell: int = 8, block: int = 64) -> Task:
    """Cells of pairs: changed where a quarter of it is; only the second date is made worse. Places are blocks of the pairs.

    A cell is told by the absolute difference of its tokens. Geometric corruptions are left out: they would only say that
    the dates no longer lie on one another.
    """
    b, h, w = np.asarray(batch.target).shape
    share = np.asarray(batch.target).reshape(b, h // cell, cell, w // cell, cell).mean((2, 4))
    y = (share > 0.25).astype(int).ravel()
    pair, row, column = np.indices(share.shape)
    place = (pair * 10_000 + row * cell // block * 100 + column * cell // block).ravel()
    before: dict[int, np.ndarray] = {}

    def tokens(encoder: Any, name: str, level: int) -> np.ndarray:
        one = Batch(
            {"after": batch.pixels["after"]} if level >= 0 else {"after": batch.pixels["before"]}, key=batch.key
        )
        one = corrupt_batch(one, name, level) if level > 0 else one
        grid = np.concatenate(
            [np.asarray(encoder.encode(take(one, [i]))[0].grid(), np.float32)[:, 0] for i in range(b)]
        )
        return np.asarray(np.nan_to_num(np.moveaxis(grid, 1, -1)).reshape(len(y), -1))

    def look(encoder: Any, name: str, level: int) -> Look:
        if id(encoder) not in before:
            before[id(encoder)] = tokens(encoder, name, -1)
        apart = np.abs(tokens(encoder, name, level) - before[id(encoder)])
        return Look(apart, np.arange(len(y)))

    kept = np.unique(place, return_inverse=True)[1].ravel()
    words = "of three pairs: nothing is claimed about other places"
    return Task(title, ("same", "changed"), y, kept, np.ones(len(y), bool), "balanced", look, words=words)


def zones(folder: Path, weights: Path) -> tuple[Task, Any]:
    """Windows of 32 x 32 pixels of three tiles and Sen2LCZ, whose own clean answers are the reference: nobody mapped the zones
    there. Stripes are 0, as in the benchmark: the network refuses windows with a missing pixel.
    """
    import torch

    from swath.datasets import chips, terramind
    from swath.models import load
    from swath.models.sen2lcz import NAMES, WINDOW

    model = load("sen2lcz", weights=weights)
    whole, at = chips.windows(terramind.load(folder, radar=False, dem=False), WINDOW)
    ((name_of, first),) = whole.pixels.items()
    at_bands = model.bands(take(whole, [0]).to("cpu"))[1]

    def look(encoder: Any, name: str, level: int) -> Look:
        batch = replace(whole, target=None)
        worse = corrupt_batch(batch, name, level, options=Options(gaps="zero")) if level else batch
        x = torch.from_numpy(np.ascontiguousarray(worse.pixels[name_of].values[:, 0][:, at_bands]))
        with torch.inference_mode():
            return Look(torch.cat([encoder(part) for part in torch.split(x, 64)]).numpy(), np.arange(len(x)))

    y = look(model, "clean", 0).x.argmax(1)
    place = np.unique(np.array(whole.place), return_inverse=True)[1].ravel() * 100 + at[:, 0] // 2 * 10 + at[:, 1] // 2
    kept = np.unique(place, return_inverse=True)[1].ravel()
    title = f"TerraMind, {len(y)} windows of three tiles, {len(first.bands)} bands"
    return Task(title, NAMES, y, kept, np.ones(len(y), bool), "overall", look), model


def published(width: int = 768, crop: int = 224) -> tuple[tuple[Row, ...], tuple[str, ...], dict[str, Any]]:
    """The published training parts at full size on vectors of a ViT-B: the linear head of 30 classes (Adam, warm restarts) and
    UPerNet of five (AdamW), a step of each. AID, Potsdam and DIOR are not at hand; the detector is not built.
    """
    import torch

    from swath.nn.upernet import UPerNet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = torch.nn.Linear(width, 30)
        steps = torch.optim.Adam(head.parameters(), 1e-3)
        restarts = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(steps, 5)
        loss = torch.nn.functional.cross_entropy(head(torch.randn(64, width)), torch.arange(64) % 30)
        loss.backward()
        steps.step()
        restarts.step()
        decoder = UPerNet((width,) * 4, 5)
        slow = torch.optim.AdamW(decoder.parameters(), 6e-5)
        side = crop // 16
        answer = decoder([torch.randn(2, width, side, side) for _ in range(4)], (crop, crop))
        wrong = torch.nn.functional.cross_entropy(answer, torch.randint(0, 5, (2, crop, crop)))
        wrong.backward()
        slow.step()
    why = "an exact count has no interval"
    count = Estimate(
        float(sum(p.numel() for p in head.parameters())), "1", n=1, simulated=True, method="counted", reason=why
    )
    rows = (
        Row("the published linear head, ViT-B", "ours", "ours", "parameters", count),
        Row("the published linear head, ViT-B", "width x classes + classes", "reference", "parameters",
            replace(count, value=float(width * 30 + 30))),
        Row("no encoder", "majority", "baseline", "parameters", replace(count, value=0.0)),
    )  # fmt: skip
    said = (
        f"one step each: linear head {float(loss.detach()):.3f}, UPerNet {float(wrong.detach()):.3f}, output {tuple(answer.shape)}, "
        f"{sum(p.numel() for p in decoder.parameters()):,} parameters",
        "AID, Potsdam, DIOR and VRSBench are not at hand: 100 epochs and 160,000 iterations were not run",
    )
    return rows, said, {"output": list(answer.shape), "rate after a step": float(restarts.get_last_lr()[0])}
