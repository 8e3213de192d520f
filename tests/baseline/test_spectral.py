import numpy as np
import pytest

from swath.baseline import spectral
from swath.earth.sensor import Band


def test_a_projection_is_the_matrix_product_and_the_same_for_one_pixel_alone():
    random = np.random.default_rng(0)
    planes, weight, offset = random.random((7, 30, 5)).astype("f4"), random.random((7, 3)), random.random(3)
    out = spectral.project(planes, weight, offset)
    assert np.allclose(out, np.einsum("lyx,ln->nyx", planes, weight) + offset[:, None, None], atol=1e-5)
    assert np.array_equal(spectral.project(planes[:, 3:4, 2:3], weight, offset), out[:, 3:4, 2:3])


def test_components_put_signal_before_noise_and_have_unit_noise():
    random = np.random.default_rng(1)
    field = np.repeat(np.repeat(random.standard_normal((8, 8)), 8, 0), 8, 1)
    noise = random.standard_normal((6, 64, 64)) * np.array([0.1, 5, 0.1, 5, 5, 5])[:, None, None]
    planes = (field * np.array([1, 1, -1, 0, 0, 0])[:, None, None] + noise).astype(np.float32)
    difference = (planes[:, :, 1:] - planes[:, :, :-1]).reshape(6, -1).T
    parts = spectral.fit_components(planes.reshape(6, -1).T, difference, 3)(planes)
    assert abs(np.corrcoef(parts[0].ravel(), field.ravel())[0, 1]) > 0.98
    step = parts[:, :, 1:] - parts[:, :, :-1]
    assert (step**2).mean((1, 2)) / 2 == pytest.approx(1, rel=0.1)


def test_indices_come_from_letters_or_wavelengths_of_reflectance_only():
    red, nir = Band("B4", 665), Band("B8", 842)
    assert spectral.index_pairs((red, nir)) == [("nd_N_R", 1, 0)]
    assert spectral.index_pairs((Band("x", common="N"), Band("y", common="R"))) == [("nd_N_R", 0, 1)]
    assert spectral.index_pairs((Band("B4", 665, quantity="radiance"), Band("B8", 842, quantity="radiance"))) == []


def test_a_normalised_difference_without_a_sum_is_nothing():
    got = spectral.normalised_difference(np.array([0.0, 0.3]), np.array([0.0, 0.1]))
    assert got.tolist() == pytest.approx([0, 0.5])
