"""A head that ranks how unsure an embedding is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from swath.errors import FormatError, LabelError
from swath.metric.ranking import auroc

torch = pytest.importorskip("torch")

from swath.assess import unsure  # noqa: E402
from swath.nn.prednet import PredNet, order  # noqa: E402
from swath.objective.order import Kept, Ordered, task_loss  # noqa: E402

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "49-representation-uncertainty.json").read_text())


def test_the_losses_are_those_of_the_published_code() -> None:
    u = torch.tensor(GOLDEN["u"])
    losses = task_loss(torch.tensor(GOLDEN["logits"]), torch.tensor(GOLDEN["multi_hot"]))
    torch.testing.assert_close(losses, torch.tensor(GOLDEN["per_sample_task_loss"]), atol=1e-6, rtol=0)
    assert float(order(u, losses)) == pytest.approx(GOLDEN["order_loss_gap_0.1"], abs=1e-6)
    said = Ordered("mse")(lambda v: v, Kept(u, losses)).value
    assert float(said) == pytest.approx(GOLDEN["mse_loss"], abs=1e-6)


def test_a_head_that_says_the_losses_has_no_order_loss_and_pairs_may_change_places() -> None:
    losses = torch.tensor([0.2, 1.0, 3.0, 0.5])
    assert float(order(losses, losses)) == 0
    u = torch.rand(4, generator=torch.Generator().manual_seed(0))
    assert float(order(u, losses)) == pytest.approx(float(order(u[[2, 3, 0, 1]], losses[[2, 3, 0, 1]])))
    with pytest.raises(ValueError, match="even"):
        order(u[:3], losses[:3])


def test_labels_that_are_many_do_not_raise_the_mean_loss() -> None:
    logits = torch.zeros(2, 4)
    target = torch.tensor([[1.0, 0, 0, 0], [1, 1, 1, 0]])
    summed, mean = task_loss(logits, target), task_loss(logits, target, mean_over_labels=True)
    assert float(summed[1]) == pytest.approx(3 * float(summed[0]))
    assert float(mean[1]) == pytest.approx(float(mean[0]))


def _made(seed: int, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 8)).astype(np.float32)
    return vectors, np.exp(vectors[:, 0] + 0.2 * rng.normal(size=n)).astype(np.float32)


@pytest.mark.parametrize("kind", ["order", "mse"])
def test_a_head_learns_which_vectors_are_unsure_and_ranks_unseen_ones(kind: str) -> None:
    vectors, losses = _made(0)
    head = unsure.fit(vectors, losses, kind=kind, epochs=20, width=64)
    fresh, truth = _made(1)
    assert auroc(head(fresh), truth > np.median(truth)) > 0.9
    again = unsure.fit(vectors, losses, kind=kind, epochs=20, width=64)
    np.testing.assert_array_equal(head(fresh), again(fresh))
    fresh[0] = np.nan
    assert np.isnan(head(fresh)[0])
    assert np.isfinite(head(fresh)[1:]).all()


def test_a_head_refuses_what_it_cannot_rank() -> None:
    with pytest.raises(LabelError, match="4 examples"):
        unsure.fit(np.ones((4, 3)), np.arange(4))
    with pytest.raises(LabelError, match="all equal"):
        unsure.fit(np.random.default_rng(0).normal(size=(20, 3)), np.ones(20))


def test_published_keys_load_strictly(tmp_path: Path) -> None:
    head = PredNet(12)
    keys = {f"unc_module.{k}": v for k, v in head.state_dict().items()}
    assert {k: tuple(v.shape) for k, v in keys.items() if k.endswith("weight")} == {
        "unc_module.unc_module.0.weight": (512, 12),
        "unc_module.unc_module.2.weight": (512, 512),
        "unc_module.unc_module.4.weight": (1, 512),
    }
    torch.save({**keys, "model.cls_token": torch.zeros(1)}, tmp_path / "head.pt")
    read = unsure.read(str(tmp_path / "head.pt"), 12)
    vectors = np.random.default_rng(0).normal(size=(3, 12)).astype(np.float32)
    np.testing.assert_allclose(read(vectors), head(torch.from_numpy(vectors)).detach().numpy(), rtol=1e-6)
    keys.pop("unc_module.unc_module.4.bias")
    torch.save(keys, tmp_path / "broken.pt")
    with pytest.raises(FormatError, match=r"missing unc_module\.4\.bias"):
        unsure.read(str(tmp_path / "broken.pt"), 12)
