"""The judge of texts: foreign wordings, planted lies in the grammar's own captions, omissions, unwanted words."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from swath.errors import SwathError
from swath.language.caption import STYLES, say
from swath.language.check import check
from swath.language.facts import LEVELS, facts
from swath.language.question import FAMILIES, answer, questions


def _load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


foreign = _load("foreign")


@pytest.fixture(scope="module")
def pair():
    return facts((foreign.before(), foreign.after()), foreign.NAMES, grid=foreign.grid())


@pytest.mark.parametrize(("text", "verdict"), foreign.TUNED)
def test_foreign_wordings_that_the_reader_was_tuned_on(pair, text, verdict):
    assert check(text, pair)[0].verdict == verdict


@pytest.mark.parametrize(("name", "least"), [("KEPT", 33), ("LATER", 205)])
def test_other_foreign_wordings_are_read_and_no_lie_is_called_true(pair, name, least):
    sentences = getattr(foreign, name)
    verdicts = [check(text, pair)[0].verdict for text, _ in sentences]
    right = sum(v == wanted for v, (_, wanted) in zip(verdicts, sentences, strict=True))
    lies_believed = [
        t for v, (t, wanted) in zip(verdicts, sentences, strict=True) if wanted == "contradicted" and v == "supported"
    ]
    truths_denied = [
        t for v, (t, wanted) in zip(verdicts, sentences, strict=True) if wanted == "supported" and v == "contradicted"
    ]
    assert not lies_believed
    assert not truths_denied
    assert right >= least, f"{right} of {len(sentences)}"


def swapped(text, one, two):
    """Two words of a text in each other's place."""
    return re.sub(rf"\b({one}|{two})\b", lambda m: two if m[1] == one else one, text)


def test_a_swap_of_left_and_right_is_found_in_every_style(pair):
    for style in ("plain", "places", "levels"):
        for seed in range(10):
            text = say(pair, style, seed).text
            turned = swapped(swapped(text, "west", "east"), "western", "eastern")
            turned = (
                re.sub(r"-(west|east)", lambda m: "-east" if m[1] == "west" else "-west", turned)
                if turned == text
                else turned
            )
            assert turned != text
            assert not check(turned, pair).holds, turned


def test_a_swap_of_two_classes_is_found(pair):
    for style in STYLES:
        for seed in range(10):
            text = say(pair, style, seed).text
            turned = swapped(text, "water", "grassland")
            if turned != text:
                assert not check(turned, pair, complete=False).holds, turned


def test_a_level_raised_by_one_is_found(pair):
    found = total = 0
    for style in ("levels", "chatearthnet"):
        for seed in range(10):
            text = say(pair, style, seed).text
            for match in re.finditer(
                r"(?<!extra )\b(extra small|small|medium|large)(?= (?:fraction|part|portion|amount|quantity))", text
            ):
                raised = text[: match.start()] + LEVELS[LEVELS.index(match[1]) + 1] + text[match.end() :]
                total += 1
                found += check(raised, pair).count("contradicted") > 0
    assert total > 100
    assert found == total


def test_a_lone_size_word_is_everyday_language_and_several_are_levels(pair):
    assert check("A large part of the scene is forest.", pair)[0].verdict == "supported"
    assert check("A small part of the scene is forest.", pair)[0].verdict == "contradicted"
    text = "A large part of the scene is forest. A small part of the scene is grassland."
    assert [v.verdict for v in check(text, pair)] == ["contradicted", "supported"]


def test_changed_numbers_and_added_classes_are_found(pair):
    for seed in range(20):
        text = say(pair, "plain", seed).text
        for match in list(re.finditer(r"\b(\d+)%", text)):
            lie = text[: match.start()] + str((int(match[1]) + 7) % 100) + text[match.end(1) :]
            assert check(lie, pair).count("contradicted"), lie
        for more in (" There is some bare ground.", " Snow covers a part of it.", " A glacier lies in the north."):
            assert check(text + more, pair)[-1].verdict == "contradicted"


def test_a_text_that_leaves_out_the_leading_class_is_told(pair):
    for style in ("plain", "levels", "chatearthnet"):
        for seed in range(5):
            text = say(pair, style, seed)
            kept = [s for s in text.sentences if not re.search(r"tree|wood|forest", s, re.IGNORECASE)]
            omitted = check(kept, pair, complete=True).omitted
            assert omitted
            assert "tree cover" in omitted[0]
    assert not check(say(pair, "plain", 0).text, pair).omitted


def test_unwanted_words_are_flagged_only_when_asked():
    f = facts(foreign.after(), foreign.NAMES, grid=foreign.grid())
    text = "The forest is probably green. Perhaps the lake is blue. Forest covers 47% of the scene."
    assert not any(v.forbidden for v in check(text, f))
    flagged = check(text, f, forbid=["hedges", "colours"])
    assert [len(v.forbidden) for v in flagged] == [2, 2, 0]
    assert not flagged.holds
    assert check("The change is dynamic.", f, forbid=["chatearthnet"])[0].forbidden
    with pytest.raises(SwathError, match="hedges"):
        check(text, f, forbid=["verbs"])


def test_change_cannot_be_judged_on_one_date_and_areas_not_without_a_crs():
    f = facts(foreign.after(), foreign.NAMES, grid=foreign.grid())
    assert check("The forest lost 4 ha.", f)[0].verdict == "not checkable"
    bare = facts(foreign.after(), foreign.NAMES)
    assert check("The forest covers 68 ha.", bare)[0].verdict == "not checkable"
    assert check("The forest covers 6,800 pixels.", bare)[0].verdict == "supported"
    assert check("The lake is in the bottom left.", bare)[0].verdict == "supported"


def test_hostile_texts_end_in_verdicts():
    f = facts(foreign.after(), foreign.NAMES, grid=foreign.grid())
    for text in (
        "",
        "...",
        "%%% 12 of of of",
        "forest " * 400,
        "9" * 400 + "% forest",
        "\u202eforest\x00 47%",
        "no no no forest",
        "(((((",
        "a" * 20000,
    ):
        for v in check(text, f):
            assert v.verdict in ("supported", "contradicted", "not checkable")


def test_a_foreign_writer_is_plugged_in_and_judged():
    f = facts(foreign.after(), foreign.NAMES, grid=foreign.grid())
    text = say(f, writer=lambda facts: "Forest covers 47%. Elephants roam the plain.")
    assert text.style == "foreign"
    assert [v.verdict for v in check(text.text, f)] == ["supported", "not checkable"]


def test_keys_of_questions_are_recomputed_and_yes_is_as_frequent_as_no(pair):
    seen = set()
    for seed in range(12):
        asked = questions(pair, seed)
        assert asked == questions(pair, seed)
        for q in asked:
            seen.add(q.family)
            assert q.key in q.options
            assert q.blind in q.options
            assert len(set(q.options)) == len(q.options) >= 2
            assert answer(q, pair) == q.key
            assert q.text.endswith("?")
        for family in FAMILIES:
            keys = [q.key for q in asked if q.family == family and q.options == ("yes", "no")]
            assert keys.count("yes") == keys.count("no")
    assert seen == set(FAMILIES)
