"""Finding scenes by words: captions as vectors of hashed word n-grams, claims held against facts, recall with fair ties."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import numpy as np

from swath.language.claim import Claim
from swath.language.facts import SceneFacts
from swath.language.judging import judge
from swath.language.lexicon import tokens
from swath.language.reader import Vocabulary, read_items

__all__ = ["agreement", "class_names", "distinct", "duplicates", "fractions", "hashed", "recall"]


def hashed(texts: Sequence[str], width: int = 4096, grams: Sequence[int] = (1, 2)) -> np.ndarray:
    """(N, width) float32 vectors of unit length: counts of word n-grams at places that a checksum of them names.

    The sign of a count comes from the checksum too, so that collisions cancel on average (Weinberger et al. 2009). The
    same text gives the same vector on every machine.
    """
    made = np.zeros((len(texts), width), np.float32)
    for row, text in zip(made, texts, strict=True):
        words = [w for w in tokens(text) if w not in ",;:()"]
        for n in grams:
            for i in range(len(words) - n + 1):
                key = zlib.crc32(" ".join(words[i : i + n]).encode())
                row[key % width] += 1.0 if key & 0x8000_0000 else -1.0
        length = float(np.linalg.norm(row))
        row /= length or 1.0
    return made


def class_names(text: str, facts: SceneFacts) -> np.ndarray:
    """(K,) 0 or 1: which classes of the legend a text names."""
    made = np.zeros(len(facts.classes), np.float32)
    for item in read_items(text, Vocabulary(facts)):
        if item.kind == "C":
            made[list(item.named.now)] = 1
    return made


def fractions(facts: SceneFacts) -> np.ndarray:
    """(K,) share of each class: what an oracle that sees the map compares."""
    return np.array([float(facts.share([k])) for k in range(len(facts.classes))], np.float32)


def agreement(claims: Sequence[Claim], facts: SceneFacts) -> float:
    """Share of claims that are true of a scene; 0 of none."""
    judged = [judge(c, facts)[0] for c in claims]
    return sum(j is True for j in judged) / len(judged) if judged else 0.0


def duplicates(vectors: np.ndarray, tolerance: float = 0.02) -> np.ndarray:
    """(N,) number of the group of near-duplicates: no value differs by more than the tolerance, chained."""
    n = len(vectors)
    group = np.arange(n)
    for i in range(n):
        near = np.flatnonzero(np.abs(vectors - vectors[i]).max(1) <= tolerance)
        low = group[near].min()
        for g in np.unique(group[near]):
            group[group == g] = low
    return np.unique(group, return_inverse=True)[1]


def recall(score: np.ndarray, group: np.ndarray, k: int) -> np.ndarray:
    """(Q,) chance that a scene of the query's group is among the first k, ties broken at random.

    score (Q, N) of query i (made from scene i) with every scene; group (N,): equal numbers count as the same scene.
    """
    made = np.zeros(len(score))
    for q, row in enumerate(score):
        relevant = group == group[q]
        best = row[relevant].max()
        above = int((row > best).sum())
        tied = row == best
        slots, size, hits = k - above, int(tied.sum()), int((tied & relevant).sum())
        if slots <= 0:
            continue
        made[q] = 1.0 if slots > size - hits else 1.0 - math.comb(size - hits, slots) / math.comb(size, slots)
    return made


def distinct(texts: Sequence[str], n: int = 2) -> float:
    """Different word n-grams over all n-grams of a set of texts; NaN for none. 1 when nothing is said twice."""
    grams = [tuple(w[i : i + n]) for t in texts for w in [tokens(t)] for i in range(len(w) - n + 1)]
    return len(set(grams)) / len(grams) if grams else math.nan
