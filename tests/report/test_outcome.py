"""What a recipe gives back: rows beside baselines, on a page and in a file."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from swath.errors import SwathError
from swath.estimate import Estimate, mean
from swath.report import outcome_page
from swath.report.outcome import Card, Outcome, Row, save

CARD = Card(
    "made",
    99,
    "A made system",
    "Nobody 2025, arXiv 0000.00000",
    "none",
    "MIT",
    {"accuracy": "0.9, table 1"},
    ("a",),
    ("b",),
)


def _outcome(figures: dict[str, str] | None = None) -> Outcome:
    rows = (
        Row("made worlds", "ours", "ours", "accuracy", mean([0.8, 0.82, 0.81], simulated=True), "0.9"),
        Row("made worlds", "majority <b>", "baseline", "accuracy", mean([0.5], simulated=True)),
        Row("made worlds", "all right", "reference", "R-AUROC", Estimate(math.nan, "1", reason="one class only")),
    )
    return Outcome(CARD, "small", rows, figures or {}, ("the claim did not reproduce: made data",), {"seeds": 3})


def test_an_outcome_reads_back_from_its_file_to_the_same(tmp_path: Path) -> None:
    save(_outcome(), tmp_path)
    record = json.loads((tmp_path / "outcome.json").read_text())
    assert Outcome.from_json(record).to_json() == record
    assert [r["simulated"] for r in record["rows"]] == [True, True, False]
    assert record["rows"][2]["estimate"]["value"] is None


def test_a_figure_that_is_not_there_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(SwathError, match=r"no curve\.png"):
        save(_outcome({"curve.png": "a curve"}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_row_has_one_of_three_roles() -> None:
    with pytest.raises(SwathError, match="roles are ours, baseline, reference"):
        Row("d", "m", "theirs", "a", mean([1.0]))  # type: ignore[arg-type]


def test_the_page_escapes_what_it_shows_and_asks_for_nothing_outside(tmp_path: Path) -> None:
    page = outcome_page.write(tmp_path / "report.html", _outcome()).read_text()
    assert "majority &lt;b&gt;" in page
    assert "default-src 'none'" in page
    assert "simulated" in page
    assert "one class only" in page


def test_the_documentation_shows_interval_claim_and_what_is_simulated() -> None:
    text = outcome_page.markdown(_outcome(), "../outcomes/made")
    assert "### made worlds\n" in text  # not all of its rows are
    assert "| accuracy | ours | **ours** | 0.810 [0.785, 0.835] | 0.9 |" in text
    assert "the claim did not reproduce" in text
