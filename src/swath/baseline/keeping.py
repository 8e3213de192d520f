"""A trained mapper on disk: model.json and training.npz, never a pickle, never half a file."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from swath.errors import FormatError, OutputError

__all__ = ["read", "write"]


def write(record: dict[str, Any], arrays: Mapping[str, np.ndarray], folder: Path) -> None:
    """Write both files aside and rename them; the same input gives the same bytes. Raises OutputError."""
    text = json.dumps(record, indent=1, sort_keys=True, allow_nan=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _put(folder / "training.npz", _packed(arrays))
        _put(folder / "model.json", text.encode())
    except OSError as error:
        raise OutputError(
            rule="a model needs a folder that can be written", got=f"{folder}: {error}", remedy="choose another"
        ) from error


def read(folder: Path, form: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Both files' content. Raises FormatError when missing, damaged, pickled or of another format."""
    try:
        record = json.loads((folder / "model.json").read_text("utf-8"))
        with np.load(folder / "training.npz", allow_pickle=False) as archive:
            arrays = {k: archive[k] for k in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise FormatError(
            rule="a model is a folder with model.json and training.npz",
            got=f"{folder}: {error}",
            remedy="give out/model of a map",
        ) from error
    if not isinstance(record, dict) or record.get("format") != form:
        got = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise FormatError(rule=f"model.json has format {form}", got=str(got), remedy="train again with this version")
    return record, arrays


def _packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An npz without dates of the day in it."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            part = BytesIO()
            np.lib.format.write_array(part, np.asarray(arrays[name]), allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), part.getvalue(), zipfile.ZIP_DEFLATED
            )
    return out.getvalue()


def _put(path: Path, content: bytes) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
