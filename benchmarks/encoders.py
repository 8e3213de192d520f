"""What frozen encoders tell about labelled places that they never saw: linear probe, nearest neighbours, few labels.

usage: python benchmarks/encoders.py [--data FOLDER] [--sets NAME,...] [--encoders NAME,...] [--development] [--keep FOLDER]

Encoders are names of `swath.models.load` (`random:tiny` is the same network with random weights; weights of other
publishers are found in SWATH_WEIGHTS). Folds are of whole places; the seeds deal folds and draw labels. Intervals and
paired differences draw places again. Development sets chose design and training of swath-tiny, report sets did not.
Prints a table of scores, one of few labels a class, one of paired differences, and one JSON line; --keep holds what is
scored already in a folder.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from encoder_sets import SETS, Task

from swath.batch import Batch, Tokens
from swath.bench.learners import Linear
from swath.bench.probe import probe, splits
from swath.bench.scores import Scores, difference, scored
from swath.errors import SwathError
from swath.sample.loader import take

ENCODERS = ("tiny", "statistics", "random-convolutions", "random:tiny", "presto", "galileo")
SHOTS = (1, 5, 10, 50)
WINDOWS = {"presto": 1, "galileo": 8}  # pixels a side that these see around an item
SEEDS = range(5)


def load(name: str) -> Any:
    """The encoder, and those whose tokens are joined where pixels are asked about."""
    from swath.models import load as find

    if name == "statistics":
        return find(name, patch=10_000), find(name, patch=1), find(name, patch=8)
    if name == "random-convolutions":
        return (find(name, filters=160, patch=10_000), find(name, filters=160, patch=1))
    if name == "galileo":  # its patches are larger than the points of series
        return find(name), find(name, patch=1)
    return (find(name),)


def vectors(encoders: tuple[Any, ...], task: Task, side: int = 0) -> np.ndarray:
    """(M, D). Pooled over the example, or the token at each pixel; `statistics` of the pixel and of its 8 x 8 patch.

    side: the encoder sees windows of so many pixels around each item, not whole scenes (heavy ones).
    """
    if task.at is None:
        points = all(p.values.shape[-1] == 1 for batch in task.batches for p in batch.pixels.values())
        return np.concatenate([_pooled(encoders[-1 if points else 0], batch) for batch in task.batches])
    out: list[np.ndarray] = [np.empty(0)] * len(task.at)
    for number, batch in enumerate(task.batches):
        rows = np.flatnonzero(task.at[:, 0] == number)
        at = task.at[rows, 1:]
        if side:
            found = [_around(encoders[0], batch, at, side)]
        else:
            size = next(iter(batch.pixels.values())).values.shape[-2:]
            found = [_at_pixels(e.encode(batch)[-1], at, size) for e in (encoders[1:] or encoders)]
        for row, vector in zip(rows, np.concatenate(found, -1), strict=True):
            out[row] = vector
    return np.stack(out)


def _around(encoder: Any, batch: Batch, at: np.ndarray, side: int, many: int = 64) -> np.ndarray:
    """The token at the middle of a window around each (example, row, column); beyond the scene nothing is valid."""
    half, out = side // 2, []
    for start in range(0, len(at), many):
        some, pixels = at[start : start + many], {}
        for name, p in batch.pixels.items():
            shift = np.arange(side) - half
            rows, columns = some[:, 1, None, None] + shift[:, None], some[:, 2, None, None] + shift
            height, width = p.values.shape[-2:]
            inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
            y, x = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
            cut = (some[:, 0, None, None], slice(None), slice(None), y, x)
            values, valid = (a[cut].transpose(0, 3, 4, 1, 2) for a in (p.values, p.valid))
            valid = valid & inside[:, None, None]
            pixels[name] = replace(p, values=values, valid=valid, day=p.day[some[:, 0]], lonlat=p.lonlat[some[:, 0]])
        middle = np.column_stack([np.arange(len(some)), np.full((len(some), 2), half)])
        out.append(_at_pixels(encoder.encode(Batch(pixels))[-1], middle, (side, side)))
    return np.concatenate(out)


def _pooled(encoder: Any, batch: Batch, size: int = 32) -> np.ndarray:
    n = len(batch)
    return np.concatenate(
        [
            np.asarray(encoder.encode(take(batch, np.arange(i, min(i + size, n))))[-1].pooled())
            for i in range(0, n, size)
        ]
    )


def _at_pixels(tokens: Tokens, at: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Mean over dates of the valid tokens under each (example, row, column)."""
    if tokens.shape is None:
        raise SwathError(rule="tokens at pixels lie on a grid", got="none", remedy="leave this set out")
    t, h, w = tokens.shape
    grid = np.asarray(tokens.values).reshape(-1, t, h, w, tokens.values.shape[-1])
    valid = np.asarray(tokens.valid).reshape(-1, t, h, w, 1).astype(np.float32)
    mean = (grid * valid).sum(1) / np.maximum(valid.sum(1), 1)
    high, wide = -(-size[0] // h), -(-size[1] // w)
    return np.asarray(mean[at[:, 0], at[:, 1] // high, at[:, 2] // wide])


def few(x: np.ndarray, task: Task, shots: int) -> Scores:
    """A linear readout of `shots` labels a class, drawn from the training places of each fold."""
    names, y = np.unique(task.target, return_inverse=True)
    predicted = np.full((len(SEEDS), len(x)), -1)
    for s, seed in enumerate(SEEDS):
        rank = np.random.default_rng([seed, 77]).permutation(len(x))
        for train, test in splits(task.place, y, task.folds, seed):
            ordered = train[np.argsort(rank[train])]
            some = np.concatenate([ordered[y[ordered] == k][:shots] for k in range(len(names))])
            here, own = np.unique(y[some], return_inverse=True)
            predicted[s, test] = here[Linear(len(here), 0.1).fit(x[some], own).predict(x[test]).argmax(1)]
    place, parts = scored(predicted, y, np.asarray(task.place), len(names))
    return Scores("linear", "class", shots, tuple(SEEDS), place, parts, np.zeros(len(SEEDS)), predicted,
                  tuple(map(str, names)), simulated=task.simulated)  # fmt: skip


def judge(x: np.ndarray, task: Task) -> dict[str, Scores]:
    """Scores by probe: linear, knn, and few labels a class where there are classes."""
    common = {"seeds": SEEDS, "folds": task.folds, "simulated": task.simulated}
    balanced = task.metric == "balanced accuracy"
    out = {k: probe(x, task.target, task.place, kind=k, balanced=balanced, **common) for k in ("linear", "knn")}
    if task.target.dtype.kind != "f":
        out |= {f"{n} a class": few(x, task, n) for n in SHOTS}
    return out


def run(names: list[str], sets: list[str], data: Path, keep: Path | None) -> dict[str, Any]:
    """{set: facts of it, and "scores" {probe: {encoder: {"value", "low", "high", "ours minus": [value, low, high]}}}}."""
    rows = {}
    for name in sets:
        task, found, cost = SETS[name](data), {}, {}
        for encoder in names:
            file = None if keep is None else keep / f"{name} by {encoder.replace(':', '-')}.pickle"
            if file is not None and file.exists():
                found[encoder], cost[encoder] = pickle.loads(file.read_bytes())
                continue
            began = time.process_time()
            try:
                x = vectors(load(encoder), task, WINDOWS.get(encoder, 0))
            except SwathError as error:
                print(f"# {encoder} on {name}: {error}", file=sys.stderr, flush=True)
                continue
            cost[encoder] = [round(time.process_time() - began, 2), int(x.shape[1])]
            found[encoder] = judge(x, task)
            took = time.process_time() - began
            print(f"# {name}: {encoder} {cost[encoder]}, with probes {took:.0f} s", file=sys.stderr, flush=True)
            if file is not None:
                file.write_bytes(pickle.dumps((found[encoder], cost[encoder])))
        rows[name] = {
            "set": name,
            "role": task.role,
            "metric": task.metric,
            "simulated": task.simulated,
            "note": task.note,
            "items": len(task.target),
            "places": len(np.unique(task.place)),
            "cost": cost,
            "scores": _table(found, task.metric, names[0]),
        }
    return rows


def _table(found: dict[str, dict[str, Scores]], metric: str, ours: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for encoder, scores in found.items():
        for kind, score in scores.items():
            e = score.estimate(metric)
            row = {"value": e.value, "low": e.low, "high": e.high}
            if encoder != ours and ours in found:
                d = difference(found[ours][kind], score, metric)
                row["ours minus"] = [d.value, d.low, d.high]
            out.setdefault(kind, {})[encoder] = row
    return out


def show(rows: dict[str, Any], names: list[str]) -> str:
    """The tables."""
    ours = names[0]
    lines = ["Score [95 %] of a probe on frozen vectors; classes in percent, R2 x 100", "",
             f"| set | role | metric | probe | {' | '.join(names)} |", "|---" * (4 + len(names)) + "|"]  # fmt: skip
    for row in rows.values():
        title = f"{row['set']}{' (simulated)' if row['simulated'] else ''}"
        for kind in ("linear", "knn"):
            cells = [_cell(row["scores"][kind].get(n)) for n in names]
            lines.append(f"| {title} | {row['role']} | {row['metric']} | {kind} | {' | '.join(cells)} |")
    lines += ["", "Few labels a class, linear readout, the same metric", "",
              f"| set | labels a class | {' | '.join(names)} |", "|---" * (2 + len(names)) + "|"]  # fmt: skip
    for row in rows.values():
        for n in SHOTS:
            if f"{n} a class" in row["scores"]:
                cells = [_cell(row["scores"][f"{n} a class"].get(e), short=True) for e in names]
                lines.append(f"| {row['set']} | {n} | {' | '.join(cells)} |")
    lines += ["", f"{ours} minus the other, linear probe, paired by place and seed, points [95 %]; * where the interval excludes 0", "",
              f"| set | {' | '.join(names[1:])} |", "|---" * len(names) + "|"]  # fmt: skip
    for row in rows.values():
        lines.append(f"| {row['set']} | {' | '.join(_apart(row['scores']['linear'].get(n)) for n in names[1:])} |")
    return "\n".join(lines)


def _cell(row: dict[str, Any] | None, *, short: bool = False) -> str:
    if row is None:
        return "-"
    value = f"{100 * row['value']:.1f}"
    return value if short else f"{value} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def _apart(row: dict[str, Any] | None) -> str:
    if row is None or "ours minus" not in row:
        return "-"
    value, low, high = (100 * v for v in row["ours minus"])
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]{'*' if low > 0 or high < 0 else ''}"


def main() -> None:
    """Read the options, run, print."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--data", type=Path, default=Path("../shared/data"))
    ask.add_argument("--encoders", default=",".join(ENCODERS))
    ask.add_argument("--sets", default="")
    ask.add_argument("--development", action="store_true", help="the development sets only")
    ask.add_argument("--keep", type=Path)
    given = ask.parse_args()
    names = given.encoders.split(",")
    sets = [s.strip() for s in given.sets.split(",") if s.strip()] or [
        s for s in SETS if ("development" in s or s == "terramind land cover") == given.development
    ]
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
    rows = run(names, sets, given.data, given.keep)
    print(show(rows, names))
    print(json.dumps(list(rows.values())))


if __name__ == "__main__":
    main()
