"""Run again what a run.json tells of, and say whether the same came out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swath.errors import FormatError
from swath.tools.job import FORMAT, Progress, digest

__all__ = ["Again", "again"]


@dataclass(frozen=True, slots=True)
class Again:
    """What a second run gave: which files are byte for byte the same and which are not."""

    out: str
    verb: str
    same: tuple[str, ...]
    different: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "out": self.out,
            "verb": self.verb,
            "same": list(self.same),
            "different": list(self.different),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        verdict = "all the same" if not self.different else f"{len(self.different)} differ: {', '.join(self.different)}"
        return "\n".join(
            [f"{self.verb} run again into {self.out}: {len(self.same)} files the same, {verdict}", *self.notes]
        )


def again(run: str | Path, *, out: str | Path, progress: Progress | None = None) -> Again:
    """Run again what a run.json tells of.

    The inputs must be what they were: their digests are compared first. The outputs are compared byte for byte.

    Args:
        run: the run.json, or the folder it lies in.
        out: a new folder for the second run.

    Returns:
        Which files came out the same.

    Raises:
        FormatError: when it is no run.json, when an input is gone or changed, or when the run took data from memory.

    Examples:
        swath again out/run.json --out there
        swath again out --out there --json
    """
    import swath

    record = read(Path(run))
    _check_inputs(record)
    arguments = {k: v for k, v in record["arguments"].items() if k != "out"}
    target = Path(out) / record["out_name"] if "out_name" in record else Path(out)  # a verb that writes one file
    getattr(swath, record["verb"])(**arguments, out=str(target), progress=progress)
    same: list[str] = []
    different: list[str] = []
    for item in record["outputs"]:
        path = Path(out) / item["path"]
        (same if path.exists() and digest(path) == item["digest"] else different).append(item["path"])
    return Again(
        out=str(out), verb=record["verb"], same=tuple(same), different=tuple(different), notes=_changed(record)
    )


def read(path: Path) -> dict[str, Any]:
    """The record in a run.json of this or an earlier format. Raises FormatError."""
    path = path / "run.json" if path.is_dir() else path
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(
            rule="again takes the run.json beside a result",
            got=f"{path}: {error}",
            remedy="name the file or its folder",
        ) from error
    if not isinstance(record, dict) or not {"format", "verb", "arguments", "inputs", "outputs"} <= set(record):
        raise FormatError(
            rule="a run.json has verb, arguments, inputs and outputs", got=str(path), remedy="name a run.json of swath"
        )
    if record["format"] > FORMAT:
        raise FormatError(
            rule=f"this swath reads run.json up to format {FORMAT}",
            got=f"format {record['format']}",
            remedy="use the newer swath that wrote it",
        )
    return record


def _check_inputs(record: dict[str, Any]) -> None:
    for item in record["inputs"]:
        if item["path"] is None:
            raise FormatError(
                rule="only runs from files can run again",
                got=item["note"],
                remedy="save the cube and run from the file",
            )
        path = Path(item["path"])
        if "digest" not in item:
            continue
        if not path.exists():
            raise FormatError(rule="the inputs are where they were", got=f"{path} is gone", remedy="bring it back")
        if digest(path) != item["digest"]:
            raise FormatError(
                rule="the inputs are what they were",
                got=f"{path} has changed since",
                remedy="restore it, or run the verb anew",
            )


def _changed(record: dict[str, Any]) -> tuple[str, ...]:
    """Sentences on packages whose version differs from the recorded run."""
    from swath.tools.job import environment

    then, now = record.get("environment", {}).get("packages", {}), environment()["packages"]
    return tuple(
        f"{name} {version} then, {now.get(name, 'absent')} now: bytes may differ, numbers within 1e-3"
        for name, version in then.items()
        if now.get(name) != version
    )
