"""What changed between two dates: change or not, kinds of change, or a class map for each date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from swath.batch import Tokens
from swath.task.segment import spread

__all__ = ["Change", "pair"]

Form = Literal["binary", "kinds", "maps"]
How = Literal["difference", "concat"]


def pair(first: Tensor, second: Tensor, how: How = "difference") -> Tensor:
    """Levels of both dates as one: after - before (B, D, h, w), or both side by side (B, 2 D, h, w)."""
    return second - first if how == "difference" else torch.cat([first, second], dim=1)


@dataclass(frozen=True)
class Change:
    """Change between two dates for each pixel. Targets: negative ones do not count.

    form: `binary`: target (B, H, W) 0 no change, 1 change, `classes` may be empty; `kinds`: index into `classes`, the first of
    which is no change (a kind is a pair of classes, from and to, or any other); `maps`: (B, 2, H, W) class before and class after.
    how: both dates become one by difference or side by side (`maps` always keeps them apart).
    """

    classes: tuple[str, ...] = ()
    form: Form = "binary"
    how: How = "difference"
    name: str = "change"

    @property
    def width(self) -> int:
        """How many scores a pixel (of one date, for `maps`) has."""
        return 1 if self.form == "binary" else len(self.classes)

    def head(self, dim: int) -> nn.Module:
        """What turns maps (B, D, h, w) of one date, or of both as one, into scores; dim is the width D of one date."""
        wide = 2 * dim if self.form != "maps" and self.how == "concat" else dim
        return nn.Conv2d(wide, self.width, 1)

    def output(self, head: nn.Module, tokens: Tokens, size: tuple[int, int]) -> Tensor:
        """Scores before sigmoid or softmax, from tokens of exactly two dates: (B, K, H, W), for `maps` (B, 2, K, H, W).

        Raises ValueError for another number of dates.
        """
        grid = tokens.grid()
        if grid.shape[1] != 2:
            raise ValueError(f"change is told between two dates; got tokens of {grid.shape[1]}")
        first, second = grid[:, 0], grid[:, 1]
        if self.form == "maps":
            return torch.stack([spread(head(date), size) for date in (first, second)], dim=1)
        return spread(head(pair(first, second, self.how)), size)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean cross-entropy over what counts (of both dates, for `maps`); 0 where nothing does."""
        counts = target >= 0
        if not counts.any():
            return output.sum() * 0.0
        if self.form == "binary":
            return functional.binary_cross_entropy_with_logits(output[:, 0][counts].float(), target[counts].float())
        scores = output.movedim(2 if self.form == "maps" else 1, -1)
        return functional.cross_entropy(scores[counts].float(), target[counts].long())

    def answer(self, output: Tensor) -> dict[str, Tensor]:
        """Probabilities, and "change" (B, H, W): how probable any change is.

        {"probability": (B, K, H, W)} (K = 1 for binary); for `maps` {"before", "after": (B, K, H, W)}, change as if the errors of
        both dates were independent.
        """
        if self.form == "binary":
            share = output.float().sigmoid()
            return {"probability": share, "change": share[:, 0]}
        if self.form == "kinds":
            share = output.float().softmax(1)
            return {"probability": share, "change": 1 - share[:, 0]}
        shares = output.float().softmax(2)
        return {"before": shares[:, 0], "after": shares[:, 1], "change": 1 - (shares[:, 0] * shares[:, 1]).sum(1)}
