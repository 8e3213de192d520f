"""Training: seeded, interruptible, resuming to the same numbers; no more than a loop."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from swath.errors import OutputError, SwathError

if TYPE_CHECKING:
    from swath.batch import Batch
    from swath.objective.loss import Objective

__all__ = ["Epoch", "Rules", "fit"]


class Source(Protocol):
    """Where batches come from; the same for the same epoch number."""

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of one epoch."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """How to train. rate: at its height, after `warmup` steps, then down a cosine over `epochs`. clip: largest length of
    the gradient, 0 for none. bf16: forward in bfloat16 where the processor has it. decay: of all weights, or with
    `kernels_only` of those with two dimensions or more (no biases, no norms).
    """

    epochs: int = 10
    rate: float = 1e-3
    warmup: int = 20
    decay: float = 0.01
    clip: float = 1.0
    seed: int = 0
    bf16: bool = False
    device: str = "cpu"
    kernels_only: bool = False


@dataclass(slots=True)
class Epoch:
    """What `on_epoch` gets after each epoch: its number from 0, mean of each term, steps so far, and the parts to change.

    Setting `stop` ends the training after this epoch.
    """

    number: int
    terms: dict[str, float]
    steps: int
    model: nn.Module
    objective: Any
    source: Any
    stop: bool = field(default=False)


def fit(
    model: nn.Module,
    source: Source,
    objective: Objective,
    rules: Rules | None = None,
    *,
    folder: str | Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[dict[str, Any]]:
    """Train `model` in place by AdamW; the history, one row of terms an epoch, with what the objective remarks.

    folder: holds `state.safetensors` (model, objective, optimiser, generator, kept
    examples) and `history.jsonl`; when a state of the
    same rules is there, training goes on from it, to the same numbers as without the stop. A state of other rules is
    refused. Raises SwathError when the loss is not finite, OutputError for a state that is not of this training.
    """
    rules = rules or Rules()
    model.to(rules.device).train()
    state = objective if isinstance(objective, nn.Module) else nn.Module()
    state.to(rules.device)
    weights = [p for part in (model, state) for p in part.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(_groups(weights, rules), lr=rules.rate, weight_decay=rules.decay, betas=(0.9, 0.98))
    history: list[dict[str, Any]] = []
    steps = 0
    home = None if folder is None else Path(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rules.seed)
        if home is not None and (home / "state.safetensors").exists():
            steps, history = _resume(home, model, state, optimiser, rules, source)
        for number in range(len(history), rules.epochs):
            steps, terms = _one_epoch(model, source.epoch(number), objective, optimiser, weights, rules, number, steps)
            row = {"epoch": number, "steps": steps, **terms, **getattr(objective, "remarks", dict)()}
            history.append(row)
            now = Epoch(number, terms, steps, model, objective, source)
            if on_epoch is not None:
                on_epoch(now)
            if home is not None:
                _save(home, model, state, optimiser, rules, steps, history, source)
            if progress is not None:
                progress(number + 1, rules.epochs, f"loss {sum(terms.values()):.4f}")
            if now.stop:
                break
    model.eval()
    return history


def _groups(weights: list[nn.Parameter], rules: Rules) -> list[dict[str, Any]]:
    """What the optimiser is given: one group, or those that decay and those that do not."""
    if not rules.kernels_only:
        return [{"params": weights}]
    flat = [p for p in weights if p.ndim < 2]
    return [{"params": [p for p in weights if p.ndim >= 2]}, {"params": flat, "weight_decay": 0.0}]


def _one_epoch(
    model: nn.Module,
    batches: Iterator[Batch],
    objective: Objective,
    optimiser: torch.optim.Optimizer,
    weights: list[nn.Parameter],
    rules: Rules,
    number: int,
    steps: int,
) -> tuple[int, dict[str, float]]:
    sums: dict[str, float] = {}
    count = 0
    for batch in batches:
        rate = rules.rate * 0.5 * (1 + math.cos(math.pi * number / max(1, rules.epochs)))
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (steps + 1) / max(1, rules.warmup))
        with torch.autocast(rules.device.split(":")[0], torch.bfloat16, enabled=rules.bf16):
            loss = objective(model, batch.to(rules.device))
        value = loss.value
        if not torch.isfinite(value):
            raise SwathError(
                rule="a loss is a finite number",
                got=f"{float(value.detach())} in epoch {number}, step {steps}",
                remedy="a lower rate, or look for wild values in the input",
            )
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        if rules.clip > 0:
            nn.utils.clip_grad_norm_(weights, rules.clip)
        optimiser.step()
        for name, term in loss.terms.items():
            sums[name] = sums.get(name, 0.0) + float(term.detach())
        steps, count = steps + 1, count + 1
    if not count:
        raise SwathError(
            rule="an epoch has batches", got=f"none in epoch {number}", remedy="look at min_valid and size"
        )
    return steps, {name: total / count for name, total in sums.items()}


def _save(
    home: Path,
    model: nn.Module,
    state: nn.Module,
    optimiser: torch.optim.Optimizer,
    rules: Rules,
    steps: int,
    history: list[dict[str, Any]],
    source: Any,
) -> None:
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"objective.{k}": v for k, v in state.state_dict().items()}
    for number, entry in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{k}": torch.as_tensor(v) for k, v in entry.items()}
    tensors["generator"] = torch.get_rng_state()
    facts = {"rules": json.dumps(asdict(rules)), "steps": str(steps), "history": json.dumps(history), "version": "1"}
    facts["kept"] = json.dumps(getattr(source, "kept", None))
    home.mkdir(parents=True, exist_ok=True)
    _whole(home / "history.jsonl", lambda path: path.write_text("".join(json.dumps(r) + "\n" for r in history)))
    clean = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
    _whole(home / "state.safetensors", lambda path: save_file(clean, path, metadata=facts))


def _whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Write aside, then rename: never half a file."""
    aside = path.with_name(f".{path.name}.part")
    write(aside)
    with open(aside, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(aside, path)


def _resume(
    home: Path, model: nn.Module, state: nn.Module, optimiser: torch.optim.Optimizer, rules: Rules, source: Any
) -> tuple[int, list[dict[str, Any]]]:
    from safetensors import safe_open

    from swath.models.weights import load_strict

    with safe_open(str(home / "state.safetensors"), framework="pt") as file:
        facts = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    if asdict(Rules()) | json.loads(facts.get("rules", "{}")) != asdict(rules):
        raise OutputError(
            rule="a training goes on under the rules it began with",
            got=f"{home / 'state.safetensors'} of {facts.get('rules')}",
            remedy="the same rules, or another folder",
        )

    def of(prefix: str) -> dict[str, Tensor]:
        return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}

    load_strict(model, of("model."), name="of this training")
    load_strict(state, of("objective."), name="objective of this training")
    entries: dict[int, dict[str, Tensor]] = {}
    for key, value in of("optimiser.").items():
        number, _, name = key.partition(".")
        entries.setdefault(int(number), {})[name] = value
    optimiser.load_state_dict({"state": entries, "param_groups": optimiser.state_dict()["param_groups"]})
    kept = json.loads(facts.get("kept", "null"))
    if kept is not None:
        source.keep(kept)
    torch.set_rng_state(tensors["generator"])
    return int(facts["steps"]), json.loads(facts["history"])
