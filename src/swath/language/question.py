"""Questions about a map with their keys: presence, share, count, where, compare, neighbours, change. Keys are recomputed from facts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from swath.language import numbers
from swath.language.claim import Claim, window_of
from swath.language.facts import SceneFacts, rounded
from swath.language.judging import judge
from swath.language.north import HALVES, QUARTERS
from swath.language.phrases import Speech

__all__ = ["FAMILIES", "Question", "answer", "blind", "questions"]

FAMILIES = ("presence", "share", "area", "count", "where", "compare", "neighbours", "change")
BAND = Fraction(1, 20)
"""Nothing is asked whose answer is closer than this (relative) to the next one."""


@dataclass(frozen=True, slots=True)
class Question:
    """family; text; options in the order shown; key: the right one; recipe: how the key is computed, in plain values.

    blind: the answer of who never sees a map: the commonest key of the same family among the questions asked.
    """

    family: str
    text: str
    options: tuple[str, ...]
    key: str
    recipe: dict[str, Any]
    window: tuple[int, int, int, int] = (0, 0, 0, 0)
    blind: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "family": self.family, "question": self.text, "options": list(self.options), "key": self.key,
            "recipe": self.recipe, "window": list(self.window), "blind": self.blind,
        }  # fmt: skip


def questions(facts: SceneFacts, seed: int = 0, *, most: int = 40) -> list[Question]:
    """Questions that the map answers without doubt. The same seed asks the same.

    Yes and no are balanced within each family; nothing is asked near the floor, near a tie or near an edge of shares.
    """
    speech = Speech(facts, seed)
    made: list[Question] = []
    if facts.known():
        for family in (_presence, _shares, _areas, _counts, _places, _compares, _neighbours, _changes):
            made += _balanced(family(speech), speech.random)
    speech.random.shuffle(made)
    kept = _spread(made, most)
    from dataclasses import replace

    return [replace(q, blind=b) for q, b in zip(kept, blind(kept), strict=True)]


def answer(question: Question, facts: SceneFacts) -> str:
    """The key of a question computed anew from facts (of this or of another map of the place): one of its options."""
    r = question.recipe
    if r["ask"] == "claim":
        claim = Claim(**{**r["claim"], "classes": tuple(r["claim"]["classes"]), "other": tuple(r["claim"]["other"])})
        return "yes" if judge(claim, facts)[0] else "no"
    if r["ask"] == "share":
        return _nearest(100 * float(facts.share(r["classes"], r["region"])), question.options)
    if r["ask"] == "area":
        return _nearest(facts.ground(r["classes"]), question.options)
    if r["ask"] == "count":
        return _nearest(sum(facts.counts.patches[k].at_least(r["floor"]) for k in r["classes"]), question.options)
    if r["ask"] == "where":
        best = max(r["regions"], key=lambda region: facts.within(r["classes"], region))
        return str(r["words"][r["regions"].index(best)])
    if r["ask"] == "most":
        return str(r["words"][max(range(len(r["classes"])), key=lambda i: facts.share([r["classes"][i]], r["region"]))])
    if r["ask"] == "became":
        change = facts.changes[-1]
        best = max(range(len(r["other"])), key=lambda i: change.became(r["classes"], [r["other"][i]])[0])
        return str(r["words"][best])
    raise KeyError(r["ask"])


def blind(asked: Sequence[Question]) -> list[str]:
    """For each question the best answer of somebody who never sees the map: the commonest key of its family among its

    options; of numbers the commonest rank (the smallest, the second ...).
    """
    names: dict[str, Counter[str]] = {}
    ranks: dict[str, Counter[int]] = {}
    for q in asked:
        names.setdefault(_kind(q), Counter())[q.key] += 1
        if q.recipe["ask"] in _NUMBERS:
            ranks.setdefault(_kind(q), Counter())[sorted(q.options, key=_number).index(q.key)] += 1
    made = []
    for q in asked:
        if q.recipe["ask"] in _NUMBERS:
            order = sorted(q.options, key=_number)
            rank = min(ranks[_kind(q)].items(), key=lambda t: (-t[1], t[0]))[0]
            made.append(order[min(rank, len(order) - 1)])
        else:
            made.append(min(q.options, key=lambda o: (-names[_kind(q)][o], q.options.index(o))))
    return made


_NUMBERS = ("share", "area", "count")


def _kind(q: Question) -> str:
    return f"{q.family} {'yes-no' if q.options == ('yes', 'no') else 'choice'}"


def _is(noun: tuple[str, bool]) -> str:
    return "Are" if noun[1] else "Is"


def _does(noun: tuple[str, bool]) -> str:
    return "Do" if noun[1] else "Does"


def _nearest(value: float, options: Sequence[str]) -> str:
    """The option whose number is nearest."""
    return min(options, key=lambda o: abs(_number(o) - value))


def _number(text: str) -> float:
    return float("".join(c for c in text if c.isdigit() or c == "."))


def _balanced(asked: list[Question], rng: random.Random) -> list[Question]:
    """As many yes as no; choices as they are."""
    yes = [q for q in asked if q.key == "yes"]
    no = [q for q in asked if q.key == "no"]
    rest = [q for q in asked if q.key not in ("yes", "no")]
    rng.shuffle(yes)
    rng.shuffle(no)
    n = min(len(yes), len(no))
    return rest + yes[:n] + no[:n]


def _spread(asked: list[Question], most: int) -> list[Question]:
    """At most so many, families in turn; yes and no leave in pairs."""
    if len(asked) <= most:
        return asked
    by = {f: [q for q in asked if q.family == f] for f in FAMILIES}
    kept: list[Question] = []
    share = max(2, most // max(1, sum(bool(v) for v in by.values())))
    for family in by.values():
        rest = [q for q in family if q.key not in ("yes", "no")]
        yes, no = ([q for q in family if q.key == w] for w in ("yes", "no"))
        pairs = min(len(yes), share // 2 if not rest else max(1, share // 4))
        kept += yes[:pairs] + no[:pairs] + rest[: share - 2 * pairs]
    return kept


def _yes_no(s: Speech, family: str, text: str, claim: Claim) -> Question | None:
    true, _ = judge(claim, s.facts)
    if true is None:
        return None
    plain = {
        "kind": claim.kind, "classes": list(claim.classes), "other": list(claim.other), "region": claim.region, "low": claim.low,
        "word": claim.word, "unit": claim.unit,
    }  # fmt: skip
    if claim.low == float("-inf"):
        del plain["low"]
    recipe = {"ask": "claim", "claim": plain}
    return Question(family, text, ("yes", "no"), "yes" if true else "no", recipe, window_of(claim, s.facts))


def _clear(s: Speech) -> list[int]:
    """Classes that are plainly there: twice the floor or more."""
    return [k for k in s.facts.ranking() if s.facts.pixels([k]) >= 2 * s.facts.floor]


def _presence(s: Speech) -> list[Question]:
    f, made = s.facts, []
    absent = [k for k in range(len(f.classes)) if not f.pixels([k])]
    for k in (*_clear(s), *absent):
        noun = s.noun(k)
        text = s.pick(
            f"{_is(noun)} there any {noun[0]} in the scene?",
            f"Does the map show {noun[0]}?",
            f"Can {noun[0]} be found here?",
        )
        made.append(_yes_no(s, "presence", text, Claim("present", (k,))))
    for k in _clear(s):
        for region in QUARTERS:
            n = f.pixels([k], region)
            if (n == 0 and f.known(region) >= 4 * f.floor) or n >= 2 * f.floor:
                noun = s.noun(k)
                text = f"{_is(noun)} there any {noun[0]} in {s.place(region)}?"
                made.append(_yes_no(s, "presence", text, Claim("present", (k,), region=region)))
    return [q for q in made if q is not None]


def _shares(s: Speech) -> list[Question]:
    f, made = s.facts, []
    for k in _clear(s):
        p = 100 * float(f.share([k]))
        noun = s.noun(k)
        if abs(p - 50) > 2.5:
            made.append(
                _yes_no(
                    s,
                    "share",
                    f"{_does(noun)} {noun[0]} cover more than half of the scene?",
                    Claim("share", (k,), low=50, unit="%"),
                )
            )
        digits = 0 if p >= 10 else 1
        options = _choices(s, p, 2.0, partial(_percent, digits=digits), top=100)
        if options:
            text = s.pick(
                f"Which share of the scene is {noun[0]}?",
                f"How much of the scene {_does(noun).lower()} {noun[0]} cover?",
            )
            key = _nearest(p, options)
            made.append(
                Question(
                    "share",
                    text,
                    options,
                    key,
                    {"ask": "share", "classes": [k], "region": "scene"},
                    f.class_window([k]),
                )
            )
    return [q for q in made if q is not None]


def _choices(s: Speech, value: float, ratio: float, show: Any, top: float = float("inf")) -> tuple[str, ...]:
    """Four numbers a factor apart, the right one at a place drawn by the seed."""
    place = s.random.randrange(4)
    ladder = [value * ratio ** (i - place) for i in range(4)]
    if value <= 0 or max(ladder) > top:
        ladder = [value * ratio**-i for i in range(4)] if value > 0 else []
    shown = [show(v) for v in ladder]
    if len(set(shown)) < 4:
        return ()
    s.random.shuffle(shown)
    return tuple(shown)


def _percent(value: float, digits: int) -> str:
    return f"{rounded(value, digits)}%"


def _areas(s: Speech) -> list[Question]:
    f, made = s.facts, []
    if f.unit != "ha":
        return []
    for k in _clear(s)[:4]:
        area = f.ground([k])
        options = _choices(s, area, 3.0, lambda v: f"{float(rounded(v, 0 if v >= 10 else 2)):,.10g} ha")
        if options:
            noun = s.noun(k)
            text = s.pick(f"How many hectares are {noun[0]}?", f"Which area {_does(noun).lower()} {noun[0]} cover?")
            made.append(
                Question(
                    "area", text, options, _nearest(area, options), {"ask": "area", "classes": [k]}, f.class_window([k])
                )
            )
    return made


def _counts(s: Speech) -> list[Question]:
    """Patches of at least a size; asked only where no patch is near that size."""
    f, made = s.facts, []
    least = max(f.floor, 4)
    for k in _clear(s):
        patches = f.counts.patches[k]
        n = patches.at_least(least)
        if not 1 <= n <= 30 or patches.at_least(int(least * 0.8)) != n or patches.at_least(int(least * 1.25) + 1) != n:
            continue
        size = numbers.area(least * f.scene_ground / max(1, f.known() + f.unknown()), f.unit).text
        joins = "sides" if f.connectivity == 4 else "sides or corners"
        wrong = sorted({max(1, round(n * r)) for r in (0.5, 1.6, 2.2)} | {n + 1, n + 2, n + 4} - {n})[:8]
        wrong = [w for w in wrong if w != n]
        s.random.shuffle(wrong)
        options = [str(v) for v in (n, *wrong[:3])]
        s.random.shuffle(options)
        text = f"How many separate patches of {s.n(k)} of at least {size} are there (pixels joined by {joins})?"
        made.append(
            Question(
                "count",
                text,
                tuple(options),
                str(n),
                {"ask": "count", "classes": [k], "floor": least},
                f.class_window([k]),
            )
        )
    return made


def _places(s: Speech) -> list[Question]:
    f, made = s.facts, []
    for k in _clear(s):
        for regions in (QUARTERS, HALVES[:2], HALVES[2:]):
            inside = sorted((f.within([k], r) for r in regions), reverse=True)
            if inside[0] - inside[1] < 2 * BAND:
                continue
            best = max(regions, key=lambda r: f.within([k], r))
            words = [s.name(r) for r in regions]
            order = list(range(len(regions)))
            s.random.shuffle(order)
            recipe = {"ask": "where", "classes": [k], "regions": list(regions), "words": words}
            noun = s.noun(k)
            text = s.pick(
                f"Where {_is(noun).lower()} most of the {noun[0]}?",
                f"In which part of the scene {_is(noun).lower()} most of the {noun[0]}?",
            )
            made.append(
                Question(
                    "where",
                    text,
                    tuple(words[i] for i in order),
                    words[list(regions).index(best)],
                    recipe,
                    f.window(best),
                )
            )
    return made


def _compares(s: Speech) -> list[Question]:
    f, made = s.facts, []
    there = _clear(s)
    for i, a in enumerate(there):
        for b in there[i + 1 :]:
            if f.share([a]) - f.share([b]) < BAND * f.share([a]):
                continue
            one, two = (a, b) if s.chance(0.5) else (b, a)
            made.append(
                _yes_no(
                    s,
                    "compare",
                    f"Does the scene hold more {s.n(one)} than {s.n(two)}?",
                    Claim("compare", (one,), (two,), low=1),
                )
            )
    for region in QUARTERS:
        order = f.ranking(region)
        if len(order) > 2 and f.share([order[0]], region) > f.share([order[1]], region) * (1 + BAND):
            shown = order[:4]
            s.random.shuffle(shown)
            words = [s.n(k) for k in shown]
            recipe = {"ask": "most", "classes": list(shown), "words": words, "region": region}
            key = words[shown.index(order[0])]
            made.append(
                Question(
                    "compare",
                    f"Which class covers most of {s.place(region)}?",
                    tuple(words),
                    key,
                    recipe,
                    f.window(region),
                )
            )
    return [q for q in made if q is not None]


def _neighbours(s: Speech) -> list[Question]:
    f, made = s.facts, []
    there = _clear(s)
    for i, a in enumerate(there):
        for b in there[i + 1 :]:
            sides = f.touch([a], [b])
            if 0 < sides < 4:
                continue
            noun = s.noun(a)
            text = s.pick(
                f"{_does(noun)} {noun[0]} border {s.n(b)}?",
                f"Do {s.n(a)} and {s.n(b)} touch (pixel sides, not corners)?",
            )
            made.append(_yes_no(s, "neighbours", text, Claim("touch", (a,), (b,))))
    return [q for q in made if q is not None]


def _changes(s: Speech) -> list[Question]:
    f = s.facts
    made: list[Question | None] = []
    if not f.changes:
        return []
    change = f.changes[-1]
    for i, old in enumerate(change.classes):
        new = {j: change.became([i], [j])[0] for j in range(len(f.classes)) if not change.same[i, j]}
        order = sorted((j for j, n in new.items() if n >= 2 * f.floor), key=lambda j: -new[j])
        if order and (len(order) == 1 or new[order[0]] > new[order[1]] * (1 + BAND)):
            others = [j for j in new if j != order[0]]
            s.random.shuffle(others)
            shown = [order[0], *others[:3]]
            if len(shown) > 1:
                s.random.shuffle(shown)
                words = [s.n(j) for j in shown]
                recipe = {"ask": "became", "classes": [i], "other": shown, "words": words}
                text = f"What did most of the {old.noun} that changed become?"
                made.append(
                    Question(
                        "change",
                        text,
                        tuple(words),
                        words[shown.index(order[0])],
                        recipe,
                        window_of(Claim("became", (i,), (order[0],)), f),
                    )
                )
        for j, n in new.items():
            if (n == 0 and change.moved.pixels[:, i].sum()) or n >= 2 * f.floor:
                made.append(_yes_no(s, "change", f"Did any {old.noun} become {s.n(j)}?", Claim("became", (i,), (j,))))
    for k in range(len(f.classes)):
        gain, _ = judge(Claim("net", (k,), word="gain"), f)
        same, _ = judge(Claim("net", (k,), word="same"), f)
        if gain is not None and not same and f.pixels([k]):
            noun = s.noun(k)
            made.append(
                _yes_no(
                    s,
                    "change",
                    f"{_is(noun)} there more {noun[0]} than on the earlier map?",
                    Claim("net", (k,), word="gain"),
                )
            )
    return [q for q in made if q is not None]
