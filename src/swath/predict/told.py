"""A trained decoder over pixel series that maps: what `swath train --family deco` keeps in one file.

The same file fills and forecasts (`swath fill`, `swath forecast`). Pixels are always answered in the same squares of a
scene, sorted by how many dates they have, so that windows do not change what is said.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.baseline.forecast import Series
from swath.batch import Batch
from swath.errors import BandError, FormatError, SwathError, need
from swath.estimate import Estimate
from swath.predict.solved import Evidence, Heard, Table, band_of, plain

if TYPE_CHECKING:
    from swath.earth.sensor import Band
    from swath.models.deco import Deco

__all__ = ["CORE", "Told", "is_told", "load", "save", "series_at"]

FORMAT = 1
KEY = "swath_series"
CORE = 32  # pixels: side of the squares that are answered together
_EVIDENCE = ("x", "y", "place", "fold", "oof", "scorable")


@dataclass(frozen=True)
class Told:
    """Maps a Batch as a `baseline.mapper.Mapper` does, by the prompt `crop`. facts: of training and accuracy, plain values."""

    model: Deco
    space: str
    sensors: tuple[Heard, ...]
    codes: list[int]
    evidence: Evidence
    candidates: list[tuple[str, Estimate]]
    calibration: dict[str, Any]
    facts: dict[str, Any]
    kind: str = "class"
    reach: int = 0

    @property
    def classes(self) -> list[str]:
        """Of the label space that maps."""
        return list(self.model.vocabulary.spaces.get(self.space, ()))

    @property
    def features(self) -> Table:
        """Names and sensors; a feature is one number of what the decoder knew when it answered."""
        width = int(self.model.config["dim"])
        return Table([f"known{i + 1}" for i in range(width)], CORE, self.sensors)

    @property
    def chosen(self) -> str:
        """What maps."""
        return str(self.facts["chosen"])

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on the training."""
        return tuple(f"training: {n}" for n in self.facts.get("notes", ()))

    @property
    def seed(self) -> int:
        """Of the training."""
        return int(self.facts.get("seed", 0))

    def check(self, seen: Mapping[str, Sequence[Band]]) -> None:
        """Whether scenes bring a sensor that was learned, as it was learned. Raises BandError or UnitError with the list."""
        known = {h.sensor: h for h in self.sensors}
        if not set(seen) & set(known):
            bands = "; ".join(f"{n}: {', '.join(b.name for b in h.bands)}" for n, h in known.items())
            raise BandError(
                rule=f"this file learned the sensors and bands {bands}",
                got="; ".join(f"{n}: {', '.join(b.name for b in s)[:80]}" for n, s in seen.items()),
                remedy="give scenes of these, choose --bands, or train for this sensor",
            )
        for name in set(seen) & set(known):
            known[name].check(seen[name])

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """Probability (1, K, H, W), NaN where missing; valid (1, H, W); features (1, D, H, W).

        The window starts at a multiple of CORE. Raises BandError or UnitError when the Batch is not what was learned.
        """
        from swath.baseline.threads import one_openmp_thread
        from swath.models import deco_say

        self.check({name: p.bands for name, p in batch.pixels.items()})
        names = [s.sensor for s in self.sensors if s.sensor in batch.pixels]
        height, width = batch.pixels[names[0]].values.shape[-2:]
        share = np.full((len(self.classes), height, width), np.nan, np.float32)
        x = np.zeros((int(self.model.config["dim"]), height, width), np.float32)
        valid = np.zeros((height, width), bool)
        with one_openmp_thread():
            for y0 in range(0, height, CORE):
                for x0 in range(0, width, CORE):
                    rows, columns = slice(y0, min(y0 + CORE, height)), slice(x0, min(x0 + CORE, width))
                    parts = {n: series_at(batch, n, rows, columns) for n in names}
                    if not any(s.valid.any() for s in parts.values()):
                        continue
                    p, known = deco_say.answers(self.model, deco_say.sight_of(self.model, parts), self.space)
                    shape = (rows.stop - y0, columns.stop - x0)
                    good = np.isfinite(p).all(1)
                    share[:, rows, columns] = p.T.reshape(-1, *shape)
                    x[:, rows, columns] = np.where(good, known.T, 0).reshape(-1, *shape)
                    valid[rows, columns] = good.reshape(shape)
        return {"probability": share[None], "valid": valid[None], "features": x[None]}

    def record(self) -> dict[str, Any]:
        """Plain values: everything but the tensors."""
        return {
            "format": FORMAT,
            "space": self.space,
            "classes": self.classes,
            "codes": self.codes,
            "sensors": [{"sensor": s.sensor, "bands": [plain(asdict(b)) for b in s.bands]} for s in self.sensors],
            "candidates": [{"name": n, "score": e.to_json()} for n, e in self.candidates],
            "calibration": self.calibration,
            "facts": self.facts,
        }


def series_at(batch: Batch, name: str, rows: slice, columns: slice) -> Series:
    """The series of every pixel of a part of a window, row by row."""
    p = batch.pixels[name]
    values, valid = (np.asarray(a)[0][..., rows, columns] for a in (p.values, p.valid))
    t, c = values.shape[:2]
    flat, seen = (a.reshape(t, c, -1).transpose(2, 0, 1) for a in (values, valid))
    day = np.broadcast_to(np.asarray(p.day, np.float64)[0], (len(flat), t))
    return Series(flat, seen, day, np.zeros(len(flat), "U1"), p.bands)


def save(told: Told, path: str | os.PathLike[str]) -> Path:
    """Write one safetensors file, aside first: the decoder with its facts (as `models.load` reads them), what doubt needs,
    and how well it did. Raises OutputError, ExtraError without the extra `nn`.
    """
    need("safetensors", extra="nn", why="keeping a trained model")
    import torch

    from swath.cube.blocks import refuse
    from swath.models import weights

    m, f = told.model, told.facts
    facts = weights.Facts(
        model="deco", config=m.config | {"temperature": m.temperature, "spread": m.spread}, statistics=m.statistics,
        quantity=tuple(sorted({q for s in m.sensors.values() for q in s["quantity"]})),
        bands=tuple(b for s in m.sensors.values() for b in s["bands"]), trained_on=str(f.get("trained_on", "")),
        simulated=bool(f.get("simulated")), source="swath train --family deco",
    )  # fmt: skip
    tensors = {k: v.detach().cpu() for k, v in m.state_dict().items()}
    tensors |= {f"evidence.{k}": torch.from_numpy(np.array(getattr(told.evidence, k))) for k in _EVIDENCE}
    about = json.dumps(plain(told.record()), sort_keys=True, allow_nan=False)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        weights.write(Path(path), tensors, facts, more={KEY: about})
    except OSError as error:
        raise refuse(error, Path(path)) from error
    return Path(path)


def is_told(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a decoder over series that swath trained."""
    if not Path(path).is_file() or Path(path).suffix != ".safetensors":
        return False
    need("safetensors", extra="nn", why="a trained model")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="np") as file:
            return KEY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def load(path: str | os.PathLike[str], *, task: str = "crop") -> Told:
    """What `save` wrote. Raises FormatError where it is none, or incomplete; SwathError where it was never trained for `task`."""
    from safetensors import safe_open

    from swath import models

    if not is_told(path):
        raise FormatError(
            rule="a decoder over series is a file of swath train --family deco",
            got=Path(path).name,
            remedy="name such a file",
        )
    with safe_open(str(path), framework="np") as file:
        record = json.loads((file.metadata() or {})[KEY])
        tensors = {k: file.get_tensor(k) for k in file.keys() if k.startswith("evidence.")}  # noqa: SIM118 - not a dict
    if record.get("format", 0) > FORMAT:
        raise FormatError(
            rule=f"this swath reads trained series models up to form {FORMAT}",
            got=f"{Path(path).name} of form {record['format']}",
            remedy="use the newer swath that wrote it",
        )
    model = models.load("deco", Path(path))
    if task not in model.vocabulary.tasks:
        raise SwathError(
            rule="this file does what it was trained on", got=f"the task {task}", remedy=model.vocabulary.knows()
        )
    try:
        return Told(
            model=model,
            space=record["space"],
            sensors=tuple(Heard(s["sensor"], tuple(band_of(b) for b in s["bands"])) for s in record["sensors"]),
            codes=[int(c) for c in record["codes"]],
            evidence=Evidence(**{k: tensors[f"evidence.{k}"] for k in _EVIDENCE}),
            candidates=[(c["name"], Estimate.from_json(c["score"])) for c in record["candidates"]],
            calibration=record["calibration"],
            facts=record["facts"],
        )
    except (KeyError, TypeError) as error:
        raise FormatError(
            rule="a trained series model is whole",
            got=f"{Path(path).name}: {type(error).__name__} {error}",
            remedy="train again",
        ) from error
