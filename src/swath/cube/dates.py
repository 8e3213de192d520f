"""The date of a scene from its tags, its band descriptions or its file name; never from the file's own time stamp."""

from __future__ import annotations

import os
import re

import numpy as np

__all__ = ["date_in", "dates_in", "from_descriptions", "from_tags"]

_PATTERNS = (
    # 20200717T221941 and 2020-07-17T22:19:41(.024)(Z)
    (re.compile(r"(?<!\d)((?:19|20)\d\d)-?([01]\d)-?([0-3]\d)[T ]([0-2]\d):?([0-5]\d):?([0-5]\d)"), "time"),
    (re.compile(r"(?<!\d)((?:19|20)\d\d)([01]\d)([0-3]\d)(?!\d)"), "day"),
    (re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]([01]\d)[-_.]([0-3]\d)(?!\d)"), "day"),
    # MODIS and HLS: A2020123, 2020123T170859
    (re.compile(r"(?<![A-Za-z0-9])A?((?:19|20)\d\d)([0-3]\d\d)(?:T([0-2]\d)([0-5]\d)([0-5]\d))?(?!\d)"), "year day"),
)
_TAGS = (
    "date", "datetime", "acquisition_date", "acquisition_datetime", "acquisitiondate", "date_acquired", "acquired",
    "time", "sensing_time", "tifftag_datetime_original", "product_start_time",
)  # fmt: skip


def dates_in(text: str) -> list[np.datetime64]:
    """The dates written in a text, in its order; a text that could be read two ways counts once."""
    found: list[tuple[int, np.datetime64]] = []
    taken: list[tuple[int, int]] = []
    for pattern, kind in _PATTERNS:
        for match in pattern.finditer(text):
            if any(a < match.end() and match.start() < b for a, b in taken):
                continue
            if (moment := _moment(match, kind)) is not None:
                found.append((match.start(), moment))
                taken.append(match.span())
    return [moment for _, moment in sorted(found, key=lambda pair: pair[0])]


def _moment(match: re.Match[str], kind: str) -> np.datetime64 | None:
    parts = match.groups()
    try:
        if kind == "year day":
            day = int(parts[1])
            if not 1 <= day <= 366:
                return None
            start = np.datetime64(f"{parts[0]}-01-01", "s") + np.timedelta64(day - 1, "D")
            if parts[2]:
                start += np.timedelta64(int(parts[2]) * 3600 + int(parts[3]) * 60 + int(parts[4]), "s")
            return np.datetime64(str(start), "ns")
        clock = f"T{parts[3]}:{parts[4]}:{parts[5]}" if kind == "time" else ""
        return np.datetime64(f"{parts[0]}-{parts[1]}-{parts[2]}{clock}", "ns")
    except ValueError:
        return None


def date_in(name: str) -> tuple[np.datetime64 | None, str]:
    """The one acquisition date in a file or product name, and a note when it holds more than one.

    Product names put the acquisition first and processing dates later; two dates with nothing else that differs
    (`2013-09-01_2014-08-30`) are a span, which has no one date.
    """
    stem = os.path.basename(name.rstrip("/"))
    found = dates_in(stem)
    if not found:
        return None, ""
    span = re.search(r"(\d{4}-\d\d-\d\d)[_ ]+(?:to[_ ]+)?(\d{4}-\d\d-\d\d)", stem)
    if span or (re.search(r"\d{8}[_-]\d{8}(?!\d|T)", stem) and not re.match(r"(L[COTEM]0\d_|S[123]|m_\d)", stem)):
        first, last = found[0], found[1] if len(found) > 1 else found[0]
        return None, f"the name holds a span of time, {str(first)[:10]} to {str(last)[:10]}: no one date"
    return found[0], ""


def from_tags(tags: dict[str, str]) -> np.datetime64 | None:
    """The acquisition date that the file's tags name."""
    lower = {k.lower(): v for k, v in tags.items()}
    for key in _TAGS:
        if found := dates_in(str(lower.get(key, "")).replace(":", "-", 2)):
            return found[0]
    return None


def from_descriptions(names: list[str]) -> np.ndarray | None:
    """(T,) dates when every band of a file is described by a date and nothing else: a series of one band."""
    if len(names) < 2:
        return None
    days = []
    for name in names:
        if not re.fullmatch(r"\D{0,3}\d{4}[-_.]?\d\d[-_.]?\d\d(T[\d:]+Z?)?", name.strip()):
            return None
        found = dates_in(name)
        if not found:
            return None
        days.append(found[0])
    out = np.array(days, dtype="datetime64[ns]")
    return out if len(set(out.tolist())) == len(out) else None
