"""EuroSAT in colour: small pictures of Sentinel-2, one class each, one folder a class.

The pictures say neither where nor when. Neighbours on the ground may lie among them, so a split by picture is the best
there is and may flatter.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from swath.batch import Batch, Pixels
from swath.earth.sensor import sensor
from swath.errors import FormatError

__all__ = ["CLASSES", "FOLDER", "LICENCE", "SOURCE", "load"]

CLASSES = (
    "AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture", "PermanentCrop", "Residential",
    "River", "SeaLake",
)  # fmt: skip
FOLDER = "eurosat_rgb"
LICENCE = "MIT (EuroSAT's repository; unchecked)"
SOURCE = "EuroSAT (Helber et al. 2019), RGB pictures"
_STRETCH = 2750.0 / 255.0 / 10_000.0


def load(folder: Path, *, as_reflectance: bool = False) -> Batch:
    """All pictures (M, 1, 3, 64, 64) in red, green, blue; target (M,) index into CLASSES; each picture is a place.

    as_reflectance: undo the stretch, taken to be linear from 0 to 2750 of DN / 10000 (an assumption: the files do not
    tell it), as bands B04, B03, B02 of Sentinel-2 L1C; else digital numbers. Raises FormatError.
    """
    from PIL import Image

    found = [(k, path) for k, name in enumerate(CLASSES) for path in sorted((Path(folder) / name).glob("*.jpg"))]
    if not found:
        raise FormatError(
            rule="EuroSAT is a folder of pictures a class",
            got=f"none in {folder}",
            remedy="name the folder eurosat_rgb",
        )
    values = np.stack([np.asarray(Image.open(path).convert("RGB"), np.float32) for _, path in found])
    values = np.ascontiguousarray(values.transpose(0, 3, 1, 2)[:, None])
    if as_reflectance:
        known = {b.name: b for b in sensor("sentinel-2-l1c").bands}
        name, bands = "sentinel-2-l1c", tuple(known[n] for n in ("B04", "B03", "B02"))
        values *= np.float32(_STRETCH)
    else:
        name, bands = "rgb", tuple(replace(b, gsd=10.0) for b in sensor("rgb").bands)
    m = len(values)
    pixels = Pixels(values, np.ones(values.shape, bool), bands, 10.0, np.full((m, 1), np.nan), np.full((m, 2), np.nan))
    keys = tuple(path.stem for _, path in found)
    return Batch({name: pixels}, np.array([k for k, _ in found]), key=keys, place=keys)
