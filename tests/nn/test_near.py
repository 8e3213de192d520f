from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.nn.near import Near, moments  # noqa: E402


def field(seed=0, size=12, channels=3):
    random = np.random.default_rng(seed)
    x = torch.tensor(random.standard_normal((2, size, size, channels)), dtype=torch.float32)
    return x, torch.tensor(random.random((2, size, size)) < 0.7)


def test_moments_are_those_of_the_pixels_that_count():
    x, seen = field()
    out = moments(x, seen, (5,), (3,)).numpy()
    row, column = 6, 2
    around = np.s_[0, row - 2 : row + 3, column - 2 : column + 3]
    want = x.numpy()[around][seen.numpy()[around]]
    np.testing.assert_allclose(out[0, row, column, :3], want.mean(0), atol=1e-5)
    close = np.s_[0, row - 1 : row + 2, column - 1 : column + 2]
    variance = x.numpy()[close][seen.numpy()[close]].var(0)
    np.testing.assert_allclose(out[0, row, column, 3:], np.sqrt(variance + 1e-3) - 1e-3**0.5, atol=1e-4)


def test_moments_at_the_edge_and_where_nothing_counts():
    x, seen = field()
    out = moments(x, torch.zeros_like(seen), (3,), (3,))
    assert out.abs().max() < 1e-6
    whole = moments(x, torch.ones_like(seen), (3,), ())
    np.testing.assert_allclose(whole[:, 0, 0].numpy(), x[:, :2, :2].mean((1, 2)).numpy(), atol=1e-5)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_stage_looks_just_as_far_as_it_says_and_not_at_pixels_that_do_not_count(step):
    torch.manual_seed(0)
    stage = Near(4, 5, step)
    x, seen = field(size=24, channels=4)
    seen[:] = True
    with torch.no_grad():
        before = stage(x, seen)
        moved = x.clone()
        moved[0, 12, 12] += torch.randn(4)
        apart = (stage(moved, seen) - before)[0].abs().sum(-1) > 1e-6
        rows, columns = np.nonzero(apart.numpy())
        assert max(abs(rows - 12).max(), abs(columns - 12).max()) == stage.reach == 2 * step
        seen[0, 12, 12] = False
        hidden = (stage(moved, seen) - stage(x, seen))[0].abs().sum(-1) > 1e-6
    assert hidden.sum() == 1
    assert hidden[12, 12]
