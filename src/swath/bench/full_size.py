"""A published configuration of Prithvi at full size: its parameters, and one step of training on one example."""

from __future__ import annotations

import time

import torch

from swath.estimate import Estimate
from swath.models.prithvi import Prithvi
from swath.report.outcome import Row

__all__ = ["one_step"]


def one_step(size: str, claimed: dict[str, int], *, rate: float = 1e-3) -> tuple[list[Row], dict[str, object]]:
    """Rows of parameters beside the published counts, and facts of one step: batch of one, plain gradient descent."""
    began = time.monotonic()
    torch.manual_seed(0)
    model = Prithvi(size)
    rows: list[Row] = []
    exact = "counted, not estimated: no interval"
    for part, count in claimed.items():
        own = sum(p.numel() for p in getattr(model, part).parameters())
        name = f"parameters of the {part}"
        rows.append(Row("configuration", f"prithvi:{size}", "ours", name, Estimate(own, "count", n=1, reason=exact)))
        card = Estimate(count, "count", n=1, reason="as published: no interval")
        rows.append(Row("configuration", "published", "reference", name, card))
    shape = model.shape
    side = shape.image if isinstance(shape.image, int) else shape.image[0]
    side = side // shape.patch * shape.patch
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, len(model.bands), shape.frames, side, side, generator=generator)
    when = torch.tensor([[[2020.0, 30.0 * i] for i in range(shape.frames)]])
    where = torch.tensor([[47.3, 8.5]])
    noise = torch.rand(1, shape.frames * (side // shape.patch) ** 2, generator=generator)
    first = model.mae(x, when, where, noise=noise)
    first.loss.backward()
    tokens = tuple(first.latent.shape)
    before = float(first.loss.detach())
    del first
    with torch.no_grad():
        for p in model.parameters():
            if p.grad is not None:
                p -= rate * p.grad
                p.grad = None
        after = float(model.mae(x, when, where, noise=noise).loss)
    facts: dict[str, object] = {
        "input": list(x.shape),
        "encoded": list(tokens),
        "loss before and after the step": [round(before, 5), round(after, 5)],
        "tensors": len(model.state_dict()),
        "seconds": round(time.monotonic() - began, 1),
    }
    return rows, facts
