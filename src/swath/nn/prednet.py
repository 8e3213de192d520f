"""A small head that says one positive number of a vector, e.g. how unsure it is."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PredNet"]


class PredNet(nn.Module):
    """1e-6 + softplus of a perceptron: `depth` times [Linear, LeakyReLU 0.01], then Linear to one.

    Source: Kirchhof et al. 2024, arXiv 2402.16569 (depth 3), and arXiv 2503.07082 (depth 2, width 512). Keys as published:
    unc_module.{0, 2, ...}.weight and .bias.
    """

    def __init__(self, dim: int, *, width: int = 512, depth: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number in range(depth):
            layers += [nn.Linear(dim if number == 0 else width, width), nn.LeakyReLU(0.01)]
        self.unc_module = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, vectors: Tensor) -> Tensor:
        """(..., D) -> (...), above 0. The vectors get no gradient."""
        return 1e-6 + functional.softplus(self.unc_module(vectors.detach())).squeeze(-1)


def order(u: Tensor, loss: Tensor, *, gap: float = 0.1) -> Tensor:
    """Neighbours in the batch (2j, 2j+1) must be in the order of their losses, `gap` apart: a mean hinge.

    u, loss: (B,), B even; equal losses count as the second being larger. Source: arXiv 2503.07082, its code.
    Raises ValueError for an odd batch.
    """
    if len(u) % 2:
        raise ValueError(f"pairs need an even number of items; got {len(u)}")
    a, b = u[0::2], u[1::2]
    sign = torch.where(loss[0::2] > loss[1::2], 1.0, -1.0)
    return (gap - sign * (a - b)).clamp(min=0).mean()
