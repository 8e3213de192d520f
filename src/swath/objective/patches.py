"""Learning by hiding whole patches, for encoders that never see a hidden one (masked autoencoders)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from swath.errors import SwathError
from swath.objective.loss import Loss
from swath.objective.mask import UNITS, hide

if TYPE_CHECKING:
    from swath.batch import Batch

__all__ = ["MaskedPatches"]


@dataclass(frozen=True)
class MaskedPatches:
    """The objective: hide patches, encode the others, say the hidden ones; only hidden *and* valid values count.

    ratio: share of patches hidden; 0 hides none. unit: "token" hides (date, row, column); "date", "block" as in `hide`;
    several units take turns by chance, a unit for each batch. forget: share of examples that are not told their dates
    and place. Patches without any valid value are hidden first. The model gives `seen(batch)` and `mae(...)` as Prithvi.
    """

    ratio: float = 0.75
    unit: str | Sequence[str] = "token"
    forget: float = 0.1

    def __post_init__(self) -> None:
        units = [self.unit] if isinstance(self.unit, str) else list(self.unit)
        known = set(UNITS) - {"group", "sensor"}
        if not set(units) <= known or not 0.0 <= self.ratio <= 1.0 or not 0.0 <= self.forget <= 1.0:
            raise SwathError(
                rule=f"units are {', '.join(sorted(known))}; ratio and forget 0 to 1",
                got=f"{', '.join(units)}, {self.ratio}, {self.forget}",
                remedy="choose one of them",
            )

    def __call__(self, model: Any, batch: Batch, generator: torch.Generator | None = None) -> Loss:
        """Mean square in deviations over hidden valid values; 0 where there are none."""
        seen = model.seen(batch.to(str(next(model.parameters()).device)))
        b, _, t, high, wide = seen.x.shape
        h, w = high // model.patch, wide // model.patch
        units = [self.unit] if isinstance(self.unit, str) else list(self.unit)
        unit = units[int(torch.randint(len(units), (1,), generator=generator))]
        if unit == "token":
            noise = torch.rand(b, t * h * w, generator=generator).to(seen.x.device)
        else:
            part = hide((b, 1, t, h, w), self.ratio, unit, generator)  # type: ignore[arg-type]
            noise = part.to(seen.x.device, torch.float32) + 0.5 * torch.rand(b, t * h * w, generator=generator).to(
                seen.x.device
            )
        noise = noise + 2.0 * ~self._known(seen.valid, (t, h, w), model.patch)
        time, place = seen.time, seen.place
        lost = (torch.rand(b, generator=generator) < self.forget).to(time.device)
        time = torch.where(lost[:, None, None], torch.nan, time)
        place = torch.where(lost[:, None], torch.nan, place)
        return Loss({"patches": model.mae(seen.x, time, place, ratio=self.ratio, noise=noise, valid=seen.valid).loss})

    @staticmethod
    def _known(valid: Tensor, grid: tuple[int, int, int], patch: int) -> Tensor:
        """Patches with a valid value: (B, N)."""
        t, h, w = grid
        b, c = valid.shape[:2]
        return valid.reshape(b, c, t, h, patch, w, patch).any(6).any(4).any(1).reshape(b, -1)


def examples() -> Iterator[tuple[Any, Any, Batch]]:
    """(objective, model, Batch) that suit each other, small, for `swath.testing.check_objective`."""
    from swath.models.prithvi import Prithvi

    model, batch = Prithvi.example()
    for one in (MaskedPatches(), MaskedPatches(0.5, "date", forget=1.0)):
        yield one, model, batch
