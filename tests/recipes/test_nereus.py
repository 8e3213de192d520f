"""The recipe of Nereus: the rules of a recipe, equal steps, pairs by seed, the published size, and real patches."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from swath import testing
from swath.recipes import nereus


@pytest.fixture(scope="module")
def outcome():
    return testing.check_recipe(nereus)


def test_all_arms_stand_beside_one_another(outcome):
    methods = {r.method for r in outcome.rows if r.metric == "balanced accuracy, linear probe"}
    assert set(nereus.ARMS) < methods
    assert {"untrained network", "pixel statistics", "random convolutions"} < methods
    assert {r.role for r in outcome.rows if r.method.startswith("oracle")} == {"reference"}


def test_the_difference_to_a_random_subset_has_an_interval_and_a_verdict(outcome):
    gain = next(r for r in outcome.rows if r.method == "dynamic - random subset")
    assert gain.estimate.low < gain.estimate.value < gain.estimate.high
    assert any("random subset" in v for v in outcome.verdicts)
    assert any("TenGeoP" in v for v in outcome.verdicts)


def test_copies_are_gone_and_the_arms_have_equal_steps(outcome):
    left = [r.estimate.value for r in outcome.rows if r.metric.startswith("share of redundant copies kept when all")]
    assert left
    assert max(left) <= 0.1
    assert outcome.facts["the made sea"]["archive"] == 120


def test_real_patches_come_with_their_truth_and_never_with_the_pictures_of_the_probe(shared):
    from swath.datasets.mixed import Mixed

    found = Mixed.find(shared)
    archive, kind, names, copy_of, test = found.draw(0)
    values = next(iter(archive.pixels.values())).values
    assert values.shape[1:] == (1, 3, 16, 16)
    assert np.isfinite(values).all()
    assert len(kind) == len(copy_of) == len(archive)
    assert kind.max() < len(names)
    copies = np.flatnonzero(copy_of >= 0)
    assert len(copies) == 9 * 36
    assert (values[copies] == values[copy_of[copies]]).all()
    pictures = next(iter(test.pixels.values())).values
    assert pictures.shape == (130, 1, 3, 64, 64)
    own = values[-480:, 0, 0, :4, :4].reshape(480, -1)
    flat = np.lib.stride_tricks.sliding_window_view(pictures[:5, 0, 0], (4, 4), (1, 2)).reshape(-1, 16)
    assert not (own[:40, None] == flat[None]).all(-1).any()
    other = found.draw(1)[4]
    assert other.key == test.key
    assert not np.array_equal(next(iter(other.pixels.values())).values, pictures)


@pytest.mark.slow
def test_the_published_size_takes_a_step(tmp_path):
    outcome = nereus.run("paper", tmp_path)
    assert outcome.rows[0].estimate.value == 23_501_760
    assert outcome.facts["output"] == [1, 1, 2048, 8, 8]
