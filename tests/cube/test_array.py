"""Windows of n-dimensional variables: any order of axes, flips and wraps give the same picture."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from swath.cube.array import Plane, VariableSource, clean
from swath.cube.sources import coarse

PICTURE = np.arange(3 * 2 * 7 * 9, dtype="i4").reshape(3, 2, 7, 9)  # dates, levels, rows, columns
ORDERS = sorted(permutations(range(4)))


@dataclass(frozen=True)
class Memory:
    """A reader over one array."""

    values: np.ndarray

    def read(self, name, index):
        assert all(
            s.step in (None, 1) and 0 <= s.start < s.stop <= n for s, n in zip(index, self.values.shape, strict=True)
        )
        return self.values[index]


def source(order, flip_y=False, flip_x=False, roll=0, dates=(0, 1, 2)):
    stored = PICTURE[:, :, ::-1] if flip_y else PICTURE
    stored = stored[..., ::-1] if flip_x else stored
    stored = np.roll(stored, roll, axis=3)
    where = {axis: order.index(axis) for axis in range(4)}
    planes = tuple(Plane("v", where[2], where[3], where[0], ((where[1], level),)) for level in range(2))
    shape = (len(dates), 2, 7, 9)
    return VariableSource(Memory(stored.transpose(order)), planes, shape, np.dtype("i4"), dates, flip_y, flip_x, roll)


@given(
    order=st.sampled_from(ORDERS),
    flip_y=st.booleans(),
    turn=st.sampled_from(["", "flip", 1, 4, 8]),
    rows=st.tuples(st.integers(0, 6), st.integers(1, 7)).filter(lambda p: p[0] < p[1]),
    columns=st.tuples(st.integers(0, 8), st.integers(1, 9)).filter(lambda p: p[0] < p[1]),
    dates=st.lists(st.integers(0, 2), min_size=1, max_size=4),
    bands=st.lists(st.integers(0, 1), min_size=1, max_size=3),
)
def test_every_window_is_that_part_of_the_picture(order, flip_y, turn, rows, columns, dates, bands):
    made = source(order, flip_y, turn == "flip", turn if isinstance(turn, int) else 0)
    window = pickle.loads(pickle.dumps(made)).read(dates, bands, slice(*rows), slice(*columns))
    wanted = PICTURE[np.ix_(dates, bands)][:, :, slice(*rows), slice(*columns)]
    assert (window == wanted).all()


def test_dates_are_read_in_their_own_order():
    assert (
        source((0, 1, 2, 3), dates=(2, 0)).read([0, 1], [1], slice(0, 7), slice(0, 9))[:, 0] == PICTURE[[2, 0], 1]
    ).all()


@given(height=st.integers(1, 7), width=st.integers(1, 9), order=st.sampled_from(ORDERS))
def test_a_coarse_look_takes_the_pixels_that_any_source_would(height, width, order):
    rows = ((np.arange(height) + 0.5) * 7 / height).astype(int)
    columns = ((np.arange(width) + 0.5) * 9 / width).astype(int)
    assert (
        coarse(source(order, flip_y=True), [2, 0], [1], height, width)
        == PICTURE[[2, 0]][:, [1]][:, :, rows][..., columns]
    ).all()


def test_numbers_outside_the_valid_range_and_all_fill_values_become_the_nodata():
    plane = Plane("v", 0, 1, missing=(-1.0, 99.0), low=0, high=50, nodata=-9.0)
    assert clean(np.array([[-1, 99, 51], [0, 50, 7]], "i2"), plane).tolist() == [[-9, -9, -9], [0, 50, 7]]


def test_big_endian_and_unsigned_numbers_are_read_as_meant():
    plane = Plane("v", 0, 1, dtype="<u2")
    assert clean(np.array([[-1, 2]], ">i2"), plane).tolist() == [[65535, 2]]
