"""Single rasters with everything that breaks careless readers."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

import swath
from swath.cube import contract
from swath.cube.geotiff import RasterSource, read
from swath.cube.open import understand

Raster = Callable[..., Path]


def test_nan_nodata_and_infinity_are_missing(raster: Raster) -> None:
    values = np.array([[[1.0, np.nan], [np.inf, 0.5]]], np.float32)
    cube = swath.open(raster("ndvi.tif", values, nodata=float("nan"), descriptions=["ndvi"]))
    assert np.isnan(cube.values[0]).tolist() == [[False, True], [True, False]]
    assert set(cube.quantity.values) == {"index"}


def test_each_band_keeps_its_wavelength_from_its_description(raster: Raster) -> None:
    names = ["band 1 (418.24 Nanometers)", "band 2 (0.6 Micrometers)", "B3 (2201 nm)"]
    cube = swath.open(raster("waves.tif", np.ones((3, 2, 2), np.uint8), descriptions=names))
    assert cube.wavelength.values.tolist() == [418.24, 600.0, 2201.0]
    assert cube.band.values.tolist() == ["band_1", "band_2", "B3"]


def test_a_list_of_wavelengths_in_a_tag_counts_for_the_bands(raster: Raster) -> None:
    cube = swath.open(raster("tag.tif", np.ones((2, 2, 2), np.uint8), tags={"wavelengths_nm": "550,660.5"}))
    assert cube.wavelength.values.tolist() == [550.0, 660.5]


def test_an_inner_mask_flags_pixels_as_never_seen(raster: Raster) -> None:
    mask = np.full((4, 4), 255, np.uint8)
    mask[0, :2] = 0
    cube = swath.open(raster("masked.tif", np.full((3, 4, 4), 9, np.uint8), mask=mask))
    assert (cube.flag.values == contract.FLAGS["never_seen"]).tolist() == (mask == 0).tolist()
    assert not contract.usable(cube)[0, 0]


def test_an_alpha_band_of_zeros_and_full_is_a_mask_and_one_of_values_a_band(raster: Raster) -> None:
    values = np.full((4, 4, 4), 100, np.uint8)
    values[3] = 255
    values[3, 0, 0] = 0
    plain = swath.open(raster("rgba.tif", values, photometric="RGB", alpha="YES"))
    assert plain.sizes["band"] == 3
    assert plain.flag.values[0, 0] == contract.FLAGS["never_seen"]
    values[3] = np.arange(16).reshape(4, 4)
    infrared = swath.open(raster("rgbi.tif", values, photometric="RGB", alpha="YES"))
    assert infrared.sizes["band"] == 4


def test_complex_numbers_open_as_two_bands(raster: Raster) -> None:
    values = (np.arange(4) + 1j * np.arange(4)[::-1]).reshape(1, 2, 2).astype(np.complex64)
    cube = swath.open(raster("slc.tif", values))
    assert cube.band.values.tolist() == ["band_1_real", "band_1_imag"]
    assert cube.values[0].ravel().tolist() == [0, 1, 2, 3]
    assert cube.values[1].ravel().tolist() == [3, 2, 1, 0]


def test_ground_control_points_become_a_transform_with_its_residual(raster: Raster) -> None:
    turn = Affine.translation(500_000, 5_200_000) @ Affine.rotation(20) @ Affine.scale(10, -10)
    places = [(0, 0), (40, 0), (0, 30), (40, 30), (20, 15)]
    points = [GroundControlPoint(row=r, col=c, x=(turn @ (c, r))[0], y=(turn @ (c, r))[1]) for c, r in places]
    path = raster("gcp.tif", np.ones((1, 30, 40), np.uint8), gcps=points)
    scene = understand(path)
    assert any("ground control points only" in n and "residual" in n for n in scene.notes)
    box = contract.grid(next(iter(scene.cubes.values())))
    assert box is not None
    assert np.allclose(tuple(box.affine)[:6], tuple(turn)[:6], atol=1e-4)


def test_rotated_flipped_and_oblong_grids_keep_their_affine(raster: Raster) -> None:
    for name, affine in {
        "rotated": Affine.translation(5e5, 5e6) @ Affine.rotation(30) @ Affine.scale(10, -10),
        "flipped": Affine(10, 0, 5e5, 0, 10, 5e6),
        "oblong": Affine(10, 0, 5e5, 0, -30, 5e6),
    }.items():
        scene = understand(raster(f"{name}.tif", np.arange(12, dtype=np.uint8).reshape(1, 3, 4), transform=affine))
        cube = next(iter(scene.cubes.values()))
        box = contract.grid(cube)
        assert box is not None
        assert np.allclose(tuple(box.affine)[:6], tuple(affine)[:6])
        assert scene.notes
        assert cube.values.ravel().tolist() == list(range(12))


def test_without_a_crs_the_grid_is_kept_and_said(raster: Raster) -> None:
    scene = understand(raster("nocrs.tif", np.ones((1, 3, 3), np.uint8), crs=None))
    assert any("no CRS" in n for n in scene.notes)
    plain = understand(raster("nogeo.tif", np.ones((1, 3, 3), np.uint8), crs=None, transform=Affine.identity()))
    assert any("no georeference" in n for n in plain.notes)
    assert contract.grid(next(iter(plain.cubes.values()))) is None


def test_one_pixel_opens(raster: Raster) -> None:
    assert swath.open(raster("one.tif", np.full((1, 1, 1), 5, np.uint8))).values.tolist() == [[[5]]]


def test_bands_that_are_dates_become_a_series(raster: Raster) -> None:
    values = np.arange(3 * 4, dtype=np.int16).reshape(3, 2, 2)
    path = raster(
        "ndvi.tif",
        values,
        descriptions=["2007-09-14", "2007-09-30", "2007-10-16"],
        tags={"scale": "value = DN / 10000"},
    )
    cube = swath.open(path)
    assert cube.dims == ("time", "band", "y", "x")
    assert str(cube.time.values[1])[:10] == "2007-09-30"
    assert cube.band.values.tolist() == ["ndvi"]
    assert np.allclose(cube.values[:, 0], values / 1e4)


def test_repeated_band_names_are_numbered_and_said(raster: Raster) -> None:
    scene = understand(raster("twice.tif", np.ones((4, 2, 2), np.uint8), descriptions=["VV", "VH", "VV", "VH"]))
    assert [b.name for b in scene.bands] == ["VV", "VH", "VV#2", "VH#2"]
    assert any("repeat" in n for n in scene.notes)


def test_nodata_that_the_type_cannot_hold_is_no_value(raster: Raster) -> None:
    path = raster("odd.tif", np.zeros((1, 2, 2), np.float32), nodata=-9999)
    with rasterio.open(path, "r+") as file:
        file.nodata = -1e30
    cube = swath.open(path)
    assert np.isfinite(cube.values).all()


def test_windows_equal_the_whole_and_a_source_can_be_pickled(raster: Raster) -> None:
    values = np.random.default_rng(0).integers(0, 255, (3, 70, 50)).astype(np.uint8)
    layer = read(str(raster("w.tif", values, tiled=True, blockxsize=16, blockysize=16)))[0]
    source = pickle.loads(pickle.dumps(layer.source))
    assert isinstance(source, RasterSource)
    assert (source.read([0], [2, 0], slice(5, 60), slice(3, 49))[0] == values[[2, 0], 5:60, 3:49]).all()


def test_threads_read_with_handles_of_their_own(raster: Raster) -> None:
    values = np.random.default_rng(1).integers(0, 255, (1, 300, 300)).astype(np.uint8)
    cube = swath.open(raster("t.tif", values, tiled=True, blockxsize=64, blockysize=64, compress="deflate"))
    wrong: list[int] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(30):
            y, x = rng.integers(0, 250, 2)
            if not (
                cube.isel(y=slice(y, y + 50), x=slice(x, x + 50)).values == values[:, y : y + 50, x : x + 50]
            ).all():
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_a_file_that_was_replaced_is_read_anew(raster: Raster) -> None:
    path = raster("r.tif", np.full((1, 4, 4), 1, np.uint8))
    assert swath.open(path).values.max() == 1
    path.unlink()
    raster("r.tif", np.full((1, 5, 4), 2, np.uint8))
    assert swath.open(path).values.max() == 2
