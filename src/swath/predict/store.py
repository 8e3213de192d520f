"""Where a run keeps its unfinished output: files aside, journal and lock in one hidden folder, renamed when whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

import swath
from swath.cube.blocks import BlockFile, Layer, fsync_folder, refuse
from swath.cube.save import style, write_text
from swath.errors import OutputError
from swath.predict.journal import Journal, fingerprint
from swath.predict.lock import Lock
from swath.predict.tile import Tile

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["Store"]

_SYNC_EVERY = 2.0  # seconds of work that a power cut may cost


class Store:
    """The part folder of one run. Any thread may `put` pixels; one thread finishes windows in the journal."""

    def __init__(self, folder: Path, out: Path, layers: Sequence[Layer], lock: Lock) -> None:
        """Use `Store.open`."""
        self.folder, self.out, self.layers, self._lock = folder, out, tuple(layers), lock
        self.files: list[BlockFile] = []
        self.journal: Journal | None = None
        self.reasons: dict[int, str] = {}
        self._synced = time.monotonic()

    @classmethod
    def open(
        cls,
        out: Path,
        layers: Sequence[Layer],
        shape: tuple[int, int],
        todo: Sequence[Tile],
        facts: Any,
        *,
        restart: bool = False,
        say: Callable[[int, int, str], None] | None = None,
    ) -> Store:
        """Lock the output and make the part folder, or go on in the one that is there. Raises OutputError."""
        folder = out / f".{layers[0].name}.part"
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refuse(error, out) from error
        lock = Lock.take(out / f".{layers[0].name}.lock", say)
        store = cls(folder, out, layers, lock)
        try:
            store._enter(shape, {t.index: t for t in todo}, fingerprint([swath.__version__, facts]), restart)
        except BaseException:
            store.close()
            raise
        return store

    def _enter(self, shape: tuple[int, int], todo: dict[int, Tile], mark: str, restart: bool) -> None:
        path = self.folder / "journal"
        if restart and self.folder.exists():
            self._remove()
        if path.exists() and self._resume(path, shape, todo, mark):
            return
        try:
            if self.folder.exists():
                self._remove()
            self.folder.mkdir()
        except OSError as error:
            raise refuse(error, self.out) from error
        try:
            self.files = [BlockFile(self._aside(layer), layer, shape, create=True) for layer in self.layers]
            self.journal = Journal.start(path, mark)
        except BaseException:
            self.close()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _resume(self, path: Path, shape: tuple[int, int], todo: dict[int, Tile], mark: str) -> bool:
        """Go on where a run stopped; False where there is nothing to go on with."""
        # Judged by its first line before any file is touched; then again with the pixels at hand.
        head = Journal.resume(path, mark, lambda index, line: True)
        if head.published:
            self.journal = head
            if self.published:
                return True
            head.close()
            self.journal = None
            return False
        head.close()
        self.files = [BlockFile(self._aside(layer), layer, shape, create=False) for layer in self.layers]
        self.journal = Journal.resume(path, mark, lambda index, line: self._whole(todo[index], line))
        return True

    def _aside(self, layer: Layer) -> Path:
        return self.folder / f"{layer.name}.blocks.tif"

    def _whole(self, tile: Tile, line: dict[str, Any]) -> bool:
        found: list[int] = [f.crc(tile.rows, tile.columns) for f in self.files]
        return found == list(line["crc"])

    @property
    def done(self) -> dict[int, dict[str, Any]]:
        """The journal's line for each finished window."""
        return self.journal.done if self.journal is not None else {}

    @property
    def published(self) -> bool:
        """Whether the outputs have their final names already (only the cleaning was cut short)."""
        ready = self.journal is not None and self.journal.published
        return ready and all((self.out / f"{layer.name}.tif").exists() for layer in self.layers)

    def put(self, tile: Tile, state: str, arrays: Sequence[np.ndarray]) -> list[int]:
        """Write one window's pixels in all layers (no data where it is empty or failed); gives their CRCs."""
        crc = []
        for k, (file, layer) in enumerate(zip(self.files, self.layers, strict=True)):
            if state == "done":
                values = arrays[k]
            else:
                shape = (file.count, tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start)
                values = np.full(shape, layer.fill, file.dtype)
            crc.append(file.write(tile.rows, tile.columns, values))
        return crc

    def finish(self, tile: Tile, state: str, crc: list[int], reason: str = "") -> None:
        """Tell the journal that a window's pixels are in their place."""
        if self.journal is None:
            return
        self.journal.add(tile.index, state, crc)
        if reason:
            self.reasons[tile.index] = reason
        if time.monotonic() - self._synced > _SYNC_EVERY:
            self.sync()

    def sync(self) -> None:
        """Pixels first, then the mark that they are safe."""
        for file in self.files:
            file.sync()
        if self.journal is not None:
            self.journal.mark("synced")
        self._synced = time.monotonic()

    def publish(self, geobox: GeoBox | None, say: Callable[[int, int, str], None]) -> dict[str, Path]:
        """Copy every layer to its final form aside, rename all, then clean up. Raises OutputError."""
        paths = {layer.name: self.out / f"{layer.name}.tif" for layer in self.layers}
        if self.journal is not None and not self.published:
            self.sync()
            ready = []
            for k, file in enumerate(self.files):
                say(k, len(self.files), f"writing {file.layer.name}.tif")
                aside = self.folder / f"{file.layer.name}.tif"
                file.publish(aside, geobox)
                ready.append(aside)
            try:
                for aside in ready:
                    os.replace(aside, self.out / aside.name)
                for layer in self.layers:
                    if layer.classes or layer.colours:
                        write_text(self.out / f"{layer.name}.qml", style(layer))
                fsync_folder(self.out)
            except OSError as error:
                raise refuse(error, self.out) from error
            self.journal.mark("published")
        self.forget()
        return paths

    def forget(self) -> None:
        """Remove the part folder, the journal last, so that a kill in between loses nothing."""
        self.close_files()
        self._remove()

    def _remove(self) -> None:
        try:
            for path in sorted(self.folder.iterdir(), key=lambda p: p.name == "journal"):
                path.unlink(missing_ok=True)
            self.folder.rmdir()
        except OSError as error:
            raise refuse(error, self.folder) from error

    def close_files(self) -> None:
        """Close the files aside and the journal."""
        for file in self.files:
            file.close()
        if self.journal is not None:
            self.journal.close()

    def close(self) -> None:
        """Close everything and let others have the output."""
        self.close_files()
        self._lock.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not isinstance(error, OutputError) and self.folder.exists():
            # The first error is the one to tell of; the journal still holds what was finished.
            with contextlib.suppress(OSError):
                self.sync()
        self.close()
