"""What the page is answered: strict JSON, and refusals as rule, got, remedy with the status that fits."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from swath.doors.jobs import Full
from swath.errors import ExtraError, GridError, SwathError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from swath.doors.roots import Roots

__all__ = [
    "Busy",
    "Clash",
    "Missing",
    "TooLarge",
    "answer",
    "body",
    "error_record",
    "number",
    "numeral",
    "plain",
    "refused",
    "status_of",
    "text",
    "whole",
    "window_given",
]

BODY = 4 * 2**20
"""Bytes of a JSON body; longer ones are refused."""
_DEEP = 40


class Missing(SwathError, LookupError):  # noqa: N818 - an answer, not a fault
    """Not there, or not for the page: the same words for both."""


class Clash(SwathError):  # noqa: N818 - a question back, not a fault
    """Something has to be decided first. choices: [{"label", "options"}]; more: other members of the answer."""

    def __init__(self, *, rule: str, got: str, remedy: str, choices: list[Any] | None = None, **more: Any) -> None:
        super().__init__(rule=rule, got=got, remedy=remedy)
        self.more = {**({"choices": choices} if choices is not None else {}), **more}


class TooLarge(SwathError):  # noqa: N818 - as above
    """More than is taken at once."""


class Busy(SwathError):  # noqa: N818 - as above
    """Not now."""


def status_of(error: SwathError) -> int:
    """The HTTP status of a refusal."""
    kinds = ((Missing, 404), (Clash, 409), (TooLarge, 413), (Full, 429), (Busy, 503), (ExtraError, 503))
    return next((status for kind, status in kinds if isinstance(error, kind)), 400)


def answer(record: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON of a record; what is not a number becomes null."""
    content = json.dumps(plain(record), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Response(content, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def error_record(error: SwathError) -> dict[str, Any]:
    """Rule, got, remedy, and what else an error tells (choices)."""
    return {"rule": error.rule, "got": error.got, "remedy": error.remedy, **getattr(error, "more", {})}


def refused(error: SwathError, roots: Roots | None = None) -> Response:
    """The answer to what is refused, without a path in it."""
    record = error_record(error)
    if roots is not None:
        record = roots.hide(record)
    status = status_of(error)
    return answer(record, status, {"Retry-After": "3"} if status in (429, 503) else None)


def plain(value: Any) -> Any:
    """Values that JSON holds: NumPy's numbers as numbers, NaN and infinity as None, tuples as lists."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if hasattr(value, "to_json"):
        return plain(value.to_json())
    return str(value)


async def body(request: Request, most: int = BODY) -> dict[str, Any]:
    """The JSON object of a request. Raises SwathError: too long, too deep, no object."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > most:
            raise TooLarge(
                rule=f"a request holds at most {most >> 20} MB", got=f"more than {most:,} bytes", remedy="send less"
            )
    wrong = SwathError(rule="a request is a JSON object", got="something else", remedy="send {...}")
    try:
        found = json.loads(bytes(data) or b"{}", parse_int=_bounded)
    except (ValueError, RecursionError) as error:
        raise wrong from error
    if not isinstance(found, dict) or _depth(found) > _DEEP:
        raise wrong
    return found


def _bounded(digits: str) -> int:
    """A whole number that a float can stand for. Raises ValueError for one of endless digits."""
    if len(digits) > 30:
        raise ValueError("too many digits")
    return int(digits)


def _depth(value: Any) -> int:
    """How deep lists and objects nest, without recursion."""
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        one, depth = waiting.pop()
        deepest = max(deepest, depth)
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        waiting += [(v, depth + 1) for v in inner if isinstance(v, (dict, list))]
        if deepest > _DEEP:
            break
    return deepest


def text(source: Any, name: str, default: str | None = None, most: int = 4096) -> str:
    """A text of a query or body. Raises SwathError where it is missing and has no default."""
    value = source.get(name, default)
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        raise SwathError(rule=f"{name} is a text", got=_got(value), remedy=f"give {name}")
    return value


def number(
    source: Any, name: str, default: float | None = None, *, low: float = -math.inf, high: float = math.inf
) -> float:
    """A number of a query or body, between `low` and `high`. Raises SwathError."""
    value = source.get(name, default)
    try:
        found = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        found = math.nan
    if not (math.isfinite(found) and low <= found <= high):
        between = f" from {low:g} to {high:g}" if math.isfinite(low) or math.isfinite(high) else ""
        raise SwathError(rule=f"{name} is a number{between}", got=_got(value), remedy=f"give {name}")
    return found


def whole(source: Any, name: str, default: int | None = None, *, low: int = -(2**53), high: int = 2**53) -> int:
    """A whole number of a query or body. Raises SwathError."""
    found = number(source, name, default, low=low, high=high)
    if found != int(found):
        raise SwathError(rule=f"{name} is a whole number", got=f"{found:g}", remedy="leave the decimals out")
    return int(found)


def numeral(word: str, low: int = 0, high: int = 10**8) -> int | None:
    """The number that a part of an address is written as, in plain digits; None for any other text, or one out of bounds."""
    plain = word.isascii() and word.isdigit() and len(word) < 12
    return int(word) if plain and low <= int(word) <= high else None


def window_given(given: Any, number_of: Callable[..., Any] = number) -> tuple[Any, Any, Any, Any]:
    """(first row, row behind the last, first column, column behind the last) of a body, as they were given.

    number_of: `number`, or `whole` for whole pixels. Raises GridError for what is no list of four, SwathError.
    """
    if not isinstance(given, list) or len(given) != 4:
        raise GridError(rule="a window is four numbers", got=repr(given)[:60], remedy="send rows, then columns")
    named = dict(zip(("first row", "last row", "first column", "last column"), given, strict=True))
    r0, r1, c0, c1 = (number_of(named, name, low=-1e9, high=1e9) for name in named)
    return r0, r1, c0, c1


def _got(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:80]
