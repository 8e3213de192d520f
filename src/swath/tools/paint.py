"""What `map` writes at every pixel: class or value, its probabilities, and its doubt. One callable for `predict.run`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from swath.cube.blocks import Layer

if TYPE_CHECKING:
    from swath.assess.calibrate import Calibration
    from swath.assess.doubt import Applicability
    from swath.assess.doubts import Ranks
    from swath.baseline.mapper import Mapper
    from swath.batch import Batch

__all__ = ["PROBABILITY_SCALE", "Painter", "layers_of"]

VALUES = ("value", "low", "high", "outside")
PROBABILITY_SCALE = 0.004  # uint8 steps: 250 is certain, 255 no data


@dataclass(frozen=True, slots=True)
class Painter:
    """Layers of a window from a mapper, its conformal calibration and its area of applicability."""

    mapper: Mapper
    calibration: Calibration
    applicability: Applicability
    ranks: Ranks | None = None
    crops: ClassVar[bool] = True

    @property
    def planes(self) -> int:
        """Features of a pixel, for the choice of a window that fits the memory."""
        return len(self.mapper.features.names)

    def __call__(self, batch: Batch, inside: tuple[slice, slice] = (slice(None), slice(None))) -> dict[str, np.ndarray]:
        """Each layer as stored, (1, bands, H, W), for the part `inside` of the window."""
        got = {name: values[..., inside[0], inside[1]] for name, values in self.mapper(batch).items()}
        valid = got["valid"][0]
        outside = np.full((1, *valid.shape), 255, np.uint8)
        outside[0][valid] = self.applicability.outside(got["features"][0][:, valid].T)
        if self.mapper.kind == "number":
            value = got["value"][0, 0]
            low, high = self.calibration.interval(value)
            far = np.where(outside[0] == 255, np.nan, outside[0])
            return {"value": np.stack([value, low, high, far])[None].astype(np.float32), "doubt": outside[None]}
        share = got["probability"][0]
        codes = np.asarray(self.mapper.codes)
        dtype = _class_type(self.mapper.codes)
        classes = np.zeros((1, *valid.shape), dtype)
        classes[0][valid] = codes[share[:, valid].argmax(0)]
        stored = np.full(share.shape, 255, np.uint8)
        stored[:, valid] = np.clip(np.rint(share[:, valid] / PROBABILITY_SCALE), 0, 250)
        size = np.full((1, *valid.shape), 255, np.uint8)
        size[0][valid] = self.calibration.set_size(share[:, valid])
        return {
            "classes": classes[None],
            "probability": stored[None],
            "doubt": np.concatenate([size, outside, *self._unsure(got["features"][0], valid)])[None],
        }

    def _unsure(self, features: np.ndarray, valid: np.ndarray) -> list[np.ndarray]:
        if self.ranks is None:
            return []
        rank = np.full((1, *valid.shape), 255, np.uint8)
        rank[0][valid] = self.ranks(features[:, valid].T)
        return [rank]


def _class_type(codes: Sequence[int]) -> Any:
    return np.uint8 if max(codes) <= 254 else np.uint16


def layers_of(
    mapper: Mapper, calibration: Calibration, *, unit: str = "", simulated: bool = False, ranked: bool = False
) -> list[Layer]:
    """The files of a map and what they say of themselves. unit: of the labels' numbers; ranked: with a band `unsure`."""
    from swath.earth.colour import palette

    tags = {"simulated": "yes"} if simulated else {}
    if mapper.kind == "number":
        doubt = Layer(name="doubt", dtype="uint8", nodata=255, bands=("outside",), tags=tags, overview="nearest")
        value = Layer(name="value", dtype="float32", nodata=float("nan"), bands=VALUES, units=unit, tags=tags)
        return [value, doubt]
    names = dict(zip(mapper.codes, mapper.classes, strict=True))
    colours = dict(zip(mapper.codes, palette(len(mapper.codes)), strict=True))
    said = {
        **tags,
        "set_size": calibration.words,
        "outside": "1: outside the area of applicability (Meyer & Pebesma 2021)",
    }
    if ranked:
        said["unsure"] = "more unsure than so many per cent of the labels; it ranks, it is no probability"
    doubts = ("set_size", "outside", "unsure") if ranked else ("set_size", "outside")
    return [
        Layer(
            name="classes",
            dtype=np.dtype(_class_type(mapper.codes)).name,
            nodata=0,
            bands=("class",),
            classes=names,
            colours=colours,
            tags=tags,
        ),
        Layer(
            name="probability",
            dtype="uint8",
            nodata=255,
            bands=tuple(mapper.classes),
            units="1",
            scale=PROBABILITY_SCALE,
            tags=tags,
        ),
        Layer(name="doubt", dtype="uint8", nodata=255, bands=doubts, tags=said, overview="nearest"),
    ]
