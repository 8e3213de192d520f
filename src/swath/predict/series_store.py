"""Where a run over a cube keeps what it says of every date: one Zarr store filled by windows, journalled, renamed when whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

import swath
from swath.cube.blocks import Layer, fsync_folder, refuse
from swath.errors import OutputError
from swath.predict.journal import Journal, fingerprint
from swath.predict.lock import Lock
from swath.predict.tile import Tile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CHUNK", "SeriesStore"]

CHUNK = 128
_DATES = 32
_SYNC_EVERY = 2.0


class SeriesStore:
    """Layers (dates x bands, rows, columns) as arrays (time, band, y, x) of one Zarr store on the coordinates of `frame`.

    Chunks are 128 x 128 pixels of up to 32 dates of one band; windows are whole chunks, so that bytes do not depend on them.
    Any thread may `put`; one thread finishes windows in the journal.
    """

    def __init__(
        self, path: Path, frame: xr.Dataset, layers: Sequence[Layer], attrs: dict[str, dict[str, Any]]
    ) -> None:
        """Use `SeriesStore.open`. attrs: of each array, by layer name; layers whose bands are the dates have no band axis."""
        self.path, self.frame, self.layers, self.attrs = path, frame, tuple(layers), attrs
        self.folder = path.with_name(f".{path.name}.part")
        self.aside = self.folder / "store"
        self.journal: Journal | None = None
        self.reasons: dict[int, str] = {}
        self.arrays: dict[str, Any] = {}
        self._lock: Lock | None = None
        self._synced = time.monotonic()

    @classmethod
    def open(
        cls,
        path: Path,
        frame: xr.Dataset,
        layers: Sequence[Layer],
        attrs: dict[str, dict[str, Any]],
        todo: Sequence[Tile],
        facts: Any,
        *,
        say: Callable[[int, int, str], None] | None = None,
    ) -> SeriesStore:
        """Lock the output, make the part folder, or go on in the one that is there. Raises OutputError."""
        store = cls(path, frame, layers, attrs)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refuse(error, path.parent) from error
        store._lock = Lock.take(path.with_name(f".{path.name}.lock"), say)
        try:
            store._enter({t.index: t for t in todo}, fingerprint([swath.__version__, facts]))
        except BaseException:
            store.close()
            raise
        return store

    def _enter(self, todo: dict[int, Tile], mark: str) -> None:
        path = self.folder / "journal"
        if path.exists():
            head = Journal.resume(path, mark, lambda index, line: True)
            head.close()
            self._attach()
            self.journal = Journal.resume(path, mark, lambda index, line: self.crc(todo[index]) == list(line["crc"]))
            return
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir()
            self._create()
            self.journal = Journal.start(path, mark)
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise refuse(error, self.path.parent) from error

    def _create(self) -> None:
        import zarr

        with warnings.catch_warnings():  # text on an axis and consolidated metadata are not yet part of the Zarr 3 text
            warnings.simplefilter("ignore")
            self.frame.to_zarr(self.aside, mode="w", zarr_format=3, consolidated=False)
        group = zarr.open_group(self.aside, mode="r+")
        sizes = {d: self.frame.sizes[d] for d in ("time", "band", "y", "x")}
        for layer in self.layers:
            dims = ("time", "band", "y", "x") if self._banded(layer) else ("time", "y", "x")
            chunk = {
                "time": min(_DATES, sizes["time"]),
                "band": 1,
                "y": min(CHUNK, sizes["y"]),
                "x": min(CHUNK, sizes["x"]),
            }
            group.create_array(
                layer.name,
                shape=tuple(sizes[d] for d in dims),
                chunks=tuple(chunk[d] for d in dims),
                dtype=np.dtype(layer.dtype),
                dimension_names=list(dims),
                attributes=self.attrs.get(layer.name, {}),
                fill_value=layer.fill,
            )
        self._attach()

    def _attach(self) -> None:
        import zarr

        group = zarr.open_group(self.aside, mode="r+")
        self.arrays = {layer.name: group[layer.name] for layer in self.layers}

    def _banded(self, layer: Layer) -> bool:
        return len(layer.bands) == self.frame.sizes["time"] * self.frame.sizes["band"] and layer.name != "flag"

    @property
    def done(self) -> dict[int, dict[str, Any]]:
        """The journal's line for each finished window."""
        return self.journal.done if self.journal is not None else {}

    def put(self, tile: Tile, state: str, arrays: Sequence[np.ndarray]) -> list[int]:
        """Write one window of all layers (no data where it is empty or failed); gives their CRCs. Raises OutputError."""
        crc = []
        size = (tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start)
        for k, layer in enumerate(self.layers):
            array = self.arrays[layer.name]
            shape = (*array.shape[:-2], *size)
            if state == "done":
                values = np.ascontiguousarray(arrays[k], dtype=array.dtype).reshape(shape)
            else:
                values = np.full(shape, layer.fill, array.dtype)
            try:
                array[(..., tile.rows, tile.columns)] = values
            except OSError as error:
                raise refuse(error, self.path) from error
            crc.append(zlib.crc32(values.tobytes()))
        return crc

    def crc(self, tile: Tile) -> list[int]:
        """What `put` gave, of what the store holds now."""
        return [
            zlib.crc32(np.ascontiguousarray(self.arrays[layer.name][(..., tile.rows, tile.columns)]).tobytes())
            for layer in self.layers
        ]

    def finish(self, tile: Tile, state: str, crc: list[int], reason: str = "") -> None:
        """Tell the journal that a window is in its place."""
        if self.journal is None:
            return
        self.journal.add(tile.index, state, crc)
        if reason:
            self.reasons[tile.index] = reason
        if time.monotonic() - self._synced > _SYNC_EVERY:
            self._synced = time.monotonic()

    def publish(self, attrs: dict[str, Any]) -> Path:
        """Give the store its file-wide attributes and its name, in place of an older one. Raises OutputError."""
        import zarr

        old = self.path.with_name(f".{self.path.name}.old")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                group = zarr.open_group(self.aside, mode="r+")
                group.attrs.update(attrs)
                zarr.consolidate_metadata(self.aside)
            for path in self.aside.rglob("*"):
                if path.is_file():
                    with open(path, "rb") as file:
                        os.fsync(file.fileno())
            shutil.rmtree(old, ignore_errors=True)
            if self.path.exists():
                os.replace(self.path, old)
            os.replace(self.aside, self.path)
            fsync_folder(self.path.parent)
        except OSError as error:
            if old.exists() and not self.path.exists():
                os.replace(old, self.path)
            raise refuse(error, self.path) from error
        shutil.rmtree(old, ignore_errors=True)
        self.forget()
        return self.path

    def forget(self) -> None:
        """Remove the part folder."""
        if self.journal is not None:
            self.journal.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Let others have the output; what is unfinished stays for whoever goes on."""
        if self.journal is not None:
            self.journal.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> SeriesStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (
            kind is not None
            and not isinstance(error, OutputError)
            and self.folder.exists()
            and self.journal is not None
        ):
            with contextlib.suppress(OSError):
                self.journal.mark("synced")
        self.close()
