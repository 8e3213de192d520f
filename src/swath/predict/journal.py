"""The journal of finished windows: what an interrupted run may skip, and for which parameters."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swath.cube.blocks import fsync_folder, refuse
from swath.errors import OutputError

__all__ = ["FORMAT", "Journal", "fingerprint"]

FORMAT = 1


def fingerprint(facts: Any) -> str:
    """A short hash of parameters, whatever the order of their keys."""
    text = json.dumps(facts, sort_keys=True, default=str, allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass
class Journal:
    """Lines of JSON: a head with the fingerprint, then one line for each finished window, then marks.

    A line that was cut short by a kill is dropped. Lines since the last `synced` mark are checked against the pixels
    by their CRC, since after a power cut a line may outlive what it tells of.
    """

    path: Path
    done: dict[int, dict[str, Any]] = field(default_factory=dict)
    published: bool = False
    _file: int = -1

    @classmethod
    def start(cls, path: Path, mark: str) -> Journal:
        """A new journal for parameters of this fingerprint. Raises OutputError."""
        journal = cls(path)
        head = json.dumps({"swath_journal": FORMAT, "fingerprint": mark}) + "\n"
        aside = path.with_name(path.name + ".new")
        try:
            journal._file = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)
            os.write(journal._file, head.encode())
            os.fsync(journal._file)
            os.replace(aside, path)
            fsync_folder(path.parent)
        except OSError as error:
            raise refuse(error, path) from error
        return journal

    @classmethod
    def resume(cls, path: Path, mark: str, check: Callable[[int, dict[str, Any]], bool]) -> Journal:
        """The journal that is there. check(window, line): whether its pixels are still what the line says.

        Raises OutputError when it belongs to other parameters.
        """
        whole, _, _ = path.read_bytes().rpartition(b"\n")
        lines = [json.loads(line) for line in whole.splitlines()]
        if not lines or lines[0].get("swath_journal") != FORMAT or lines[0].get("fingerprint") != mark:
            raise OutputError(
                rule="an interrupted run goes on with the same parameters only",
                got=f"{path} was left by a run with other parameters, inputs or version",
                remedy=f"give the first command again, choose another --out, or delete {path.parent}",
            )
        journal = cls(path)
        fresh: list[int] = []
        for line in lines[1:]:
            if "window" in line:
                journal.done[int(line["window"])] = line
                fresh.append(int(line["window"]))
            elif line.get("mark") == "synced":
                fresh.clear()
            elif line.get("mark") == "published":
                journal.published = True
        for index in fresh:
            if not journal.published and not check(index, journal.done[index]):
                del journal.done[index]
        try:
            journal._file = os.open(path, os.O_RDWR | os.O_APPEND)
            os.ftruncate(journal._file, len(whole) + 1)
        except OSError as error:
            raise refuse(error, path) from error
        return journal

    def add(self, index: int, state: str, crc: list[int]) -> None:
        """A window is finished: `state` is done, empty or failed."""
        line = {"window": index, "state": state, "crc": crc}
        self._write(line)
        self.done[index] = line

    def mark(self, what: str) -> None:
        """`synced`: pixels of all lines so far lie on the disk. `published`: the outputs have their final names."""
        self._write({"mark": what})
        os.fsync(self._file)

    def _write(self, line: dict[str, Any]) -> None:
        try:
            data = (json.dumps(line) + "\n").encode()
            if os.write(self._file, data) != len(data):
                raise OSError(28, "No space left on device")
        except OSError as error:
            raise refuse(error, self.path) from error

    def close(self) -> None:
        """Close the file; it stays for whoever goes on."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
