"""What `stress` asks: a map's model, or a classifier of windows, for its answer and doubt at some pixels of a picture."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from swath.batch import Batch
from swath.errors import LabelError

if TYPE_CHECKING:
    from swath.baseline.learner import Learned
    from swath.sample.labels import Labels
    from swath.tools.mapping import Work

__all__ = ["Answer", "MapSubject", "Subject", "ZoneSubject", "folds_of"]


@dataclass(frozen=True, slots=True)
class Answer:
    """At pixels that were asked for: share (K, H, W) probabilities or (1, H, W) values, NaN where there is no answer.

    whole: the same by the whole model (share may come from models that never saw the place). doubt (D, H, W).
    """

    share: np.ndarray
    whole: np.ndarray
    doubt: np.ndarray


class Subject(Protocol):
    """Anything that answers for pictures."""

    @property
    def kind(self) -> str:
        """Class or number."""
        ...

    @property
    def classes(self) -> list[str]:
        """Of the answers, in order."""
        ...

    @property
    def codes(self) -> list[int]:
        """Of the classes as the map stores them."""
        ...

    @property
    def doubts(self) -> tuple[str, ...]:
        """Names of the doubts."""
        ...

    @property
    def reach(self) -> int:
        """Pixels around what is asked that must be there."""
        ...

    @property
    def align(self) -> int:
        """What a window's first row and column are a multiple of."""
        ...

    def __call__(self, batch: Batch, wanted: np.ndarray, fold: np.ndarray) -> Answer:
        """The answer of a Batch of one at the pixels `wanted` (H, W); fold (H, W): which of the folds a label lies in, -1."""
        ...


def folds_of(work: Work, labels: Labels) -> tuple[np.ndarray, dict[int, Learned]]:
    """For labels that the model learned from: the fold (n,) of the nearest training row, and the models without each fold.

    Raises LabelError for a model that cannot be fitted again without some of its labels.
    """
    from scipy.spatial import cKDTree

    from swath.baseline import learner
    from swath.baseline.mapper import Mapper

    mapper = work.mapper
    if not isinstance(mapper, Mapper):
        raise LabelError(
            rule="labels that a model learned from cannot judge it",
            got="a file of swath train",
            remedy="give --truth of places that it never saw",
        )
    t = mapper.training
    tree = cKDTree(np.stack([t.row, t.column], 1).astype(float))
    fold = t.fold[tree.query(np.stack([labels.row, labels.column], 1).astype(float))[1]]
    models = {
        int(k): learner.fit(
            mapper.candidate.model, t.x[t.fold != k], t.y[t.fold != k], classes=len(mapper.classes), seed=mapper.seed
        )
        for k in np.unique(t.fold)
    }
    return fold, models


@dataclass(frozen=True)
class MapSubject:
    """The model of a map (or a file of `swath train`) with its calibration and its area of applicability."""

    work: Work
    models: Mapping[int, Learned] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Class or number."""
        return self.work.mapper.kind

    @property
    def classes(self) -> list[str]:
        """Of the answers, in order."""
        return list(self.work.mapper.classes)

    @property
    def codes(self) -> list[int]:
        """Of the classes in classes.tif."""
        return list(self.work.mapper.codes)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Of each pixel."""
        if self.kind == "number":
            return ("outside what it learned from",)
        sets = ("classes that cannot be ruled out",) if self.work.calibration.drawn else ()
        ranked = ("unsure, rank among the labels",) if self.work.ranks is not None else ()
        return ("1 - largest probability", "outside what it learned from", *sets, *ranked)

    @property
    def reach(self) -> int:
        """Pixels around a label."""
        return int(self.work.mapper.reach)

    @property
    def align(self) -> int:
        """What a window's first row is a multiple of."""
        return int(self.work.mapper.features.align)

    def __call__(self, batch: Batch, wanted: np.ndarray, fold: np.ndarray) -> Answer:
        """See Subject."""
        from swath.baseline.mapper import Mapper

        mapper = self.work.mapper
        if isinstance(mapper, Mapper):
            return self._mapped(mapper, batch, wanted, fold)
        got = mapper(batch)
        share = np.where(wanted, got["probability" if self.kind == "class" else "value"][0], np.nan)
        return Answer(share, share, self._doubt(share, got["features"][0]))

    def _mapped(self, mapper: Any, batch: Batch, wanted: np.ndarray, fold: np.ndarray) -> Answer:
        values, valid = mapper.features(batch)
        guide = mapper.features.guide_planes(values)[0] if mapper.candidate.smoothed else None
        read = values[0][mapper.columns]
        whole = _predicted(mapper, mapper.model, read, valid[0], guide, wanted)
        share = whole.copy()
        for k, model in self.models.items():
            here = wanted & (fold == k)
            if here.any():
                share[:, here] = _predicted(mapper, model, read, valid[0], guide, here)[:, here]
        return Answer(share, whole, self._doubt(share, read))

    def _doubt(self, share: np.ndarray, features: np.ndarray) -> np.ndarray:
        there = np.isfinite(share).all(0)
        out = np.full((len(self.doubts), *there.shape), np.nan, np.float32)
        far = self.work.applicability.outside(features[:, there].T)
        if self.kind == "number":
            out[0, there] = far
            return out
        out[0, there], out[1, there] = 1 - share[:, there].max(0), far
        if self.work.calibration.drawn:
            out[2, there] = self.work.calibration.set_size(share[:, there])
        if self.work.ranks is not None:
            out[-1, there] = self.work.ranks(features[:, there].T) / 100
        return out


def _predicted(
    mapper: Any, model: Learned, read: np.ndarray, valid: np.ndarray, guide: np.ndarray | None, wanted: np.ndarray
) -> np.ndarray:
    """(K, H, W) at wanted pixels as the whole map has them: where it is smoothed, neighbours are predicted too."""
    from swath.baseline import smooth
    from swath.baseline import temperature as temper

    near = wanted & valid
    if guide is not None and near.any():
        from scipy.ndimage import maximum_filter

        near = maximum_filter(wanted, size=2 * smooth.REACH + 1, mode="constant") & valid
    out = np.full((max(1, len(mapper.classes)), *valid.shape), np.nan, np.float32)
    if near.any():
        out[:, near] = model.predict(np.ascontiguousarray(read[:, near]))
        if guide is not None:
            out = smooth.smooth(np.where(near, out, 0), near, guide)
    out[:, ~(wanted & valid)] = np.nan
    return np.asarray(temper.applied(out, mapper.temperature, axis=0)) if mapper.kind == "class" else out


@dataclass(frozen=True)
class ZoneSubject:
    """A published classifier of windows: every pixel has the class of its cell of 10 x 10 pixels, as its map would."""

    model: Any
    classes: list[str]
    window: int
    step: int
    kind: str = "class"
    doubts: tuple[str, ...] = ("1 - largest probability", "classifiers that say another class")
    reach: int = 0

    @property
    def codes(self) -> list[int]:
        """1 to K."""
        return list(range(1, len(self.classes) + 1))

    @property
    def align(self) -> int:
        """Windows start at a cell."""
        return self.step

    def __call__(self, batch: Batch, wanted: np.ndarray, fold: np.ndarray) -> Answer:
        """See Subject; the cells that hold no wanted pixel are not asked."""
        import torch

        from swath.predict.cells import starts

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said once, when the scene is opened
            pixels, bands = self.model.bands(batch.to("cpu"))
        values, valid = pixels.values[0][:, bands], pixels.valid[0][:, bands].all(1)
        h, w = wanted.shape
        cell = [np.minimum(np.arange(n) // self.step, len(starts(n, self.window, self.step)) - 1) for n in (h, w)]
        first = [starts(n, self.window, self.step) for n in (h, w)]
        asked = np.unique(np.stack([cell[0][np.nonzero(wanted)[0]], cell[1][np.nonzero(wanted)[1]]], 1), axis=0)
        total = np.zeros((len(asked), len(self.classes)))
        each = np.zeros((len(asked), 4, len(self.classes)))
        dates = np.zeros(len(asked))
        with torch.inference_mode():
            for t in range(len(values)):
                tops, lefts = first[0][asked[:, 0]], first[1][asked[:, 1]]
                cuts = [np.s_[t, :, a : a + self.window, b : b + self.window] for a, b in zip(tops, lefts, strict=True)]
                good = [i for i, c in enumerate(cuts) if bool(valid[c[0], c[2], c[3]].all())]
                for start in range(0, len(good), 256):
                    some = good[start : start + 256]
                    heads = torch.stack(self.model.heads_of(torch.stack([values[cuts[i]] for i in some])))
                    each[some] += heads.double().numpy().transpose(1, 0, 2)
                    total[some] += heads.double().mean(0).numpy()
                    dates[some] += 1
        share = np.where(dates[:, None] > 0, total / np.maximum(dates, 1)[:, None], np.nan).T
        apart = (each.argmax(-1) != total.argmax(-1)[:, None]).mean(1)
        doubt = np.where(dates > 0, np.stack([1 - total.max(1) / np.maximum(dates, 1), apart]), np.nan)
        number = np.full((len(first[0]), len(first[1])), -1)
        number[asked[:, 0], asked[:, 1]] = np.arange(len(asked))
        at = number[cell[0][:, None], cell[1][None]]
        grids = (np.where(wanted & (at >= 0), a[:, at], np.nan).astype(np.float32) for a in (share, doubt))
        both = next(grids)
        return Answer(both, both, next(grids))


def largest(share: np.ndarray) -> np.ndarray:
    """(H, W): index of the likeliest class, -1 where there is no answer; the value itself of one plane."""
    if len(share) == 1:
        return np.asarray(share[0])
    known = np.isfinite(share).all(0)
    return np.where(known, np.where(known, share, 0).argmax(0), -1)
