"""One HLS L30 chip of southern Texas, 224 x 224 pixels of 30 m, seven bands, with a sparse number as label.

The label's unit is not stated (it looks like above-ground biomass; unchecked): use it to try a pipeline, not to claim.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from swath.batch import Batch
from swath.datasets.files import whole
from swath.errors import FormatError

__all__ = ["CLASSES", "FOLDER", "LICENCE", "SOURCE", "load"]

CLASSES: tuple[str, ...] = ()  # the target is a number
FOLDER = "hls_l30_texas"
LICENCE = "Apache-2.0"
SOURCE = "terrastackai/terratorch @85467a9: tests/resources/inputs/regression_test_0"


def load(folder: Path) -> Batch:
    """Reflectance (1, 1, 7, 224, 224), day unknown; target (1, 224, 224) float, NaN where no label. Raises FormatError."""
    import rasterio

    path = Path(folder) / "hls_l30.tif"
    if not path.is_file():
        raise FormatError(rule="the Texas chip is hls_l30.tif", got=f"no {path}", remedy="name hls_l30_texas")
    batch = whole([path], "hls-l30", sensor="hls-l30")
    with rasterio.open(path.with_name("label.tif")) as file:
        label = file.read(1).astype(np.float32)
    label = np.where(label > 0, label, np.nan)
    return Batch(batch.pixels, label[None], key=("texas",), place=("texas",))
