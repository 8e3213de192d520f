"""Rows of the recipe of ChatEarthNet: lies that are found, windows that are found, claims of maps with errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from swath.estimate import Estimate, block_bootstrap, undefined
from swath.language import retrieve
from swath.language.caption import say
from swath.language.check import check
from swath.language.claim import Claim
from swath.language.facts import SceneFacts
from swath.language.judging import judge
from swath.recipes.chatearthnet_maps import Window, noisy
from swath.recipes.chatearthnet_plans import KINDS, Plan, spoil, spoiled_dominant, written
from swath.report.outcome import Row

__all__ = ["errors", "found", "lies", "shares"]


def shares(parts: Mapping[str, Sequence[float]], method: str, simulated: bool) -> Estimate:
    """parts: {scene: (hits, of how many)}: a share with its interval over scenes."""
    kept = [list(v) for v in parts.values() if v[1]]
    if not kept:
        return replace(undefined("1", "nothing of this kind in these windows", method=method), simulated=simulated)
    n = int(sum(v[1] for v in kept))
    return block_bootstrap(kept, lambda s: s[..., 0] / s[..., 1], n=n, method=method, simulated=simulated)


def lies(title: str, windows: Sequence[Window], seeds: int, simulated: bool) -> tuple[list[Row], dict[str, Any]]:
    """(c): a second writer's texts, true and with one lie; the baseline only knows which class names are on the map."""
    seen: dict[str, dict[str, list[float]]] = {k: {} for k in KINDS}
    plain: dict[str, dict[str, list[float]]] = {k: {} for k in KINDS}
    alarms: dict[str, list[float]] = {}
    read = {"supported": 0, "not checkable": 0, "contradicted": 0}
    for w in windows:
        for s in range(seeds):
            text = written(w.facts, s)
            if not text:
                continue
            verdicts = check([p.text(w.facts) for p in text], w.facts, complete=True)
            part = alarms.setdefault(w.scene, [0.0, 0.0])
            for v in verdicts:
                read[v.verdict] += 1
                part[0], part[1] = part[0] + (v.verdict == "contradicted"), part[1] + 1
            for kind in KINDS:
                bad = spoiled_dominant(text, w.facts) if kind == KINDS[-1] else spoil(text, w.facts, kind, s)
                if bad is None:
                    continue
                for table, hit in ((seen, _noticed(text, bad, w.facts)), (plain, _by_names(bad, w.facts))):
                    part = table[kind].setdefault(w.scene, [0.0, 0.0])
                    part[0], part[1] = part[0] + hit, part[1] + 1
    rows = []
    for kind in KINDS:
        rows.append(
            Row(title, "check", "ours", f"lies found: {kind}", shares(seen[kind], "texts with one lie", simulated))
        )
        rows.append(
            Row(
                title,
                "class names alone",
                "baseline",
                f"lies found: {kind}",
                shares(plain[kind], "texts with one lie", simulated),
            )
        )
    rows.append(
        Row(title, "check", "ours", "true sentences called false", shares(alarms, "sentences of true texts", simulated))
    )
    none = {scene: [0.0, n] for scene, (_, n) in alarms.items()}
    rows.append(
        Row(
            title,
            "class names alone",
            "baseline",
            "true sentences called false",
            shares(none, "sentences of true texts", simulated),
        )
    )
    return rows, {"true sentences, second writer": read}


def _noticed(text: Sequence[Plan], bad: Sequence[Plan], facts: SceneFacts) -> bool:
    verdicts = check([p.text(facts) for p in bad], facts, complete=True)
    if len(text) != len(bad) or any(len(p.classes) != len(q.classes) for p, q in zip(text, bad, strict=True)):
        return bool(verdicts.omitted)
    return any(v.verdict == "contradicted" for v, p, q in zip(verdicts, text, bad, strict=True) if p != q)


def _by_names(bad: Sequence[Plan], facts: SceneFacts) -> bool:
    """A text names a class that the map does not show, or does not name the one that leads."""
    named = {k for p in bad for k in p.classes}
    lead = facts.ranking()[0]
    return lead not in named or any(k >= len(facts.classes) or not facts.pixels([k]) for k in named)


def found(title: str, windows: Sequence[Window], simulated: bool) -> list[Row]:
    """(d): a window is looked for by its caption among the windows of maps with the same legend."""
    hits: dict[str, dict[int, dict[str, list[float]]]] = {}
    pools = []
    for legend in sorted({w.legend for w in windows}):
        group = [w for w in windows if w.legend == legend]
        if len(group) < 6:
            continue
        pools.append(len(group))
        asked = [say(w.facts, "levels", 0) for w in group]
        kept = retrieve.hashed([say(w.facts, "levels", 1).text for w in group])
        vectors = np.stack([retrieve.fractions(w.facts) for w in group])
        same = retrieve.duplicates(vectors)
        names = np.stack([retrieve.class_names(t.text, w.facts) for t, w in zip(asked, group, strict=True)])
        there = np.stack([(v > 0).astype(np.float32) for v in vectors])
        read = [parse_all(t.text, w.facts) for t, w in zip(asked, group, strict=True)]
        scores = {
            "claims held against facts": np.array([[retrieve.agreement(c, w.facts) for w in group] for c in read]),
            "hashed words of captions": (retrieve.hashed([t.text for t in asked]) @ kept.T).round(6),
            "bag of class names": _cosine(names, there),
            "chance": np.zeros((len(group), len(group))),
            "oracle: class fractions of the map": _cosine(vectors, vectors),
        }
        for name, score in scores.items():
            for k in (1, 5, 10):
                for w, hit in zip(group, retrieve.recall(score, same, k), strict=True):
                    part = hits.setdefault(name, {}).setdefault(k, {}).setdefault(w.scene, [0.0, 0.0])
                    part[0], part[1] = part[0] + hit, part[1] + 1
    roles: dict[str, Any] = {"claims held against facts": "ours", "oracle: class fractions of the map": "reference"}
    method = f"windows of one legend, pools of {', '.join(map(str, pools))}, near-duplicates as one, ties at random"
    return [
        Row(title, name, roles.get(name, "baseline"), f"recall@{k}, text to window", shares(parts, method, simulated))
        for name, group in hits.items() for k, parts in group.items()
    ]  # fmt: skip


def parse_all(text: str, facts: SceneFacts) -> list[Any]:
    """Claims of a whole text."""
    return [c for v in check(text, facts, complete=False) for c in v.claims]


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    def unit(x: np.ndarray) -> np.ndarray:
        return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9))

    return np.asarray((unit(a) @ unit(b).T).round(6))


def _slack(c: Claim) -> Claim:
    """With slack: shares may be off by 5 points, areas and lengths by a tenth."""
    if c.unit == "%":
        return replace(c, low=c.low - 5, high=c.high + 5, window=None)
    return replace(c, low=0.9 * c.low, high=1.1 * c.high, window=None) if c.unit in ("ha", "pixel", "m") else c


def errors(
    title: str, windows: Sequence[Window], accuracies: Sequence[float], simulated: bool, seed: int
) -> tuple[list[Row], Any]:
    """(e): captions of maps with errors, judged by the map without."""
    rows: list[Row] = []
    lines: dict[str, list[Estimate]] = {}
    for accuracy in accuracies:
        hits: dict[str, dict[str, list[float]]] = {}
        for n, w in enumerate(windows):
            wrong = noisy(w, accuracy, seed * 1000 + n)
            for style in ("plain", "levels", "list"):
                claims = say(wrong, style, 0).all_claims()
                judged = [judge(replace(c, window=None), w.facts)[0] for c in claims]
                part = hits.setdefault(style, {}).setdefault(w.scene, [0.0, 0.0])
                part[0], part[1] = part[0] + sum(j is True for j in judged), part[1] + len(judged)
                if style == "plain":
                    near = [judge(_slack(c), w.facts)[0] for c in claims]
                    part = hits.setdefault("slack", {}).setdefault(w.scene, [0.0, 0.0])
                    part[0], part[1] = part[0] + sum(j is True for j in near), part[1] + len(near)
            named = wrong.ranking()
            part = hits.setdefault("names", {}).setdefault(w.scene, [0.0, 0.0])
            part[0], part[1] = part[0] + sum(w.facts.pixels([k]) > 0 for k in named), part[1] + len(named)
        words = {
            "plain": "caption, plain",
            "slack": "caption, with slack",
            "levels": "caption, size words",
            "list": "one template",
            "names": "class names alone",
        }
        for style, parts in hits.items():
            value = shares(parts, "claims of captions of the map with errors", simulated)
            role: Any = "ours" if style in ("plain", "levels", "slack") else "baseline"
            rows.append(
                Row(title, words[style], role, f"claims true when {100 * accuracy:.0f} % of pixels are right", value)
            )
            lines.setdefault(words[style], []).append(value)
    return rows, (accuracies, lines)
