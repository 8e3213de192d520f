"""Colours: fixed, distinct, the same first ones however many classes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swath.earth import colour


@given(st.integers(1, 300), st.integers(1, 300))
def test_a_class_keeps_its_colour_whatever_the_number_of_classes(a, b):
    assert colour.palette(a)[: min(a, b)] == colour.palette(b)[: min(a, b)]


def test_colours_are_distinct_and_neither_white_nor_black():
    many = colour.palette(254)
    assert len(set(many[:120])) == 120
    assert all(all(0 <= v <= 255 for v in c) and 30 < sum(c) < 730 for c in many)


def test_ramps_run_from_end_to_end():
    for name in ("sequence", "doubt"):
        got = colour.ramp(name, 11)
        assert len(got) == 11
        assert got[0] != got[-1]
    light = [sum(c) for c in colour.ramp("sequence", 20)]
    assert light == sorted(light)


def test_hexadecimal():
    assert colour.hexadecimal((0, 114, 178)) == "#0072b2"
    assert colour.mixed((0, 0, 0), (100, 200, 50), 0.5) == (50, 100, 25)
