"""A thousand random maps: every claim of every sentence is true, is read back from the words alone, and the words are clean."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from swath.language.caption import STYLES, say
from swath.language.check import check
from swath.language.facts import facts
from swath.language.judging import judge
from swath.language.parse import parse
from swath.language.reader import Vocabulary
from swath.language.source import open_raster


def _load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


maps = _load("maps")
UNCLEAN = re.compile(
    r"  |\ba (?=[aeiou])|\ban (?=[^aeiou])|:\s*$|:\s*\.|,\s*\.|\(\)| ,|\.\.|_|\bnan\b|None"
    r"|\b(the|a|and|of|in) \1\b|\b(and|or|of|the|with)[.,;]",
    re.MULTILINE,
)


def scene(seed):
    """The facts of a random map; every fourth has an earlier date."""
    codes, valid, names, grid = maps.random_map(seed)
    now = open_raster(codes, names, grid=grid, valid=valid)
    if seed % 4 != 1:
        return facts(now), codes, valid, names
    rng = np.random.default_rng(seed)
    then = codes.copy()
    then[rng.integers(0, codes.shape[0]) :, rng.integers(0, codes.shape[1]) :] = rng.choice(sorted(names))
    before = open_raster(then, names, grid=grid, valid=valid if seed % 8 == 1 else None)
    return facts([before, now]), codes, valid, names


def go_through(seeds, styles):
    for seed in seeds:
        f, codes, valid, names = scene(seed)
        vocabulary = Vocabulary(f)
        for i, k in enumerate(sorted(names)):
            assert f.pixels([i]) == int(((codes == k) & valid).sum())
        assert f.unknown() == int((~valid).sum())
        for style in styles(seed):
            text = say(f, style, seed)
            assert not UNCLEAN.search(text.text), (seed, style, text.text)
            for words, claims in zip(text.sentences, text.claims, strict=True):
                assert claims, (seed, words)
                for claim in claims:
                    assert judge(claim, f)[0] is True, (seed, style, words, claim)
                read = parse(words, f, vocabulary)
                assert set(read.claims) == set(claims), (seed, style, words)
                assert not read.unread, (seed, words, read.unread)
                assert not read.blind, (seed, words)


def test_a_thousand_maps_are_told_truly_and_read_back_whole():
    go_through(range(1000), lambda seed: (STYLES[seed % len(STYLES)],))


@pytest.mark.slow
def test_a_thousand_maps_in_every_style():
    go_through(range(1000), lambda seed: STYLES)


def test_own_texts_leave_nothing_out_and_are_supported_sentence_by_sentence():
    for seed in range(0, 60):
        f, *_ = scene(seed)
        if not f.known():
            continue
        verdicts = check(say(f, ("plain", "places", "levels", "chatearthnet")[seed % 4], seed).text, f)
        assert verdicts.holds, (seed, verdicts.omitted)
        assert all(v.verdict == "supported" for v in verdicts)


def test_the_same_seed_says_the_same_and_another_seed_the_same_claims_in_other_words():
    for number in (7, 9, 22):
        f, *_ = scene(number)
        for style in STYLES:
            assert say(f, style, 1) == say(f, style, 1)
            told = [say(f, style, seed) for seed in range(8)]
            assert len({frozenset(t.all_claims()) for t in told}) == 1, style
            assert len({t.text for t in told}) > (1 if style == "list" else 4), style


def test_odd_names_of_classes_are_told_and_read_back():
    odd = ("no forest", "forest", "other", "unclassified", "north field", "Wald", "Gewässer", "森林", "class_1", "50-100 trees/ha",
           "Water (deep)", "water (shallow)", "most", "built", "non-forest", "none", "Border zone", "large lake", "Mixed forest, young",
           "low vegetation", "unknown", "centre", "Roads", "AB", "<b>x</b>", "half-natural grass", "2020 burn")  # fmt: skip
    for seed in range(12):
        rng = np.random.default_rng(seed)
        names = {i + 1: odd[p] for i, p in enumerate(rng.choice(len(odd), 6, replace=False))}
        codes = np.kron(rng.integers(1, 7, (7, 7)), np.ones((6, 6), int)).astype(np.uint8)
        then = codes.copy()
        then[:9, :20] = rng.integers(1, 7)
        f = facts((then, codes), names)
        vocabulary = Vocabulary(f)
        for style in STYLES:
            text = say(f, style, seed)
            for words, claims in zip(text.sentences, text.claims, strict=True):
                assert set(parse(words, f, vocabulary).claims) == set(claims), (seed, words)
