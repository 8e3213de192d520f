"""A trained decoder over series as an Encoder: what it knows of a pixel after reading all its dates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from swath.baseline.forecast import Series
from swath.batch import Batch, Pixels, Tokens, array
from swath.models import deco_input as prompts
from swath.models import deco_say
from swath.models.deco import check_bands

if TYPE_CHECKING:
    from swath.models.deco import Deco
    from swath.models.deco_input import Sight

__all__ = ["encode", "known"]


def known(model: Deco, sight: Sight) -> np.ndarray:
    """(N, D) of what the model knows at the end of its prompt: the answer's place, or the last observation where it never
    learned classes; NaN where nothing was seen.
    """
    vocabulary = model.vocabulary
    if "crop" in vocabulary.tasks and vocabulary.spaces:
        return deco_say.answers(model, sight, next(iter(vocabulary.spaces)))[1]
    out = np.full((len(sight), int(model.config["dim"])), np.nan, np.float32)
    some = np.flatnonzero(sight.there.any(1))
    task = next(t for t in vocabulary.tasks if t != "crop")
    with torch.inference_mode():
        for turn in deco_say.turns(sight.there.sum(1)[some]):
            rows = some[turn]
            nothing = np.zeros((len(rows), 0))
            packed = prompts.impute(sight.rows(rows), vocabulary, nothing.astype(int), nothing, task=task).to("cpu")
            out[rows] = model(packed)[torch.arange(len(rows)), packed.last].numpy()
    return out


def encode(model: Deco, batch: Batch, levels: Sequence[int] = (-1,)) -> list[Tokens]:
    """A token for every pixel: values (B, H * W, D), NumPy. Bands may come in any order; sensors are known by their bands.

    Raises BandError where no sensor was learned, UnitError for other units, ValueError for another level than -1.
    """
    if any(level != -1 for level in levels):
        raise ValueError(f"a decoder over series has one level, -1; got {list(levels)}")
    parts: dict[str, Series] = {}
    for pixels in batch.pixels.values():
        name, one = _series(model, pixels)
        parts.setdefault(name, one)
    b, _, _, h, w = next(iter(batch.pixels.values())).values.shape
    found = known(model, prompts.merged(parts, model.vocabulary, model.width)).reshape(b, h * w, -1)
    valid = np.isfinite(found).all(-1)
    position = np.broadcast_to(np.moveaxis(np.indices((h, w)), 0, -1).reshape(1, h * w, 2), (b, h * w, 2))
    day = np.full((b, h * w), np.nan)
    return [Tokens(np.where(valid[..., None], found, 0), valid, day, position, (1, h, w)) for _ in levels]


def _series(model: Deco, pixels: Pixels) -> tuple[str, Series]:
    """The learned sensor that has these bands, and every pixel's series in its order of bands."""
    names = [b.name for b in pixels.bands]
    home = next((s for s, v in model.sensors.items() if sorted(v["bands"]) == sorted(names)), next(iter(model.sensors)))
    wanted = model.sensors[home]["bands"]
    order = [names.index(n) for n in wanted] if sorted(wanted) == sorted(names) else list(range(len(names)))
    bands = tuple(pixels.bands[i] for i in order)
    check_bands(model, home, bands)
    values, valid = (
        array(a)[:, :, order].transpose(0, 3, 4, 1, 2).reshape(-1, np.shape(a)[1], len(order))
        for a in (pixels.values, pixels.valid)
    )
    each = len(values) // len(array(pixels.day))
    day = np.repeat(array(pixels.day).astype(np.float64), each, 0)
    return home, Series(values.astype(np.float32), valid, day, np.zeros(len(values), "U1"), bands)
