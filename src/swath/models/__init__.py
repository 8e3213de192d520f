"""Networks by name: `build` makes one, `load` one with its weights. Nothing is imported until used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import FormatError, SwathError, need

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from swath.models.weights import Facts

__all__ = ["MODELS", "WEIGHTS", "build", "load", "outside"]

MODELS: dict[str, str] = {"tiny": "swath.models.tiny:Tiny"}
# Files in weights_files/ beside this one, and the sha256 that they must have.
WEIGHTS: dict[str, tuple[str, str]] = {
    "tiny": ("tiny.safetensors", "0f37404a63b575c4387f33ff4dc7d3df729014d2d38041a0642cd72e2726d73a")
}


def build(name: str, **config: Any) -> Any:
    """A network of a family, with random weights. Raises SwathError for an unknown name, ExtraError without torch."""
    from importlib import import_module

    if name not in MODELS:
        raise SwathError(rule="a model has a known name", got=name, remedy=f"one of {', '.join(sorted(MODELS))}")
    need("torch", extra="nn", why=f"the model {name}")
    module, _, attribute = MODELS[name].partition(":")
    return getattr(import_module(module), attribute)(**config)


def outside() -> dict[str, EntryPoint]:
    """Encoders that other packages bring, by name (entry point group `swath.encoders`)."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group="swath.encoders")}


def load(name: str, weights: str | Path | None = None) -> Any:
    """A network with its weights and scaling, ready to encode.

    name: of a family, then `weights` is a file or None for those that come with swath; or a path to a weights file; or
    an encoder of another package (entry point `swath.encoders`: a function without arguments that gives an Encoder).
    Raises SwathError for an unknown name, FormatError for weights that do not fit, ExtraError without torch.
    """
    if weights is None and name not in MODELS and (found := outside().get(name)) is not None:
        return found.load()()
    need("torch", extra="nn", why=f"the model {name}")
    need("safetensors", extra="nn", why=f"the model {name}")
    from swath.models import weights as files

    if weights is None and name not in MODELS and Path(name).suffix == ".safetensors":
        weights = name
    if weights is None:
        if name not in WEIGHTS:
            raise SwathError(
                rule="a model without a weights file comes with swath or a package beside it",
                got=name,
                remedy=f"one of {', '.join([*WEIGHTS, *outside()])}, or name a weights file",
            )
        file, digest = WEIGHTS[name]
        weights = Path(__file__).parent / "weights_files" / file
        if files.sha256(weights) != digest:
            raise FormatError(
                rule=f"the weights of {name} are those that came with swath",
                got=f"another {file}",
                remedy="install anew",
            )
    tensors, facts = files.read(weights)
    _same_family(name, facts, weights)
    model = build(facts.model, **facts.config, statistics=facts.statistics)
    files.load_strict(model, tensors, name=facts.model)
    model.facts = facts
    return model.eval()


def _same_family(name: str, facts: Facts, weights: str | Path) -> None:
    if name in MODELS and name != facts.model:
        raise SwathError(
            rule=f"weights for {name} are of that family",
            got=f"{Path(weights).name} is of {facts.model}",
            remedy="rename",
        )
