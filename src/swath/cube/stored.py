"""The stored numbers under a scene's physical ones: what a file that keeps everything keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from swath.cube.lazy import Source
from swath.cube.scene import Piece
from swath.cube.sources import Bands, Part, Physical, Placed, Times
from swath.cube.warped import Mosaic, Warped

if TYPE_CHECKING:
    from swath.earth.sensor import Band

__all__ = ["stored"]


@dataclass(frozen=True)
class _Rule:
    """How each band's stored numbers become physical ones: stored * scale + offset, nodata as stored."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    nodata: tuple[float, ...]

    def of(self, bands: Sequence[int]) -> _Rule:
        return _Rule(*(tuple(v[b] for b in bands) for v in (self.scale, self.offset, self.nodata)))

    def same(self, other: _Rule) -> bool:
        """NaN is the same as NaN."""
        mine, others = ((*r.scale, *r.offset, *r.nodata) for r in (self, other))
        return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(mine, others, strict=True))


def stored(piece: Piece) -> tuple[Source, tuple[Band, ...], bool]:
    """(source, bands, exact): the numbers as the files keep them, bands with the rule that makes them physical.

    Where files of several rules were joined into one cube there are no common stored numbers: then the physical
    float32 values come back, with scale 1, and `exact` is False.
    """
    if piece.stored:
        return piece.source, piece.bands, True
    found = _strip(piece.source)
    if found is None:
        bands = tuple(replace(b, scale=1.0, offset=0.0, nodata=math.nan) for b in piece.bands)
        return piece.source, bands, False
    source, rule = found
    bands = tuple(
        replace(b, scale=s, offset=o, nodata=n)
        for b, s, o, n in zip(piece.bands, rule.scale, rule.offset, rule.nodata, strict=True)
    )
    return source, bands, True


def _strip(source: Source) -> tuple[Source, _Rule] | None:
    """The source without its step to physical values; None where its parts have no common one."""
    if isinstance(source, Physical):
        return source.source, _Rule(source.scale, source.offset, source.nodata)
    if isinstance(source, Part):
        inner = _strip(source.source)
        return None if inner is None else (replace(source, source=inner[0]), inner[1].of(source.bands))
    if isinstance(source, Placed):
        inner = _strip(source.source)
        fill = None if inner is None else _fill(inner)
        return None if inner is None or fill is None else (replace(source, source=inner[0], fill=fill), inner[1])
    if isinstance(source, Warped):
        inner = _strip(source.source)
        if inner is None or _fill(inner) is None:
            return None
        return replace(source, source=inner[0], empty=inner[1].nodata), inner[1]
    if isinstance(source, (Times, Mosaic)):
        if isinstance(source, Mosaic) and source.what != "values":
            return None
        parts = [_strip(s) for s in source.sources]
        found = [p for p in parts if p is not None]
        rules = [rule for _, rule in found]
        if len(found) < len(parts) or not all(r.same(rules[0]) for r in rules) or not _one_type([s for s, _ in found]):
            return None
        inside = tuple(s for s, _ in found)
        if isinstance(source, Mosaic):
            return replace(source, sources=inside, empty=rules[0].nodata), rules[0]
        return replace(source, sources=inside), rules[0]
    if isinstance(source, Bands):
        parts = [_strip(s) for s in source.sources]
        found = [p for p in parts if p is not None]
        if len(found) < len(parts) or not _safe_together([s.dtype for s, _ in found]):
            return None
        rule = _Rule(
            *(tuple(v for _, r in found for v in getattr(r, name)) for name in ("scale", "offset", "nodata"))
        )  # fmt: skip
        return replace(source, sources=tuple(s for s, _ in found)), rule
    return None


def _fill(inner: tuple[Source, _Rule]) -> float | None:
    """What stands outside a placed source; None where whole numbers have no common value that means missing."""
    source, rule = inner
    if source.dtype.kind == "f":
        return math.nan
    values = set(rule.nodata)
    return values.pop() if len(values) == 1 and not math.isnan(next(iter(rule.nodata))) else None


def _one_type(sources: list[Source]) -> bool:
    return len({s.dtype for s in sources}) == 1


def _safe_together(kinds: list[np.dtype]) -> bool:
    """Whether one type holds the numbers of all exactly (float32 does not hold int32)."""
    common = np.result_type(*kinds)
    return all(np.can_cast(kind, common, "safe") for kind in kinds)
