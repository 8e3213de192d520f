from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from swath.bench.few import few_labels, label_figure, rows_of
from swath.bench.frozen import patches, probed, tokens_of
from swath.bench.frozen import rows_of as probe_rows
from swath.bench.verdict import than
from swath.estimate import Estimate


def grid(side, size):
    at = np.arange(size) // side
    return at[:, None] * 100 + at


def test_labels_are_nested_and_never_lie_in_test_squares():
    truth = np.indices((32, 32)).sum(0) // 8 % 3
    truth[0, :5] = -1
    squares, blocks = grid(8, 32), grid(4, 32)
    seen = {}

    def remember(label, seed):
        seen.setdefault(seed, []).append(label)
        return truth

    curve = few_labels(
        {"right": remember}, truth, squares=squares, blocks=blocks, shares=(0.1, 0.5), seeds=range(3), simulated=True
    )
    for few, many in seen.values():
        assert (few[few >= 0] == truth[few >= 0]).all()
        assert (many[few >= 0] == few[few >= 0]).all()
        assert len(np.unique(squares[many >= 0])) <= 8
    assert curve.score("right", 0.1, "balanced accuracy").value == 1.0
    assert curve.score("commonest class", 0.5, "balanced accuracy").value == pytest.approx(1 / 3, abs=0.05)
    assert curve.parts[0.5, "right"].sum() == pytest.approx(3 * 8 * 64, abs=20)
    assert curve.better("right", "commonest class", 0.5, "accuracy").low > 0.3


def test_rows_say_what_a_curve_shows(tmp_path):
    truth = np.indices((32, 32)).sum(0) // 8 % 3
    ways = {
        "right": lambda label, s: truth,
        "wrong": lambda label, s: (truth + (np.indices(truth.shape)[s % 2] % 3)) % 3,
    }
    curve = few_labels(ways, truth, squares=grid(8, 32), blocks=grid(4, 32), shares=(0.1, 0.5), seeds=range(4))
    rows, words = rows_of("made", curve, "right", {"wrong": "a claim"})
    assert len(rows) == 2 * 2 * (3 + 1)
    assert len(words) == 2
    assert all("right is better than wrong" in text for text in words)
    assert label_figure("made", curve, tmp_path / "curve.png").stat().st_size > 5000


def test_differences_in_words():
    assert than(Estimate(0.1, "1", 0.05, 0.2)) == "better than"
    assert than(Estimate(-0.1, "1", -0.2, -0.05)) == "worse than"
    assert than(Estimate(-0.1, "1", -0.2, -0.05), lower_is_better=True) == "better than"
    assert than(Estimate(0.1, "1", -0.05, 0.2)) == "not clearly different from"
    assert than(Estimate(0.1, "1")).startswith("not told from")


def test_tokens_and_spectra_are_probed_on_the_same_patches():
    pytest.importorskip("torch")
    from swath.models.prithvi import Prithvi

    model, batch = Prithvi.example()
    (p,) = batch.pixels.values()
    names = ("B02", "B03", "B04", "B8A", "B11", "B12")
    p = replace(p, bands=tuple(replace(b, name=n) for b, n in zip(p.bands, names, strict=True)))
    target = np.zeros((3, 16, 24), int)
    target[:, 8:] = 1
    target[0, :8, :8] = -1
    items = patches(replace(batch, pixels={"s": p}, target=target, place=("a", "b", "b")), 8)
    assert items.place.tolist() == [0] * 5 + [1] * 12
    assert items.keep.tolist() == [False] + [True] * 17
    assert items.spectra.shape == (17, 2 * 9)
    assert tokens_of(model, items.batch).shape == (18, 2 * 32)
    values = np.asarray(p.values)[1, 1, :, :8, 8:16]
    np.testing.assert_allclose(
        items.spectra[6, 9:15], np.where(p.valid[1, 1, :, :8, 8:16], values, 0).mean((1, 2)), rtol=1e-5
    )
    found = probed({"tokens": model}, items, range(1))
    rows, words = probe_rows("made", found, "tokens, linear")
    assert set(found) == {"tokens, linear", "spectra, linear", "spectra, forest"}
    assert len(words) == 2
    assert len(rows) == 2 * 3 + 2
