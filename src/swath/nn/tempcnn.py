"""Convolutions along time for classes of series of equal dates (Pelletier, Webb and Petitjean 2019, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["TempCNN"]


class TempCNN(nn.Module):
    """Three convolutions of 5 dates with batch norm, ReLU and dropout, then a dense layer of four times their width."""

    def __init__(self, bands: int, dates: int, classes: int, width: int = 64, *, drop: float = 0.2) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(3):
            layers += [
                nn.Conv1d(bands if i == 0 else width, width, 5, padding=2), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(drop),
            ]  # fmt: skip
        dense = [
            nn.Flatten(),
            nn.Linear(width * dates, 4 * width),
            nn.BatchNorm1d(4 * width),
            nn.ReLU(),
            nn.Dropout(drop),
        ]
        self.net = nn.Sequential(*layers, *dense, nn.Linear(4 * width, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Scores (B, K) of series (B, T, C), scaled already."""
        return self.net(x.transpose(1, 2))

    @classmethod
    def of_size(cls, bands: int, dates: int, classes: int, parameters: int) -> TempCNN:
        """With about as many parameters as asked for."""

        def size(width: int) -> int:
            with torch.device("meta"):
                return sum(p.numel() for p in cls(bands, dates, classes, width).parameters())

        return cls(bands, dates, classes, min(range(4, 257, 2), key=lambda w: abs(size(w) - parameters)))
