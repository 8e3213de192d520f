"""What `change` writes at every pixel, by each of its ways: measures, two classifications, labels of pairs, networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from swath.baseline import joint
from swath.batch import Batch
from swath.tools.change_legend import NO_CHANGE, PROBABILITY_SCALE, Legend
from swath.tools.change_pair import AFTER, BEFORE, planes

if TYPE_CHECKING:
    from swath.assess.doubt import Applicability
    from swath.baseline.change import Detector
    from swath.baseline.mapper import Mapper
    from swath.predict.pairs import Pairs

__all__ = ["ByLabels", "ByMeasure", "ByNetwork", "ByTwoMaps", "Spectral", "stored_share", "undecided"]

DOUBTS = ("undecided", "shift")
SAID = {
    "undecided": "0: sure, 100: change and no change are equally likely",
    "shift": "1: change that is gone when the after date is moved by one pixel",
    "outside": "1: outside the area of applicability (Meyer & Pebesma 2021), on either date",
    "spread": "how far the answers of two ways to lay windows lie apart, in hundredths",
}


def stored_share(share: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Probabilities (..., H, W) as stored: steps of 0.004, 255 where not seen."""
    out = np.clip(np.rint(np.nan_to_num(share) / PROBABILITY_SCALE), 0, 250).astype(np.uint8)
    out[..., ~seen] = 255
    return np.asarray(out)


def undecided(share: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(H, W) 0 to 100: how near the probability of change is to one half; 255 where not seen."""
    near = 200 * np.minimum(share, 1 - share)
    return np.where(seen, np.rint(np.nan_to_num(near)), 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Spectral:
    """The difference measure of the pair and the bands it reads; also tells which change a shift would explain."""

    detector: Detector
    bands: tuple[list[int], list[int]]

    def shift(self, batch: Batch, changed: np.ndarray) -> np.ndarray:
        """(H, W) 1 where a change is gone when the after date moves by one pixel, 255 where not seen."""
        a, b, seen = planes(batch, self.bands)
        gone = self.detector.by_shift(a, b, seen, changed & seen)
        return np.where(seen, gone, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class ByMeasure:
    """Change where the difference measure exceeds its threshold."""

    spectral: Spectral
    legend: Legend

    @property
    def planes(self) -> int:
        """Planes made of a window."""
        return 8 * len(self.spectral.detector.mad.correlation)

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """Layers of the window."""
        a, b, seen = planes(batch, self.spectral.bands)
        detector = self.spectral.detector
        measure = detector.measure(a, b, seen)
        changed = seen & (np.nan_to_num(measure) > detector.threshold)
        share = np.where(seen, detector.null.probability(np.nan_to_num(measure)), 0)
        codes = np.where(seen, np.where(changed, 2, NO_CHANGE), 0).astype(self.legend.dtype)
        doubts = np.stack([undecided(share, seen), self.spectral.shift(batch, changed)])
        return {
            "change": codes[None, None],
            "probability": stored_share(share, seen)[None, None],
            "doubt": doubts[None],
        }


@dataclass(frozen=True, slots=True)
class ByTwoMaps:
    """Both dates classified by one mapper that learned on `name`; change by the joint probability of both classes.

    prior (K, K): how often each pair of classes occurs in the scene; share (K,): of the classes in training. shown:
    kinds (from, to) that probability.tif has a band for.
    """

    mapper: Mapper
    name: str
    applicability: Applicability
    prior: np.ndarray
    share: np.ndarray
    legend: Legend
    shown: tuple[tuple[int, int], ...]
    spectral: Spectral | None

    @property
    def planes(self) -> int:
        """Planes made of a window."""
        return 2 * len(self.mapper.features.names) + len(self.mapper.classes) ** 2

    def of(self, batch: Batch, side: str) -> dict[str, np.ndarray]:
        """The mapper's answer to one date."""
        wanted = self.mapper.features.sensors[0].bands
        p = replace(batch.pixels[side], bands=wanted)
        return self.mapper(Batch({self.name: p}))

    def joint(self, batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Probability (K, K, H, W) of each pair of classes, pixels seen (H, W), and outside (H, W) on either date."""
        both = [self.of(batch, side) for side in (BEFORE, AFTER)]
        seen = both[0]["valid"][0] & both[1]["valid"][0]
        shares = [np.nan_to_num(g["probability"][0]) for g in both]
        pairs = joint.posterior(shares[0], shares[1], self.prior, self.share)
        outside = np.zeros(seen.shape, bool)
        for got in both:
            outside[seen] |= self.applicability.outside(got["features"][0][:, seen].T)
        return pairs, seen, outside

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """Layers of the window, the two class maps among them."""
        pairs, seen, outside = self.joint(batch)
        k = len(pairs)
        share = 1 - np.trace(pairs)
        flat = pairs.reshape(k * k, *seen.shape)
        own = np.eye(k, dtype=bool).ravel()
        changed = share > 0.5
        best = np.where(
            changed, np.where(own[:, None, None], -1, flat).argmax(0), np.where(own[:, None, None], flat, -1).argmax(0)
        )
        codes = np.where(seen, self.legend.codes().ravel()[best], 0).astype(self.legend.dtype)
        shown = np.stack([share, *(pairs[i, j] for i, j in self.shown)])
        doubts = [undecided(share, seen)]
        if self.spectral is not None:
            doubts.append(self.spectral.shift(batch, seen & changed))
        doubts.append(np.where(seen, outside, 255).astype(np.uint8))
        numbers = np.asarray(self.mapper.codes)
        kind = np.uint8 if numbers.max() <= 254 else np.uint16
        maps = [np.where(seen, numbers[side], 0).astype(kind) for side in (best // k, best % k)]
        return {
            "change": codes[None, None],
            "probability": stored_share(shown, seen)[None],
            "doubt": np.stack(doubts)[None],
            BEFORE: maps[0][None, None],
            AFTER: maps[1][None, None],
        }


@dataclass(frozen=True, slots=True)
class ByLabels:
    """Change by a mapper that learned from labels of pairs; codes (K,) of its classes."""

    mapper: Mapper
    applicability: Applicability
    codes: np.ndarray
    legend: Legend
    spectral: Spectral

    @property
    def planes(self) -> int:
        """Planes made of a window."""
        return len(self.mapper.features.names)

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """Layers of the window."""
        got = self.mapper(batch)
        seen, share = got["valid"][0], np.nan_to_num(got["probability"][0])
        each = np.stack([share[self.codes == k.code].sum(0) for k in self.legend.kinds])
        total = each.sum(0)
        best = np.array([k.code for k in self.legend.kinds])[each.argmax(0)]
        changed = seen & (total > 0.5)
        codes = np.where(seen, np.where(changed, best, NO_CHANGE), 0).astype(self.legend.dtype)
        outside = np.full(seen.shape, 255, np.uint8)
        outside[seen] = self.applicability.outside(got["features"][0][:, seen].T)
        doubts = np.stack([undecided(total, seen), self.spectral.shift(batch, changed), outside])
        shown = np.stack([total, *each]) if len(each) > 1 else total[None]
        return {"change": codes[None, None], "probability": stored_share(shown, seen)[None], "doubt": doubts[None]}


@dataclass(frozen=True, slots=True)
class ByNetwork:
    """Change by a network run in its windows; threshold of its probability."""

    pairs: Pairs
    legend: Legend
    spectral: Spectral
    threshold: float = 0.5
    crops: ClassVar[bool] = True

    @property
    def planes(self) -> int:
        """Planes made of a window."""
        return self.pairs.planes

    def __call__(self, batch: Batch, inside: tuple[slice, slice] = (slice(None), slice(None))) -> dict[str, np.ndarray]:
        """Layers of the part `inside` of the window."""
        got: Mapping[str, Any] = self.pairs(batch, inside)
        each, spread = (np.asarray(got[name])[0] for name in self.pairs.names)
        seen = np.isfinite(each).all(0)
        each = np.nan_to_num(each)
        total = each.max(0)
        best = np.array([k.code for k in self.legend.kinds])[each.argmax(0)]
        changed = seen & (total > self.threshold)
        codes = np.where(seen, np.where(changed, best, NO_CHANGE), 0).astype(self.legend.dtype)
        whole = np.zeros(batch.pixels[BEFORE].values.shape[-2:], bool)
        whole[inside] = changed
        doubts = np.stack(
            [
                undecided(total, seen),
                self.spectral.shift(batch, whole)[inside],
                np.where(seen, np.rint(100 * np.nan_to_num(spread).max(0)), 255).astype(np.uint8),
            ]
        )
        shown = np.stack([total, *each]) if len(each) > 1 else total[None]
        return {"change": codes[None, None], "probability": stored_share(shown, seen)[None], "doubt": doubts[None]}
