"""What a data set keeps: cubes under the contract on one grid, truth beside them, the same each time, and its origin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from swath.cube import contract
from swath.testing.rules import run

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RULES", "check_dataset"]

Make = Callable[[], "tuple[Mapping[str, xr.DataArray], np.ndarray | None]"]


def cubes_keep_the_contract(make: Make) -> str:
    """Every cube keeps the contract."""
    cubes, _ = make()
    broken = [f"{name}: {text}" for name, cube in cubes.items() if (text := contract.check(cube))]
    return "; ".join(broken) if cubes else "no cube at all"


def truth_lies_on_the_grid(make: Make) -> str:
    """Truth, where there is one, ends in the rows and columns of some cube."""
    cubes, truth = make()
    if truth is None:
        return ""
    shapes = {(c.sizes["y"], c.sizes["x"]) for c in cubes.values() if "y" in c.dims}
    return "" if tuple(truth.shape[-2:]) in shapes else f"truth {truth.shape} beside grids {sorted(shapes)}"


def comes_the_same_twice(make: Make) -> str:
    """Made or read again, the values are the same."""
    (a, truth_a), (b, truth_b) = make(), make()
    if set(a) != set(b):
        return "other cubes"
    for name in a:
        if not np.array_equal(a[name].values, b[name].values, equal_nan=a[name].dtype.kind == "f"):
            return f"{name} differs"
    return "" if truth_a is None or truth_b is None or np.array_equal(truth_a, truth_b) else "truth differs"


def says_where_it_is_from(make: Make) -> str:
    """Every cube says that it is simulated, or under which licence it comes."""
    cubes, _ = make()
    silent = [name for name, c in cubes.items() if not c.attrs.get("simulated") and not c.attrs.get("licence")]
    return f"no attribute simulated or licence: {silent}" if silent else ""


RULES: tuple[Callable[[Make], str], ...] = (
    cubes_keep_the_contract, truth_lies_on_the_grid, comes_the_same_twice, says_where_it_is_from,
)  # fmt: skip


def check_dataset(make: Make) -> None:
    """Run RULES over a function that gives ({name: cube}, truth or None). Raises SwathError naming the broken ones."""
    run("the data set", RULES, make)
