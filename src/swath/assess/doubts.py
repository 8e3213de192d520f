"""Which doubt finds a map's errors: conformal sets, probabilities, distance, and a head on the representation itself.

The head (`assess.unsure`) learns from the losses of labels out of fold; here it is cross-fitted, so that it is judged on
places that it never saw, and its numbers are shown as ranks among the labels, since they have no unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swath.assess.rivals import ranking
from swath.estimate import Estimate

__all__ = ["Ranks", "compare", "fit", "losses_of"]

_ROWS = 8192  # asked at once
_WIDTH, _EPOCHS = 64, 40


@dataclass(frozen=True, slots=True)
class Ranks:
    """A fitted head in NumPy. weights: (matrix, offset) of its layers; levels (101,): percentiles of the labels' doubt.

    own: (n,) doubt of the training rows, each from a head that saw nothing of its fold; NaN where none could be fitted.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weights: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
    levels: NDArray[np.float32]
    own: NDArray[np.float32]

    def doubt(self, features: ArrayLike) -> NDArray[np.float32]:
        """(n, F) -> (n,): the head's number, larger is more unsure; NaN where a feature is missing."""
        x = np.asarray(features, np.float32)
        out = np.full(len(x), np.nan, np.float32)
        fine = np.flatnonzero(np.isfinite(x).all(1))
        for start in range(0, len(fine), _ROWS):
            rows = fine[start : start + _ROWS]
            part = (x[rows].astype(np.float64) - self.mean) / self.scale
            for number, (matrix, offset) in enumerate(self.weights):
                part = part @ matrix.astype(np.float64) + offset
                if number + 1 < len(self.weights):
                    part = np.where(part > 0, part, 0.01 * part)
            # Rounded: the last bits of a product depend on where in it a row stands.
            out[rows] = np.round(np.logaddexp(part[:, 0], 0) + 1e-6, 5)
        return out

    def __call__(self, features: ArrayLike) -> NDArray[np.uint8]:
        """(n, F) -> (n,) uint8: more unsure than so many per cent of the labels, 0 to 100; 255 where missing."""
        said = self.doubt(features)
        rank = np.searchsorted(self.levels, said, side="right").clip(1, 101) - 1
        return np.where(np.isfinite(said), rank, 255).astype(np.uint8)


def losses_of(probability: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Cross entropy of probabilities (n, K) that were predicted out of fold with true classes (n,); NaN where missing."""
    p = np.asarray(probability, float)
    return np.asarray(-np.log(np.clip(p[np.arange(len(p)), np.asarray(truth, int)], 1e-6, 1)))


def fit(features: ArrayLike, losses: ArrayLike, fold: ArrayLike, *, seed: int = 0) -> Ranks:
    """A head for (n, F) features of labels with losses (n,) out of `fold` (n,), and its cross-fitted numbers.

    Raises LabelError for fewer than 8 labels or losses that are all equal, ExtraError without torch.
    """
    from swath.assess import unsure

    x, target, folds = np.asarray(features, np.float32), np.asarray(losses, float), np.asarray(fold)
    options = {"seed": seed, "epochs": _EPOCHS, "width": _WIDTH}
    known = np.isfinite(target)
    own = np.full(len(x), np.nan, np.float32)
    for k in np.unique(folds[known]):
        train, test = known & (folds != k), folds == k
        if train.sum() >= 8 and np.ptp(target[train]) > 0:
            own[test] = unsure.fit(x[train], target[train], **options)(x[test])  # type: ignore[arg-type]
    head = unsure.fit(x[known], target[known], **options)  # type: ignore[arg-type]
    layers = [m for m in head.module.unc_module if hasattr(m, "weight")]
    weights = tuple((np.ascontiguousarray(m.weight.detach().numpy().T), m.bias.detach().numpy().copy()) for m in layers)
    whole = Ranks(head.mean, head.scale, weights, np.zeros(101, np.float32), own)
    levels = np.quantile(whole.doubt(x[known]), np.linspace(0, 1, 101)).astype(np.float32)
    return Ranks(head.mean, head.scale, weights, levels, own)


def compare(
    wrong: ArrayLike, doubts: Mapping[str, ArrayLike], place: ArrayLike, *, seed: int = 0, simulated: bool = False
) -> list[tuple[str, Estimate]]:
    """How well each doubt (n,) ranks the errors (n,) of labels out of fold: AUROC, 0.5 none; places are resampled whole.

    Labels that one of the doubts does not know are left out for all, so that all are judged on the same.
    """
    said = {name: np.asarray(values, float) for name, values in doubts.items()}
    fine = np.isfinite(np.asarray(wrong, float)) & np.all([np.isfinite(v) for v in said.values()], axis=0)
    correct = 1 - np.asarray(wrong, float)[fine]
    runs = [(correct, {name: v[fine] for name, v in said.items()}, np.asarray(place)[fine])]
    return [(name, ranking(runs, name, draws=500, seed=seed, simulated=simulated)) for name in said]
