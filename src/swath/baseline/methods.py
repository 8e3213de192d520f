"""The forecasters without torch by task, plainest first: what `fill` and `forecast` choose among and always show."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from swath.baseline.harmonic import Departure, Harmonic
from swath.baseline.lags import Lags
from swath.baseline.modes import Modes
from swath.baseline.plain import Climatology, LastValue, Line, OtherYears, Smoother, Trend
from swath.baseline.rows import Rowwise

__all__ = ["AHEAD", "BETWEEN", "PLAIN"]


def _made(kind: type[Rowwise], ahead: bool) -> Rowwise:
    found = kind()
    found.ahead = ahead
    return found


def _table(kinds: tuple[type[Rowwise], ...], ahead: bool) -> dict[str, Callable[[], Rowwise]]:
    return {kind.name: partial(_made, kind, ahead) for kind in kinds}


BETWEEN = _table((LastValue, Line, OtherYears, Climatology, Smoother, Harmonic, Departure, Modes), ahead=False)
"""For gaps."""

AHEAD = _table((LastValue, OtherYears, Climatology, Trend, Harmonic, Departure, Lags), ahead=True)
"""For what comes."""

PLAIN = tuple(k.name for k in (LastValue, Line, OtherYears, Climatology, Smoother, Trend, Harmonic))
"""The baselines that anything better is compared with."""
