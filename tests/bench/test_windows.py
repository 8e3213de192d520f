from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from swath.baseline.gaps import linear
from swath.bench.windows import fill_scene, rows_of


def test_a_filler_that_looks_at_pixels_alone_has_no_seams_and_no_lattice(tmp_path):
    found = fill_scene(linear, (96, 80), 32, tmp_path)
    assert found.same
    assert max(found.spread) < 1e-6
    assert found.rmse["blended windows"].value == pytest.approx(found.rmse["linear in time"].value, rel=1e-5)
    assert found.seam["blended windows"] == pytest.approx(1.0, abs=0.4)
    rows, words, facts = rows_of("made", found)
    assert {r.role for r in rows} == {"ours", "baseline"}
    assert "the same bytes" in words
    assert np.isclose(found.hidden, 0.3, atol=0.02)
    assert facts["scene"]["same bytes"]
