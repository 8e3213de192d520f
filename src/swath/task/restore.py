"""Hidden values as one task: what is asked is a mask over sensor, date and pixel; fill, forecast and translate differ by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from swath.batch import Batch
from swath.errors import SwathError
from swath.metric.pictures import ssim
from swath.metric.regression import moments

__all__ = ["Filler", "Restore", "scores"]


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
