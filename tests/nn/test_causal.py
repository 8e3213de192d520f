from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from swath.nn.causal import Cache, CausalBlock, Trunk, start  # noqa: E402

GOLDEN = Path(__file__).parents[1] / "golden" / "04-gpt-block.json"


@pytest.fixture
def trunk():
    torch.manual_seed(0)
    made = Trunk(32, 3, 4)
    start(made, 3)
    for block in made.h:  # louder than a start, so that differences would show
        torch.nn.init.normal_(block.attn.c_attn.weight, 0, 0.3)
    return made.eval()


def test_the_trunk_with_hand_set_weights_equals_a_forward_by_hand():
    kept = json.loads(GOLDEN.read_text())
    state = {k: torch.tensor(v) for k, v in kept["tensors"].items()}
    made = Trunk(8, 2, kept["heads"])
    made.load_state_dict(state, strict=True)
    torch.testing.assert_close(made(torch.tensor(kept["x"])), torch.tensor(kept["y"]), atol=1e-5, rtol=0)


def test_a_block_is_that_of_gpt2_made_of_torch_primitives():
    torch.manual_seed(1)
    block, x = CausalBlock(24, 3, bias=True), torch.randn(2, 7, 24)
    s = block.state_dict()
    h = functional.layer_norm(x, (24,), s["ln_1.weight"], s["ln_1.bias"], 1e-5)
    q, k, v = functional.linear(h, s["attn.c_attn.weight"], s["attn.c_attn.bias"]).chunk(3, -1)
    q, k, v = (a.reshape(2, 7, 3, 8).transpose(1, 2) for a in (q, k, v))
    scores = (q @ k.transpose(-1, -2) / 8**0.5).masked_fill(torch.ones(7, 7).triu(1).bool(), float("-inf"))
    seen = (scores.softmax(-1) @ v).transpose(1, 2).reshape(2, 7, 24)
    y = x + functional.linear(seen, s["attn.c_proj.weight"], s["attn.c_proj.bias"])
    h = functional.layer_norm(y, (24,), s["ln_2.weight"], s["ln_2.bias"], 1e-5)
    h = functional.gelu(functional.linear(h, s["mlp.c_fc.weight"], s["mlp.c_fc.bias"]), approximate="tanh")
    y = y + functional.linear(h, s["mlp.c_proj.weight"], s["mlp.c_proj.bias"])
    torch.testing.assert_close(block(x), y, atol=1e-5, rtol=0)


@pytest.mark.parametrize("p", [1, 4, 11])
def test_changing_tokens_from_p_on_leaves_all_before_bit_identical(trunk, p):
    x, angle = torch.randn(3, 12, 32), torch.rand(3, 12, 4)
    other, turn = x.clone(), angle.clone()
    other[:, p:], turn[:, p:] = torch.randn(3, 12 - p, 32) * 5, 9.0
    a, b = trunk(x, angle), trunk(other, turn)
    assert torch.equal(a[:, :p], b[:, :p])
    assert not torch.allclose(a[:, p:], b[:, p:])


def test_with_the_cache_comes_what_comes_without_also_for_rows_of_different_length(trunk):
    x, angle = torch.randn(3, 14, 32), torch.rand(3, 14, 4)
    count = torch.tensor([4, 9, 6])
    whole = trunk(x, angle)
    cache = Cache.empty(trunk, 3, 14)
    first = trunk(x[:, :9], angle[:, :9], cache, count)
    for row, n in enumerate(count):
        torch.testing.assert_close(first[row, :n], whole[row, :n], atol=1e-6, rtol=0)
    for _ in range(5):
        at = cache.length.clone()
        row = torch.arange(3)
        step = trunk(x[row, at][:, None], angle[row, at][:, None], cache)
        torch.testing.assert_close(step[:, 0], whole[row, at], atol=1e-6, rtol=0)


def test_a_repeated_cache_says_the_same_for_each_copy(trunk):
    x = torch.randn(2, 6, 32)
    cache = Cache.empty(trunk, 2, 7)
    trunk(x[:, :5], None, cache)
    twice = trunk(x[:, 5:].repeat_interleave(2, 0), None, cache.repeated(2))
    torch.testing.assert_close(twice[0], twice[1])
    torch.testing.assert_close(twice[2, 0], trunk(x)[1, 5], atol=1e-6, rtol=0)


def test_skips_start_narrower_the_deeper_the_trunk():
    made = Trunk(256, 8, 4, bias=True)
    start(made, 8)
    assert float(made.h[0].mlp.c_fc.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert float(made.h[0].mlp.c_proj.weight.detach().std()) == pytest.approx(0.02 / 4, rel=0.05)
    assert float(made.h[0].attn.c_proj.bias.detach().abs().sum()) == 0


def test_heads_divide_the_width():
    with pytest.raises(ValueError, match="3 heads for 32"):
        CausalBlock(32, 3)
