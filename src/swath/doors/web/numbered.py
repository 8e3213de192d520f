"""Folders of the workspace that are counted: maps/1, samples/r1, exports/1 and their like."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["fresh", "numbers"]


def numbers(home: Path, prefix: str = "") -> list[int]:
    """Numbers of the folders there, rising; names that are no number are passed over."""
    form = re.compile(re.escape(prefix) + r"([1-9][0-9]{0,8})", re.ASCII)
    return sorted(int(m[1]) for p in home.glob(f"{prefix}*") if p.is_dir() and (m := form.fullmatch(p.name)))


def fresh(home: Path, prefix: str = "") -> tuple[int, Path]:
    """A new folder behind the last one, and its number; of two that ask at once each gets its own."""
    n = max(numbers(home, prefix), default=0)
    while True:
        n += 1
        place = home / f"{prefix}{n}"
        try:
            place.mkdir(parents=True)
        except FileExistsError:
            continue
        return n, place
