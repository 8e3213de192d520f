"""Planning by a chat model at an OpenAI-compatible endpoint: it chooses verbs and arguments, never numbers.

Numbers reach its text only by reference: a call's numbers are listed to it as n1, n2, ..., it writes [n1], and swath puts the
number there. A sentence with any other number, or one that the maps contradict, is left out.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from swath.errors import Cancelled, SwathError
from swath.language.answer import Number, Part, loose_numbers, text_of
from swath.tools import schemas
from swath.tools.asking import ALLOWED, READ, Call, carry_out, names_of, number, raster_of
from swath.tools.job import Progress

if TYPE_CHECKING:
    from swath.language.plan_context import Context

__all__ = ["Told", "ask_model"]

ROUNDS, CALLS = 6, 8
_LARGEST = 4 << 20
_SECONDS = 120
_RULES = (
    "You answer questions about maps by calling functions. You never state a number yourself, neither in digits nor in words. "
    "Each result lists numbers with references; to state one, write its reference in square brackets, like [n1], where the number "
    "with its unit should stand. Any sentence with another number is deleted. Answer in one to four plain sentences. "
    "If the maps cannot tell, say so without numbers."
)


@dataclass
class Told:
    """What the model made of a question: parts of the answer, the calls, and what was left out of its words."""

    parts: list[Part]
    calls: list[Call]
    notes: list[str] = field(default_factory=list)


def ask_model(question: str, context: Context, endpoint: str, model: str, out: Path, progress: Progress | None) -> Told:
    """Let a model plan the calls and write the words. Raises SwathError when the endpoint does not answer as it should."""
    named = {s.name: s.path for s in context.sources}
    kept = {"safe", "legend", "since_legend", "offset", "scale", "sensor"}
    offers = {v: schemas.offer(v, ALLOWED[v] - kept, list(named), READ) for v in ALLOWED}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": _RULES},
        {"role": "user", "content": f"{_listing(context)}\n\nQuestion: {question}"},
    ]
    calls: list[Call] = []
    listed: dict[str, tuple[str, Number]] = {}
    words = ""
    for _ in range(ROUNDS):
        message = _chat(endpoint, model, messages, list(offers.values()))
        wanted = message.get("tool_calls") or []
        if not wanted:
            words = str(message.get("content") or "")
            break
        messages.append({"role": "assistant", "content": message.get("content"), "tool_calls": wanted})
        for one in wanted:
            said = _call(one, offers, named, context, calls, listed, out, progress)
            messages.append({"role": "tool", "tool_call_id": str(one.get("id", "")), "content": json.dumps(said)})
    parts, notes = _written(words, listed, calls, context)
    return Told(parts, calls, notes)


def _listing(context: Context) -> str:
    lines = ["Maps, the earliest first; the last is the one in view:"]
    for s in context.sources:
        kind = f"classes: {', '.join(s.classes)}" if s.classes else "a scene, not a map of classes"
        lines.append(f"- {s.name}; date: {' to '.join(s.dates) or 'not known'}; {kind}")
    return "\n".join(lines)


def _call(
    one: Any, offers: dict[str, Any], named: dict[str, str], context: Context, calls: list[Call],
    listed: dict[str, tuple[str, Number]], out: Path, progress: Progress | None,
) -> dict[str, Any]:  # fmt: skip
    """Carry out one call that the model wants; what it is told of it. A wrong call is told in words, and not carried out."""
    try:
        function = one["function"]
        verb = str(function["name"])
        if verb not in offers or len(calls) >= CALLS:
            raise SwathError(rule=f"up to {CALLS} calls of {', '.join(offers)}", got=verb[:60], remedy="answer now")
        asked = schemas.checked(offers[verb], json.loads(function.get("arguments") or "{}"))
        if verb == "describe" and len(asked["maps"]) == 2 and "since" not in asked:
            asked |= {"since": asked["maps"][0], "maps": asked["maps"][1:]}
        arguments = {k: _paths(v, named) if k in READ else v for k, v in asked.items()} | _given(verb, asked, context)
        call = carry_out(len(calls) + 1, verb, arguments, context, out, progress)
    except Cancelled:
        raise
    except (SwathError, ValueError, KeyError, TypeError) as error:
        return {"error": _without_paths(" ".join(str(error).split()), context)[:400]}
    calls.append(call)
    start = len(listed)
    for i, (label, found) in enumerate(_numbers(call), start + 1):
        listed[f"n{i}"] = (label, found)
    told = {ref: f"{label}: {found.text}" for ref, (label, found) in list(listed.items())[start:]}
    return {"numbers": told, "notes": [_without_paths(str(n), context) for n in call.result.get("notes", [])]}


def _without_paths(text: str, context: Context) -> str:
    """Sources by their names: where they lie is nobody else's business."""
    for s in context.sources:
        text = text.replace(s.path, s.name).replace(str(Path(s.path).parent), "")
    return text


def _paths(value: Any, named: dict[str, str]) -> Any:
    return [named[v] for v in value] if isinstance(value, list) else named[value]


def _given(verb: str, asked: dict[str, Any], context: Context) -> dict[str, Any]:
    """Legends, the area and --safe as the person gave them."""
    made = {k: v for k, v in context.more.items() if k in ALLOWED[verb]}
    if verb == "describe":
        by_name = {s.name: s for s in context.sources}
        last = by_name.get((asked.get("maps") or [""])[-1])
        since = by_name.get(asked.get("since", ""))
        made |= {"legend": last.legend} if last is not None and last.legend is not None else {}
        made |= {"since_legend": since.legend} if since is not None and since.legend is not None else {}
    return made


def _numbers(call: Call) -> list[tuple[str, Number]]:
    """What a call returned that may be said: (what it is, the number)."""
    made: list[tuple[str, Number]] = []
    if call.verb == "info":
        seen = {"map": call.arguments["paths"][0]}
        if call.result.get("shape"):
            made += [
                (f"{k} size in pixels", number(call, f"shape/{k}", "pixel", seen))
                for k in ("y", "x")
                if k in call.result["shape"]
            ]
        return made
    if call.verb == "change":
        seen = {"map": "change.tif", "before": call.arguments["scenes"][0]}
        if call.result["changed"]["value"] is not None:
            unit = call.result["changed"]["unit"]
            made.append(("area that changed", number(call, "changed/value", unit, seen, "changed/low", "changed/high")))
        return made
    facts, path = call.result["facts"], raster_of(call.arguments["maps"][-1])
    unit = facts["unit"]
    cut = {"area": call.arguments["area"]} if "area" in call.arguments else {}
    codes = {c["name"]: c["code"] for c in facts["classes"]}
    for i, c in enumerate(facts["classes"]):
        if c["pixels"]:
            seen = {"map": path, "window": c["window"], "codes": [c["code"]], **cut}
            made.append((f"{c['name']}, area", number(call, f"facts/classes/{i}/area", unit, seen)))
            made.append((f"{c['name']}, share", number(call, f"facts/classes/{i}/share", "1", seen)))
    for j, change in enumerate(facts["change"]):
        base = f"facts/change/{j}"
        before = raster_of(call.arguments.get("since", ""))
        earlier = {c["name"]: c["code"] for c in change["earlier"]}
        seen = {"map": path, "before": before, **cut}
        made.append(("changed class, area", number(call, f"{base}/changed/area", unit, seen)))
        made.append(("changed class, share", number(call, f"{base}/changed/share", "1", seen)))
        for i, c in enumerate(change["earlier"]):
            then = {"map": before, "on": path, "window": c["window"], "codes": [c["code"]], **cut}
            made.append(
                (f"{c['name']} at the earlier date, area", number(call, f"{base}/earlier/{i}/area", unit, then))
            )
        moved = sorted(
            ((t["area"], i, t) for i, t in enumerate(change["transitions"]) if not t["same"]), key=lambda m: -m[0]
        )
        for _, i, t in moved[:20]:
            moves = {**seen, "codes": [codes.get(t["to"])], "before_codes": [earlier.get(t["from"])]}
            made.append(
                (f"{t['from']} that became {t['to']}, area", number(call, f"{base}/transitions/{i}/area", unit, moves))
            )
    for name, d in ((call.result.get("windows") or {}).get("densest") or {}).items():
        seen = {"map": path, "window": d["window"], "codes": [codes[name]] if name in codes else [], **cut}
        key = name.replace("~", "~0").replace("/", "~1")
        made.append(
            (
                f"{name}, share in its densest window ({d['place']})",
                number(call, f"windows/densest/{key}/share", "1", seen),
            )
        )
    return made


def _written(
    words: str, listed: dict[str, tuple[str, Number]], calls: Sequence[Call], context: Context
) -> tuple[list[Part], list[str]]:
    """The model's sentences that hold, with its references as numbers; and what was left out."""
    from swath.language.check import sentences_of

    names = names_of(context)
    notes: list[str] = []
    parts: list[Part] = []
    for sentence in sentences_of(" ".join(words.replace("*", "").split())):
        made = _referred(sentence, listed)
        loose = loose_numbers(made, names, spelled=True)
        if loose:
            notes.append("a sentence of the model was left out: it held a number that no call returned")
            continue
        if _contradicted(text_of(made), calls, context):
            notes.append("a sentence of the model was left out: the map contradicts it")
            continue
        parts += [" ", *made] if parts else made
    if not parts and listed:
        notes.append("the model's words did not pass; what its calls returned is listed instead")
        for i, (label, found) in enumerate(list(listed.values())[:8]):
            parts += ["; " if i else "", f"{label}: ", found]
    return parts, notes


def _referred(sentence: str, listed: dict[str, tuple[str, Number]]) -> list[Part]:
    """[n1] becomes the number; so does a number that is printed exactly as one single call's number is."""
    texts = [found.text for _, found in listed.values()]
    for ref, (_, found) in listed.items():
        if texts.count(found.text) == 1 and re.search(r"\d", found.text):
            sentence = re.sub(rf"(?<![\w.,]){re.escape(found.text)}(?!\w)", f"[{ref}]", sentence)
    parts: list[Part] = []
    for i, piece in enumerate(re.split(r"\[(n\d+)\]", sentence)):
        parts.append(listed[piece][1] if i % 2 and piece in listed else f"[{piece}]" if i % 2 else piece)
    return [p for p in parts if p != ""]


def _contradicted(sentence: str, calls: Sequence[Call], context: Context) -> bool:
    """Whether the facts of the described maps speak against a sentence: of every described map that can judge it."""
    from swath.language.check import check
    from swath.tools.describing import counted

    verdicts = []
    for call in calls:
        if call.verb == "describe":
            asked = {
                "legend": None,
                "since_legend": None,
                "area": None,
                "safe": False,
                "floor": None,
                "connectivity": 4,
            }
            asked |= {k: v for k, v in call.arguments.items() if k in asked}
            facts, _ = counted(call.arguments["maps"][-1], call.arguments.get("since"), asked, None)
            verdicts += [v.verdict for v in check([sentence], facts)]
    return "contradicted" in verdicts and "supported" not in verdicts


class _Stay(urllib.request.HTTPRedirectHandler):
    """An endpoint that sends elsewhere is not followed: the key would go there too."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _chat(endpoint: str, model: str, messages: list[dict[str, Any]], offers: list[dict[str, Any]]) -> dict[str, Any]:
    url = endpoint.rstrip("/")
    url += "" if url.endswith("/chat/completions") else "/chat/completions"
    parts = urlsplit(url)
    key = os.environ.get("SWATH_KEY", "")
    near = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if parts.scheme not in ("http", "https") or (key and parts.scheme == "http" and not near):
        raise _endpoint(f"{parts.scheme}://{parts.hostname}", "an https address, or http on this machine")
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    body = {"model": model, "messages": messages, "tools": offers, "temperature": 0}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")  # noqa: S310 - http and https alone pass
    handlers: list[Any] = [_Stay(), *([urllib.request.ProxyHandler({})] if near else [])]
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=_SECONDS) as reply:
            raw = reply.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise ValueError("more than four megabytes")
        message = json.loads(raw)["choices"][0]["message"]
    except urllib.error.HTTPError as error:
        raise _endpoint(f"HTTP {error.code}", "check --endpoint, --model and SWATH_KEY") from error
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise _endpoint(f"{type(error).__name__}: {error}"[:160], "check --endpoint") from error
    if not isinstance(message, dict):
        raise _endpoint("no message", "check --endpoint")
    return message


def _endpoint(got: str, remedy: str) -> SwathError:
    return SwathError(
        rule="an endpoint answers chat completions as OpenAI's interface does",
        got=got,
        remedy=f"{remedy}, or leave it out: questions are planned by rules without one",
    )
