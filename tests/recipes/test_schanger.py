"""The recipe of SChanger: the rules of a recipe, honest rivals on the same blocks, nested labels, the published size."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath import testing  # noqa: E402
from swath.models.schanger import SChanger  # noqa: E402
from swath.recipes import schanger  # noqa: E402
from swath.recipes.schanger_rows import SCN, Counts, rows_of  # noqa: E402
from swath.recipes.schanger_tasks import Scene, city_task, counts, levir_task, moved, touching  # noqa: E402


@pytest.fixture(scope="module")
def outcome():
    return testing.check_recipe(schanger)


def test_rivals_stand_beside_and_say_what_is_simulated(outcome):
    methods = {r.method for r in outcome.rows if r.metric.startswith("F1")}
    assert {"u-net of both dates", "fc-siam-diff", "change vectors + Otsu", "|p1 - p2| of the segmenter"} < methods
    assert {"logistic regression, stacked", SCN, f"{SCN}, fusion begun at random"} < methods
    assert all(r.estimate.simulated for r in outcome.rows)
    sizes = outcome.facts["parameters"]
    assert max(sizes.values()) < 1.05 * min(sizes.values())
    assert any("none of the paper's F1" in v for v in outcome.verdicts)
    assert set(outcome.figures) == {"examples.png", "blocks.png", "shifts.png"}
    assert not [k for k in outcome.facts if "second" in k]  # what differs from run to run is in run.json


def test_no_change_in_truth_and_answer_is_undefined_and_never_0_or_1():
    nothing = np.zeros((6, 2, 2))
    nothing[:, 0, 0] = 100
    (row, *_) = rows_of([Counts("made cities", True, SCN, 1, 0, nothing)])
    assert not row.estimate.defined
    assert "undefined" in row.estimate.reason


def test_labels_are_nested_the_first_block_holds_change_and_shifts_move_no_truth():
    task = city_task(3, 2, 64, 32, 5)
    assert len(task.pool) == 3
    assert task.pool[0].target.mean() > 0.02
    again = city_task(3, 2, 64, 32, 5)
    assert all(np.array_equal(a.target, b.target) for a, b in zip(task.pool, again.pool, strict=True))
    still, far = (moved(2, 64, 5, (m, m)) for m in (0.0, 3.0))
    assert all(np.array_equal(a.truth, b.truth) for a, b in zip(still, far, strict=True))
    assert not any(np.array_equal(a.after, b.after) for a, b in zip(still, far, strict=True))


def test_touching_windows_answer_every_pixel_once():
    class Edge:
        def change(self, before, after):
            assert before.values.shape[-2:] == (32, 32)
            return (after.values - before.values)[:, 0, :1]

    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 255, (2, 3, 70, 41)).astype(np.float32)
    truth = rng.random((70, 41)) < 0.1
    scene = Scene(a, b, truth, np.arange(41) < np.full((70, 41), 20), "made")
    np.testing.assert_array_equal(touching(Edge(), scene, 32), b[0] - a[0])
    assert counts([truth], [scene])[0].sum() == 70 * 20
    assert counts([truth], [scene])[0, 0, 1] == 0


def test_real_blocks_that_may_be_labelled_are_never_judged(shared):
    task = levir_task(shared, 8, 1)
    assert len(task.pool) == 48
    assert not task.simulated
    assert sum(int(s.known.sum()) for s in task.test) == 40 * 64 * 64
    for piece in task.pool[:8]:
        scene = task.test[int(piece.place)]
        held = scene.before[:, scene.known]
        assert piece.values["before"].shape == (3, 64, 64)
        assert held.shape[1] < 256 * 256


def test_the_answer_hangs_on_the_window():
    torch.manual_seed(0)
    model = SChanger("nano").eval()
    pictures = torch.randn(2, 1, 3, 128, 128)
    whole = model.probability(*pictures)[..., 32:96, 32:96]
    part = model.probability(*pictures[..., 32:96, 32:96])
    assert (whole - part)[..., 24:40, 24:40].abs().mean() > 1e-3


@pytest.mark.slow
def test_a_run_repeats_to_the_same_bytes(tmp_path):
    from swath.report.outcome import save

    runs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files = save(schanger.run("test", tmp_path / name), tmp_path / name)
        runs.append({f.name: f.read_bytes() for f in files})
    assert runs[0] == runs[1]


@pytest.mark.slow
def test_the_published_size_takes_a_step(tmp_path):
    outcome = schanger.run("paper", tmp_path)
    assert [r.estimate.value for r in outcome.rows if r.role == "ours"] == [607_305, 2_369_995, 580_849, 2_265_163]
    assert outcome.facts["output"] == [1, 6, 256, 256]
