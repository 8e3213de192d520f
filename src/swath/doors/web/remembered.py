"""Which scenes were open: written into the workspace, so that the next run goes on where this one ended.

What is trusted there is believed only with a seal, whose key lies outside: a workspace that came with a stranger's files must not
say which of them are read without a guard.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swath.doors.web.scenes import OpenScene

__all__ = ["remember", "remembered"]


def remember(folder: Path, scenes: Sequence[OpenScene]) -> None:
    """Write down what is open. Raises OutputError."""
    from swath.tools.job import write_text

    rows = [
        {"paths": [str(p) for p in s.paths], "options": s.options, "trusted": s.trusted, "name": s.name} for s in scenes
    ]
    text = json.dumps(rows)
    write_text(folder / "cache" / "scenes.json", text)
    write_text(folder / "cache" / "scenes.seal", _seal(folder, text) or "")


def remembered(folder: Path) -> list[tuple[list[Path], dict[str, Any], bool, str]]:
    """(paths, options, trusted, name) of each scene that was open and is still there."""
    try:
        text = (folder / "cache" / "scenes.json").read_text("utf-8")
        rows = json.loads(text)
        found = [([Path(p) for p in r["paths"]], dict(r["options"]), bool(r["trusted"]), str(r["name"])) for r in rows]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    sealed = any(row[2] for row in found) and _sealed(folder, text)
    there = [one for one in found if all(p.exists() for p in one[0])]
    return [(paths, options, trusted and sealed, name) for paths, options, trusted, name in there]


def _sealed(folder: Path, text: str) -> bool:
    try:
        given = (folder / "cache" / "scenes.seal").read_text("utf-8").strip()
    except (OSError, ValueError):
        return False
    made = _seal(folder, text)
    return made is not None and hmac.compare_digest(made.encode(), given.encode())


def _seal(folder: Path, text: str) -> str | None:
    key = _key()
    if key is None:
        return None
    return hmac.new(key, f"{folder.resolve()}\n{text}".encode(), hashlib.sha256).hexdigest()


def _key() -> bytes | None:
    """This person's key, made on first use; None where there is no place for it."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    path = Path(state) / "swath" / "seal.key"
    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            aside = path.with_name(f".{secrets.token_hex(8)}")
            with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(32))
            try:
                os.link(aside, path)  # of two that begin at once, one is first
            except FileExistsError:
                pass
            finally:
                aside.unlink()
        found = path.read_bytes()
    except OSError:
        return None
    return found if len(found) == 32 else None
