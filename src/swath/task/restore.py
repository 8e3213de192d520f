"""Hidden values as one task: what is asked is a mask over sensor, date and pixel; fill, forecast and translate differ by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from swath.baseline.forecast import Forecaster, Series
from swath.batch import Batch, Pixels
from swath.errors import SwathError
from swath.metric.pictures import ssim
from swath.metric.regression import moments
from swath.metric.series import covered, crps

__all__ = ["Filler", "Restore", "by_series", "drawn_scores", "scores"]


class Filler(Protocol):
    """What says hidden values: (batch without them, draws) -> {sensor: (draws, B, T, C, H, W)} in physical units."""

    def __call__(self, batch: Batch, draws: int = 1) -> Mapping[str, Any]:
        """A value everywhere, or NaN where it has none."""
        ...


@dataclass(frozen=True)
class Restore:
    """The task. filler: says the values; it never sees those that are asked for."""

    filler: Filler
    name: str = "restore"

    def restore(self, batch: Batch, asked: Mapping[str, np.ndarray], draws: int = 1) -> dict[str, np.ndarray]:
        """{sensor: (draws, B, T, C, H, W)} for the asked sensors: observed values pass through bit for bit.

        asked: {sensor: (B, T, H, W) bool}. Values neither asked nor valid are NaN. Raises SwathError for a mask of
        another shape, an unknown sensor, or a filler that gives fewer draws.
        """
        said = self.filler(hidden(batch, asked), draws)
        out = {}
        for name, mask in asked.items():
            if name not in said:
                raise SwathError(
                    rule="a filler says every sensor that is asked", got=f"no {name}", remedy="ask another one"
                )
            pixels, answer = batch.pixels[name], np.asarray(said[name], np.float32)
            if answer.shape != (draws, *pixels.values.shape):
                raise SwathError(
                    rule=f"{draws} draws of {name} have the shape {(draws, *pixels.values.shape)}",
                    got=str(answer.shape),
                    remedy="a regressor has one draw: ask for one, or take a model that draws",
                )
            known = np.where(pixels.valid, pixels.values, np.float32(np.nan))
            out[name] = np.where(np.asarray(mask)[None, :, :, None], answer, known[None])
        return out


def hidden(batch: Batch, asked: Mapping[str, np.ndarray]) -> Batch:
    """The Batch without the asked values. Raises SwathError for a mask of another shape or an unknown sensor."""
    pixels = dict(batch.pixels)
    for name, mask in asked.items():
        if name not in pixels:
            raise SwathError(
                rule=f"sensors of this batch are {', '.join(pixels)}", got=str(name), remedy="ask one of them"
            )
        p = pixels[name]
        b, t, _, h, w = p.values.shape
        if np.shape(mask) != (b, t, h, w) or np.asarray(mask).dtype != bool:
            raise SwathError(
                rule=f"what is asked of {name} is (B, T, H, W) bool, {(b, t, h, w)}",
                got=f"{np.asarray(mask).dtype} {np.shape(mask)}",
                remedy="a True for each pixel and date to say",
            )
        gone = np.asarray(mask)[:, :, None]
        pixels[name] = replace(p, values=np.where(gone, np.float32(np.nan), p.values), valid=p.valid & ~gone)
    return replace(batch, pixels=pixels)


def scores(
    restored: np.ndarray, values: np.ndarray, valid: np.ndarray, asked: np.ndarray, *, peak: float
) -> tuple[np.ndarray, np.ndarray]:
    """Of the mean of the draws, over asked valid values: moments (B, C, 6) for RMSE, and sum and count of SSIM (B, C, 2).

    restored (draws, B, T, C, H, W); values, valid (B, T, C, H, W); asked (B, T, H, W). peak: the largest value of SSIM's
    constants; it is to be named beside the number. Dates with a value that is not valid have no SSIM outside of it.
    """
    said = restored.mean(0)
    b, t, c, _, _ = values.shape
    error, alike = np.zeros((b, c, 6)), np.zeros((b, c, 2))
    for i in range(b):
        for j in range(c):
            counted = asked[i] & valid[i, :, j] & np.isfinite(said[i, :, j])
            error[i, j] = moments(said[i, :, j], values[i, :, j], valid=counted)
            for k in range(t):
                if counted[k].any():
                    ok = valid[i, k, j] & np.isfinite(said[i, k, j])
                    a, z = (np.where(ok, x[i, k, j], 0.0) for x in (said, values))
                    found = ssim(a, z, peak=peak)[counted[k]]
                    alike[i, j] += found.sum(), len(found)
    return error, alike


def by_series(make: Callable[[], Forecaster]) -> Filler:
    """A filler that says every pixel's series by a forecaster, fitted to the clear values of the batch, sensor by sensor.

    make: gives a forecaster that is not fitted yet (`baseline.methods.BETWEEN`), or one that needs no fit. It has one draw;
    asked for more, it raises SwathError.
    """

    def filler(batch: Batch, draws: int = 1) -> dict[str, np.ndarray]:
        if draws != 1:
            raise SwathError(
                rule="a forecaster of series says one value", got=f"{draws} draws", remedy="take a model that draws"
            )
        out = {}
        for name, pixels in batch.pixels.items():
            series = _series(pixels, batch)
            said = make().fit(series).fill(series, np.asarray(~series.valid.all(-1)))
            b, t, c, h, w = pixels.values.shape
            value = np.asarray(said.value, np.float32).reshape(b, h, w, t, c)
            out[name] = np.ascontiguousarray(value.transpose(0, 3, 4, 1, 2))[None]
        return out

    return filler


def _series(pixels: Pixels, batch: Batch) -> Series:
    """Every pixel of every example as a series; its example is its place."""
    b, t, c, h, w = pixels.values.shape
    values, valid = (
        np.asarray(a).transpose(0, 3, 4, 1, 2).reshape(b * h * w, t, c) for a in (pixels.values, pixels.valid)
    )
    day = np.asarray(pixels.day, np.float64)
    day = np.where(
        np.isfinite(day).all(1, keepdims=True), day, np.arange(t)
    )  # without dates their order is all there is
    place = np.asarray([str(p) for p in batch.place] if len(batch.place) == b else [str(i) for i in range(b)])
    return Series(values, valid, np.repeat(day, h * w, axis=0), np.repeat(place, h * w), pixels.bands)


def drawn_scores(
    restored: np.ndarray, values: np.ndarray, valid: np.ndarray, asked: np.ndarray, *, level: float = 0.90
) -> np.ndarray:
    """Of all draws, over asked valid values: (B, C, 4), sums of CRPS, of what the draws' middle `level` holds, of its width,
    and their count. Compare models at equal draws.

    restored (draws, B, T, C, H, W); values, valid (B, T, C, H, W); asked (B, T, H, W). The middle part of D draws lies
    between their quantiles (1 - level) / 2 and (1 + level) / 2; one draw holds nothing but itself.
    """
    low, high = np.quantile(restored, [(1 - level) / 2, (1 + level) / 2], axis=0)
    counted = asked[:, :, None] & valid & np.isfinite(restored).all(0)
    parts = (crps(restored, values), covered(low, high, values), high - low, np.ones(values.shape))
    sums = [np.where(counted, part, 0.0).sum((1, 3, 4), dtype=np.float64) for part in parts]
    return np.stack(sums, axis=-1)
