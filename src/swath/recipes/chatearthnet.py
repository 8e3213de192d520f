"""ChatEarthNet (10): descriptions of scenes from their land-cover maps, and whether each clause of them is true.

The paper had captions written by language models and looked at some by hand. Here a grammar writes, and what it writes is
read back and held against the map: (a) captions of all windows, (b) claims read back, (c) lies in a second writer's words,
(d) windows found by their captions, (e) captions of maps with errors held against the map without.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swath.estimate import Estimate
from swath.language import retrieve
from swath.language.caption import say
from swath.language.chatearthnet import top
from swath.language.facts import SceneFacts
from swath.language.judging import judge
from swath.language.lexicon import tokens
from swath.language.parse import parse
from swath.language.reader import Vocabulary
from swath.recipes.chatearthnet_maps import Window, made_windows, real_windows
from swath.recipes.chatearthnet_pages import curve, picture
from swath.recipes.chatearthnet_rows import errors, found, lies, shares
from swath.report.outcome import Card, Outcome, Row

__all__ = ["CARD", "SCALES", "Sizes", "run"]

CARD = Card(
    slug="chatearthnet",
    number=10,
    title="ChatEarthNet: descriptions of Sentinel-2 scenes made from their land-cover map",
    source='"ChatEarthNet: a global-scale image-text dataset" (arXiv 2402.11325; Earth Syst. Sci. Data 17, 1245-1263, 2025)',
    code="zhu-xlab/ChatEarthNet (prompt builders; the main block of one cannot run as released)",
    licence="Apache-2.0 (scripts); CC-BY-4.0 (data)",
    claims={
        "size": "163,488 pairs by GPT-3.5 (text only), 10,000 by GPT-4V (saw the label map, not the photograph)",
        "quality": "manual inspection and correction; no agreement figure is given",
        "to be checked": "a caption states only what the map contains, in the right place and proportion",
    },
    built=(
        "the published facts: class list, five regions, three classes each, five size words, floor of 20 pixels in 65,536",
        "a seeded grammar in six styles, and a reader that turns any text into claims and judges them",
        "`swath describe`, with change, questions and keys",
    ),
    not_built=(
        "captions by language models: none is at hand; a writer can be plugged in and is judged by the same reader",
        "the 163,488 Sentinel-2 patches: not at hand, so nothing is said about them",
    ),
)
STYLES = ("plain", "places", "levels")
LEVELS_OF_NOISE = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)


@dataclass(frozen=True, slots=True)
class Sizes:
    """windows: at most so many of one map; seeds: of the writer; accuracy: of the maps in (e); side: of made worlds."""

    windows: int = 24
    seeds: int = 5
    accuracy: tuple[float, ...] = LEVELS_OF_NOISE
    worlds: int = 8
    side: int = 96
    window: int = 48


SCALES = {
    "small": Sizes(),
    "paper": Sizes(windows=4, seeds=1, accuracy=(1.0, 0.8), worlds=1, side=256, window=128),
    "test": Sizes(windows=4, seeds=2, accuracy=(1.0, 0.7), worlds=6, side=64, window=32),
}


def run(scale: str, out: Path, *, data: Path | None = None, seed: int = 0, progress: Any = None) -> Outcome:
    """Rows for the maps at hand (real where data are given) and for made worlds; a figure of a caption, one of map errors."""
    sizes = SCALES[scale]
    sets: dict[str, tuple[list[Window], bool]] = {}
    verdicts = []
    if data is not None and (real := real_windows(data, sizes.windows)):
        sets["windows of real maps"] = (real, False)
        names = sorted({w.scene for w in real})
        verdicts.append(
            f"only {len(names)} distinct real scenes ({', '.join(names)}): nothing is claimed about other places"
        )
    else:
        verdicts.append("no real maps were given: only made worlds were described")
    sets["made worlds"] = (made_windows(range(9100 + seed, 9100 + seed + sizes.worlds), sizes.side, sizes.window), True)
    rows: list[Row] = []
    facts: dict[str, Any] = {"writer seeds": sizes.seeds, "text vectors": "hashed word 1- and 2-grams, built in"}
    curves: dict[str, Any] = {}
    for n, (title, (windows, simulated)) in enumerate(sets.items()):
        if progress is not None:
            progress(n, len(sets), title)
        told, counted = _told(title, windows, sizes.seeds, simulated)
        planted, alarms = lies(title, windows, sizes.seeds, simulated)
        wrong, curves[title] = errors(title, windows, sizes.accuracy, simulated, seed)
        rows += [*told, *planted, *found(title, windows, simulated), *wrong]
        facts[title] = {"windows": len(windows), "scenes": len({w.scene for w in windows}), **counted, **alarms}
        verdicts += _verdicts(title, rows)
    first = next(iter(sets.values()))[0]
    told_best = max(first, key=_telling)
    figures = {"caption.png": picture(told_best, out / "caption.png"), "errors.png": curve(curves, out / "errors.png")}
    if scale == "paper":
        _as_published(first[0].facts, out, facts)
    verdicts += [
        "captions were made from maps and judged by the same maps: this measures writer and reader, not sight",
        "no accuracy of the paper can be compared: it gives none",
    ]
    return Outcome(CARD, scale, tuple(rows), figures, tuple(verdicts), facts)


def _told(title: str, windows: Sequence[Window], seeds: int, simulated: bool) -> tuple[list[Row], dict[str, Any]]:
    """(a) and (b): write, read back, compare claims."""
    hits: dict[str, dict[str, dict[str, list[float]]]] = {}
    texts: dict[str, list[str]] = {"grammar": [], "one template": []}
    first: dict[str, list[str]] = {"grammar": [], "one template": []}  # one text a window, for a fair count of words
    for w in windows:
        vocabulary = Vocabulary(w.facts)
        for s in range(seeds):
            for style in (*STYLES, "list"):
                name = "one template" if style == "list" else "grammar"
                if style == "list" and s:
                    continue
                text = say(w.facts, style, s)
                texts[name].append(text.text)
                if s == 0 and style in ("list", "plain"):
                    first[name].append(text.text)
                for words, claims in zip(text.sentences, text.claims, strict=True):
                    read, given = set(parse(words, w.facts, vocabulary).claims), set(claims)
                    true = {c for c in read if judge(c, w.facts)[0] is True}
                    for metric, got, of in (
                        ("precision", len(read & given & true), len(read)),
                        ("recall", len(read & given), len(given)),
                    ):
                        part = hits.setdefault(name, {}).setdefault(metric, {}).setdefault(w.scene, [0.0, 0.0])
                        part[0], part[1] = part[0] + got, part[1] + of
    rows = []
    for name, metrics in hits.items():
        for metric, parts in metrics.items():
            role: Any = "ours" if name == "grammar" else "baseline"
            rows.append(
                Row(
                    title,
                    name,
                    role,
                    f"claims read back: {metric}",
                    shares(parts, "claims of all captions", simulated),
                )
            )
    counted = {}
    for name, group in texts.items():
        one = first[name]
        value = Estimate(retrieve.distinct(one), "1", n=len(one), method="word pairs of one text a window",
                         simulated=simulated, reason="no interval: one set of texts")  # fmt: skip
        rows.append(
            Row(title, name, "ours" if name == "grammar" else "baseline", "distinct word pairs over all", value)
        )
        counted[f"words, {name}"] = len({t for text in group for t in tokens(text)})
    counted["captions"] = len(texts["grammar"])
    return rows, counted


def _telling(window: Window) -> tuple[bool, int]:
    """How much a window has to show: classes with names that people know, and many of them."""
    there = [window.facts.classes[k] for k in window.facts.ranking()]
    return bool(there) and all(c.concept for c in there), len(there)


def _as_published(facts: SceneFacts, out: Path, told: dict[str, Any]) -> None:
    """One patch's facts in the published form, with their counts."""
    made = {
        r: [(facts.classes[k].name, level) for k, _, level in top(facts, r)]
        for r in ("north-west", "north-east", "middle")
    }
    told["published facts of one patch"] = json.loads(json.dumps(made))
    told["regions"], told["size words"], told["classes a region"] = 5, 5, 3


def _verdicts(title: str, rows: Sequence[Row]) -> list[str]:
    """What the numbers say, in words."""
    own = [r for r in rows if r.data == title and r.role == "ours"]
    back = [r.estimate.value for r in own if r.metric.startswith("claims read back")]
    planted = {r.metric: r.estimate for r in own if r.metric.startswith("lies found") and r.estimate.defined}
    claims = sum(r.estimate.n for r in own if r.metric == "claims read back: recall")
    share = "all" if min(back) == 1 else f"at least {100 * min(back):.2f} %"
    made = [f"{title}: of {claims:,} claims in captions {share} are read back from the words alone, and true"]
    if planted:
        worst = min(planted, key=lambda m: planted[m].value)
        n, least = sum(e.n for e in planted.values()), planted[worst].value
        share = "all" if least == 1 else f"at least {100 * least:.1f} % of a kind (fewest: {worst.partition(': ')[2]})"
        made.append(f"{title}: of {n:,} lies planted in held-out wordings {share} are found")
    for r in [r for r in own if r.metric.startswith("claims true when") and r.method == "caption, plain"][-1:]:
        when = r.metric.removeprefix("claims true ")
        made.append(f"{title}: {when}, {100 * r.estimate.value:.0f} % of the claims of a plain caption are true")
    first = {
        r.method: 100 * r.estimate.value for r in rows if r.data == title and r.metric == "recall@1, text to window"
    }
    if "claims held against facts" in first:
        ours, words, names = (
            first[m] for m in ("claims held against facts", "hashed words of captions", "bag of class names")
        )
        made.append(
            f"{title}: recall@1 is {ours:.0f} % by claims, {words:.0f} % by words, {names:.0f} % by class names"
        )
    return made
