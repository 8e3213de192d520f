"""An encoder with a trained head that maps: what `swath train` keeps in one file and `swath map --model FILE` runs.

The encoder is always run in the same tiles of a scene, so that windows do not change what it says; its tokens are drawn to
the pixels bilinearly, then one linear head answers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swath.baseline import temperature as temper
from swath.baseline.learner import Linear
from swath.batch import Batch, Encoder
from swath.earth.sensor import Band
from swath.errors import BandError, FormatError, OutputError, UnitError, need
from swath.estimate import Estimate
from swath.predict.planes import Planes

__all__ = ["FORMAT", "Evidence", "Heard", "Solved", "Table", "band_of", "facts_of", "is_model", "load", "plain", "save"]

FORMAT = 1
KEY = "swath_model"


@dataclass(frozen=True)
class Heard:
    """A sensor as it was learned."""

    sensor: str
    bands: tuple[Band, ...]

    def check(self, bands: Sequence[Band]) -> None:
        """Raises BandError for other bands, UnitError for other quantities or units."""
        mine, got = [b.name for b in self.bands], [b.name for b in bands]
        if mine != got:
            missing, extra = sorted(set(mine) - set(got)), sorted(set(got) - set(mine))
            raise BandError(
                rule=f"the model learned the bands {', '.join(mine)} of {self.sensor}",
                got=f"missing {', '.join(missing) or 'none'}; unknown {', '.join(extra) or 'none'}; order {', '.join(got)}",
                remedy="choose them with --bands, or train for this sensor",
            )
        for a, b in zip(self.bands, bands, strict=True):
            if (a.quantity, a.units) != (b.quantity, b.units):
                raise UnitError(
                    rule=f"the model learned {a.name} of {self.sensor} as {a.quantity} [{a.units}]",
                    got=f"{b.quantity} [{b.units}]",
                    remedy="settle the units with --scale and --offset",
                )


@dataclass(frozen=True)
class Evidence:
    """What the model learned from, kept so that doubt can be told: x (n, D) features, y, place, fold (n,); oof: answers out
    of fold (n, K), scorable (n,).
    """

    x: np.ndarray
    y: np.ndarray
    place: np.ndarray
    fold: np.ndarray
    oof: np.ndarray
    scorable: np.ndarray


@dataclass(frozen=True)
class Table:
    """What painting asks of features: their names, the step that windows must keep, the sensors."""

    names: list[str]
    align: int
    sensors: tuple[Heard, ...]


@dataclass(frozen=True)
class Solved:
    """Maps a Batch as a `baseline.mapper.Mapper` does. facts: of the encoder, the training and its accuracy, plain values."""

    planes: Planes
    head: Linear
    sensors: tuple[Heard, ...]
    kind: str
    classes: list[str]
    codes: list[int]
    temperature: float
    evidence: Evidence
    candidates: list[tuple[str, Estimate]]
    calibration: dict[str, Any]
    facts: dict[str, Any]

    @property
    def features(self) -> Table:
        """Names and sensors."""
        return Table([f"token{i + 1}" for i in range(self.planes.width)], self.planes.core, self.sensors)

    @property
    def reach(self) -> int:
        """Pixels around a window that must be read."""
        return self.planes.reach

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
        """Whether scenes bring every sensor that was learned, {name: bands}. Raises BandError or UnitError with the list."""
        for heard in self.sensors:
            if heard.sensor not in seen:
                raise BandError(
                    rule=f"the model learned the sensors {', '.join(s.sensor for s in self.sensors)}",
                    got=", ".join(seen),
                    remedy=f"give a scene of {heard.sensor}, or train without it",
                )
            heard.check(seen[heard.sensor])

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """As `Mapper`: probability (1, K, H, W) or value (1, 1, H, W), NaN where missing; valid (1, H, W); features.

        Raises BandError or UnitError when the Batch is not what was learned.
        """
        self.check({name: p.bands for name, p in batch.pixels.items()})
        known = Batch({s.sensor: batch.pixels[s.sensor] for s in self.sensors}, key=batch.key)
        x, valid = self.planes(known)
        out = np.full((max(1, len(self.classes)), *valid.shape), np.nan, np.float32)
        if valid.any():
            out[:, valid] = self.answer(np.ascontiguousarray(x[:, valid]))
        name = "probability" if self.kind == "class" else "value"
        return {name: out[None], "valid": valid[None], "features": x[None]}

    def answer(self, x: np.ndarray) -> np.ndarray:
        """(K, n) probabilities, tempered, or (1, n) values of (D, n) features."""
        found = self.head.predict(x)
        return temper.applied(found, self.temperature, axis=0) if self.kind == "class" else found

    def record(self) -> dict[str, Any]:
        """Plain values: everything but the tensors."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "classes": self.classes,
            "codes": self.codes,
            "sensors": [{"sensor": s.sensor, "bands": [plain(asdict(b)) for b in s.bands]} for s in self.sensors],
            "size": self.planes.size,
            "core": self.planes.core,
            "width": self.planes.width,
            "most": self.planes.most,
            "temperature": self.temperature,
            "candidates": [{"name": n, "score": e.to_json()} for n, e in self.candidates],
            "calibration": self.calibration,
            "facts": self.facts,
        }


def plain(value: Any) -> Any:
    """Values for strict JSON: what is not finite becomes text."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def save(model: Solved, path: str | os.PathLike[str]) -> Path:
    """Write one safetensors file, aside first: the encoder's tensors, the head, what doubt needs, and all facts.

    Raises OutputError, ExtraError without the extra `nn`.
    """
    need("safetensors", extra="nn", why="keeping a trained model")
    from safetensors.numpy import save_file

    from swath.cube.blocks import refuse

    path = Path(path)
    state = getattr(model.planes.encoder, "state_dict", None)
    tensors = {f"encoder.{k}": v.detach().cpu().numpy() for k, v in state().items()} if state is not None else {}
    tensors |= {"head.weight": model.head.weight, "head.offset": model.head.offset}
    e = model.evidence
    tensors |= {f"evidence.{k}": np.asarray(getattr(e, k)) for k in ("x", "y", "place", "fold", "oof", "scorable")}
    about = json.dumps(plain(model.record()), sort_keys=True, allow_nan=False)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({k: np.ascontiguousarray(v) for k, v in sorted(tensors.items())}, aside, metadata={KEY: about})
        with open(aside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        raise refuse(error, path) from error
    finally:
        aside.unlink(missing_ok=True)
    return path


def is_model(path: str | os.PathLike[str]) -> bool:
    """Whether a path is one file rather than the folder of a map."""
    return Path(path).is_file() or Path(path).suffix == ".safetensors"


def load(path: str | os.PathLike[str]) -> Solved:
    """The model of a file that `save` wrote. Raises FormatError where it is none, of a later form, or incomplete."""
    need("safetensors", extra="nn", why="a trained model")
    from safetensors import SafetensorError, safe_open

    name = Path(path).name
    try:
        with safe_open(str(path), framework="np") as file:
            about = (file.metadata() or {}).get(KEY)
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise _no_model(name, str(error).splitlines()[0] if str(error) else "unreadable") from error
    if about is None:
        raise _no_model(name, "no facts of a trained model (weights of an encoder go into --weights)")
    record = json.loads(about)
    if record.get("format", 0) > FORMAT:
        raise FormatError(
            rule=f"this swath reads trained models up to form {FORMAT}",
            got=f"{name} of form {record['format']}",
            remedy="use the newer swath that wrote it",
        )
    try:
        return _from(record, tensors)
    except (KeyError, TypeError) as error:
        raise _no_model(name, f"incomplete: {type(error).__name__} {error}") from error


def _no_model(name: str, got: str) -> FormatError:
    return FormatError(
        rule="a trained model is a safetensors file that swath train wrote",
        got=f"{name}: {got}",
        remedy="name such a file, or the folder `model` of a map",
    )


def _from(record: dict[str, Any], tensors: Mapping[str, np.ndarray]) -> Solved:
    part = {k.removeprefix("encoder."): v for k, v in tensors.items() if k.startswith("encoder.")}
    planes = Planes(_encoder(record["facts"], part), record["size"], record["core"], record["width"], record["most"])
    names = ("x", "y", "place", "fold", "oof", "scorable")
    return Solved(
        planes=planes,
        head=Linear(tensors["head.weight"], tensors["head.offset"], record["kind"] == "class"),
        sensors=tuple(Heard(s["sensor"], tuple(band_of(b) for b in s["bands"])) for s in record["sensors"]),
        kind=record["kind"],
        classes=list(record["classes"]),
        codes=[int(c) for c in record["codes"]],
        temperature=float(record["temperature"]),
        evidence=Evidence(**{k: tensors[f"evidence.{k}"] for k in names}),
        candidates=[(c["name"], Estimate.from_json(c["score"])) for c in record["candidates"]],
        calibration=record["calibration"],
        facts=record["facts"],
    )


def band_of(record: dict[str, Any]) -> Band:
    """A band as `asdict` told it; what was not finite is NaN again."""
    from dataclasses import fields

    values: dict[str, Any] = {}
    for f in fields(Band):
        value = record.get(f.name)
        if value is None and f.name in record:
            value = float("nan")
        values[f.name] = tuple(value) if isinstance(value, list) else value
    return Band(**values)


def _encoder(facts: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> Encoder:
    """The encoder anew, with its tensors, strictly."""
    from swath import models

    family, config = str(facts["family"]), dict(facts["config"])
    if not tensors:
        made: Encoder = models.load(family, **config)
        return made
    import torch

    from swath.models.weights import load_strict

    statistics = facts.get("statistics")
    more = {} if statistics is None else {"statistics": statistics}
    network = models.build(family, seed=0, **config, **more)
    load_strict(network, {k: torch.from_numpy(v.copy()) for k, v in tensors.items()}, name=family)
    found: Encoder = network.eval()
    return found


def facts_of(encoder: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    """What `load` needs to build an encoder again: family, config, statistics. Raises OutputError where it cannot be kept."""
    from swath import models

    bare = str(record["encoder"]).removeprefix("random:")
    family = bare.partition(":")[0]
    kept = getattr(getattr(encoder, "facts", None), "model", "")
    if family not in models.MODELS and family not in models.CLASSICAL:
        family = str(kept).partition(":")[0]
    if family not in models.MODELS and family not in models.CLASSICAL:
        raise OutputError(
            rule="a trained model keeps its encoder, of a family that swath knows",
            got=str(record["encoder"]),
            remedy=f"one of {', '.join([*models.CLASSICAL, *models.MODELS])}",
        )
    config = dict(getattr(encoder, "config", {}) or {})
    return {"family": family, "config": plain(config), "statistics": getattr(encoder, "statistics", None) or None}
