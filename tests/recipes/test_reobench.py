"""REOBench's recipe, made small."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from swath.bench.robust import Table
from swath.recipes import reobench
from swath.recipes.reobench_rows import rows_of
from swath.recipes.reobench_sets import published
from swath.report.outcome import Outcome
from swath.testing import check_recipe
from swath.transform.severity import TWELVE

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    folder = tmp_path_factory.mktemp("reobench")
    return reobench.run("test", folder), folder


def test_the_recipe_keeps_its_rules_and_says_what_it_measured(ran: tuple[Outcome, Path]) -> None:
    def again(scale: str, out: Path, **_: Any) -> Outcome:
        shutil.copytree(ran[1], out, dirs_exist_ok=True)
        return ran[0]

    outcome = check_recipe(
        SimpleNamespace(CARD=reobench.CARD, SCALES=reobench.SCALES, run=again, __name__="swath.recipes.reobench")
    )
    drops = {r.metric for r in outcome.rows if r.metric.startswith("drop, ")}
    assert drops == {f"drop, {n.replace('_', ' ')}" for n in TWELVE}
    left_out = [r for r in outcome.rows if r.metric.endswith("family left out")]
    assert len(left_out) == 2
    (vhm,) = (r for r in outcome.rows if r.metric == "accuracy in per cent, drop")
    assert vhm.estimate.value == pytest.approx(1.31, abs=0.005)
    assert "1.38" in vhm.claim
    still = [r for r in outcome.rows if r.method == "mean of each band"]
    assert [r.estimate.value for r in still] == [0.0]
    assert all(r.estimate.simulated for r in still)


def test_the_kept_items_give_the_rows_again(ran: tuple[Outcome, Path]) -> None:
    kept = json.loads(gzip.decompress((ran[1] / "items.json.gz").read_bytes()))
    tables = {name: Table.from_json(t) for name, t in kept["pictures of made worlds"].items()}
    again = rows_of("pictures of made worlds", tables, reobench.ROLES)
    told = [r.to_json() for r in ran[0].rows]
    assert all(r.to_json() in told for r in again)
    assert len(again) > 24


def test_the_published_parts_have_their_size_and_take_a_step() -> None:
    rows, said, facts = published(crop=64)
    assert [r.estimate.value for r in rows] == [23_070, 23_070, 0]
    assert facts["output"] == [2, 5, 64, 64]
    assert "not run" in said[1]
