"""Indian Pines: its unit is settled by plausibility, its split never shares a block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from swath.cube import contract
from swath.datasets import indian_pines
from swath.errors import UnitError

pytest.importorskip("tensorly", reason="the demo extra is not installed")


@pytest.fixture(scope="module")
def scene() -> indian_pines.IndianPines:
    return indian_pines.load()


def test_the_scene_is_a_cube_of_radiance_on_a_grid_without_crs(scene: indian_pines.IndianPines) -> None:
    assert contract.check(scene.cube) == ""
    assert scene.cube.sizes == {"band": 200, "y": 145, "x": 145}
    assert set(scene.cube.coords["quantity"].values) == {"radiance"}
    assert contract.grid(scene.cube) is None
    assert (scene.scale, scene.offset) == (0.02, -20.0)


def test_reflectance_and_the_tenfold_smaller_radiance_are_refused_by_what_air_does(
    scene: indian_pines.IndianPines,
) -> None:
    said = " ".join(scene.notes)
    assert "'reflectance' is refused" in said
    assert "below what air alone scatters in blue, refused" in said
    assert "plausible, taken" in said


def test_wavelengths_keep_the_order_of_the_file_and_step_back_at_the_joins(scene: indian_pines.IndianPines) -> None:
    assert (np.diff(scene.cube.coords["wavelength"].values) < 0).sum() == 3


def test_numbers_of_another_product_are_not_taken_for_this_one(scene: indian_pines.IndianPines) -> None:
    wavelength = scene.cube.coords["wavelength"].values
    with pytest.raises(UnitError, match="zero level"):
        indian_pines.settle_unit(scene.stored - 1000, wavelength)
    dim = scene.stored.copy()
    dim[:100] = 1_300
    with pytest.raises(UnitError, match="plausible"):
        indian_pines.settle_unit(dim, wavelength)


@pytest.mark.parametrize("seed", range(5))
def test_labels_and_test_share_no_block_and_keep_two_pixels_apart(scene: indian_pines.IndianPines, seed: int) -> None:
    labels, test = indian_pines.deal(scene.truth, seed)
    assert np.bincount(labels.ravel(), minlength=17)[1:].min() >= 5
    assert np.bincount(labels.ravel(), minlength=17)[1:].max() <= 10
    assert (labels[labels > 0] == scene.truth[labels > 0]).all()
    assert (test[test > 0] == scene.truth[test > 0]).all()
    rows, columns = np.nonzero(labels)
    for row, column in zip(rows, columns, strict=True):
        assert not test[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3].any()
    again = indian_pines.deal(scene.truth, seed)
    assert (again[0] == labels).all()
    assert (again[1] == test).all()


def test_the_file_of_the_demonstration_opens_with_its_date_unit_and_sensor(
    scene: indian_pines.IndianPines, tmp_path: Path
) -> None:
    from swath.cube.open import open as open_scene
    from swath.tools.demo import write_scene

    cube = open_scene(write_scene(scene, tmp_path / "indian_pines.tif"))
    assert not isinstance(cube, dict)
    assert [str(t)[:10] for t in cube.coords["time"].values] == ["1992-06-12"]
    assert set(cube.coords["units"].values) == {indian_pines.UNIT}
    assert cube.attrs["sensor"] == "aviris"
