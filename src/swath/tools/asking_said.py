"""What an answer by rules says, kind by kind, from the result of its call. No number is made here: each is read at a pointer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.language.answer import Number, Part, linked
from swath.tools.asking import Call, number, raster_of

if TYPE_CHECKING:
    from swath.language.plan import Plan

__all__ = ["change", "changed", "compared", "densest", "described", "much", "scene"]

MOST = 6


def _facts(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = call.result["facts"]
    return found


def _index(records: Sequence[dict[str, Any]], name: str) -> int:
    return next((i for i, r in enumerate(records) if r["name"] == name), -1)


def _whole(call: Call) -> list[int]:
    rows, columns = _facts(call)["shape"]
    return [0, rows, 0, columns]


def _evidence(call: Call, window: Any, codes: Sequence[int]) -> dict[str, Any]:
    return {"map": raster_of(call.arguments["maps"][0]), "window": window, "codes": list(codes), **_cut(call)}


def _cut(call: Call) -> dict[str, Any]:
    """Windows count from the corner of the area, where one was asked for."""
    return {"area": call.arguments["area"]} if "area" in call.arguments else {}


_IMAGE = {"north": "top", "south": "bottom", "west": "left", "east": "right"}


def _place(place: str, facts: dict[str, Any]) -> str:
    """A part of the map in words: by compass, or by top and left where north is not known."""
    if facts["places"]["named_by"] != "north":
        place = " ".join(_IMAGE.get(w, w) for w in place.split("-"))
    return f"the {place}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def much(call: Call, plan: Plan) -> list[Part]:
    """How much of each class: area and share; with the interval where a sample judged the map."""
    facts = _facts(call)
    parts: list[Part] = []
    for name in plan.classes:
        i = _index(facts["classes"], name)
        record = facts["classes"][i]
        parts.append(" " if parts else "")
        if plan.region != "scene":
            parts += _in_region(call, plan.region, record)
            continue
        if not record["pixels"]:
            parts.append(f"There is no {record['noun']} on {plan.dates[0]}.")
            continue
        seen = _evidence(call, record["window"], [record["code"]])
        area = number(call, f"facts/classes/{i}/area", facts["unit"], seen)
        share = number(call, f"facts/classes/{i}/share", "1", seen)
        parts += [f"{_upper(record['noun'])}: ", area, ", ", share, f" of {_of(facts)} ({plan.dates[0]})."]
        if "adjusted_area" in record:
            base = f"facts/classes/{i}/adjusted_area"
            judged = number(
                call,
                f"{base}/value",
                record["adjusted_area"].get("unit", facts["unit"]),
                seen,
                f"{base}/low",
                f"{base}/high",
            )
            parts += [" A sample that judged the map puts it at ", judged, "."]
    return parts


def _of(facts: dict[str, Any]) -> str:
    return "the ground with a class" if facts["shares_of"] == "ground" else "the pixels with a class"


def _in_region(call: Call, region: str, record: dict[str, Any]) -> list[Part]:
    facts = _facts(call)
    there = facts["regions"][region]
    place = _place(region, facts)
    if record["name"] not in there["classes"]:
        return [f"There is no {record['noun']} in {place}."]
    seen = _evidence(call, there["window"], [record["code"]])
    base = f"facts/regions/{region}/classes/{record['name'].replace('~', '~0').replace('/', '~1')}"
    share, pixels = number(call, f"{base}/share", "1", seen), number(call, f"{base}/pixels", "pixel", seen)
    return [f"{_upper(record['noun'])} in {place}: ", share, f" of {_of(facts)} there (", pixels, ")."]


def densest(call: Call, plan: Plan) -> list[Part]:
    """The window with the highest share of each class."""
    facts = _facts(call)
    parts: list[Part] = []
    for name in plan.classes:
        record = facts["classes"][_index(facts["classes"], name)]
        parts.append(" " if parts else "")
        found = call.result["windows"]["densest"].get(name)
        if found is None:
            parts.append(f"There is no {record['noun']} on {plan.dates[0]}.")
            continue
        key = f"windows/densest/{name.replace('~', '~0').replace('/', '~1')}"
        seen = _evidence(call, found["window"], [record["code"]])
        share = number(call, f"{key}/share", "1", seen)
        ends = [number(call, f"{key}/{side}/{k}", "", seen) for side in ("rows", "columns") for k in (0, 1)]
        place = _place(found["place"], facts)
        is_ = "are" if record["noun"].endswith("s") and not record["noun"].endswith("ss") else "is"
        parts += [f"{_upper(record['noun'])} {is_} densest in {place}: ", share, " of the window of rows ", ends[0], " to ", ends[1],
                  " and columns ", ends[2], " to ", ends[3], f" ({plan.dates[0]})."]  # fmt: skip
    return parts


def described(call: Call, plan: Plan) -> list[Part]:
    """The description, with a link at each numeral."""
    parts: list[Part] = []
    what = {"map": raster_of(call.arguments["maps"][0]), **_cut(call)}
    codes = {c["name"]: c["code"] for c in _facts(call)["classes"]}
    for i, sentence in enumerate(call.result["sentences"]):
        claims = {j: c for j, c in enumerate(call.result["claims"]) if c["sentence"] == i}
        for part in linked(sentence, claims, call.n, what, f"sentences/{i}"):
            if isinstance(part, Number):
                names = part.evidence.pop("classes", [])
                part.evidence["codes"] = [codes[n] for n in names if n in codes]
            parts.append(part)
        parts.append(" ")
    return parts[:-1] if parts else ["Nothing can be said of this map."]


def changed(call: Call, plan: Plan) -> list[Part]:
    """How much changed, and what became what, the largest first."""
    facts = _facts(call)
    change = facts["change"][0]
    seen = {**_evidence(call, _whole(call), []), "before": raster_of(call.arguments["since"])}
    first, last = plan.dates
    asked = set(plan.classes)
    moved = [(i, t) for i, t in enumerate(change["transitions"]) if not t["same"]]
    moved = [(i, t) for i, t in moved if not asked or {t["from"], t["to"]} & asked]
    moved.sort(key=lambda p: -p[1]["area"])
    parts: list[Part] = []
    if not change["pixels_compared"]:
        return [f"{first} and {last} have no pixel with a class in common."]
    if not plan.classes:
        if not change["changed"]["pixels"]:
            return [f"Nothing changed its class from {first} to {last}."]
        parts += [f"From {first} to {last}, ", number(call, "facts/change/0/changed/area", facts["unit"], seen), " changed class (",
                  number(call, "facts/change/0/changed/share", "1", seen), " of what both maps tell)."]  # fmt: skip
    else:
        parts += _then_and_now(call, plan, plan.classes)
        parts += _lost_and_gained(call, plan)
        if not moved:
            return [*parts, f" None of it became or came from another class between {first} and {last}."]
    nouns = {c["name"]: (c["noun"], c["code"]) for c in (*change["earlier"], *facts["classes"])}
    lines: list[Part] = [" The largest changes: " if len(moved) > 1 else " The change: "]
    for k, (i, t) in enumerate(moved[:MOST]):
        (old, _), (new, code) = nouns[t["from"]], nouns[t["to"]]
        old_code = next((c["code"] for c in change["earlier"] if c["name"] == t["from"]), None)
        here = {**seen, "codes": [code], "before_codes": [old_code]}
        lines += [
            "; " if k else "",
            f"{old} to {new} ",
            number(call, f"facts/change/0/transitions/{i}/area", facts["unit"], here),
        ]
    return [*parts, *lines, "."]


def _then_and_now(call: Call, plan: Plan, names: Sequence[str]) -> list[Part]:
    facts = _facts(call)
    change = facts["change"][0]
    first, last = plan.dates
    parts: list[Part] = []
    for name in names:
        then, now = _index(change["earlier"], name), _index(facts["classes"], name)
        noun = facts["classes"][now]["noun"] if now >= 0 else change["earlier"][then]["noun"]
        parts += [" " if parts else "", f"{_upper(noun)}: "]
        if then < 0:
            parts.append(f"none on {first}")
        else:
            record = change["earlier"][then]
            seen = {
                "map": raster_of(call.arguments["since"]),
                "on": raster_of(call.arguments["maps"][0]),
                "window": record["window"],
                "codes": [record["code"]],
                **_cut(call),
            }
            base = f"facts/change/0/earlier/{then}"
            parts += [
                number(call, f"{base}/area", facts["unit"], seen),
                " (",
                number(call, f"{base}/share", "1", seen),
                f") on {first}",
            ]
        if now < 0 or not facts["classes"][now]["pixels"]:
            parts.append(f", none on {last}.")
        else:
            record = facts["classes"][now]
            seen = _evidence(call, record["window"], [record["code"]])
            base = f"facts/classes/{now}"
            parts += [
                ", ",
                number(call, f"{base}/area", facts["unit"], seen),
                " (",
                number(call, f"{base}/share", "1", seen),
                f") on {last}.",
            ]
    return parts


def _lost_and_gained(call: Call, plan: Plan) -> list[Part]:
    """What each class lost to others and gained from others."""
    facts = _facts(call)
    parts: list[Part] = []
    for name in plan.classes:
        found = facts["change"][0]["moved"].get(name)
        if found is None:
            continue
        base = f"facts/change/0/moved/{name.replace('~', '~0').replace('/', '~1')}"
        now, then = _index(facts["classes"], name), _index(facts["change"][0]["earlier"], name)
        ends = {
            "lost": {"before_codes": [facts["change"][0]["earlier"][then]["code"]] if then >= 0 else []},
            "gained": {"codes": [facts["classes"][now]["code"]] if now >= 0 else []},
        }
        seen = {**_evidence(call, _whole(call), []), "before": raster_of(call.arguments["since"])}
        here = " It" if len(plan.classes) == 1 else f" {_upper(name)}"
        for k, way in enumerate(("lost", "gained")):
            start = f"{here} {way} " if not k else f" and {way} "
            side = "to other classes" if way == "lost" else "from other classes"
            parts += [
                start,
                number(call, f"{base}/{way}/area", facts["unit"], {**seen, **ends[way]})
                if found[way]["pixels"]
                else "nothing",
                f" {side}",
            ]
        parts.append(".")
    return parts


def compared(call: Call, plan: Plan) -> list[Part]:
    """Each class then and now, on the same ground, the largest first; and how much changed class."""
    facts = _facts(call)
    change = facts["change"][0]
    if not change["pixels_compared"]:
        return [f"{plan.dates[0]} and {plan.dates[1]} have no pixel with a class in common."]
    size = {c["name"]: c["area"] for c in facts["classes"]}
    for c in change["earlier"]:
        size[c["name"]] = max(size.get(c["name"], 0.0), c["area"])
    names = plan.classes or sorted((n for n in size if size[n]), key=lambda n: -size[n])[:MOST]
    parts = _then_and_now(call, plan, names)
    if not plan.classes:
        seen = {**_evidence(call, _whole(call), []), "before": raster_of(call.arguments["since"])}
        share = number(call, "facts/change/0/changed/share", "1", seen)
        parts += [" In all, ", share, " of what both maps tell changed class."]
    return parts


def scene(call: Call, plan: Plan) -> list[Part]:
    """What a scene holds, from info."""
    r, name = call.result, plan.dates[0]
    seen: dict[str, Any] = {"map": call.arguments["paths"][0]}
    parts: list[Part] = [f"{name} is a scene" + (f" of {r['sensor']}" if r.get("sensor") else "")]
    if r.get("shape") and {"y", "x"} <= set(r["shape"]):
        parts += [" of ", number(call, "shape/y", "rows", seen), " and ", number(call, "shape/x", "columns", seen)]
    if r.get("bands"):
        parts.append(f"; bands: {', '.join(str(b.get('name', '')) for b in r['bands'][:12])}")
    if r.get("dates"):
        parts.append(f"; dates: {', '.join(map(str, r['dates'][:4]))}")
    if r.get("valid_share") is not None:
        parts += ["; ", number(call, "valid_share", "1", seen), " of it is valid"]
    return [*parts, ". It is not a map of classes: swath map makes one."]


def change(call: Call, plan: Plan) -> list[Part]:
    """How much changed between two scenes, with the interval of the verb."""
    first, last = plan.dates
    found = call.result["changed"]
    seen = {
        "map": str(Path(call.files[0]).parent / "change.tif") if call.files else "",
        "before": call.arguments["scenes"][0],
    }
    if found.get("value") is None:
        return [f"How much changed from {first} to {last} is not known."]
    whole = number(call, "changed/value", found["unit"], seen, "changed/low", "changed/high")
    parts: list[Part] = [f"From {first} to {last}, ", whole, " changed"]
    if call.result.get("share") is not None:
        parts += [" (", number(call, "share", "1", seen), " of the ground with an answer)"]
    return [*parts, f", told by {call.result['way']}."]
