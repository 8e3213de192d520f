"""What an objective keeps: finite named terms, gradients, and no use of what is not valid."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.batch import Batch
from swath.testing.rules import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["RULES", "check_objective", "objectives"]


def gives_named_finite_terms(objective: Any, model: Any, batch: Batch) -> str:
    """The loss has terms with names, each one finite number, and `value` is their sum."""
    loss = _loss(objective, model, batch)
    if not loss.terms:
        return "no terms"
    numbers = {name: float(term.detach()) for name, term in loss.terms.items()}
    if wrong := [name for name, number in numbers.items() if not np.isfinite(number)]:
        return f"terms {wrong} are not finite"
    total = float(loss.value.detach())
    return "" if abs(total - sum(numbers.values())) <= 1e-5 * max(1.0, abs(total)) else "value is not the sum of terms"


def has_gradients(objective: Any, model: Any, batch: Batch) -> str:
    """Some weight of the model gets a finite gradient that is not zero."""
    model.zero_grad()
    _loss(objective, model, batch).value.backward()
    found = [p.grad for p in model.parameters() if p.grad is not None]
    if not all(bool(g.isfinite().all()) for g in found):
        return "gradients are not finite"
    moved = any(bool((g != 0).any()) for g in found)
    model.zero_grad()
    return "" if moved else "no weight gets a gradient"


def is_the_same_for_the_same_seed(objective: Any, model: Any, batch: Batch) -> str:
    """Under one seed of torch it is one number."""
    a, b = (float(_loss(objective, model, batch).value.detach()) for _ in range(2))
    return "" if a == b or _has_state(objective) else f"{a} and {b} under one seed"


def ignores_what_is_not_valid(objective: Any, model: Any, batch: Batch) -> str:
    """Values that are not valid change nothing."""
    if _has_state(objective):
        return ""
    pixels = {name: replace(p, values=np.where(p.valid, p.values, np.float32(1e6))) for name, p in batch.pixels.items()}
    a, b = (float(_loss(objective, model, x).value.detach()) for x in (batch, replace(batch, pixels=pixels)))
    return "" if abs(a - b) <= 1e-5 * max(1.0, abs(a)) else f"{a} becomes {b} with other invalid values"


def bears_nothing_valid(objective: Any, model: Any, batch: Batch) -> str:
    """A batch without a valid value gives a finite loss."""
    pixels = {name: replace(p, valid=np.zeros_like(p.valid)) for name, p in batch.pixels.items()}
    value = float(_loss(objective, model, replace(batch, pixels=pixels)).value.detach())
    return "" if np.isfinite(value) else f"{value} where nothing is valid"


def _loss(objective: Any, model: Any, batch: Batch) -> Any:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return objective(model, batch)


def _has_state(objective: Any) -> bool:
    return bool(getattr(objective, "state_dict", dict)())


def objectives() -> Iterator[tuple[Any, Any, Batch]]:
    """Every objective of `swath.objective` with a model and a Batch: what its modules' `examples` give."""
    from importlib import import_module
    from pkgutil import iter_modules

    import swath.objective as room

    for found in iter_modules(room.__path__):
        yield from getattr(import_module(f"swath.objective.{found.name}"), "examples", tuple)()


RULES: tuple[Callable[[Any, Any, Batch], str], ...] = (
    gives_named_finite_terms, has_gradients, is_the_same_for_the_same_seed, ignores_what_is_not_valid, bears_nothing_valid,
)  # fmt: skip


def check_objective(objective: Any, model: Any, batch: Batch) -> None:
    """Run RULES over an objective with a model and a NumPy Batch that suit it. Raises SwathError naming the broken ones."""
    run(f"the objective {type(objective).__name__}", RULES, objective, model, batch)
