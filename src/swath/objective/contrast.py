"""Learning by telling apart: rows that belong together come near, all others go away."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from swath.errors import SwathError
from swath.objective.loss import Loss

__all__ = ["contrast"]


def contrast(
    a: Tensor,
    b: Tensor,
    likeness: Tensor | None = None,
    ignore: Tensor | None = None,
    temperature: float | Tensor = 0.1,
    queue: Tensor | None = None,
    *,
    form: Literal["softmax", "sigmoid"] = "softmax",
    bias: float | Tensor = 0.0,
    both_ways: bool = True,
) -> Loss:
    """How badly rows of `a` find their partners among the rows of `b` (and of a queue): one term, `contrast`.

    a, b: (M, D), of any length: directions are compared. Row i of b is the partner of row i of a.
    likeness: (M, M) or (M, M + Q) from 0 to 1, how much each belongs to each; the identity by default. Equal captions,
    land-cover shares or known false negatives enter here. ignore: the same shape, bool: pairs that are neither partners
    nor strangers; they get no gradient. A row without any partner left is not counted.
    temperature: divides the cosines. queue: (Q, D) more strangers, without gradient (MoCo, He et al. 2020).
    form: "softmax", cross-entropy against the row's likeness as shares (InfoNCE, van den Oord et al. 2018; soft targets),
    or "sigmoid", each pair for itself (binary cross-entropy against its likeness, with `bias` added).
    both_ways: b also looks for its partner in a; the mean of both (only without a queue).
    Raises SwathError for shapes that do not fit.
    """
    m, q = len(a), 0 if queue is None else len(queue)
    if a.shape != b.shape or (queue is not None and queue.shape[1] != a.shape[1]):
        raise SwathError(
            rule="rows of a and b are partners of one width",
            got=f"{tuple(a.shape)}, {tuple(b.shape)}{'' if queue is None else f', queue {tuple(queue.shape)}'}",
            remedy="project them to one width",
        )
    for name, one in (("likeness", likeness), ("ignore", ignore)):
        if one is not None and tuple(one.shape) not in ((m, m), (m, m + q)):
            raise SwathError(
                rule=f"{name} is ({m}, {m}) or ({m}, {m + q})", got=str(tuple(one.shape)), remedy="a row for each of a"
            )
    a, b = functional.normalize(a, dim=1), functional.normalize(b, dim=1)
    others = b if queue is None else torch.cat([b, functional.normalize(queue.detach(), dim=1)])
    logits = a @ others.T / temperature + bias
    wanted = torch.eye(m, device=a.device, dtype=logits.dtype) if likeness is None else likeness.to(logits)
    left = torch.zeros_like(wanted, dtype=torch.bool) if ignore is None else ignore.to(a.device)
    wanted = functional.pad(wanted, (0, m + q - wanted.shape[1]))
    left = functional.pad(left, (0, m + q - left.shape[1]))
    one = _pairs if form == "sigmoid" else _rows
    value = one(logits, wanted, left)
    if both_ways and queue is None and form == "softmax":
        value = (value + one(logits.T, wanted.T, left.T)) / 2
    return Loss({"contrast": value})


def _rows(logits: Tensor, wanted: Tensor, left: Tensor) -> Tensor:
    """Cross-entropy of each row that has a partner, over what is not left out."""
    wanted = wanted.masked_fill(left, 0.0)
    total = wanted.sum(1)
    counted = total > 0
    share = wanted / total.clamp(min=1e-12)[:, None]
    lowest = torch.finfo(logits.dtype).min
    log = functional.log_softmax(logits.masked_fill(left, lowest), 1)
    each = -(share * log.masked_fill(left, 0.0)).sum(1)
    return each.masked_fill(~counted, 0.0).sum() / counted.sum().clamp(min=1)


def _pairs(logits: Tensor, wanted: Tensor, left: Tensor) -> Tensor:
    each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return each.masked_fill(left, 0.0).sum() / (~left).sum().clamp(min=1)
