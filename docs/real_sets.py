"""Run the commands of the page "On real sets" and write the page: python docs/real_sets.py DATA_FOLDER SCRATCH_FOLDER [NAME ...].

DATA_FOLDER holds the sets (they are not part of the project). With names only those sets run; the others keep what an earlier
run left in SCRATCH_FOLDER. Every number on the page comes out of a run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LIMIT = 900  # seconds a command


def sets() -> list[dict[str, Any]]:
    """The sets of real_sets.toml."""
    return list(tomllib.loads((HERE / "real_sets.toml").read_text())["set"])


def run(one: dict[str, Any], data: Path, scratch: Path) -> None:
    """Run the commands of a set and keep their last lines."""
    record = []
    for command in one["commands"]:
        words = command.format(out=scratch).split()
        got = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", *words, *(["--quiet"] if words[1] != "info" else [])],
            cwd=data,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        text = (
            (got.stdout if got.returncode in (0, 3) else got.stderr).replace(str(scratch), "out").replace(str(data), "")
        )
        record.append({"command": command.format(out="out"), "code": got.returncode, "text": text})
        print(one["name"], got.returncode, text[:200].replace("\n", " | "), flush=True)
    (scratch / f"{one['name']}.json").write_text(json.dumps(record, indent=1))


def page(scratch: Path) -> str:
    """The page in Markdown, from what the runs left."""
    parts = [
        "# On real sets",
        "",
        "Small real scenes of many kinds, the commands, and what came out (written by `docs/real_sets.py`; two cores, no GPU). None of the",
        "sets is part of the project. Each holds one place or a few: the scores say what swath does with such data, not how well it would",
        "do elsewhere. Where a map had no truth of its own, its labels judged it in outer folds of whole places.",
    ]
    for one in sets():
        file = scratch / f"{one['name']}.json"
        if not file.exists():
            continue
        parts += ["", f"## {one['title']}", "", one["about"].strip(), ""]
        for step in json.loads(file.read_text()):
            parts += ["```console", f"$ {step['command']}", *_short(step["text"]), "```", ""]
            if step["code"] == 2:
                parts += ["Refused, with the reason and what to do.", ""]
        if "picture" in one and (HERE / "images" / one["picture"]).exists():
            parts += [f"![{one['caption']}](images/{one['picture']})", "", f"*{one['caption']}*", ""]
        if not one.get("ships", True):
            parts += ["*Used for checks only: its terms do not let derived pictures travel with the project.*", ""]
    return "\n".join(parts).rstrip() + "\n"


def _short(text: str, most: int = 26, width: int = 220) -> list[str]:
    lines = [line if len(line) <= width else line[: width - 1] + "…" for line in text.strip().splitlines()]
    return lines if len(lines) <= most else [*lines[: most - 1], f"… ({len(lines) - most + 1} lines more)"]


if __name__ == "__main__":
    data, scratch, names = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3:]
    scratch.mkdir(parents=True, exist_ok=True)
    for one in sets():
        if not names or one["name"] in names:
            run(one, data, scratch)
    (HERE / "real.md").write_text(page(scratch))
