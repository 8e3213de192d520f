from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.batch import Batch, Pixels  # noqa: E402
from swath.datasets import toy  # noqa: E402
from swath.errors import LabelError  # noqa: E402
from swath.models import build  # noqa: E402
from swath.models.tiny import measure  # noqa: E402
from swath.objective.supervise import supervise  # noqa: E402
from swath.sample.loader import Chips  # noqa: E402
from swath.task import Classify, Regress, Segment, Solver  # noqa: E402
from swath.train.fit import Rules, fit  # noqa: E402


def examples(dense, n=32):
    rng = np.random.default_rng(0)
    shape = (n, 2, 3, 4, 4)
    kind = rng.integers(0, 2, (n, 4, 4) if dense else (n,))
    level = 0.2 + 0.3 * (kind if dense else kind[:, None, None])
    values = (level[:, None, None] + rng.normal(0, 0.02, shape)).astype(np.float32)
    day = np.tile([18_000.0, 18_030.0], (n, 1))
    pixels = Pixels(values, np.ones(shape, bool), toy.SENTINEL_2[:3], 10.0, day, np.full((n, 2), np.nan))
    return Batch({"s2": pixels}, kind)


def solver(batch, task, frozen=False):
    torch.manual_seed(0)
    return Solver(build("tiny", dim=16, depth=1, heads=2, statistics=measure([batch])), task, 16, frozen=frozen)


def trained(batch, task, **options):
    model = solver(batch, task, **options)
    fit(model, Chips(batch, batch=16), supervise(task), Rules(epochs=25, rate=1e-2, warmup=5))
    return model


@pytest.mark.parametrize("dense", [False, True])
def test_classes_of_examples_and_of_pixels_are_learned(dense):
    batch = examples(dense)
    task = (Segment if dense else Classify)(("dark", "bright"))
    answer = trained(batch, task).answer(batch)["probability"]
    assert answer.shape == ((32, 2, 4, 4) if dense else (32, 2))
    torch.testing.assert_close(answer.sum(1), torch.ones_like(answer[:, 0]))
    assert (answer.argmax(1).numpy() == batch.target).mean() > 0.95


@pytest.mark.parametrize("dense", [False, True])
def test_numbers_come_back_in_their_unit(dense):
    batch = examples(dense)
    batch = Batch(batch.pixels, batch.target * 300.0 + 1000.0)
    task = Regress.of(torch.as_tensor(batch.target), "Mg ha-1")
    answer = trained(batch, task).answer(batch)["value"].numpy()
    assert answer.shape == batch.target.shape
    assert np.sqrt(((answer - batch.target) ** 2).mean()) < 60


@pytest.mark.parametrize(
    ("task", "output", "target", "ignored"),
    [
        (Classify(("a", "b")), torch.randn(4, 2), torch.tensor([0, 1, -1, 0]), -1),
        (Segment(("a", "b")), torch.randn(2, 2, 3, 3), torch.randint(-1, 2, (2, 3, 3)), -1),
        (Regress("m", 1.0, 2.0), torch.randn(4), torch.tensor([1.0, float("nan"), 2.0, 3.0]), float("nan")),
    ],
)
def test_targets_that_do_not_count_change_nothing(task, output, target, ignored):
    out = output.clone()
    lost = ~torch.isfinite(target) if target.is_floating_point() else target < 0
    if out.ndim == target.ndim + 1:
        out.movedim(1, -1)[lost] += 5.0
    else:
        out[lost] += 5.0
    torch.testing.assert_close(task.loss(out, target), task.loss(output, target))
    nothing = torch.full_like(target, ignored)
    assert float(task.loss(output, nothing)) == 0


def test_a_frozen_encoder_keeps_its_bytes():
    batch = examples(False)
    task = Classify(("dark", "bright"))
    before = {k: v.clone() for k, v in solver(batch, task).encoder.state_dict().items()}
    after = trained(batch, task, frozen=True).encoder.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in before.items())


def test_training_without_targets_and_regression_without_numbers_are_refused():
    batch = examples(False, 4)
    task = Classify(("dark", "bright"))
    with pytest.raises(LabelError, match="targets"):
        supervise(task)(solver(batch, task), Batch(batch.pixels))
    with pytest.raises(ValueError, match="numbers"):
        Regress.of(torch.tensor([float("nan")]), "m")
