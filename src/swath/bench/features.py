"""What a frozen encoder makes of every example: computed once, kept on disk, read by every head."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from swath.batch import Batch, Pixels, Tokens
from swath.bench.collection import Collection, Items
from swath.bench.probe import frozen, state_digest
from swath.bench.sliding import Maps, merged, padded
from swath.errors import SwathError
from swath.models.bands import columns
from swath.sample.loader import take

__all__ = ["DataScaled", "Features", "Store", "features", "lacking", "on_grid", "parameters", "unused"]

Pair = Literal["difference", "concat"]
_PIXELS = 1 << 15  # values of pixels and dates that are encoded together


@dataclass(frozen=True)
class Features:
    """levels: values (M, T, D, h, w); valid (M, T, h, w); day (M, T), one of each a level. cell: pixels a token covers.

    pooled (M, D'): one vector for each whole example, as the encoder makes it. seconds: what encoding all examples took.
    """

    levels: tuple[np.ndarray, ...]
    valid: tuple[np.ndarray, ...]
    day: tuple[np.ndarray, ...]
    pooled: np.ndarray
    cell: int
    seconds: float

    @property
    def width(self) -> int:
        """Numbers of a token at the last level."""
        return int(self.levels[-1].shape[2])

    def vectors(self, items: Items) -> np.ndarray:
        """(n, D): of the last level at pixels, dates averaged, bilinear between token centres; of whole examples `pooled`."""
        if not items.dense:
            return np.asarray(self.pooled[items.example], np.float32)
        out = np.empty((len(items), self.width), np.float32)
        for i in np.unique(items.example):
            mine = np.flatnonzero(items.example == i)
            weight = self.valid[-1][i].astype(np.float32)
            total = np.einsum("tdhw,thw->dhw", np.asarray(self.levels[-1][i], np.float32), weight)
            count = weight.sum(0)
            out[mine] = _sampled(
                total / np.maximum(count, 1), count > 0, items.row[mine], items.column[mine], self.cell
            ).T
        return out


def _sampled(plane: np.ndarray, seen: np.ndarray, row: np.ndarray, column: np.ndarray, cell: int) -> np.ndarray:
    """(D, h, w) at pixels: (D, n); tokens that are not valid take no part."""
    if cell == 1:
        return np.asarray(plane[:, row, column] * seen[row, column])
    total: np.ndarray = np.zeros((len(plane), len(row)), np.float32)
    share: np.ndarray = np.zeros(len(row), np.float32)
    (top, low), (left, right) = (_between(v, cell, n) for v, n in ((row, plane.shape[1]), (column, plane.shape[2])))
    for y, wy in (top, low):
        for x, wx in (left, right):
            w = wy * wx * seen[y, x]
            total += plane[:, y, x] * w
            share += w
    return np.asarray(total / np.maximum(share, 1e-9))


def _between(
    at: np.ndarray, cell: int, count: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The two cells around each pixel along a side, and their weights."""
    place = np.clip((at + 0.5) / cell - 0.5, 0, count - 1)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, count - 1)
    share = (place - low).astype(np.float32)
    return (low, 1 - share), (high, share)


class Store:
    """Where features lie: a folder (read back without loading), or memory when there is none."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._kept: dict[str, Features] = {}

    def get(self, key: str, make: Callable[[], Features]) -> Features:
        """The features of a key, made when they are not there yet; a folder is written whole or not at all."""
        if key in self._kept:
            return self._kept[key]
        if self.folder is None:
            self._kept[key] = make()
            return self._kept[key]
        home = self.folder / key
        if not (home / "facts.json").is_file():
            _write(home, make())
        self._kept[key] = _read(home)
        return self._kept[key]


def _write(home: Path, found: Features) -> None:
    aside = home.with_name(f".{home.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for i, arrays in enumerate(zip(found.levels, found.valid, found.day, strict=True)):
        for name, a in zip(("values", "valid", "day"), arrays, strict=True):
            np.save(aside / f"{name}{i}.npy", a)
    np.save(aside / "pooled.npy", found.pooled)
    facts = {"levels": len(found.levels), "cell": found.cell, "seconds": found.seconds}
    (aside / "facts.json").write_text(json.dumps(facts))
    shutil.rmtree(home, ignore_errors=True)
    os.replace(aside, home)


def _read(home: Path) -> Features:
    facts = json.loads((home / "facts.json").read_text())

    def arrays(name: str) -> tuple[np.ndarray, ...]:
        return tuple(np.load(home / f"{name}{i}.npy", mmap_mode="r") for i in range(facts["levels"]))

    pooled = np.load(home / "pooled.npy")
    return Features(arrays("values"), arrays("valid"), arrays("day"), pooled, facts["cell"], facts["seconds"])


def features(
    encoder: Any,
    collection: Collection,
    *,
    levels: Sequence[int] = (-1,),
    pair: Pair = "difference",
    store: Store | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Features:
    """Encode every example once; a pair of dates is encoded date by date and put together level by level.

    The encoder must stay as it is, byte for byte. Raises what the encoder raises for bands or quantities it cannot take.
    """
    key = hashlib.sha256(
        repr((collection.digest, type(encoder).__name__, state_digest(encoder), tuple(levels), pair)).encode()
    ).hexdigest()[:24]

    def make() -> Features:
        with frozen(encoder):
            if collection.pair is None:
                return _encoded(encoder, collection.batch, levels, progress)
            both = [
                _encoded(encoder, _only(collection.batch, n), levels, progress) for n in collection.pair
            ]  # fmt: skip
            return _paired(both[0], both[1], pair)

    return (store or Store()).get(key, make)


def _only(batch: Batch, name: str) -> Batch:
    return replace(batch, pixels={name: batch.pixels[name]})


def _paired(first: Features, second: Features, how: Pair) -> Features:
    levels = [
        b - a if how == "difference" else np.concatenate([a, b], axis=2)
        for a, b in zip(first.levels, second.levels, strict=True)
    ]
    valid = tuple(a & b for a, b in zip(first.valid, second.valid, strict=True))
    a, b = first.pooled, second.pooled
    pooled = b - a if how == "difference" else np.concatenate([a, b], axis=1)
    return Features(tuple(levels), valid, second.day, pooled, first.cell, first.seconds + second.seconds)


def _encoded(
    encoder: Any, batch: Batch, levels: Sequence[int], progress: Callable[[int, int, str], None] | None
) -> Features:
    height, width = next(iter(batch.pixels.values())).values.shape[-2:]
    dates = sum(p.values.shape[1] for p in batch.pixels.values())
    step = max(1, _PIXELS // max(1, height * width * dates))
    parts: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = []
    vectors: list[np.ndarray] = []
    began = time.perf_counter()
    for start in range(0, len(batch), step):
        part = take(batch, np.arange(start, min(start + step, len(batch))))
        maps, pooled = _of_part(encoder, part, levels)
        parts.append(maps)
        vectors.append(pooled)
        if progress is not None:
            progress(min(start + step, len(batch)), len(batch), "encoding")
    seconds = time.perf_counter() - began
    joined = [tuple(np.concatenate([p[i][j] for p in parts]) for j in range(3)) for i in range(len(levels))]
    cell = -(-height // joined[-1][0].shape[-2])
    values, valid, day = (tuple(j[i] for j in joined) for i in range(3))
    return Features(values, valid, day, np.concatenate(vectors), cell, seconds)


def _of_part(
    encoder: Any, batch: Batch, levels: Sequence[int]
) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray]], np.ndarray]:
    """Maps of every level, and the vector of each example: the encoder's own, or the mean where windows were merged."""
    height, width = next(iter(batch.pixels.values())).values.shape[-2:]
    patch = max(1, int(getattr(encoder, "patch", 1) or 1))
    size = encoder.needs.size
    days: list[np.ndarray] = []
    whole: list[np.ndarray] = []

    def maps(part: Batch) -> list[Maps]:
        days.clear()
        found = []
        for tokens in encoder.encode(part, levels=tuple(levels)):
            values, valid, day = on_grid(tokens)
            days.append(day)
            found.append((values, valid))
        whole.append(np.asarray(tokens.pooled(), np.float32))
        return found

    if size and (height > size or width > size or min(height, width) < size):
        out = merged(maps, batch, int(size), patch)
    else:
        patch = min(patch, height, width)
        tall, wide = -(-height // patch) * patch, -(-width // patch) * patch
        out = maps(batch if (tall, wide) == (height, width) else padded(batch, tall, wide))
    levels_out = [(np.where(v[:, :, None], x, 0), v, d) for (x, v), d in zip(out, days, strict=True)]
    if len(whole) == 1:
        return levels_out, whole[0]
    values, valid, _ = levels_out[-1]
    count = np.maximum(valid.sum((1, 2, 3)), 1)[:, None]
    return levels_out, np.asarray(values.sum((1, 3, 4)) / count, np.float32)


def on_grid(tokens: Tokens) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values (B, T, D, h, w), valid (B, T, h, w), day (B, T) of tokens; those on no grid become one cell, averaged."""
    if tokens.shape is None and hasattr(tokens, "on_grid"):
        tokens = tokens.on_grid()
    values, valid = np.asarray(tokens.values, np.float32), np.array(tokens.valid, bool)
    if tokens.shape is None:
        pooled = np.asarray(tokens.pooled(), np.float32)[:, None, :, None, None]
        return pooled, np.asarray(valid.any(1))[:, None, None, None], np.full((len(pooled), 1), np.nan)
    t, h, w = tokens.shape
    b, _, d = values.shape
    day = np.asarray(tokens.day, float).reshape(b, t, h * w)[:, :, 0]
    return values.reshape(b, t, h, w, d).transpose(0, 1, 4, 2, 3), valid.reshape(b, t, h, w), day


def parameters(model: Any) -> int:
    """How many weights a network has; 0 for what has none."""
    own = getattr(model, "parameters", None)
    return sum(int(p.numel()) for p in own()) if callable(own) else 0


def unused(encoder: Any, batch: Batch) -> list[str]:
    """Bands of the data that change nothing in what the encoder gives: hidden one by one, on two examples."""
    few = take(batch, np.arange(min(2, len(batch))))
    few = replace(few, pixels={n: _cropped(p) for n, p in few.pixels.items()})
    whole = np.asarray(encoder.encode(few)[0].values)
    names = []
    for name, p in few.pixels.items():
        for i, band in enumerate(p.bands):
            if not p.valid[:, :, i].any():
                continue
            valid = p.valid.copy()
            valid[:, :, i] = False
            try:
                without = np.asarray(
                    encoder.encode(replace(few, pixels={**few.pixels, name: replace(p, valid=valid)}))[0].values
                )
            except SwathError:
                continue
            if without.shape == whole.shape and np.array_equal(np.nan_to_num(without), np.nan_to_num(whole)):
                names.append(f"{name} {band.name}" if len(few.pixels) > 1 else band.name)
    return names


def _cropped(p: Pixels, side: int = 32) -> Pixels:
    return replace(p, values=p.values[..., :side, :side], valid=p.valid[..., :side, :side])


def lacking(encoder: Any, batch: Batch) -> list[str]:
    """Bands that the encoder can read and the data do not have.

    By its `parts` (quantity and wanted bands), else by the names in the facts of its weights; where no name is one of a
    band here, the names are of something else (groups), and nothing is said.
    """
    bands = [band for p in batch.pixels.values() for band in p.bands]
    missing: list[str] = []
    for part in getattr(encoder, "parts", ()):
        quantity = (part.quantity,) if isinstance(part.quantity, str) else part.quantity
        served = columns([b for b in bands if b.quantity in quantity], part.wanted)
        gone = [w.name for w, at in zip(part.wanted, served, strict=True) if at is None]
        missing += [f"{part.name} (all {len(gone)})"] if len(gone) == len(part.wanted) > 1 else gone
    if getattr(encoder, "parts", ()):
        return missing
    known = tuple(getattr(getattr(encoder, "facts", None), "bands", ()) or ())
    here = {_plain(n) for b in bands for n in (b.name, b.polarisation, *b.aliases) if n}
    lost = [name for name in known if _plain(name) not in here]
    return lost if len(lost) < len(known) else []


def _plain(name: str) -> str:
    text = name.lower().replace("_", "")
    return text[0] + text[1:].lstrip("0") if len(text) > 1 and text[0] == "b" and text[1:].isalnum() else text


class DataScaled:
    """An encoder that is shown values as if the data's mean and deviation were those of its pre-training.

    That is how many benchmarks normalise; it shifts what the network sees by however much the data differ from what it
    knows. Only for encoders that tell their own (`scaling(bands)` -> means, deviations).
    """

    def __init__(self, encoder: Any, batch: Batch) -> None:
        own = getattr(encoder, "scaling", None)
        if not callable(own):
            raise SwathError(
                rule="scaling can be exchanged for encoders that tell their own",
                got=type(encoder).__name__,
                remedy="use its own scaling",
            )
        self.encoder, self.needs, self.facts = encoder, encoder.needs, getattr(encoder, "facts", None)
        self.patch = getattr(encoder, "patch", 1)
        self.rule: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for name, p in batch.pixels.items():
            mean, deviation = (np.asarray(v, float) for v in own(p.bands))
            ours = [p.values[:, :, i][p.valid[:, :, i]] for i in range(len(p.bands))]
            gain = np.array(
                [d / max(float(v.std()), 1e-9) if len(v) else 1.0 for d, v in zip(deviation, ours, strict=True)]
            )
            shift = np.array(
                [m - g * float(v.mean()) if len(v) else 0.0 for m, g, v in zip(mean, gain, ours, strict=True)]
            )
            self.rule[name] = (gain, shift)

    def encode(self, batch: Batch, levels: Sequence[int] = (-1,)) -> list[Tokens]:
        """Tokens of the values after the exchange."""
        pixels = {}
        for name, p in batch.pixels.items():
            gain, shift = (v[None, None, :, None, None].astype(np.float32) for v in self.rule[name])
            pixels[name] = replace(p, values=np.where(p.valid, p.values * gain + shift, 0).astype(np.float32))
        found: list[Tokens] = self.encoder.encode(replace(batch, pixels=pixels), levels=levels)
        return found
