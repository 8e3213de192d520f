"""Symbols and values said by a decoder, each kind averaged over its own tokens: hundreds of values never drown one class."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from swath.objective.loss import Loss

if TYPE_CHECKING:
    from swath.models.deco_input import Packed

__all__ = ["Next"]


@dataclass
class Next:
    """Cross-entropy over all symbols where one is wanted, and the normal distribution's negative log-likelihood (or the
    Huber loss of the mean) of wanted valid values. symbol, value: weights of the two.

    Each value of a token counts one over how many of its bands are wanted: a token of many bands weighs as one of few.
    """

    symbol: float = 1.0
    value: float = 1.0
    how: str = "normal"
    _floor: list[float] = field(default_factory=list)

    def __call__(self, model: Any, tokens: Packed) -> Loss:
        """The terms that these prompts have. Values further than 10 deviations off weigh as those at 10."""
        hidden = model(tokens)
        terms: dict[str, Tensor] = {}
        wanted = tokens.wanted >= 0
        if wanted.any():
            terms["symbol"] = self.symbol * functional.cross_entropy(
                model.symbols(hidden[wanted]).float(), tokens.wanted[wanted]
            )
        asked = tokens.targeted.any(-1)
        if asked.any():
            sensor, counts = tokens.ask[asked], tokens.targeted[asked]
            mean, log_variance, low = model.values(hidden[asked], sensor, tokens.anchor[asked], tokens.anchored[asked])
            truth = (tokens.target[asked] - model.mean[sensor]) / model.std[sensor]
            off = (mean.float() - torch.where(counts, truth, 0.0)).clamp(-10, 10)
            if self.how == "huber":
                each = functional.huber_loss(off, torch.zeros_like(off), reduction="none")
            else:
                each = 0.5 * (off.square() * (-log_variance.float()).exp() + log_variance.float())
            terms["value"] = self.value * (torch.where(counts, each, 0.0).sum(-1) / counts.sum(-1)).mean()
            self._floor.append(float((low & counts).sum() / counts.sum()))
        return Loss(terms)

    def remarks(self) -> dict[str, Any]:
        """Weights, and the share of said values whose variance lay at its floor since the last call."""
        share = sum(self._floor) / len(self._floor) if self._floor else 0.0
        self._floor.clear()
        return {"weight of symbols": self.symbol, "weight of values": self.value, "at the floor": round(share, 4)}
