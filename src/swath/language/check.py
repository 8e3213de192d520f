"""Judge a text by the facts of a map, sentence by sentence: supported, contradicted, or not checkable, and why."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal

from swath.errors import SwathError
from swath.language.claim import Claim, window_of
from swath.language.facts import SceneFacts
from swath.language.judging import judge
from swath.language.lexicon import tokens
from swath.language.parse import parse
from swath.language.reader import Vocabulary, sentences_of
from swath.language.words import CHATEARTHNET_FORBIDDEN, COLOURS, HEDGES

__all__ = ["FORBIDDEN", "Verdict", "Verdicts", "check", "sentences_of"]

Word = Literal["supported", "contradicted", "not checkable"]
FORBIDDEN = {"hedges": HEDGES, "colours": COLOURS, "chatearthnet": CHATEARTHNET_FORBIDDEN}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one sentence. verdict; reasons: what the facts say of each claim; claims as read; unread: words not understood.

    forbidden: words that the caller does not want, with their kind.
    """

    sentence: str
    verdict: Word
    reasons: tuple[str, ...]
    claims: tuple[Claim, ...]
    unread: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    window: tuple[int, int, int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "sentence": self.sentence, "verdict": self.verdict, "reasons": list(self.reasons),
            "unread": list(self.unread), "forbidden": list(self.forbidden), "window": self.window and list(self.window),
        }  # fmt: skip


@dataclass
class Verdicts(list[Verdict]):
    """A list of Verdict, one a sentence. omitted: what a description should have named and did not."""

    omitted: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Nothing contradicted, nothing forbidden, nothing of weight left out."""
        return not self.omitted and all(v.verdict != "contradicted" and not v.forbidden for v in self)

    def count(self, value: Any) -> int:
        """How many sentences have a verdict."""
        return sum(v.verdict == value for v in self) if isinstance(value, str) else super().count(value)


def check(
    text: str | Sequence[str], facts: SceneFacts, *, forbid: Iterable[str] = (), complete: bool | None = None
) -> Verdicts:
    """Judge a text. forbid: kinds of words to flag (hedges, colours, chatearthnet).

    A sentence is contradicted when one of its claims is false; supported when all are true and nothing else in it states
    something; else not checkable. complete: whether the text should name what leads the scene and every region it
    describes (by default when it has three sentences or more). Size words ("a medium part") mean the five levels
    exactly in a text that has several of them; a lone "large part" means 30 % or more, a lone "small part" at most 25.
    Raises SwathError for an unknown kind of words.
    """
    kinds = list(forbid)
    if wrong := [k for k in kinds if k not in FORBIDDEN]:
        raise SwathError(
            rule=f"kinds of words are {', '.join(FORBIDDEN)}", got=", ".join(wrong), remedy="choose of these"
        )
    sentences = sentences_of(text) if isinstance(text, str) else list(text)
    vocabulary = Vocabulary(facts)
    made = Verdicts()
    exact = _exact_levels(sentences)
    for sentence in sentences:
        made.append(_one(sentence, facts, vocabulary, kinds, exact))
    if complete if complete is not None else len(sentences) >= 3:
        made.omitted = _omitted(made, facts)
    return made


_LEVEL = re.compile(
    r"\b(extra small|extra large|small|medium|large) (?:fraction|part|portion|amount|quantity|proportion)\b"
)
_LOOSE = {"small": (-math.inf, 25.0), "large": (30.0, math.inf)}


def _exact_levels(sentences: Sequence[str]) -> bool:
    """Whether a text speaks in the five size words: two of them or more, or one that everyday language lacks."""
    found = [m for s in sentences for m in _LEVEL.findall(s.lower())]
    return len(found) > 1 or any(m not in _LOOSE for m in found)


def _loosened(claim: Claim) -> Claim:
    """A lone "large part" is 30 % or more, a lone "small part" at most 25."""
    if claim.kind != "level" or claim.word not in _LOOSE:
        return claim
    low, high = _LOOSE[claim.word]
    return replace(claim, kind="share", word="", low=low, high=high, unit="%")


def _one(sentence: str, facts: SceneFacts, vocabulary: Vocabulary, kinds: Sequence[str], exact: bool = True) -> Verdict:
    read = parse(sentence, facts, vocabulary)
    if not exact:
        read.claims = [_loosened(c) for c in read.claims]
    judged = [(c, *judge(c, facts)) for c in read.claims]
    reasons = tuple(f"{'true' if true else 'false' if true is False else 'open'}: {why}" for _, true, why in judged)
    wrong = [c for c, true, _ in judged if true is False]
    if wrong:
        verdict: Word = "contradicted"
    elif judged and not read.blind and all(true for _, true, _ in judged):
        verdict = "supported"
    else:
        verdict = "not checkable"
        if read.unread:
            reasons = (*reasons, f"not in the map: {', '.join(read.unread)}")
        if not judged:
            reasons = (*reasons, "nothing in it is a statement about the map")
    found = tuple(f"{w} ({k})" for k in kinds for w in tokens(sentence) if w in FORBIDDEN[k])
    window = window_of((wrong or [c for c, _, _ in judged])[0], facts) if judged else None
    return Verdict(sentence, verdict, reasons, tuple(read.claims), tuple(read.unread), found, window)


def _omitted(verdicts: Sequence[Verdict], facts: SceneFacts) -> list[str]:
    """The leading class of the scene, and of each region that the text describes by its classes, must be named."""
    claims = [c for v in verdicts for c in v.claims]
    positive = [c for c in claims if not c.negated]
    made = []
    order = facts.ranking()
    if order:
        share = facts.share([order[0]])
        leads = [k for k in order if facts.share([k]) == share]
        if not any(set(leads) & set(c.classes) for c in positive if c.kind not in ("became", "touch")):
            made.append(
                f"the text does not name {facts.classes[leads[0]].noun}, the largest class of the scene ({100 * float(share):.3g}%)"
            )
    for region in dict.fromkeys(
        c.region for c in positive if c.kind in ("level", "share", "dominant") and c.region != "scene"
    ):
        there = facts.ranking(region)
        if not there:
            continue
        share = facts.share([there[0]], region)
        leads = [k for k in there if facts.share([k], region) == share]
        named = {k for c in positive if c.region == region for k in c.classes}
        if share > Fraction(1, 3) and not named & set(leads):
            made.append(
                f"the text does not name {facts.classes[leads[0]].noun}, the largest class in the {region} ({100 * float(share):.3g}%)"
            )
    return made
