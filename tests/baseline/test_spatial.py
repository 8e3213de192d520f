import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.baseline import spatial


def test_smoothing_a_constant_leaves_it_even_at_borders_and_beside_missing_pixels():
    valid = np.random.default_rng(0).random((20, 17)) > 0.3
    out = spatial.gaussian(np.full((1, 20, 17), 7.0, np.float32), valid, 2.0)
    assert np.allclose(out[0], 7, atol=1e-5)


def test_missing_pixels_have_no_weight():
    planes = np.zeros((1, 9, 9), np.float32)
    planes[0, 4, 4] = 1e6
    valid = np.ones((9, 9), bool)
    valid[4, 4] = False
    assert np.abs(spatial.gaussian(planes, valid, 1.0)[0][valid]).max() == 0


def test_spread_of_a_constant_is_nothing():
    assert spatial.spread(np.full((1, 8, 8), 0.25, np.float32), np.ones((8, 8), bool), 1.5).max() < 1e-3


def brute_opening(plane, valid, radius):
    reach = [(dy, dx) for dy in range(-radius, radius + 1) for dx in range(-radius, radius + 1)
             if dy * dy + dx * dx <= (radius + 0.5) ** 2]  # fmt: skip
    h, w = plane.shape

    def pick(source, y, x, best):
        near = [
            source[y + dy, x + dx] for dy, dx in reach if 0 <= y + dy < h and 0 <= x + dx < w and valid[y + dy, x + dx]
        ]
        return best(near)

    shrunk = np.array([[pick(plane, y, x, min) if valid[y, x] else np.nan for x in range(w)] for y in range(h)])
    return np.array([[pick(shrunk, y, x, max) if valid[y, x] else plane[y, x] for x in range(w)] for y in range(h)])


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_openings_and_closings_agree_with_the_definition(radius):
    random = np.random.default_rng(radius)
    plane, valid = random.random((13, 11)).astype(np.float32), random.random((13, 11)) > 0.2
    assert np.array_equal(
        spatial.opening(plane[None], valid, radius)[0], brute_opening(plane, valid, radius).astype("f4")
    )
    assert np.array_equal(
        spatial.closing(plane[None], valid, radius)[0], -brute_opening(-plane, valid, radius).astype("f4")
    )


@given(st.integers(0, 10**6), st.integers(1, 5))
def test_opening_never_adds_and_closing_never_takes_away(seed, radius):
    random = np.random.default_rng(seed)
    plane, valid = random.random((1, 12, 15)).astype(np.float32), random.random((12, 15)) > 0.3
    assert (spatial.opening(plane, valid, radius) <= plane).all()
    assert (spatial.closing(plane, valid, radius) >= plane).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (40, 3), (5, 5)])
def test_scenes_smaller_than_the_disk_are_opened_too(shape: tuple[int, int]) -> None:
    planes = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    valid = np.ones(shape, bool)
    got = spatial.opening(planes, valid, 8)
    assert got.shape == planes.shape
    assert (got <= planes).all()
