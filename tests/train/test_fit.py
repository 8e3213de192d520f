from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.batch import Batch, Pixels  # noqa: E402
from swath.datasets import toy  # noqa: E402
from swath.errors import OutputError, SwathError  # noqa: E402
from swath.models import build  # noqa: E402
from swath.models.tiny import measure  # noqa: E402
from swath.objective.loss import Loss, total  # noqa: E402
from swath.objective.mask import Masked  # noqa: E402
from swath.sample.loader import Chips  # noqa: E402
from swath.train.fit import Rules, fit  # noqa: E402


def examples(n=24):
    rng = np.random.default_rng(0)
    level = rng.normal(0.3, 0.1, (n, 1, 1, 1, 1))
    values = (level + rng.normal(0, 0.01, (n, 5, 3, 1, 1))).astype(np.float32)
    day = np.tile(18_000 + 20.0 * np.arange(5), (n, 1))
    return Batch(
        {"s2": Pixels(values, np.ones(values.shape, bool), toy.SENTINEL_2[:3], 10.0, day, np.full((n, 2), np.nan))}
    )


def fresh(batch):
    torch.manual_seed(5)
    return build("tiny", dim=16, depth=1, heads=2, statistics=measure([batch]))


class Remembering(torch.nn.Module):
    """An objective with a state that the loss depends on."""

    def __init__(self):
        super().__init__()
        self.register_buffer("level", torch.zeros(()))

    def forward(self, model, batch):
        loss = Masked(0.4)(model, batch).value
        self.level.mul_(0.9).add_(0.1 * loss.detach())
        return Loss({"masked": loss * (1 + self.level)})


def run(batch, epochs, folder=None, stop_after=None, **rules):
    model, objective = fresh(batch), Remembering()

    def on_epoch(state):
        state.stop = stop_after is not None and state.number + 1 == stop_after

    history = fit(
        model,
        Chips(batch, batch=8),
        objective,
        Rules(epochs=epochs, warmup=3, **rules),
        folder=folder,
        on_epoch=on_epoch,
    )
    return model, objective, history


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_it_learns_and_the_same_seed_gives_the_same_weights():
    batch = examples()
    one, _, history = run(batch, 10, rate=5e-3)
    two, _, _ = run(batch, 10, rate=5e-3)
    other, _, _ = run(batch, 10, rate=5e-3, seed=1)
    assert history[-1]["masked"] < 0.6 * history[0]["masked"]
    assert equal(one, two)
    assert not equal(one, other)


def test_an_interrupted_training_resumes_to_the_same_numbers(tmp_path):
    batch = examples()
    whole, memory, history = run(batch, 6)
    run(batch, 6, folder=tmp_path, stop_after=3)
    torch.rand(17)
    resumed, again, rows = run(batch, 6, folder=tmp_path)
    assert equal(whole, resumed)
    assert equal(memory, again)
    assert rows == history
    assert [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()] == history
    assert sorted(p.name for p in tmp_path.iterdir()) == ["history.jsonl", "state.safetensors"]


def test_a_finished_training_is_not_run_again(tmp_path):
    batch = examples()
    one, _, _ = run(batch, 2, folder=tmp_path)
    seen = []
    model = fresh(batch)
    fit(model, Chips(batch, batch=8), Remembering(), Rules(epochs=2, warmup=3), folder=tmp_path, on_epoch=seen.append)
    assert not seen
    assert equal(model, one)


def test_a_state_of_other_rules_is_refused(tmp_path):
    batch = examples()
    run(batch, 1, folder=tmp_path)
    with pytest.raises(OutputError, match="rules"):
        run(batch, 1, folder=tmp_path, rate=1e-4)


def test_the_random_numbers_of_the_caller_stay_as_they_were():
    torch.manual_seed(3)
    expected = torch.rand(3)
    batch, torch_seeded = examples(8), torch.manual_seed(3)
    model = fresh(batch)
    torch.manual_seed(3)
    fit(model, Chips(batch, batch=8), Masked(0.4), Rules(epochs=1))
    assert torch.equal(torch.rand(3), expected)
    assert torch_seeded is not None


def test_on_epoch_may_change_the_kept_examples():
    batch = examples()
    source = Chips(batch, batch=8)
    steps = []

    def on_epoch(state):
        steps.append(state.steps)
        state.source.keep(range(8))

    fit(fresh(batch), source, Masked(0.4), Rules(epochs=3), on_epoch=on_epoch)
    assert steps == [3, 4, 5]


def test_kept_examples_survive_an_interruption(tmp_path):
    batch = examples()

    def train(epochs_before_stop, folder=None):
        source = Chips(batch, batch=8)
        model = fresh(batch)

        def on_epoch(state):
            state.source.keep(range(8 * (2 - state.number % 2)))
            state.stop = state.number + 1 == epochs_before_stop

        fit(model, source, Masked(0.4), Rules(epochs=4), folder=folder, on_epoch=on_epoch)
        return model

    whole = train(4)
    train(1, tmp_path)
    assert equal(whole, train(4, tmp_path))


def test_bf16_learns_too():
    history = run(examples(), 6, rate=5e-3, bf16=True)[2]
    assert history[-1]["masked"] < history[0]["masked"]


def test_a_loss_that_is_not_finite_stops_at_once():
    def broken(model, batch):
        return Loss({"bad": model.summary.sum() * float("nan")})

    with pytest.raises(SwathError, match="finite"):
        fit(fresh(examples(8)), Chips(examples(8)), broken, Rules(epochs=1))


def test_a_total_of_objectives_trains():
    batch = examples(8)
    objective = total({"a": (1.0, Masked(0.4)), "b": (0.1, Masked(0.4, loss="l1"))})
    history = fit(fresh(batch), Chips(batch), objective, Rules(epochs=2))
    assert set(history[0]) == {"epoch", "steps", "a.masked", "b.masked"}
