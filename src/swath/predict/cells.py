"""Windows to cells: a classifier of whole windows as a map of coarser cells, each from the window around it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from swath.batch import Batch, Pixels
from swath.cube import contract
from swath.errors import GridError, need
from swath.sample.window import Windows

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = ["Cells", "Sorter", "coarse", "starts"]

STEP_OF_SHARES = 0.004  # of the stored uint8: 250 is 1, 255 no data


class Sorter(Protocol):
    """A network that sorts windows: which bands of a Batch it reads, and the probabilities of each of its classifiers."""

    def bands(self, batch: Batch) -> tuple[Pixels, list[int]]:
        """The sensor, of tensors, and its bands in the network's order."""
        ...

    def heads_of(self, x: Any) -> list[Any]:
        """(N, C, window, window) -> one (N, K) of probabilities for each classifier."""
        ...


def starts(size: int, window: int, step: int) -> np.ndarray:
    """Where the windows of the cells begin along an axis: centred on the cell, moved inwards at the edges.

    A cell counts where its centre lies in the scene. Raises GridError for a scene smaller than a window.
    """
    if size < window:
        raise GridError(
            rule=f"a scene holds at least one window of {window} x {window} pixels",
            got=f"{size} pixels along a side",
            remedy="give a larger scene or area",
        )
    cells = np.arange((size + step // 2) // step)
    return np.asarray(np.clip(cells * step + step // 2 - window // 2, 0, size - window))


def coarse(cubes: Mapping[str, xr.DataArray], step: int) -> dict[str, xr.DataArray]:
    """The grid of the cells as a cube of ones, for `predict.run`: pixels `step` times as large, the same corner."""
    from odc.geo.geobox import GeoBox

    first = next(iter(cubes.values()))
    shape = tuple((first.sizes[d] + step // 2) // step for d in ("y", "x"))
    fine = contract.grid(first)
    box: GeoBox | None = None
    if fine is not None:
        affine = fine.affine * fine.affine.scale(step)
        box = GeoBox(shape, affine, fine.crs)
    ones = np.ones((1, *shape), np.uint8)
    return {"cells": contract.make(ones, bands=["cell"], geobox=box, quantity="other", units="1")}


@dataclass
class Cells:
    """A function for `predict.run` over the grid of `coarse`: class, probabilities and doubt of each cell.

    model: sorts windows of `window` pixels; classes: how many. Of several dates the probabilities are averaged over
    those in which all of the window is usable; without one the cell is empty. doubt: (1 - the largest probability, the
    share of the model's classifiers that would say another class).
    """

    cubes: Mapping[str, xr.DataArray]
    model: Sorter
    window: int
    step: int
    classes: int
    allow: tuple[str, ...] = ("snow",)
    _kept: dict[str, Any] = field(default_factory=dict, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Cells, (self.cubes, self.model, self.window, self.step, self.classes, self.allow)

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """{classes (1, 1, h, w), probability (1, K, h, w), doubt (1, 2, h, w)} as stored, for a window of cells."""
        top, left = (int(part) for part in batch.key[0].split("_"))
        h, w = next(iter(batch.pixels.values())).values.shape[-2:]
        first = next(iter(self.cubes.values()))
        rows = starts(first.sizes["y"], self.window, self.step)[top : top + h]
        columns = starts(first.sizes["x"], self.window, self.step)[left : left + w]
        return self._stored(*self._sorted(rows, columns))

    @property
    def windows(self) -> Windows:
        """The reader, made on first use in each process."""
        if "windows" not in self._kept:
            self._kept["windows"] = Windows(self.cubes, allow=self.allow)
        kept: Windows = self._kept["windows"]
        return kept

    def _sorted(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(h, w, K) mean probability, NaN where no date is usable, and (h, w, heads) the class of each classifier."""
        torch = need("torch", extra="nn", why="running a network")
        last = self.window
        area = (slice(int(rows[0]), int(rows[-1]) + last), slice(int(columns[0]), int(columns[-1]) + last))
        batch = self.windows.read(*area)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said once, before the run
            pixels, bands = self.model.bands(batch.to("cpu"))
        values, valid = pixels.values[0][:, bands], pixels.valid[0][:, bands].all(1)
        total = np.zeros((len(rows), len(columns), self.classes), np.float64)
        each: np.ndarray | None = None
        dates = np.zeros((len(rows), len(columns)), int)
        with torch.inference_mode():
            for t in range(len(values)):
                for i, top in enumerate(rows - rows[0]):
                    there = [
                        j for j, left in enumerate(columns - columns[0])
                        if bool(valid[t, top : top + last, left : left + last].all())
                    ]  # fmt: skip
                    if not there:
                        continue
                    lefts = [int(columns[j] - columns[0]) for j in there]
                    x = torch.stack([values[t, :, top : top + last, left : left + last] for left in lefts])
                    heads = torch.stack(self.model.heads_of(x)).double().numpy()
                    each = np.zeros((*dates.shape, *heads.shape[::2])) if each is None else each
                    total[i, there] += heads.mean(0)
                    each[i, there] += heads.transpose(1, 0, 2)
                    dates[i, there] += 1
        share = np.where(dates[..., None] > 0, total / np.maximum(dates, 1)[..., None], np.nan)
        votes = np.zeros((*dates.shape, 1), int) if each is None else each.argmax(-1)
        return share, votes

    def _stored(self, share: np.ndarray, votes: np.ndarray) -> dict[str, np.ndarray]:
        good = np.isfinite(share).all(-1)
        best = np.where(good, np.nan_to_num(share).argmax(-1), -1)
        apart = (votes != best[..., None]).mean(-1)
        doubt = np.stack([1 - np.nan_to_num(share).max(-1), apart])
        layers = {"probability": np.moveaxis(share, -1, 0), "doubt": doubt}
        stored = {
            name: np.where(good, np.clip(np.rint(np.nan_to_num(v) / STEP_OF_SHARES), 0, 250), 255).astype(np.uint8)[
                None
            ]
            for name, v in layers.items()
        }
        return {"classes": (best + 1).astype(np.uint8)[None, None], **stored}


def one_window(cubes: Mapping[str, xr.DataArray], window: int) -> Batch:
    """The middle of a scene as tensors, to look at before a run."""
    first = next(iter(cubes.values()))
    corner = [max(0, (first.sizes[d] - window) // 2) for d in ("y", "x")]
    rows, columns = (slice(c, c + window) for c in corner)
    batch = Windows(cubes, budget=0).read(rows, columns)
    return replace(batch.to("cpu"))
