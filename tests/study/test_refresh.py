"""Pruning while training: the same lists after a stop anywhere, equal steps, and copies that go."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.datasets.sea import sea  # noqa: E402
from swath.models.nereus import Nereus  # noqa: E402
from swath.objective.crops import Crops  # noqa: E402
from swath.objective.distil import Distil, vectors_of  # noqa: E402
from swath.sample.loader import Chips  # noqa: E402
from swath.study.refresh import Refresh  # noqa: E402
from swath.train.fit import Rules, fit  # noqa: E402

SCENES = sea(90, seed=0, size=16, duplicates=0.3)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small wait for their threads on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class KilledError(Exception):
    pass


def _train(folder, kill=None):
    """Three epochs of four steps; `kill`: (epoch, where) of a stop in the middle of that refresh."""
    torch.manual_seed(0)
    model = Nereus(embedding=4, widths=(8, 16), depths=(1, 1))
    objective = Distil(model, 16, 16, steps=12, hidden=16, bottleneck=8, views=Crops(16, local=0))
    source = Chips(SCENES.batch, batch=8, seed=0, steps=4)

    def embed(now):
        if kill == (now.number, "embed"):
            raise KilledError
        with torch.no_grad():
            return vectors_of(now.objective.teacher.eval(), SCENES.batch.to("cpu")).numpy()

    refresh = Refresh(embed, 0.5, warm=1, every=1, spread=1.0, seed=3, counts=(8,))

    def on_epoch(now):
        refresh(now)
        now.objective.teacher.train()
        if kill == (now.number, "kept"):
            raise KilledError

    rows = fit(model, source, objective, Rules(epochs=3, seed=1), folder=folder, on_epoch=on_epoch)
    return source.kept, refresh.done, rows, model


def test_a_stop_in_the_middle_of_a_refresh_changes_nothing(tmp_path):
    kept, done, rows, model = _train(tmp_path / "whole")
    assert len(kept) == 45
    assert [d.epoch for d in done] == [0, 1, 2]
    for where in ("embed", "kept"):
        with pytest.raises(KilledError):
            _train(tmp_path / where, kill=(1, where))
        again, later, others, same = _train(tmp_path / where)
        assert again == kept
        assert [d.kept for d in later] == [d.kept for d in done[-len(later) :]]
        assert others == rows
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True))


def test_epochs_have_equal_steps_and_every_refresh_sees_the_whole_archive(tmp_path):
    _, done, rows, _ = _train(tmp_path)
    assert [r["steps"] for r in rows] == [4, 8, 12]
    assert all(sum(d.size) == len(SCENES) for d in done)
    assert all(sum(d.taken) == 45 for d in done)
    assert done[0].to_json()["clusters"]["kept"] == list(done[0].taken)


def test_planted_copies_go(tmp_path):
    kept, _, _, _ = _train(tmp_path)
    copies = np.flatnonzero(SCENES.copy_of >= 0)
    root = np.where(SCENES.copy_of >= 0, SCENES.copy_of, np.arange(len(SCENES)))
    redundant = len(kept) - len(np.unique(root[kept]))
    assert redundant <= 0.1 * len(copies)


def test_a_schedule_may_be_once_or_now_and_then():
    class Now:
        source = Chips(SCENES.batch, steps=1)

    seen = []
    for every, expected in ((0, [1]), (2, [1, 3, 5]), (1, [1, 2, 3, 4, 5])):
        refresh = Refresh(
            lambda now: np.random.default_rng(0).normal(size=(90, 4)), 0.2, warm=2, every=every, counts=(4,)
        )
        for number in range(6):
            Now.number = number
            refresh(Now)
        seen = [d.epoch for d in refresh.done]
        assert seen == expected


def test_fewer_examples_than_a_batch_come_round_again():
    chips = Chips(SCENES.batch, batch=16, steps=3)
    chips.keep([1, 2, 5])
    keys = [k for b in chips.epoch(0) for k in b.key]
    assert len(keys) == 48
    assert set(keys) == {SCENES.batch.key[i] for i in (1, 2, 5)}
