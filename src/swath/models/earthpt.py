"""EarthPT's network under its published keys: a nanoGPT trunk over series of ten bands, which also hears the next date.

Source: aspiaspace/EarthPT (MIT), model.py as read: a two-layer ReLU embedding, a learned position by number, blocks
without offsets, a three-layer head whose first layers have ReLU behind them. No weights were at hand; keys and counts are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swath.batch import Needs
from swath.errors import FormatError
from swath.models import weights as files
from swath.nn.causal import CausalBlock, start

__all__ = ["BANDS", "EarthPT", "inputs"]

BANDS = 10
_YEAR = 365.0
_EXTRA = "_orig_mod."  # before each key where the network was compiled


class EarthPT(nn.Module):
    """dim, depth, heads and block_size of the published configuration by default; n_in, n_out: numbers a date."""

    needs = Needs()

    def __init__(
        self, *, dim: int = 1280, depth: int = 36, heads: int = 20, block_size: int = 256, n_in: int = 14,
        n_out: int = BANDS,
    ) -> None:  # fmt: skip
        super().__init__()
        self.config: dict[str, Any] = {
            "dim": dim, "depth": depth, "heads": heads, "block_size": block_size, "n_in": n_in, "n_out": n_out,
        }  # fmt: skip
        self.transformer = nn.ModuleDict({
            "wte": nn.Sequential(nn.Linear(n_in, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU()),
            "wpe": nn.Embedding(block_size, dim),
            "h": nn.ModuleList([CausalBlock(dim, heads) for _ in range(depth)]),
            "ln_f": nn.LayerNorm(dim, eps=1e-5, bias=False),
        })  # fmt: skip
        self.lm_head = nn.Sequential(
            nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim), nn.ReLU(), nn.Linear(dim, n_out)
        )
        start(self, depth)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, n_out) said of the next date, in the input's scaling, of (B, T, n_in)."""
        part: Any = self.transformer
        x = part["wte"](x) + part["wpe"](torch.arange(x.shape[1], device=x.device))
        for block in part["h"]:
            x = block(x)
        return self.lm_head(part["ln_f"](x))

    @classmethod
    def read(cls, path: str | Path, *, heads: int | None = None) -> EarthPT:
        """A published checkpoint; sizes come from its shapes, heads of 64 numbers unless told. Raises FormatError with the
        list of keys that are missing, extra or of another shape.
        """
        state = {k.removeprefix(_EXTRA): v for k, v in files.state(path).items()}
        state = {k: v for k, v in state.items() if not k.endswith(".attn.bias")}  # a mask that old versions kept
        lost = [k for k in ("transformer.wte.0.weight", "transformer.wpe.weight", "lm_head.4.weight") if k not in state]
        if lost:
            raise FormatError(
                rule="a checkpoint of EarthPT has its keys", got=f"no {', '.join(lost)}", remedy="name the checkpoint"
            )
        dim, n_in = state["transformer.wte.0.weight"].shape
        depth = len({k.split(".")[2] for k in state if k.startswith("transformer.h.")})
        model = cls(
            dim=dim, depth=depth, heads=heads or max(1, dim // 64), block_size=len(state["transformer.wpe.weight"]),
            n_in=n_in, n_out=len(state["lm_head.4.weight"]),
        )  # fmt: skip
        files.load_strict(model, state, name="earthpt")
        return model


def inputs(reflectance: np.ndarray, day: np.ndarray) -> np.ndarray:
    """(B, T - 1, 14) as the network was trained: ten bands, and sine and cosine of this and of the next day of the year.

    reflectance (B, T, 10) of 0 to 1, which the source has as whole numbers r of ten thousand: r / 1000 * 2 - 1; day (B, T)
    of the year.
    """
    scaled = reflectance[:, :-1] * 10_000.0 / 1000.0 * 2.0 - 1.0
    angle = 2 * np.pi * np.asarray(day, float) / _YEAR
    turns = [f(a) for a in (angle[:, :-1], angle[:, 1:]) for f in (np.sin, np.cos)]
    return np.concatenate([scaled, np.stack(turns, -1)], -1).astype(np.float32)
