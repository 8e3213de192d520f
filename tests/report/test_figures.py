"""Pictures: colours by wavelength, holes transparent, small in bytes, the same each time."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import rasterio
from PIL import Image

from swath.cube import contract
from swath.earth.colour import palette
from swath.report import charts, figures
from swath.report.table import table


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA"))


def cube(wavelength, values=None, **more):
    n = len(wavelength)
    values = np.random.default_rng(0).random((n, 40, 50)).astype(np.float32) if values is None else values
    return contract.make(
        values, bands=[f"B{i}" for i in range(n)], geobox=None, wavelength=wavelength, quantity="reflectance", **more
    )


def test_natural_colours_are_taken_by_wavelength_in_any_order_of_bands():
    values = np.stack([np.full((4, 4), v) for v in (0.1, 0.2, 0.3, 0.4)]).astype(np.float32)
    values[:, 0, 0] = 0
    got = figures.scene_picture({"x": cube([860, 490, 660, 560], values)})
    assert "natural colours (B2, B3, B1)" in got.words
    assert got.pixels.shape == (4, 4, 4)


@pytest.mark.parametrize(
    ("wavelength", "said"),
    [
        ([560, 660, 860], "false colours"),
        ([np.nan] * 4, "bands B0, B1, B2"),
        ([np.nan] * 2, "B0 as red"),
        ([np.nan], "in grey"),
    ],
)
def test_scenes_without_red_green_blue_are_shown_and_it_is_said_how(wavelength, said):
    assert said in figures.scene_picture({"x": cube(wavelength)}).words


def test_the_clearest_date_is_shown_and_missing_pixels_are_holes():
    values = np.random.default_rng(0).random((3, 3, 20, 20)).astype(np.float32)
    values[0, :, :15], values[2, :, :10], values[1, :, 0, 0] = np.nan, np.nan, np.nan
    days = np.array(["2020-01-01", "2020-02-01", "2020-03-01"], "datetime64[D]")
    got = figures.scene_picture({"x": cube([490, 560, 660], values, time=days)})
    assert "2020-02-01" in got.words
    assert (got.pixels[..., 3] == 0).sum() == 1


def test_large_scenes_are_thinned():
    got = figures.scene_picture({"x": cube([490, 560, 660], np.zeros((3, 300, 1100), np.float32))}, longest=100)
    assert got.step == 11
    assert got.pixels.shape[:2] == (27, 100)


@pytest.fixture
def folder(tmp_path):
    g = np.random.default_rng(0)

    def save(name, bands, dtype, nodata):
        with rasterio.open(
            tmp_path / name, "w", driver="GTiff", width=60, height=40, count=len(bands), dtype=dtype, nodata=nodata
        ) as file:
            file.write(np.stack(bands).astype(dtype))

    classes = g.integers(0, 4, (40, 60))
    save("classes.tif", [classes], "uint8", 0)
    save("doubt.tif", [g.integers(1, 5, (40, 60)), g.integers(0, 2, (40, 60))], "uint8", 255)
    value = g.normal(size=(40, 60))
    value[0] = np.nan
    save("value.tif", [value, value - 1, value + 1], "float32", np.nan)
    return tmp_path, classes


def test_a_class_map_keeps_its_colours_and_holes_through_the_image(folder):
    path, classes = folder
    colours = dict(zip((1, 2, 3), palette(3), strict=True))
    got = decoded(figures.data_uri(figures.class_picture(path / "classes.tif", colours).pixels))
    for code, colour in colours.items():
        assert (got[classes == code] == (*colour, 255)).all()
    assert (got[classes == 0][:, 3] == 0).all()


def test_doubt_and_numbers_are_pictures_too(folder):
    path, _ = folder
    assert figures.set_size_picture(path / "doubt.tif", 3).pixels.shape == (40, 60, 4)
    assert figures.outside_picture(path / "doubt.tif").pixels.shape == (40, 60, 4)
    picture, low, high = figures.number_picture(path / "value.tif")
    assert low < 0 < high
    assert (picture.pixels[0, :, 3] == 0).all()


def test_images_are_the_same_each_time_and_many_colours_survive():
    rgb = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    assert figures.data_uri(rgb) == figures.data_uri(rgb)
    assert (decoded(figures.data_uri(rgb))[..., :3] == rgb).all()
    flat = np.zeros((64, 64, 4), np.uint8)
    assert len(figures.data_uri(flat)) < 300


def test_round_ticks_cover_the_range():
    assert charts.ticks(0, 1) == [0, 0.25, 0.5, 0.75, 1.0]
    assert charts.ticks(-0.2, 1.0) == [0, 0.5, 1.0]
    assert charts.ticks(3, 3) == [3]


def test_tables_line_up_and_control_characters_do_not_pass():
    text = table(["class", "n"], [["wood", 5], ["évil\x1b[31m", 1234], ["畑", 7]], right=[1])
    lines = text.splitlines()
    assert lines[2] == "wood          5"
    assert "\x1b" not in text
    assert lines[4].startswith("畑  ")
