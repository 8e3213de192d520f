"""ENVI images and pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

import swath
from swath.errors import FormatError

HEADER = """ENVI
description = {{test}}
samples = 5
lines = 4
bands = 3
header offset = 0
file type = ENVI Standard
data type = 2
interleave = bil
byte order = 0
wavelength units = {unit}
wavelength = {{{waves}}}
fwhm = {{{widths}}}
band names = {{Band one, Band two, Band two}}
{more}
"""


def write(folder: Path, *, unit: str = "Micrometers", waves: str = "0.45, 0.55, 2.2", widths: str = "0.01, 0.02, 0.02",
          more: str = "", name: str = "image") -> np.ndarray:  # fmt: skip
    values = np.arange(60, dtype=np.int16).reshape(4, 3, 5) * 100
    (folder / name).write_bytes(values.tobytes())
    (folder / f"{name}.hdr").write_text(HEADER.format(unit=unit, waves=waves, widths=widths, more=more))
    return values.transpose(1, 0, 2)


def test_wavelengths_and_widths_are_read_in_nanometres(tmp_path: Path) -> None:
    values = write(tmp_path)
    cube = swath.open(tmp_path / "image")
    assert cube.wavelength.values == pytest.approx([450, 550, 2200])
    assert cube.fwhm.values == pytest.approx([10, 20, 20])
    assert cube.band.values.tolist() == ["Band_one", "Band_two", "Band_two#2"]
    assert (cube.values == values).all()


def test_the_header_opens_its_image(tmp_path: Path) -> None:
    values = write(tmp_path, name="scene.img")
    (tmp_path / "scene.img.hdr").rename(tmp_path / "scene.hdr")
    assert (swath.open(tmp_path / "scene.hdr").values == values).all()
    assert (swath.open(tmp_path / "scene.img").values == values).all()


def test_the_reflectance_scale_factor_and_the_ignore_value_are_applied(tmp_path: Path) -> None:
    values = write(
        tmp_path,
        unit="Nanometers",
        waves="450, 550, 2200",
        more="reflectance scale factor = 10000\ndata ignore value = 100",
    )
    cube = swath.open(tmp_path / "image")
    assert set(cube.quantity.values) == {"reflectance"}
    assert np.isnan(cube.values[0, 0, 1])
    assert cube.values[2, 3, 4] == pytest.approx(values[2, 3, 4] / 1e4)


def test_an_image_shorter_than_its_header_says_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    data = (tmp_path / "image").read_bytes()
    (tmp_path / "image").write_bytes(data[:50])
    with pytest.raises(FormatError, match="cut short"):
        swath.open(tmp_path / "image")


def test_a_header_without_its_image_is_refused(tmp_path: Path) -> None:
    write(tmp_path, name="alone.img")
    (tmp_path / "alone.img").unlink()
    with pytest.raises(FormatError, match="beside"):
        swath.open(tmp_path / "alone.img.hdr")


def test_a_spectral_library_is_refused(shared: Path) -> None:
    for name in ("library_berlin.sli", "library_berlin.hdr"):
        with pytest.raises(FormatError, match="75 spectra of 177 bands"):
            swath.open(shared / "awkward" / "envi" / name)


def test_a_picture_opens_as_digital_numbers(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (3, 12, 16)).astype(np.uint8)
    with rasterio.open(tmp_path / "a.png", "w", driver="PNG", width=16, height=12, count=3, dtype="uint8") as out:
        out.write(values)
    cube = swath.open(tmp_path / "a.png")
    assert cube.band.values.tolist() == ["red", "green", "blue"]
    assert set(cube.quantity.values) == {"digital_number"}
    assert (cube.values == values).all()


def test_a_truncated_picture_is_refused(tmp_path: Path, shared: Path) -> None:
    data = (shared / "levir_cd" / "A" / "train_36_0512_0512.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError):
        _ = swath.open(tmp_path / "cut.png").values
