"""What a named collection keeps: where it is from, batches of one form, values that can be, classes that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from swath.batch import Batch
from swath.testing.rules import run

__all__ = ["RULES", "check_collection", "collections"]

_CAN_BE = {
    "reflectance": (-0.5, 3.0), "toa_reflectance": (-0.5, 3.0), "backscatter": (-70.0, 40.0), "elevation": (-500.0, 9000.0),
    "temperature": (150.0, 350.0), "brightness_temperature": (150.0, 400.0), "index": (-3.0, 3.0), "probability": (0.0, 1.0),
}  # fmt: skip


def says_where_it_is_from(module: Any, batch: Batch) -> str:
    """CLASSES, FOLDER, LICENCE and SOURCE are there, the last three in words."""
    lost = [n for n in ("FOLDER", "LICENCE", "SOURCE") if not str(getattr(module, n, ""))]
    return f"no {', '.join(lost)}" if lost else "" if hasattr(module, "CLASSES") else "no CLASSES (() for numbers)"


def has_one_form(module: Any, batch: Batch) -> str:
    """Values (B, T, C, H, W) float32 and valid, C bands, day (B, T), lonlat (B, 2), the same B for all."""
    for name, p in batch.pixels.items():
        b, t, c, _, _ = p.values.shape
        if b != len(batch) or p.values.dtype != np.float32 or p.valid.shape != p.values.shape or p.valid.dtype != bool:
            return f"{name}: values {p.values.dtype} {p.values.shape}, valid {p.valid.dtype} {p.valid.shape}"
        if len(p.bands) != c or p.day.shape != (b, t) or p.lonlat.shape != (b, 2):
            return f"{name}: {len(p.bands)} bands of {c}, day {p.day.shape}, lonlat {p.lonlat.shape}"
    return ""


def has_keys_and_places(module: Any, batch: Batch) -> str:
    """Every example has a key of its own and a place."""
    if len(batch.key) != len(batch) or len(batch.place) != len(batch):
        return f"{len(batch.key)} keys and {len(batch.place)} places of {len(batch)} examples"
    return "" if len(set(batch.key)) == len(batch) else "keys are not unique"


def has_values_that_can_be(module: Any, batch: Batch) -> str:
    """Valid values are finite and lie where their quantity can; coordinates are degrees."""
    for name, p in batch.pixels.items():
        for i, band in enumerate(p.bands):
            values = p.values[:, :, i][p.valid[:, :, i]]
            low, high = _CAN_BE.get(band.quantity, (-np.inf, np.inf))
            linear = band.quantity == "backscatter" and band.units != "dB"
            if not np.isfinite(values).all():
                return f"{name} {band.name}: valid values hold NaN"
            if (
                values.size
                and not linear
                and not (low <= np.quantile(values, 0.001) and np.quantile(values, 0.999) <= high)
            ):
                return f"{name} {band.name}: {values.min():g} to {values.max():g} as {band.quantity}"
        place = p.lonlat[np.isfinite(p.lonlat).all(1)]
        if len(place) and (np.abs(place) > [180, 90]).any():
            return f"{name}: coordinates {place[0]} are no longitude and latitude"
    return ""


def has_targets_that_it_names(module: Any, batch: Batch) -> str:
    """Targets are indices into CLASSES (-1: none), or numbers where there are no classes."""
    if batch.target is None:
        return ""
    target = np.asarray(batch.target)
    if not module.CLASSES:
        return "" if np.issubdtype(target.dtype, np.floating) else f"numbers are floats, not {target.dtype}"
    fine = np.issubdtype(target.dtype, np.integer) and target.min() >= -1 and target.max() < len(module.CLASSES)
    return "" if fine else f"targets {target.dtype} {target.min()} to {target.max()} for {len(module.CLASSES)} classes"


RULES: tuple[Callable[[Any, Batch], str], ...] = (
    says_where_it_is_from, has_one_form, has_keys_and_places, has_values_that_can_be, has_targets_that_it_names,
)  # fmt: skip


def collections() -> Iterator[ModuleType]:
    """The modules of `swath.datasets` that load files of a collection: those with `load` and FOLDER."""
    from importlib import import_module
    from pkgutil import iter_modules

    import swath.datasets as room

    for found in iter_modules(room.__path__):
        module = import_module(f"swath.datasets.{found.name}")
        if hasattr(module, "load") and hasattr(module, "FOLDER"):
            yield module


def check_collection(module: Any, data: str | Path) -> Batch:
    """Load a collection from `data`/FOLDER and run RULES over it. Raises SwathError naming the broken ones; the Batch."""
    batch: Batch = module.load(Path(data) / module.FOLDER)
    run(f"the collection {module.__name__.rpartition('.')[2]}", RULES, module, batch)
    return batch
