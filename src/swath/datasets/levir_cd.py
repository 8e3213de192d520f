"""LEVIR-CD: new and gone buildings between two aerial pictures of 0.5 m. Research only; three pairs here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from swath.batch import Batch, Pixels
from swath.earth.sensor import sensor
from swath.errors import FormatError

__all__ = ["CLASSES", "FOLDER", "LICENCE", "SOURCE", "load"]

CLASSES = ("same", "changed")
FOLDER = "levir_cd"
LICENCE = "research only"
SOURCE = "LEVIR-CD (Chen and Shi 2020), crops of 256 pixels"
BEFORE, AFTER = "before", "after"


def load(folder: Path, *, as_reflectance: bool = False) -> Batch:
    """All pairs: {"before", "after"}, each (M, 1, 3, H, W) in red, green, blue; target (M, H, W) index into CLASSES.

    as_reflectance: numbers divided by 850, as if 255 were 0.3 (an assumption; the pictures are stretched by eye), with
    wavelengths of a common camera, for encoders that read reflectance. place: the pair. Raises FormatError.
    """
    from PIL import Image

    names = sorted(p.name for p in (Path(folder) / "label").glob("*.png"))
    if not names:
        raise FormatError(
            rule="LEVIR-CD is three folders, A, B and label", got=f"none in {folder}", remedy="name levir_cd"
        )

    def stack(part: str) -> np.ndarray:
        return np.stack([np.asarray(Image.open(Path(folder) / part / n)) for n in names])

    bands = tuple(replace(b, gsd=0.5) for b in sensor("rgb").bands)
    if as_reflectance:
        waves = {b.name: b for b in sensor("naip").bands}
        bands = tuple(replace(waves[b.name], gsd=0.5, quantity="reflectance", units="1") for b in bands)
    pixels = {}
    m = len(names)
    for name, part in ((BEFORE, "A"), (AFTER, "B")):
        values = stack(part).astype(np.float32).transpose(0, 3, 1, 2)[:, None] / (850.0 if as_reflectance else 1.0)
        values = np.ascontiguousarray(values, np.float32)
        nothing = np.full((m, 1), np.nan)
        pixels[name] = Pixels(values, np.ones(values.shape, bool), bands, 0.5, nothing, np.full((m, 2), np.nan))
    keys = tuple(Path(n).stem for n in names)
    return Batch(pixels, (stack("label") > 0).astype(np.int64), key=keys, place=keys)
