from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from swath.batch import Batch, Pixels  # noqa: E402
from swath.datasets import toy  # noqa: E402
from swath.errors import SwathError  # noqa: E402
from swath.objective.loss import Loss, total  # noqa: E402
from swath.objective.mask import UNITS, Masked, hide  # noqa: E402


class Guess(torch.nn.Module):
    """Says a fixed number for every value, and remembers what it was shown."""

    def __init__(self, value=0.0):
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(value))
        self.shown = None

    def forward(self, batch):
        self.shown = batch
        return {name: p.values * 0 + self.value for name, p in batch.pixels.items()}

    def scaled(self, batch):
        return {name: torch.where(p.valid, p.values, 0.0) for name, p in batch.pixels.items()}


def pixels(b=3, t=4, c=2, h=5, w=6, seed=0, invalid=0.3):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(b, t, c, h, w)).astype(np.float32)
    valid = rng.random(values.shape) > invalid
    return Pixels(values, valid, toy.SENTINEL_2[:c], 10.0, np.zeros((b, t)), np.zeros((b, 2)))


@given(
    shape=st.tuples(*(st.integers(1, 6) for _ in range(5))),
    ratio=st.floats(0, 1),
    unit=st.sampled_from(["token", "date", "group"]),
)
def test_the_asked_share_is_hidden_in_every_example(shape, ratio, unit):
    b, g, t, h, w = shape
    n = {"token": t * h * w, "date": t, "group": g}[unit]
    part = hide(shape, ratio, unit).reshape(shape)
    assert torch.allclose(part.float().mean((1, 2, 3, 4)), torch.full((b,), round(ratio * n) / n))


@pytest.mark.parametrize("unit", UNITS)
def test_ratio_0_hides_nothing_and_1_everything(unit):
    assert not hide((3, 2, 4, 5, 6), 0.0, unit).any()
    assert hide((3, 2, 4, 5, 6), 1.0, unit).all()


def test_units_hide_what_they_name():
    shape = (4, 3, 5, 8, 8)
    token = hide(shape, 0.4, "token").reshape(shape)
    assert (token == token[:, :1]).all()
    date = hide(shape, 0.4, "date").reshape(shape)
    assert (date == date[:, :1, :, :1, :1]).all()
    group = hide(shape, 0.4, "group").reshape(shape)
    assert (group == group[:, :, :1, :1, :1]).all()
    block = hide(shape, 0.25, "block").reshape(shape)
    assert (block == block[:, :1, :1]).all()
    for one in block[:, 0, 0]:
        rows, columns = one.any(1).nonzero()[:, 0], one.any(0).nonzero()[:, 0]
        assert one[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert 8 <= int(one.sum()) <= 24


def test_the_same_generator_hides_the_same():
    a, b = (hide((2, 1, 4, 3, 3), 0.5, "token", torch.Generator().manual_seed(7)) for _ in range(2))
    assert (a == b).all()


def test_only_hidden_and_valid_values_count():
    p = pixels()
    model = Guess()
    hidden = torch.rand(p.values.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    got = float(Masked().difference(model, Batch({"s2": p}), {"s2": hidden}).detach())
    counts = hidden.numpy() & p.valid
    assert got == pytest.approx(float((p.values[counts] ** 2).mean()), rel=1e-5)
    shown = model.shown.pixels["s2"]
    assert (shown.valid.numpy() == (p.valid & ~hidden.numpy())).all()
    wild = replace(p, values=np.where(counts, p.values, 1e6).astype(np.float32))
    assert float(Masked().difference(Guess(), Batch({"s2": wild}), {"s2": hidden}).detach()) == pytest.approx(
        got, rel=1e-5
    )


def test_nothing_hidden_or_nothing_valid_costs_nothing():
    p = pixels()
    assert float(Masked(0.0)(Guess(), Batch({"s2": p})).value.detach()) == 0
    blind = replace(p, valid=np.zeros_like(p.valid))
    loss = Masked(0.5)(Guess(), Batch({"s2": blind})).value
    assert float(loss.detach()) == 0
    loss.backward()


def test_losses_differ_as_their_names_say():
    p = replace(pixels(invalid=0), values=np.full((3, 4, 2, 5, 6), 3.0, np.float32))
    cost = {n: float(Masked(0.5, loss=n)(Guess(), Batch({"s2": p})).value.detach()) for n in ("l2", "l1", "huber")}
    assert cost == pytest.approx({"l2": 9.0, "l1": 3.0, "huber": 2.5})


def test_per_token_norm_compares_with_each_tokens_own_mean_and_deviation():
    p = pixels(invalid=0)
    shifted = replace(p, values=p.values * 7 + 100)
    a, b = (float(Masked(1.0, per_token_norm=True)(Guess(), Batch({"s2": q})).value.detach()) for q in (p, shifted))
    assert a == pytest.approx(b, rel=5e-3) == pytest.approx(1.0, rel=1e-2)


def test_a_coarser_scale_counts_only_whole_cells():
    p = pixels(h=4, w=4, invalid=0)
    hidden = torch.zeros(p.values.shape, dtype=torch.bool)
    hidden[..., :2, :2] = True
    hidden[..., 2:, 2:3] = True
    got = float(Masked(scales=(2,)).difference(Guess(), Batch({"s2": p}), {"s2": hidden}).detach())
    assert got == pytest.approx(float((p.values[..., :2, :2].mean((3, 4)) ** 2).mean()), rel=1e-5)


def test_hiding_sensors_never_hides_the_only_one():
    assert not Masked(1.0, "sensor").hidden(Batch({"s2": pixels()}))["s2"].any()
    both = Masked(0.5, "sensor").hidden(Batch({"s2": pixels(b=40), "s1": pixels(b=40)}))
    whole = both["s2"].flatten(1)
    assert (whole.all(1) | ~whole.any(1)).all()
    assert 5 < int(whole.all(1).sum()) < 35


def test_several_units_hide_their_union():
    part = Masked((0.5, 0.5), ("date", "group")).hidden(Batch({"s2": pixels()}))["s2"]
    assert float(part.float().mean()) == pytest.approx(0.75)


def test_unknown_units_losses_and_ratios_are_refused():
    for wrong in (lambda: hide((1, 1, 1, 1, 1), 0.5, "word"), lambda: hide((1, 1, 1, 1, 1), 1.5, "token")):
        with pytest.raises(SwathError):
            wrong()
    with pytest.raises(SwathError):
        Masked(loss="l3")


def test_a_total_adds_weighted_terms_and_keeps_the_state_of_its_parts():
    class Counter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, model, batch):
            self.seen += 1
            return Loss({"one": torch.tensor(2.0)})

    both = total({"a": (0.5, Counter()), "b": (3.0, lambda model, batch: Loss({"x": torch.tensor(1.0)}))})
    loss = both(None, None)
    assert {k: float(v) for k, v in loss.terms.items()} == {"a.one": 1.0, "b.x": 3.0}
    assert float(loss.value) == 4.0
    assert float(both.state_dict()["states.a.seen"]) == 1
