"""Distillation from oneself: who gets gradients, what is saved, and the two ways to collapse, seen and told."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath import testing  # noqa: E402
from swath.datasets.sea import sea  # noqa: E402
from swath.models.nereus import Nereus  # noqa: E402
from swath.objective.crops import Crops  # noqa: E402
from swath.objective.distil import Collapse, Distil  # noqa: E402
from swath.sample.loader import Chips, take  # noqa: E402
from swath.train.fit import Rules, fit  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small wait for their threads on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def scenes():
    return sea(48, seed=0, size=16, shares=np.ones(10))


def _model(seed=0):
    torch.manual_seed(seed)
    return Nereus(embedding=8, widths=(16, 32), depths=(1, 1))


def _objective(model, **more):
    views = more.pop("views", Crops(16, 8, local=1))
    return Distil(model, 32, 32, hidden=32, bottleneck=16, views=views, **{"steps": 100, "warm": 10, **more})


def test_it_keeps_the_rules_of_an_objective(scenes):
    model = _model()
    testing.check_objective(_objective(model), model, scenes.batch)


def test_the_teacher_never_gets_a_gradient_and_follows_the_student(scenes):
    model = _model()
    objective = _objective(model, momentum=0.9)
    before = [p.clone() for p in objective.teacher.parameters()]
    optimiser = torch.optim.SGD([*model.parameters(), *objective.head.parameters()], 0.1)
    for _ in range(2):
        loss = objective(model, scenes.batch).value
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert all(p.grad is None and not p.requires_grad for p in objective.teacher.parameters())
    assert all(p.grad is None and not p.requires_grad for p in objective.teacher_head.parameters())
    objective(model, scenes.batch)
    moved = sum(float((p - q).abs().sum()) for p, q in zip(objective.teacher.parameters(), before, strict=True))
    assert moved > 0
    student = list(model.parameters())
    nearer = [
        float((p - s).detach().norm()) <= float((q - s).detach().norm()) + 1e-6
        for p, q, s in zip(objective.teacher.parameters(), before, student, strict=True)
    ]
    assert all(nearer)


def test_without_gradients_nothing_moves(scenes):
    model = _model()
    objective = _objective(model)
    with torch.no_grad():
        objective(model, scenes.batch)
    assert int(objective.step) == 0
    assert (objective.centre == 0).all()


def test_a_still_last_layer_gets_no_gradient_at_first(scenes):
    model = _model()
    objective = _objective(model, still=1)
    objective(model, scenes.batch).value.backward()
    assert objective.head.prototypes.grad is None
    objective(model, scenes.batch).value.backward()
    assert objective.head.prototypes.grad.abs().sum() > 0


def test_teacher_and_student_are_both_saved_and_a_stopped_training_ends_alike(scenes, tmp_path):
    def train(epochs, folder, stop_after=None):
        model = _model(3)
        objective = _objective(model)
        source = Chips(scenes.batch, batch=16, seed=1)

        def on_epoch(now):
            now.source.keep(range(0, len(scenes), 2))
            now.stop = now.number == stop_after

        rows = fit(model, source, objective, Rules(epochs=epochs, seed=5), folder=folder, on_epoch=on_epoch)
        return model, objective, rows

    whole, theirs, rows = train(3, tmp_path / "a")
    train(3, tmp_path / "b", stop_after=1)
    again, ours, _ = train(3, tmp_path / "b")
    for (name, p), q in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(p, q), name
    for (name, p), q in zip(theirs.state_dict().items(), ours.state_dict().values(), strict=True):
        assert torch.equal(p, q), name
    from safetensors import safe_open

    with safe_open(str(tmp_path / "a" / "state.safetensors"), framework="pt") as file:
        keys = set(file.keys())
    assert any(k.startswith("model.encoder") for k in keys)
    assert any(k.startswith("objective.teacher.encoder") for k in keys)
    assert {"teacher_entropy", "teacher_spread", "collapse"} <= set(rows[0])


def _run(scenes, steps=160, **more):
    """Health after a training at a rate that lets whatever happens happen soon."""
    model = _model(1)
    objective = _objective(model, momentum=0.9, views=Crops(16, local=0), **more)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        rows = fit(
            model,
            Chips(take(scenes.batch, range(24)), batch=24, seed=0),
            objective,
            Rules(epochs=steps, rate=3e-3, seed=2),
        )
    told = [w for w in heard if issubclass(w.category, Collapse)]
    return objective.health(), rows, told


def test_centring_alone_collapses_to_everything_and_fit_tells(scenes):
    health, rows, told = _run(scenes, teacher=(0.3, 0.3))
    assert health.entropy > 0.99
    assert health.collapsed
    assert told
    assert "sharpening" in rows[-1]["collapse"]


def test_sharpening_alone_collapses_to_one_thing_and_fit_tells(scenes):
    health, rows, told = _run(scenes, centre=None)
    assert health.entropy < 0.1
    assert health.spread < 0.1
    assert told
    assert "one prototype" in rows[-1]["collapse"]


def test_both_together_do_not_collapse(scenes):
    health, rows, told = _run(scenes)
    assert health.told > 0.1
    assert not health.collapsed
    assert not told
    assert math.isfinite(rows[-1]["distil"])


def test_views_leave_colours_alone_and_speckle_only_radar(scenes):
    torch.manual_seed(0)
    batch = scenes.batch.to("cpu")
    still = Crops(16, 8, local=2, wide=(1.0, 1.0))(batch)
    assert [v.pixels["sentinel-1-wave"].values.shape[-1] for v in still] == [16, 16, 8, 8]
    for a, b in zip(still[0].pixels["sentinel-1-wave"].values, batch.pixels["sentinel-1-wave"].values, strict=True):
        assert torch.allclose(a.flatten().sort().values, b.flatten().sort().values, atol=1e-4)
    noisy = Crops(16, 8, local=0, wide=(1.0, 1.0), speckle=4.0)(batch)[0].pixels["sentinel-1-wave"].values
    ratio = noisy.mean() / batch.pixels["sentinel-1-wave"].values.mean()
    assert ratio == pytest.approx(1, abs=0.05)
    assert noisy.std() > batch.pixels["sentinel-1-wave"].values.std()
