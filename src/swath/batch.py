"""What travels between data and models: Pixels in, Tokens out, a Batch around them, and what an Encoder is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from swath.earth.sensor import Band

__all__ = ["Batch", "Encoder", "Needs", "Pixels", "Tokens", "array"]

Array = Any  # numpy.ndarray from the loader, torch.Tensor after .to(device)


def array(values: Array) -> np.ndarray:
    """A NumPy array of an array or tensor, without its gradient and wherever it lies."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


@dataclass(frozen=True, slots=True)
class Pixels:
    """What one sensor saw of B places on one grid, in physical values.

    values (B, T, C, H, W) float32 (anything where not valid), valid the same shape bool, bands C of Band, gsd m,
    day (B, T) days since 1970 or NaN, lonlat (B, 2) degrees or NaN.
    """

    values: Array
    valid: Array
    bands: tuple[Band, ...]
    gsd: float
    day: Array
    lonlat: Array

    def to(self, device: str) -> Pixels:
        """The same as torch tensors on a device (float64 days keep their whole number)."""
        import torch

        def move(a: Array) -> Array:
            return torch.as_tensor(np.ascontiguousarray(a) if isinstance(a, np.ndarray) else a).to(device)

        return replace(
            self, values=move(self.values).float(), valid=move(self.valid), day=move(self.day), lonlat=move(self.lonlat)
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Pixels of the same ground by sensor name, and what belongs to each of the B examples."""

    pixels: dict[str, Pixels]
    target: Array | None = None
    text: Sequence[str] | None = None
    key: Sequence[str] = ()
    place: Sequence[int | str] = ()

    def __len__(self) -> int:
        return len(next(iter(self.pixels.values())).values)

    def to(self, device: str) -> Batch:
        """The same with tensors on a device."""
        import torch

        target = None if self.target is None else torch.as_tensor(np.asarray(self.target)).to(device)
        return replace(self, pixels={k: p.to(device) for k, p in self.pixels.items()}, target=target)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an Encoder gives back at one level.

    values (B, N, D), valid (B, N) bool, day (B, N) or NaN, position (B, N, 2) row and column in patches.
    shape: (T, h, w) where the tokens lie on a grid, else None.
    """

    values: Array
    valid: Array
    day: Array
    position: Array
    shape: tuple[int, int, int] | None = None

    def grid(self) -> Array:
        """(B, T, D, h, w); only where the tokens lie on a grid."""
        if self.shape is None:
            raise ValueError("these tokens lie on no grid")
        t, h, w = self.shape
        b, _, d = self.values.shape
        v = self.values.reshape(b, t, h, w, d)
        return v.transpose(0, 1, 4, 2, 3) if isinstance(v, np.ndarray) else v.permute(0, 1, 4, 2, 3)

    def pooled(self) -> Array:
        """(B, D): mean over valid tokens; 0 where none is valid."""
        m = self.valid[..., None]
        m = m.astype(self.values.dtype) if isinstance(m, np.ndarray) else m.to(self.values.dtype)
        return (self.values * m).sum(1) / (m.sum(1) + (m.sum(1) == 0))


@dataclass(frozen=True, slots=True)
class Needs:
    """What an Encoder asks of its input: band names or () for any, quantities, GSD range m, dates, size in pixels.

    levels: those that a decoder takes (a few blocks of a transformer, the last alone by default).
    """

    bands: tuple[str, ...] = ()
    quantity: tuple[str, ...] = field(default=())
    gsd: tuple[float, float] = (0.0, float("inf"))
    dates: tuple[int, int] = (1, 10_000)
    size: int | None = None
    levels: tuple[int, ...] = (-1,)


@runtime_checkable
class Encoder(Protocol):
    """Anything that turns a Batch of physical values into Tokens and scales them itself."""

    needs: Needs

    def encode(self, batch: Batch, levels: Sequence[int] = (-1,)) -> list[Tokens]:
        """Tokens at each asked level, the last by default."""
        ...
