"""A GeoJSON whose coordinate system is a page to be fetched: GDAL would fetch it, so such files are not read."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["linked_crs"]

# The key in plain letters or as JSON escapes.
_KEY = re.compile(rb"\"(?:c|\\u0063)(?:r|\\u0072)(?:s|\\u0073)\"[ \t\r\n]*:[ \t\r\n]*(?=\{)", re.I)
_LONGEST = 65_536
_CHUNK = 2**20


def linked_crs(stream: Any) -> bool:
    """Whether a member `crs` is a link or URL; one too long to be told counts as such. stream: bytes, read to the end."""
    kept = b""
    while True:
        chunk = stream.read(_CHUNK)
        text = kept + chunk
        for match in _KEY.finditer(text):
            if chunk and match.end() + _LONGEST > len(text):
                break
            if _is_link(text[match.end() : match.end() + _LONGEST]):
                return True
        if not chunk:
            return False
        kept = text[-_LONGEST - 64 :]


def _is_link(text: bytes) -> bool:
    try:
        found, _ = json.JSONDecoder().raw_decode(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return True
    kinds = [v for k, v in found.items() if k.lower() == "type"] if isinstance(found, dict) else []
    return any(str(kind).lower() in ("link", "url") for kind in kinds)
