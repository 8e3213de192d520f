"""Quality bands as flags: reasons of contract.FLAGS, computed where a window is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from swath.cube import mask
from swath.cube.layer import Layer
from swath.cube.lazy import Source
from swath.cube.sources import Part, coarse
from swath.earth.sensor import Sensor

__all__ = ["Flagged", "split_quality"]


@dataclass(frozen=True)
class Flagged:
    """Quality bands (one of each kind, T dates) and a file's own flags as one flag: the strongest reason stands."""

    sources: tuple[Source, ...]
    kinds: tuple[str, ...]
    own: Source | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, 1, H, W)."""
        t, _, h, w = self.sources[0].shape
        return t, 1, h, w

    @property
    def dtype(self) -> np.dtype:
        """uint8."""
        return np.dtype(np.uint8)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window of flags."""
        parts = [
            mask.flags(k, s.read(dates, [0], rows, columns)) for s, k in zip(self.sources, self.kinds, strict=True)
        ]
        own = [] if self.own is None else [self.own.read(dates, [0], rows, columns)]
        return mask.combine(*parts, *own)

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel (the nearest, never a mean of bits)."""
        pairs = zip(self.sources, self.kinds, strict=True)
        parts = [mask.flags(k, coarse(s, dates, [0], height, width)) for s, k in pairs]
        own = [] if self.own is None else [coarse(self.own, dates, [0], height, width)]
        return mask.combine(*parts, *own)


def split_quality(layer: Layer, sensor: Sensor | None) -> tuple[Layer, list[str]]:
    """Take the quality bands out of a layer and make them its flag; a layer of nothing else stays as it is."""
    kinds = {i: kind for i, b in enumerate(layer.bands) if (kind := mask.kind_of(b.name, sensor)) is not None}
    if not kinds or len(kinds) == len(layer.bands):
        return layer, []
    rest = [i for i in range(len(layer.bands)) if i not in kinds]
    sources = tuple(Part.of(layer.source, bands=[i]) for i in kinds)
    names = ", ".join(layer.bands[i].name for i in kinds)
    flag = Flagged(sources, tuple(kinds.values()), layer.flag)
    split = replace(
        layer, source=Part.of(layer.source, bands=rest), bands=tuple(layer.bands[i] for i in rest), flag=flag
    )
    return split, [f"{names} became the flag of each pixel (never seen, cloud, shadow, snow, saturated)"]
