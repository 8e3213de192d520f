"""Which column of a table holds the labels, which their time, which their score."""

from __future__ import annotations

from typing import Any

import numpy as np

from swath.errors import LabelError

__all__ = ["label", "scores", "times"]

# In order of trust: the first that a table has is its label column.
COLUMNS = (
    "label", "labels", "class", "classes", "class_name", "classname", "class_label", "landcover", "land_cover", "lulc",
    "landuse", "land_use", "lc", "cover", "type", "target", "category", "crop", "species", "value", "code", "class_id",
    "classid", "name",
)  # fmt: skip
NOT_LABELS = (
    "fid", "id", "ids", "objectid", "index", "sample", "gid", "uid", "ogc_fid", "area", "length", "shape_area",
    "shape_length", "shape_leng", "time", "date", "datetime", "start_date", "end_date", "from", "to", "score",
    "confidence", "weight", "split", "fold", "x", "y", "lon", "lat", "longitude", "latitude", "row", "column", "col",
)  # fmt: skip
TIMES = ("time", "date", "datetime", "timestamp")
SCORES = ("score", "confidence", "certainty")


def label(data: Any, column: str | None, title: str) -> Any:
    """The label's column: `column` if given (case aside), else one of the usual names, else the only candidate.

    Raises LabelError that lists the columns when none is clear.
    """
    names = list(data.columns)
    lower = {str(c).strip().lower(): c for c in names}
    listing = ", ".join(map(str, names[:30])) or "no columns but the geometry"
    if column is not None:
        if column.strip().lower() not in lower:
            raise LabelError(
                rule="--column names a column of the labels",
                got=f"{column!r}; {title} has {listing}",
                remedy="choose one of them",
            )
        return column if column in names else lower[column.strip().lower()]
    if (known := next((lower[n] for n in COLUMNS if n in lower), None)) is not None:
        return known
    rest = [c for n, c in lower.items() if n not in NOT_LABELS and not n.startswith("unnamed")]
    if len(rest) == 1:
        return rest[0]
    raise LabelError(
        rule="the column that holds the labels must be clear",
        got=f"{title} with {listing}",
        remedy=f"name it: --column {_likeliest(rest)}",
    )


def _likeliest(columns: list[Any]) -> str:
    """The column to suggest: one whose name speaks of classes."""
    for word in ("name", "class", "label", "cover", "lulc", "type", "crop", "code"):
        for column in columns:
            if word in str(column).lower():
                return str(column)
    return str(columns[0]) if columns else "NAME"


def times(data: Any, lower: dict[str, Any], thing: np.ndarray) -> np.ndarray | None:
    """(n,) datetime64 of the rows `thing`, where a column holds dates. lower: {lower-case name: column}."""
    import pandas as pd

    name = next((lower[n] for n in TIMES if n in lower), None)
    if name is None:
        return None
    time = pd.to_datetime(data[name], errors="coerce", utc=True, format="mixed")
    if time.isna().all():
        return None
    return np.asarray(time.dt.tz_localize(None).to_numpy(dtype="datetime64[ns]")[thing])


def scores(data: Any, lower: dict[str, Any], thing: np.ndarray) -> np.ndarray | None:
    """(n,) float score of the rows `thing`, where a column holds one."""
    import pandas as pd

    name = next((lower[n] for n in SCORES if n in lower), None)
    if name is None:
        return None
    score = pd.to_numeric(data[name], errors="coerce").to_numpy(dtype=float)
    return score[thing] if np.isfinite(score).any() else None
