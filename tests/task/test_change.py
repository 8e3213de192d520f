from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.batch import Tokens  # noqa: E402
from swath.task import Change  # noqa: E402


def tokens(seed: int = 0, dates: int = 2, same: bool = False) -> Tokens:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(3, dates, 4 * 5, 6, generator=generator)
    if same:
        values = values[:, :1].expand_as(values)
    n = dates * 20
    valid = torch.ones(3, n, dtype=torch.bool)
    return Tokens(values.reshape(3, n, 6), valid, torch.zeros(3, n), torch.zeros(3, n, 2), (dates, 4, 5))


@pytest.mark.parametrize(
    ("form", "classes"), [("binary", ()), ("kinds", ("same", "cut", "built")), ("maps", ("wood", "bare"))]
)
@pytest.mark.parametrize("how", ["difference", "concat"])
def test_every_form_learns_and_answers_in_probabilities(form, classes, how):
    task = Change(classes, form, how)
    torch.manual_seed(0)
    head = task.head(6)
    output = task.output(head, tokens(), (8, 10))
    target = torch.zeros(3, 2, 8, 10, dtype=torch.long) if form == "maps" else torch.zeros(3, 8, 10, dtype=torch.long)
    target[..., :2] = -1
    loss = task.loss(output, target)
    assert torch.isfinite(loss)
    loss.backward()
    answer = task.answer(output.detach())
    assert answer["change"].shape == (3, 8, 10)
    for share in answer.values():
        assert share.min() >= 0
        assert share.max() <= 1
    assert task.loss(output, torch.full_like(target, -1)) == 0


def test_equal_dates_by_difference_give_one_value_everywhere():
    task = Change(form="binary")
    torch.manual_seed(0)
    share = task.answer(task.output(task.head(6), tokens(same=True), (8, 10)).detach())["change"]
    assert float(share.std()) < 1e-6


def test_two_equal_sure_maps_show_no_change():
    task = Change(("wood", "bare"), "maps")
    scores = torch.zeros(1, 2, 2, 4, 4)
    scores[:, :, 0] = 50
    assert float(task.answer(scores)["change"].max()) < 1e-6
    scores[:, 1, :, 2:] = scores[:, 1, :, 2:].flip(1)
    assert np.allclose(task.answer(scores)["change"][0, 2:].numpy(), 1, atol=1e-6)


def test_another_number_of_dates_is_refused():
    with pytest.raises(ValueError, match="two dates"):
        Change().output(Change().head(6), tokens(dates=3), (8, 10))
