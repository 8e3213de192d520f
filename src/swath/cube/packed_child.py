"""Untrusted packed files: opened and decoded by the child process of `child.py`, which keeps its limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from swath.cube.layer import FileBand, Layer

__all__ = ["GuardedPacked", "carry_out", "layers_of", "told"]

Ask = Callable[[dict[str, Any], tuple[int, ...], np.dtype], np.ndarray]


@dataclass(frozen=True)
class GuardedPacked:
    """A grid of a packed file (its values, or its flag) that only the child process decodes."""

    path: str
    grid: int
    shape: tuple[int, int, int, int]
    kind: str
    flag: bool = False

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        return np.dtype(self.kind)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window. Raises FormatError when the child refuses, dies or takes too long."""
        what = {"window": [rows.start, rows.stop, columns.start, columns.stop]}
        return self._ask(what, dates, bands, rows.stop - rows.start, columns.stop - columns.start)

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel."""
        return self._ask({"to": [height, width]}, dates, bands, height, width)

    def _ask(
        self, what: dict[str, Any], dates: Sequence[int], bands: Sequence[int], height: int, width: int
    ) -> np.ndarray:
        from swath.cube.child import numbers_from

        request = {"do": "packed", "path": self.path, "grid": self.grid, "flag": self.flag, **what}
        request |= {"dates": [int(d) for d in dates], "bands": [int(b) for b in bands]}
        return numbers_from(request, (len(dates), len(bands), height, width), self.dtype)


def told(path: str) -> list[dict[str, Any]]:
    """In the child: the layers of a packed file in plain values. Raises FormatError."""
    from swath.cube.packed import layers, open_packed

    out = []
    for layer in layers(open_packed(path, safe=True)):
        box = layer.geobox
        out.append(
            {
                "shape": layer.source.shape,
                "kind": str(layer.source.dtype),
                "masked": layer.flag is not None,
                "geobox": None
                if box is None
                else {"affine": list(box.affine)[:6], "crs": box.crs.to_wkt() if box.crs else None},
                "bands": [asdict(band) for band in layer.bands],
                "time": None if layer.time is None else layer.time.astype(np.int64).tolist(),
                "sensor": layer.sensor,
                "tags": layer.tags,
                "attrs": layer.attrs,
                "notes": layer.notes,
                "settled": layer.settled,
            }
        )
    return out


def layers_of(path: str, said: list[dict[str, Any]]) -> list[Layer]:
    """In the parent: the layers that the child told of."""
    from affine import Affine
    from odc.geo.geobox import GeoBox

    out = []
    for k, one in enumerate(said):
        t, b, h, w = (int(n) for n in one["shape"])
        box = one["geobox"]
        out.append(
            Layer(
                source=GuardedPacked(path, k, (t, b, h, w), str(np.dtype(one["kind"]))),
                geobox=None if box is None else GeoBox((h, w), Affine(*box["affine"]), box["crs"]),
                bands=tuple(FileBand(**band) for band in one["bands"]),
                time=None if one["time"] is None else np.array(one["time"], np.int64).astype("datetime64[ns]"),
                flag=GuardedPacked(path, k, (t, 1, h, w), "uint8", flag=True) if one["masked"] else None,
                sensor=one["sensor"],
                tags={str(k): str(v) for k, v in one["tags"].items()},
                notes=(*(str(n) for n in one["notes"]), "read in a child process with limits (--safe)"),
                attrs=dict(one["attrs"]),
                settled=bool(one["settled"]),
            )
        )
    return out


def carry_out(request: dict[str, Any]) -> bytes:
    """In the child: the numbers of a window, or of every k-th pixel. Raises FormatError."""
    from swath.cube.packed import layers, open_packed

    layer = layers(open_packed(request["path"], safe=True))[request["grid"]]
    source: Any = layer.flag if request["flag"] else layer.source
    if "window" in request:
        top, bottom, left, right = request["window"]
        values = source.read(request["dates"], request["bands"], slice(top, bottom), slice(left, right))
    else:
        values = source.coarse(request["dates"], request["bands"], *request["to"])
    return np.ascontiguousarray(values).tobytes()
