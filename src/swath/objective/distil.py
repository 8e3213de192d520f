"""Learning from oneself: a student says of small views what a slow copy of it says of large ones.

Source: DINO, Caron et al. 2021 (arXiv 2104.14294). Two dangers keep each other in check: centring alone makes the teacher
say everything of everything, sharpening alone makes it say one thing of everything; both are watched.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from swath.objective.crops import Crops
from swath.objective.loss import Loss

if TYPE_CHECKING:
    from swath.batch import Batch

__all__ = ["Collapse", "Distil", "Head", "Health", "vectors_of"]


class Collapse(UserWarning):
    """The teacher says the same of everything."""


class Head(nn.Module):
    """Three linear layers with GELU, a direction, and prototypes of length 1: (B, D) -> (B, K) cosines."""

    def __init__(self, width: int, prototypes: int, hidden: int = 256, bottleneck: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        self.prototypes = nn.Parameter(torch.randn(prototypes, bottleneck))

    def forward(self, x: Tensor, *, still: bool = False) -> Tensor:
        """still: the prototypes get no gradient."""
        last = self.prototypes.detach() if still else self.prototypes
        return functional.normalize(self.layers(x), dim=1) @ functional.normalize(last, dim=1).T


def vectors_of(model: Any, batch: Batch) -> Tensor:
    """(B, D): an Encoder's tokens of the last level, pooled."""
    return model.encode(batch)[0].pooled()


@dataclass(frozen=True, slots=True)
class Health:
    """entropy: of what the teacher says of one view; spread: of what it says of all together; both as shares of log K.

    Their difference is what it tells of a view. collapsed: "" or what happened, in words.
    """

    entropy: float
    spread: float
    collapsed: str = ""

    @property
    def told(self) -> float:
        """Share of log K that the teacher's answer tells of a view."""
        return self.spread - self.entropy


class Distil(nn.Module):
    """The objective: cross-entropy between the teacher's answer to a large view and the student's to every other view.

    model: the student; the teacher begins as its copy, follows it as a moving average (momentum along a cosine from
    `momentum` to 1 over `steps`) and never gets a gradient. width: of its vectors. temperature: of the student;
    teacher: of the teacher, from the first to the second over `warm` steps. centre: momentum of the mean that is taken off
    the teacher's answer, None for none. still: for so many steps the prototypes do not move. views, vectors: how
    a Batch becomes views, and a view vectors. Teacher, both heads, centre and counters are saved with a run.
    """

    def __init__(
        self,
        model: nn.Module,
        width: int,
        prototypes: int = 256,
        *,
        steps: int = 1000,
        momentum: float = 0.996,
        temperature: float = 0.1,
        teacher: tuple[float, float] = (0.04, 0.07),
        warm: int = 100,
        centre: float | None = 0.9,
        still: int = 0,
        hidden: int = 256,
        bottleneck: int = 64,
        views: Callable[[Batch], list[Batch]] | None = None,
        vectors: Callable[[Any, Batch], Tensor] = vectors_of,
    ) -> None:
        super().__init__()
        self.head = Head(width, prototypes, hidden, bottleneck)
        self.teacher = copy.deepcopy(model).requires_grad_(False)
        self.teacher_head = copy.deepcopy(self.head).requires_grad_(False)
        self.steps, self.momentum, self.temperature, self.still = steps, momentum, temperature, still
        self.teacher_temperature, self.warm, self.centring = teacher, warm, centre
        self.views, self.vectors = views or Crops(), vectors
        self.register_buffer("centre", torch.zeros(prototypes))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.register_buffer("entropy", torch.tensor(math.nan))
        self.register_buffer("mean", torch.full((prototypes,), 1 / prototypes))
        self._warned = False

    def forward(self, model: nn.Module, batch: Batch) -> Loss:
        """One term, `distil`. While gradients are on, teacher, centre and counters move on."""
        device = str(self.centre.device)
        batch = batch.to(device)
        step = int(self.step)
        learning = torch.is_grad_enabled() and self.training
        if learning and step:
            with torch.no_grad():
                self._follow(model, step)
        views = self.views(batch)
        with torch.no_grad():
            seen = [self.teacher_head(self.vectors(self.teacher, view)) for view in views[:2]]
            answer = [self._sharp(s, step) for s in seen]
        said = [self.head(self.vectors(model, view), still=step < self.still) for view in views]
        terms = [
            -(wanted * functional.log_softmax(told / self.temperature, 1)).sum(1).mean()
            for i, wanted in enumerate(answer)
            for j, told in enumerate(said)
            if i != j
        ]
        if learning:
            with torch.no_grad():
                self._move(torch.cat(seen), torch.cat(answer))
        return Loss({"distil": torch.stack(terms).mean()})

    def _sharp(self, cosines: Tensor, step: int) -> Tensor:
        first, last = self.teacher_temperature
        at = first + (last - first) * min(1.0, step / max(1, self.warm))
        return functional.softmax((cosines - (0.0 if self.centring is None else self.centre)) / at, 1)

    def _follow(self, model: nn.Module, step: int) -> None:
        """The teacher goes a little towards the student."""
        part = min(1.0, step / max(1, self.steps))
        keep = 1 - (1 - self.momentum) * (1 + math.cos(math.pi * part)) / 2
        for slow, fast in ((self.teacher, model), (self.teacher_head, self.head)):
            for p, q in zip(slow.parameters(), fast.parameters(), strict=True):
                p.lerp_(q, 1 - keep)

    def _move(self, cosines: Tensor, answer: Tensor) -> None:
        if self.centring is not None:
            self.centre.lerp_(cosines.mean(0), 1 - self.centring)
        entropy = -(answer * answer.clamp(min=1e-12).log()).sum(1).mean()
        first = int(self.step) == 0
        self.entropy.copy_(entropy if first else self.entropy.lerp(entropy, 0.1))
        self.mean.copy_(answer.mean(0) if first else self.mean.lerp(answer.mean(0), 0.1))
        self.step += 1
        if int(self.step) % 20 == 0 and not self._warned and (text := self.health().collapsed):
            self._warned = True
            warnings.warn(f"step {int(self.step)}: {text}", Collapse, stacklevel=3)

    def health(self) -> Health:
        """How much the teacher tells, over the last steps or so; says when it has collapsed."""
        if int(self.step) == 0:
            return Health(math.nan, math.nan)
        most = math.log(len(self.mean))
        entropy = float(self.entropy) / most
        spread = float(-(self.mean * self.mean.clamp(min=1e-12).log()).sum()) / most
        text = ""
        if int(self.step) >= 40 and (spread - entropy < 0.02 or spread < 0.1):
            what = (
                "every prototype of every view (more sharpening)"
                if entropy > 0.5
                else "one prototype of all views (centring)"
            )
            text = f"collapse: the teacher says {what}; it tells {max(0.0, spread - entropy):.1%} of log K"
        return Health(entropy, spread, text)

    def remarks(self) -> dict[str, float | str]:
        """What a history keeps of an epoch beside the loss."""
        found = self.health()
        return {"teacher_entropy": found.entropy, "teacher_spread": found.spread, "collapse": found.collapsed}


def examples() -> Iterator[tuple[Any, Any, Batch]]:
    """(objective, model, Batch) that suit each other, small, for `swath.testing.check_objective`."""
    from swath.models.tiny import Tiny

    model, batch = Tiny.example()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield Distil(model, model.dim, 16, hidden=16, bottleneck=8, views=lambda b: [b, b, b]), model, batch
