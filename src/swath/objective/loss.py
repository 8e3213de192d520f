"""What an objective gives back, and several of them as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from swath.batch import Batch

__all__ = ["Loss", "Objective", "Total", "total"]

Objective = Callable[[Any, "Batch"], "Loss"]


@dataclass(frozen=True, slots=True)
class Loss:
    """Named terms, weighted already; `value` is their sum, which is made smaller."""

    terms: dict[str, Tensor]

    @property
    def value(self) -> Tensor:
        """The sum of the terms."""
        return sum(self.terms.values())  # type: ignore[return-value]


class Total(nn.Module):
    """Several objectives with weights; those that are modules are saved with it."""

    def __init__(self, parts: Mapping[str, tuple[float, Objective]]) -> None:
        super().__init__()
        self.parts = dict(parts)
        self.states = nn.ModuleDict(
            {name: part for name, (_, part) in self.parts.items() if isinstance(part, nn.Module)}
        )

    def forward(self, model: Any, batch: Batch) -> Loss:
        """All terms, named part.term, times the part's weight."""
        return Loss(
            {
                f"{name}.{term}": weight * value
                for name, (weight, part) in self.parts.items()
                for term, value in part(model, batch).terms.items()
            }
        )

    def remarks(self) -> dict[str, Any]:
        """What the parts have to say of an epoch beside their terms."""
        return {
            f"{name}.{key}": value
            for name, (_, part) in self.parts.items()
            for key, value in getattr(part, "remarks", dict)().items()
        }


def total(parts: Mapping[str, tuple[float, Objective]]) -> Total:
    """One objective that is the weighted sum of several.

    parts: {"masked": (1.0, masked), "labels": (0.5, supervised)}.
    """
    return Total(parts)
