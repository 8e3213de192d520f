"""Heads that are trained on maps: the shared decoder on frozen features, and the supervised networks from scratch.

All learn from the same single labels as the probes, seeded, by plain steps of AdamW; nothing else about them differs
from set to set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from swath.bench.collection import Collection, Items
from swath.bench.features import Features, parameters
from swath.bench.probe import judged, targets
from swath.bench.scores import Scores

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Training", "decode", "scratch"]


@dataclass(frozen=True, slots=True)
class Training:
    """How heads on maps are trained. steps of `batch` examples; rate falls by a cosine; pool: how dates become one.

    channels: of the decoder; widths: of the networks from scratch; shared: a width that all levels are brought to first;
    finest: scale of the finest map of encoders of pixels (1/2: a quarter of the work).
    """

    steps: int = 60
    batch: int = 8
    rate: float = 2e-3
    decay: float = 0.05
    channels: int = 64
    widths: tuple[int, ...] = (16, 32, 64)
    pool: Literal["mean", "linear", "ltae", "ltae-days"] = "mean"
    shared: int | None = 64
    finest: float = 1.0


class _Inputs(Protocol):
    """What a network reads: `learn` its scaling, `take` examples for a forward, `make` the network. size: of its maps."""

    size: tuple[int, int] | None

    def learn(self, examples: np.ndarray) -> None: ...
    def take(self, examples: np.ndarray) -> Any: ...
    def make(self, out: int) -> nn.Module: ...


def decode(
    features: Features, collection: Collection, items: Items, training: Training | None = None, **splits: Any
) -> Scores:
    """The shared decoder on frozen maps. splits: share, seeds, folds, turns as in `probe`; balanced.

    Only for labels of pixels. Raises ExtraError without torch.
    """
    training = training or Training()
    how = _Levels(features, training, collection.size)
    found = _judge(how, collection, items, training, "decoder", splits)
    found.facts["parameters"] = parameters(how.make(max(len(collection.classes), 1)))
    return found


def scratch(collection: Collection, items: Items, training: Training | None = None, **splits: Any) -> Scores:
    """A small U-Net (labels of pixels) or convolutional network (of pictures) on the values themselves, from scratch."""
    training = training or Training()
    how = _Values(collection, training)
    found = _judge(how, collection, items, training, "from scratch", splits)
    found.facts["parameters"] = parameters(how.make(max(len(collection.classes), 1)))
    return found


class _Levels:
    """Frozen maps as tensors, each level in deviations of the examples that teach."""

    def __init__(self, features: Features, training: Training, size: tuple[int, int]) -> None:
        self.features, self.training = features, training
        self.size: tuple[int, int] | None = size
        self.standard: list[tuple[np.ndarray, np.ndarray]] = []

    def learn(self, examples: np.ndarray) -> None:
        self.standard = []
        for values, valid in zip(self.features.levels, self.features.valid, strict=True):
            v, seen = np.asarray(values[examples], np.float64), np.asarray(valid[examples])[:, :, None]
            n = max(float(seen.sum()), 1.0)
            mean = (v * seen).sum((0, 1, 3, 4)) / n
            spread = np.sqrt((np.square(v - mean[:, None, None]) * seen).sum((0, 1, 3, 4)) / n)
            self.standard.append((mean, np.where(spread > 1e-6, spread, 1.0)))

    def take(self, examples: np.ndarray) -> list[tuple[Tensor, Tensor, Tensor]]:
        import torch

        out = []
        parts = zip(self.features.levels, self.features.valid, self.features.day, self.standard, strict=True)
        for values, valid, day, (mean, spread) in parts:
            seen = np.asarray(valid[examples])
            v = (np.asarray(values[examples]) - mean[:, None, None]) / spread[:, None, None] * seen[:, :, None]
            out.append(
                (torch.as_tensor(v.astype(np.float32)), torch.as_tensor(np.array(day[examples])), torch.as_tensor(seen))
            )
        return out

    def make(self, out: int) -> nn.Module:
        from swath.nn.decoder import Decoder

        t = self.training
        widths = [int(v.shape[2]) for v in self.features.levels]
        dates = int(self.features.levels[0].shape[1])
        made: nn.Module = Decoder(
            widths,
            out,
            patch=self.features.cell,
            channels=t.channels,
            pool=t.pool,
            dates=dates,
            shared=t.shared,
            finest=t.finest,
        )
        return made


class _Values:
    """All bands and dates as channels, in deviations of the examples that teach; what is not valid is the mean."""

    def __init__(self, collection: Collection, training: Training) -> None:
        self.training, self.size = training, collection.size if collection.dense else None
        height, width = collection.size
        planes, valid = [], []
        for name in sorted(collection.batch.pixels):
            p = collection.batch.pixels[name]
            b, t, c, h, w = p.values.shape
            rows, columns = (np.arange(height) * h) // height, (np.arange(width) * w) // width
            at = (slice(None), slice(None), rows[:, None], columns)
            planes.append(p.values.reshape(b, t * c, h, w)[at])
            valid.append(p.valid.reshape(b, t * c, h, w)[at])
        self.values, self.valid = np.concatenate(planes, 1), np.concatenate(valid, 1)
        self.mean = self.spread = np.zeros(0)

    def learn(self, examples: np.ndarray) -> None:
        v, seen = self.values[examples].astype(np.float64), self.valid[examples]
        n = np.maximum(seen.sum((0, 2, 3)), 1)
        self.mean = np.where(seen, v, 0).sum((0, 2, 3)) / n
        spread = np.sqrt((np.square(np.where(seen, v - self.mean[:, None, None], 0))).sum((0, 2, 3)) / n)
        self.spread = np.where(spread > 1e-9, spread, 1.0)

    def take(self, examples: np.ndarray) -> Tensor:
        import torch

        v = (self.values[examples] - self.mean[:, None, None]) / self.spread[:, None, None]
        return torch.as_tensor(np.where(self.valid[examples], v, 0).astype(np.float32))

    def make(self, out: int) -> nn.Module:
        from swath.nn.decoder import Chips
        from swath.nn.unet import UNet

        channels = self.values.shape[1]
        if self.size is not None:
            unet: nn.Module = UNet(channels, out, self.training.widths, norm="group")
            return unet
        chips: nn.Module = Chips(channels, out, self.training.widths)
        return chips


def _judge(
    inputs: _Inputs, collection: Collection, items: Items, training: Training, kind: str, splits: dict[str, Any]
) -> Scores:
    from swath.errors import need

    need("torch", extra="nn", why="decoders and networks from scratch")
    names, y = targets(np.asarray(items.target), collection.classes)
    balanced = bool(splits.pop("balanced", False))

    def answer(few: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        network, scale = _train(inputs, items, y, few, len(names), training, seed, balanced)
        return _answer(network, inputs, items, test, scale, len(names))

    return judged(
        answer, y, items.place, kind=kind, names=names, unit=collection.unit, simulated=collection.simulated, **splits
    )


def _train(
    inputs: _Inputs,
    items: Items,
    y: np.ndarray,
    few: np.ndarray,
    classes: int,
    training: Training,
    seed: int,
    balanced: bool,
) -> tuple[nn.Module, tuple[float, float]]:
    import torch
    from torch.nn import functional

    examples = np.unique(items.example[few])
    inputs.learn(examples)
    mean, spread = (0.0, 1.0) if classes else (float(y[few].mean()), float(y[few].std()) or 1.0)
    weight = None
    if balanced and classes:
        count = np.bincount(y[few], minlength=classes)
        weight = torch.as_tensor(np.where(count > 0, len(few) / np.maximum(count, 1) / (count > 0).sum(), 0)).float()
    random = np.random.default_rng([seed, 7])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = inputs.make(max(classes, 1)).train()
        optimiser = torch.optim.AdamW(network.parameters(), lr=training.rate, weight_decay=training.decay)
        order: list[int] = []
        for step in range(training.steps):
            while len(order) < min(training.batch, len(examples)):
                order += random.permutation(examples).tolist()
            now, order = np.array(order[: training.batch]), order[training.batch :]
            now = np.unique(now)
            output, at = _forward(network, inputs, items, few[np.isin(items.example[few], now)], now)
            goal = torch.as_tensor(y[at])
            if classes:
                loss = functional.cross_entropy(output, goal, weight)
            else:
                loss = (output[:, 0] - ((goal - mean) / spread).float()).square().mean()
            for group in optimiser.param_groups:
                warm = min(1.0, (step + 1) / 5)
                group["lr"] = training.rate * warm * 0.5 * (1 + math.cos(math.pi * step / training.steps))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
    return network.eval(), (mean, spread)


def _forward(
    network: nn.Module, inputs: _Inputs, items: Items, which: np.ndarray, examples: Sequence[int] | np.ndarray
) -> tuple[Tensor, np.ndarray]:
    """(n, K) at the items `which`, all of which lie in `examples`, and which items they are."""
    examples = np.asarray(examples)
    given = inputs.take(examples)
    output = network(given, inputs.size) if isinstance(given, list) else network(given)
    at = np.searchsorted(examples, items.example[which])
    if items.dense:
        return output[at, :, items.row[which], items.column[which]], which
    return output[at], which


def _answer(
    network: nn.Module, inputs: _Inputs, items: Items, test: np.ndarray, scale: tuple[float, float], classes: int
) -> np.ndarray:
    import torch

    out = np.zeros((len(items), max(classes, 1)))
    with torch.inference_mode():
        examples = np.unique(items.example[test])
        for start in range(0, len(examples), 16):
            now = examples[start : start + 16]
            output, at = _forward(network, inputs, items, test[np.isin(items.example[test], now)], now)
            out[at] = output.double().numpy()
    return np.asarray(out[test] if classes else out[test, 0] * scale[1] + scale[0])
