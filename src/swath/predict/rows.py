"""Where unfinished vectors are kept: one record a row at its place in a file, with a journal of finished windows."""

from __future__ import annotations

import os
import shutil
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from swath.cube.blocks import refuse
from swath.errors import SwathError
from swath.predict.archive import remove
from swath.predict.journal import Journal, fingerprint
from swath.predict.lock import Lock
from swath.predict.spots import Encoding, Group
from swath.predict.vectors import Vectors

__all__ = ["Store"]

Progress = Callable[[int, int, str], None]
_SYNC_EVERY = 2.0  # seconds of work that a power cut may cost


class Store:
    """The part folder: one record a row at its place in a file, and the journal. Any thread may `put`."""

    def __init__(self, out: Path, work: Encoding, todo: Sequence[Group], width: int, facts: Any, say: Progress) -> None:
        self.out, self.work, self.todo, self.width = out, work, todo, width
        self.folder = out.with_name(f".{out.name}.part")
        self.kind = np.dtype([("vector", "<f4", (width,)), ("lonlat", "<f8", (2,)), ("day", "<f8"), ("seen", "u1")])
        self.rows = todo[-1].first + todo[-1].count if todo else 0
        self.reasons: dict[int, str] = {}
        self._file = -1
        self._synced = time.monotonic()
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refuse(error, out) from error
        self._lock = Lock.take(out.with_name(f".{out.name}.lock"), say)
        try:
            self._enter(fingerprint(facts))
        except BaseException:
            self.close()
            raise

    def _enter(self, mark: str) -> None:
        journal, rows = self.folder / "journal", self.folder / "rows"
        by_index = {spot.index: spot for spot in self.todo}
        try:
            if journal.exists():
                Journal.resume(journal, mark, lambda index, line: True).close()  # refused before any file is touched
                self._file = os.open(rows, os.O_RDWR)
                self.journal = Journal.resume(journal, mark, lambda i, line: [self._crc(by_index[i])] == line["crc"])
                return
            remove(self.folder)
            self.folder.mkdir()
            self._file = os.open(rows, os.O_RDWR | os.O_CREAT)
            os.ftruncate(self._file, self.rows * self.kind.itemsize)
        except SwathError:
            raise
        except OSError as error:
            raise refuse(error, self.folder) from error
        self.journal = Journal.start(journal, mark)

    def _crc(self, spot: Group) -> int:
        size = self.kind.itemsize
        return zlib.crc32(os.pread(self._file, spot.count * size, spot.first * size))

    def put(self, spot: Any, state: str, arrays: Sequence[np.ndarray]) -> list[int]:
        """Write the rows of a spot (zeros, not seen, where it is empty or failed); gives their CRC."""
        record = np.zeros(spot.count, self.kind)
        if state == "done":
            if arrays[0].shape != (spot.count, self.width):
                raise SwathError(
                    rule=f"an encoder gives {self.width} numbers a vector everywhere",
                    got=f"{arrays[0].shape} for {spot.count} rows",
                    remedy="encode scenes of different sensors into archives of their own",
                )
            for name, values in zip(("vector", "lonlat", "day", "seen"), arrays, strict=True):
                record[name] = values
            record["seen"] &= np.isfinite(record["vector"]).all(1)
        data = record.tobytes()
        try:
            os.pwrite(self._file, data, spot.first * self.kind.itemsize)
        except OSError as error:
            raise refuse(error, self.out) from error
        return [zlib.crc32(data)]

    def finish(self, spot: Any, state: str, crc: list[int], reason: str = "") -> None:
        """Tell the journal that a window's rows are in their place."""
        self.journal.add(spot.index, state, crc)
        if reason:
            self.reasons[spot.index] = reason
        if time.monotonic() - self._synced > _SYNC_EVERY:
            self.sync()

    def sync(self) -> None:
        """Rows first, then the mark that they are safe."""
        os.fsync(self._file)
        self.journal.mark("synced")
        self._synced = time.monotonic()

    def vectors(self, facts: Mapping[str, Any]) -> Vectors:
        """What was seen, read from the file as it is asked for."""
        path = self.folder / "rows"
        table = np.memmap(path, self.kind, "r", shape=(self.rows,)) if self.rows else np.zeros(0, self.kind)
        step = 1 << 16
        seen = [i + np.flatnonzero(table["seen"][i : i + step]) for i in range(0, self.rows, step)]
        index = np.concatenate(seen) if seen else np.zeros(0, np.int64)
        lonlat, day = (np.concatenate([table[n][index[i : i + step]] for i in range(0, len(index), step)] or [table[n][:0]])
                       for n in ("lonlat", "day"))  # fmt: skip
        owner = np.array([spot.first for spot in self.todo], np.int64)
        names = _Names(self.work, self.todo, owner, index)
        return Vectors(
            _Text(names, 0), lonlat, day, _Text(names, 1), _Field(table, "vector", index, self.width), dict(facts)
        )

    def windows_seen(self) -> int:
        """How many windows have any vector."""
        starts = [spot.first for group in self.todo for spot in group.spots]
        index = self.vectors({}).vector.index
        return len(np.unique(np.searchsorted(np.array(starts, np.int64), index, side="right")))

    def forget(self) -> None:
        """Remove the part folder, the journal last."""
        self._close_file()
        self.journal.close()
        (self.folder / "rows").unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def close(self) -> None:
        """Close everything and let others have the output."""
        self._close_file()
        if hasattr(self, "journal"):
            self.journal.close()
        self._lock.release()


class _Field:
    """A column of the records, only of rows that were seen."""

    def __init__(self, table: Any, name: str, index: np.ndarray, width: int) -> None:
        self.table, self.name, self.index, self.shape = table, name, index, (len(index), width)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.asarray(self.table[self.name][self.index[rows]])


class _Names:
    """Keys and places of rows, made when asked for."""

    def __init__(self, work: Encoding, todo: Sequence[Group], owner: np.ndarray, index: np.ndarray) -> None:
        self.work, self.todo, self.owner, self.index = work, todo, owner, index

    def at(self, rows: Any) -> list[tuple[str, str]]:
        found = np.atleast_1d(self.index[rows])
        which = np.searchsorted(self.owner, found, side="right") - 1
        pairs = zip(found.tolist(), which.tolist(), strict=True)
        return [self.work.key(self.todo[w], i - self.todo[w].first) for i, w in pairs]


class _Text:
    def __init__(self, names: _Names, part: int) -> None:
        self.names, self.part, self.shape = names, part, (len(names.index),)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.array([pair[self.part] for pair in self.names.at(rows)], dtype=str)
