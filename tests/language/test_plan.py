"""Questions become plans by rules: what is understood is planned right, what is not is asked back, and no number is made up."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.language.plan import Plan, Question, Refusal, examples, plan
from swath.language.plan_context import Context, Source, dates_in

WORDINGS = json.loads((Path(__file__).parent / "wordings.json").read_text("utf-8"))
CONTEXT = Context(
    tuple(Source(n, f"/there/{n}", (d,), tuple(WORDINGS["classes"])) for n, d in WORDINGS["maps"].items())
)
ONE = Context(CONTEXT.sources[-1:])


def wanted(row):
    dates = [f"{d}.tif" for d in row.get("dates", ["2024"])]
    if row["kind"] == "compare":
        dates = [*dates, "2024.tif"]
    return row["kind"], set(row.get("classes", [])), row.get("region", "scene"), dates


def got(planned):
    return planned.kind, set(planned.classes), planned.region, list(planned.dates)


def score(held_out):
    """(planned right, planned wrong, asked back) of the wordings."""
    right, wrong, back = [], [], []
    for row in WORDINGS["asked"]:
        if row["held_out"] == held_out:
            found = plan(row["question"], CONTEXT)
            if not isinstance(found, Plan):
                back.append(row["question"])
            else:
                (right if got(found) == wanted(row) else wrong).append(row["question"])
    return right, wrong, back


def test_two_hundred_wordings_are_written_down_and_half_of_each_kind_is_held_out():
    kinds = [r["kind"] for r in WORDINGS["asked"]]
    held = [r["kind"] for r in WORDINGS["asked"] if r["held_out"]]
    for kind in set(kinds):
        assert (kinds.count(kind), held.count(kind)) == (40, 20)
    assert len(set(kinds)) == 5
    assert len(WORDINGS["outside"]) == 40


def test_the_wordings_that_the_rules_were_written_with_are_planned_right():
    right, wrong, back = score(held_out=False)
    assert not wrong
    assert not back
    assert len(right) == 100


def test_of_the_held_out_wordings_nine_in_ten_are_planned_right_and_none_wrong():
    right, wrong, _ = score(held_out=True)
    assert not wrong
    assert len(right) >= 90


def test_what_people_type_at_the_page_is_planned_right_or_asked_back():
    page = json.loads((Path(__file__).parent / "wordings_page.json").read_text("utf-8"))
    context = Context(tuple(Source(n, f"/maps/{n}", (d,), tuple(page["classes"])) for n, d in page["maps"].items()))
    planned = [(row, plan(row["question"], context)) for row in page["asked"]]
    right = [row for row, found in planned if isinstance(found, Plan) and _same_kind(found.kind, row["kind"])]
    wrong = [row["question"] for row, found in planned if isinstance(found, Plan) and row not in right]
    assert not wrong
    assert len(right) >= 90


def _same_kind(found, wanted):
    """What changed since a date and how it compares with one are answered from the same two maps."""
    return found == wanted or {found, wanted} == {"changed", "compare"}


@pytest.mark.parametrize("question", WORDINGS["outside"])
@pytest.mark.parametrize("context", [CONTEXT, ONE], ids=["three maps", "one map"])
def test_a_question_outside_the_set_is_answered_by_a_question_without_a_number(question, context):
    found = plan(question, context)
    assert isinstance(found, (Question, Refusal))
    assert not re.search(r"\d", " ".join((found.text, *found.options)))


def test_the_questions_that_are_offered_back_are_understood():
    for kind, text in zip(("much", "changed", "densest", "describe", "compare"), examples(CONTEXT), strict=True):
        found = plan(text, CONTEXT)
        assert isinstance(found, Plan)
        assert found.kind == kind


@pytest.mark.parametrize(
    "question",
    [
        "How much forest is there beside the water?", "How much of the forest is water?", "How many lakes are there?", "What time is it?",
        "Where is the highest forest?", "How much forest is not in the north?", "What can you do?", "What is the largest forest?",
        "How much forest; import os", "x" * 500, "Is the forest bigger than the cropland?", "What changed in the north?",
        "What is the difference between forest and cropland?", "Where has forest been lost most?", "What date is this map?",
        "How much forest was there will be", "Where was the forest densest in 2016 and 2020?",
    ],
)  # fmt: skip
def test_what_would_be_half_understood_is_asked_back(question):
    assert not isinstance(plan(question, CONTEXT), Plan)


def test_what_is_missing_is_asked_for():
    alone = plan("what changed?", ONE)
    assert isinstance(alone, Question)
    assert alone.missing == ("date",)
    unknown = plan("how much forest was there in 2018?", CONTEXT)
    assert isinstance(unknown, Question)
    assert unknown.options == ("2016.tif (2016-07-01)", "2020.tif (2020-07-05)", "2024.tif (2024-06-30)")
    absent = plan("how much wetland is here?", CONTEXT)
    assert isinstance(absent, Question)
    assert absent.missing == ("class",)
    assert "wetland" in absent.text
    assert isinstance(plan("compare the maps", CONTEXT), Question)


def test_a_plan_names_verb_arguments_and_what_a_rule_settled():
    found = plan("what changed?", CONTEXT)
    assert isinstance(found, Plan)
    assert (found.verb, found.arguments) == ("describe", {"maps": ["/there/2024.tif"], "since": "/there/2020.tif"})
    assert "2020.tif is the nearest before 2024.tif" in found.missing[0]
    json.dumps(found.to_json())


def test_maps_are_named_by_file_and_classes_by_the_legends_own_words():
    early = Source("early_map.tif", "a", (), ("Soy_Corn", "primary forest", "secondary forest"))
    context = Context((early, Source("late.tif", "b", (), ("Soy_Corn", "primary forest"))))
    assert plan("how much soy corn is here?", context).classes == ("Soy_Corn",)
    assert plan("how much forest is on early_map.tif?", context).classes == ("primary forest", "secondary forest")
    assert plan("how much forest is on early_map.tif?", context).dates == ("early_map.tif",)
    assert plan("how much primary forest is here?", context).classes == ("primary forest",)
    assert plan("compare with early_map", context).dates == ("early_map.tif", "late.tif")


def test_scenes_are_told_of_and_compared_but_hold_no_classes():
    scenes = Context((Source("a.tif", "/a.tif", ("2016",)), Source("b.tif", "/b.tif", ("2020",))))
    assert plan("what changed between 2016 and 2020?", scenes).verb == "change"
    assert plan("describe this view", scenes).verb == "info"
    assert "is a scene" in plan("how much forest is here?", scenes).text


def test_dates_are_read_in_the_ways_people_write_them():
    text, dates = dates_in("from the first of july 2016, June 2020, 5 Aug 2021, 2024-06-30, 2016-2018 to may 3rd, 2022")
    assert dates == ["2016-07-01", "2020-06", "2021-08-05", "2024-06-30", "2016", "2018", "2022-05-03"]
    assert not re.search(r"\d", text)


WORDS = sorted(
    {w for row in WORDINGS["asked"] for w in row["question"].lower().split()} | {"not", "near", "2030", "5", "why", "%"}
)


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)))
def test_any_text_is_planned_or_asked_back_and_what_is_planned_can_be_called(text):
    found = plan(text, CONTEXT)
    assert isinstance(found, (Plan, Question, Refusal))
    if not isinstance(found, Plan):
        assert not re.search(r"[0-9]", found.text)
        return
    paths = {s.path for s in CONTEXT.sources}
    assert found.verb == "describe"
    assert set(found.arguments) <= {"maps", "since", "windows"}
    assert {*found.arguments["maps"], found.arguments.get("since", found.arguments["maps"][0])} <= paths
    assert found.arguments["maps"][0] != found.arguments.get("since")
    assert set(found.classes) <= set(WORDINGS["classes"])
    assert found.classes or found.kind not in ("much", "densest")
