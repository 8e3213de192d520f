"""A network's faster form gives the same bits, and is left alone where it could not."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from swath.predict.fuse import same, traced
from swath.predict.network import Network

torch = pytest.importorskip("torch")
nn = torch.nn


class Branches(nn.Module):
    """Two ReLUs as functions; the second convolution's answer is read twice, so it must stay."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.Conv2d(8, 8, 3, padding=2, dilation=2)

    def forward(self, x):
        y = self.second(torch.relu(self.first(x)))
        return nn.functional.relu(y) + y


class Wavering(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


def picture(kind):
    torch.manual_seed(0)
    return torch.randn(1, 3, 130, 120).to(kind).contiguous(memory_format=torch.channels_last)


def ready(module, kind):
    return module.eval().to(kind).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("made", [Branches, lambda: nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU())])
def test_the_faster_form_gives_the_same_bits(made, kind):
    module = ready(made(), kind)
    quick = traced(module)
    if quick is None:
        pytest.skip("torch has no oneDNN here")
    with torch.inference_mode():
        assert torch.equal(quick(picture(kind)), module(picture(kind)))
    assert same(quick, module, picture(kind))
    calls = [str(node.target) for node in quick.graph.nodes]
    assert sum("convolution_pointwise" in call for call in calls) == 1


def test_what_cannot_be_traced_or_has_no_pair_stays_as_it_is():
    assert traced(Wavering()) is None
    assert traced(ready(nn.Conv2d(3, 2, 1), torch.float32)) is None
    assert traced(ready(nn.Sequential(nn.Conv2d(3, 2, 3, padding="same"), nn.ReLU()), torch.float32)) is None
    assert traced(ready(nn.Sequential(nn.Conv2d(3, 2, 3), nn.LeakyReLU()), torch.float32)) is None


def test_another_answer_is_not_taken_for_the_same():
    module = ready(nn.Conv2d(3, 2, 1), torch.float32)
    assert not same(lambda x: module(x) + 1e-6, module, picture(torch.float32))
    assert not same(lambda x: module(x)[..., :1], module, picture(torch.float32))


def test_a_network_travels_without_its_faster_form_and_answers_the_same():
    module = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 2, 1))
    network = Network(module, reach=1, precision="float32")
    copy = pickle.loads(pickle.dumps(network))
    with torch.inference_mode():
        assert torch.equal(network._run(picture(torch.float32)), copy._run(picture(torch.float32)))


def test_the_largest_of_the_outputs_wins_and_the_first_of_equals():
    from swath.predict.network import _codes

    random = np.random.default_rng(1)
    for outputs, first in ((5, 1), (16, 0), (12, 250)):
        scores = random.integers(0, 4, (outputs, 40, 30)).astype(np.float32)
        assert (_codes(scores, first) == scores.argmax(0) + first).all()
    assert (_codes(np.full((1, 4, 3), 299), 1) == 300).all()


def test_one_by_one_convolutions_answer_with_one_thread_as_with_two():
    torch.manual_seed(2)
    module = nn.Sequential(nn.Conv2d(3, 24, 1), nn.Conv2d(24, 5, 1, stride=2))
    network = Network(module, reach=0, stride=2, precision="float32")
    before, x = torch.get_num_threads(), picture(torch.float32)
    try:
        with torch.inference_mode():
            torch.set_num_threads(2)
            several = ready(module, torch.float32)(x)
            torch.set_num_threads(1)
            assert torch.equal(network._run(x), several)
    finally:
        torch.set_num_threads(before)


def test_the_module_that_was_given_stays_as_it_was():
    module = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Conv2d(6, 2, 1)).train()
    told = repr(module)
    Network(module, reach=1, precision="bfloat16")
    assert repr(module) == told
    assert module.training
    assert {p.dtype for p in module.parameters()} == {torch.float32}
