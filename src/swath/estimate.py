"""A number with its interval, and where the interval comes from. Arrays in, Estimates out; no files."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Estimate", "undefined"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number that can be checked.

    value: NaN when undefined, then `n` is 0 or what there was, and `reason` says why.
    unit: UDUNITS text (`1` for shares, `ha`, `K`). low, high: interval at `level`; NaN when refused (`reason` says why).
    n: sample units behind it. method: how it was got; names the places. simulated: from a made world.
    """

    value: float
    unit: str
    low: float = math.nan
    high: float = math.nan
    level: float = 0.95
    n: int = 0
    method: str = ""
    simulated: bool = False
    reason: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high", "level"):
            object.__setattr__(self, name, float(getattr(self, name)))
        object.__setattr__(self, "n", int(self.n))

    @property
    def defined(self) -> bool:
        """Whether there is a value at all."""
        return math.isfinite(self.value)

    def to_json(self) -> dict[str, Any]:
        """A dict for strict JSON: what is not finite becomes None (then `reason` says why)."""
        record = asdict(self)
        for name in ("value", "low", "high"):
            if not math.isfinite(record[name]):
                record[name] = None
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Estimate:
        """The inverse of `to_json`."""
        return cls(**{k: (math.nan if v is None and k in ("value", "low", "high") else v) for k, v in record.items()})

    def __str__(self) -> str:
        if not self.defined:
            return f"undefined ({self.reason or 'no reason given'})"
        share = self.unit == "1"
        show = (lambda x: f"{100 * x:.1f} %") if share else (lambda x: f"{x:,.4g}")
        text = show(self.value) + ("" if share else f" {self.unit}")
        if math.isfinite(self.low) and math.isfinite(self.high):
            text += f" [{show(self.low)}, {show(self.high)}]"
        return text + (" (simulated)" if self.simulated else "")


def undefined(unit: str, reason: str, *, n: int = 0, method: str = "", level: float = 0.95) -> Estimate:
    """An Estimate without a value: `reason` says why in words."""
    return Estimate(math.nan, unit, level=level, n=n, method=method, reason=reason)
