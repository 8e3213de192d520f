"""Windows and what moved: counted again by plain loops."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from swath.errors import SwathError
from swath.language.facts import facts
from swath.language.source import open_raster
from swath.language.windows import count_windows

_spec = importlib.util.spec_from_file_location("maps", Path(__file__).parent / "maps.py")
_maps = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_maps)
random_map = _maps.random_map


@pytest.mark.parametrize("seed", range(1, 40))
def test_windows_agree_with_a_plain_count(seed):
    codes, valid, names, grid = random_map(seed)
    raster = open_raster(codes, names, grid=grid, valid=valid)
    found = count_windows(raster, facts(raster), 5)
    side = found["side"]
    assert sum(r["pixels"] + r["unknown"] for r in found["records"]) == codes.size
    shares = {}
    for r in found["records"]:
        top, bottom, left, right = r["window"]
        assert bottom - top <= side
        assert right - left <= side
        part, known = codes[top:bottom, left:right], valid[top:bottom, left:right]
        assert r["pixels"] == known.sum()
        for code, name in names.items():
            n = int((part[known] == code).sum())
            assert r["shares"].get(name, 0.0) == (round(n / int(known.sum()), 6) if n else 0.0)
        if 2 * known.sum() >= side * side:
            shares |= {n: max(s, shares.get(n, 0.0)) for n, s in r["shares"].items()}
    if shares:
        assert {n: d["share"] for n, d in found["densest"].items()} == shares
        for name, d in found["densest"].items():
            assert next(r for r in found["records"] if r["window"] == d["window"])["shares"][name] == d["share"]


@pytest.mark.parametrize("number", [0, 65])
def test_too_few_or_too_many_windows_are_refused(number):
    raster = open_raster(np.ones((4, 4), np.uint8), {1: "water"})
    with pytest.raises(SwathError, match="1 to 64 windows"):
        count_windows(raster, facts(raster), number)


@pytest.mark.parametrize("seed", range(1, 20))
def test_what_each_class_lost_and_gained_agrees_with_a_plain_count(seed):
    codes, valid, names, grid = random_map(seed)
    before = np.roll(codes, 2, 1)
    then, now = (open_raster(c, names, grid=grid, valid=valid) for c in (before, codes))
    change = facts([then, now]).to_json()["change"][0]
    assert {c["name"]: c["pixels"] for c in change["earlier"]} == {
        n: int((before[valid] == c).sum()) for c, n in names.items() if (before[valid] == c).any()
    }
    for code, name in names.items():
        lost = int((valid & (before == code) & (codes != code)).sum())
        gained = int((valid & (before != code) & (codes == code)).sum())
        found = change["moved"].get(name, {"lost": {"pixels": 0}, "gained": {"pixels": 0}})
        assert (found["lost"]["pixels"], found["gained"]["pixels"]) == (lost, gained)
