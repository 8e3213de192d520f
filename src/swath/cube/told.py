"""Layers as plain values: what the child process for untrusted files tells of them, and what the parent makes of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from swath.cube.layer import FileBand, Layer
from swath.cube.sources import has_levels

__all__ = ["GuardedSource", "layers_of", "told"]

_PART = 2**26  # bytes of one answer


@dataclass(frozen=True)
class GuardedSource:
    """The numbers of a layer (or its flag) that only the child process decodes. number: of the layer in its file.

    step: pixels so many times as large, from the file's smaller copies of itself; shape is theirs.
    """

    path: str
    number: int
    shape: tuple[int, int, int, int]
    kind: str
    version: str
    flag: bool = False
    overviews: bool = False
    step: int = 1

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        return np.dtype(self.kind)

    def layered(self) -> bool:
        """Whether the file holds smaller copies of itself."""
        return self.overviews

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window, in strips. Raises FormatError when the child refuses, dies or takes too long."""
        from swath.cube.child import check_window

        width, height = columns.stop - columns.start, rows.stop - rows.start
        line = max(1, len(dates) * len(bands) * width * self.dtype.itemsize)
        check_window(self.path, line * height)
        out = np.empty((len(dates), len(bands), height, width), self.dtype)
        step = max(1, _PART // line)
        for top in range(0, height, step):
            stop = min(top + step, height)
            window = [rows.start + top, rows.start + stop, columns.start, columns.stop]
            out[:, :, top:stop] = self._ask({"window": window}, dates, bands, stop - top, width)
        return out

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel."""
        return self._ask({"to": [height, width]}, dates, bands, height, width)

    def _ask(
        self, what: dict[str, Any], dates: Sequence[int], bands: Sequence[int], height: int, width: int
    ) -> np.ndarray:
        from swath.cube.child import numbers_from

        request = {"do": "read", "path": self.path, "number": self.number, "version": self.version}
        request |= {"step": self.step} if self.step > 1 else {}
        request |= {"flag": self.flag, "dates": [int(d) for d in dates], "bands": [int(b) for b in bands], **what}
        return numbers_from(request, (len(dates), len(bands), height, width), self.dtype)


def told(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """In the child: layers in values that JSON has."""
    out = []
    for layer in layers:
        box = layer.geobox
        out.append(
            {
                "shape": layer.source.shape,
                "kind": layer.source.dtype.newbyteorder("=").str,
                "overviews": has_levels(layer.source),
                "flag_overviews": layer.flag is not None and has_levels(layer.flag),
                "flag": None if layer.flag is None else [*layer.flag.shape, layer.flag.dtype.str],
                "geobox": None
                if box is None
                else {"affine": list(box.affine)[:6], "crs": box.crs.to_wkt() if box.crs else None},
                "bands": [asdict(band) for band in layer.bands],
                "time": None if layer.time is None else layer.time.astype("datetime64[ns]").astype(np.int64).tolist(),
                "sensor": layer.sensor,
                "tags": layer.tags,
                "attrs": layer.attrs,
                "notes": layer.notes,
                "problems": layer.problems,
                "settled": layer.settled,
            }
        )
    return out


def layers_of(path: str, said: list[dict[str, Any]], version: str) -> list[Layer]:
    """In the parent: the layers that the child told of."""
    from affine import Affine
    from odc.geo.geobox import GeoBox

    out = []
    for k, one in enumerate(said):
        t, b, h, w = (int(n) for n in one["shape"])
        box = one["geobox"]
        flag = None
        if one["flag"] is not None:
            *shape, kind = one["flag"]
            ft, fb, fh, fw = (int(n) for n in shape)
            small = bool(one.get("flag_overviews"))
            flag = GuardedSource(path, k, (ft, fb, fh, fw), np.dtype(kind).str, version, flag=True, overviews=small)
        out.append(
            Layer(
                source=GuardedSource(
                    path, k, (t, b, h, w), np.dtype(one["kind"]).str, version, overviews=bool(one["overviews"])
                ),
                geobox=None if box is None else GeoBox((h, w), Affine(*box["affine"]), box["crs"]),
                bands=tuple(FileBand(**band) for band in one["bands"]),
                time=None if one["time"] is None else np.array(one["time"], np.int64).astype("datetime64[ns]"),
                flag=flag,
                sensor=one["sensor"],
                tags={str(k): str(v) for k, v in one["tags"].items()},
                notes=(*(str(n) for n in one["notes"]), "read in a child process with limits (--safe)"),
                problems=tuple(str(p) for p in one["problems"]),
                attrs=dict(one["attrs"]),
                settled=bool(one["settled"]),
            )
        )
    return out
