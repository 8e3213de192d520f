import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from swath.baseline import smooth


def draw(seed, height=34, width=30):
    random = np.random.default_rng(seed)
    p = random.random((3, height, width)).astype(np.float32)
    return p / p.sum(0), random.random((height, width)) > 0.2, random.standard_normal((3, height, width)).astype("f4")


@given(st.integers(0, 10**6), st.integers(0, 20), st.integers(0, 20))
def test_a_window_with_its_reach_is_smoothed_as_the_whole_scene(seed, top, left):
    p, valid, guide = draw(seed)
    whole = smooth.smooth(p, valid, guide)
    r, bottom, right = smooth.REACH, top + 7, left + 8
    y, x = max(0, top - r), max(0, left - r)
    cut = (slice(y, min(34, bottom + r)), slice(x, min(30, right + r)))
    part = smooth.smooth(p[(slice(None), *cut)], valid[cut], guide[(slice(None), *cut)])
    core = part[:, top - y : bottom - y, left - x : right - x]
    assert np.array_equal(core, whole[:, top:bottom, left:right][:, : core.shape[1], : core.shape[2]])


def test_probabilities_stay_shares_and_missing_pixels_stay_as_they_were():
    p, valid, guide = draw(0)
    out = smooth.smooth(p, valid, guide)
    assert np.allclose(out[:, valid].sum(0), 1, atol=1e-5)
    assert np.array_equal(out[:, ~valid], p[:, ~valid])


def test_a_lone_pixel_follows_like_neighbours_and_an_edge_stays():
    p = np.full((2, 20, 20), 0.1, np.float32)
    p[0, :, :10] = p[1, :, 10:] = 0.9
    p[:, 5, 5] = [0.3, 0.7]
    guide = np.zeros((1, 20, 20), np.float32)
    guide[0, :, 10:] = 10
    out = smooth.smooth(p, np.ones((20, 20), bool), guide).argmax(0)
    assert (out[:, :10] == 0).all()
    assert (out[:, 10:] == 1).all()


def test_an_image_smaller_than_the_reach_works():
    out = smooth.smooth(np.full((2, 1, 1), 0.5, np.float32), np.ones((1, 1), bool), np.zeros((3, 1, 1), np.float32))
    assert out.tolist() == [[[0.5]], [[0.5]]]
