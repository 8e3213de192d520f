"""Weights under their publisher's names, put strictly into a network that names its parts otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from swath.errors import FormatError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["fill"]


def fill(
    model: nn.Module, tensors: Mapping[str, Tensor], published: Callable[[str], Sequence[str]], *, name: str
) -> None:
    """Put published tensors into a model: all of them, and nothing else.

    published: from a key of the model to those of the file whose tensors, one below the other, are its value (a joint
    query-key-value layer of three). Raises FormatError that lists keys missing, left over and of another shape, all as
    the file names them.
    """
    import torch

    own = model.state_dict()
    wanted: dict[str, tuple[int, ...]] = {}
    for key, value in own.items():
        parts = published(key)
        shape = tuple(value.shape)
        wanted |= dict.fromkeys(parts, (shape[0] // len(parts), *shape[1:]) if shape else shape)
    missing, extra = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    reshaped = [
        f"{key} {tuple(tensors[key].shape)} for {shape}"
        for key, shape in wanted.items()
        if key in tensors and tuple(tensors[key].shape) != shape
    ]
    if missing or extra or reshaped:
        raise FormatError(
            rule=f"weights fit {name} key by key",
            got=f"missing {_few(missing)}; extra {_few(extra)}; reshaped {_few(reshaped)}",
            remedy="use the published file, or the size that it was made for",
        )
    for key in list(own):  # own keeps what torch notes of its layers' versions
        parts = [tensors[part] for part in published(key)]
        own[key] = parts[0] if len(parts) == 1 else torch.cat(parts)
    model.load_state_dict(own, strict=True)


def _few(items: Sequence[str]) -> str:
    return "none" if not items else ", ".join(items[:6]) + (f" and {len(items) - 6} more" if len(items) > 6 else "")
