"""Contrast: the cross-entropy it claims to be, soft partners, pairs left out, a queue."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.errors import SwathError  # noqa: E402
from swath.objective.contrast import contrast  # noqa: E402


@pytest.fixture
def pair():
    torch.manual_seed(0)
    return torch.randn(6, 5, requires_grad=True), torch.randn(6, 5, requires_grad=True)


def _cosines(a, b):
    a, b = a.detach().numpy(), b.detach().numpy()
    return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T


def _cross_entropy(logits, target):
    log = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return float(-(target * log).sum(1).mean())


def test_one_partner_each_is_the_cross_entropy_of_the_similarities(pair):
    a, b = pair
    s = _cosines(a, b) / 0.2
    one_way = _cross_entropy(s, np.eye(6))
    assert contrast(a, b, temperature=0.2, both_ways=False).value.item() == pytest.approx(one_way, rel=1e-5)
    both = (one_way + _cross_entropy(s.T, np.eye(6))) / 2
    assert contrast(a, b, temperature=0.2).value.item() == pytest.approx(both, rel=1e-5)


def test_soft_partners_are_shares_of_a_row(pair):
    a, b = pair
    y = torch.rand(6, 6)
    target = (y / y.sum(1, keepdim=True)).numpy()
    expected = _cross_entropy(_cosines(a, b) / 0.1, target)
    assert contrast(a, b, y, both_ways=False).value.item() == pytest.approx(expected, rel=1e-5)
    assert contrast(a, b, torch.eye(6)).value.item() == pytest.approx(contrast(a, b).value.item(), rel=1e-6)


def test_a_pair_left_out_gets_no_gradient(pair):
    a, b = pair
    left = torch.zeros(6, 6, dtype=torch.bool)
    left[:, 3] = True
    left[3, :] = True
    contrast(a, b, ignore=left).value.backward()
    assert (b.grad[3] == 0).all()
    assert (a.grad[3] == 0).all()
    assert b.grad[2].abs().sum() > 0


def test_a_queue_adds_strangers_without_gradient(pair):
    a, b = pair
    queue = torch.randn(9, 5, requires_grad=True)
    loss = contrast(a, b, queue=queue, temperature=0.5)
    loss.value.backward()
    assert queue.grad is None
    s = np.concatenate([_cosines(a, b), _cosines(a, queue)], 1) / 0.5
    assert loss.value.item() == pytest.approx(_cross_entropy(s, np.eye(6, 15)), rel=1e-5)


def test_pairs_for_themselves_are_binary_cross_entropies(pair):
    a, b = pair
    y = torch.rand(6, 6)
    left = torch.eye(6, dtype=torch.bool)
    s = 1 / (1 + np.exp(-(_cosines(a, b) / 0.3 - 1.0)))
    each = -(y.numpy() * np.log(s) + (1 - y.numpy()) * np.log(1 - s))
    value = contrast(a, b, y, left, 0.3, form="sigmoid", bias=-1.0).value.item()
    assert value == pytest.approx(each[~left.numpy()].mean(), rel=1e-5)


def test_without_any_partner_the_loss_is_nought_and_finite(pair):
    a, b = pair
    everything = torch.ones(6, 6, dtype=torch.bool)
    for form in ("softmax", "sigmoid"):
        loss = contrast(a, b, ignore=everything, form=form).value
        loss.backward()
        assert loss.item() == 0
        assert torch.isfinite(a.grad).all()


def test_partners_that_agree_cost_less(pair):
    a, _ = pair
    assert contrast(a, a).value < contrast(a, a.flip(0)).value


def test_shapes_that_do_not_fit_are_refused(pair):
    a, b = pair
    with pytest.raises(SwathError, match="partners of one width"):
        contrast(a, b[:, :3])
    with pytest.raises(SwathError, match="likeness"):
        contrast(a, b, torch.ones(6, 8))
