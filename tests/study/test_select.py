"""Which samples to keep: quotas are fair, clusters follow ground and not density, copies go, the seed decides all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.errors import DesignError
from swath.study import select


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12), st.floats(0, 1), st.integers(0, 5))
def test_a_quota_sums_to_the_total_exceeds_no_size_and_is_max_min_fair(sizes, share, seed):
    total = round(share * sum(sizes))
    q = select.quota(sizes, total, seed=seed)
    assert q.sum() == total
    assert (q <= sizes).all()
    assert (q >= 0).all()
    for i, j in itertools.permutations(range(len(sizes)), 2):
        # one more for i would have to come from j: only fair when j has at least two more
        assert not (q[i] < sizes[i] and q[j] >= q[i] + 2)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(0, 20))
def test_a_quota_equals_brute_force_on_small_cases(sizes, total):
    if total > sum(sizes):
        with pytest.raises(DesignError):
            select.quota(sizes, total)
        return
    every = itertools.product(*(range(s + 1) for s in sizes))
    best = max(sorted(c) for c in every if sum(c) == total)  # leximin: the poorest as rich as can be, then the next
    assert sorted(select.quota(sizes, total).tolist()) == best


def _zipf(seed=0, n=3000, d=8, kinds=10):
    rng = np.random.default_rng(seed)
    share = 1.0 / np.arange(1, kinds + 1) ** 2.5
    kind = np.sort(rng.choice(kinds, n, p=share / share.sum()))
    kind[-kinds:] = np.arange(kinds)
    centres = rng.normal(0, 6, (kinds, d))
    return (centres[kind] + rng.normal(0, 1, (n, d))).astype(np.float32), kind


def test_the_kept_are_more_even_than_the_archive_and_the_more_so_the_fewer_are_kept():
    x, kind = _zipf()
    common = np.bincount(kind).argmax()
    shares = []
    for total in (2400, 1200, 600, 300, 150):
        kept = select.choose(x, total, 0.5, seed=1).kept
        assert len(kept) == total
        assert len(np.unique(kept)) == total
        shares.append(float((kind[kept] != common).mean()))
    assert shares == sorted(shares)
    assert shares[-1] > 3 * (kind != common).mean()


def test_the_same_seed_gives_the_same_list_and_reasons():
    x, _ = _zipf(n=800)
    a, b, c = (select.choose(x, 100, 0.7, seed=s) for s in (3, 3, 4))
    assert np.array_equal(a.kept, b.kept)
    assert a.reason == b.reason
    assert not np.array_equal(a.kept, c.kept)


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_planted_copies_are_gone_where_others_fill_the_list(share):
    x, _ = _zipf(n=1000)
    rng = np.random.default_rng(2)
    copies = int(len(x) * share / (1 - share))
    whole = np.concatenate([x, x[rng.integers(len(x), size=copies)]])
    total = int((1 - share) * len(whole))
    choice = select.choose(whole, total, 1.0, seed=0)
    redundant = total - len(np.unique(whole[choice.kept], axis=0))
    assert redundant <= 0.1 * copies
    assert (choice.copy_of >= 0).sum() == copies


def test_copies_are_kept_only_when_all_else_is():
    x = np.repeat(np.arange(6, dtype=np.float32)[:, None], 3, 0)
    choice = select.choose(x, 8, 0.5)
    assert len(np.unique(x[choice.kept])) == 6
    assert sum("copy of row" in r for r in choice.reason) == 2


@given(st.integers(0, 50), st.floats(0.05, 2.0))
def test_what_stays_lies_apart_and_every_copy_is_near_one_that_stays(seed, threshold):
    x = np.random.default_rng(seed).normal(0, 1, (120, 2)).astype(np.float32)
    same, far = select.near_duplicates(x, threshold)
    stays = np.flatnonzero(same < 0)
    apart = np.linalg.norm(x[stays][:, None] - x[stays][None], axis=-1) + np.eye(len(stays)) * 1e9
    assert apart.min() > threshold * (1 - 1e-5)
    copies = np.flatnonzero(same >= 0)
    assert np.isin(same[copies], stays).all()
    assert (np.linalg.norm(x[copies] - x[same[copies]], axis=1) <= threshold * (1 + 1e-5)).all()
    assert np.allclose(far[copies], np.linalg.norm(x[copies] - x[same[copies]], axis=1), atol=1e-5)


def test_a_memory_map_gives_what_the_array_gives(tmp_path):
    x, _ = _zipf(n=700)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.array_equal(select.choose(x, 80).kept, select.choose(mapped, 80).kept)


def test_resampling_flattens_density():
    rng = np.random.default_rng(0)
    dense = rng.normal(0, 0.3, (4000, 2))
    thin = rng.uniform(-8, 8, (400, 2))
    x = np.concatenate([dense, thin]).astype(np.float32)
    inside = [
        float((np.linalg.norm(select.clusters(x, (40,), seed=1, resamplings=r).centres[0], axis=1) < 1).mean())
        for r in (0, 4)
    ]
    assert inside[1] < inside[0]


def test_weights_bring_the_archive_s_size_back():
    x, _ = _zipf(n=900)
    choice = select.choose(x, 120)
    reached = choice.size[choice.taken > 0].sum()
    assert choice.weight.sum() == pytest.approx(reached)
    table = choice.table()
    assert list(table["row"]) == list(choice.kept)
    assert table["reason"].str.len().gt(0).all()


def test_an_empty_archive_and_wild_values_are_refused():
    with pytest.raises(DesignError, match="at most all"):
        select.choose(np.zeros((3, 2), np.float32), 4)
    with pytest.raises(DesignError, match="finite"):
        select.choose(np.full((3, 2), np.nan, np.float32), 2)
    with pytest.raises(DesignError, match="at least one"):
        select.clusters(np.zeros((0, 2), np.float32))
