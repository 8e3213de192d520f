"""Sentences from facts: a seeded grammar of several plans. Every clause comes with the claim it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from swath.errors import SwathError
from swath.language import chatearthnet, plans, plans_change
from swath.language.claim import Claim
from swath.language.facts import SceneFacts
from swath.language.phrases import Said, Speech, sentence

__all__ = ["STYLES", "Text", "say"]

STYLES = ("plain", "places", "short", "list", "levels", "chatearthnet")


@dataclass(frozen=True, slots=True)
class Text:
    """What was said. sentences: one string each; claims: one tuple a sentence (foreign writers: none); text: as shown."""

    sentences: tuple[str, ...]
    claims: tuple[tuple[Claim, ...], ...]
    style: str
    seed: int
    text: str

    def __str__(self) -> str:
        return self.text

    def all_claims(self) -> list[Claim]:
        """All claims in order, each with the number of its sentence."""
        from dataclasses import replace

        return [replace(c, sentence=i) for i, group in enumerate(self.claims) for c in group]

    def to_json(self, facts: SceneFacts) -> dict[str, Any]:
        """Plain values: the text, its sentences and the claims with their windows."""
        return {
            "text": self.text, "style": self.style, "seed": self.seed, "sentences": list(self.sentences),
            "claims": [c.to_json(facts) for c in self.all_claims()],
        }  # fmt: skip


def say(
    facts: SceneFacts,
    style: str = "plain",
    seed: int = 0,
    *,
    writer: Callable[[SceneFacts], str] | None = None,
) -> Text:
    """Describe a scene. The same seed gives the same words; another seed other words, plans and details.

    style: plain (a paragraph by kind), places (by quarter), short, list, levels (the five size words of ChatEarthNet by
    region), chatearthnet (the facts that its writer was given). writer: a callable facts -> text instead of the
    grammar: what it says is read by `check.check`. Raises SwathError for an unknown style.
    """
    if style not in STYLES:
        raise SwathError(rule=f"styles are {', '.join(STYLES)}", got=style, remedy="choose one")
    if writer is not None:
        from swath.language.check import sentences_of

        text = str(writer(facts))
        return Text(tuple(sentences_of(text)), (), "foreign", seed, text)
    speech = Speech(facts, seed)
    if style == "chatearthnet":
        said = chatearthnet.listed(speech)
    elif style == "levels":
        said = chatearthnet.prose(speech)
    elif style == "list":
        said = plans.as_list(speech)
    else:
        said = plans.paragraph(speech, style)
    if facts.changes:
        said += plans_change.told(speech, style)
    lines = [Said(sentence(s.text) if s.prose else s.text, s.claims, s.prose) for s in said]
    between = "\n" if style in ("list", "chatearthnet") else " "
    text = between.join(s.text for s in lines)
    return Text(tuple(s.text for s in lines), tuple(_unique(s.claims) for s in lines), style, seed, text)


def _unique(claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
    return tuple(dict.fromkeys(claims))
