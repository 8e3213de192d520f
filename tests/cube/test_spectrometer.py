"""Spectrometer products with their metadata beside the image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import swath
from swath.errors import FormatError

Raster = Callable[..., Path]
STEM = "ENMAP01-____L2A-DT0000001049_20220612T105735Z_028_V010303_20230922T131826Z"


def product(raster: Raster, bands: int = 4) -> Path:
    values = np.full((4, 5, 5), 1500, np.int16)
    values[:, 0, 0] = -32768
    path = raster(f"{STEM}/{STEM}-SPECTRAL_IMAGE.TIF", values, nodata=-32768)
    told = "".join(
        f'<bandID number="{i + 1}"><wavelengthCenterOfBand>{420.5 + 6 * i}</wavelengthCenterOfBand>'
        "<FWHMOfBand>7.0</FWHMOfBand><GainOfBand>0.0001</GainOfBand><OffsetOfBand>0</OffsetOfBand></bandID>"
        for i in range(bands)
    )
    text = f"<level_X><specific><bandCharacterisation>{told}</bandCharacterisation></specific></level_X>"
    (path.parent / f"{STEM}-METADATA.XML").write_text(text)
    return path


def test_the_metadata_beside_the_image_tell_wavelengths_and_scale(raster: Raster) -> None:
    path = product(raster)
    for given in (path, path.parent):
        cube = swath.open(given)
        assert cube.attrs["sensor"] == "enmap-l2a"
        assert cube.wavelength.values.tolist() == [420.5, 426.5, 432.5, 438.5]
        assert cube.fwhm.values.tolist() == [7.0] * 4
        assert set(cube.quantity.values) == {"reflectance"}
        assert cube.values[0, 0, 1, 1] == pytest.approx(0.15)
        assert np.isnan(cube.values[0, 0, 0, 0])
        assert str(cube.time.values[0])[:10] == "2022-06-12"


def test_metadata_of_other_bands_are_refused(raster: Raster) -> None:
    with pytest.raises(FormatError, match="3 in"):
        swath.open(product(raster, bands=3))
