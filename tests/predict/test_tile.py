"""Windows cover the scene."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from swath.predict.tile import choose_size, tiles


@given(
    height=st.integers(1, 300), width=st.integers(1, 300), size=st.sampled_from([16, 32, 64, 128]),
    halo=st.integers(0, 40), strip=st.none() | st.integers(1, 5),
)  # fmt: skip
def test_cores_cover_every_pixel_once_and_halos_stay_inside(height, width, size, halo, strip):
    seen = np.zeros((height, width), int)
    found = tiles((height, width), size=size, halo=halo, strip=strip)
    assert sorted(t.index for t in found) == list(range(len(found)))
    for tile in found:
        seen[tile.rows, tile.columns] += 1
        y, x = tile.inside
        assert (tile.read_rows.start + y.start, tile.read_columns.start + x.start) == (
            tile.rows.start,
            tile.columns.start,
        )
        assert tile.read_rows.start == max(0, tile.rows.start - halo)
        assert tile.read_columns.stop == min(width, tile.columns.stop + halo)
    assert (seen == 1).all()


@given(layers=st.integers(1, 3000), halo=st.integers(0, 64), side=st.integers(1, 20_000))
def test_windows_fit_the_memory_and_are_powers_of_two(layers, halo, side):
    size = choose_size((side, side), layers, halo=halo)
    assert size & (size - 1) == 0
    assert 64 <= size <= 512
    assert min(side, size + 2 * halo) ** 2 * layers * 9 <= 96 << 20 or size in (64, 128) or size <= 2 * halo * 2


def test_a_small_scene_is_shared_out():
    assert choose_size((300, 300), 10) <= 256
    assert choose_size((10_000, 10_000), 4) == 512
