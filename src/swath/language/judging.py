"""Whether a claim is true of the facts: one function a kind of statement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from swath.language.claim import INF, Claim, largest
from swath.language.facts import Change, SceneFacts, level_of
from swath.language.north import HALVES, QUARTERS, REGIONS

__all__ = ["SHAPES", "judge", "old_of"]

Judged = tuple[bool | None, str]


def _between(value: float, claim: Claim) -> bool:
    slack = 1e-9 * max(1.0, abs(value))
    return claim.low - slack <= value <= claim.high + slack


def judge(claim: Claim, facts: SceneFacts) -> Judged:
    """Whether a claim is true of the facts (None: they cannot tell), and what the facts say, in words."""
    if claim.absent and not claim.classes:
        return _absent(claim, facts)
    made = _KINDS[claim.kind](claim, facts)
    if made[0] is not None and claim.negated:
        return not made[0], made[1]
    return made


def _absent(claim: Claim, facts: SceneFacts) -> Judged:
    words = " and ".join(claim.absent)
    if facts.known() == 0:
        return None, "the map shows no class anywhere"
    return claim.negated, f"the map has no class for {words}"


def _name(facts: SceneFacts, classes: Sequence[int]) -> str:
    return " and ".join(facts.classes[k].noun for k in classes)


def _at(region: str) -> str:
    return "" if region == "scene" else f" in the {region}"


def _pct(value: Fraction | float) -> str:
    return f"{100 * float(value):.4g}%"


def _share(c: Claim, f: SceneFacts) -> Judged:
    if not f.known(c.region):
        return None, f"nothing is mapped{_at(c.region)}"
    actual = f.share(c.classes, c.region)
    words = f"{_name(f, c.classes)}: {_pct(actual)}{_at(c.region)}"
    if c.word == "mainly":  # more than half, or more than any other class
        return 100 * float(actual) > 50 or bool(_dominant(c, f)[0]), words
    return _between(100 * float(actual), c), words


def _home(c: Claim, f: SceneFacts) -> Judged:
    """No other quarter (or half) holds more of the class."""
    for group in (QUARTERS, HALVES[:2], HALVES[2:]):
        if c.region in group:
            shares = {r: f.within(c.classes, r) for r in group}
            best = max(shares, key=lambda r: shares[r])
            return shares[c.region] == shares[
                best
            ], f"{_pct(shares[c.region])} of {_name(f, c.classes)} lies{_at(c.region)}"
    return None, "only halves and quarters are compared"


def _area(c: Claim, f: SceneFacts) -> Judged:
    if c.unit != f.unit:
        return None, "areas need a CRS" if f.unit == "pixel" else "the map counts hectares"
    actual = f.ground(c.classes, c.region)
    return _between(actual, c), f"{_name(f, c.classes)}: {actual:.6g} {f.unit}{_at(c.region)}"


def _level(c: Claim, f: SceneFacts) -> Judged:
    if not f.known(c.region):
        return None, f"nothing is mapped{_at(c.region)}"
    share = f.share(c.classes, c.region)
    if not f.pixels(c.classes, c.region):
        return False, f"no {_name(f, c.classes)}{_at(c.region)}"
    return level_of(share) == c.word, f"{_name(f, c.classes)}: {_pct(share)}{_at(c.region)}, {level_of(share)}"


def _present(c: Claim, f: SceneFacts) -> Judged:
    n = f.pixels(c.classes, c.region)
    if not f.known(c.region):
        return None, f"nothing is mapped{_at(c.region)}"
    return n > 0, f"{_name(f, c.classes)}: {n} pixels{_at(c.region)}"


def _dominant(c: Claim, f: SceneFacts) -> Judged:
    """word: "1" the largest, "2" the second ..., "-1" the smallest of those above the floor."""
    order = f.ranking(c.region) or f.ranking(c.region, 1)
    if not order:
        return None, f"nothing is mapped{_at(c.region)}"
    place = 1 if c.word == "mainly" else int(c.word or 1)
    if len(c.classes) > 1:  # a group that leads: more than any class outside it
        rest = max((f.share([k], c.region) for k in order if k not in c.classes), default=Fraction(0))
        return f.share(c.classes, c.region) > rest and place == 1, f"others at most {_pct(rest)}"
    at = place - 1 if place > 0 else len(order) + place
    if not 0 <= at < len(order):
        return False, f"{len(order)} classes{_at(c.region)}"
    tied = f.share([order[at]], c.region)
    true = any(k in c.classes and f.share([k], c.region) == tied for k in order)
    if place < 0:
        everything = f.ranking(c.region, 1)
        true = true or bool(everything and everything[-1] in c.classes)
    words = ", ".join(f"{f.classes[k].noun} {_pct(f.share([k], c.region))}" for k in order[:4])
    return true, f"the order{_at(c.region)} is {words}"


def _compare(c: Claim, f: SceneFacts) -> Judged:
    """low, high: of the share of `classes` over that of `other`."""
    a, b = f.share(c.classes, c.region), f.share(c.other, c.region)
    words = f"{_name(f, c.classes)} {_pct(a)}, {_name(f, c.other)} {_pct(b)}{_at(c.region)}"
    if not f.known(c.region):
        return None, f"nothing is mapped{_at(c.region)}"
    ratio = float(a / b) if b else (INF if a else math.nan)
    if c.unit in ("ha", "pixel"):
        step = f.ground(c.classes, c.region) - f.ground(c.other, c.region)
        return (_between(step, c), f"{words}; {step:.6g} {f.unit}") if c.unit == f.unit else (None, "areas need a CRS")
    if c.unit == "points":
        return _between(100 * float(a - b), c), words
    if c.low == 1 and c.high == INF:
        return a > b, words
    return (not math.isnan(ratio) and _between(ratio, c)), words


def _where(c: Claim, f: SceneFacts) -> Judged:
    """Share of a class that lies in the region, in per cent: more than half unless bounds say otherwise."""
    if not f.pixels(c.classes):
        return False, f"there is no {_name(f, c.classes)}"
    inside = f.within(c.classes, c.region)
    return _between(100 * float(inside), c), f"{_pct(inside)} of {_name(f, c.classes)} lies{_at(c.region)}"


def _touch(c: Claim, f: SceneFacts) -> Judged:
    sides = f.touch(c.classes, c.other)
    return sides > 0, f"{_name(f, c.classes)} and {_name(f, c.other)} share {sides} pixel sides"


def _around(c: Claim, f: SceneFacts) -> Judged:
    share = f.enclosed(c.classes, c.other)
    if math.isnan(share):
        return False, f"{_name(f, c.classes)} borders no other class"
    return share >= 0.5, f"{_pct(share)} of the borders of {_name(f, c.classes)} are with {_name(f, c.other)}"


def _longest(c: Claim, f: SceneFacts) -> Judged:
    """The class with which `classes` share the longest border."""
    others = [k for k in range(len(f.classes)) if k not in c.classes]
    best = max((f.border(c.classes, [k]) for k in others), default=0.0)
    mine = max((f.border(c.classes, [k]) for k in c.other), default=0.0)
    return best > 0 and mine >= best * (1 - 1e-9), f"with {_name(f, c.other)} {mine:.6g}, at most {best:.6g}"


def _count(c: Claim, f: SceneFacts) -> Judged:
    """Number of patches: all of them, or those at the floor (word "floor": only these)."""
    every = sum(f.counts.patches[k].count for k in c.classes)
    some = sum(f.counts.patches[k].at_least(f.floor) for k in c.classes)
    words = f"{_name(f, c.classes)}: {every} patches, {some} of at least {f.floor} pixels"
    return _between(some, c) or (c.word != "floor" and _between(every, c)), words


def _patch(c: Claim, f: SceneFacts) -> Judged:
    """The largest patch: its area (unit ha or pixel), its length or width (m), or the place of its centre (word)."""
    best = largest(f, c.classes)
    if best is None:
        return False, f"there is no {_name(f, c.classes)}"
    if c.word:
        return _lies(best, c.word, f), f"its centre lies in the {f.north.place(best.row, best.column)}"
    if c.unit == "m":
        if f.unit != "ha":
            return None, "lengths need a CRS"
        return _between(best.length, c) or _between(best.width, c), f"{best.length:.4g} by {best.width:.4g} m"
    if c.unit == "%":
        share = 100 * f.patch_ground(best) / max(f.ground(c.classes), 1e-12)
        return _between(share, c), f"it holds {share:.4g}% of the class"
    if c.unit != f.unit:
        return None, "areas need a CRS" if f.unit == "pixel" else "the map counts hectares"
    return _between(f.patch_ground(best), c), f"the largest patch covers {f.patch_ground(best):.6g} {f.unit}"


def _lies(patch: Any, word: str, f: SceneFacts) -> bool:
    """The centre's ninth has that name, or the centre lies in that half or quarter."""
    if f.north.place(patch.row, patch.column) == word:
        return True
    row, column = (min(max(round(v), 0), n - 1) for v, n in zip((patch.row, patch.column), f.shape, strict=True))
    cell = int(f.north.cells(row, row + 1)[0, column])
    return word in REGIONS and word not in ("scene", "middle") and cell in REGIONS[word]


def _piece(c: Claim, f: SceneFacts) -> Judged:
    """Some patch, or the class as a whole, has that area."""
    if c.unit != f.unit:
        return None, "areas need a CRS" if f.unit == "pixel" else "the map counts hectares"
    sizes = [f.patch_ground(p) for k in c.classes for p in f.counts.patches[k].largest]
    true = any(_between(s, c) for s in [*sizes, f.ground(c.classes)])
    return true, f"patches of {', '.join(f'{s:.4g}' for s in sorted(sizes, reverse=True)[:5])} {f.unit}"


SHAPES = {"elongated": (3.0, INF), "compact": (1.0, 2.0)}
"""Length over width of the largest patch, by second moments in metres."""


def _shape(c: Claim, f: SceneFacts) -> Judged:
    best = largest(f, c.classes)
    if best is None:
        return False, f"there is no {_name(f, c.classes)}"
    if best.pixels < 4:
        return None, "too few pixels for a shape"
    low, high = SHAPES[c.word]
    return low <= best.ratio < high, f"its largest patch is {best.ratio:.3g} times as long as wide"


def _unknown(c: Claim, f: SceneFacts) -> Judged:
    """Share of all pixels without a class. word "thin": no class reaches the floor; "tiny": the region has no pixel at all."""
    if c.word == "thin":
        return not f.ranking(c.region), f"{len(f.ranking(c.region))} classes reach the floor{_at(c.region)}"
    if c.word == "tiny":
        return f.known(c.region) + f.unknown(c.region) == 0, f"{f.known(c.region)} pixels{_at(c.region)}"
    actual = f.unknown_share(c.region)
    if c.word == "some":
        return actual > 0, f"{_pct(actual)} without a class{_at(c.region)}"
    return _between(100 * float(actual), c), f"{_pct(actual)} without a class{_at(c.region)}"


def _sure(c: Claim, f: SceneFacts) -> Judged:
    actual = f.sure(c.region, c.classes or None)
    if actual is None:
        return None, "the map carries no doubt layer"
    return _between(100 * float(actual), c), f"{_pct(actual)} sure"


def _adjusted(c: Claim, f: SceneFacts) -> Judged:
    """word: value, low or high of the area of a class adjusted for the map's errors."""
    record = next((f.areas[f.classes[k].name] for k in c.classes if f.classes[k].name in f.areas), None)
    if record is None or record.get(c.word) is None:
        return None, "no assessment with intervals lies beside the map"
    return _between(float(record[c.word]), c), f"{c.word} {float(record[c.word]):.6g} {record.get('unit')}"


def _relative(c: Claim, f: SceneFacts) -> Judged:
    """`classes` lie in a direction (word) of `other`, by their centres of mass."""
    a, b = f.centre(c.classes), f.centre(c.other)
    if not all(math.isfinite(v) for v in (*a, *b)):
        return False, "one of them is absent"
    e1, n1 = f.north.offset(a[0], a[1])
    e2, n2 = f.north.offset(b[0], b[1])
    east, north = float(e1 - e2), float(n1 - n2)
    wanted = c.word.split("-")
    reach = max(abs(east), abs(north))
    signs = {"north": north, "south": -north, "east": east, "west": -east}
    if len(wanted) == 1 and abs(signs[wanted[0]]) < 0.4 * reach:
        return False, f"{east:.4g} m east, {north:.4g} m north"
    return all(signs[w] > 0 for w in wanted), f"{east:.4g} m east, {north:.4g} m north"


def _scene(c: Claim, f: SceneFacts) -> Judged:
    """The scene itself: its area, its number of classes (unit "classes"), its pixels (unit "pixel m")."""
    if c.unit == "classes":
        n, every = len(f.ranking()), len(f.ranking("scene", 1))
        return _between(n, c) or _between(every, c), f"{n} classes above the floor, {every} in all"
    if c.unit == "pixel m":
        return (_between(f.pixel_m[0], c), f"{f.pixel_m[0]:.4g} m") if math.isfinite(f.pixel_m[0]) else (None, "no CRS")
    if c.unit == "m":
        if not math.isfinite(f.size_m[0]):
            return None, "no CRS"
        return _between(f.size_m[0], c) or _between(f.size_m[1], c), f"{f.size_m[0]:.5g} by {f.size_m[1]:.5g} m"
    if c.unit != f.unit:
        return None, "areas need a CRS" if f.unit == "pixel" else "the map counts hectares"
    return _between(f.scene_ground, c), f"the scene covers {f.scene_ground:.6g} {f.unit}"


def _last(f: SceneFacts) -> Change | None:
    return f.changes[-1] if f.changes else None


_ONE = "the facts hold one date only"


def _became(c: Claim, f: SceneFacts) -> Judged:
    """What became what. classes: of the earlier map; other: of the later one; empty: any. Unit ha, pixel or per cent."""
    change = _last(f)
    if change is None:
        return None, _ONE
    if c.word == "none":
        return change.total() == 0, f"{change.total()} pixels have a class on both dates"
    old = c.classes or tuple(range(len(change.classes)))
    new = c.other or tuple(range(len(f.classes)))
    cells = None if c.region == "scene" else REGIONS[c.region]
    pixels, ground = change.became(old, new, cells)
    words = f"{pixels} pixels, {ground:.6g} {f.unit}"
    if c.word == "where":
        everything = change.became(old, new)[0]
        inside = Fraction(pixels, everything) if everything else Fraction(0)
        least = max(50.0, c.low)
        return (
            100 * float(inside) > least if least == 50 else 100 * float(inside) >= least
        ), f"{_pct(inside)} of it lies{_at(c.region)}"
    if not c.unit:
        return pixels > 0, words
    if c.unit == "%":
        share = Fraction(pixels, change.total() or 1)
        of_old = int(change.moved.pixels[:, list(old)].sum())
        return (_between(100 * float(share), c) or (
            bool(c.classes) and of_old > 0 and _between(100 * pixels / of_old, c)), f"{words}, {_pct(share)}")  # fmt: skip
    if c.unit != f.unit:
        return None, "areas need a CRS"
    if c.region != "scene":
        return None, "areas of change are counted for the whole scene"
    return _between(ground, c), words


def old_of(f: SceneFacts, change: Change, classes: Sequence[int]) -> list[int]:
    """The same classes in the earlier map's legend."""
    return [i for i in range(len(change.classes)) if change.same[i, list(classes)].any()]


def _net(c: Claim, f: SceneFacts) -> Judged:
    """Net change of a class, later minus earlier. word: "gain", "loss", "same", or "" with bounds; unit ha, pixel, per cent

    (of its earlier area) or "times".
    """
    change = _last(f)
    if change is None:
        return None, _ONE
    old = old_of(f, change, c.classes)
    then = float(change.counts.ground[:, old].sum()) if old else 0.0
    now = f.ground(c.classes)
    step = now - then
    words = f"{_name(f, c.classes)}: {then:.6g} then, {now:.6g} {f.unit} now"
    if c.word == "same":
        return abs(step) <= 0.01 * max(then, now, 1e-12), words
    if (c.word == "gain" and step <= 0) or (c.word == "loss" and step >= 0):
        return False, words
    if not c.unit:
        return True, words
    amount = abs(step) if c.word in ("gain", "loss") else step
    if c.unit == "%":
        return (then > 0 and _between(100 * amount / then, c)), words
    if c.unit == "times":
        return (then > 0 and _between(now / then, c)), words
    if c.unit != f.unit:
        return None, "areas need a CRS"
    if _between(amount, c):
        return True, words
    # "lost 4 ha" may also mean what it gave up, whatever it won elsewhere
    gross = (
        change.became(old, range(len(f.classes)))[1]
        if c.word == "loss"
        else change.became(range(len(change.classes)), c.classes)[1]
    )
    return _between(gross, c), f"{words}; {gross:.6g} in all"


def _before(c: Claim, f: SceneFacts) -> Judged:
    """Area or share of a class on the earlier map."""
    change = _last(f)
    if change is None:
        return None, _ONE
    old = old_of(f, change, c.classes)
    if c.unit == "%":
        whole = int(change.counts.pixels.sum())
        actual = 100 * int(change.counts.pixels[:, old].sum()) / whole if whole else 0.0
        return _between(actual, c), f"{actual:.4g}% then"
    if c.unit and c.unit != f.unit:
        return None, "areas need a CRS"
    actual = float(change.counts.ground[:, old].sum()) if old else 0.0
    return (_between(actual, c) if c.unit else actual > 0), f"{actual:.6g} {f.unit} then"


def _meta(c: Claim, f: SceneFacts) -> Judged:
    found = str(f.meta.get("date", ""))
    return (c.word in found, f"the map says {found}") if found else (None, "the map tells no date")


_KINDS = {
    "share": _share, "area": _area, "level": _level, "present": _present, "dominant": _dominant, "compare": _compare,
    "where": _where, "home": _home, "touch": _touch, "around": _around, "longest": _longest, "count": _count, "patch": _patch,
    "piece": _piece, "shape": _shape, "unknown": _unknown, "sure": _sure, "adjusted": _adjusted, "relative": _relative, "scene": _scene,
    "became": _became, "net": _net, "before": _before, "meta": _meta,
}  # fmt: skip
