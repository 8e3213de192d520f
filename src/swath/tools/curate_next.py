"""`curate --label-next`: which tiles of an archive to label next, from those that are labelled already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import DesignError, LabelError
from swath.tools.shown import Shown

if TYPE_CHECKING:
    import numpy as np

    from swath.study.label_next import Next
    from swath.tools.curating import Table
    from swath.tools.job import Job

__all__ = ["LabelNext", "label_next"]


@dataclass(frozen=True, slots=True)
class LabelNext(Shown):
    """What to label. score: the doubt that was used; labelled: how many labels it learned from; compared: AUROC of each."""

    out: str
    files: tuple[str, ...]
    count: int
    read: int
    labelled: int
    score: str
    compared: tuple[tuple[str, Any], ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "out": self.out,
            "files": list(self.files),
            "count": self.count,
            "read": self.read,
            "labelled": self.labelled,
            "score": self.score,
            "compared": [{"name": n, "auroc": e.to_json()} for n, e in self.compared],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [
            f"{self.count:,} of {self.read:,} tiles to label next, in {self.out} ({self.score}; {self.labelled:,} labels known)"
        ]
        lines += [f"  {name}: ranks errors at unseen labels with AUROC {e}" for name, e in self.compared]
        return "\n".join(lines + [f"note: {n}" for n in self.notes])


def label_next(
    job: Job, table: Table, vectors: Any, path: Path, count: int, labels: str | Path | None, spread: float, seed: int
) -> LabelNext:
    """Choose, write the list and run.json."""
    import numpy as np
    import pandas as pd

    from swath.study.label_next import label_next as choose
    from swath.tools.curating import view_of
    from swath.tools.job import write_json, write_text

    if len(set(table.form)) > 1:
        raise DesignError(
            rule="tiles that are compared have one form (sensor and bands)",
            got=f"{len(set(table.form))} forms",
            remedy="choose one with --sensor or --bands, or give an archive of swath embed",
        )
    x = np.asarray(view_of(list(vectors)) if isinstance(vectors, list) else vectors, np.float32)
    known, names, notes = _labelled(table, labels)
    place = np.array([t.file or t.key for t in table.tiles])
    found: Next = choose(x, count, labelled=known, label=names, place=place, spread=spread, seed=seed)
    frame = pd.DataFrame(
        {
            "key": [table.tiles[int(i)].key for i in found.rows],
            "file": [table.tiles[int(i)].file for i in found.rows],
            "lon": [round(table.tiles[int(i)].lon, 6) for i in found.rows],
            "lat": [round(table.tiles[int(i)].lat, 6) for i in found.rows],
            "label": "",
            "doubt_rank": found.rank.round(1),
            "reason": found.reason,
        }
    )
    written = [write_text(path, frame.to_csv(index=False, lineterminator="\n"))]
    result = LabelNext(
        out=str(path),
        files=(path.name, "run.json"),
        count=len(frame),
        read=len(table.tiles),
        labelled=len(known),
        score=found.score,
        compared=found.compared,
        notes=(*table.notes, *notes, *found.notes),
    )
    write_json(path.parent / "run.json", job.record(written, path.parent, result=result.to_json()))
    return result


def _labelled(table: Table, labels: str | Path | None) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Rows that are labelled, and their labels: a CSV with key (or file) and label; sub-folders name none by themselves."""
    import numpy as np
    import pandas as pd

    if labels is None:
        return np.zeros(0, int), np.zeros(0, str), []
    try:
        found = pd.read_csv(labels, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise LabelError(
            rule="labels of tiles are a CSV with key and label", got=f"{labels}: {error}", remedy="name such a file"
        ) from error
    column = next((c for c in ("key", "file") if c in found.columns), None)
    if column is None or "label" not in found.columns:
        raise LabelError(
            rule="labels of tiles have the columns key (or file) and label",
            got=", ".join(map(str, found.columns)),
            remedy="rename the columns; keys are those of keep.csv",
        )
    rows = {getattr(t, column): i for i, t in enumerate(table.tiles)}
    filled = found[found["label"].str.strip() != ""]
    at = [(rows[k], v) for k, v in zip(filled[column], filled["label"], strict=True) if k in rows]
    lost = len(filled) - len(at)
    if not at:
        raise LabelError(
            rule="labels name tiles of the archive",
            got=f"none of {len(filled)} is one, the first: {filled[column].iloc[0] if len(filled) else 'no label'}",
            remedy="use the keys that a list of swath curate shows",
        )
    notes = [f"{lost} labels name no tile of the archive and were left out"] if lost else []
    unique = dict(at)
    return np.array(list(unique), int), np.array(list(unique.values())), notes
